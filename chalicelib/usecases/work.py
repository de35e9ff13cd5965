"""Logging, correcting and removing work, and the running timer."""

from chalicelib.domain.clients import Client
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
from chalicelib.ports import Accounts, Clients, Clock, Ids, Timers, Work
from chalicelib.usecases.contention import until_uncontended


def log_work(
    caller: Caller,
    details: WorkDetails,
    *,
    allow_overlap: bool,
    work: Work,
    clients: Clients,
    accounts: Accounts,
    ids: Ids,
    clock: Clock,
) -> LoggedWork:
    """Raises: Invalid, NotFound, ClientArchived, WorkOverlaps, WorkSheetFull."""
    now = clock.now()
    account = accounts.get(caller.account_id)
    entry_id = ids.new("wrk", now)
    entry = new_entry(details, account, user_id=caller.user_id, entry_id=entry_id, now=now)

    def attempt() -> LoggedWork:
        client = _active_client(caller, details.client_id, clients)
        version = None if allow_overlap else _free_calendar(entry, work)
        work.commit(WorkChange(new=entry, calendar_version=version))
        return LoggedWork(entry=entry, rate=client.rate_on(entry.day), currency=client.currency, invoice_id=None)

    return until_uncontended(attempt)


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
    work: Work,
    clients: Clients,
    accounts: Accounts,
    clock: Clock,
) -> LoggedWork:
    """Raises: NotFound, Invalid, WorkEntryBilled, ClientArchived, WorkOverlaps, WorkSheetFull."""
    account = accounts.get(caller.account_id)

    def attempt() -> LoggedWork:
        before = work.get(caller.account_id, entry_id)
        check_unbilled(before)
        client = _active_client(caller, details.client_id, clients)
        entry = edit_entry(before.entry, details, account, now=clock.now())
        version = None if allow_overlap else _free_calendar(entry, work)
        work.commit(WorkChange(old=before.entry, new=entry, calendar_version=version))
        return LoggedWork(entry=entry, rate=client.rate_on(entry.day), currency=client.currency, invoice_id=None)

    return until_uncontended(attempt)


def remove_work(caller: Caller, entry_id: str, *, work: Work) -> LoggedWork:
    """Removes the entry and answers it as it last was. Raises: NotFound, WorkEntryBilled."""

    def attempt() -> LoggedWork:
        before = work.get(caller.account_id, entry_id)
        check_unbilled(before)
        work.commit(WorkChange(old=before.entry))
        return before

    return until_uncontended(attempt)


def start_timer(
    caller: Caller, client_id: str, description: str, billable: bool, *, timers: Timers, clients: Clients, clock: Clock
) -> Timer:
    """Raises: NotFound, ClientArchived, TimerRunning."""
    _active_client(caller, client_id, clients)
    timer = Timer(
        account_id=caller.account_id,
        user_id=caller.user_id,
        client_id=client_id,
        description=description,
        billable=billable,
        started_at=clock.now(),
    )
    timers.start(timer)
    return timer


def get_timer(caller: Caller, *, timers: Timers) -> Timer:
    """Raises: NotFound if none is running."""
    return timers.get(caller.account_id, caller.user_id)


def finish_timer(
    caller: Caller,
    *,
    allow_overlap: bool,
    timers: Timers,
    work: Work,
    clients: Clients,
    accounts: Accounts,
    ids: Ids,
    clock: Clock,
) -> LoggedWork:
    """Stops the timer and logs what it measured; refused, it goes on running.

    Raises: NotFound, ClientArchived, WorkOverlaps, WorkSheetFull.
    """
    now = clock.now()
    account = accounts.get(caller.account_id)
    entry_id = ids.new("wrk", now)

    def attempt() -> LoggedWork:
        timer = timers.get(caller.account_id, caller.user_id)
        client = _active_client(caller, timer.client_id, clients)
        entry = new_entry(stop_timer(timer, now=now), account, user_id=caller.user_id, entry_id=entry_id, now=now)
        version = None if allow_overlap else _free_calendar(entry, work)
        work.commit(WorkChange(new=entry, calendar_version=version, stopped=timer))
        return LoggedWork(entry=entry, rate=client.rate_on(entry.day), currency=client.currency, invoice_id=None)

    return until_uncontended(attempt)


def _active_client(caller: Caller, client_id: str, clients: Clients) -> Client:
    client = clients.get(caller.account_id, client_id)
    if client.archived:
        raise ClientArchived
    return client


def _free_calendar(entry: WorkEntry, work: Work) -> int | None:
    """The version of the calendar in which the entry overlaps with nothing; None for work at no particular hour."""
    if entry.started_at is None or entry.ended_at is None:
        return None
    calendar = work.calendar(entry.account_id, entry.user_id, entry.started_at, entry.ended_at)
    check_no_overlap(entry, calendar.spans)
    return calendar.version
