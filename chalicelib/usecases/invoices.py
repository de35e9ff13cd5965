"""Issuing invoices, by hand and on each client's day; payments; credit notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.accounts import Account
from chalicelib.domain.billing import DocumentKind, OpenWork, credit, draw_up, settle_through
from chalicelib.domain.calendar import ONE_DAY, local_day, start_of_day
from chalicelib.domain.clients import Client, schedule
from chalicelib.domain.errors import Contended, FieldError, Invalid, InvoiceTooLarge, NotFound, NothingToInvoice, Unavailable
from chalicelib.domain.identifiers import derived_id
from chalicelib.domain.invoices import (
    CreditNote,
    Invoice,
    InvoiceFilter,
    InvoiceLine,
    PaymentDetails,
    new_payment,
    record_payment,
)
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.reports import DueOutcome, InvoiceDue, Outcome
from chalicelib.domain.users import Caller
from chalicelib.usecases.contention import ATTEMPTS, until_uncontended

if TYPE_CHECKING:
    from chalicelib.ports import (
        Accounts,
        Clock,
        CreditNotes,
        Documents,
        DueClients,
        Ids,
        Invoices,
        InvoicingQueue,
        Ledger,
        Printer,
        Reports,
        Work,
    )


class Books(Protocol):
    """What keeping invoices needs at hand."""

    @property
    def invoices(self) -> Invoices: ...
    @property
    def credit_notes(self) -> CreditNotes: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def work(self) -> Work: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


class NightDesk(Protocol):
    """What asking for the invoices that are due needs."""

    @property
    def due_clients(self) -> DueClients: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def invoicing_queue(self) -> InvoicingQueue: ...


class Archive(Protocol):
    """What showing an invoice's PDF needs."""

    @property
    def invoices(self) -> Invoices: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def printer(self) -> Printer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceAsOf:
    """An invoice as it is seen on a day."""

    invoice: Invoice
    today: date

    @property
    def overdue(self) -> bool:
        return self.invoice.overdue_on(self.today)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullInvoice(InvoiceAsOf):
    lines: tuple[InvoiceLine, ...]


def issue_invoice(caller: Caller, client_id: str, through: date, *, books: Books) -> FullInvoice:
    """Issues at once what is open through that day; the client's schedule stays as it is.

    Raises: NotFound, Invalid if the day is yet to come, NothingToInvoice, InvoiceTooLarge.
    """
    now = books.clock.now()
    invoice_id = books.ids.new("inv", now)

    def attempt() -> FullInvoice:
        work = books.ledger.open_work(caller.account_id, client_id, through)
        today = local_day(now, work.account.profile.time_zone)
        if through > today:
            raise Invalid(FieldError("/through", f"must not be after today, {today}"))
        series = books.ledger.series(caller.account_id, DocumentKind.INVOICE, today.year)
        issue = draw_up(work, series, through=through, invoice_id=invoice_id, issued_at=now)
        books.ledger.issue(issue)
        return FullInvoice(invoice=issue.invoice, lines=issue.lines, today=today)

    return until_uncontended(attempt)


def ask_for_due_invoices(as_of: datetime, *, desk: NightDesk) -> int:
    """Asks for the invoice of every client that is due as of that instant, missed nights included; returns how many.

    Run twice it asks twice; issuing happens once. What cannot be noted in the report is asked for all the same.
    Raises: Unavailable once all were tried, if one was not noted or not asked for.
    """
    unnoted: list[str] = []

    def noted() -> Iterator[InvoiceDue]:
        for client in desk.due_clients.due(as_of):
            due = InvoiceDue(
                account_id=client.account_id, client_id=client.client_id, due_on=client.next_invoice_on, as_of=as_of
            )
            try:
                desk.reports.note_due(_outcome(due, due.due_on))
            except (Contended, Unavailable):
                unnoted.append(client.client_id)
            yield due

    asked = desk.invoicing_queue.ask_for(noted())
    if unnoted:
        raise Unavailable(f"the report lacks {len(unnoted)} of {asked} clients")
    return asked


def issue_due(due: InvoiceDue, *, ledger: Ledger, reports: Reports, clock: Clock) -> None:
    """Issues every invoice of the client that is due as of the night's instant; nothing for one that is issued already.

    An invoice is dated when it is issued, and never before the night that it was due in.
    Raises: Contended.
    """
    day: date | None = due.due_on
    settled: set[date] = set()
    for _ in range(ATTEMPTS):
        if day is None:
            break
        asked = day
        try:
            work = ledger.open_work(due.account_id, due.client_id, asked)
            day = _day_due(work.client, work.account, due.as_of)
            if day == asked:
                next_client = _settle(work, asked, due, issued_at=max(clock.now(), due.as_of), ledger=ledger)
                settled.add(asked)
                day = _day_due(next_client, work.account, due.as_of)
        except Contended:
            continue
        except NotFound:
            day = None  # removed since: a client without work has nothing to bill
        except InvoiceTooLarge:
            reports.note_end(replace(_outcome(due, asked), outcome=Outcome.TOO_LARGE))
            return
    if day is not None:
        raise Contended(f"the client {due.client_id} has been changing all the time")
    if due.due_on not in settled:
        reports.note_end(replace(_outcome(due, due.due_on), outcome=Outcome.NO_LONGER_DUE))


def _day_due(client: Client, account: Account, as_of: datetime) -> date | None:
    """The client's next invoice day, if it has begun in the account's zone."""
    day = client.next_invoice_on
    return None if day is None or start_of_day(day, account.profile.time_zone) > as_of else day


def _outcome(due: InvoiceDue, day: date) -> DueOutcome:
    return DueOutcome(account_id=due.account_id, run_on=due.as_of.date(), client_id=due.client_id, due_on=day)


def _settle(work: OpenWork, day: date, due: InvoiceDue, *, issued_at: datetime, ledger: Ledger) -> Client:
    """One due day in one transaction: its invoice, or the fact that there was nothing to bill. Answers the client after it."""
    account, client = work.account, work.client
    time_zone = account.profile.time_zone
    series = ledger.series(account.id, DocumentKind.INVOICE, local_day(issued_at, time_zone).year)
    invoice_id = derived_id("inv", start_of_day(day, time_zone), account.id, client.id, day.isoformat())
    try:
        issue = draw_up(work, series, through=day, invoice_id=invoice_id, issued_at=issued_at)
    except NothingToInvoice:
        settled = settle_through(client, day, now=issued_at)
        next_client = schedule(settled, account, first_day=day + ONE_DAY)
        ledger.pass_over(client, next_client, replace(_outcome(due, day), outcome=Outcome.NOTHING_TO_INVOICE))
        return next_client
    invoice = issue.invoice
    issued = replace(
        _outcome(due, day),
        outcome=Outcome.ISSUED,
        invoice_id=invoice.id,
        number=invoice.number,
        currency=invoice.currency,
        total=invoice.total,
    )
    next_client = schedule(issue.next_client, account, first_day=day + ONE_DAY)
    ledger.issue(replace(issue, next_client=next_client, outcome=issued))
    return next_client


def get_invoice(caller: Caller, invoice_id: str, *, books: Books) -> FullInvoice:
    """Raises: NotFound."""
    invoice = books.invoices.get(caller.account_id, invoice_id)
    return _full(invoice, _today(caller.account_id, books), books)


def list_invoices(caller: Caller, wanted: InvoiceFilter, request: PageRequest, *, books: Books) -> Page[InvoiceAsOf]:
    page = books.invoices.page(caller.account_id, wanted, request)
    today = _today(caller.account_id, books)
    return Page(items=tuple(InvoiceAsOf(invoice=invoice, today=today) for invoice in page.items), next=page.next)


def link_to_pdf(caller: Caller, invoice_id: str, *, archive: Archive) -> str:
    """A short-lived link to the invoice's PDF. Raises: NotFound."""
    invoice = archive.invoices.get(caller.account_id, invoice_id)
    invoice_document(invoice, invoices=archive.invoices, documents=archive.documents, printer=archive.printer)
    return archive.documents.link(caller.account_id, invoice_id, f"{file_stem(invoice.number)}.pdf")


def invoice_document(invoice: Invoice, *, invoices: Invoices, documents: Documents, printer: Printer) -> bytes:
    """The invoice's PDF, printed once and kept."""
    kept = documents.find(invoice.account_id, invoice.id)
    if kept is not None:
        return kept
    lines = invoices.lines(invoice.account_id, invoice.id)
    return documents.keep(invoice.account_id, invoice.id, printer.invoice(invoice, lines))


def file_stem(number: str) -> str:
    """The number as the name of a file."""
    return number.replace("/", "-")


def add_payment(caller: Caller, invoice_id: str, details: PaymentDetails, *, books: Books) -> FullInvoice:
    """Raises: NotFound, Invalid, InvoicePaid, InvoiceCredited."""
    now = books.clock.now()
    today = _today(caller.account_id, books)
    payment = new_payment(details, payment_id=books.ids.new("pay", now), now=now, today=today)

    def attempt() -> Invoice:
        invoice = books.invoices.get(caller.account_id, invoice_id)
        if any(recorded.id == payment.id for recorded in invoice.payments):
            return invoice  # written by an attempt whose answer was lost
        paid = record_payment(invoice, payment)
        books.invoices.save(paid)
        return paid

    return _full(until_uncontended(attempt), today, books)


def credit_invoice(caller: Caller, invoice_id: str, reason: str, *, books: Books) -> CreditNote:
    """Takes the whole invoice back and releases its hours. Raises: NotFound, InvoiceCredited."""
    now = books.clock.now()
    note_id = books.ids.new("crn", now)
    time_zone = books.accounts.get(caller.account_id).profile.time_zone

    def attempt() -> CreditNote:
        invoice = books.invoices.get(caller.account_id, invoice_id)
        sheets = books.work.sheets(caller.account_id, invoice.client_id, invoice.months)
        series = books.ledger.series(caller.account_id, DocumentKind.CREDIT_NOTE, local_day(now, time_zone).year)
        made = credit(invoice, sheets, series, note_id=note_id, reason=reason, time_zone=time_zone, issued_at=now)
        books.ledger.credit(made)
        return made.note

    return until_uncontended(attempt)


def get_credit_note(caller: Caller, note_id: str, *, books: Books) -> CreditNote:
    """Raises: NotFound."""
    return books.credit_notes.get(caller.account_id, note_id)


def _full(invoice: Invoice, today: date, books: Books) -> FullInvoice:
    lines = books.invoices.lines(invoice.account_id, invoice.id)
    return FullInvoice(invoice=invoice, lines=lines, today=today)


def _today(account_id: str, books: Books) -> date:
    return local_day(books.clock.now(), books.accounts.get(account_id).profile.time_zone)
