"""The repositories of one kind, all over the same state."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.domain.accounts import Account
from chalicelib.domain.billing import Credit, DocumentKind, Issue, credit, draw_up
from chalicelib.domain.calendar import ONE_DAY
from chalicelib.domain.clients import Client, schedule
from chalicelib.domain.users import User
from chalicelib.domain.work import MAX_ENTRIES_ON_SHEET, WorkChange, WorkEntry
from chalicelib.ports import (
    Access,
    Accounts,
    Clients,
    CreditNotes,
    DueClients,
    Images,
    Imports,
    Invoices,
    KeyedRequests,
    Ledger,
    Orders,
    Products,
    Reports,
    Reservations,
    RowMarks,
    Searchable,
    Stock,
    Timers,
    UnsettledImages,
    UnsettledImports,
    Users,
    Work,
)
from chalicelib.repositories import keys
from chalicelib.repositories.accounts import DynamoAccess, DynamoAccounts, DynamoUsers
from chalicelib.repositories.clients import DynamoClients, DynamoDueClients
from chalicelib.repositories.images import DynamoImages, DynamoUnsettledImages
from chalicelib.repositories.imports import DynamoImports, DynamoRowMarks, DynamoUnsettledImports
from chalicelib.repositories.invoices import DynamoCreditNotes, DynamoInvoices
from chalicelib.repositories.items import to_image, to_item
from chalicelib.repositories.keyed_requests import DynamoKeyedRequests
from chalicelib.repositories.ledger import DynamoLedger
from chalicelib.repositories.orders import DynamoOrders, DynamoReservations
from chalicelib.repositories.products import DynamoProducts, DynamoStock
from chalicelib.repositories.reports import DynamoReports
from chalicelib.repositories.searchable import DynamoSearchable
from chalicelib.repositories.table import Table
from chalicelib.repositories.work import DynamoTimers, DynamoWork
from chalicelib.repositories.writes import update
from tests.builders import NOW, a_user, an_account, at
from tests.fakes import FixedClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RESOURCES = Path(__file__).parents[2] / ".chalice" / "resources.json"
TABLE = "daybook-contract"
EPHEMERAL_TABLE = "daybook-contract-ephemeral"
FIRST_NIGHT = at("2026-02-01T02:00:00")


class Store(Protocol):
    @property
    def accounts(self) -> Accounts: ...
    @property
    def users(self) -> Users: ...
    @property
    def access(self) -> Access: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def due_clients(self) -> DueClients: ...
    @property
    def work(self) -> Work: ...
    @property
    def timers(self) -> Timers: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def invoices(self) -> Invoices: ...
    @property
    def credit_notes(self) -> CreditNotes: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def keyed_requests(self) -> KeyedRequests: ...
    @property
    def products(self) -> Products: ...
    @property
    def stock(self) -> Stock: ...
    @property
    def orders(self) -> Orders: ...
    @property
    def reservations(self) -> Reservations: ...
    @property
    def imports(self) -> Imports: ...
    @property
    def unsettled_imports(self) -> UnsettledImports: ...
    @property
    def row_marks(self) -> RowMarks: ...
    @property
    def images(self) -> Images: ...
    @property
    def unsettled_images(self) -> UnsettledImages: ...
    @property
    def searchable(self) -> Searchable: ...


class MakeStore(Protocol):
    def __call__(self, *, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET) -> Store: ...


class DynamoStore:
    def __init__(self, client: "DynamoDBClient", *, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET, **more: Any) -> None:
        table = Table(client, TABLE, ephemeral=EPHEMERAL_TABLE, **more)
        self.accounts = DynamoAccounts(table)
        self.users = DynamoUsers(table)
        self.access = DynamoAccess(table)
        self.clients = DynamoClients(table)
        self.due_clients = DynamoDueClients(table)
        self.work = DynamoWork(table, max_entries_on_sheet=max_entries_on_sheet)
        self.timers = DynamoTimers(table)
        self.ledger = DynamoLedger(table)
        self.invoices = DynamoInvoices(table)
        self.credit_notes = DynamoCreditNotes(table)
        self.reports = DynamoReports(table)
        self.keyed_requests = DynamoKeyedRequests(Table(client, EPHEMERAL_TABLE, **more))
        self.products = DynamoProducts(table, FixedClock(NOW))
        self.stock = DynamoStock(table)
        self.orders = DynamoOrders(table)
        self.reservations = DynamoReservations(table)
        self.imports = DynamoImports(table)
        self.unsettled_imports = DynamoUnsettledImports(table)
        self.row_marks = DynamoRowMarks(table)
        self.images = DynamoImages(table)
        self.unsettled_images = DynamoUnsettledImages(table)
        self.searchable = DynamoSearchable(table)


def create_tables(client: "DynamoDBClient") -> None:
    """As the template declares them: there is no other definition."""
    resources = json.loads(RESOURCES.read_text())["Resources"]
    for resource, name in (("Table", TABLE), ("EphemeralTable", EPHEMERAL_TABLE)):
        declared = resources[resource]["Properties"]
        parts = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        shape: Any = {part: declared[part] for part in parts if part in declared}
        client.create_table(TableName=name, **shape)


def delete_tables(client: "DynamoDBClient") -> None:
    for name in (TABLE, EPHEMERAL_TABLE):
        client.delete_table(TableName=name)


def items_in(client: "DynamoDBClient") -> list[dict[str, Any]]:
    """All items of the table, in attribute values."""
    return [item for page in client.get_paginator("scan").paginate(TableName=TABLE) for item in page["Items"]]


def opened(store: Store, account: Account | None = None, owner: User | None = None) -> Account:
    """An account that is in the store."""
    account = account or an_account()
    store.accounts.add(account, owner or a_user(account_id=account.id))
    return account


def log(store: Store, *entries: WorkEntry) -> None:
    for entry in entries:
        store.work.commit(WorkChange(new=entry))


def log_many(store: Store, entries: Sequence[WorkEntry]) -> None:
    """Very many entries of one client and month. In DynamoDB all but the first without transactions and places in lists: moto
    copies the whole table for each transaction.
    """
    first, *others = entries
    log(store, first)
    if not isinstance(store, DynamoStore):
        log(store, *others)
        return
    table = store.work._table
    client = table._client
    for start in range(0, len(others), 25):
        puts = [to_item(keys.work(entry.account_id, entry.id), "work", entry) for entry in others[start : start + 25]]
        client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": to_image(item)}} for item in puts]})
    table.transact(
        update(
            keys.sheet(first.account_id, first.client_id, first.month),
            "ADD #open :ids, #entries :count, #version :count",
            ids=set(ids(others)),
            count=len(others),
        )
    )


def drawn_up(
    store: Store,
    through: date,
    *,
    invoice_id: str = "inv_1",
    client_id: str = "cli_1",
    account_id: str = "acc_1",
    issued_at: datetime = FIRST_NIGHT,
) -> Issue:
    """An invoice for what is open, not issued yet; the client's next day is the one after."""
    work = store.ledger.open_work(account_id, client_id, through)
    series = store.ledger.series(account_id, DocumentKind.INVOICE, issued_at.year)
    return draw_up(work, series, through=through, invoice_id=invoice_id, issued_at=issued_at)


def scheduled(client: Client, account: Account, day: date) -> Client:
    """The client with its next invoice after that day."""
    return schedule(client, account, first_day=day + ONE_DAY)


def credited(store: Store, invoice_id: str = "inv_1", *, note_id: str = "crn_1", account_id: str = "acc_1") -> Credit:
    """A credit note for the invoice, not issued yet."""
    issued_at = at("2026-02-05T10:00:00")
    invoice = store.invoices.get(account_id, invoice_id)
    return credit(
        invoice,
        store.work.sheets(account_id, invoice.client_id, invoice.months),
        store.ledger.series(account_id, DocumentKind.CREDIT_NOTE, issued_at.year),
        note_id=note_id,
        reason="wrong rate",
        time_zone="Europe/Vienna",
        issued_at=issued_at,
    )


def ids(things: Iterable[Any]) -> list[str]:
    return [thing.id for thing in things]
