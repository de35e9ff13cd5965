import re
from collections.abc import Iterator

import pytest

from chalicelib.domain.errors import DaybookError, FieldError, Invalid, NotFound, NothingToInvoice


def all_below(error: type[DaybookError]) -> Iterator[type[DaybookError]]:
    for child in (found for found in error.__subclasses__() if found.__module__ == DaybookError.__module__):
        yield child
        yield from all_below(child)


def test_every_error_has_a_code_of_its_own() -> None:
    errors: list[type[DaybookError]] = [DaybookError, *all_below(DaybookError)]
    codes = [error.code for error in errors]

    assert len(codes) > 20
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("error", [error for error in all_below(DaybookError) if not issubclass(error, Invalid)])
def test_an_error_says_what_is_wrong_though_nothing_was_added(error: type[DaybookError]) -> None:
    assert error().detail == (error.__doc__ or "").splitlines()[0] != ""


def test_what_was_added_is_said_instead() -> None:
    assert NothingToInvoice("nothing through 2026-01-31").detail == "nothing through 2026-01-31"
    assert NotFound("").detail == "There is no such thing in this account."


def test_invalid_tells_every_place() -> None:
    one, both = FieldError("/rate", "is wrong"), [FieldError("/rate", "is wrong"), FieldError("", "too much")]

    assert (Invalid(one).errors, Invalid(one).detail) == ((one,), "/rate: is wrong")
    assert (Invalid(both).errors, Invalid(both).detail) == (tuple(both), "/rate: is wrong; too much")
