"""What one change of work touches, for every kind of repository the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.errors import Contended, DaybookError

if TYPE_CHECKING:
    from chalicelib.domain.work import WorkChange, WorkEntry


class Place(NamedTuple):
    """Whether the entry was on a sheet before the change, and whether it is afterwards."""

    was: bool
    will_be: bool


def entry_of(change: WorkChange) -> WorkEntry:
    """The entry as it will be, or as it last was."""
    entry = change.new or change.old
    if entry is None:
        raise ValueError("a change of work must have an entry")
    return entry


def sheets_of(change: WorkChange) -> Mapping[tuple[str, str], Place]:
    """By client and month. Only billable work stands on a sheet."""
    places: dict[tuple[str, str], Place] = {}
    if change.old is not None and change.old.billable:
        places[change.old.client_id, change.old.month] = Place(was=True, will_be=False)
    if change.new is not None and change.new.billable:
        sheet = (change.new.client_id, change.new.month)
        places[sheet] = Place(was=sheet in places, will_be=True)
    return places


def moves_calendar(change: WorkChange) -> bool:
    """Whether the entry takes or took an hour in its user's calendar, or was checked against it."""
    timed = any(entry is not None and entry.started_at is not None for entry in (change.old, change.new))
    return timed or change.calendar_version is not None


def gravest(faults: Sequence[DaybookError]) -> DaybookError:
    """What trying again cannot mend comes before what it can."""
    return next((fault for fault in faults if not isinstance(fault, Contended)), faults[0])
