"""Days and zones. A day is a calendar day in an account's zone; an instant is an aware UTC datetime."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from chalicelib.domain.errors import FieldError, Invalid

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 2000, 2199
"""The years that Daybook keeps books for; a day outside them is a slip of the pen."""
_NO_PLACES = frozenset({"localtime", "Factory"})
"""In many machines' zone folders, but no zones: whatever the machine is set to, and what one says that is not set."""


def check_day(day: date | None, pointer: str) -> None:
    """An instant is checked as it was written, before it is moved to UTC. Raises: Invalid outside the years of our books."""
    if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Invalid(FieldError(pointer, f"must be in the years {FIRST_YEAR} to {LAST_YEAR}"))


@lru_cache(maxsize=64)
def zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo  # loaded with the first zone: many requests need none

    return ZoneInfo(name)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    """Kept, since each look opens every file of the machine's zone folder: tens of milliseconds."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones() - _NO_PLACES)


def check_time_zone(name: str, pointer: str = "/time_zone") -> str:
    """Raises: Invalid if `name` is no IANA time zone."""
    if name not in _zone_names():
        raise Invalid(FieldError(pointer, "is not an IANA time zone, such as Europe/Vienna"))
    return name


def local_day(instant: datetime, time_zone: str) -> date:
    return instant.astimezone(zone(time_zone)).date()


def start_of_day(day: date, time_zone: str) -> datetime:
    """The first instant of the local day, in UTC; where the clock skips midnight, the first instant that exists."""
    return datetime.combine(day, time.min, zone(time_zone)).astimezone(UTC)


def seconds_in_day(day: date, time_zone: str) -> int:
    """86400, or an hour more or less where the clock changes."""
    return int((start_of_day(day + ONE_DAY, time_zone) - start_of_day(day, time_zone)).total_seconds())


def invoice_day_in(year: int, month: int, anchor: int) -> date:
    """The anchor day (1 to 31) in that month, or the month's last day where the month is shorter."""
    return date(year, month, min(anchor, monthrange(year, month)[1]))


def invoice_day_from(day: date, anchor: int) -> date:
    """The first invoice day on or after `day`.

    Always computed from the anchor: adding a month to the last date would drift to the 28th for ever.
    """
    this_month = invoice_day_in(day.year, day.month, anchor)
    if this_month >= day:
        return this_month
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return invoice_day_in(year, month, anchor)
