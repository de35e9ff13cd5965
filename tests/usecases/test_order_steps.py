"""The steps of an order's workflow: whatever fails, comes twice, late or at once, nobody is charged for nothing."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.errors import (
    Contended,
    DaybookError,
    NotUndone,
    OrderNotCancelable,
    OutOfTurn,
    PaymentDeclined,
    PaymentGatewayError,
    ReservationExpired,
    Unavailable,
)
from chalicelib.domain.orders import (
    QUIET_FOR,
    RESERVED_FOR,
    UNDOING,
    FulfillmentStatus,
    Order,
    OrderJob,
    OrderStatus,
    PaymentStatus,
    Reservation,
    StepKey,
    WorkflowStatus,
)
from chalicelib.domain.products import ProductDetails, StockLevel
from chalicelib.usecases import order_steps as steps
from chalicelib.usecases import orders, products
from chalicelib.usecases.order_steps import look_after_orders, release_expired
from operations.settle import settle
from tests.builders import ADDRESS, NOW, a_caller, a_product, a_user, an_account, order_details
from tests.fakes import FixedClock
from tests.usecases.order_flow import Crash, Execution, Interrupting, run_step
from tests.usecases.test_invoicing import at_once
from tests.wired import MemoryWired

CALLER = a_caller()
STOCK = {"a": 10, "b": 3}
NOBODY_LIVES_THERE = replace(ADDRESS, postal_code="00042")


@pytest.fixture
def shop() -> MemoryWired:
    return open_shop()


def open_shop() -> MemoryWired:
    wired = MemoryWired(clock=FixedClock(NOW))
    wired.store.accounts.add(an_account(), a_user())
    for product_id, stock in [*STOCK.items(), ("service", None)]:
        put(wired, product_id, stock)
    return wired


def put(shop: MemoryWired, product_id: str, stock: int | None) -> None:
    """Makes a product at 2.55, or says how many of it are there."""
    details = ProductDetails(name="Holder", price=Decimal("2.55"))
    products.put_product(CALLER, product_id, details, StockLevel(stock), desk=shop)


def place(shop: MemoryWired, *items: tuple[str, int], hold: bool = False, **details: Any) -> str:
    wanted = order_details(*(items or [("a", 2), ("b", 1), ("service", 1), ("a", 1)]), **details)
    return orders.add_order(CALLER, wanted, hold=hold, desk=shop).id


def job_of(order_id: str, error: str = "") -> OrderJob:
    return OrderJob(account_id="acc_1", order_id=order_id, error=error)


def work_off(shop: Any, order_id: str) -> Execution:
    return Execution(job_of(order_id)).run(shop)


def kept(shop: MemoryWired, order_id: str) -> Order:
    return shop.store.orders.get("acc_1", order_id)


def history(order: Order) -> list[str]:
    return [f"{entry.step} {entry.outcome}" for entry in order.history]


def visited(execution: Execution) -> list[str]:
    return [call.state for call in execution.visited]


def settled(shop: MemoryWired, order_id: str) -> list[str]:
    """What `make settle` says of each step that it calls."""

    def call(step: str, state: Mapping[str, Any]) -> str:
        try:
            run_step(step, state, shop=shop)
        except DaybookError as error:
            return type(error).__name__
        return ""

    return [f"{step} {error or 'done'}" for step, error in settle(kept(shop, order_id), call)]


def check_books(shop: MemoryWired) -> None:
    """What holds whatever has happened, and more of the orders that have ended."""
    ledger = Counter((what, key) for what, key, _ in shop.payments.moved)
    assert max(ledger.values(), default=0) <= 1, "nobody is charged or refunded twice"
    assert max(Counter(shop.carrier.handed_over).values(), default=0) <= 1, "no order is shipped twice"
    taken: Counter[str] = Counter()
    for order in shop.tables()["orders"].values():
        done = Counter(entry.step for entry in order.history if entry.outcome == "done" and entry.step != "EditOrder")
        assert max(done.values()) == 1, "no step is noted twice, but for edits"
        payment = shop.payments.books.get(f"{order.id}-ProcessPayment")
        owed = payment is not None and payment.owed
        assert payment is None or payment.amount in (None, order.total_amount)
        on_the_way = f"{order.id}-CreateShipment" in shop.carrier.on_the_way
        reservation = shop.store.reservations.find("acc_1", order.id)
        journal = journal_of(shop, order.id)
        told = {news for order_id, news in shop.customers.told if order_id == order.id}
        match order.status:
            case OrderStatus.CONFIRMED:
                assert owed
                assert on_the_way
                assert order.payment_status is PaymentStatus.CAPTURED
                assert order.fulfillment_status is FulfillmentStatus.SHIPPED
                assert reservation is None, "it is sold"
                assert journal == {key: -units for key, units in order.quantities.items() if key in STOCK}
                assert told <= {"order_confirmed"}
            case OrderStatus.FAILED | OrderStatus.CANCELED if order.workflow_status is WorkflowStatus.COMPENSATED:
                assert not owed
                assert not on_the_way
                assert order.payment_status is not PaymentStatus.CAPTURED
                assert (order.payment_status is PaymentStatus.REFUNDED) == (payment is not None and payment.given_back)
                assert order.fulfillment_status is FulfillmentStatus.CANCELED
                assert reservation is None
                assert "order_confirmed" not in told
            case OrderStatus.FAILED | OrderStatus.CANCELED:
                asked = [detail for order_id, detail in shop.attention.asked if order_id == order.id]
                assert [entry.detail for entry in order.history if entry.step == "CompensationFailed"] == asked[-1:], "is seen"
                assert not on_the_way or (reservation is not None and reservation.kept), "what has left is not in stock"
        if reservation is not None:
            assert journal == {key: -units for key, units in reservation.units.items()}
            taken.update(reservation.units)
        elif order.status is OrderStatus.CONFIRMED:
            taken.update(order.quantities)
    for product in shop.tables()["products"].values():
        journal = journal_of(shop)
        assert (product.stock or 0) == journal[product.id], "the journal adds up to the stock"
        if product.stock is not None and product.follows is None:  # else the one before is gone with what was taken from it
            brought = journal_of(shop, None)[product.id]
            assert product.stock + taken[product.id] == brought, product.id


def journal_of(shop: MemoryWired, *order_ids: str | None) -> Counter[str]:
    """The changes of stock by product, of all orders if none is said; None stands for those of people."""
    changes = shop.tables()["stock_changes"].values()
    summed: Counter[str] = Counter()
    for change in changes:
        if not order_ids or change.order_id in order_ids:
            summed[change.product_id] += change.change
    return summed


# Each way through the workflow


def test_an_order_that_meets_no_trouble_is_confirmed(shop: MemoryWired) -> None:
    order_id = place(shop)

    execution = work_off(shop, order_id)

    order = kept(shop, order_id)
    assert execution.ended_well
    assert (order.status, order.workflow_status) == (OrderStatus.CONFIRMED, WorkflowStatus.DONE)
    assert history(order) == [
        "PlaceOrder done",
        "ValidateOrder done",
        "ReserveInventory done",
        "ProcessPayment done",
        "CreateShipment done",
        "SendConfirmation done",
        "OrderConfirmed done",
    ]
    assert order.payment_id == f"pay-{order_id}-ProcessPayment"
    assert order.shipment == shop.carrier.on_the_way[f"{order_id}-CreateShipment"]
    assert shop.payments.moved == [("capture", f"{order_id}-ProcessPayment", Decimal("12.75"))]
    assert shop.customers.told == [(order_id, "order_confirmed")]
    assert [shop.store.products.get("acc_1", name).stock for name in ("a", "b", "service")] == [7, 2, None]
    check_books(shop)


WAYS: dict[str, tuple[dict[str, Any], list[str], str, PaymentStatus, str | None]] = {
    "declined": (
        {"payment_method": "declined"},
        ["RefundPayment", "ReleaseInventory", "NotifyPaymentFailed", "OrderFailed"],
        "payment_declined",
        PaymentStatus.FAILED,
        "payment_failed",
    ),
    "no money": (
        {"payment_method": "insufficient_funds"},
        ["RefundPayment", "ReleaseInventory", "NotifyPaymentFailed", "OrderFailed"],
        "insufficient_funds",
        PaymentStatus.FAILED,
        "payment_failed",
    ),
    "no answer of the gateway": (
        {"payment_method": "gateway_error"},
        ["RefundPayment", "ReleaseInventory", "NotifyPaymentFailed", "OrderFailed"],
        "payment_gateway_error",
        PaymentStatus.FAILED,
        "payment_failed",
    ),
    "not served": (
        {"shipping_address": NOBODY_LIVES_THERE},
        ["VoidShipment", "RefundPayment", "ReleaseInventory", "NotifyShippingFailed", "OrderFailed"],
        "shipping_failed",
        PaymentStatus.REFUNDED,
        "shipping_failed",
    ),
    "no answer of the carrier": (
        {"shipping_address": replace(ADDRESS, postal_code="99900")},
        ["VoidShipment", "RefundPayment", "ReleaseInventory", "NotifyShippingFailed", "OrderFailed"],
        "unavailable",
        PaymentStatus.REFUNDED,
        "shipping_failed",
    ),
    "out of stock": (
        {"items": order_details(("a", 1), ("b", 4)).items},
        ["NotifyOutOfStock", "OrderFailed"],
        "out_of_stock",
        PaymentStatus.NOT_PAID,
        "out_of_stock",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_order_that_fails_is_undone_in_reverse_and_its_customer_told(shop: MemoryWired, way: str) -> None:
    details, back, failure, payment, news = WAYS[way]
    order_id = place(shop, **details)

    execution = work_off(shop, order_id)

    order = kept(shop, order_id)
    assert execution.ended_well
    assert visited(execution)[-len(back) :] == back
    assert (order.status, order.workflow_status) == (OrderStatus.FAILED, WorkflowStatus.COMPENSATED)
    assert (order.failure, order.payment_status) == (failure, payment)
    assert shop.customers.told == [(order_id, news)]
    (failed_step,) = [entry for entry in order.history if entry.outcome == "failed"]
    assert failed_step.detail == failure
    check_books(shop)


def test_a_gateway_that_heals_is_asked_until_it_answers(shop: MemoryWired) -> None:
    order_id = place(shop, payment_method="gateway_error_twice")

    assert work_off(shop, order_id).ended_well

    assert kept(shop, order_id).status is OrderStatus.CONFIRMED
    assert shop.payments.books[f"{order_id}-ProcessPayment"].attempts == 3
    check_books(shop)


def test_a_payment_whose_answer_was_lost_is_asked_for_again_and_charged_once(shop: MemoryWired) -> None:
    order_id = place(shop, payment_method="answer_lost")

    assert work_off(shop, order_id).ended_well

    assert kept(shop, order_id).status is OrderStatus.CONFIRMED
    assert [what for what, _, _ in shop.payments.moved] == ["capture"]
    check_books(shop)


def test_a_payment_whose_answer_was_lost_and_that_nobody_asks_for_again_is_given_back(shop: MemoryWired) -> None:
    order_id = place(shop, payment_method="answer_lost")
    execution = Execution(job_of(order_id))
    while execution.state != "ProcessPayment" or not execution.failures:
        execution.step(shop)
    orders.cancel(CALLER, order_id, desk=shop)

    assert execution.run(shop).ended_well

    order = kept(shop, order_id)
    assert (order.status, order.payment_status) == (OrderStatus.CANCELED, PaymentStatus.REFUNDED)
    assert [what for what, _, _ in shop.payments.moved] == ["capture", "refund"]
    check_books(shop)


def test_the_price_of_the_order_is_charged_though_the_products_has_changed(shop: MemoryWired) -> None:
    order_id = place(shop, ("a", 2))
    shop.store.products.save(a_product("a", stock=10, price=Decimal(99), version=2))

    work_off(shop, order_id)

    assert [amount for _, _, amount in shop.payments.moved] == [Decimal("5.10")]


@pytest.mark.parametrize("until", ["ValidateOrder", "ReserveInventory"])
def test_a_product_that_is_deleted_before_it_is_reserved_makes_the_order_invalid(shop: MemoryWired, until: str) -> None:
    order_id = place(shop)
    execution = Execution(job_of(order_id))
    while execution.state != until:
        execution.step(shop)
    shop.store.products.remove(shop.store.products.get("acc_1", "b"))

    assert execution.run(shop).ended_well

    assert visited(execution)[-2:] == ["NotifyValidationFailed", "OrderFailed"]
    assert (kept(shop, order_id).failure, shop.customers.told) == ("validation_failed", [(order_id, "validation_failed")])
    check_books(shop)


@pytest.mark.parametrize("details", [{}, {"shipping_address": NOBODY_LIVES_THERE}], ids=["confirmed", "failed"])
@pytest.mark.parametrize("change", ["removed", "not counted"])
def test_a_product_that_goes_after_it_is_reserved_stops_nothing(
    shop: MemoryWired, change: str, details: dict[str, Any]
) -> None:
    order_id = place(shop, **details)
    execution = Execution(job_of(order_id))
    while execution.state != "ProcessPayment":
        execution.step(shop)
    if change == "removed":
        products.remove_product(CALLER, "b", desk=shop)
    else:
        put(shop, "b", None)

    assert execution.run(shop).ended_well

    assert kept(shop, order_id).status is (OrderStatus.FAILED if details else OrderStatus.CONFIRMED)
    check_books(shop)


@pytest.mark.parametrize("way", ["good", "declined", "not served"])
def test_what_is_counted_by_hand_lies_there_and_what_is_reserved_does_not(shop: MemoryWired, way: str) -> None:
    order_id = place(shop, ("a", 4), **details_of(way))
    execution = Execution(job_of(order_id))
    while execution.state != "ProcessPayment":
        execution.step(shop)
    put(shop, "a", 5)

    assert execution.run(shop).ended_well

    assert shop.store.products.get("acc_1", "a").stock == (5 if way == "good" else 9)
    check_books(shop)


def test_a_product_that_is_made_anew_gets_nothing_back_of_the_one_before(shop: MemoryWired) -> None:
    order_id = place(shop, payment_method="declined")
    execution = Execution(job_of(order_id))
    while execution.state != "ProcessPayment":
        execution.step(shop)
    products.remove_product(CALLER, "a", desk=shop)
    put(shop, "a", 5)

    assert execution.run(shop).ended_well

    assert [shop.store.products.get("acc_1", name).stock for name in STOCK] == [5, 3]
    check_books(shop)


# Two at once


def test_of_two_buyers_of_one_unit_one_gets_it_and_the_other_pays_nothing(shop: MemoryWired) -> None:
    order_ids = [place(shop, ("b", 3)), place(shop, ("b", 1))]

    at_once(*[lambda order_id=order_id: work_off(shop, order_id) for order_id in order_ids])

    assert Counter(kept(shop, order_id).status for order_id in order_ids) == {OrderStatus.CONFIRMED: 1, OrderStatus.FAILED: 1}
    check_books(shop)


def test_of_fifty_orders_at_once_on_ten_units_ten_are_confirmed(shop: MemoryWired) -> None:
    order_ids = [place(shop, ("a", 1)) for _ in range(50)]

    at_once(*[lambda order_id=order_id: work_off(shop, order_id) for order_id in order_ids])

    statuses = Counter((kept(shop, order_id).status, kept(shop, order_id).failure) for order_id in order_ids)
    assert statuses == {(OrderStatus.CONFIRMED, None): 10, (OrderStatus.FAILED, "out_of_stock"): 40}
    assert len(shop.payments.moved) == 10
    check_books(shop)


@pytest.mark.parametrize("way", ["good", *WAYS])
def test_steps_that_run_twice_at_once_come_to_the_same_end(shop: MemoryWired, way: str) -> None:
    details = {} if way == "good" else WAYS[way][0]
    order_id = place(shop, **details)

    results = at_once(*[lambda: work_off(shop, order_id)] * 4)

    assert all(isinstance(result, Execution) and result.ended_well for result in results), results
    order = kept(shop, order_id)
    assert order.ended
    check_books(shop)


# Cut off anywhere, and done again


def ways_of() -> list[str]:
    return ["good", *WAYS, "answer_lost"]


def details_of(way: str) -> dict[str, Any]:
    return {"good": {}, "answer_lost": {"payment_method": "answer_lost"}}.get(way) or (WAYS[way][0] if way in WAYS else {})


def raising(error: BaseException) -> Callable[[], object]:
    def happens() -> object:
        raise error

    return happens


def every_call(
    way: str, happens: Callable[[MemoryWired, str], Callable[[], object]], times: int = 1
) -> list[tuple[str, MemoryWired, Order, Execution]]:
    """The order of that way, worked off as often as it makes calls of its ports: each time another one is interrupted."""
    runs = []
    for after in (False, True):
        for place_of_call in range(1_000):
            shop = open_shop()
            order_id = place(shop, **details_of(way))
            interrupted = Interrupting(shop, place_of_call, after=after, happens=happens(shop, order_id), times=times)
            execution = work_off(interrupted, order_id)
            if not interrupted.happened_at:
                break
            runs.append((f"{'after' if after else 'before'} {interrupted.happened_at}", shop, kept(shop, order_id), execution))
    assert len(runs) > 10
    return runs


@pytest.mark.parametrize("error", [Crash(), Unavailable()], ids=["dies", "fails"])
@pytest.mark.parametrize("way", ways_of())
def test_a_step_that_is_cut_off_at_any_call_is_done_again_to_the_same_end(way: str, error: BaseException) -> None:
    plain = open_shop()
    order_id = place(plain, **details_of(way))
    work_off(plain, order_id)
    expected = kept(plain, order_id)

    for where, shop, order, execution in every_call(way, lambda _shop, _order_id: raising(error)):
        assert execution.ended_well, where
        assert (order.status, order.workflow_status) == (expected.status, expected.workflow_status), where
        assert (order.payment_status, history(order)) == (expected.payment_status, history(expected)), where
        last_word = {"unavailable"} if way.startswith("no answer") else set()  # of the four that were not answered
        assert order.failure in {expected.failure, *last_word}, where
        check_books(shop)


@pytest.mark.parametrize("times", [4, 8, 12, 100])
@pytest.mark.parametrize("way", ways_of())
def test_what_fails_for_long_ends_undone_or_before_a_person(way: str, times: int) -> None:
    for where, shop, order, execution in every_call(way, lambda _shop, _order_id: raising(Unavailable()), times=times):
        check_books(shop)
        if execution.ended_well:
            assert order.ended, where
            assert order.workflow_status is not WorkflowStatus.COMPENSATION_FAILED, where
            continue
        assert execution.states[-1] in {"GivenUp", "NotConfirmed"}, where
        if execution.states[-1] == "NotConfirmed":
            assert order.only_to_be_confirmed or order.status is OrderStatus.CONFIRMED, where
        if not order.settled:
            said = settled(shop, order_id=order.id)
            assert all(each.endswith(" done") for each in said), (where, said)
        assert kept(shop, order.id).settled, where
        check_books(shop)


@pytest.mark.parametrize("way", ways_of())
def test_an_order_can_be_canceled_at_every_point_before_it_is_shipped(way: str) -> None:
    for where, shop, order, execution in every_call(way, canceling):
        assert execution.ended_well, where
        assert order.status in (OrderStatus.CANCELED, OrderStatus.FAILED, OrderStatus.CONFIRMED), where
        accepted = any(entry.step == "CancelOrder" for entry in order.history)
        assert accepted == (order.status is OrderStatus.CANCELED), where
        if order.status is OrderStatus.CONFIRMED:
            assert order.shipping_begun, where
        check_books(shop)


def canceling(shop: MemoryWired, order_id: str) -> Callable[[], object]:
    def happens() -> None:
        order = kept(shop, order_id)
        may = not (order.ended or order.shipping_begun or order.workflow_status is WorkflowStatus.COMPENSATING)
        try:
            orders.cancel(CALLER, order_id, desk=shop)
        except OrderNotCancelable:
            assert not may
        else:
            assert may

    return happens


@pytest.mark.parametrize("way", ways_of())
def test_a_reservation_may_end_at_every_point(way: str) -> None:
    """And be swept: at most the order is given up, and its payment given back, once."""

    def sweeping(shop: MemoryWired, order_id: str) -> Callable[[], object]:
        def happens() -> None:
            now = shop.clock.advance(seconds=RESERVED_FOR.total_seconds())
            release_expired(now, reservations=shop.store.reservations)

        return happens

    for where, shop, order, execution in every_call(way, sweeping):
        assert execution.ended_well, where
        assert order.ended, where
        check_books(shop)


@pytest.mark.parametrize("way", ways_of())
def test_whatever_comes_again_late_changes_nothing_that_has_ended(way: str) -> None:
    shop = open_shop()
    order_id = place(shop, **details_of(way))
    execution = work_off(shop, order_id)
    before = shop.state()

    for place_of_state in range(len(execution.visited)):
        execution.again(place_of_state, shop)

    assert shop.state() == before


@pytest.mark.parametrize("way", ways_of())
def test_whatever_comes_again_late_changes_nothing_but_itself_on_the_way(way: str) -> None:
    """At each state, all states before come once more."""
    plain = open_shop()
    work_off(plain, order_id := place(plain, **details_of(way)))
    expected = kept(plain, order_id)
    shop = open_shop()
    order_id = place(shop, **details_of(way))
    execution = Execution(job_of(order_id))

    while execution.ended_well is None:
        execution.step(shop)
        for place_of_state in range(len(execution.visited) - 1):
            execution.again(place_of_state, shop)

    order = kept(shop, order_id)
    assert (order.status, order.failure, order.payment_status) == (expected.status, expected.failure, expected.payment_status)
    check_books(shop)


# Late, and out of turn

FORWARD = [
    steps.validate_order,
    steps.reserve_inventory,
    steps.process_payment,
    steps.create_shipment,
    steps.send_confirmation,
    steps.confirm_order,
]


@pytest.mark.parametrize("done", range(5))
def test_no_step_forward_is_done_out_of_its_turn(shop: MemoryWired, done: int) -> None:
    order_id = place(shop)
    for step in FORWARD[:done]:
        step(job_of(order_id), shop=shop)
    before = shop.state()

    for step in FORWARD[done + 1 :]:
        if (done, step) == (4, steps.confirm_order):
            continue  # what is shipped is confirmed, told or not
        with pytest.raises(OutOfTurn):
            step(job_of(order_id), shop=shop)

    assert shop.state() == before


@pytest.mark.parametrize("done", range(6))
def test_no_step_forward_is_done_once_the_order_goes_back(shop: MemoryWired, done: int) -> None:
    order_id = place(shop)
    for step in FORWARD[:done]:
        step(job_of(order_id), shop=shop)
    steps.void_shipment(job_of(order_id, "States.Timeout"), shop=shop)
    before = shop.state()

    for place_of_step, step in enumerate(FORWARD):
        if place_of_step < done:
            step(job_of(order_id), shop=shop)
        else:
            with pytest.raises(OutOfTurn):
                step(job_of(order_id), shop=shop)

    assert shop.state() == before


def test_no_step_is_done_for_an_order_that_is_held(shop: MemoryWired) -> None:
    order_id = place(shop, hold=True)

    with pytest.raises(OutOfTurn):
        steps.validate_order(job_of(order_id), shop=shop)


def test_an_order_does_not_end_as_long_as_not_all_is_undone(shop: MemoryWired) -> None:
    order_id = place(shop)
    for step in FORWARD[:4]:
        step(job_of(order_id), shop=shop)
    back = job_of(order_id, "States.Timeout")

    for undo in (steps.void_shipment, steps.refund_payment):
        with pytest.raises(NotUndone):
            steps.fail_order(back, shop=shop)
        undo(back, shop=shop)
    steps.fail_order(back, shop=shop)

    order = kept(shop, order_id)
    assert (order.status, order.failure) == (OrderStatus.FAILED, "unavailable")
    check_books(shop)


def test_a_step_that_the_workflow_did_not_wait_for_reserves_nothing_any_more(shop: MemoryWired) -> None:
    order_id = place(shop)
    steps.validate_order(job_of(order_id), shop=shop)

    def goes_on_without_it() -> None:
        steps.release_inventory(job_of(order_id, "States.Timeout"), shop=shop)

    late = Interrupting(shop, 2, after=False, happens=goes_on_without_it)
    with pytest.raises(OutOfTurn):
        steps.reserve_inventory(job_of(order_id), shop=late)

    assert late.happened_at == "reservations.make"
    assert shop.store.reservations.find("acc_1", order_id) is None
    check_books(shop)


@pytest.mark.parametrize("call", range(3))
def test_what_is_reserved_while_the_order_fails_is_released_with_it(shop: MemoryWired, call: int) -> None:
    order_id = place(shop)
    steps.validate_order(job_of(order_id), shop=shop)

    def reserves_after_all() -> None:
        with suppress(OutOfTurn):
            steps.reserve_inventory(job_of(order_id), shop=shop)

    steps.fail_order(job_of(order_id, "OutOfStock"), shop=Interrupting(shop, call, after=False, happens=reserves_after_all))

    order = kept(shop, order_id)
    assert (order.status, order.failure) == (OrderStatus.FAILED, "out_of_stock")
    assert order.has_done("ReserveInventory") == (call < 2), "after that it goes back"
    assert shop.store.reservations.find("acc_1", order_id) is None
    check_books(shop)


def test_a_capture_that_comes_after_the_refund_is_refused(shop: MemoryWired) -> None:
    order_id = place(shop)
    for step in FORWARD[:2]:
        step(job_of(order_id), shop=shop)

    def given_up() -> None:
        work = job_of(order_id, "States.Timeout")
        steps.refund_payment(work, shop=shop)
        steps.release_inventory(work, shop=shop)
        steps.fail_order(work, shop=shop)

    class Before:
        """The workflow has given the payment up before the processor is asked."""

        def capture(self, *arguments: Any) -> Any:
            given_up()
            return shop.payments.capture(*arguments)

    late: Any = _With(shop, payments=Before())
    with pytest.raises(DaybookError):
        steps.process_payment(job_of(order_id), shop=late)

    assert shop.payments.moved == []
    check_books(shop)


class _With:
    def __init__(self, shop: MemoryWired, **ports: Any) -> None:
        self._shop = shop
        self._ports = ports

    def __getattr__(self, name: str) -> Any:
        return self._ports.get(name) or getattr(self._shop, name)


# Reservations that end


def expires_while_paying(shop: MemoryWired, *, swept: bool) -> Any:
    class Slow:
        def capture(self, *arguments: Any) -> Any:
            receipt = shop.payments.capture(*arguments)
            now = shop.clock.advance(seconds=RESERVED_FOR.total_seconds())
            if swept:
                assert release_expired(now, reservations=shop.store.reservations) == 1
            return receipt

        def undo(self, key: StepKey) -> Any:
            return shop.payments.undo(key)

    return _With(shop, payments=Slow())


@pytest.mark.parametrize("swept", [False, True])
def test_a_reservation_that_ends_while_it_is_paid_for_has_its_payment_given_back_once(shop: MemoryWired, swept: bool) -> None:
    order_id = place(shop)

    execution = work_off(expires_while_paying(shop, swept=swept), order_id)

    order = kept(shop, order_id)
    assert execution.ended_well
    assert visited(execution)[-4:] == ["RefundPayment", "ReleaseInventory", "NotifyOutOfStock", "OrderFailed"]
    assert (order.failure, order.payment_status) == ("reservation_expired", PaymentStatus.REFUNDED)
    assert [what for what, _, _ in shop.payments.moved] == ["capture", "refund"]
    check_books(shop)


def test_what_has_ended_before_it_is_paid_for_is_not_charged(shop: MemoryWired) -> None:
    order_id = place(shop)
    for step in FORWARD[:2]:
        step(job_of(order_id), shop=shop)
    shop.clock.at += RESERVED_FOR

    with pytest.raises(ReservationExpired):
        steps.process_payment(job_of(order_id), shop=shop)

    assert shop.payments.books == {}


def test_reservations_that_nobody_came_back_for_are_released_and_no_others(shop: MemoryWired) -> None:
    left, bought, fresh = (place(shop, ("a", 1)) for _ in range(3))
    for order_id, so_far in ((left, 2), (bought, 3)):
        for step in FORWARD[:so_far]:
            step(job_of(order_id), shop=shop)
    shop.clock.at += timedelta(minutes=10)
    for step in FORWARD[:2]:
        step(job_of(fresh), shop=shop)

    as_of = shop.clock.advance(minutes=5)
    assert [release_expired(as_of, reservations=shop.store.reservations) for _ in range(2)] == [1, 0]

    found = [shop.store.reservations.find("acc_1", order_id) for order_id in (left, bought, fresh)]
    assert [one is not None for one in found] == [False, True, True]
    assert shop.store.products.get("acc_1", "a").stock == 8
    check_books(shop)


def test_a_sweep_that_somebody_gets_in_the_way_of_looks_again(shop: MemoryWired) -> None:
    order_id = place(shop)
    for step in FORWARD[:2]:
        step(job_of(order_id), shop=shop)
    as_of = shop.clock.advance(seconds=RESERVED_FOR.total_seconds())

    def workflow_is_faster() -> None:
        steps.release_inventory(job_of(order_id, "ReservationExpired"), shop=shop)

    late = Interrupting(shop, 1, after=True, happens=workflow_is_faster)

    assert release_expired(as_of, reservations=late.reservations) == 0
    assert late.happened_at == "reservations.find"
    check_books(shop)


def test_what_is_paid_for_before_the_sweep_gets_to_it_is_not_released(shop: MemoryWired) -> None:
    """An index is a moment late, and two clocks are never one."""
    order_id = place(shop)
    for step in FORWARD[:2]:
        step(job_of(order_id), shop=shop)

    def is_paid() -> None:
        steps.process_payment(job_of(order_id), shop=shop)

    late = Interrupting(shop, 1, after=False, happens=is_paid)
    assert release_expired(shop.clock.now() + RESERVED_FOR, reservations=late.reservations) == 0

    assert late.happened_at == "reservations.find"
    assert kept(shop, order_id).payment_status is PaymentStatus.CAPTURED
    assert shop.store.products.get("acc_1", "a").stock == 7
    check_books(shop)


class FailsFor:
    """Reservations of which those of some orders cannot be given back."""

    def __init__(self, shop: MemoryWired, errors: dict[str, Exception]) -> None:
        self._reservations = shop.store.reservations
        self._errors = errors

    def release(self, reservation: Reservation, *arguments: Any, **more: Any) -> None:
        if reservation.order_id in self._errors:
            raise self._errors[reservation.order_id]
        self._reservations.release(reservation, *arguments, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reservations, name)


@pytest.mark.parametrize("error", [Unavailable(), Contended(), ValueError("broken")])
@pytest.mark.parametrize("place_of_it", range(3))
def test_one_that_cannot_be_given_back_stops_no_other_and_is_told(
    shop: MemoryWired, caplog: pytest.LogCaptureFixture, place_of_it: int, error: Exception
) -> None:
    order_ids = [place(shop, ("a", 1)) for _ in range(3)]
    for order_id in order_ids:
        for step in FORWARD[:2]:
            step(job_of(order_id), shop=shop)
        shop.clock.advance(minutes=1)
    as_of = shop.clock.advance(hours=1)
    stuck = order_ids[place_of_it]

    with pytest.raises(Unavailable) as told:
        release_expired(as_of, reservations=FailsFor(shop, {stuck: error}))

    assert told.value.__cause__ is error
    assert [shop.store.reservations.find("acc_1", order_id) is None for order_id in order_ids] == [
        order_id != stuck for order_id in order_ids
    ]
    assert [stuck in record.getMessage() for record in caplog.records] == [True]
    assert release_expired(as_of, reservations=shop.store.reservations) == 1, "the next run does the rest"
    check_books(shop)


# What cannot be undone


@pytest.mark.parametrize("way", ["not served", "no answer of the gateway"])
def test_a_refund_that_keeps_failing_comes_before_a_person_and_is_not_shown_as_refunded(shop: MemoryWired, way: str) -> None:
    order_id = place(shop, **details_of(way))
    shop.payments.undo_failures = [PaymentGatewayError()] * 4

    execution = work_off(shop, order_id)

    order = kept(shop, order_id)
    assert execution.ended_well is False
    assert (order.status, order.workflow_status) == (OrderStatus.FAILED, WorkflowStatus.COMPENSATION_FAILED)
    assert order.payment_status is (PaymentStatus.CAPTURED if way == "not served" else PaymentStatus.NOT_PAID)
    assert shop.attention.asked == [(order_id, "RefundPayment")]
    assert history(order)[-4:] == [
        "RefundPayment failed",
        "ReleaseInventory done",
        "NotifyCustomer done",
        "CompensationFailed failed",
    ]
    assert [shop.store.products.get("acc_1", name).stock for name in STOCK] == list(STOCK.values()), "stock is not held up"
    check_books(shop)


def test_the_money_goes_back_though_the_carrier_is_silent_and_what_may_have_left_is_not_in_stock(shop: MemoryWired) -> None:
    order_id = place(shop, shipping_address=NOBODY_LIVES_THERE)

    execution = work_off(_With(shop, carrier=Silent(shop)), order_id)

    order = kept(shop, order_id)
    assert visited(execution)[-6:] == [
        "VoidShipment",
        "RefundPayment",
        "ReleaseInventory",
        "NotifyShippingFailed",
        "OrderFailed",
        "CompensationFailed",
    ]
    assert (order.workflow_status, order.payment_status) == (WorkflowStatus.COMPENSATION_FAILED, PaymentStatus.REFUNDED)
    assert order.fulfillment_status is FulfillmentStatus.NOT_FULFILLED
    assert [f"{entry.step} {entry.detail}" for entry in order.history if entry.outcome == "failed"] == [
        "CreateShipment shipping_failed",
        "VoidShipment unavailable",
        "ReleaseInventory not_undone",
        "CompensationFailed VoidShipment, ReleaseInventory",
    ]
    assert shop.attention.asked == [(order_id, "VoidShipment, ReleaseInventory")]
    assert [shop.store.products.get("acc_1", name).stock for name in STOCK] == [7, 2]
    check_books(shop)

    assert settled(shop, order_id) == ["VoidShipment done", "RefundPayment done", "ReleaseInventory done", "OrderFailed done"]
    assert [shop.store.products.get("acc_1", name).stock for name in STOCK] == list(STOCK.values())
    check_books(shop)


class Silent:
    """A carrier that takes nothing and calls nothing back."""

    def __init__(self, shop: MemoryWired) -> None:
        self._shop = shop

    def ship(self, *arguments: Any) -> Any:
        return self._shop.carrier.ship(*arguments)

    def void(self, _key: str) -> None:
        raise Unavailable


def test_nothing_stops_the_way_back(shop: MemoryWired) -> None:
    """Neither the carrier nor the processor answers, and nobody can be told."""
    order_id = place(shop, shipping_address=NOBODY_LIVES_THERE)
    shop.payments.undo_failures = [PaymentGatewayError()] * 4
    shop.customers.failures = [Unavailable()] * 5

    work_off(_With(shop, carrier=Silent(shop)), order_id)

    order = kept(shop, order_id)
    assert shop.attention.asked == [(order_id, "VoidShipment, RefundPayment, ReleaseInventory")]
    assert [entry.step for entry in order.history if entry.outcome == "failed"] == [
        "CreateShipment",
        "VoidShipment",
        "RefundPayment",
        "ReleaseInventory",
        "NotifyCustomer",
        "CompensationFailed",
    ]
    check_books(shop)


def test_units_that_could_not_be_given_back_go_back_as_the_order_ends(shop: MemoryWired) -> None:
    order_id = place(shop, payment_method="declined")
    faltering = _With(shop, reservations=Failing(shop.store.reservations, "release", times=4))

    assert work_off(faltering, order_id).ended_well

    assert history(kept(shop, order_id))[-3:] == ["ReleaseInventory failed", "NotifyCustomer done", "OrderFailed done"]
    assert shop.attention.asked == []
    check_books(shop)


class Failing:
    def __init__(self, port: Any, method: str, *, times: int) -> None:
        self._port = port
        self._method = method
        self._left = times

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._left:
            self._left -= 1
            raise Unavailable
        return getattr(self._port, name)


def test_what_is_canceled_and_cannot_be_undone_is_canceled(shop: MemoryWired) -> None:
    order_id = place(shop)
    execution = Execution(job_of(order_id))
    for _ in range(3):
        execution.step(shop)
    orders.cancel(CALLER, order_id, desk=shop)
    shop.payments.undo_failures = [PaymentGatewayError()] * 4

    assert execution.run(shop).ended_well is False

    order = kept(shop, order_id)
    assert (order.status, order.workflow_status) == (OrderStatus.CANCELED, WorkflowStatus.COMPENSATION_FAILED)
    assert settled(shop, order_id)[-1] == "OrderFailed done"
    assert (kept(shop, order_id).status, kept(shop, order_id).payment_status) == (OrderStatus.CANCELED, PaymentStatus.REFUNDED)
    check_books(shop)


def test_what_is_settled_in_vain_stays_before_the_person_who_knows_of_it(shop: MemoryWired) -> None:
    order_id = place(shop, shipping_address=NOBODY_LIVES_THERE)
    shop.payments.undo_failures = [PaymentGatewayError()] * 5
    work_off(shop, order_id)
    before = kept(shop, order_id)

    said = settled(shop, order_id)

    assert said == ["VoidShipment done", "RefundPayment PaymentGatewayError", "ReleaseInventory done", "OrderFailed NotUndone"]
    assert kept(shop, order_id) == before, "its history does not grow by trying"
    assert settled(shop, order_id)[1:] == ["RefundPayment done", "ReleaseInventory done", "OrderFailed done"]
    assert len(shop.attention.asked) == 1
    check_books(shop)


def test_what_is_shipped_and_paid_is_not_called_failed_because_its_end_cannot_be_noted(shop: MemoryWired) -> None:
    order_id = place(shop)
    execution = Execution(job_of(order_id))
    while execution.state != "OrderConfirmed":
        execution.step(shop)

    execution.run(_With(shop, orders=Failing(shop.store.orders, "save", times=7)))

    order = kept(shop, order_id)
    assert execution.states[-2:] == ("OrderConfirmed", "NotConfirmed")
    assert (order.status, order.workflow_status) == (OrderStatus.PENDING, WorkflowStatus.RUNNING)
    assert (order.payment_status, order.fulfillment_status) == (PaymentStatus.CAPTURED, FulfillmentStatus.SHIPPED)
    assert settled(shop, order_id) == ["OrderConfirmed done"]
    assert kept(shop, order_id).status is OrderStatus.CONFIRMED
    check_books(shop)


# What has no workflow


def test_an_order_whose_workflow_never_began_gets_it_at_night(shop: MemoryWired) -> None:
    order_id, held = place(shop), place(shop, hold=True)
    as_of = shop.clock.advance(seconds=QUIET_FOR.total_seconds())
    fresh = place(shop)

    assert look_after_orders(as_of, desk=shop) == 1

    assert shop.order_workflow.started == [("acc_1", order_id)]
    assert {kept(shop, one).status for one in (order_id, fresh, held)} == {OrderStatus.PENDING}
    assert shop.attention.asked == []


def test_an_order_that_was_held_for_long_is_left_to_the_workflow_that_was_started_just_now(shop: MemoryWired) -> None:
    order_id = place(shop, hold=True)
    as_of = shop.clock.advance(hours=12)
    orders.submit(CALLER, order_id, desk=shop)

    assert look_after_orders(as_of, desk=shop) == 0
    assert shop.order_workflow.started == []


@pytest.mark.parametrize("done", range(7))
def test_an_order_whose_workflow_has_ended_without_it_is_confirmed_or_comes_before_a_person_once(
    shop: MemoryWired, done: int
) -> None:
    order_id = place(shop)
    for step in FORWARD[:done]:
        step(job_of(order_id), shop=shop)
    shop.order_workflow.ended.add(order_id)
    as_of = shop.clock.advance(hours=12)

    assert [look_after_orders(as_of, desk=shop) for _ in range(2)] == [done < 6, False]

    order = kept(shop, order_id)
    if done >= 4:
        assert (order.status, shop.attention.asked) == (OrderStatus.CONFIRMED, [])
    else:
        assert (order.status, order.workflow_status) == (OrderStatus.FAILED, WorkflowStatus.COMPENSATION_FAILED)
        assert len(shop.attention.asked) == 1
        assert settled(shop, order_id)[-1] == "OrderFailed done"
        assert kept(shop, order_id).settled
    check_books(shop)


def test_a_payment_that_was_captured_and_not_noted_when_the_workflow_was_stopped_is_told_of_and_given_back(
    shop: MemoryWired,
) -> None:
    order_id = place(shop)
    for step in FORWARD[:2]:
        step(job_of(order_id), shop=shop)
    with pytest.raises(Unavailable):
        FORWARD[2](job_of(order_id), shop=_With(shop, reservations=Failing(shop.store.reservations, "keep", times=1)))
    shop.order_workflow.ended.add(order_id)

    look_after_orders(shop.clock.advance(hours=12), desk=shop)

    order = kept(shop, order_id)
    assert order.payment_status is PaymentStatus.NOT_PAID, "what it was: nobody has asked the processor"
    assert (order.not_undone, shop.attention.asked) == (("RefundPayment",), [(order_id, "RefundPayment")])
    assert set(settled(shop, order_id)) == {f"{step} done" for step in (*UNDOING, "OrderFailed")}
    assert kept(shop, order_id).payment_status is PaymentStatus.REFUNDED
    assert [what for what, _, _ in shop.payments.moved] == ["capture", "refund"]
    check_books(shop)


def test_what_was_given_up_is_asked_for_every_week_until_it_is_settled(shop: MemoryWired) -> None:
    order_id = place(shop, shipping_address=NOBODY_LIVES_THERE)
    shop.payments.undo_failures = [PaymentGatewayError()] * 4
    work_off(shop, order_id)
    once = [(order_id, "RefundPayment")]
    before = history(kept(shop, order_id))

    asked = []
    for _ in range(15):
        look_after_orders(shop.clock.advance(days=1), desk=shop)
        asked.append(len(shop.attention.asked))

    assert asked == [1] * 6 + [2] * 7 + [3] * 2
    assert (shop.attention.asked, history(kept(shop, order_id))) == (once * 3, before)
    assert settled(shop, order_id)[-1] == "OrderFailed done"
    look_after_orders(shop.clock.advance(days=30), desk=shop)
    assert shop.attention.asked == once * 3
    check_books(shop)


def test_who_could_not_be_asked_is_asked_the_next_night(shop: MemoryWired) -> None:
    order_id = place(shop, shipping_address=NOBODY_LIVES_THERE)
    shop.payments.undo_failures = [PaymentGatewayError()] * 4
    work_off(shop, order_id)
    shop.attention.failures = [Unavailable()]

    with pytest.raises(Unavailable):
        look_after_orders(shop.clock.advance(days=7), desk=shop)
    assert len(shop.attention.asked) == 1
    assert look_after_orders(shop.clock.advance(days=1), desk=shop) == 1
    assert len(shop.attention.asked) == 2


@pytest.mark.parametrize("method", ["declined", "insufficient_funds"])
@pytest.mark.parametrize("comes", ["at once", "at the end"])
def test_a_capture_that_comes_after_the_processor_said_no_takes_nothing(shop: MemoryWired, method: str, comes: str) -> None:
    order_id = place(shop, payment_method=method)
    execution = Execution(job_of(order_id))
    key = StepKey("acc_1", order_id, "ProcessPayment")
    while execution.state != "RefundPayment":
        execution.step(shop)
    if comes == "at once":
        shop.payments.capture(key, kept(shop, order_id).total_amount, "EUR", "card")
    execution.run(shop)

    with pytest.raises(PaymentDeclined):
        shop.payments.capture(key, kept(shop, order_id).total_amount, "EUR", "card")

    order = kept(shop, order_id)
    assert (order.status, order.workflow_status) == (OrderStatus.FAILED, WorkflowStatus.COMPENSATED)
    assert [what for what, _, _ in shop.payments.moved] == (["capture", "refund"] if comes == "at once" else [])
    assert order.payment_status is (PaymentStatus.REFUNDED if comes == "at once" else PaymentStatus.FAILED)
    check_books(shop)


def test_one_order_that_cannot_be_taken_up_stops_none_of_the_others_and_is_told_of(shop: MemoryWired) -> None:
    order_ids = [place(shop, ("a", 1)) for _ in range(3)]
    shop.order_workflow.failures = [None, Unavailable()]

    with pytest.raises(Unavailable):
        look_after_orders(shop.clock.advance(hours=2), desk=shop)

    assert [order_id for _, order_id in shop.order_workflow.started] == [order_ids[0], order_ids[2]]


def test_a_refund_that_fails_three_times_and_then_not_is_a_refund(shop: MemoryWired) -> None:
    order_id = place(shop, shipping_address=NOBODY_LIVES_THERE)
    shop.payments.undo_failures = [PaymentGatewayError()] * 3

    assert work_off(shop, order_id).ended_well

    assert kept(shop, order_id).payment_status is PaymentStatus.REFUNDED
    assert shop.attention.asked == []


def test_what_is_given_up_and_not_paid_is_swept_at_night(shop: MemoryWired) -> None:
    order_id = place(shop, payment_method="gateway_error")
    shop.payments.undo_failures = [PaymentGatewayError()] * 4
    work_off(_With(shop, reservations=Failing(shop.store.reservations, "release", times=4)), order_id)

    as_of = shop.clock.advance(hours=12)
    assert release_expired(as_of, reservations=shop.store.reservations) == 1

    assert [shop.store.products.get("acc_1", name).stock for name in STOCK] == list(STOCK.values())


# Telling


def test_no_order_is_lost_for_a_mail(shop: MemoryWired) -> None:
    good, bad = place(shop, ("a", 1)), place(shop, ("a", 1), payment_method="declined")
    shop.customers.failures = [Unavailable()] * 10

    assert work_off(shop, good).ended_well
    assert work_off(shop, bad).ended_well

    assert [kept(shop, order_id).status for order_id in (good, bad)] == [OrderStatus.CONFIRMED, OrderStatus.FAILED]
    assert shop.customers.told == []
    assert history(kept(shop, good))[-2:] == ["SendConfirmation failed", "OrderConfirmed done"]
    assert history(kept(shop, bad))[-2:] == ["NotifyCustomer failed", "OrderFailed done"]
    check_books(shop)


def test_from_when_a_customer_is_told_of_a_failure_nothing_goes_well_any_more(shop: MemoryWired) -> None:
    order_id = place(shop, ("b", 3))
    steps.validate_order(job_of(order_id), shop=shop)
    steps.notify_customer(job_of(order_id, "OutOfStock"), "out_of_stock", shop=shop)

    with pytest.raises(OutOfTurn):
        steps.reserve_inventory(job_of(order_id), shop=shop)
    with pytest.raises(OrderNotCancelable):
        orders.cancel(CALLER, order_id, desk=shop)


# Canceling


def test_what_is_held_is_canceled_at_once_and_its_workflow_never_begins(shop: MemoryWired) -> None:
    order_id = place(shop, hold=True)

    order = orders.cancel(CALLER, order_id, desk=shop)

    assert (order.status, order.workflow_status, order.fulfillment_status) == (
        OrderStatus.CANCELED,
        WorkflowStatus.COMPENSATED,
        FulfillmentStatus.CANCELED,
    )
    assert orders.cancel(CALLER, order_id, desk=shop) == order
    check_books(shop)


@pytest.mark.parametrize("done", range(6))
def test_what_is_canceled_between_two_steps_ends_canceled_or_is_refused_once_it_is_shipped(
    shop: MemoryWired, done: int
) -> None:
    order_id = place(shop)
    execution = Execution(job_of(order_id))
    for _ in range(done):
        execution.step(shop)

    if done < 4:
        asked = orders.cancel(CALLER, order_id, desk=shop)
        assert (asked.status, asked.cancel_requested) == (OrderStatus.PENDING, True)
        assert orders.cancel(CALLER, order_id, desk=shop) == asked
    else:
        with pytest.raises(OrderNotCancelable):
            orders.cancel(CALLER, order_id, desk=shop)
    assert execution.run(shop).ended_well

    order = kept(shop, order_id)
    assert order.status is (OrderStatus.CANCELED if done < 4 else OrderStatus.CONFIRMED)
    if done < 4:
        assert order.failure == "canceled"
        assert order.payment_status is (PaymentStatus.REFUNDED if done == 3 else PaymentStatus.NOT_PAID)
        assert shop.customers.told == []
    check_books(shop)
