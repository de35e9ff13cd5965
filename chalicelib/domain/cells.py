"""What people and programs write into the cells of a table, read exactly; what may mean two things is not read at all.

Each function raises ValueError in words for whoever sent the file.
"""

import re
from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from chalicelib.domain.errors import FieldError, Invalid

_TRUTHS = {"true": True, "yes": True, "y": True, "1": True, "x": True}
_TRUTHS |= {"false": False, "no": False, "n": False, "0": False, "": False}
_GROUPED = r"[1-9][0-9]{0,2}(?:%s[0-9]{3})+"
_BLANK_GROUPED = _GROUPED % r"[ '’]"
_WRITTEN = {
    ".": re.compile(rf"(?=.?[0-9])(?:[0-9]+|{_BLANK_GROUPED}|{_GROUPED % ','})?(?:\.[0-9]*)?"),
    ",": re.compile(rf"(?=.?[0-9])(?:[0-9]+|{_BLANK_GROUPED}|{_GROUPED % '[.]'})?(?:,[0-9]*)?"),
}
"""Numbers by the sign before their decimals; thousands may be grouped by the other, by blanks or apostrophes."""
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]{1,3}")
_TOKENS = ("YYYY", "MM", "DD")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?(?: ?([ap])\.?m\.?)?", re.IGNORECASE)
_CLOCK = re.compile(r"([0-9]{1,4}):([0-5][0-9])(?::([0-5][0-9]))?")
_MOST_HOURS = 10_000
_MOST_DIGITS = 20
_SECONDS_PER_HOUR = 3600


def read_number(text: str, separator: str | None) -> Decimal:
    """With the digits that it has. `separator` stands before the decimals; None where nobody said."""
    sign, digits = _without_sign(" ".join(text.split()))
    if _SCIENTIFIC.fullmatch(digits):
        return Decimal(sign + digits.replace(",", "."))
    marks = (".", ",") if separator is None else (separator,)
    meant = {_plain(digits, mark) for mark in marks if _WRITTEN[mark].fullmatch(digits)}
    if len(meant) > 1:
        first, second = sorted(meant, key=len)
        raise ValueError(f"may mean {second} or {first}; say with decimal_separator which")
    if not meant:
        raise ValueError("is not a number such as 12.50" if separator != "," else "is not a number such as 12,50")
    return Decimal(sign + meant.pop())


def read_whole(text: str, separator: str | None) -> int:
    number = read_number(text, separator)
    if number.adjusted() >= _MOST_DIGITS or number != number.to_integral_value():
        raise ValueError("is not a whole number, or too large a one")
    return int(number)


def _without_sign(text: str) -> tuple[str, str]:
    if text[:1] in ("-", "−"):
        return "-", text[1:].lstrip()
    return "", text[1:].lstrip() if text[:1] == "+" else text


def _plain(digits: str, mark: str) -> str:
    whole, _, decimals = digits.partition(mark)
    whole = re.sub("[^0-9]", "", whole)
    return f"{whole or '0'}.{decimals}" if decimals else whole or "0"


def read_truth(text: str) -> bool:
    try:
        return _TRUTHS[text.strip().lower()]
    except KeyError:
        raise ValueError("is neither yes nor no") from None


def check_date_format(date_format: str) -> None:
    """Raises: Invalid unless it has a year, a month and a day, and signs between them."""
    rest = date_format
    for token in _TOKENS:
        if rest.count(token) != 1:
            raise Invalid(FieldError("/date_format", "must have YYYY, MM and DD, each once, such as DD.MM.YYYY"))
        rest = rest.replace(token, "\0")
    if re.search(r"[^\0 ./,_-]", rest) or not 8 <= len(date_format) <= 20:
        raise Invalid(
            FieldError("/date_format", "takes spaces, full stops, slashes, commas, hyphens and underscores beside them")
        )


@lru_cache(maxsize=16)
def day_pattern(date_format: str) -> re.Pattern[str]:
    """Days and months may lack their leading zero where a sign tells where they end."""
    digits = "{2}" if len(date_format) == 8 else "{1,2}"
    pattern = re.escape(date_format).replace("YYYY", "(?P<year>[0-9]{4})")
    return re.compile(pattern.replace("MM", f"(?P<month>[0-9]{digits})").replace("DD", f"(?P<day>[0-9]{digits})"))


def read_day(text: str, date_format: str) -> date:
    """`date_format` as `check_date_format` lets it through."""
    found = day_pattern(date_format).fullmatch(text.strip())
    return day_found(found, date_format)


def day_found(found: re.Match[str] | None, date_format: str) -> date:
    """The day that `day_pattern` found."""
    if found is None:
        raise ValueError(f"is not a day written as {date_format}")
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        raise ValueError("is no day of the calendar") from None


def read_time(text: str) -> time:
    """Of 24 hours, or of twice 12."""
    found = _TIME.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError("is not a time such as 17:05, 17:05:30 or 5:05 PM")
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            raise ValueError("is no time of day")
        hour = hour % 12 + (12 if found[4].lower() == "p" else 0)
    try:
        return time(hour, minute, second)
    except ValueError:
        raise ValueError("is no time of day") from None


def read_seconds(text: str, separator: str | None) -> int:
    """Of a duration: hours, minutes and perhaps seconds, or hours with decimals, which are rounded to the nearest second."""
    found = _CLOCK.fullmatch(text.strip())
    if found is not None:
        return int(found[1]) * _SECONDS_PER_HOUR + int(found[2]) * 60 + int(found[3] or 0)
    try:
        hours = read_number(text, separator)
    except ValueError as fault:
        words = "is not a duration such as 1:30, 1:30:00 or 1.5"
        raise ValueError(str(fault) if "may mean" in str(fault) else words) from None
    if not 0 <= hours <= _MOST_HOURS:
        raise ValueError("is no duration that anybody works")
    return int((hours * _SECONDS_PER_HOUR).to_integral_value(ROUND_HALF_UP))
