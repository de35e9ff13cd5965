from datetime import date
from decimal import Decimal

import pytest

from chalicelib.domain.checks import COUNTRIES
from chalicelib.gateways.paper.country_names import country_name
from chalicelib.gateways.paper.figures import (
    amount_text,
    day_text,
    duration_text,
    iban_text,
    money_text,
    percent_text,
    period_text,
    rate_text,
    short_day_text,
)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1617.13", "EUR", "1,617.13 EUR"),
        ("1617.1", "EUR", "1,617.10 EUR"),
        ("95", "EUR", "95.00 EUR"),
        ("1240", "JPY", "1,240 JPY"),
        ("3.704", "KWD", "3.704 KWD"),
        ("-156435.89", "EUR", "-156,435.89 EUR"),
        ("-0.00", "EUR", "0.00 EUR"),
        ("1E+3", "JPY", "1,000 JPY"),
        ("12345678901234567890.12", "EUR", "12,345,678,901,234,567,890.12 EUR"),
    ],
)
def test_money_has_all_decimals_of_its_currency_and_the_code_beside_it(amount: str, currency: str, text: str) -> None:
    assert money_text(Decimal(amount), currency) == text
    assert amount_text(Decimal(amount), currency) == text.removesuffix(f" {currency}")


@pytest.mark.parametrize(
    ("rate", "currency", "text"),
    [
        ("95", "EUR", "95.00"),
        ("95.5", "EUR", "95.50"),
        ("1.2345", "KWD", "1.2345"),
        ("0.10000", "EUR", "0.10"),
        ("120", "JPY", "120"),
    ],
)
def test_a_rate_shows_every_decimal_that_it_was_agreed_with(rate: str, currency: str, text: str) -> None:
    assert rate_text(Decimal(rate), currency) == text


@pytest.mark.parametrize(
    ("rate", "text"), [("20", "20 %"), ("20.00", "20 %"), ("7.5", "7.5 %"), ("0", "0 %"), ("100", "100 %")]
)
def test_a_percentage_shows_no_idle_zeros(rate: str, text: str) -> None:
    assert percent_text(Decimal(rate)) == text


@pytest.mark.parametrize(
    ("seconds", "with_seconds", "text"),
    [
        (2_700, False, "0:45"),
        (61_306, True, "17:01:46"),
        (59, True, "0:00:59"),
        (-2_700, False, "-0:45"),
        (-61_306, True, "-17:01:46"),
        (3_600 * 1_234, False, "1,234:00"),
        (0, False, "0:00"),
    ],
)
def test_durations_are_hours_and_minutes(seconds: int, with_seconds: bool, text: str) -> None:
    assert duration_text(seconds, with_seconds=with_seconds) == text


def test_days_have_their_month_in_letters() -> None:
    assert day_text(date(2024, 10, 31)) == "31 October 2024"
    assert short_day_text(date(2024, 10, 1)) == "1 Oct 2024"


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2024, 10, 31), date(2024, 10, 31), "31 October 2024"),
        (date(2024, 10, 1), date(2024, 10, 31), "1 – 31 October 2024"),
        (date(2024, 8, 29), date(2024, 10, 31), "29 August – 31 October 2024"),
        (date(2023, 12, 1), date(2024, 1, 31), "1 December 2023 – 31 January 2024"),
        (date(2023, 10, 1), date(2024, 10, 31), "1 October 2023 – 31 October 2024"),
    ],
)
def test_a_period_says_month_and_year_once_where_they_are_the_same(first: date, last: date, text: str) -> None:
    assert period_text(first, last) == text


def test_an_iban_is_read_in_fours() -> None:
    assert iban_text("AT611904300234573201") == "AT61 1904 3002 3457 3201"
    assert iban_text("NO9386011117947") == "NO93 8601 1117 947"


def test_every_country_that_an_address_may_have_has_a_name() -> None:
    assert [code for code in sorted(COUNTRIES) if len(country_name(code)) < 4] == []
    assert country_name("AT") == "Austria"
