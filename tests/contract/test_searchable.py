"""All that can be found in an account, from the table and from its stream: both make the same index."""

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from chalicelib.domain.events import Change
from chalicelib.domain.orders import noted
from chalicelib.domain.search import SearchChange, search_change_of
from chalicelib.repositories.full_text import FullTextIndex, IndexedDocument
from chalicelib.repositories.stream_images import plain_image
from tests.builders import NOW, a_client, a_product, a_reservation, a_user, an_account, an_entry, an_order
from tests.contract.stores import DynamoStore, Store, credited, drawn_up, items_in, log, opened

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


def test_an_index_made_from_the_table_equals_the_one_from_the_stream(
    dynamo_store: DynamoStore, client: "DynamoDBClient"
) -> None:
    filled(dynamo_store)
    images = [image for image in items_in(client) if image["pk"]["S"] == "acc_1" and "id" in image]
    from_stream: list[SearchChange] = []
    for image in images:
        change = Change(
            item_type=image["type"]["S"],
            account_id="acc_1",
            id=image["id"]["S"],
            occurred_at=NOW,
            old=None,
            new=plain_image(image),
        )
        found = search_change_of(change)
        from_stream += [] if found is None else [found]

    assert indexed(from_stream) == indexed(dynamo_store.searchable.everything("acc_1")) != []


def test_memory_tells_what_the_table_tells(dynamo_store: DynamoStore) -> None:
    from chalicelib.repositories.memory import MemoryStore

    in_memory = MemoryStore()
    for store in (dynamo_store, in_memory):
        filled(store)

    by_id = {change.id: change for change in in_memory.searchable.everything("acc_1")}
    assert {change.id: change for change in dynamo_store.searchable.everything("acc_1")} == by_id
