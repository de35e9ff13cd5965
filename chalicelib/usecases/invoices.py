"""Issuing invoices, by hand and on each client's day; payments; credit notes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from chalicelib.domain.billing import DocumentKind, OpenWork, credit, draw_up, settle_through
from chalicelib.domain.calendar import ONE_DAY, local_day, start_of_day
from chalicelib.domain.clients import schedule
from chalicelib.domain.errors import Contended, FieldError, Invalid, NotFound, NothingToInvoice
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
from chalicelib.ports import (
    Accounts,
    Clock,
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
from chalicelib.usecases.contention import ATTEMPTS, until_uncontended


class Books(Protocol):
    """What keeping invoices needs at hand."""

    @property
    def invoices(self) -> Invoices: ...
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


def issue_invoice(caller: Caller, client_id: str, through: date, *, ledger: Ledger, ids: Ids, clock: Clock) -> FullInvoice:
    """Issues at once what is open through that day; the client's schedule stays as it is.

    Raises: NotFound, Invalid if the day is yet to come, NothingToInvoice, InvoiceTooLarge.
    """
    now = clock.now()
    invoice_id = ids.new("inv", now)

    def attempt() -> FullInvoice:
        work = ledger.open_work(caller.account_id, client_id, through)
        today = local_day(now, work.account.profile.time_zone)
        if through > today:
            raise Invalid(FieldError("/through", f"must not be after today, {today}"))
        series = ledger.series(caller.account_id, DocumentKind.INVOICE, today.year)
        issue = draw_up(work, series, through=through, invoice_id=invoice_id, issued_at=now)
        ledger.issue(issue)
        return FullInvoice(invoice=issue.invoice, lines=issue.lines, today=today)

    return until_uncontended(attempt)


def ask_for_due_invoices(as_of: datetime, *, due_clients: DueClients, reports: Reports, queue: InvoicingQueue) -> int:
    """Asks for the invoice of every client that is due as of that instant, missed nights included; returns how many.

    Run twice it asks twice; issuing happens once.
    """

    def noted() -> Iterator[InvoiceDue]:
        for client in due_clients.due(as_of):
            reports.note_due(
                DueOutcome(
                    account_id=client.account_id,
                    run_on=as_of.date(),
                    client_id=client.client_id,
                    due_on=client.next_invoice_on,
                )
            )
            yield InvoiceDue(
                account_id=client.account_id,
                client_id=client.client_id,
                due_on=client.next_invoice_on,
                as_of=as_of,
            )

    return queue.ask_for(noted())


def issue_due(due: InvoiceDue, *, ledger: Ledger, clock: Clock) -> None:
    """Issues every invoice of the client that is due as of the night's instant; nothing for one that is issued already.

    An invoice is dated when it is issued, and never before the night that it was due in.
    Raises: InvoiceTooLarge, Contended.
    """
    day = due.due_on
    for _ in range(ATTEMPTS):
        try:
            work = ledger.open_work(due.account_id, due.client_id, day)
        except NotFound:
            return  # removed since: a client without work has nothing to bill
        next_day = work.client.next_invoice_on
        if next_day is None or start_of_day(next_day, work.account.profile.time_zone) > due.as_of:
            return
        if next_day != day:
            day = next_day
            continue
        try:
            _settle(work, day, due, issued_at=max(clock.now(), due.as_of), ledger=ledger)
        except Contended:
            continue
    raise Contended(f"the client {due.client_id} has been changing all the time")


def _settle(work: OpenWork, day: date, due: InvoiceDue, *, issued_at: datetime, ledger: Ledger) -> None:
    """One due day of one client in one transaction: its invoice, or the fact that there was nothing to bill."""
    account, client = work.account, work.client
    outcome = DueOutcome(account_id=account.id, run_on=due.as_of.date(), client_id=client.id, due_on=day)
    time_zone = account.profile.time_zone
    series = ledger.series(account.id, DocumentKind.INVOICE, local_day(issued_at, time_zone).year)
    invoice_id = derived_id("inv", start_of_day(day, time_zone), account.id, client.id, day.isoformat())
    try:
        issue = draw_up(work, series, through=day, invoice_id=invoice_id, issued_at=issued_at)
    except NothingToInvoice:
        settled = settle_through(client, day, now=issued_at)
        next_client = schedule(settled, account, first_day=day + ONE_DAY)
        ledger.pass_over(client, next_client, replace(outcome, outcome=Outcome.NOTHING_TO_INVOICE))
        return
    invoice = issue.invoice
    issued = replace(
        outcome,
        outcome=Outcome.ISSUED,
        invoice_id=invoice.id,
        number=invoice.number,
        currency=invoice.currency,
        total=invoice.total,
    )
    next_client = schedule(issue.next_client, account, first_day=day + ONE_DAY)
    ledger.issue(replace(issue, next_client=next_client, outcome=issued))


def get_invoice(caller: Caller, invoice_id: str, *, books: Books) -> FullInvoice:
    """Raises: NotFound."""
    return _full(books.invoices.get(caller.account_id, invoice_id), books)


def list_invoices(caller: Caller, wanted: InvoiceFilter, request: PageRequest, *, books: Books) -> Page[InvoiceAsOf]:
    page = books.invoices.page(caller.account_id, wanted, request)
    today = _today(caller.account_id, books)
    return Page(items=tuple(InvoiceAsOf(invoice=invoice, today=today) for invoice in page.items), next=page.next)


def link_to_pdf(caller: Caller, invoice_id: str, *, invoices: Invoices, documents: Documents, printer: Printer) -> str:
    """A short-lived link to the invoice's PDF. Raises: NotFound."""
    invoice = invoices.get(caller.account_id, invoice_id)
    invoice_document(invoice, invoices=invoices, documents=documents, printer=printer)
    return documents.link(caller.account_id, invoice_id, f"{file_stem(invoice.number)}.pdf")


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
    payment = new_payment(details, payment_id=books.ids.new("pay", now), now=now)

    def attempt() -> Invoice:
        invoice = books.invoices.get(caller.account_id, invoice_id)
        if any(recorded.id == payment.id for recorded in invoice.payments):
            return invoice  # written by an attempt whose answer was lost
        paid = record_payment(invoice, payment)
        books.invoices.save(paid)
        return paid

    return _full(until_uncontended(attempt), books)


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


def _full(invoice: Invoice, books: Books) -> FullInvoice:
    lines = books.invoices.lines(invoice.account_id, invoice.id)
    return FullInvoice(invoice=invoice, lines=lines, today=_today(invoice.account_id, books))


def _today(account_id: str, books: Books) -> date:
    return local_day(books.clock.now(), books.accounts.get(account_id).profile.time_zone)
