import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.errors import Invalid
from chalicelib.domain.users import check_password, sign_in_name


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "x" * 12,
        "x" * 128,
        " leading and trailing ",
        "пароль из двенадцати",
        "🔑" * 12,
        "tab\tand\nline",
    ],
)
def test_long_passwords_of_any_characters_are_taken(password: str) -> None:
    assert check_password(password) == password


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 129, "🔑" * 11, "e\u0301" * 11, "x" * 1_000_000])
def test_passwords_that_are_too_short_or_too_long_are_refused(password: str) -> None:
    with pytest.raises(Invalid, match="/password: must have 12 to 128 characters"):
        check_password(password)


def test_a_refused_password_is_not_told_back() -> None:
    with pytest.raises(Invalid) as caught:
        check_password("hunter2")
    assert "hunter2" not in str(caught.value)


def test_the_place_of_a_new_password_can_be_named() -> None:
    with pytest.raises(Invalid, match=r"^/new: "):
        check_password("short", "/new")


@given(some.text(min_size=12, max_size=40))
def test_a_password_is_the_same_from_every_keyboard(password: str) -> None:
    forms = [unicodedata.normalize(form, password) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    taken = set()
    for form in forms:
        try:
            taken.add(check_password(form))
        except Invalid:
            taken.add("refused")

    assert len(taken) == 1


@pytest.mark.parametrize("address", ["Ada@Example.COM", " ada@example.com ", "\tADA@EXAMPLE.COM\n"])
def test_an_address_signs_in_however_it_is_written(address: str) -> None:
    assert sign_in_name(address) == "ada@example.com"


@given(some.emails())
def test_a_sign_in_name_is_its_own_sign_in_name(address: str) -> None:
    try:
        name = sign_in_name(address)
    except Invalid:
        return
    assert sign_in_name(name) == sign_in_name(address.upper()) == name
