from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.accounts import check_iban
from chalicelib.domain.checks import COUNTRIES, check_country, check_email, check_tax_rate, raise_all
from chalicelib.domain.errors import FieldError, Invalid
from tests.builders import a_profile

IBAN_EXAMPLES = [
    "AT611904300234573201",
    "BE68539007547034",
    "CH9300762011623852957",
    "DE89370400440532013000",
    "FR1420041010050500013M02606",
    "GB29NWBK60161331926819",
    "LI21088100002324013AA",
    "MT84MALT011000012345MTLCAST001S",
    "NL91ABNA0417164300",
    "NO9386011117947",
    "SE4550000000058398257466",
    "SI56263300012039086",
]
"""The examples of ISO 13616's registry."""


def refused_at(**profile: Any) -> list[str]:
    with pytest.raises(Invalid) as caught:
        a_profile(**profile).checked()
    return [error.pointer for error in caught.value.errors]


def test_a_good_profile_is_taken_as_it_is() -> None:
    profile = a_profile()

    assert profile.checked() is profile


def test_all_that_is_wrong_is_told_at_once_and_in_order() -> None:
    assert refused_at(
        email="ada",
        country="XX",
        currency="DEM",
        time_zone="Vienna",
        default_tax_rate=Decimal(101),
        iban="AT00",
        bic="x",
        invoice_prefix="€",
    ) == ["/email", "/country", "/currency", "/time_zone", "/default_tax_rate", "/iban", "/bic", "/invoice_prefix"]


def test_what_checks_find_is_kept_in_their_order_and_other_errors_pass() -> None:
    def refuse(pointer: str) -> None:
        raise Invalid(FieldError(pointer, "is wrong"))

    def break_down() -> None:
        raise ZeroDivisionError

    with pytest.raises(Invalid) as caught:
        raise_all(lambda: refuse("/b"), lambda: None, lambda: refuse("/a"))
    assert [error.pointer for error in caught.value.errors] == ["/b", "/a"]
    with pytest.raises(ZeroDivisionError):
        raise_all(break_down)
    raise_all()


# IBAN and BIC


@pytest.mark.parametrize("iban", IBAN_EXAMPLES)
def test_real_ibans_are_taken(iban: str) -> None:
    check_iban(iban)


@pytest.mark.parametrize(
    "iban",
    [
        "",
        "AT611904300234573202",
        "AT611904300234573210",
        "AT61 1904 3002 3457 3201",
        "at611904300234573201",
        "AT61190430023457320",
        "DE8937040044053201300",
        "6111904300234573201AT",
        "AT61190430023457320!",
        "AT61190430023457320１",
        "ＡT611904300234573201",
        "AT611904300234573201\n",
        "AT" + "1" * 10_000,
    ],
)
def test_what_is_no_iban_is_refused(iban: str) -> None:
    with pytest.raises(Invalid, match="/iban: is not a valid IBAN"):
        check_iban(iban)


@given(some.sampled_from(IBAN_EXAMPLES), some.data())
def test_one_wrong_digit_is_always_noticed(iban: str, draw: some.DataObject) -> None:
    place = draw.draw(some.sampled_from([place for place, character in enumerate(iban) if character.isdigit()]))
    wrong = draw.draw(some.sampled_from([digit for digit in "0123456789" if digit != iban[place]]))

    with pytest.raises(Invalid):
        check_iban(iban[:place] + wrong + iban[place + 1 :])


@given(some.sampled_from(IBAN_EXAMPLES), some.data())
def test_two_digits_in_the_wrong_order_are_always_noticed(iban: str, draw: some.DataObject) -> None:
    swappable = [
        place
        for place in range(len(iban) - 1)
        if iban[place] != iban[place + 1] and iban[place : place + 2].isdigit() and place not in (1, 3)
    ]
    place = draw.draw(some.sampled_from(swappable))

    with pytest.raises(Invalid):
        check_iban(iban[:place] + iban[place + 1] + iban[place] + iban[place + 2 :])


@pytest.mark.parametrize("bic", ["BKAUATWW", "DEUTDEFF500", "NEDSZAJJXXX", None])
def test_real_bics_are_taken(bic: str | None) -> None:
    a_profile(bic=bic).checked()


@pytest.mark.parametrize("bic", ["", "BKAUATW", "BKAUATWWX", "BKAUATWWXXXX", "bkauatww", "BKAU1TWW", "BKAUATW€", "BKAUATWW\n"])
def test_what_is_no_bic_is_refused(bic: str) -> None:
    assert refused_at(bic=bic) == ["/bic"]


# E-mail


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com",
        "a@b.at",
        "ada.lovelace+invoices@mail.example.co.uk",
        "o'hara@example.ie",
        "1_2-3@4.example",
        "ada@xn--mnchen-3ya.de",
        "ada@xn--e1afmkfd.xn--p1ai",
        "Ada@EXAMPLE.COM",
        "x" * 64 + "@example.com",
    ],
)
def test_addresses_that_mail_reaches_are_taken(address: str) -> None:
    assert check_email(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@localhost",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "ada@example.com.",
        "ada@.example.com",
        "ada@example..com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@xn--.xn--",
        "ada@b@example.com",
        "ada lovelace@example.com",
        '"ada"@example.com',
        "Ada <ada@example.com>",
        "ada@example.com, eve@example.com",
        "ada@example.com\n",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada\0@example.com",
        "ädä@example.com",
        "ada@exämple.com",
        "ada@example.com\u200b",
        "x" * 65 + "@example.com",
        "ada@" + "a" * 64 + ".com",
        "ada@" + "a." * 130 + "com",
        "a@" * 100_000,
        "ada@" + "a-" * 500_000,
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="/email: is not an e-mail address"):
        check_email(address)


@given(some.from_regex(r"\A[!-~]{1,20}@[!-~]{1,20}\Z") | some.text(max_size=30).map(lambda text: f"a{text}@example.com"))
def test_no_address_that_is_taken_can_break_out_of_a_header(address: str) -> None:
    try:
        check_email(address)
    except Invalid:
        return
    assert address.isascii()
    assert address.isprintable()
    assert address.count("@") == 1
    assert not set(address) & set(' ,;:<>()[]"\\')


# Countries, tax rates, prefixes


def test_there_are_249_countries_and_kosovo() -> None:
    assert len(COUNTRIES) == 250
    assert {"AT", "DE", "GB", "GR", "NZ", "SS", "US", "XK"} <= COUNTRIES


@pytest.mark.parametrize("country", ["", "at", "AUT", "UK", "EL", "EU", "XX", "ZZ", "AN", "YU", "A", "AT "])
def test_what_is_no_country_is_refused(country: str) -> None:
    with pytest.raises(Invalid, match="/country: is not an ISO 3166-1 country code"):
        check_country(country)


@pytest.mark.parametrize("rate", ["0", "0.0001", "7.7", "20", "20.000000", "100", "1e2", "-0"])
def test_tax_rates_are_percentages(rate: str) -> None:
    check_tax_rate(Decimal(rate), "/tax_rate")


@pytest.mark.parametrize("rate", ["-0.0001", "100.0001", "0.00001", "19.99999", "NaN", "sNaN", "Infinity", "1e20", "1e-20"])
def test_what_is_no_tax_rate_is_refused(rate: str) -> None:
    with pytest.raises(Invalid, match=r"^/tax_rate: "):
        check_tax_rate(Decimal(rate), "/tax_rate")


@pytest.mark.parametrize("prefix", ["", "RE", "RE-", "2026/", "CNA", "A_B-", "x" * 12])
def test_prefixes_that_number_an_invoice_are_taken(prefix: str) -> None:
    a_profile(invoice_prefix=prefix).checked()


@pytest.mark.parametrize("prefix", ["CN", "cn", "x" * 13, "RE ", "RE.", "Ä-", "RE\n", "../", "RE\0", "RÉ"])
def test_prefixes_that_would_spoil_a_number_are_refused(prefix: str) -> None:
    assert refused_at(invoice_prefix=prefix) == ["/invoice_prefix"]
