"""Invoices and credit notes as PDF: which words stand on them. Where they stand is typesetting's matter."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeVar

from chalicelib.domain.invoices import Buyer, CreditNote, Invoice, InvoiceLine, Seller
from chalicelib.domain.vat import VatGroup
from chalicelib.gateways.paper.country_names import country_name
from chalicelib.gateways.paper.figures import (
    amount_text,
    day_text,
    duration_text,
    iban_text,
    money_text,
    percent_text,
    period_text,
    rate_text,
    short_day_text,
)
from chalicelib.gateways.paper.pdf import render
from chalicelib.gateways.paper.table import Column, Table
from chalicelib.gateways.paper.typesetting import Paper, Party, Payment, typeset

T = TypeVar("T")
REVERSE_CHARGE = "Reverse charge: VAT to be accounted for by the recipient (Art. 196 Directive 2006/112/EC)."


class PdfPrinter:
    """Import this module only where documents are printed: the PDF library costs every other cold start."""

    def invoice(self, invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
        paper = Paper(
            title=f"Invoice {invoice.number}",
            sender=_sender(invoice.seller),
            recipient=_recipient(invoice.buyer, "Bill to"),
            facts=(
                ("Invoice number", invoice.number),
                ("Issue date", day_text(invoice.issued_on)),
                ("Period", period_text(invoice.period_from, invoice.period_through)),
                ("Due date", day_text(invoice.due_on)),
            ),
            table=_table(lines, 1, invoice.currency, invoice.net),
            sums=_sums(invoice.vat_groups, invoice.currency, invoice.reverse_charge),
            total=("Total", money_text(invoice.total, invoice.currency)),
            notes=_notes(invoice),
            payment=_payment(invoice),
            footer=_footer(invoice.seller),
        )
        return _rendered(paper, invoice.issued_at)

    def credit_note(self, note: CreditNote, invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
        paper = Paper(
            title=f"Credit note {note.number}",
            sender=_sender(invoice.seller),
            recipient=_recipient(invoice.buyer, "Credit to"),
            facts=(
                ("Credit note number", note.number),
                ("Issue date", day_text(note.issued_on)),
                ("For invoice", note.invoice_number),
                ("Invoice date", day_text(invoice.issued_on)),
            ),
            preface=(
                f"This credit note takes back invoice {note.invoice_number} of {day_text(invoice.issued_on)} in full.",
                f"Reason: {note.reason}",
            ),
            table=_table(lines, -1, note.currency, note.net),
            sums=_sums(note.vat_groups, note.currency, invoice.reverse_charge),
            total=("Total credit", money_text(note.total, note.currency)),
            notes=_notes(invoice),
            footer=_footer(invoice.seller),
        )
        return _rendered(paper, note.issued_at)


def _rendered(paper: Paper, issued_at: datetime) -> bytes:
    return render(typeset(paper), title=paper.title, author=paper.sender.name, created_at=issued_at)


def _sender(seller: Seller) -> Party:
    details = [*_address(seller.address, seller.country), seller.email]
    if seller.tax_id:
        details.append(f"Tax ID: {seller.tax_id}")
    if seller.vat_id:
        details.append(f"VAT ID: {seller.vat_id}")
    return Party(name=seller.name, details=details)


def _recipient(buyer: Buyer, label: str) -> Party:
    details = _address(buyer.address, buyer.country)
    if buyer.vat_id:
        details.append(f"VAT ID: {buyer.vat_id}")
    return Party(label=label, name=buyer.name, details=details)


def _address(address: str, country: str | None) -> list[str]:
    """Line by line, with the country's name beneath unless the address ends with it."""
    lines = [line.strip() for line in address.splitlines() if line.strip()]
    if country is None or (lines and lines[-1].casefold() in {country.casefold(), country_name(country).casefold()}):
        return lines
    return [*lines, country_name(country)]


def _table(lines: Sequence[InvoiceLine], sign: Literal[1, -1], currency: str, net: Decimal) -> Table:
    """A column for the VAT rate only where lines differ in it. `sign` turns an invoice's lines into a credit note's."""
    several_rates = len({line.tax_rate for line in lines}) > 1
    with_seconds = any(line.duration_seconds % 60 for line in lines)

    def hours(seconds: int) -> str:
        return duration_text(sign * seconds, with_seconds=with_seconds)

    def vat(cell: T) -> list[T]:
        return [cell] if several_rates else []

    return Table(
        columns=[
            Column(head="Date", kind="word"),
            Column(head="Description", kind="text"),
            Column(head="Hours", kind="figure"),
            Column(head=f"{currency} per hour", kind="figure"),
            *vat(Column(head="VAT", kind="figure")),
            Column(head=f"Amount {currency}", kind="figure"),
        ],
        rows=[
            [
                short_day_text(line.day),
                line.description,
                hours(line.duration_seconds),
                rate_text(line.rate, currency),
                *vat(percent_text(line.tax_rate)),
                amount_text(sign * line.amount, currency),
            ]
            for line in lines
        ],
        foot=[
            "",
            "Net amount",
            hours(sum(line.duration_seconds for line in lines)),
            "",
            *vat(""),
            amount_text(net, currency),
        ],
    )


def _sums(groups: Sequence[VatGroup], currency: str, reverse_charge: bool) -> list[tuple[str, str]]:
    suffix = " (reverse charge)" if reverse_charge else ""
    return [
        (f"VAT {percent_text(group.rate)} on {amount_text(group.net, currency)}{suffix}", money_text(group.vat, currency))
        for group in groups
    ]


def _notes(invoice: Invoice) -> list[str]:
    return [REVERSE_CHARGE] if invoice.reverse_charge else []


def _payment(invoice: Invoice) -> Payment | None:
    if not invoice.total:
        return None
    seller = invoice.seller
    details = [("Account holder", seller.name), ("IBAN", iban_text(seller.iban))] if seller.iban else []
    if seller.bic:
        details.append(("BIC", seller.bic))
    return Payment(
        request=f"Please pay {money_text(invoice.total, invoice.currency)} by {day_text(invoice.due_on)}.",
        details=[*details, ("Reference", invoice.number)],
    )


def _footer(seller: Seller) -> str:
    return f"{seller.name} · VAT ID {seller.vat_id}" if seller.vat_id else seller.name
