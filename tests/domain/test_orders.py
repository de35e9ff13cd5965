from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.errors import (
    CancelRequested,
    Invalid,
    NotFound,
    NotUndone,
    OrderInProgress,
    OrderNotCancelable,
    OutOfTurn,
    TotalMismatch,
    ValidationError,
)
from chalicelib.domain.orders import (
    FORWARD,
    MAX_PRODUCTS,
    MAX_QUANTITY,
    RESERVED_FOR,
    Order,
    OrderStatus,
    PaymentStatus,
    Receipt,
    Step,
    WorkflowStatus,
    begin_shipping,
    cancel_order,
    check_not_on_its_way,
    check_turn,
    check_valid,
    compensating,
    confirmed,
    edit_order,
    failed,
    given_up,
    noted,
    paid,
    passed_over,
    place_order,
    refunded,
    reserve,
    submit_order,
    voided,
)
from chalicelib.domain.products import Product
from tests.builders import NOW, a_product, an_order, order_details

LATER = NOW + timedelta(minutes=1)
RECEIPT = Receipt(payment_id="pay_1")
PRICES = {"a": "2.555", "b": "0.005", "c": "1E+2", "d": "0"}
PRODUCTS = {name: a_product(name, price=Decimal(price)) for name, price in PRICES.items()}
lines = some.lists(some.tuples(some.sampled_from("abcd"), some.integers(1, 1_000_000)), min_size=1, max_size=50)


def placed(*items: tuple[str, int], hold: bool = False) -> Order:
    return place_order(order_details(*items), PRODUCTS, account_id="acc_1", order_id="ord_1", hold=hold, now=NOW)


def after(*steps: Step) -> Order:
    order = an_order()
    for step in steps:
        order = paid(order, RECEIPT, now=NOW) if step == "ProcessPayment" else noted(order, step, now=NOW)
    return order


def ended() -> list[Order]:
    return [
        confirmed(after(*FORWARD[:5]), now=NOW),
        failed(compensating(after(), "out_of_stock", now=NOW), now=NOW),
        given_up(after(), "Unavailable", now=NOW),
    ]


# Placing


@given(lines)
def test_an_order_is_what_its_lines_come_to_each_rounded_once(items: list[tuple[str, int]]) -> None:
    order = placed(*items)

    cents = [int(Decimal(PRICES[name]) * 1000) * units for name, units in items]
    assert [item.amount for item in order.items] == [Decimal((10 * c + 50) // 100).scaleb(-2) for c in cents]
    assert order.total_amount == sum(item.amount for item in order.items)
    assert [(item.product_id, item.quantity) for item in order.items] == items
    assert {name: order.quantities.get(name, 0) for name in "abcd"} == {
        name: sum(units for one, units in items if one == name) for name in "abcd"
    }
    assert (order.version, [entry.step for entry in order.history]) == (1, ["PlaceOrder"])


@pytest.mark.parametrize(
    ("price", "items", "total"),
    [
        ("0.004", [("e", 1)] * 50, "0.00"),
        ("0.004", [("e", 50)], "0.20"),
        ("0.005", [("e", 1)] * 50, "0.50"),
        ("0.005", [("e", 50)], "0.25"),
    ],
)
def test_the_total_is_of_the_lines_as_they_are_printed_however_tiny_they_are(
    price: str, items: list[tuple[str, int]], total: str
) -> None:
    """Whoever adds up what is printed comes to what is charged; the exact sum would be another one."""
    products = {"e": a_product("e", price=Decimal(price))}

    order = place_order(order_details(*items), products, account_id="acc_1", order_id="ord_1", hold=False, now=NOW)

    assert str(order.total_amount) == total
    assert order.total_amount == sum(item.amount for item in order.items)


@given(lines, some.sampled_from([Decimal("0.01"), Decimal("-0.01"), Decimal(1), Decimal("0.001")]))
def test_a_total_that_is_sent_must_be_the_one_that_comes_out(items: list[tuple[str, int]], off: Decimal) -> None:
    total = placed(*items).total_amount
    right, wrong = (order_details(*items, total_amount=amount) for amount in (total, total + off))

    def place(details: object) -> Order:
        return place_order(details, PRODUCTS, account_id="acc_1", order_id="ord_1", hold=False, now=NOW)  # type: ignore[arg-type]

    assert place(right).total_amount == total
    with pytest.raises(TotalMismatch):
        place(wrong)


def test_what_is_not_sold_cannot_be_ordered() -> None:
    with pytest.raises(NotFound):
        placed(("a", 1), ("gone", 1))


def test_an_order_is_of_so_many_products_in_any_number_of_lines() -> None:
    names = [f"p{number}" for number in range(MAX_PRODUCTS + 1)]
    products = {name: a_product(name) for name in names}

    def place(*items: tuple[str, int]) -> Order:
        return place_order(order_details(*items), products, account_id="acc_1", order_id="ord_1", hold=True, now=NOW)

    order = place(*((name, 1) for name in [*names[:MAX_PRODUCTS], *names[:2]]))
    assert len(order.quantities) == MAX_PRODUCTS
    too_many = [(name, 1) for name in names]
    with pytest.raises(Invalid) as refused:
        place(*too_many)
    with pytest.raises(Invalid):
        edit_order(order, order_details(*too_many), products, now=LATER)

    assert [error.pointer for error in refused.value.errors] == ["/items"]


def test_an_order_has_one_currency() -> None:
    products = {"a": a_product("a"), "y": a_product("y", currency="JPY")}
    with pytest.raises(Invalid):
        place_order(order_details(("a", 1), ("y", 1)), products, account_id="acc_1", order_id="ord_1", hold=False, now=NOW)


# What people do with it


def test_an_order_that_is_held_is_edited_at_todays_prices_and_submitted_once() -> None:
    held = placed(("a", 1), hold=True)
    dearer = {"b": a_product("b", price=Decimal("9.99"))}

    edited = edit_order(held, order_details(("b", 2)), dearer, now=LATER)
    running = submit_order(edited, now=LATER)

    assert [entry.step for entry in running.history] == ["PlaceOrder", "EditOrder", "SubmitOrder"]
    assert (edited.total_amount, edited.version, edited.workflow_status) == (Decimal("19.98"), 2, WorkflowStatus.HELD)
    assert (running.workflow_status, running.version) == (WorkflowStatus.RUNNING, 3)
    assert submit_order(running, now=LATER) is running
    with pytest.raises(OrderInProgress):
        edit_order(running, order_details(("b", 2)), dearer, now=LATER)


def test_every_edit_is_told_with_its_time_but_no_more_than_the_last_ten() -> None:
    order = placed(("a", 1), hold=True)
    for minute in range(1, 10_001):
        order = edit_order(order, order_details(("a", 2)), PRODUCTS, now=NOW + timedelta(minutes=minute))
        told = [(entry.step, entry.outcome, entry.at) for entry in order.history]
        last = range(max(1, minute - 9), minute + 1)
        assert told == [
            ("PlaceOrder", "done", NOW),
            *(("EditOrder", "done", NOW + timedelta(minutes=each)) for each in last),
        ]
    assert order.version == 10_001


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
def test_a_line_has_units_and_not_too_many(quantity: int) -> None:
    with pytest.raises(Invalid) as refused:
        placed(("a", MAX_QUANTITY), ("a", quantity))
    assert [error.pointer for error in refused.value.errors] == ["/items/1/quantity"]


@pytest.mark.parametrize("order", ended(), ids=lambda order: order.workflow_status)
def test_what_has_ended_is_neither_edited_nor_submitted_nor_canceled(order: Order) -> None:
    with pytest.raises(OrderInProgress):
        edit_order(order, order_details(), {"85123A": a_product()}, now=LATER)
    with pytest.raises(OrderInProgress):
        submit_order(order, now=LATER)
    with pytest.raises(OrderNotCancelable):
        cancel_order(order, now=LATER)


@pytest.mark.parametrize("order", [begin_shipping(after(*FORWARD[:3]), now=NOW), compensating(after(), "x", now=NOW)])
def test_what_is_shipped_or_goes_back_is_not_canceled(order: Order) -> None:
    with pytest.raises(OrderNotCancelable):
        cancel_order(order, now=LATER)


def test_an_order_is_canceled_once() -> None:
    for order in (an_order(), an_order(hold=True)):
        canceled = cancel_order(order, now=LATER)
        assert canceled.version == 2
        assert cancel_order(canceled, now=LATER) is canceled


# The turn of a step


@given(some.sets(some.sampled_from(FORWARD)), some.sampled_from(FORWARD))
def test_a_step_has_its_turn_once_all_before_it_is_done_but_for_the_mail(done: set[Step], step: Step) -> None:
    order = after(*(one for one in FORWARD if one in done))
    needed = {one for one in FORWARD[: FORWARD.index(step)] if one != "SendConfirmation"}

    if needed <= done:
        check_turn(order, step)
    else:
        with pytest.raises(OutOfTurn):
            check_turn(order, step)


@pytest.mark.parametrize("step", FORWARD)
@pytest.mark.parametrize("status", [one for one in WorkflowStatus if one is not WorkflowStatus.RUNNING])
def test_no_step_has_its_turn_before_the_workflow_runs_nor_after(step: Step, status: WorkflowStatus) -> None:
    with pytest.raises(OutOfTurn):
        check_turn(replace(after(*FORWARD), workflow_status=status), step)


@pytest.mark.parametrize("step", FORWARD)
def test_no_step_has_its_turn_once_somebody_has_canceled(step: Step) -> None:
    with pytest.raises(CancelRequested):
        check_turn(cancel_order(after(*FORWARD), now=NOW), step)


# Stock


@given(lines, some.sets(some.sampled_from("abcd")))
def test_a_reservation_is_of_what_is_counted(items: list[tuple[str, int]], counted: set[str]) -> None:
    order = placed(*items)
    products = {name: a_product(name, stock=0 if name in counted else None) for name in "abcd"}

    reservation = reserve(order, products, now=LATER)

    assert reservation.units == {name: units for name, units in order.quantities.items() if name in counted}
    assert reservation.reserved_until == LATER + RESERVED_FOR


def test_a_reservation_ends_to_the_second_unless_it_is_kept() -> None:
    reservation = reserve(placed(("a", 1)), PRODUCTS, now=NOW)
    ends = reservation.reserved_until

    assert [reservation.holds(at) for at in (ends - timedelta(seconds=1), ends)] == [True, False]
    assert replace(reservation, kept=True).holds(ends + timedelta(days=99))


@pytest.mark.parametrize("check", [check_valid, lambda order, products: reserve(order, products, now=NOW)])
def test_an_order_of_what_is_gone_cannot_be_fulfilled(check: Callable[[Order, dict[str, Product]], object]) -> None:
    with pytest.raises(ValidationError):
        check(placed(("a", 1), ("b", 1)), {"a": PRODUCTS["a"]})


# On the way back


@pytest.mark.parametrize(
    ("code", "payment"),
    [
        ("payment_declined", PaymentStatus.FAILED),
        ("insufficient_funds", PaymentStatus.FAILED),
        ("payment_gateway_error", PaymentStatus.NOT_PAID),
        ("unavailable", PaymentStatus.NOT_PAID),
        ("canceled", PaymentStatus.NOT_PAID),
        ("reservation_expired", PaymentStatus.NOT_PAID),
        ("out_of_turn", PaymentStatus.NOT_PAID),
    ],
)
def test_a_payment_has_failed_if_the_processor_said_no(code: str, payment: PaymentStatus) -> None:
    assert compensating(after(*FORWARD[:2]), code, now=LATER).payment_status is payment
    assert compensating(after(*FORWARD[:1]), code, now=LATER).payment_status is PaymentStatus.NOT_PAID
    assert compensating(after(*FORWARD[:3]), code, now=LATER).payment_status is PaymentStatus.CAPTURED


@pytest.mark.parametrize(
    ("code", "payment"),
    [
        ("payment_declined", PaymentStatus.FAILED),
        ("payment_gateway_error", PaymentStatus.FAILED),
        ("unavailable", PaymentStatus.FAILED),
        ("canceled", PaymentStatus.NOT_PAID),
        ("reservation_expired", PaymentStatus.NOT_PAID),
        ("out_of_turn", PaymentStatus.NOT_PAID),
    ],
)
def test_what_became_of_an_unclear_payment_is_said_once_it_is_undone(code: str, payment: PaymentStatus) -> None:
    back = compensating(after(*FORWARD[:2]), code, now=LATER)

    assert refunded(back, None, now=LATER).payment_status is payment
    assert refunded(back, RECEIPT, now=LATER).payment_status is PaymentStatus.REFUNDED


@pytest.mark.parametrize(("done", "left"), [(1, ()), (2, ("RefundPayment",)), (3, ("RefundPayment",))])
def test_a_payment_that_may_have_been_begun_is_not_undone_until_the_processor_says_so(done: int, left: tuple[str, ...]) -> None:
    back = compensating(after(*FORWARD[:done]), "unavailable", now=LATER)

    assert back.not_undone == left
    assert refunded(back, RECEIPT, now=LATER).not_undone == ()
    refused = compensating(after(*FORWARD[:2]), "payment_declined", now=LATER)
    assert refused.not_undone == ()


@given(some.integers(0, 6), some.lists(some.text(max_size=5), min_size=1, max_size=3))
def test_the_first_failure_counts_and_names_the_step_that_was_not_done(done: int, codes: list[str]) -> None:
    order = after(*FORWARD[:done])
    for code in codes:
        order = compensating(order, code, now=LATER)

    (failure,) = [entry for entry in order.history if entry.outcome == "failed"]
    assert (failure.step, failure.detail, order.failure) == (FORWARD[min(done, 5)], codes[0], codes[0])


@given(some.integers(0, 5), some.booleans())
def test_an_order_fails_only_if_it_is_not_paid_any_more(done: int, canceled: bool) -> None:
    order = replace(compensating(after(*FORWARD[:done]), "x", now=LATER), cancel_requested=canceled)
    if order.payment_status is PaymentStatus.CAPTURED:
        with pytest.raises(NotUndone):
            failed(order, now=LATER)

    end = failed(refunded(order, RECEIPT if done >= 3 else None, now=LATER), now=LATER)

    assert end.status is (OrderStatus.CANCELED if canceled else OrderStatus.FAILED)
    assert end.payment_status is not PaymentStatus.CAPTURED
    assert (end.payment_status is PaymentStatus.REFUNDED) == (done >= 3)


def test_what_may_be_on_its_way_to_the_customer_has_not_failed_and_is_not_in_stock() -> None:
    begun = begin_shipping(compensating(after(*FORWARD[:3]), "shipping_failed", now=LATER), now=LATER)
    unpaid = refunded(begun, RECEIPT, now=LATER)

    with pytest.raises(NotUndone):
        failed(unpaid, now=LATER)
    with pytest.raises(NotUndone):
        check_not_on_its_way(unpaid)

    called_back = voided(unpaid, now=LATER)
    check_not_on_its_way(called_back)
    assert failed(called_back, now=LATER).settled


def test_an_order_knows_what_of_it_is_not_undone_in_the_order_of_the_way_back() -> None:
    back = compensating(after(*FORWARD[:2]), "payment_gateway_error", now=LATER)
    assert back.not_undone == ("RefundPayment",), "nobody knows"

    lost = passed_over(back, {"ReleaseInventory": "unavailable", "RefundPayment": "payment_gateway_error"}, now=LATER)
    assert lost.not_undone == ("RefundPayment", "ReleaseInventory")
    assert passed_over(lost, {"RefundPayment": "unavailable"}, now=LATER) is lost, "once is enough"
    with pytest.raises(NotUndone):
        failed(lost, now=LATER)

    assert failed(refunded(lost, None, now=LATER), now=LATER).settled, "its units go back with that"
    assert begin_shipping(after(*FORWARD[:3]), now=LATER).not_undone == ("VoidShipment", "RefundPayment", "ReleaseInventory")


def test_what_is_passed_over_is_one_version_however_much_it_is() -> None:
    order = compensating(after(*FORWARD[:2]), "x", now=LATER)

    lost = passed_over(order, {"RefundPayment": "a", "NotifyCustomer": "b"}, now=LATER)

    assert lost.version == order.version + 1
    assert [(entry.step, entry.outcome, entry.detail) for entry in lost.history[-2:]] == [
        ("RefundPayment", "failed", "a"),
        ("NotifyCustomer", "failed", "b"),
    ]


@given(some.integers(0, 6), some.booleans())
def test_what_is_given_up_says_what_it_is_and_is_left_to_a_person(done: int, canceled: bool) -> None:
    order = replace(after(*FORWARD[:done]), cancel_requested=canceled)

    stuck = given_up(order, "RefundPayment", now=LATER)

    assert stuck.status is (OrderStatus.CANCELED if canceled else OrderStatus.FAILED)
    assert (stuck.payment_status, stuck.fulfillment_status) == (order.payment_status, order.fulfillment_status)
    assert (stuck.ended, stuck.settled, stuck.under_way) == (True, False, False)
