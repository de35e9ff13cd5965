"""Things to test with: valid and plain, but for what the test says."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain.accounts import Account, Profile
from chalicelib.domain.clients import Client, ClientDetails, new_client
from chalicelib.domain.invoices import DocumentKind, Issue, NumberSeries, OpenWork, Payment, draw_up
from chalicelib.domain.work import DatedWork, TimedWork, WorkEntry, WorkSheet, new_entry

NOW = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)


def a_profile(**changes: Any) -> Profile:
    return replace(
        Profile(
            legal_name="Ada Lovelace e.U.",
            address="Ringstraße 1\n1010 Wien",
            country="AT",
            vat_id="ATU12345678",
            iban="AT611904300234573201",
            bic="BKAUATWW",
            email="ada@example.com",
            currency="EUR",
            time_zone="Europe/Vienna",
            default_tax_rate=Decimal(20),
            invoice_prefix="RE-",
        ),
        **changes,
    )


def an_account(**profile: Any) -> Account:
    return Account(id="acc_1", name="Ada", profile=a_profile(**profile), created_at=NOW, updated_at=NOW)


def details(**changes: Any) -> ClientDetails:
    return replace(ClientDetails(name="Babbage & Co", rate=Decimal(95), currency="EUR"), **changes)


def a_client(account: Account | None = None, *, now: datetime = NOW, **changes: Any) -> Client:
    """Takes what a client's details take, and what a client has besides."""
    known = {field.name for field in fields(ClientDetails)}
    client = new_client(
        details(**{name: value for name, value in changes.items() if name in known}),
        account or an_account(),
        client_id="cli_1",
        now=now,
    )
    return replace(client, **{name: value for name, value in changes.items() if name not in known})


def worked(started_at: str | datetime, ended_at: str | datetime, **changes: Any) -> TimedWork:
    """Instants as RFC 3339 writes them, or as such."""
    start, end = (at if isinstance(at, datetime) else datetime.fromisoformat(at) for at in (started_at, ended_at))
    return replace(TimedWork(client_id="cli_1", started_at=start, ended_at=end), **changes)


def an_entry(
    day: date = date(2026, 1, 5),
    *,
    seconds: int = 3600,
    entry_id: str = "wrk_1",
    billable: bool = True,
    description: str = "Engine",
) -> WorkEntry:
    """Work of so many seconds, at no particular hour."""
    return WorkEntry(
        account_id="acc_1",
        id=entry_id,
        user_id="usr_1",
        client_id="cli_1",
        description=description,
        day=day,
        started_at=None,
        ended_at=None,
        duration_seconds=seconds,
        billable=billable,
        created_at=NOW,
        updated_at=NOW,
    )


def timed_entry(
    started_at: str | datetime, ended_at: str | datetime, account: Account | None = None, *, entry_id: str = "wrk_1", **changes: Any
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
    return OpenWork(account=account, client=client or a_client(account), sheets=sheets_of(entries), entries=entries)


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


def a_payment(amount: str, payment_id: str = "pay_1") -> Payment:
    return Payment(id=payment_id, amount=Decimal(amount), paid_on=date(2026, 2, 10), reference="", recorded_at=NOW)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
