"""Issued invoices with their lines, and credit notes, in DynamoDB. The ledger writes them; what is frozen stays."""

from functools import partial

from chalicelib.domain.errors import NotFound
from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceFilter, InvoiceLine
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, members
from chalicelib.repositories.pages import page_by_id
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Write, set_members, update

_NOT_FROZEN = ("status", "payments", "credit_note_id", "credit_note_number", "delivery", "version")


class DynamoInvoices:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, account_id: str, invoice_id: str) -> Invoice:
        return from_item(self._table.find(keys.invoice(account_id, invoice_id)), Invoice)

    def lines(self, account_id: str, invoice_id: str) -> tuple[InvoiceLine, ...]:
        chunks = list(self._table.query(keys.all_lines(account_id, invoice_id)))
        if not chunks:
            raise NotFound
        return tuple(from_item(line, InvoiceLine) for chunk in chunks for line in chunk["lines"])

    def page(self, account_id: str, wanted: InvoiceFilter, request: PageRequest) -> Page[Invoice]:
        within, key = keys.invoices(account_id), partial(keys.invoice, account_id)
        return page_by_id(self._table, Invoice, within, key, request, wanted=wanted)

    def save(self, invoice: Invoice) -> None:
        self._table.transact(invoice_update(invoice, version_before=invoice.version - 1))


class DynamoCreditNotes:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, account_id: str, note_id: str) -> CreditNote:
        return from_item(self._table.find(keys.credit_note(account_id, note_id)), CreditNote)

    def save(self, note: CreditNote) -> None:
        as_read = update(
            keys.credit_note(note.account_id, note.id),
            "SET #delivery = :delivery, #version = :version",
            condition="#version = :before",
            before=note.version - 1,
            delivery=members(note)["delivery"],
            version=note.version,
        )
        self._table.transact(as_read)


def invoice_update(invoice: Invoice, *, version_before: int) -> Write:
    """Writes what is not frozen."""
    plain: Item = members(invoice)
    change, values = set_members({name: plain[name] for name in _NOT_FROZEN})
    return update(
        keys.invoice(invoice.account_id, invoice.id),
        change,
        condition="#version = :before",
        before=version_before,
        **values,
    )
