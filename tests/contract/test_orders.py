from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.errors import Contended, IdempotencyInProgress, NotFound, OutOfStock
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.orders import (
    ASKED_AGAIN_AFTER,
    MAX_PRODUCTS,
    QUIET_FOR,
    RESERVED_FOR,
    FulfillmentStatus,
    HistoryEntry,
    Order,
    OrderFilter,
    OrderStatus,
    PaymentStatus,
    Receipt,
    Reservation,
    Shipment,
    WorkflowStatus,
    confirmed,
    failed,
    noted,
    paid,
    reserve,
)
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.products import MAX_STOCK, Product, StockChange
from chalicelib.repositories.stream_images import plain_image
from tests.builders import NOW, a_product, a_reservation, a_stock_change, an_order
from tests.consistency import check_table
from tests.contract.stores import DynamoStore, MakeStore, Store, ids, items_in, opened
from tests.contract.test_products import IMPOSSIBLE_IDS, all_pages, begun, losing_an_answer
from tests.usecases.test_invoicing import at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LATER = NOW + timedelta(minutes=1)
AFTER = NOW + RESERVED_FOR


def in_stock(store: Store, **units: int | None) -> None:
    """Products by their ids, with so many units; None for those that nobody counts."""
    for product_id, stock in units.items():
        brought = a_stock_change(f"stk_{product_id}", product_id=product_id, change=stock or 0, reason="set with the product")
        store.products.add(a_product(product_id, stock=stock), brought if stock else None)


def stock_of(store: Store, product_id: str = "a") -> int | None:
    return store.products.get("acc_1", product_id).stock


def journal_of(store: Store, product_id: str = "a") -> list[StockChange]:
    """What orders have changed, oldest first."""
    changes = store.stock.page("acc_1", product_id, PageRequest()).items
    return sorted((change for change in changes if change.order_id), key=lambda change: change.created_at)


def made_anew(store: Store, product_id: str = "a", stock: int = 30) -> Product:
    """Deleted, and made again in the same second."""
    store.products.remove(store.products.get("acc_1", product_id))
    return store.products.add(a_product(product_id, stock=stock))


def placed(store: Store, *items: tuple[str, int], order_id: str = "ord_1", **changes: Any) -> Order:
    order = an_order(order_id, *(items or [("a", 1)]), **changes)
    store.orders.add(order)
    return order


def reserved(order: Order) -> Order:
    return noted(order, "ReserveInventory", now=LATER)


def make(store: Store, order: Order, *uncounted: str, **changes: Any) -> Reservation:
    reservation = a_reservation(order, *uncounted, **changes)
    store.reservations.make(reservation, reserved(order))
    return reservation


def paid_for(order: Order) -> Order:
    """The order as read, as the next version."""
    return paid(order, Receipt(payment_id="pay_1"), now=LATER)


def kept(store: Store, order: Order, reservation: Reservation) -> tuple[Order, Reservation]:
    store.reservations.keep(reservation, paid_for(order))
    found = store.reservations.find("acc_1", order.id)
    assert found is not None
    return store.orders.get("acc_1", order.id), found


# Orders


def test_an_order_comes_back_as_it_went_in(store: Store) -> None:
    order = placed(store, ("a", 2), ("BANK CHARGES", 1), ("a", 1))

    assert store.orders.get("acc_1", "ord_1") == order
    assert [item.unit_price.as_tuple() for item in order.items] == [Decimal("2.55").as_tuple()] * 3


def test_an_order_with_all_that_may_become_of_it_comes_back(store: Store, client: "DynamoDBClient") -> None:
    order = placed(store)
    full = replace(
        order,
        total_amount=Decimal("2.550"),
        shipping_address=None,
        status=OrderStatus.CONFIRMED,
        payment_status=PaymentStatus.CAPTURED,
        fulfillment_status=FulfillmentStatus.SHIPPED,
        workflow_status=WorkflowStatus.DONE,
        cancel_requested=True,
        shipping_begun=True,
        failure="shipping_failed",
        payment_id="pay_1",
        shipment=Shipment(carrier="Pigeon", tracking_number="1Z", estimated_delivery=date(2026, 2, 1)),
        history=(*order.history, HistoryEntry(step="ProcessPayment", outcome="failed", at=LATER, detail="€")),
        version=2,
        updated_at=LATER,
    )

    store.orders.save(full)

    found = store.orders.get("acc_1", "ord_1")
    assert (found, found.total_amount.as_tuple()) == (full, full.total_amount.as_tuple())
    for image in items_in(client):
        told = plain_image(image)
        assert (told["total_amount"], told["status"], told["version"]) == (Decimal("2.550"), "CONFIRMED", 2)
        assert not {"pk", "sk", "type", "due"} & told.keys()


def test_an_order_is_added_once(store: Store) -> None:
    placed(store)

    with pytest.raises(Contended):
        store.orders.add(an_order(customer_id="another"))

    assert store.orders.get("acc_1", "ord_1").customer_id == "cus_7"


@pytest.mark.parametrize("version", [1, 2, 4])
def test_an_order_that_is_another_version_by_now_is_not_saved(store: Store, version: int) -> None:
    order = placed(store)
    now = replace(order, version=2, failure="first")
    store.orders.save(now)

    with pytest.raises(Contended):
        store.orders.save(replace(order, version=version, failure="late"))

    assert store.orders.get("acc_1", "ord_1") == now


def test_of_many_who_save_an_order_at_once_one_does(store: Store) -> None:
    order = placed(store)

    results = at_once(*[lambda name=name: store.orders.save(replace(order, version=2, failure=name)) for name in "abcdefgh"])

    assert Counter(type(result) for result in results) == {type(None): 1, Contended: 7}
    assert store.orders.get("acc_1", "ord_1").failure == "abcdefgh"[results.index(None)]


def test_anothers_order_is_as_if_it_never_was(store: Store) -> None:
    in_stock(store, a=5)
    theirs = placed(store, account_id="acc_2")
    ours = an_order("ord_1", ("a", 1))

    with pytest.raises(NotFound):
        store.orders.get("acc_1", "ord_1")
    with pytest.raises(NotFound):
        store.orders.save(replace(ours, version=2))
    with pytest.raises(NotFound):
        make(store, ours)
    assert store.reservations.find("acc_1", "ord_1") is None
    assert store.orders.page("acc_1", OrderFilter(), PageRequest()).items == ()
    assert (store.orders.get("acc_2", "ord_1"), stock_of(store)) == (theirs, 5)


@pytest.mark.parametrize("order_id", ["", "a#b", "x" * 65, "\ud800", "a b"])
def test_what_no_order_is_called_is_not_found(store: Store, order_id: str) -> None:
    with pytest.raises(NotFound):
        store.orders.get("acc_1", order_id)
    with pytest.raises(NotFound):
        store.orders.page("acc_1", OrderFilter(), PageRequest(after=order_id))


def test_orders_are_listed_newest_first_and_nothing_else_is(store: Store) -> None:
    in_stock(store, a=50)
    expected = [f"ord_{number:02}" for number in range(25)]
    for order_id in expected:
        make(store, placed(store, order_id=order_id))
    placed(store, order_id="ord_99", account_id="acc_2")

    def pages(limit: int) -> list[list[str]]:
        return all_pages(lambda request: store.orders.page("acc_1", OrderFilter(), request), limit)

    assert pages(100) == [expected[::-1]]
    assert pages(10) == [expected[:14:-1], expected[14:4:-1], expected[4::-1]]
    assert pages(5)[-1] == expected[4::-1], "a full page may be the last"


def test_a_page_of_large_orders_ends_early_and_loses_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of one line weighs 700 bytes and more, one of fifty lines over 5,000."""
    monkeypatch.setattr("chalicelib.repositories.pages.MAX_BYTES", 5_000)
    for number in range(9):
        placed(store, *[("a", 1)] * (50 if number in (3, 4) else 1), order_id=f"ord_{number}")

    pages = all_pages(lambda request: store.orders.page("acc_1", OrderFilter(), request), 3)

    assert pages == [["ord_8", "ord_7", "ord_6"], ["ord_5"], ["ord_4"], ["ord_3"], ["ord_2", "ord_1", "ord_0"]]


def test_orders_are_listed_by_customer_and_statuses(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.repositories.pages.READ_AT_ONCE", 2)
    for number in range(7):
        placed(store, order_id=f"ord_{number}", customer_id=f"CUST {number % 2}")
    for number in (1, 2, 5):
        store.orders.save(failed(store.orders.get("acc_1", f"ord_{number}"), now=LATER))
    stuck = replace(store.orders.get("acc_1", "ord_0"), workflow_status=WorkflowStatus.COMPENSATION_FAILED, version=2)
    store.orders.save(stuck)

    def listed(limit: int = 20, **wanted: Any) -> list[list[str]]:
        return all_pages(lambda request: store.orders.page("acc_1", OrderFilter(**wanted), request), limit)

    assert listed(customer_id="CUST 1") == [["ord_5", "ord_3", "ord_1"]]
    assert listed(status=OrderStatus.FAILED, limit=2) == [["ord_5", "ord_2"], ["ord_1"]]
    assert listed(status=OrderStatus.PENDING, limit=3) == [["ord_6", "ord_4", "ord_3"], ["ord_0"]]
    assert listed(status=OrderStatus.FAILED, customer_id="CUST 0") == [["ord_2"]]
    assert listed(workflow_status=WorkflowStatus.COMPENSATION_FAILED) == [["ord_0"]]
    assert listed(workflow_status=WorkflowStatus.COMPENSATION_FAILED, customer_id="CUST 1") == [[]]
    assert listed(status=OrderStatus.CANCELED) == listed(customer_id="") == [[]]


def test_products_are_those_that_are_there(store: Store) -> None:
    in_stock(store, a=1, b=None)
    store.products.add(a_product("c", account_id="acc_2"))

    found = store.orders.products("acc_1", ["a", "b", "c", "a", "gone", *IMPOSSIBLE_IDS])

    assert found == {name: store.products.get("acc_1", name) for name in ("a", "b")}
    assert store.orders.products("acc_1", []) == {}


# Reserving


def test_a_reservation_takes_its_units_and_notes_the_step(store: Store) -> None:
    in_stock(store, a=30, b=2)
    order = placed(store, ("a", 3), ("b", 2), ("a", 4))
    before = [store.products.get("acc_1", name) for name in "ab"]

    reservation = make(store, order)

    assert reservation.units == {"a": 7, "b": 2}
    assert store.reservations.find("acc_1", "ord_1") == reservation
    assert store.orders.get("acc_1", "ord_1") == reserved(order)
    assert [store.products.get("acc_1", name) for name in "ab"] == [
        replace(product, stock=left, version=2, updated_at=LATER) for product, left in zip(before, [23, 0], strict=True)
    ]


def test_what_orders_take_and_give_back_stands_in_the_journals_of_the_products(store: Store) -> None:
    in_stock(store, a=30, b=2, c=None)
    order = placed(store, ("a", 3), ("b", 2), ("c", 1), ("a", 4))

    reservation = make(store, order, "c")
    taken = [journal_of(store, name) for name in "abc"]
    store.reservations.release(reservation, None, now=AFTER)

    assert [[change.change for change in changes] for changes in taken] == [[-7], [-2], []]
    assert [[change.change for change in journal_of(store, name)] for name in "abc"] == [[-7, 7], [-2, 2], []]
    changes = [change for name in "ab" for change in journal_of(store, name)]
    assert [(change.reason, change.created_at) for change in changes] == [
        ("reserved for an order", LATER),
        ("given back by an order", AFTER),
    ] * 2
    assert {(change.account_id, change.order_id, change.user_id) for change in changes} == {("acc_1", "ord_1", None)}
    assert len({change.id for change in changes}) == 4
    assert all(is_id("stk", change.id) for change in changes)


def test_orders_of_one_second_each_stand_in_the_journal(store: Store) -> None:
    in_stock(store, a=30)

    for number in range(3):
        make(store, placed(store, ("a", number + 1), order_id=f"ord_{number}"))

    assert {change.order_id: change.change for change in journal_of(store)} == {"ord_0": -1, "ord_1": -2, "ord_2": -3}


def test_of_what_is_not_counted_nothing_is_taken(store: Store) -> None:
    in_stock(store, a=30, b=None)
    order = placed(store, ("a", 3), ("b", 1_000_000))

    reservation = make(store, order, "b")

    assert reservation.units == {"a": 3}
    assert (stock_of(store), store.products.get("acc_1", "b")) == (27, a_product("b", stock=None))


def test_an_order_of_what_nobody_counts_has_a_reservation_of_nothing(store: Store) -> None:
    in_stock(store, a=None)
    order = placed(store)

    reservation = make(store, order, "a")
    assert store.reservations.find("acc_1", "ord_1") == reservation
    store.reservations.release(reservation, None, now=LATER)

    assert store.reservations.find("acc_1", "ord_1") is None


def lose_a_product(store: Store) -> None:
    store.products.remove(store.products.get("acc_1", "b"))


def stop_counting(store: Store) -> None:
    now = store.products.get("acc_1", "b")
    store.products.save(replace(now, stock=None, version=now.version + 1))


def begin_counting(store: Store) -> None:
    now = store.products.get("acc_1", "c")
    store.products.save(replace(now, stock=9, version=now.version + 1))


def lose_what_is_not_counted(store: Store) -> None:
    store.products.remove(store.products.get("acc_1", "c"))


def make_it_anew(store: Store) -> None:
    made_anew(store, "b")


def cancel_it(store: Store) -> None:
    now = store.orders.get("acc_1", "ord_1")
    store.orders.save(replace(now, cancel_requested=True, version=now.version + 1))


def sell_it(store: Store) -> None:
    store.stock.change(a_stock_change(product_id="b", change=-2))


@pytest.mark.parametrize(
    ("happens", "refusal"),
    [
        (lose_a_product, Contended),
        (stop_counting, Contended),
        (begin_counting, Contended),
        (lose_what_is_not_counted, Contended),
        (make_it_anew, Contended),
        (cancel_it, Contended),
        (sell_it, OutOfStock),
    ],
)
def test_all_of_it_is_reserved_or_nothing(store: Store, happens: Callable[[Store], None], refusal: type[Exception]) -> None:
    in_stock(store, a=30, b=2, c=None)
    order = placed(store, ("a", 1), ("b", 1), ("c", 1))
    happens(store)
    before = store.orders.get("acc_1", "ord_1")
    products = store.orders.products("acc_1", "abc")

    with pytest.raises(refusal):
        make(store, order, "c")

    assert store.reservations.find("acc_1", "ord_1") is None
    assert store.orders.get("acc_1", "ord_1") == before
    assert store.orders.products("acc_1", "abc") == products
    assert journal_of(store) == journal_of(store, "b") == []


def test_what_is_out_of_stock_is_so_whatever_else_has_changed(store: Store) -> None:
    in_stock(store, a=30, b=0)
    order = placed(store, ("a", 1), ("b", 1))
    store.products.remove(a_product("a"))

    with pytest.raises(OutOfStock):
        make(store, order)


def test_the_lines_of_one_product_are_summed_before_it_is_looked_whether_they_are_there(store: Store) -> None:
    in_stock(store, a=3)
    order = placed(store, ("a", 2), ("a", 2))

    with pytest.raises(OutOfStock):
        make(store, order)

    assert stock_of(store) == 3


def test_a_step_that_comes_twice_is_not_told_that_the_stock_is_out_of_what_it_has_taken(store: Store) -> None:
    in_stock(store, a=1)
    order = placed(store)

    results = at_once(*[lambda: make(store, order)] * 6)

    assert Counter(type(result) for result in results) == {Reservation: 1, Contended: 5}
    assert (stock_of(store), store.orders.get("acc_1", "ord_1")) == (0, reserved(order))


def test_of_two_orders_for_the_last_unit_one_gets_it(store: Store) -> None:
    in_stock(store, a=1, b=30)
    orders = [placed(store, ("b", 1), ("a", 1), order_id=f"ord_{number}") for number in range(2)]

    results = at_once(*[lambda order=order: make(store, order) for order in orders])

    assert Counter(type(result) for result in results) == {Reservation: 1, OutOfStock: 1}
    assert (stock_of(store, "a"), stock_of(store, "b")) == (0, 29)
    without = orders[[type(result) for result in results].index(OutOfStock)]
    assert store.reservations.find("acc_1", without.id) is None
    assert store.orders.get("acc_1", without.id) == without


def test_of_fifty_orders_at_once_for_twenty_units_twenty_get_one(make_store: MakeStore) -> None:
    store = make_store()
    in_stock(store, a=20)
    orders = [placed(store, order_id=f"ord_{number}") for number in range(50)]

    def try_until_answered(order: Order) -> Reservation:
        while True:
            try:
                return make(store, order)
            except Contended:
                continue

    results = at_once(*[lambda order=order: try_until_answered(order) for order in orders])

    assert Counter(type(result) for result in results) == {Reservation: 20, OutOfStock: 30}
    product = store.products.get("acc_1", "a")
    assert (product.stock, product.version) == (0, 21)


def test_an_order_of_as_many_products_as_there_may_be_is_one_transaction_each_way(store: Store) -> None:
    lines = [(f"p{number}", number + 1) for number in range(MAX_PRODUCTS)]
    in_stock(store, **dict(lines))
    order = placed(store, *lines)

    reservation = make(store, order)
    assert {stock_of(store, name) for name, _ in lines} == {0}
    store.reservations.release(reservation, noted(reserved(order), "ReleaseInventory", now=AFTER), now=AFTER)

    assert {name: stock_of(store, name) for name, _ in lines} == dict(lines)
    assert {name: [one.change for one in journal_of(store, name)] for name, _ in lines} == {
        name: [-units, units] for name, units in lines
    }


# Keeping


def test_what_is_kept_does_not_end(store: Store) -> None:
    in_stock(store, a=5)
    order = placed(store)
    reservation = make(store, order)

    bought, kept_one = kept(store, reserved(order), reservation)

    assert kept_one == replace(reservation, kept=True)
    assert bought == paid_for(reserved(order))
    assert list(store.reservations.expired(AFTER)) == []
    assert stock_of(store) == 4


def test_what_was_released_meanwhile_is_not_kept_and_the_order_not_paid(store: Store) -> None:
    in_stock(store, a=5)
    order = placed(store)
    reservation = make(store, order)
    store.reservations.release(reservation, None, now=AFTER)

    with pytest.raises(Contended):
        store.reservations.keep(reservation, paid_for(reserved(order)))

    assert store.orders.get("acc_1", "ord_1") == reserved(order)
    assert store.reservations.find("acc_1", "ord_1") is None


def test_what_is_kept_already_is_not_kept_as_it_was_read_before(store: Store) -> None:
    in_stock(store, a=5)
    order = placed(store)
    reservation = make(store, order)
    bought, _ = kept(store, reserved(order), reservation)

    with pytest.raises(Contended):
        store.reservations.keep(reservation, noted(bought, "ProcessPayment", now=LATER))
    with pytest.raises(Contended):
        store.reservations.release(reservation, None, now=LATER)

    assert store.orders.get("acc_1", "ord_1") == bought


def test_an_order_that_was_canceled_meanwhile_keeps_nothing(store: Store) -> None:
    in_stock(store, a=5)
    order = placed(store)
    reservation = make(store, order)
    cancel_it(store)

    with pytest.raises(Contended):
        store.reservations.keep(reservation, paid_for(reserved(order)))

    assert store.reservations.find("acc_1", "ord_1") == reservation


def test_what_is_confirmed_is_sold_and_reserved_no_more(store: Store) -> None:
    in_stock(store, a=5)
    order = placed(store)
    bought, reservation = kept(store, reserved(order), make(store, order))
    sold = confirmed(bought, now=AFTER)

    with pytest.raises(Contended):
        store.orders.save(replace(sold, version=sold.version + 1))
    assert store.reservations.find("acc_1", "ord_1") == reservation
    store.orders.save(sold)

    assert (store.orders.get("acc_1", "ord_1"), stock_of(store)) == (sold, 4)
    assert store.reservations.find("acc_1", "ord_1") is None
    with pytest.raises(Contended):
        store.reservations.release(reservation, None, now=AFTER)


# Releasing


@pytest.mark.parametrize("was_kept", [False, True])
def test_what_is_released_goes_back_with_the_orders_next_version(store: Store, was_kept: bool) -> None:
    in_stock(store, a=30, b=30)
    order = placed(store, ("a", 3), ("b", 1), ("a", 1))
    reservation = make(store, order)
    now = reserved(order)
    if was_kept:
        now, reservation = kept(store, now, reservation)
    ended = noted(now, "ReleaseInventory", now=AFTER)

    store.reservations.release(reservation, ended, now=AFTER)

    assert store.reservations.find("acc_1", "ord_1") is None
    assert store.orders.get("acc_1", "ord_1") == ended
    assert store.orders.products("acc_1", "ab") == {name: a_product(name, version=3, updated_at=AFTER) for name in "ab"}


def test_without_an_order_none_is_changed(store: Store) -> None:
    in_stock(store, a=30)
    order = placed(store)

    store.reservations.release(make(store, order), None, now=AFTER)

    assert (stock_of(store), store.orders.get("acc_1", "ord_1")) == (30, reserved(order))


def test_what_is_released_twice_goes_back_once(store: Store) -> None:
    in_stock(store, a=30)
    order = placed(store, ("a", 4))
    reservation = make(store, order)

    results = at_once(*[lambda: store.reservations.release(reservation, None, now=AFTER)] * 6)

    assert Counter(type(result) for result in results) == {type(None): 1, Contended: 5}
    assert (stock_of(store), store.products.get("acc_1", "a").version) == (30, 3)


def test_an_order_that_has_changed_meanwhile_releases_nothing(store: Store) -> None:
    in_stock(store, a=30)
    order = placed(store)
    reservation = make(store, order)
    cancel_it(store)

    with pytest.raises(Contended):
        store.reservations.release(reservation, noted(reserved(order), "ReleaseInventory", now=LATER), now=LATER)

    assert (stock_of(store), store.reservations.find("acc_1", "ord_1")) == (29, reservation)


@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("with_order", [False, True], ids=["of the sweep", "of its workflow"])
def test_a_reservation_is_kept_or_released_not_both(store: Store, with_order: bool, turn: int) -> None:
    in_stock(store, a=30)
    order = placed(store)
    reservation = make(store, order)
    now = reserved(order)

    def keep() -> None:
        store.reservations.keep(reservation, paid_for(now))

    def release() -> None:
        ended = noted(now, "ReleaseInventory", now=AFTER) if with_order else None
        store.reservations.release(reservation, ended, now=AFTER)

    tasks = [keep, release][:: 1 if turn % 2 else -1]
    results = dict(zip(tasks, at_once(*tasks), strict=True))

    assert Counter(type(result) for result in results.values()) == {type(None): 1, Contended: 1}
    found = store.reservations.find("acc_1", "ord_1")
    was_kept = results[keep] is None
    assert found == (replace(reservation, kept=True) if was_kept else None)
    assert stock_of(store) == (29 if was_kept else 30)
    is_paid = store.orders.get("acc_1", "ord_1").payment_status is PaymentStatus.CAPTURED
    assert is_paid == was_kept


def test_what_is_gone_or_not_counted_any_more_gets_nothing_back(store: Store) -> None:
    in_stock(store, a=30, b=30, c=30)
    order = placed(store, ("a", 2), ("b", 2), ("c", 2))
    reservation = make(store, order)
    lose_a_product(store)
    now = store.products.get("acc_1", "c")
    store.products.save(replace(now, stock=None, version=3))

    store.reservations.release(reservation, None, now=AFTER)

    assert (stock_of(store), stock_of(store, "c")) == (30, None)
    with pytest.raises(NotFound):
        store.products.get("acc_1", "b")
    assert store.products.get("acc_1", "c").version == 3


@pytest.mark.parametrize(
    ("stock", "afterwards"), [(MAX_STOCK - 4, MAX_STOCK), (MAX_STOCK - 3, MAX_STOCK), (MAX_STOCK, MAX_STOCK)]
)
def test_a_stock_that_has_grown_meanwhile_takes_back_what_can_be_counted(store: Store, stock: int, afterwards: int) -> None:
    in_stock(store, a=30)
    order = placed(store, ("a", 4))
    reservation = make(store, order)
    store.products.save(a_product("a", stock=stock, version=3))

    store.reservations.release(reservation, None, now=AFTER)

    product = store.products.get("acc_1", "a")
    assert (product.stock, product.version) == (afterwards, 4)
    assert [change.change for change in journal_of(store)] == [-4, *([afterwards - stock] if afterwards > stock else [])]


@pytest.mark.parametrize("counted", [0, 12, 30])
def test_who_sets_a_stock_does_not_count_what_is_reserved_so_that_comes_on_top(store: Store, counted: int) -> None:
    in_stock(store, a=30)
    reservation = make(store, placed(store, ("a", 4)))
    store.products.save(a_product("a", stock=counted, version=3))

    store.reservations.release(reservation, None, now=AFTER)

    assert stock_of(store) == counted + 4


def test_units_go_back_to_the_very_product_that_they_were_taken_from(store: Store) -> None:
    """Which has its id from one before, too."""
    in_stock(store, a=30)
    first = make(store, placed(store, ("a", 4)))
    order = placed(store, ("a", 5), order_id="ord_2")
    second_product = made_anew(store)
    second = reserve(order, {"a": second_product}, now=NOW)
    store.reservations.make(second, reserved(order))

    store.reservations.release(first, None, now=AFTER)
    assert (stock_of(store), store.reservations.find("acc_1", "ord_1")) == (25, None)
    store.reservations.release(second, None, now=AFTER)

    assert stock_of(store) == 30
    assert [(change.order_id, change.change) for change in journal_of(store)[2:]] == [("ord_2", 5)]


def test_what_was_taken_from_a_product_goes_not_to_the_next_but_one(store: Store) -> None:
    in_stock(store, a=30)
    product = made_anew(store)
    order = placed(store, ("a", 5))
    reservation = reserve(order, {"a": product}, now=NOW)
    store.reservations.make(reservation, reserved(order))
    made_anew(store)

    store.reservations.release(reservation, None, now=AFTER)

    assert (stock_of(store), store.reservations.find("acc_1", "ord_1")) == (30, None)


def test_a_product_that_was_edited_is_still_the_one_that_units_were_taken_from(store: Store) -> None:
    in_stock(store, a=30)
    product = made_anew(store)
    order = placed(store, ("a", 5))
    reservation = reserve(order, {"a": product}, now=NOW)
    store.reservations.make(reservation, reserved(order))
    now = store.products.get("acc_1", "a")
    store.products.save(replace(now, name="Lantern", version=now.version + 1))

    store.reservations.release(reservation, None, now=AFTER)

    assert stock_of(store) == 30


def fill_up(store: Store) -> None:
    now = store.products.get("acc_1", "b")
    store.products.save(replace(now, stock=MAX_STOCK, version=now.version + 1))


def sell_one(store: Store) -> None:
    store.stock.change(a_stock_change(product_id="b"))


@pytest.mark.parametrize(
    ("happens", "refusal"),
    [
        (lose_a_product, Contended),
        (make_it_anew, Contended),
        (stop_counting, Contended),
        (fill_up, Contended),
        (sell_one, None),
    ],
)
def test_what_happens_to_a_product_while_it_is_released_is_seen(
    dynamo_store: DynamoStore,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Store], None],
    refusal: type[Exception] | None,
) -> None:
    """Between the read of the products and the write."""
    in_stock(dynamo_store, a=30, b=30)
    reservation = make(dynamo_store, placed(dynamo_store, ("a", 2), ("b", 2)))
    table = dynamo_store.reservations._table
    get_all = table.get_all

    def interfered(keys: Any) -> Any:
        found = get_all(keys)
        monkeypatch.setattr(table, "get_all", get_all)
        happens(dynamo_store)
        return found

    monkeypatch.setattr(table, "get_all", interfered)
    if refusal is not None:
        with pytest.raises(refusal):
            dynamo_store.reservations.release(reservation, None, now=AFTER)
        assert stock_of(dynamo_store) == 28, "nothing went back"
        assert dynamo_store.reservations.find("acc_1", "ord_1") == reservation
        dynamo_store.reservations.release(reservation, None, now=AFTER)
    else:
        dynamo_store.reservations.release(reservation, None, now=AFTER)
        assert stock_of(dynamo_store, "b") == 29

    assert table.get_all == get_all, "it happened"
    assert stock_of(dynamo_store) == 30


def test_a_full_stock_that_somebody_takes_from_while_units_go_back_is_looked_at_again(
    dynamo_store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_stock(dynamo_store, b=30)
    reservation = make(dynamo_store, placed(dynamo_store, ("b", 2)))
    fill_up(dynamo_store)
    table = dynamo_store.reservations._table
    get_all = table.get_all

    def interfered(keys: Any) -> Any:
        found = get_all(keys)
        sell_one(dynamo_store)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(table, "get_all", interfered)
        with pytest.raises(Contended):
            dynamo_store.reservations.release(reservation, None, now=AFTER)
    dynamo_store.reservations.release(reservation, None, now=AFTER)

    assert stock_of(dynamo_store, "b") == MAX_STOCK
    assert [change.change for change in journal_of(dynamo_store, "b")] == [-2, 1]


# What nobody came back for


def test_exactly_those_are_found_that_ended_and_were_neither_kept_nor_released(store: Store) -> None:
    in_stock(store, a=30)
    ends = {"ord_1": AFTER, "ord_2": AFTER - timedelta(hours=1), "ord_3": AFTER + timedelta(seconds=1)}
    for order_id, until in ends.items():
        make(store, placed(store, order_id=order_id), reserved_until=until)
    other = placed(store, order_id="ord_4")
    kept(store, reserved(other), make(store, other))
    store.reservations.release(make(store, placed(store, order_id="ord_5")), None, now=LATER)
    store.products.add(a_product("a", account_id="acc_2"))
    make(store, placed(store, order_id="ord_6", account_id="acc_2"))

    found = list(store.reservations.expired(AFTER))

    assert found[0] == ("acc_1", "ord_2"), "who waits longest comes first"
    assert sorted(found) == [("acc_1", "ord_1"), ("acc_1", "ord_2"), ("acc_2", "ord_6")]
    assert list(store.reservations.expired(AFTER - timedelta(hours=1, seconds=1))) == []
    assert len(list(store.reservations.expired(AFTER + timedelta(seconds=1)))) == 4
    assert list(store.due_clients.due(datetime(2099, 1, 1, tzinfo=UTC))) == [], "no client is due for that"


def test_orders_that_should_be_at_their_end_are_found_whose_they_are_and_no_others(store: Store) -> None:
    statuses = WorkflowStatus.RUNNING, WorkflowStatus.HELD, WorkflowStatus.COMPENSATING, WorkflowStatus.COMPENSATION_FAILED
    for number, status in enumerate(statuses, 1):
        placed(store, order_id=f"ord_{number}", workflow_status=status, created_at=NOW - timedelta(minutes=number))
    placed(store, order_id="ord_5", account_id="acc_2")
    placed(store, order_id="ord_6", created_at=NOW + timedelta(seconds=1))
    in_stock(store, a=5)
    make(store, placed(store, order_id="ord_7", created_at=NOW + timedelta(days=1)))

    assert list(store.orders.unfinished(NOW + QUIET_FOR)) == [("acc_1", "ord_3"), ("acc_1", "ord_1"), ("acc_2", "ord_5")]
    given_up = store.orders.get("acc_1", "ord_4")
    asked = given_up.updated_at + ASKED_AGAIN_AFTER
    assert ("acc_1", "ord_4") in store.orders.unfinished(asked)
    assert ("acc_1", "ord_4") not in store.orders.unfinished(asked - timedelta(seconds=1))
    assert list(store.orders.unfinished(NOW + QUIET_FOR - timedelta(minutes=4))) == []


def test_an_order_is_unfinished_until_it_is_at_its_end_however_it_moves(store: Store) -> None:
    order = placed(store, workflow_status=WorkflowStatus.HELD)

    def change(before: Order, status: WorkflowStatus) -> Order:
        after = noted(replace(before, workflow_status=status), "ValidateOrder", now=LATER)
        store.orders.save(after)
        return after

    for status in WorkflowStatus:
        order = change(order, status)
        found = list(store.orders.unfinished(NOW + QUIET_FOR))
        assert found == ([("acc_1", "ord_1")] if order.under_way else []), status
        looked_after = order.under_way or status is WorkflowStatus.COMPENSATION_FAILED
        found = list(store.orders.unfinished(LATER + ASKED_AGAIN_AFTER))
        assert found == ([("acc_1", "ord_1")] if looked_after else []), status
        assert store.orders.get("acc_1", "ord_1") == order


def test_a_reservation_is_never_swept_away_by_dynamodb(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    in_stock(dynamo_store, a=30)
    order = placed(dynamo_store)
    reservation = make(dynamo_store, order)

    def item() -> dict[str, Any]:
        return next(item for item in items_in(client) if item["type"]["S"] == "reservation")

    ends = AFTER.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert item() == {
        "pk": {"S": "acc_1"},
        "sk": {"S": "reservation#ord_1"},
        "type": {"S": "reservation"},
        "account_id": {"S": "acc_1"},
        "order_id": {"S": "ord_1"},
        "units": {"M": {"a": {"N": "1"}}},
        "follows": {"M": {}},
        "reserved_until": {"S": ends},
        "kept": {"BOOL": False},
        "due": {"S": "reservations"},
        "due_at": {"S": ends},
    }
    kept(dynamo_store, reserved(order), reservation)
    assert not {"due", "due_at", "expires_at"} & item().keys()


def test_whatever_happens_to_orders_at_once_the_table_fits_together(
    dynamo_store: DynamoStore, client: "DynamoDBClient"
) -> None:
    opened(dynamo_store)
    in_stock(dynamo_store, a=3, b=3, c=None)

    def keep_shop(number: int) -> None:
        order = placed(dynamo_store, ("a", 1), ("b", 1 + number % 2), ("c", 1), order_id=f"ord_{number}")
        for turn in range(3):
            try:
                now = dynamo_store.orders.get("acc_1", order.id)
                reservation = dynamo_store.reservations.find("acc_1", order.id)
                if reservation is None:
                    make(dynamo_store, now, "c")
                elif not reservation.kept and (number + turn) % 3 == 0:
                    dynamo_store.reservations.keep(reservation, paid_for(now))
                elif not reservation.kept:
                    ended = failed(now, now=AFTER)
                    dynamo_store.reservations.release(reservation, ended, now=AFTER)
                    return
            except (Contended, OutOfStock):
                continue

    at_once(*[lambda number=number: keep_shop(number) for number in range(6)])

    assert check_table(items_in(client)) == []
    held = [one for number in range(6) if (one := dynamo_store.reservations.find("acc_1", f"ord_{number}"))]
    for name in "ab":
        assert stock_of(dynamo_store, name) == 3 - sum(one.units[name] for one in held)


# Answers that are lost, and requests with a key


def test_what_lost_its_answer_is_sent_again_and_done_once(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    in_stock(dynamo_store, a=30)
    sent: list[Sequence[str]] = []

    with losing_an_answer(client) as times:
        order = placed(dynamo_store, ("a", 4))
    sent.append(times)
    with losing_an_answer(client) as times:
        reservation = make(dynamo_store, order)
    sent.append(times)
    assert stock_of(dynamo_store) == 26
    with losing_an_answer(client) as times:
        bought, kept_one = kept(dynamo_store, reserved(order), reservation)
    sent.append(times)
    with losing_an_answer(client) as times:
        dynamo_store.orders.save(noted(bought, "RefundPayment", now=AFTER))
    sent.append(times)
    with losing_an_answer(client) as times:
        ended = noted(dynamo_store.orders.get("acc_1", "ord_1"), "ReleaseInventory", now=AFTER)
        dynamo_store.reservations.release(kept_one, ended, now=AFTER)
    sent.append(times)

    assert [len(times) for times in sent] == [2] * 5
    assert (stock_of(dynamo_store), dynamo_store.orders.get("acc_1", "ord_1")) == (30, ended)


def test_a_keyed_order_is_noted_as_the_effect_and_made_once(store: Store) -> None:
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        placed(store)
    with pytest.raises(IdempotencyInProgress), store.keyed_requests.effect(keeping):
        placed(store, order_id="ord_2")

    assert store.keyed_requests.find("a1") == replace(keeping, made={"order": "ord_1"})
    assert ids(store.orders.page("acc_1", OrderFilter(), PageRequest()).items) == ["ord_1"]


def test_a_keyed_change_of_an_order_is_noted_as_the_effect_and_made_once(store: Store) -> None:
    order = placed(store)
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        store.orders.save(replace(order, version=2))
    with pytest.raises(IdempotencyInProgress), store.keyed_requests.effect(keeping):
        store.orders.save(replace(order, version=3))

    assert store.keyed_requests.find("a1") == replace(keeping, made={"order": "ord_1"})
    assert store.orders.get("acc_1", "ord_1").version == 2


def test_a_keyed_order_that_is_refused_is_no_effect(store: Store) -> None:
    placed(store)
    keeping = begun(store)

    with store.keyed_requests.effect(keeping), pytest.raises(Contended):
        placed(store)

    assert store.keyed_requests.find("a1") == keeping
