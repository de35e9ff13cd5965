"""What only the domain's own tests build; the rest comes from the builders that all tests share."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.domain.accounts import Account
from chalicelib.domain.billing import DocumentKind, Issue, NumberSeries, OpenWork, draw_up
from chalicelib.domain.clients import Client
from chalicelib.domain.work import DatedWork, TimedWork, WorkEntry, WorkSheet, new_entry
from tests.builders import NOW, a_client, an_account


def worked(started_at: str | datetime, ended_at: str | datetime, **changes: Any) -> TimedWork:
    """Instants as RFC 3339 writes them, or as such."""
    start, end = (at if isinstance(at, datetime) else datetime.fromisoformat(at) for at in (started_at, ended_at))
    return replace(TimedWork(client_id="cli_1", started_at=start, ended_at=end), **changes)


def timed_entry(
    started_at: str | datetime,
    ended_at: str | datetime,
    account: Account | None = None,
    *,
    entry_id: str = "wrk_1",
    **changes: Any,
) -> WorkEntry:
    work = worked(started_at, ended_at, **changes)
    return new_entry(work, account or an_account(), user_id="usr_1", entry_id=entry_id, now=NOW)


def dated_entry(day: date, minutes: int, account: Account | None = None) -> WorkEntry:
    work = DatedWork(client_id="cli_1", date=day, minutes=minutes)
    return new_entry(work, account or an_account(), user_id="usr_1", entry_id="wrk_1", now=NOW)


def sheets_of(entries: Sequence[WorkEntry]) -> tuple[WorkSheet, ...]:
    """The sheets on which the entries are open."""
    return tuple(
        WorkSheet(
            account_id="acc_1",
            client_id="cli_1",
            month=month,
            open=frozenset(entry.id for entry in entries if entry.month == month),
            version=1,
        )
        for month in sorted({entry.month for entry in entries})
    )


def open_work(*entries: WorkEntry, account: Account | None = None, client: Client | None = None) -> OpenWork:
    account = account or an_account()
    return OpenWork(account=account, client=client or a_client(account=account), sheets=sheets_of(entries), entries=entries)


def invoices_of(year: int, last: int = 0) -> NumberSeries:
    return NumberSeries(kind=DocumentKind.INVOICE, year=year, last=last)


def credit_notes_of(year: int, last: int = 0) -> NumberSeries:
    return NumberSeries(kind=DocumentKind.CREDIT_NOTE, year=year, last=last)


def issued(
    *entries: WorkEntry,
    account: Account | None = None,
    client: Client | None = None,
    through: date = date(2026, 1, 31),
    issued_at: datetime = datetime(2026, 2, 1, 2, 0, tzinfo=UTC),
    last: int = 0,
) -> Issue:
    """What is drawn up for these entries."""
    work = open_work(*entries, account=account, client=client)
    return draw_up(work, invoices_of(issued_at.year, last), through=through, invoice_id="inv_1", issued_at=issued_at)
