"""When work was done, from the many columns that time trackers have for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any, TypeVar

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


def read_times(said: Mapping[str, str], habits: Habits) -> dict[str, Any]:
    """The members of a body for work that say when, from cells that are not empty. Raises: Misfit."""
    seconds = _seconds(said, habits)
    starts = _instants(said, "started_at", ("start_date", "date"), "start_time", habits, None)
    if starts:
        first_day = said.get("start_date", said.get("date")) if "start_time" in said else None
        ends = _instants(said, "ended_at", ("end_date",), "end_time", habits, first_day)
        return _from_to(starts, ends, seconds)
    for field in ("end_time", "ended_at", "end_date"):
        if field in said:
            raise Misfit(field, "needs a start")
    times: dict[str, Any] = {}
    for field in ("start_date", "date"):
        if field in said:
            times["date"] = _day(said, field, habits)
    if "minutes" in said:
        times["minutes"] = _read(said, "minutes", lambda text: read_whole(text, habits.decimal_separator))
    elif seconds is not None:
        times["minutes"] = (seconds + 30) // 60
    return times


def _from_to(starts: Sequence[datetime], ends: Sequence[datetime], seconds: int | None) -> dict[str, Any]:
    """Of an hour that the clock shows twice, the first, unless it was over before it began or the duration says otherwise."""
    if not ends and seconds is not None:
        ends = [starts[0] + timedelta(seconds=seconds)]
    if not ends:
        return {"started_at": starts[0]}
    pairs = [(start, end) for start, end in product(starts, ends) if start < end] or [(starts[0], ends[0])]
    if seconds is not None:
        lasts = timedelta(seconds=seconds)
        pairs = [(start, end) for start, end in pairs if abs(end - start - lasts) <= _ONE_MINUTE]
        if not pairs:
            raise Misfit("duration", "is not the time between start and end; leave one of them out of columns")
    return {"started_at": pairs[0][0], "ended_at": pairs[0][1]}


def _seconds(said: Mapping[str, str], habits: Habits) -> int | None:
    for field in ("duration", "hours"):
        if field in said:
            return _read(said, field, lambda text: read_seconds(text, habits.decimal_separator))
    return None


def _instants(
    said: Mapping[str, str], whole_field: str, day_fields: Sequence[str], time_field: str, habits: Habits, same_day: str | None
) -> list[datetime]:
    """The instant that is meant; two where the clock shows that hour twice; none where nothing is said."""
    if whole_field in said:
        return _read(said, whole_field, lambda text: _instant(text, habits))
    if time_field not in said:
        return []
    at = _read(said, time_field, read_time)
    day_field = next((field for field in day_fields if field in said), None)
    if day_field is not None:
        return _read({time_field: ""}, time_field, lambda _: _local(_day(said, day_field, habits), at, habits.time_zone))
    if same_day is None:
        raise Misfit(time_field, f"needs {' or '.join(day_fields)}")
    day = read_day(same_day, habits.date_format or _ISO)
    return _read({time_field: ""}, time_field, lambda _: _local(day, at, habits.time_zone))


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
