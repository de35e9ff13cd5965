import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber

from chalicelib.domain.errors import (
    Contended,
    IdempotencyInProgress,
    NotFound,
    OutOfStock,
    StockNotCounted,
    StockTooLarge,
)
from chalicelib.domain.idempotency import CLAIM, KEPT_FOR, Keeping
from chalicelib.domain.images import removal
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import MAX_STOCK, Product
from chalicelib.edge.cursors import seal, unseal
from chalicelib.repositories import keys
from chalicelib.repositories.products import VERSION_KEPT_FOR
from chalicelib.repositories.stream_images import plain_image
from chalicelib.usecases.products import DELETED, SET
from tests.builders import NOW, a_product, a_stock_change, an_image
from tests.consistency import check_table
from tests.contract.stores import TABLE, DynamoStore, Store, ids, items_in, opened
from tests.usecases.test_invoicing import at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LONG_ID = "x" * 64
IDS = [
    "85123A",
    "BANK CHARGES",
    "DCGS0003",
    "a.b",
    "a",
    "a b",
    "a~",
    "A",
    "_",
    "0",
    "x-1",
    "a.",
    LONG_ID,
    "product",
    "m~~",
]
IMPOSSIBLE_IDS = ["", " ", "~a", ".a", "-a", "a ", "a#b", "a/b", "a\n", "é", "x" * 65, "\x00", "\ud800"]


def added(store: Store, product: Product | None = None) -> Product:
    return store.products.add(product or a_product())


def all_pages(page: Callable[[PageRequest], Page[Any]], limit: int) -> list[list[str]]:
    """The ids on each page, to the last."""
    pages, request = [], PageRequest(limit=limit)
    while True:
        found = page(request)
        pages.append(ids(found.items))
        if found.next is None:
            return pages
        assert found.next != request.after, "a list goes on"
        request = PageRequest(limit=limit, after=found.next)


def products_by_pages(store: Store, limit: int = 100) -> list[list[str]]:
    return all_pages(lambda request: store.products.page("acc_1", request), limit)


def changes_by_pages(store: Store, product_id: str = "85123A", limit: int = 100) -> list[list[str]]:
    return all_pages(lambda request: store.stock.page("acc_1", product_id, request), limit)


# A product


def test_a_product_comes_back_as_it_went_in(store: Store) -> None:
    store.images.add(an_image("img_1"))
    product = a_product(description="€ 2,55\nthe piece", image_id="img_1")

    assert added(store, product) == product

    assert store.products.get("acc_1", "85123A") == product


def test_a_product_whose_stock_nobody_counts_has_none(store: Store) -> None:
    added(store, a_product(stock=None))

    assert store.products.get("acc_1", "85123A").stock is None


@pytest.mark.parametrize("product_id", IDS)
def test_a_shops_own_article_numbers_are_kept_to_the_letter(store: Store, product_id: str) -> None:
    product = added(store, a_product(product_id))
    store.stock.change(a_stock_change(product_id=product_id))

    kept = store.products.get("acc_1", product_id)
    assert kept == replace(product, stock=29, version=2, updated_at=kept.updated_at)
    assert products_by_pages(store) == [[product_id]]
    assert changes_by_pages(store, product_id) == [["stk_1"]]


def test_case_counts_in_an_article_number(store: Store) -> None:
    added(store, a_product("85123A"))

    with pytest.raises(NotFound):
        store.products.get("acc_1", "85123a")


@pytest.mark.parametrize("product_id", IMPOSSIBLE_IDS)
def test_what_no_product_is_called_is_not_found(store: Store, product_id: str) -> None:
    with pytest.raises(NotFound):
        store.products.get("acc_1", product_id)
    with pytest.raises(NotFound):
        store.stock.change(a_stock_change(product_id=product_id))
    with pytest.raises(NotFound):
        store.stock.page("acc_1", product_id, PageRequest())
    with pytest.raises(NotFound):
        store.products.add(a_product(product_id))


PRICES = [
    "0.6645600532184904",
    "1e-7",
    "1E-20",
    "100",
    "1e2",
    "1.00E+2",
    "12.50",
    "0",
    "0.00",
    "0E+3",
    "12345678901234567890",
    "0.12345678901234567890",
    "1234567890.1234567890",
]


@pytest.mark.parametrize("price", PRICES)
def test_a_price_comes_back_digit_for_digit(store: Store, client: "DynamoDBClient", price: str) -> None:
    exact = Decimal(price)
    added(store, a_product("made", price=exact))
    added(store, a_product("edited"))
    store.products.save(a_product("edited", price=exact, version=2))
    store.stock.change(a_stock_change(product_id="edited"))

    shown = store.products.page("acc_1", PageRequest()).items

    kept = [store.products.get("acc_1", product_id).price for product_id in ("made", "edited")]
    assert [one.as_tuple() for one in (*kept, *(product.price for product in shown))] == [exact.as_tuple()] * 4
    told = [plain_image(item)["price"] for item in items_in(client) if item["type"]["S"] == "product"]
    assert [one.as_tuple() for one in told if isinstance(one, Decimal)] == [exact.as_tuple()] * len(told)


def test_anothers_product_is_as_if_it_never_was(store: Store) -> None:
    added(store, a_product(account_id="acc_2"))
    store.stock.change(a_stock_change("stk_2", account_id="acc_2"))
    ours = a_product()

    with pytest.raises(NotFound):
        store.products.get("acc_1", "85123A")
    with pytest.raises(NotFound):
        store.products.save(replace(ours, version=3))
    with pytest.raises(NotFound):
        store.products.remove(replace(ours, version=2))
    with pytest.raises(NotFound):
        store.stock.change(a_stock_change())
    assert (products_by_pages(store), changes_by_pages(store)) == ([[]], [[]])
    assert store.products.get("acc_2", "85123A").stock == 29
    assert added(store, ours).version == 1


# Editing

DAY = timedelta(days=1)


def test_an_edit_replaces_the_whole_product(store: Store) -> None:
    store.images.add(an_image("img_1"))
    added(store, a_product(description="old", image_id="img_1"))
    edited = a_product(name="Lantern", price=Decimal("1.250"), currency="USD", stock=None, version=2, updated_at=NOW + DAY)

    store.products.save(edited)

    assert store.products.get("acc_1", "85123A") == edited


def test_a_stock_that_was_not_counted_begins_to_count(store: Store) -> None:
    added(store, a_product(stock=None))
    store.products.save(a_product(stock=5, version=2))

    store.stock.change(a_stock_change(change=2))

    assert store.products.get("acc_1", "85123A").stock == 7


@pytest.mark.parametrize("version", [1, 2, 4])
def test_an_edit_of_what_is_another_version_by_now_is_refused(store: Store, version: int) -> None:
    added(store)
    now = a_product(name="Lantern", version=2)
    store.products.save(now)

    with pytest.raises(Contended):
        store.products.save(a_product(name="Late", version=version))

    assert store.products.get("acc_1", "85123A") == now


def test_an_edit_that_did_not_see_a_stock_change_is_refused(store: Store) -> None:
    product = added(store)
    store.stock.change(a_stock_change())

    with pytest.raises(Contended):
        store.products.save(replace(product, name="Lantern", version=2))

    assert store.products.get("acc_1", "85123A").stock == 29


def test_what_is_not_there_is_neither_edited_nor_removed(store: Store) -> None:
    with pytest.raises(NotFound):
        store.products.save(a_product(version=2))
    with pytest.raises(NotFound):
        store.products.remove(a_product())

    assert products_by_pages(store) == [[]]
    assert added(store).version == 1


def test_of_many_edits_at_once_of_the_same_version_one_succeeds(store: Store) -> None:
    added(store)

    results = at_once(*[lambda name=name: store.products.save(a_product(name=name, version=2)) for name in "abcdefgh"])

    assert Counter(type(result) for result in results) == {type(None): 1, Contended: 7}
    assert store.products.get("acc_1", "85123A").name == "abcdefgh"[results.index(None)]


# Gone, and there again


def test_a_product_that_was_removed_is_gone(store: Store) -> None:
    product = added(store)

    store.products.remove(product)

    with pytest.raises(NotFound):
        store.products.get("acc_1", "85123A")
    with pytest.raises(NotFound):
        store.products.save(replace(product, version=2))
    with pytest.raises(NotFound):
        store.products.remove(product)
    with pytest.raises(NotFound):
        store.stock.change(a_stock_change())
    assert products_by_pages(store) == [[]]


def test_a_product_that_was_changed_since_it_was_read_is_not_removed(store: Store) -> None:
    product = added(store)
    store.stock.change(a_stock_change())

    with pytest.raises(Contended):
        store.products.remove(product)

    assert store.products.get("acc_1", "85123A").stock == 29


def test_a_product_is_not_added_where_there_is_one(store: Store) -> None:
    product = added(store)

    with pytest.raises(Contended):
        added(store, a_product(name="Lantern"))

    assert store.products.get("acc_1", "85123A") == product


def test_a_version_goes_on_where_it_was_when_a_product_comes_back(store: Store) -> None:
    first = added(store)
    store.products.remove(first)

    second = added(store)
    store.products.save(replace(second, name="Lantern", version=3))
    store.stock.change(a_stock_change())
    store.products.remove(store.products.get("acc_1", "85123A"))
    third = added(store, a_product(name="Candle"))

    assert [first.version, second.version, third.version] == [1, 2, 5]
    assert [first.follows, second.follows, third.follows] == [None, 1, 4]
    assert store.products.get("acc_1", "85123A") == third == a_product(name="Candle", version=5, follows=4)


def test_a_version_goes_on_only_for_its_own_id(store: Store) -> None:
    for product_id in ("a", "a b", "a."):
        added(store, a_product(product_id))
    store.products.remove(a_product("a b"))

    assert added(store, a_product("a b c")).version == 1
    assert added(store, a_product("a b")).version == 2
    assert products_by_pages(store) == [["a", "a b", "a b c", "a."]]


@pytest.mark.parametrize("was_there", [False, True])
def test_of_many_who_add_a_product_at_once_one_does(store: Store, was_there: bool) -> None:
    if was_there:
        store.products.remove(added(store))

    results = at_once(*[lambda name=name: added(store, a_product(name=name)) for name in "abcdefgh"])

    (made,) = [result for result in results if isinstance(result, Product)]
    assert sum(isinstance(result, Contended) for result in results) == 7
    assert made.version == (2 if was_there else 1)
    assert store.products.get("acc_1", "85123A") == made


def test_of_many_who_remove_a_product_at_once_one_does(store: Store) -> None:
    product = added(store)

    results = at_once(*[lambda: store.products.remove(product)] * 8)

    assert Counter(type(result) for result in results) == {type(None): 1, NotFound: 7}
    assert added(store).version == 2


def test_a_version_never_goes_back_whatever_happens_at_once(store: Store) -> None:
    versions: list[int] = []

    def come_and_go() -> None:
        for _ in range(5):
            try:
                product = added(store)
                versions.append(product.version)
                store.products.remove(product)
            except (Contended, NotFound):
                continue

    at_once(*[come_and_go] * 6)

    assert versions
    assert len(set(versions)) == len(versions), "no version was given twice"


def test_whatever_happens_to_products_at_once_the_table_fits_together(
    dynamo_store: DynamoStore, client: "DynamoDBClient"
) -> None:
    opened(dynamo_store)

    def keep_shop(number: int) -> None:
        for turn in range(8):
            change_id = f"stk_{number}-{turn}"
            try:
                match (number + turn) % 3:
                    case 0:
                        dynamo_store.products.add(a_product(stock=2), a_stock_change(change_id, change=2, reason=SET))
                    case 1:
                        product = dynamo_store.products.get("acc_1", "85123A")
                        left = a_stock_change(change_id, change=-product.stock, reason=DELETED) if product.stock else None
                        dynamo_store.products.remove(product, left)
                    case _:
                        dynamo_store.stock.change(a_stock_change(change_id))
            except (Contended, NotFound, OutOfStock):
                continue

    at_once(*[lambda number=number: keep_shop(number) for number in range(6)])

    assert check_table(items_in(client)) == []
    assert {"product", "product_version"} & {item["type"]["S"] for item in items_in(client)}


def test_what_is_left_of_a_product_is_its_version_for_thirty_days(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    dynamo_store.products.remove(added(dynamo_store))

    (left,) = items_in(client)

    assert left == {
        "pk": {"S": "acc_1"},
        "sk": {"S": "product_version#85123A"},
        "type": {"S": "product_version"},
        "account_id": {"S": "acc_1"},
        "product_id": {"S": "85123A"},
        "version": {"N": "1"},
        "expires_at": {"N": str(int((NOW + VERSION_KEPT_FOR).timestamp()))},
    }
    assert added(dynamo_store).version == 2
    assert [item["type"]["S"] for item in items_in(client)] == ["product"]


@contextmanager
def meanwhile(store: DynamoStore, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> Iterator[None]:
    """What happens between the read of a version that is left and the write."""
    table = store.products._table
    get = table.get

    def interfered(key: keys.Key) -> object:
        found = get(key)
        monkeypatch.setattr(table, "get", get)
        happens()
        return found

    monkeypatch.setattr(table, "get", interfered)
    yield
    assert table.get == get, "it happened"


def test_a_version_that_expires_before_the_write_is_read_anew(
    dynamo_store: DynamoStore, client: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamo_store.products.remove(added(dynamo_store))
    left = {"pk": {"S": "acc_1"}, "sk": {"S": "product_version#85123A"}}

    with (
        meanwhile(dynamo_store, monkeypatch, lambda: client.delete_item(TableName=TABLE, Key=left)),
        pytest.raises(Contended),
    ):
        added(dynamo_store)

    assert items_in(client) == []
    assert added(dynamo_store).version == 1


def test_a_version_that_moves_before_the_write_is_read_anew(
    dynamo_store: DynamoStore, client: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamo_store.products.remove(added(dynamo_store))
    before = items_in(client)

    def comes_and_goes() -> None:
        dynamo_store.products.remove(added(dynamo_store))

    with meanwhile(dynamo_store, monkeypatch, comes_and_goes), pytest.raises(Contended):
        added(dynamo_store)

    assert [item["version"] for item in items_in(client)] == [{"N": "2"}] != [item["version"] for item in before]
    assert added(dynamo_store).version == 3


def test_a_version_that_appears_before_the_write_is_read_anew(
    dynamo_store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def comes_and_goes() -> None:
        dynamo_store.products.remove(added(dynamo_store))

    with meanwhile(dynamo_store, monkeypatch, comes_and_goes), pytest.raises(Contended):
        added(dynamo_store)

    assert added(dynamo_store).version == 2


# Lists


@pytest.mark.parametrize("product_id", IDS)
def test_a_list_can_go_on_after_any_product(product_id: str) -> None:
    assert unseal(seal(product_id, "acc_1", "products"), "acc_1", "products") == product_id


def test_products_are_listed_by_id_in_the_order_of_ascii(store: Store) -> None:
    shuffled = random.Random(4).sample(IDS, len(IDS))  # noqa: S311  no secret
    for product_id in shuffled:
        added(store, a_product(product_id))
    added(store, a_product("other", account_id="acc_2"))

    assert products_by_pages(store) == [sorted(IDS)]
    for limit in (1, 2, 3, 7):
        assert list(chain(*products_by_pages(store, limit))) == sorted(IDS)


def test_250_products_are_listed_on_pages_none_twice_and_none_left_out(store: Store) -> None:
    expected = [f"{number:05d}" for number in range(250)]
    for product_id in reversed(expected):
        added(store, a_product(product_id))

    assert products_by_pages(store, 100) == [expected[:100], expected[100:200], expected[200:]]
    assert products_by_pages(store, 50)[-1] == expected[200:], "a full page may be the last"


def test_a_list_goes_on_where_it_was_though_that_product_is_gone(store: Store) -> None:
    for product_id in ("a", "b", "c", "d"):
        added(store, a_product(product_id))
    first = store.products.page("acc_1", PageRequest(limit=2))
    store.products.remove(a_product("b"))
    added(store, a_product("bb"))
    added(store, a_product("aa"))

    assert ids(store.products.page("acc_1", PageRequest(limit=5, after=first.next)).items) == ["bb", "c", "d"]


def test_what_is_left_of_products_and_their_changes_is_in_no_list(store: Store) -> None:
    store.products.remove(added(store, a_product("gone")))
    added(store)
    store.stock.change(a_stock_change())

    assert products_by_pages(store) == [["85123A"]]


# Images


def test_a_product_is_not_made_with_an_image_that_is_not_there(store: Store) -> None:
    store.images.add(an_image("img_1", account_id="acc_2"))

    with pytest.raises(Contended):
        added(store, a_product(image_id="img_1"))

    assert products_by_pages(store) == [[]]


def test_an_image_that_is_not_there_is_not_put_on_a_product(store: Store) -> None:
    product = added(store)

    with pytest.raises(Contended):
        store.products.save(replace(product, image_id="img_1", version=2), new_image="img_1")

    assert store.products.get("acc_1", "85123A") == product


def test_an_image_may_go_while_a_product_shows_it(store: Store) -> None:
    store.images.add(an_image("img_1"))
    product = added(store, a_product(image_id="img_1"))
    store.images.remove(an_image("img_1"), removal(an_image("img_1"), now=NOW))

    renamed = replace(product, name="Heart", version=2)
    store.products.save(renamed)

    assert store.products.get("acc_1", "85123A") == renamed


# Stock


@pytest.mark.parametrize(("change", "stock"), [(-30, 0), (-1, 29), (1, 31), (MAX_STOCK - 30, MAX_STOCK)])
def test_a_change_of_stock_counts_and_is_noted(store: Store, change: int, stock: int) -> None:
    product = added(store)
    of_stock = a_stock_change(change=change)

    store.stock.change(of_stock)

    kept = store.products.get("acc_1", "85123A")
    assert kept == replace(product, stock=stock, version=2, updated_at=of_stock.created_at)
    assert store.stock.page("acc_1", "85123A", PageRequest()).items == (of_stock,)


@pytest.mark.parametrize(
    ("stock", "change", "refusal"),
    [
        (30, -31, OutOfStock),
        (0, -1, OutOfStock),
        (0, -MAX_STOCK, OutOfStock),
        (30, MAX_STOCK - 29, StockTooLarge),
        (MAX_STOCK, 1, StockTooLarge),
        (1, MAX_STOCK, StockTooLarge),
        (None, 1, StockNotCounted),
        (None, -1, StockNotCounted),
    ],
)
def test_a_change_that_the_stock_does_not_bear_is_refused_whole(
    store: Store, stock: int | None, change: int, refusal: type[Exception]
) -> None:
    product = added(store, a_product(stock=stock))

    with pytest.raises(refusal):
        store.stock.change(a_stock_change(change=change))

    assert store.products.get("acc_1", "85123A") == product
    assert changes_by_pages(store) == [[]]


@pytest.mark.parametrize(("stock", "change"), [(0, MAX_STOCK), (MAX_STOCK, -MAX_STOCK)])
def test_all_that_can_be_counted_can_be_added_and_taken_at_once(store: Store, stock: int, change: int) -> None:
    added(store, a_product(stock=stock))

    store.stock.change(a_stock_change(change=change))

    assert store.products.get("acc_1", "85123A").stock == stock + change


def test_the_stock_of_what_is_not_there_does_not_change(store: Store) -> None:
    with pytest.raises(NotFound):
        store.stock.change(a_stock_change(change=5))

    assert products_by_pages(store) == [[]]
    assert changes_by_pages(store) == [[]]


def test_the_same_change_does_not_count_twice(store: Store) -> None:
    added(store)
    store.stock.change(a_stock_change())

    with pytest.raises(Contended):
        store.stock.change(a_stock_change())

    assert store.products.get("acc_1", "85123A").stock == 29


def test_of_fifty_who_each_take_one_of_thirty_units_at_once_thirty_get_one(store: Store) -> None:
    added(store, a_product(stock=30, version=7))

    results = at_once(*[lambda number=number: store.stock.change(a_stock_change(f"stk_{number:02d}")) for number in range(50)])

    kept = store.products.get("acc_1", "85123A")
    assert Counter(type(result) for result in results) == {type(None): 30, OutOfStock: 20}
    assert (kept.stock, kept.version) == (0, 7 + 30)
    got = [f"stk_{number:02d}" for number, result in enumerate(results) if result is None]
    assert changes_by_pages(store) == [sorted(got, reverse=True)]


def test_changes_to_and_fro_at_once_all_count_beside_edits(store: Store) -> None:
    added(store)

    def rename() -> None:
        while True:
            product = store.products.get("acc_1", "85123A")
            try:
                return store.products.save(replace(product, name=f"{product.name}!", version=product.version + 1))
            except Contended:
                continue

    changes = [a_stock_change(f"stk_{number}", change=number - 5) for number in range(20) if number != 5]
    results = at_once(*[lambda change=change: store.stock.change(change) for change in changes], *[rename] * 5)

    kept = store.products.get("acc_1", "85123A")
    assert results == [None] * 24
    assert (kept.stock, kept.version) == (30 + sum(change.change for change in changes), 1 + 24)
    assert kept.name == a_product().name + "!" * 5


def test_changes_are_listed_newest_first_page_by_page_each_with_its_product(store: Store) -> None:
    for product_id in ("a", "a b", "a.", "b"):
        added(store, a_product(product_id))
    for number in (3, 1, 5, 2, 4):
        store.stock.change(a_stock_change(f"stk_{number}", product_id="a"))
    store.stock.change(a_stock_change("stk_6", product_id="a b"))
    store.stock.change(a_stock_change("stk_7", product_id="a."))

    assert changes_by_pages(store, "a", limit=2) == [["stk_5", "stk_4"], ["stk_3", "stk_2"], ["stk_1"]]
    assert changes_by_pages(store, "a", limit=5) == [["stk_5", "stk_4", "stk_3", "stk_2", "stk_1"]]
    assert changes_by_pages(store, "a b") == [["stk_6"]]
    assert changes_by_pages(store, "b") == [[]]


def test_the_changes_of_a_product_that_is_gone_stay(store: Store) -> None:
    added(store)
    store.stock.change(a_stock_change())

    store.products.remove(store.products.get("acc_1", "85123A"))

    assert changes_by_pages(store) == [["stk_1"]]


# Answers that are lost, and requests with a key


@contextmanager
def losing_an_answer(client: "DynamoDBClient") -> Iterator[list[str]]:
    """The first transaction is made, and its answer is lost; what is sent under the same token after that is answered as
    DynamoDB does: it has been made already. Yields what was sent.
    """
    sent: list[str] = []

    def lose(request: Any, **more: Any) -> AWSResponse | None:
        body = request.body.decode()
        sent.append(body)
        if len(sent) == 1:
            answer = botocore_stubber(request=request, **more)
            assert answer is not None
            assert answer.status_code == 200
            raise ReadTimeoutError(endpoint_url=request.url)
        return _made_already(request) if sent[0] == body else None

    events: Any = client.meta.events
    events.register_first("before-send.dynamodb.TransactWriteItems", lose)
    try:
        yield sent
    finally:
        events.unregister("before-send.dynamodb.TransactWriteItems", lose)


def _made_already(request: Any) -> AWSResponse:
    class Raw:
        def stream(self, **_: object) -> Iterator[bytes]:
            yield b"{}"

    return AWSResponse(request.url, 200, HTTPHeaders(), Raw())


def test_a_change_whose_answer_was_lost_is_sent_again_and_counts_once(
    dynamo_store: DynamoStore, client: "DynamoDBClient"
) -> None:
    added(dynamo_store)

    with losing_an_answer(client) as sent:
        dynamo_store.stock.change(a_stock_change(change=-30))

    assert len(sent) == 2
    assert dynamo_store.products.get("acc_1", "85123A").stock == 0
    assert changes_by_pages(dynamo_store) == [["stk_1"]]


def test_a_product_whose_answer_was_lost_is_made_and_removed_once(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    with losing_an_answer(client) as sent:
        product = added(dynamo_store)
    with losing_an_answer(client) as sent_again:
        dynamo_store.products.remove(product)

    assert [len(sent), len(sent_again)] == [2, 2]
    assert added(dynamo_store).version == 2


def begun(store: Store) -> Keeping:
    keeping = Keeping(id="a1", fingerprint="f1", claim="first", claimed_until=NOW + CLAIM, kept_until=NOW + KEPT_FOR)
    store.keyed_requests.begin(keeping, None)
    return keeping


def test_a_keyed_change_is_noted_as_the_effect_and_taken_once(store: Store) -> None:
    added(store)
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        store.stock.change(a_stock_change())
    with pytest.raises(IdempotencyInProgress), store.keyed_requests.effect(keeping):
        store.stock.change(a_stock_change("stk_2"))

    assert store.keyed_requests.find("a1") == replace(keeping, made={"stock_change": "stk_1"})
    assert store.products.get("acc_1", "85123A").stock == 29
    assert changes_by_pages(store) == [["stk_1"]]


def test_a_keyed_change_that_is_refused_is_no_effect(store: Store) -> None:
    added(store)
    keeping = begun(store)

    with store.keyed_requests.effect(keeping), pytest.raises(OutOfStock):
        store.stock.change(a_stock_change(change=-31))

    assert store.keyed_requests.find("a1") == keeping


@pytest.mark.parametrize("was_there", [False, True])
def test_a_keyed_product_is_noted_as_the_effect_and_made_once(store: Store, was_there: bool) -> None:
    if was_there:
        store.products.remove(added(store, a_product("prd_1")))
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        added(store, a_product("prd_1"))
    with pytest.raises(IdempotencyInProgress), store.keyed_requests.effect(keeping):
        added(store, a_product("prd_2"))

    assert store.keyed_requests.find("a1") == replace(keeping, made={"product": "prd_1"})
    assert products_by_pages(store) == [["prd_1"]]


@pytest.mark.parametrize("write", ["save", "remove"])
def test_a_keyed_edit_or_removal_makes_nothing_that_could_be_found_again(store: Store, write: str) -> None:
    product = added(store)
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        if write == "save":
            store.products.save(replace(product, version=2))
        else:
            store.products.remove(product)

    assert store.keyed_requests.find("a1") == replace(keeping, made={})
