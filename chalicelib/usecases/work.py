"""Logging, correcting and removing work, and the running timer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.errors import ClientArchived
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.users import Caller
from chalicelib.domain.work import (
    LoggedWork,
    Timer,
    WorkChange,
    WorkDetails,
    WorkEntry,
    WorkFilter,
    check_no_overlap,
    check_unbilled,
    edit_entry,
    new_entry,
    stop_timer,
)
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended

if TYPE_CHECKING:
    from chalicelib.ports import Accounts, Clients, Clock, Ids, Timers, Work


class Desk(Protocol):
    """What logging work needs at hand."""

    @property
    def work(self) -> Work: ...
    @property
    def timers(self) -> Timers: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


def log_work(caller: Caller, details: WorkDetails, *, allow_overlap: bool, desk: Desk) -> LoggedWork:
    """Raises: Invalid, NotFound, ClientArchived, WorkOverlaps, WorkSheetFull."""
    now = desk.clock.now()
    account = desk.accounts.get(caller.account_id)
    entry_id = desk.ids.new("wrk", now)
    entry = new_entry(details, account, user_id=caller.user_id, entry_id=entry_id, now=now)
    return until_uncontended(lambda: _commit(caller, entry, allow_overlap=allow_overlap, desk=desk))


def get_work(caller: Caller, entry_id: str, *, work: Work) -> LoggedWork:
    """Raises: NotFound."""
    return work.get(caller.account_id, entry_id)


def list_work(caller: Caller, wanted: WorkFilter, request: PageRequest, *, work: Work) -> Page[LoggedWork]:
    return work.page(caller.account_id, wanted, request)


def change_work(
    caller: Caller,
    entry_id: str,
    details: WorkDetails,
    *,
    allow_overlap: bool,
    desk: Desk,
    check: Check[LoggedWork] = unconditionally,
) -> LoggedWork:
    """Raises: NotFound, Invalid, WorkEntryBilled, ClientArchived, WorkOverlaps, WorkSheetFull."""
    account = desk.accounts.get(caller.account_id)

    def attempt() -> LoggedWork:
        before = desk.work.get(caller.account_id, entry_id)
        check(before)
        check_unbilled(before)
        entry = edit_entry(before.entry, details, account, now=desk.clock.now())
        return _commit(caller, entry, old=before.entry, allow_overlap=allow_overlap, desk=desk)

    return until_uncontended(attempt)


def remove_work(caller: Caller, entry_id: str, *, work: Work, check: Check[LoggedWork] = unconditionally) -> LoggedWork:
    """Removes the entry and answers it as it last was. Raises: NotFound, WorkEntryBilled."""

    def attempt() -> LoggedWork:
        before = work.get(caller.account_id, entry_id)
        check(before)
        check_unbilled(before)
        work.commit(WorkChange(old=before.entry))
        return before

    return until_uncontended(attempt)


def start_timer(caller: Caller, client_id: str, description: str, billable: bool, *, desk: Desk) -> Timer:
    """Raises: NotFound, ClientArchived, TimerRunning."""
    timer = Timer(
        account_id=caller.account_id,
        user_id=caller.user_id,
        client_id=client_id,
        description=description,
        billable=billable,
        started_at=desk.clock.now(),
    )
    desk.timers.start(timer)
    return timer


def get_timer(caller: Caller, *, timers: Timers) -> Timer:
    """Raises: NotFound if none is running."""
    return timers.get(caller.account_id, caller.user_id)


def finish_timer(caller: Caller, *, allow_overlap: bool, desk: Desk, check: Check[Timer] = unconditionally) -> LoggedWork:
    """Stops the timer and logs what it measured; refused, it goes on running.

    Raises: NotFound, WorkOverlaps, WorkSheetFull.
    """
    now = desk.clock.now()
    account = desk.accounts.get(caller.account_id)
    entry_id = desk.ids.new("wrk", now)

    def attempt() -> LoggedWork:
        timer = desk.timers.get(caller.account_id, caller.user_id)
        check(timer)
        details = stop_timer(timer, now=now)
        entry = new_entry(details, account, user_id=caller.user_id, entry_id=entry_id, now=now)
        return _commit(caller, entry, stopped=timer, allow_overlap=allow_overlap, desk=desk)

    return until_uncontended(attempt)


def _commit(
    caller: Caller,
    entry: WorkEntry,
    *,
    old: WorkEntry | None = None,
    stopped: Timer | None = None,
    allow_overlap: bool,
    desk: Desk,
) -> LoggedWork:
    """Writes the entry into a calendar in which it overlaps with nothing, for a client that is active.

    What a timer measured is logged for an archived client too: it was not when the work began.
    """
    client = desk.clients.get(caller.account_id, entry.client_id)
    if client.archived and stopped is None:
        raise ClientArchived
    version = None if allow_overlap else _free_calendar(entry, desk.work)
    desk.work.commit(WorkChange(old=old, new=entry, calendar_version=version, stopped=stopped))
    return LoggedWork(entry=entry, rate=client.rate_on(entry.day), currency=client.currency, invoice_id=None)


def _free_calendar(entry: WorkEntry, work: Work) -> int | None:
    """The version of the calendar in which the entry overlaps with nothing; None for work at no particular hour."""
    if entry.started_at is None or entry.ended_at is None:
        return None
    calendar = work.calendar(entry.account_id, entry.user_id, entry.started_at, entry.ended_at)
    check_no_overlap(entry, calendar.spans)
    return calendar.version
