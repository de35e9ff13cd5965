"""When work was done, from the many columns that time trackers have for it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec

from chalicelib.domain.calendar import zone
from chalicelib.domain.cells import day_found, day_pattern, read_day, read_seconds, read_time, read_whole

TIMES = ("started_at", "ended_at", "date", "minutes", "start_date", "start_time", "end_date", "end_time", "duration", "hours")
T = TypeVar("T")
_ISO = "YYYY-MM-DD"
_ONE_MINUTE = timedelta(minutes=1)


class Misfit(Exception):
    """The field's cell cannot be what it should."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Habits:
    """How a file writes days and numbers, and where its clocks stood."""

    date_format: str | None
    decimal_separator: str | None
    time_zone: str


class _Lasts(NamedTuple):
    """How long the work took, as that field has it; `exact` if it is written to the second."""

    field: str
    time: timedelta
    exact: bool


def read_times(said: Mapping[str, str], habits: Habits) -> dict[str, Any]:
    """The members of a body for work that say when, from cells that are not empty. Raises: Misfit."""
    lasts = _lasts(said, habits)
    starts = _instants(said, "started_at", ("start_date", "date"), "start_time", habits)
    if starts:
        ends = _instants(said, "ended_at", ("end_date",), "end_time", habits, said if "start_time" in said else {}, lasts)
        return _from_to(starts, ends, lasts)
    for field in ("end_time", "ended_at", "end_date"):
        if field in said:
            raise Misfit(field, "needs a start")
    times: dict[str, Any] = {}
    if (day_field := _day_field(said, ("start_date", "date"), habits)) is not None:
        times["date"] = _day(said, day_field, habits)
    if lasts is not None:
        times["minutes"] = (lasts.time + _ONE_MINUTE / 2) // _ONE_MINUTE
    return times


def _from_to(starts: Sequence[datetime], ends: Sequence[datetime], lasts: _Lasts | None) -> dict[str, Any]:
    """Of an hour that the clock shows twice, the first, unless it was over before it began or the duration says otherwise.

    Where start and end are told in minutes, and how long to the second, that is how long it was.
    """
    if lasts is None:
        if not ends:
            return {"started_at": starts[0]}
        start, end = next((pair for pair in product(starts, ends) if pair[0] < pair[1]), (starts[0], ends[0]))
        return {"started_at": start, "ended_at": end}
    if not ends:
        return {"started_at": starts[0], "ended_at": _after(starts[0], lasts)}
    for start, end in product(starts, ends):
        if start <= end and abs(end - start - lasts.time) <= _ONE_MINUTE:
            in_minutes = not (start.second or start.microsecond or end.second or end.microsecond)
            return {"started_at": start, "ended_at": _after(start, lasts) if in_minutes and lasts.exact else end}
    raise Misfit(lasts.field, "is not the time between start and end; leave one of them out of columns")


def _after(start: datetime, lasts: _Lasts) -> datetime:
    try:
        return start + lasts.time
    except OverflowError:
        raise Misfit(lasts.field, "ends on no day that clocks will show") from None


def _lasts(said: Mapping[str, str], habits: Habits) -> _Lasts | None:
    """Whole hours, and minutes beside them that make no other, add up; all else has to say the same."""
    told = {
        field: _read(said, field, lambda text: read_seconds(text, habits.decimal_separator))
        for field in ("duration", "hours")
        if field in said
    }
    if "minutes" in said:
        told["minutes"] = 60 * _read(said, "minutes", lambda text: read_whole(text, habits.decimal_separator))
        if told.get("hours", 1) % 3600 == 0 and 0 <= told["minutes"] < 3600:
            told["hours"] += told.pop("minutes")
    if not told:
        return None
    (first, seconds), *others = told.items()
    for field, other in others:
        if other != seconds:
            raise Misfit(field, f"says otherwise than {first}; leave one of them out")
    try:
        return _Lasts(first, timedelta(seconds=seconds), said[first].count(":") == 2)
    except OverflowError:
        raise Misfit(first, "is no duration that anybody works") from None


def _instants(
    said: Mapping[str, str],
    whole_field: str,
    day_fields: Sequence[str],
    time_field: str,
    habits: Habits,
    same_day: Mapping[str, str] = MappingProxyType({}),
    lasts: _Lasts | None = None,
) -> list[datetime]:
    """The instants that may be meant; none where nothing is said.

    Two where the clock shows that hour twice. `same_day` has the day that an end without one is on, or if it lasts, the next.
    """
    if whole_field in said:
        return _whole(said, whole_field, day_fields, time_field, habits)
    if time_field not in said:
        return []
    at = _read(said, time_field, read_time)
    if (day_field := _day_field(said, day_fields, habits)) is not None:
        return _shown(time_field, _day(said, day_field, habits), at, habits)
    if (day_field := _day_field(same_day, ("start_date", "date"), habits)) is None:
        raise Misfit(time_field, f"needs {' or '.join(day_fields)}")
    day = _day(same_day, day_field, habits)
    if lasts is None or day == date.max:
        return _shown(time_field, day, at, habits)
    found: list[datetime] = []
    for one in (day, day + timedelta(days=1)):
        with suppress(Misfit):
            found += _shown(time_field, one, at, habits)
    return found or _shown(time_field, day, at, habits)


def _whole(
    said: Mapping[str, str], whole_field: str, day_fields: Sequence[str], time_field: str, habits: Habits
) -> list[datetime]:
    """A day beside it has to be its own, here or by its offset; a time beside it may be of any zone, and is not taken."""
    if time_field in said:
        raise Misfit(time_field, f"says the same as {whole_field}; leave one of them out")
    instants = _read(said, whole_field, lambda text: _instant(text, habits))
    if (day_field := _day_field(said, day_fields, habits)) is not None:
        there = zone(habits.time_zone)
        days = {_read(said, whole_field, lambda _, one=one: _day_there(one, there)) for one in instants}  # type: ignore[misc]
        if _day(said, day_field, habits) not in days | {one.date() for one in instants}:
            raise Misfit(day_field, f"is not the day of {whole_field}; leave one of them out")
    return instants


def _day_there(instant: datetime, there: tzinfo) -> date:
    try:
        return instant.astimezone(there).date()
    except OverflowError:
        raise ValueError("is no day that clocks have shown") from None


def _day_field(said: Mapping[str, str], fields: Sequence[str], habits: Habits) -> str | None:
    """The field that has the day. Raises: Misfit if another has another day."""
    there = [field for field in fields if field in said]
    for other in there[1:]:
        if _day(said, other, habits) != _day(said, there[0], habits):
            raise Misfit(other, f"says otherwise than {there[0]}; leave one of them out")
    return there[0] if there else None


def _shown(field: str, day: date, at: time, habits: Habits) -> list[datetime]:
    try:
        return _local(day, at, habits.time_zone)
    except ValueError as fault:
        raise Misfit(field, str(fault)) from None


def _day(said: Mapping[str, str], field: str, habits: Habits) -> date:
    return _read(said, field, lambda text: read_day(text, habits.date_format or _ISO))


def _instant(text: str, habits: Habits) -> list[datetime]:
    """As RFC 3339 has it, or a day and a time without an offset, which are the account's."""
    try:
        instant = msgspec.convert(text, type=datetime)
    except msgspec.ValidationError:
        instant = None
    if instant is not None and instant.tzinfo is not None:
        return [instant]
    date_format = habits.date_format or _ISO
    found = day_pattern(date_format).match(text)
    day = day_found(found, f"{date_format}, and a time behind it")
    return _local(day, read_time(text[found.end() if found else 0 :].lstrip(" T,")), habits.time_zone)


def _local(day: date, at: time, time_zone: str) -> list[datetime]:
    """The instants at which the account's clocks show it. Raises: ValueError if they never do."""
    there = zone(time_zone)
    shown = datetime.combine(day, at)
    try:
        instants = [shown.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1)]
        real = [one for one in instants if one.astimezone(there).replace(tzinfo=None) == shown]
    except OverflowError:
        raise ValueError("is no day that clocks have shown") from None
    if not real:
        raise ValueError(f"does not exist on that day: the clocks in {time_zone} skipped it")
    return sorted(set(real))


def _read(said: Mapping[str, str], field: str, reader: Callable[[str], T]) -> T:
    try:
        return reader(said[field])
    except ValueError as fault:
        raise Misfit(field, str(fault)) from None
