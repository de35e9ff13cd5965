"""Cells are read exactly, and never guessed at."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.cells import check_date_format, read_day, read_number, read_seconds, read_time, read_truth
from chalicelib.domain.errors import Invalid


@pytest.mark.parametrize(
    ("text", "separator", "number"),
    [
        ("5", None, "5"),
        ("-5", None, "-5"),
        ("−5", None, "-5"),
        ("+5", None, "5"),
        (" 12.50 ", None, "12.50"),
        ("12,50", None, "12.50"),
        ("0.125", None, "0.125"),
        ("0,125", None, "0.125"),
        ("1234.567", None, "1234.567"),
        ("1,234.56", None, "1234.56"),
        ("1.234,56", None, "1234.56"),
        ("1,234,567", None, "1234567"),
        ("1.234.567", None, "1234567"),
        ("1 234,5", None, "1234.5"),
        ("1\u202f234,5", None, "1234.5"),
        ("1'234.50", None, "1234.50"),
        (".5", None, "0.5"),
        ("1e5", None, "1E+5"),
        ("1.5E-3", None, "0.0015"),
        ("007", None, "7"),
        ("1,234", ".", "1234"),
        ("1,234", ",", "1.234"),
        ("1.234", ".", "1.234"),
        ("1.234", ",", "1234"),
        ("12345678901234567890.12345", ".", "12345678901234567890.12345"),
    ],
)
def test_a_number_is_read_with_its_digits(text: str, separator: str | None, number: str) -> None:
    assert str(read_number(text, separator)) == number


@pytest.mark.parametrize(("text", "first", "second"), [("1,234", "1.234", "1234"), ("-12.500", "12.500", "12500")])
def test_a_number_that_may_mean_two_things_is_not_guessed(text: str, first: str, second: str) -> None:
    with pytest.raises(ValueError, match=f"may mean {first} or {second}; say with decimal_separator which"):
        read_number(text, None)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        *(
            (text, None)
            for text in ("", ".", ",", "-", "1,23,4", "1,234,56", "12.345.67", "1_000", "0x10", "NaN", "١٢", "€5", "5-")
        ),
        *((text, None) for text in ("1e99999", "Infinity", "1 2", "--5", "1,234.5.6", "0,123,456")),
        ("12,50", "."),
        ("12.50", ","),
        ("1.234,5", "."),
        ("1,234.5", ","),
    ],
)
def test_what_is_no_number_is_refused(text: str, separator: str | None) -> None:
    with pytest.raises(ValueError, match="is not a number such as"):
        read_number(text, separator)


@given(some.decimals(allow_nan=False, allow_infinity=False, places=2), some.sampled_from([".", ","]))
def test_what_was_written_with_a_separator_comes_back_with_it(number: Decimal, separator: str) -> None:
    grouped = f"{number:,f}".replace(",", "_").replace(".", separator).replace("_", {".": ",", ",": "."}[separator])

    assert read_number(grouped, separator) == number


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        *((text, True) for text in ("true", "TRUE", "Yes", "y", "1", "x", " X ")),
        *((text, False) for text in ("False", "no", "N", "0", "")),
    ],
)
def test_yes_and_no_are_read_in_any_case(text: str, truth: bool) -> None:
    assert read_truth(text) is truth


def test_what_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(ValueError, match="is neither yes nor no"):
        read_truth("perhaps")


@pytest.mark.parametrize(
    ("text", "date_format", "day"),
    [
        ("2026-03-04", "YYYY-MM-DD", date(2026, 3, 4)),
        ("04.03.2026", "DD.MM.YYYY", date(2026, 3, 4)),
        ("3/4/2026", "MM/DD/YYYY", date(2026, 3, 4)),
        ("3/4/2026", "DD/MM/YYYY", date(2026, 4, 3)),
        ("20260304", "YYYYMMDD", date(2026, 3, 4)),
        (" 04 03, 2026 ", "DD MM, YYYY", date(2026, 3, 4)),
    ],
)
def test_a_day_is_read_by_its_format(text: str, date_format: str, day: date) -> None:
    check_date_format(date_format)

    assert read_day(text, date_format) == day


@pytest.mark.parametrize(
    "text", ["31.02.2026", "00.01.2026", "4.3.26", "2026-03-04", "", "04.03.2026x", "٠٤.٠٣.٢٠٢٦", "4x3x2026"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        read_day(text, "DD.MM.YYYY")


@pytest.mark.parametrize(
    "date_format", ["", "DD.MM.YY", "YYYY-MM", "DD.MM.YYYY.DD", "YYYY-MM-DDT", "(YYYY)MM*DD", "YYYY-MM-DD" + "-" * 11]
)
def test_a_format_without_all_its_parts_is_refused(date_format: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_date_format(date_format)

    assert [error.pointer for error in refusal.value.errors] == ["/date_format"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("9:05", time(9, 5)),
        ("17:05:30", time(17, 5, 30)),
        ("12:00 AM", time(0)),
        ("12:30 p.m.", time(12, 30)),
        ("11:59:59pm", time(23, 59, 59)),
        ("9:05\u202fPM", time(21, 5)),
    ],
)
def test_a_time_is_read_of_12_and_of_24_hours(text: str, at: time) -> None:
    assert read_time(text) == at


@pytest.mark.parametrize("text", ["24:00", "13:00 PM", "0:30 AM", "9:60", "9:5", "9", "noon", "", "-1:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        read_time(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1:30", 5400), ("01:30:15", 5415), ("125:00:00", 450_000), ("1.5", 5400), ("1,5", 5400), ("0.33", 1188), ("8", 28_800)],
)
def test_a_duration_is_read_as_a_clock_or_in_hours(text: str, seconds: int) -> None:
    assert read_seconds(text, None) == seconds


@pytest.mark.parametrize("text", ["-1", "1:75", "1h", "", "1e9", "1,250", "9" * 400])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|may mean"):
        read_seconds(text, None)


@pytest.mark.parametrize(
    "read", [read_truth, read_time, lambda text: read_number(text, None), lambda text: read_seconds(text, None)]
)
@given(text=some.text(max_size=30))
def test_no_text_raises_anything_but_a_value_error(read: Callable[[str], object], text: str) -> None:
    with suppress(ValueError):
        read(text)
