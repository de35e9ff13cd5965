"""Issuing and crediting in DynamoDB: each in one transaction, all of it or nothing.

A transaction takes 100 items: the series, the document, the client, the report, up to 72 sheets, and the lines in chunks.
It may have 4 MB, to which a sheet counts with all that is on it.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from chalicelib.domain.accounts import Account
from chalicelib.domain.billing import Credit, DocumentKind, Issue, NumberSeries, OpenWork
from chalicelib.domain.clients import Client
from chalicelib.domain.errors import Contended, InvoiceTooLarge, NotFound
from chalicelib.domain.invoices import InvoiceLine
from chalicelib.domain.reports import DueOutcome
from chalicelib.domain.work import WorkEntry, WorkSheet, month_of
from chalicelib.repositories import keys
from chalicelib.repositories.clients import move_on
from chalicelib.repositories.invoices import invoice_update
from chalicelib.repositories.items import Item, from_item, members, size_of, to_item
from chalicelib.repositories.reports import outcome_item
from chalicelib.repositories.table import MAX_TRANSACTION_BYTES, MAX_WRITES, Table
from chalicelib.repositories.writes import Write, add, always_contended, put, update

CHUNK_BYTES = 300_000
"""Of lines in one item, which takes 400 KB."""
_READINGS = 5


class DynamoLedger:
    def __init__(self, table: Table) -> None:
        self._table = table

    def open_work(self, account_id: str, client_id: str, through: date) -> OpenWork:
        """Reads again if an entry is no longer what its sheet said."""
        for _ in range(_READINGS):
            read = self._read_open_work(account_id, client_id, through)
            if read is not None:
                return read
        raise Contended

    def _read_open_work(self, account_id: str, client_id: str, through: date) -> OpenWork | None:
        account_key, client_key = keys.account(account_id), keys.client(account_id, client_id)
        parties = self._table.get_all([account_key, client_key])
        if len(parties) < 2:
            raise NotFound
        months = self._table.query(
            keys.sheets_through(account_id, client_id, month_of(through)), where="attribute_exists(#open)"
        )
        sheets = tuple(from_item(item, WorkSheet) for item in months)
        wanted = {keys.work(account_id, entry_id): sheet.month for sheet in sheets for entry_id in sorted(sheet.open)}
        kept = self._table.get_all(wanted)
        entries = tuple(from_item(kept[key], WorkEntry) for key in wanted if key in kept)
        if [(entry.client_id, entry.month) for entry in entries] != [(client_id, month) for month in wanted.values()]:
            return None
        return OpenWork(
            account=from_item(parties[account_key], Account),
            client=from_item(parties[client_key], Client),
            sheets=sheets,
            entries=entries,
        )

    def series(self, account_id: str, kind: DocumentKind, year: int) -> NumberSeries:
        item = self._table.get(keys.series(account_id, kind, year))
        return NumberSeries(kind=kind, year=year, last=item["last"] if item else 0)

    def issue(self, issue: Issue) -> None:
        """Raises: InvoiceTooLarge if it is more than one transaction takes."""
        invoice = issue.invoice
        taken = [(sheet, issue.billed[sheet.month]) for sheet in issue.sheets]
        if set(issue.billed) != {sheet.month for sheet in issue.sheets} or any(not ids <= sheet.open for sheet, ids in taken):
            raise Contended
        documents = [
            to_item(keys.invoice(invoice.account_id, invoice.id), "invoice", invoice),
            *_chunks(invoice.account_id, invoice.id, issue.lines),
        ]
        self._commit(
            [*documents, *(members(sheet) for sheet in issue.sheets)],
            _count_up(invoice.account_id, issue.series),
            *map(add, documents),
            move_on(issue.client, issue.next_client),
            *(_bill(sheet, invoice.id, ids) for sheet, ids in taken),
            *([] if issue.outcome is None else [put(outcome_item(issue.outcome))]),
        )

    def pass_over(self, client: Client, next_client: Client, outcome: DueOutcome) -> None:
        self._table.transact(move_on(client, next_client), put(outcome_item(outcome)))

    def credit(self, credit: Credit) -> None:
        """Raises: InvoiceTooLarge if the sheets have grown beyond one transaction since."""
        note, invoice = credit.note, credit.invoice
        if any(invoice.id not in sheet.billed for sheet in credit.sheets):
            raise Contended
        item = to_item(keys.credit_note(note.account_id, note.id), "credit_note", note)
        self._commit(
            [item, *(members(sheet) for sheet in credit.sheets)],
            _count_up(note.account_id, credit.series),
            add(item),
            invoice_update(credit.credited, version_before=invoice.version),
            *(_release(sheet, invoice.id) for sheet in credit.sheets),
        )

    def _commit(self, touched: list[Item], *writes: Write) -> None:
        if len(writes) > MAX_WRITES or sum(map(size_of, touched)) > MAX_TRANSACTION_BYTES:
            raise InvoiceTooLarge
        self._table.transact(*writes)


def _chunks(account_id: str, invoice_id: str, lines: tuple[InvoiceLine, ...]) -> Iterator[Item]:
    """The lines in as few items as take them, in order."""
    chunk: list[Item] = []
    number = size = 0
    for line in map(members, lines):
        if chunk and size + size_of(line) > CHUNK_BYTES:
            yield _lines_item(account_id, invoice_id, number, chunk)
            chunk, number, size = [], number + 1, 0
        chunk.append(line)
        size += size_of(line)
    yield _lines_item(account_id, invoice_id, number, chunk)


def _lines_item(account_id: str, invoice_id: str, number: int, lines: list[Item]) -> Item:
    key = keys.lines(account_id, invoice_id, number)
    return {**key._asdict(), "type": "lines", "account_id": account_id, "invoice_id": invoice_id, "lines": lines}


def _count_up(account_id: str, series: NumberSeries) -> Write:
    """Takes the next number; whoever read the same series and comes later has to draw up anew."""
    read: dict[str, Any] = {"last": series.last} if series.last else {}
    return update(
        keys.series(account_id, series.kind, series.year),
        "SET #type = :type, #account_id = :account_id, #last = :next",
        condition="#last = :last" if series.last else "attribute_not_exists(#last)",
        refused=always_contended,
        type="series",
        account_id=account_id,
        next=series.last + 1,
        **read,
    )


def _bill(sheet: WorkSheet, invoice_id: str, entries: frozenset[str]) -> Write:
    return update(
        keys.sheet(sheet.account_id, sheet.client_id, sheet.month),
        "SET #billed.#invoice = :entries ADD #version :one DELETE #open :entries",
        condition="#version = :version",
        names={"invoice": invoice_id},
        entries=entries,
        one=1,
        version=sheet.version,
    )


def _release(sheet: WorkSheet, invoice_id: str) -> Write:
    return update(
        keys.sheet(sheet.account_id, sheet.client_id, sheet.month),
        "ADD #version :one, #open :entries REMOVE #billed.#invoice",
        condition="#version = :version",
        names={"invoice": invoice_id},
        entries=sheet.billed[invoice_id],
        one=1,
        version=sheet.version,
    )
