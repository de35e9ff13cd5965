"""Figures as they stand on a document, in English: every one of them can be read in one way only.

Money:  1,617.13 EUR       the ISO code, since a dollar or a krone may be one of many
Hours:  0:45 or 17:01:46   with seconds wherever one line of the document has some, for seconds are what is charged
Days:   31 October 2024    the month in letters, since 10/11 is two days on the two sides of the Atlantic
"""

from datetime import date
from decimal import Decimal, localcontext

from chalicelib.domain.money import MINOR_UNITS

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def amount_text(amount: Decimal, currency: str) -> str:
    """With all of the currency's decimals, whichever of them were kept."""
    return _grouped(amount, MINOR_UNITS[currency])


def money_text(amount: Decimal, currency: str) -> str:
    return f"{amount_text(amount, currency)} {currency}"


def rate_text(rate: Decimal, currency: str) -> str:
    """With at least the currency's decimals, and more where the rate has more."""
    decimals = -int(rate.normalize().as_tuple().exponent)
    return _grouped(rate, max(MINOR_UNITS[currency], decimals))


def percent_text(rate: Decimal) -> str:
    return f"{rate.normalize():f} %"


def _grouped(number: Decimal, decimals: int) -> str:
    with localcontext(prec=80):
        return f"{number + 0:,.{decimals}f}"


def duration_text(seconds: int, *, with_seconds: bool) -> str:
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    text = f"{sign}{seconds // 3600:,}:{seconds // 60 % 60:02d}"
    return f"{text}:{seconds % 60:02d}" if with_seconds else text


def day_text(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_day_text(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}"


def period_text(first: date, last: date) -> str:
    """Month and year are said once where both days have the same."""
    if first == last:
        return day_text(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {day_text(last)}"
    if first.year == last.year:
        return f"{first.day} {_MONTHS[first.month - 1]} – {day_text(last)}"
    return f"{day_text(first)} – {day_text(last)}"


def iban_text(iban: str) -> str:
    """In fours, as people read it."""
    return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))
