"""Billing: an invoice drawn up from open work, numbered without gaps, and taken back by a credit note."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.accounts import CREDIT_NOTE_PREFIX, Account
from chalicelib.domain.calendar import ONE_DAY, local_day
from chalicelib.domain.clients import Client
from chalicelib.domain.errors import (
    InvoiceCredited,
    InvoiceTooLarge,
    NothingToInvoice,
)
from chalicelib.domain.invoices import Buyer, CreditNote, Invoice, InvoiceLine, InvoiceStatus, Seller
from chalicelib.domain.money import negated, time_amount
from chalicelib.domain.reports import DueOutcome
from chalicelib.domain.vat import VatGroup, sum_up
from chalicelib.domain.work import WorkEntry, WorkSheet

MAX_LINES = 2_500
MAX_CHARACTERS = 700_000
"""Of all lines' descriptions, one beyond U+FFFF (`\\ud83d\\ude00`) counted twice: with six bytes for each (`\\u20ac`) the whole
invoice still fits into Lambda's answer of 6 MB.
"""
MAX_SHEETS = 72
"""Months of open work on one invoice: with the rest of the transaction below DynamoDB's 100 items."""


class DocumentKind(StrEnum):
    """What a number series is for."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSeries:
    """The numbers taken so far in one year of one series."""

    kind: DocumentKind
    year: int
    last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """A client's open work and all that an invoice for it depends on, as read at one moment.

    `sheets` are those with open entries in the months through the asked one; `entries` are the open entries on them.
    """

    account: Account
    client: Client
    sheets: tuple[WorkSheet, ...]
    entries: tuple[WorkEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One invoice to be committed in one transaction; every part names the state that it was computed from.

    `series`, `client` and `sheets` are as read; `next_client` is the client afterwards; `billed` is by month what the invoice
    takes from each sheet; `outcome` is what the night's report shall say, where a night asked for the invoice.
    """

    invoice: Invoice
    lines: tuple[InvoiceLine, ...]
    series: NumberSeries
    client: Client
    next_client: Client
    sheets: tuple[WorkSheet, ...]
    billed: Mapping[str, frozenset[str]]
    outcome: DueOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One credit note to be committed in one transaction; `series`, `invoice` and `sheets` are as read."""

    note: CreditNote
    series: NumberSeries
    invoice: Invoice
    credited: Invoice
    sheets: tuple[WorkSheet, ...]


def invoice_number(prefix: str, series: NumberSeries) -> str:
    """The next number, such as `RE-2026-0001`; past 9999 it grows longer."""
    return f"{prefix}{series.year}-{series.last + 1:04d}"


def credit_note_number(series: NumberSeries) -> str:
    """The next number of the series of credit notes, such as `CN2026-0001`."""
    return f"{CREDIT_NOTE_PREFIX}{series.year}-{series.last + 1:04d}"


def billable_entries(work: OpenWork, through: date) -> tuple[WorkEntry, ...]:
    """The open billable entries of the days through `through`, by day and hour."""
    due = (entry for entry in work.entries if entry.billable and entry.day <= through)
    return tuple(sorted(due, key=lambda entry: (entry.day, entry.started_at is None, entry.started_at, entry.id)))


def draw_up(work: OpenWork, series: NumberSeries, *, through: date, invoice_id: str, issued_at: datetime) -> Issue:
    """The invoice for all open billable work through that day, and what it changes. The client's schedule stays as it is.

    Raises:
        NothingToInvoice: there is no such work.
        InvoiceTooLarge: it has more lines, text or months than one invoice can hold.
    """
    entries = billable_entries(work, through)
    if not entries:
        raise NothingToInvoice
    tax_rate = tax_rate_of(work.client, work.account)
    lines = tuple(_line(entry, work.client, tax_rate) for entry in entries)
    billed = {
        month: frozenset(entry.id for entry in entries if entry.month == month)
        for month in sorted({entry.month for entry in entries})
    }
    _check_size(lines, months=len(billed))
    invoice = replace(
        _invoice(work.account, work.client, lines, issued_at),
        id=invoice_id,
        number=invoice_number(work.account.profile.invoice_prefix, series),
        period_through=through,
        months=tuple(billed),
    )
    return Issue(
        invoice=invoice,
        lines=lines,
        series=series,
        client=work.client,
        next_client=settle_through(work.client, through, now=issued_at),
        sheets=tuple(sheet for sheet in work.sheets if sheet.month in billed),
        billed=billed,
    )


def _check_size(lines: Sequence[InvoiceLine], *, months: int) -> None:
    text = sum(len(line.description.encode("utf-16-le", "surrogatepass")) // 2 for line in lines)
    if len(lines) > MAX_LINES or months > MAX_SHEETS or text > MAX_CHARACTERS:
        raise InvoiceTooLarge(
            f"an invoice holds at most {MAX_LINES} entries with {MAX_CHARACTERS} characters of {MAX_SHEETS} months;"
            " invoice in parts, with an earlier `through`"
        )


def _invoice(account: Account, client: Client, lines: Sequence[InvoiceLine], issued_at: datetime) -> Invoice:
    """The invoice of these lines, in the order of their days; as yet without id, number and the end of its period."""
    totals = sum_up(lines, client.currency)
    issued_on = local_day(issued_at, account.profile.time_zone)
    terms = account.profile.payment_terms_days if client.payment_terms_days is None else client.payment_terms_days
    return Invoice(
        account_id=account.id,
        id="",
        number="",
        client_id=client.id,
        seller=seller_of(account),
        buyer=buyer_of(client),
        currency=client.currency,
        reverse_charge=client.reverse_charge,
        issued_at=issued_at,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=terms),
        period_from=_period_from(client, lines[0].day),
        period_through=lines[-1].day,
        duration_seconds=sum(line.duration_seconds for line in lines),
        line_count=len(lines),
        net=totals.net,
        vat=totals.vat,
        total=totals.total,
        vat_groups=totals.vat_groups,
        months=(),
        status=InvoiceStatus.ISSUED if totals.total else InvoiceStatus.PAID,
    )


def settle_through(client: Client, day: date, *, now: datetime) -> Client:
    """The client with all work through that day settled."""
    return replace(
        client,
        invoiced_through=max(day, client.invoiced_through or day),
        version=client.version + 1,
        updated_at=now,
    )


def _line(entry: WorkEntry, client: Client, tax_rate: Decimal) -> InvoiceLine:
    rate = client.rate_on(entry.day)
    return InvoiceLine(
        entry_id=entry.id,
        day=entry.day,
        description=entry.description,
        duration_seconds=entry.duration_seconds,
        rate=rate,
        amount=time_amount(entry.duration_seconds, rate, client.currency),
        tax_rate=tax_rate,
    )


def _period_from(client: Client, first_day: date) -> date:
    """The day after the last invoice's period; earlier where the invoice holds older work, so that it covers all its lines."""
    return min(first_day, client.invoiced_through + ONE_DAY) if client.invoiced_through else first_day


def tax_rate_of(client: Client, account: Account) -> Decimal:
    """In per cent: none with reverse charge, else the client's own rate, else the account's."""
    if client.reverse_charge:
        return Decimal(0)
    return account.profile.default_tax_rate if client.tax_rate is None else client.tax_rate


def seller_of(account: Account) -> Seller:
    profile = account.profile
    return Seller(
        name=profile.legal_name,
        address=profile.address,
        country=profile.country,
        email=profile.email,
        tax_id=profile.tax_id,
        vat_id=profile.vat_id,
        iban=profile.iban,
        bic=profile.bic,
    )


def buyer_of(client: Client) -> Buyer:
    return Buyer(name=client.name, address=client.address, country=client.country, email=client.email, vat_id=client.vat_id)


def credit(
    invoice: Invoice,
    sheets: Sequence[WorkSheet],
    series: NumberSeries,
    *,
    note_id: str,
    reason: str,
    time_zone: str,
    issued_at: datetime,
) -> Credit:
    """The credit note that takes the invoice back and releases its hours.

    Raises: InvoiceCredited if that has happened already.
    """
    if invoice.status is InvoiceStatus.CREDITED:
        raise InvoiceCredited(f"the invoice was credited by {invoice.credit_note_number}")
    note = CreditNote(
        account_id=invoice.account_id,
        id=note_id,
        number=credit_note_number(series),
        invoice_id=invoice.id,
        invoice_number=invoice.number,
        client_id=invoice.client_id,
        reason=reason,
        issued_at=issued_at,
        issued_on=local_day(issued_at, time_zone),
        currency=invoice.currency,
        net=negated(invoice.net),
        vat=negated(invoice.vat),
        total=negated(invoice.total),
        vat_groups=tuple(
            VatGroup(rate=group.rate, net=negated(group.net), vat=negated(group.vat)) for group in invoice.vat_groups
        ),
    )
    credited = replace(
        invoice,
        status=InvoiceStatus.CREDITED,
        credit_note_id=note.id,
        credit_note_number=note.number,
        version=invoice.version + 1,
    )
    return Credit(note=note, series=series, invoice=invoice, credited=credited, sheets=tuple(sheets))
