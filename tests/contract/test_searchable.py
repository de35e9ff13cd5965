"""All that can be found in an account, from the table and from its stream: both make the same index."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from chalice.app import DynamoDBEvent
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from chalicelib.domain.orders import noted
from chalicelib.domain.work import WorkChange
from chalicelib.edge.batches import failed
from chalicelib.edge.stream_records import each_change
from chalicelib.repositories.full_text import FullTextIndex, IndexedDocument
from chalicelib.repositories.memory_search import MemorySearchIndex
from chalicelib.repositories.stream_images import plain_image
from chalicelib.usecases.search import index_changes
from tests.builders import NOW, a_client, a_product, a_reservation, a_user, an_account, an_entry, an_order
from tests.contract.stores import TABLE, DynamoStore, Store, credited, drawn_up, items_in, log, opened
from tests.fakes import MemoryReindexQueue, Shelf

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def filled(store: Store) -> None:
    """Two accounts; in the first something of every kind, billed and credited, and things that are gone again."""
    account = opened(store)
    opened(store, an_account("acc_12"), a_user("usr_12", account_id="acc_12", email="mary@example.com"))
    store.clients.add(a_client("cli_1", account=account, name="Straße & Söhne", address="Ringstraße 1\n1010 Wien"))
    store.clients.add(a_client("cli_2", account=account, name="Gone"))
    store.clients.add(replace(a_client("cli_3", name="Others"), account_id="acc_12"))
    store.clients.remove(store.clients.get("acc_1", "cli_2"))
    log(store, an_entry("wrk_1", description="Lantern drawn\nand painted"), an_entry("wrk_2", day=date(2026, 1, 6)))
    store.ledger.issue(drawn_up(store, date(2026, 1, 31)))
    log(store, an_entry("wrk_3", day=date(2026, 2, 2)))
    for product_id in ("85123A", "BANK CHARGES", "a.b~c"):
        store.products.add(a_product(product_id, description="of zinc"))
    store.products.remove(store.products.get("acc_1", "a.b~c"))
    store.ledger.credit(credited(store))
    store.orders.add(an_order("ord_1", ("85123A", 2), ("BANK CHARGES", 1)))
    store.orders.add(an_order("ord_2", shipping_address=None))
    store.orders.add(an_order("ord_3", account_id="acc_12"))
    order = store.orders.get("acc_1", "ord_1")
    store.reservations.make(a_reservation(order), noted(order, "ReserveInventory", now=NOW))


def indexed(changes: Any) -> list[IndexedDocument]:
    index = FullTextIndex.create()
    index.apply(changes)
    found = list(index.documents())
    index.close()
    return found


def without_versions(documents: Iterable[IndexedDocument]) -> list[tuple[str, ...]]:
    """The stream's index does not take up a version that has no other words."""
    return [(each.type, each.id, each.title, each.text) for each in documents]


def test_all_that_can_be_found_in_the_account_is_told_and_nothing_else(store: Store) -> None:
    filled(store)

    assert sorted((change.type, change.id) for change in store.searchable.everything("acc_1")) == [
        ("client", "cli_1"),
        ("invoice", "inv_1"),
        ("order", "ord_1"),
        ("order", "ord_2"),
        ("product", "85123A"),
        ("product", "BANK CHARGES"),
        ("work", "wrk_1"),
        ("work", "wrk_2"),
        ("work", "wrk_3"),
    ]
    assert [change.id for change in store.searchable.everything("acc_12")] == ["cli_3", "ord_3"]
    assert list(store.searchable.everything("acc_none")) == []


def test_everything_is_told_as_it_is(store: Store) -> None:
    filled(store)
    told = {change.id: change for change in store.searchable.everything("acc_1")}

    client = store.clients.get("acc_1", "cli_1")
    assert (told["cli_1"].version, told["cli_1"].changed_at) == (client.version, client.updated_at)
    assert told["cli_1"].document is not None
    assert told["cli_1"].document.title == "Straße & Söhne"
    assert "Ringstraße 1\n1010 Wien" in told["cli_1"].document.text
    assert told["wrk_1"].document == ("Lantern drawn", "and painted")
    assert told["inv_1"].version == store.invoices.get("acc_1", "inv_1").version == 2
    assert told["inv_1"].document is not None
    assert told["inv_1"].document.title == "RE-2026-0001 Straße & Söhne"
    assert told["inv_1"].document.text.startswith("228.00 EUR\n")
    assert told["ord_1"].version == store.orders.get("acc_1", "ord_1").version == 2
    assert told["ord_1"].document == (
        "Order ord_1",
        (
            "cus_7\n"
            "White hanging heart T-light holder\n85123A\nWhite hanging heart T-light holder\nBANK CHARGES\n"
            "Charles Babbage\nDorset Street 1\nW1U 4EG\nLondon\nGB"
        ),
    )
    assert told["ord_2"].document == ("Order ord_2", "cus_7\nWhite hanging heart T-light holder\n85123A")
    assert told["85123A"].document == ("White hanging heart T-light holder", "85123A\nof zinc")


def records_of(client: "DynamoDBClient", write: Callable[[], None]) -> list[dict[str, Any]]:
    """What the table's stream tells of what is written, as a function gets it."""
    client.update_table(TableName=TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    write()
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].tables[TABLE]
    assert table.stream_shard is not None
    records = [record.to_json() for record in table.stream_shard.items]
    for record in records:  # as DynamoDB tells it, and Lambda
        record["eventSourceARN"] = table.latest_stream_label
        record["dynamodb"]["ApproximateCreationDateTime"] = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return records


def lived_in(store: Store) -> None:
    """What `filled` has, with a history: things that were edited, gone, and there again under their old ids."""
    filled(store)
    client = store.clients.get("acc_1", "cli_1")
    store.clients.save(replace(client, name="Müller", version=client.version + 1))
    zinc = store.products.get("acc_1", "85123A")
    brass = replace(zinc, name="Lantern", description="of brass", version=zinc.version + 1)
    store.products.save(brass)
    store.products.remove(store.products.get("acc_1", "BANK CHARGES"))
    store.products.add(a_product("BANK CHARGES", name="Fees"))
    store.products.add(a_product("gone", name="Gone"))
    store.products.remove(store.products.get("acc_1", "gone"))
    entry = store.work.get("acc_1", "wrk_3").entry
    store.work.commit(WorkChange(old=entry))


def test_an_index_made_from_the_stream_equals_the_one_from_the_table(
    dynamo_store: DynamoStore, client: "DynamoDBClient"
) -> None:
    records = records_of(client, lambda: lived_in(dynamo_store))
    images = [record["dynamodb"].get("NewImage") or record["dynamodb"]["OldImage"] for record in records]
    told = {(record["eventName"], image["type"]["S"]) for record, image in zip(records, images, strict=True) if "id" in image}
    assert {("INSERT", kind) for kind in ("client", "work", "invoice", "product")} <= told
    assert {("MODIFY", kind) for kind in ("client", "invoice", "product")} <= told
    assert {("REMOVE", kind) for kind in ("client", "work", "product")} <= told
    chance = Random(1)  # noqa: S311
    orders = [records, [*records, *records], [each for each in records for _ in range(2)], records[::-1]]
    orders += [chance.sample([*records, *records], 2 * len(records)) for _ in range(5)]

    for order in orders:
        index = MemorySearchIndex()
        for account_id in ("acc_1", "acc_12"):
            index.rebuild(account_id, list)
        for start in range(0, len(order), 7):
            event = DynamoDBEvent({"Records": order[start : start + 7]}, None)
            queue = MemoryReindexQueue()
            handle = partial(index_changes, library=Shelf(index, dynamo_store.searchable, queue))
            answer = each_change(event, plain_image, handle)
            assert queue.asked == []
            assert answer == failed()
        for account_id, documents in index.documents().items():
            table = indexed(dynamo_store.searchable.everything(account_id))
            assert without_versions(documents) == without_versions(table) != []


@pytest.mark.parametrize(
    "spoiled",
    [
        {"price": {"S": "SECRET"}},
        {"version": {"S": "SECRET"}},
        {"type": {"S": "SECRET"}},
        {"updated_at": {"S": "SECRET"}},
        "type",
    ],
    ids=str,
)
def test_an_item_that_cannot_be_read_is_left_out_and_named(
    dynamo_store: DynamoStore, client: "DynamoDBClient", caplog: pytest.LogCaptureFixture, spoiled: Any
) -> None:
    filled(dynamo_store)
    before = [change.id for change in dynamo_store.searchable.everything("acc_1")]
    (image,) = (image for image in items_in(client) if image["sk"]["S"] == "product#85123A")
    changed = {**image, **spoiled} if isinstance(spoiled, dict) else {k: v for k, v in image.items() if k != spoiled}
    client.put_item(TableName=TABLE, Item=changed)

    told = [change.id for change in dynamo_store.searchable.everything("acc_1")]

    assert told == [each for each in before if each != "85123A"]
    assert [record.getMessage() for record in caplog.records] == [
        "product#85123A of acc_1 cannot be read, nor found by the search"
    ]
    assert "SECRET" not in caplog.text


def test_memory_tells_what_the_table_tells(dynamo_store: DynamoStore) -> None:
    from chalicelib.repositories.memory import MemoryStore

    in_memory = MemoryStore()
    for store in (dynamo_store, in_memory):
        filled(store)

    by_id = {change.id: change for change in in_memory.searchable.everything("acc_1")}
    assert {change.id: change for change in dynamo_store.searchable.everything("acc_1")} == by_id
