import csv
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, getcontext, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.errors import Invalid
from chalicelib.domain.money import MINOR_UNITS, check_amount, check_currency, check_exact, percentage, round_money, time_amount
from chalicelib.domain.vat import sum_up
from tests.domain.exactly import half_up

CURRENCY_FILE = Path(__file__).parent / "data" / "iso4217.csv"


@dataclass(frozen=True)
class Line:
    amount: Decimal
    tax_rate: Decimal


def lines(tax_rate: str, *amounts: str) -> list[Line]:
    return [Line(Decimal(amount), Decimal(tax_rate)) for amount in amounts]


currencies = some.sampled_from(sorted(MINOR_UNITS))
numbers = some.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=8)
rates = some.decimals(min_value=0, max_value=100, places=4)
hourly_rates = some.decimals(min_value=0, max_value=10**9, places=6)


@some.composite
def priced_lines(draw: some.DrawFn) -> tuple[str, list[Line]]:
    currency = draw(currencies)
    amounts = some.decimals(min_value=-(10**9), max_value=10**9, places=MINOR_UNITS[currency])
    few_rates = draw(some.lists(rates, min_size=1, max_size=3))
    return currency, draw(some.lists(some.builds(Line, amounts, some.sampled_from(few_rates)), max_size=30))


# What others get wrong


def test_a_half_cent_of_vat_rounds_up_though_its_neighbour_is_even() -> None:
    assert percentage(Decimal("1460.50"), Decimal(25), "EUR") == Decimal("365.13")


def test_a_half_cent_of_negative_vat_rounds_away_from_zero() -> None:
    assert percentage(Decimal("-625743.54"), Decimal(25), "EUR") == Decimal("-156435.89")


def test_vat_is_taken_of_the_sum_of_the_lines_and_not_of_each() -> None:
    amounts = ("12.52", "126.90", "95.64", "11.75", "9.80")
    of_each = sum(percentage(Decimal(amount), Decimal(19), "EUR") for amount in amounts)

    totals = sum_up(lines("19", *amounts), "EUR")

    assert (totals.net, totals.vat, totals.total) == (Decimal("256.61"), Decimal("48.76"), Decimal("305.37"))
    assert of_each == Decimal("48.75")


def test_five_minutes_at_60_an_hour_are_5() -> None:
    assert str(time_amount(5 * 60, Decimal(60), "EUR")) == "5.00"


def test_6617_seconds_at_95_an_hour_are_174_62() -> None:
    assert time_amount(6617, Decimal(95), "EUR") == Decimal("174.62")


def test_three_lines_of_20_minutes_at_85_come_to_what_is_printed_and_not_to_an_hour() -> None:
    each = time_amount(20 * 60, Decimal(85), "EUR")

    assert each == Decimal("28.33")
    assert sum_up([Line(each, Decimal(0))] * 3, "EUR").total == Decimal("84.99")


def test_yen_have_no_decimals() -> None:
    totals = sum_up(lines("10", "1127"), "JPY")

    assert (str(totals.net), str(totals.vat), str(totals.total)) == ("1127", "113", "1240")


def test_kuwaiti_dinars_have_three_decimals() -> None:
    assert str(round_money(Decimal("1.2345") * 3, "KWD")) == "3.704"


def test_each_rate_has_its_own_vat_and_the_highest_comes_first() -> None:
    totals = sum_up([*lines("10", "50.05"), *lines("20", "100.01"), *lines("10", "0.05")], "EUR")

    assert [(group.rate, group.net, group.vat) for group in totals.vat_groups] == [
        (Decimal(20), Decimal("100.01"), Decimal("20.00")),
        (Decimal(10), Decimal("50.10"), Decimal("5.01")),
    ]
    assert (totals.net, totals.vat, totals.total) == (Decimal("150.11"), Decimal("25.01"), Decimal("175.12"))


def test_the_same_rate_written_with_more_digits_is_one_group() -> None:
    totals = sum_up([*lines("25", "400.00"), *lines("25.00", "400.00")], "DKK")

    assert [group.vat for group in totals.vat_groups] == [200]


def test_no_lines_come_to_nothing_with_all_its_decimals() -> None:
    totals = sum_up([], "KWD")

    assert (str(totals.net), str(totals.vat), str(totals.total), totals.vat_groups) == ("0.000", "0.000", "0.000", ())


def test_nothing_is_ever_written_as_minus_nothing() -> None:
    assert str(round_money(Decimal("-0.004"), "EUR")) == "0.00"
    assert str(percentage(Decimal("-25.00"), Decimal(0), "EUR")) == "0.00"


# What is read


@pytest.mark.parametrize("number", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(Invalid, match="/amount: must be a finite number"):
        check_exact(Decimal(number), "/amount")


@pytest.mark.parametrize("number", ["123456789012345678901", "0.123456789012345678901", "1.00000000000000000000"])
def test_more_than_20_digits_are_refused(number: str) -> None:
    with pytest.raises(Invalid, match="at most 20 significant digits"):
        check_exact(Decimal(number), "/amount")


@pytest.mark.parametrize("number", ["1e21", "1e-21", "1e999999", "-1e-999999", "0e999999"])
def test_numbers_that_nobody_means_are_refused(number: str) -> None:
    with pytest.raises(Invalid, match="must be between"):
        check_exact(Decimal(number), "/amount")


@pytest.mark.parametrize("number", ["12345678901234567890", "0.12345678901234567890", "-1e20", "1e-20", "0", "-0.00"])
def test_20_digits_are_taken_as_they_are(number: str) -> None:
    assert str(check_exact(Decimal(number), "/amount")) == str(Decimal(number))


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [("5", "EUR", "5.00"), ("5.1", "EUR", "5.10"), ("5.10", "JPY", None), ("5.0", "JPY", "5"), ("1e2", "KWD", "100.000")],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(amount: str, currency: str, written: str | None) -> None:
    if written is None:
        with pytest.raises(Invalid, match="must have at most 0 decimals in JPY"):
            check_amount(Decimal(amount), currency, "/amount")
    else:
        assert str(check_amount(Decimal(amount), currency, "/amount")) == written


def test_half_a_cent_is_no_amount() -> None:
    with pytest.raises(Invalid, match="/amount: must have at most 2 decimals in EUR"):
        check_amount(Decimal("0.005"), "EUR", "/amount")


def test_every_active_currency_of_iso_4217_has_its_minor_units() -> None:
    with CURRENCY_FILE.open(newline="") as rows:
        assert {row["code"]: int(row["minor_units"]) for row in csv.DictReader(rows)} == MINOR_UNITS


@pytest.mark.parametrize("code", ["", "eur", "EUR ", "DEM", "HRK", "BGN", "XXX", "XAU", "EURO", "€"])
def test_what_is_no_active_currency_is_refused(code: str) -> None:
    with pytest.raises(Invalid, match="/currency: is not an active ISO 4217 currency code"):
        check_currency(code)


# What always holds


@given(numbers, currencies)
def test_rounding_goes_to_the_nearest_unit_and_halves_away_from_zero(amount: Decimal, currency: str) -> None:
    assert round_money(amount, currency) == half_up(Fraction(amount), MINOR_UNITS[currency])


@given(some.integers(-(10**12), 10**12), currencies)
def test_exact_halves_go_away_from_zero(units: int, currency: str) -> None:
    decimals = MINOR_UNITS[currency]
    half = Decimal(2 * units + 1).scaleb(-decimals) / 2
    away = units + 1 if half > 0 else units

    assert round_money(half, currency) == Decimal(away).scaleb(-decimals)


@given(numbers, currencies)
def test_rounding_twice_is_rounding_once(amount: Decimal, currency: str) -> None:
    once = round_money(amount, currency)

    assert round_money(once, currency) == once
    assert once.as_tuple().exponent == -MINOR_UNITS[currency]


@given(numbers, currencies)
def test_rounding_treats_debts_as_it_treats_claims(amount: Decimal, currency: str) -> None:
    assert round_money(-amount, currency) == -round_money(amount, currency)


@given(some.integers(0, 31 * 86_400), hourly_rates, currencies)
def test_time_is_worth_seconds_times_rate_over_3600_rounded_once(seconds: int, rate: Decimal, currency: str) -> None:
    assert time_amount(seconds, rate, currency) == half_up(Fraction(rate) * seconds / 3600, MINOR_UNITS[currency])


@given(numbers, rates, currencies)
def test_a_percentage_is_rounded_once(amount: Decimal, percent: Decimal, currency: str) -> None:
    assert percentage(amount, percent, currency) == half_up(Fraction(amount) * Fraction(percent) / 100, MINOR_UNITS[currency])


@given(priced_lines())
def test_a_total_is_the_printed_lines_and_the_vat_of_their_groups(priced: tuple[str, list[Line]]) -> None:
    currency, items = priced
    nets: dict[Fraction, Fraction] = defaultdict(Fraction)
    for line in items:
        nets[Fraction(line.tax_rate)] += Fraction(line.amount)
    vats = [half_up(net * rate / 100, MINOR_UNITS[currency]) for rate, net in nets.items()]

    totals = sum_up(items, currency)

    assert Fraction(totals.net) == sum(nets.values())
    assert Fraction(totals.vat) == sum(map(Fraction, vats))
    assert Fraction(totals.total) == Fraction(totals.net) + Fraction(totals.vat)
    assert {Fraction(group.rate): Fraction(group.net) for group in totals.vat_groups} == nets


@given(priced_lines(), some.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(priced: tuple[str, list[Line]], chance: random.Random) -> None:
    currency, items = priced
    shuffled = chance.sample(items, len(items))

    assert sum_up(shuffled, currency) == sum_up(items, currency)


@given(priced_lines())
def test_every_total_has_the_decimals_of_its_currency(priced: tuple[str, list[Line]]) -> None:
    currency, items = priced
    totals = sum_up(items, currency)
    amounts = [totals.net, totals.vat, totals.total, *(part for group in totals.vat_groups for part in (group.net, group.vat))]

    assert {amount.as_tuple().exponent for amount in amounts} == {-MINOR_UNITS[currency]}
    assert not any(amount.is_zero() and amount.is_signed() for amount in amounts)


@given(priced_lines())
def test_the_caller_s_arithmetic_neither_changes_a_total_nor_is_changed(priced: tuple[str, list[Line]]) -> None:
    currency, items = priced
    expected = sum_up(items, currency)
    with localcontext() as narrow:
        narrow.prec, narrow.rounding = 4, ROUND_HALF_EVEN

        assert sum_up(items, currency) == expected
        assert (getcontext().prec, getcontext().rounding) == (4, ROUND_HALF_EVEN)


FLOAT: Any = 2.0


@pytest.mark.parametrize(
    "with_a_float",
    [
        lambda: check_exact(FLOAT, "/amount"),
        lambda: check_amount(FLOAT, "EUR", "/amount"),
        lambda: round_money(FLOAT, "EUR"),
        lambda: time_amount(3600, FLOAT, "EUR"),
        lambda: percentage(FLOAT, Decimal(20), "EUR"),
        lambda: percentage(Decimal(1), FLOAT, "EUR"),
        lambda: sum_up([Line(FLOAT, Decimal(20))], "EUR"),
    ],
)
def test_a_float_never_becomes_money(with_a_float: Callable[[], object]) -> None:
    with pytest.raises((TypeError, AttributeError)):
        with_a_float()
