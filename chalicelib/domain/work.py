"""Logged work, the running timer, and the sheet on which one client's month is billed.

An entry carries no billed flag of its own. One *sheet* for each client and month lists the billable entries that are open and,
for each invoice, those that it billed. So an invoice locks all its entries by writing a few sheets, in one transaction,
however many entries there are; and whatever touches such an entry writes its sheet's version, so that no entry changes under
an invoice. Work that is not billable stands on no sheet: it would be read again for every invoice, for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.accounts import Account
from chalicelib.domain.calendar import check_day, local_day, seconds_in_day
from chalicelib.domain.clients import Client
from chalicelib.domain.errors import FieldError, Invalid, WorkEntryBilled, WorkOverlaps

MAX_DURATION = timedelta(days=31)
"""The longest single entry; how far back a search for overlaps must look."""
MAX_ENTRIES_ON_SHEET = 8_000
"""Billable entries of one client in one month, billed or not: at 31 bytes each well inside DynamoDB's 400 KB for an item."""
_ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWork:
    """Work from one instant to another."""

    client_id: str
    description: str = ""
    started_at: datetime
    ended_at: datetime
    billable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedWork:
    """So many minutes on a day, at no particular hour."""

    client_id: str
    description: str = ""
    date: date
    minutes: int
    billable: bool = True


WorkDetails = TimedWork | DatedWork


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEntry:
    """`day` is the account's local day on which the work began; its month is the sheet that the entry is on.

    `started_at` and `ended_at` are None for work that was logged as minutes on a day.
    """

    account_id: str
    id: str
    user_id: str
    client_id: str
    description: str
    day: date
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int
    billable: bool
    version: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def month(self) -> str:
        return month_of(self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSheet:
    """One client's month: ids of the billable entries that are open, and by invoice id of those that it billed.

    `version` counts every change of the sheet or of an entry on it; 0 is a sheet that was never written.
    """

    account_id: str
    client_id: str
    month: str
    open: frozenset[str] = frozenset()
    billed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    version: int = 0

    def invoice_of(self, entry_id: str) -> str | None:
        """The invoice that the entry stands on."""
        return next((invoice_id for invoice_id, entries in self.billed.items() if entry_id in entries), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedWork:
    """An entry as it is shown: with the rate that holds on its day and the invoice that it stands on, if any."""

    entry: WorkEntry
    rate: Decimal
    currency: str
    invoice_id: str | None

    @property
    def billed(self) -> bool:
        return self.invoice_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One running clock for each user."""

    account_id: str
    user_id: str
    client_id: str
    description: str
    billable: bool
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFilter:
    """Which entries a list shows; `first_day` and `last_day` inclusive, None means no matter."""

    client_id: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    billed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that one entry takes in one user's calendar."""

    entry_id: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A user's spans near some time, and the version that any change to the user's timed entries moves on."""

    spans: tuple[Span, ...]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkChange:
    """One write: `old` None logs, `new` None removes.

    `calendar_version` is the version that `new` was checked against; None where overlaps do not matter.
    `stopped` is the timer that the entry comes from.
    """

    old: WorkEntry | None = None
    new: WorkEntry | None = None
    calendar_version: int | None = None
    stopped: Timer | None = None


def month_of(day: date) -> str:
    """`YYYY-MM`."""
    return day.isoformat()[:7]


def new_entry(details: WorkDetails, account: Account, *, user_id: str, entry_id: str, now: datetime) -> WorkEntry:
    """Raises: Invalid."""
    blank = WorkEntry(
        account_id=account.id,
        id=entry_id,
        user_id=user_id,
        client_id=details.client_id,
        description=details.description,
        day=date.min,
        started_at=None,
        ended_at=None,
        duration_seconds=0,
        billable=details.billable,
        version=0,
        created_at=now,
        updated_at=now,
    )
    return edit_entry(blank, details, account, now=now)


def edit_entry(entry: WorkEntry, details: WorkDetails, account: Account, *, now: datetime) -> WorkEntry:
    """Raises: Invalid."""
    edited = replace(
        entry,
        client_id=details.client_id,
        description=details.description,
        billable=details.billable,
        version=entry.version + 1,
        updated_at=now,
    )
    if isinstance(details, TimedWork):
        return _timed(edited, details, account.profile.time_zone)
    return _dated(edited, details, account.profile.time_zone)


def _timed(entry: WorkEntry, details: TimedWork, time_zone: str) -> WorkEntry:
    check_day(details.started_at, "/started_at")
    check_day(details.ended_at, "/ended_at")
    started_at, ended_at = (at.astimezone(UTC).replace(microsecond=0) for at in (details.started_at, details.ended_at))
    if ended_at <= started_at:
        raise Invalid(FieldError("/ended_at", "must be after started_at"))
    if ended_at - started_at > MAX_DURATION:
        raise Invalid(FieldError("/ended_at", f"must be at most {MAX_DURATION.days} days after started_at"))
    return replace(
        entry,
        day=_day_of(started_at, time_zone),
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=int((ended_at - started_at).total_seconds()),
    )


def _day_of(started_at: datetime, time_zone: str) -> date:
    day = local_day(started_at, time_zone)
    check_day(day, "/started_at")
    return day


def _dated(entry: WorkEntry, details: DatedWork, time_zone: str) -> WorkEntry:
    check_day(details.date, "/date")
    duration_seconds = details.minutes * 60
    if not 0 < duration_seconds <= seconds_in_day(details.date, time_zone):
        raise Invalid(FieldError("/minutes", "must be at least 1 and no more than that day has"))
    return replace(entry, day=details.date, started_at=None, ended_at=None, duration_seconds=duration_seconds)


def stop_timer(timer: Timer, *, now: datetime) -> TimedWork:
    """The work that a timer measured; at least a second, even if the clock was set back while it ran.

    What ran past the longest entry is cut off there: a forgotten timer must still be stoppable.
    """
    ended_at = min(max(now, timer.started_at + _ONE_SECOND), timer.started_at + MAX_DURATION)
    return TimedWork(
        client_id=timer.client_id,
        description=timer.description,
        started_at=timer.started_at,
        ended_at=ended_at,
        billable=timer.billable,
    )


def check_no_overlap(entry: WorkEntry, spans: Iterable[Span]) -> None:
    """Touching ends do not overlap. Raises: WorkOverlaps."""
    if entry.started_at is None or entry.ended_at is None:
        return
    for span in spans:
        if span.entry_id != entry.id and span.started_at < entry.ended_at and entry.started_at < span.ended_at:
            raise WorkOverlaps(f"the time overlaps with the entry {span.entry_id}; ?allow_overlap=true logs it all the same")


def check_unbilled(work: LoggedWork) -> None:
    """Raises: WorkEntryBilled."""
    if work.invoice_id is not None:
        raise WorkEntryBilled(f"the entry stands on the invoice {work.invoice_id}; a credit note releases it")


def logged(entry: WorkEntry, sheet: WorkSheet, client: Client) -> LoggedWork:
    return LoggedWork(
        entry=entry,
        rate=client.rate_on(entry.day),
        currency=client.currency,
        invoice_id=sheet.invoice_of(entry.id),
    )
