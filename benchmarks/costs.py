"""What the night and an invoice cost: calls of AWS, what DynamoDB reads and writes for them, and the size of the transaction.

    python -m benchmarks.costs

On a local AWS of its own (MiniStack). The write units are those that it reports as consumed, which it works out as DynamoDB
does, transactions and the index too; the read units are worked out here from what was read, because it does not weigh reads.
Times are no matter here.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from benchmarks.things import FOUNDED, USER_ID, a_client, an_account, an_owner, client_image
from chalicelib.domain.accounts import Account
from chalicelib.domain.clients import Client
from chalicelib.domain.identifiers import derived_id
from chalicelib.domain.reports import InvoiceDue
from chalicelib.domain.work import WorkChange, WorkEntry
from chalicelib.gateways.invoicing_queue import SqsInvoicingQueue
from chalicelib.repositories import keys
from chalicelib.repositories.accounts import DynamoAccounts
from chalicelib.repositories.clients import DynamoClients, DynamoDueClients
from chalicelib.repositories.items import from_image, size_of, to_image, to_item
from chalicelib.repositories.ledger import DynamoLedger
from chalicelib.repositories.reports import DynamoReports
from chalicelib.repositories.table import Table
from chalicelib.repositories.work import DynamoWork
from chalicelib.repositories.writes import update
from chalicelib.usecases.invoices import ask_for_due_invoices, issue_due
from operations import local_aws
from operations.project import ROOT

TABLE: Final = "daybook-measured"
QUEUE: Final = "daybook-measured-invoicing"
DUE: Final = 10
ALL_CLIENTS: Final = (100, 1_000, 10_000)
ENTRIES: Final = (1, 20, 200, 2_000)
INVOICE_DAY: Final = 20
LATER_DAY: Final = 28
NIGHT: Final = datetime(2026, 1, 21, 2, tzinfo=UTC)
WORKED_ON: Final = date(2026, 1, 5)
ENTRIES_OF_DUE: Final = 5
_AT_ONCE: Final = 25
_READ_UNIT_BYTES: Final = 4096
_READS: Final = frozenset({"BatchGetItem", "GetItem", "Query"})


@dataclass(slots=True)
class Cost:
    """`items_read` counts each time that one is read; the `transaction_` figures are of the largest, as it went out; the
    bytes are those of bodies."""

    calls: Counter[str] = field(default_factory=Counter)
    items_read: int = 0
    read_units: float = 0
    write_units: float = 0
    transaction_items: int = 0
    transaction_bytes: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    @property
    def call_count(self) -> int:
        return self.calls.total()


class Meter:
    """Listens to botocore clients; `measuring` says what went through them meanwhile."""

    def __init__(self, dynamodb: Any, *others: Any) -> None:
        self._dynamodb = dynamodb
        self._cost: Cost | None = None
        self._hooks = [
            (dynamodb.meta.events, "provide-client-params.dynamodb", self._prepare),
            (dynamodb.meta.events, "before-call.dynamodb.TransactWriteItems", self._weigh_transaction),
            *((client.meta.events, "before-send", self._weigh_sent) for client in (dynamodb, *others)),
            *((client.meta.events, "after-call", self._count) for client in (dynamodb, *others)),
        ]
        for events, name, hook in self._hooks:
            events.register(name, hook)

    def leave(self) -> None:
        """Listens no more."""
        for events, name, hook in self._hooks:
            events.unregister(name, hook)

    @contextmanager
    def measuring(self) -> Iterator[Cost]:
        cost = self._cost = Cost()
        try:
            yield cost
        finally:
            self._cost = None

    def _prepare(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: object) -> dict[str, Any]:
        context["asked"] = params
        return params if model.name in _READS else params | {"ReturnConsumedCapacity": "TOTAL"}

    def _weigh_transaction(self, params: dict[str, Any], **_: object) -> None:
        if self._cost is not None:
            items = len(json.loads(params["body"])["TransactItems"])
            self._cost.transaction_items = max(self._cost.transaction_items, items)
            self._cost.transaction_bytes = max(self._cost.transaction_bytes, len(params["body"]))

    def _weigh_sent(self, request: Any, **_: object) -> None:
        if self._cost is not None:
            self._cost.bytes_sent += int(request.headers.get("Content-Length", 0))

    def _count(self, http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: object) -> None:
        if self._cost is None:
            return
        cost = self._cost
        cost.calls[model.name] += 1
        cost.bytes_received += int(http_response.headers.get("Content-Length", 0))
        if model.name in _READS:
            weights = self._weights(model.name, context["asked"], parsed)
            cost.items_read += len(weights)
            cost.read_units += _read_units(model.name, weights, consistent=_consistent(context["asked"]))
        else:
            consumed = parsed.get("ConsumedCapacity", [])
            cost.write_units += sum(
                table["CapacityUnits"] for table in (consumed if isinstance(consumed, list) else [consumed])
            )

    def _weights(self, operation: str, asked: dict[str, Any], answer: dict[str, Any]) -> list[int]:
        """The bytes of each item that was read, those too that a filter left out."""
        match operation:
            case "Query":
                images = answer["Items"] if "FilterExpression" not in asked else self._unfiltered(asked)
                assert len(images) == answer["ScannedCount"]
            case "GetItem":
                images = [answer["Item"]] if "Item" in answer else []
            case _:
                images = [image for images in answer["Responses"].values() for image in images]
        return [size_of(from_image(image)) for image in images]

    def _unfiltered(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The same query without its filter, which is not counted."""
        used = asked["KeyConditionExpression"]
        needed = {
            part: {name: meant for name, meant in asked[part].items() if re.search(rf"{name}\b", used)}
            for part in ("ExpressionAttributeNames", "ExpressionAttributeValues")
        }
        query = {name: value for name, value in asked.items() if name != "FilterExpression"}
        cost, self._cost = self._cost, None
        images: list[dict[str, Any]] = self._dynamodb.query(**query | needed)["Items"]
        self._cost = cost
        return images


def _consistent(asked: dict[str, Any]) -> bool:
    return any(part.get("ConsistentRead", False) for part in (asked, *asked.get("RequestItems", {}).values()))


def _read_units(operation: str, weights: Sequence[int], *, consistent: bool) -> float:
    """docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html: a query is weighed as a whole."""
    together = [sum(weights)] if operation == "Query" else weights
    blocks = max(1, sum(math.ceil(weight / _READ_UNIT_BYTES) for weight in together))
    return blocks if consistent else blocks / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The repositories that are measured, over one table and one queue."""

    dynamodb: Any
    sqs: Any
    table: str = TABLE
    queue: str = QUEUE

    @property
    def kept(self) -> Table:
        return Table(self.dynamodb, self.table)

    @property
    def due_clients(self) -> DynamoDueClients:
        return DynamoDueClients(self.kept)

    @property
    def reports(self) -> DynamoReports:
        return DynamoReports(self.kept)

    @property
    def invoicing_queue(self) -> SqsInvoicingQueue:
        return SqsInvoicingQueue(self.sqs, self.queue)

    def ask(self) -> int:
        """The night's first half."""
        return ask_for_due_invoices(NIGHT, desk=self)

    def issue(self, client: Client) -> None:
        """Its second half, for one client."""
        assert client.next_invoice_on is not None
        due = InvoiceDue(account_id=client.account_id, client_id=client.id, due_on=client.next_invoice_on, as_of=NIGHT)
        issue_due(due, ledger=DynamoLedger(self.kept), reports=self.reports, clock=AtNight())

    def put(self, images: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(images), _AT_ONCE):
            puts = [{"PutRequest": {"Item": image}} for image in images[start : start + _AT_ONCE]]
            self.dynamodb.batch_write_item(RequestItems={self.table: puts})


class AtNight:
    def now(self) -> datetime:
        return NIGHT + timedelta(minutes=5)


def create(dynamodb: Any, sqs: Any) -> Desk:
    """The table as the template declares it, and a queue."""
    declared = json.loads((ROOT / ".chalice" / "resources.json").read_text())["Resources"]["Table"]["Properties"]
    shape = {name: declared[name] for name in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")}
    dynamodb.create_table(TableName=TABLE, **shape)
    sqs.create_queue(QueueName=QUEUE)
    return Desk(dynamodb=dynamodb, sqs=sqs)


def night(desk: Desk, meter: Meter, *, due: int, clients: int) -> tuple[Cost, Cost]:
    """Asking for the invoices of those that are due among so many clients, and issuing them.

    The others are on the index too, with a day that is yet to come.
    """
    account = open_account(desk, f"night-{due}-{clients}")
    later = [a_client(number, account=account, invoice_day=LATER_DAY) for number in range(due, clients)]
    desk.put([{**client_image(client), "due": {"S": keys.DUE}} for client in later])
    called = [a_client(number, account=account, invoice_day=INVOICE_DAY) for number in range(due)]
    for client in called:
        DynamoClients(desk.kept).add(client)
        log(desk, client, ENTRIES_OF_DUE)
    with meter.measuring() as asking:
        asked = desk.ask()
    with meter.measuring() as issuing:
        for client in called:
            desk.issue(client)
    assert asked == due, f"{asked} of {due} were asked for"
    assert not list(DynamoDueClients(desk.kept).due(NIGHT)), "not all invoices were issued"
    return asking, issuing


def invoice(desk: Desk, meter: Meter, *, entries: int) -> Cost:
    """Issuing one invoice of so many entries, all of one month."""
    account = open_account(desk, f"invoice-{entries}")
    client = a_client(account=account, invoice_day=INVOICE_DAY)
    DynamoClients(desk.kept).add(client)
    log(desk, client, entries)
    with meter.measuring() as issuing:
        desk.issue(client)
    return issuing


def open_account(desk: Desk, name: str) -> Account:
    account = an_account(derived_id("acc", FOUNDED, name))
    DynamoAccounts(desk.kept).add(account, an_owner(account.id, email=f"{name}@example.com"))
    return account


def log(desk: Desk, client: Client, count: int) -> None:
    """The first entry as the application logs it; the others at once, with what logging writes beside the calendar."""
    first, *others = (an_entry(client, number) for number in range(count))
    DynamoWork(desk.kept).commit(WorkChange(new=first))
    if others:
        desk.put([to_image(to_item(keys.work(entry.account_id, entry.id), "work", entry)) for entry in others])
        desk.kept.transact(
            update(
                keys.sheet(client.account_id, client.id, first.month),
                "ADD #open :ids, #entries :count, #version :count",
                ids={entry.id for entry in others},
                count=len(others),
            )
        )


def an_entry(client: Client, number: int) -> WorkEntry:
    return WorkEntry(
        account_id=client.account_id,
        id=derived_id("wrk", FOUNDED, client.id, str(number)),
        user_id=USER_ID,
        client_id=client.id,
        description=f"Ticket {number}: validation, review and release notes",
        day=WORKED_ON,
        duration_seconds=900,
        billable=True,
        created_at=FOUNDED,
        updated_at=FOUNDED,
    )


@contextmanager
def local() -> Iterator[Desk]:
    """A desk in a local AWS of its own."""
    with local_aws.running() as aws:
        session = aws.session()
        yield create(*(session.create_client(name, endpoint_url=aws.endpoint) for name in ("dynamodb", "sqs")))


def night_table(due: int, costs: dict[int, tuple[Cost, Cost]]) -> str:
    lines = [f"{f'a night with {due} due':26}{'calls':>8}{'items read':>12}{'read units':>12}{'write units':>13}"]
    for clients, (asking, issuing) in costs.items():
        lines += [_row(f"of {clients:,}: asking", asking), _row(f"of {clients:,}: issuing", issuing)]
    return "\n".join(lines)


def _row(name: str, cost: Cost) -> str:
    return f"{name:26}{cost.call_count:8}{cost.items_read:12}{cost.read_units:12.1f}{cost.write_units:13.1f}"


def invoice_table(costs: dict[int, Cost]) -> str:
    head = f"{'an invoice':26}{'calls':>8}{'items read':>12}{'read units':>12}{'write units':>13}"
    lines = [f"{head}{'items written':>15}{'bytes written':>15}"]
    for entries, cost in costs.items():
        lines.append(f"{_row(f'of {entries:,} entries', cost)}{cost.transaction_items:15}{cost.transaction_bytes:15,}")
    return "\n".join(lines)


def main() -> None:
    with local() as desk:
        meter = Meter(desk.dynamodb, desk.sqs)
        print(invoice_table({entries: invoice(desk, meter, entries=entries) for entries in ENTRIES}))
    nights = {}
    for clients in ALL_CLIENTS:
        with local() as desk:
            nights[clients] = night(desk, Meter(desk.dynamodb, desk.sqs), due=DUE, clients=clients)
    print()
    print(night_table(DUE, nights))


if __name__ == "__main__":
    main()
