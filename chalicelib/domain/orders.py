"""Orders: what was ordered at which price, and how far its workflow has brought it.

A step of the workflow is a change from one state of the order to the next, noted in its history. Steps may run twice, late, or
never get their answer: what a step has noted already it does not do again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from chalicelib.domain.errors import (
    CancelRequested,
    FieldError,
    InsufficientFunds,
    Invalid,
    NotFound,
    NotUndone,
    OrderInProgress,
    OrderNotCancelable,
    OutOfTurn,
    PaymentDeclined,
    ReservationExpired,
    TotalMismatch,
    ValidationError,
)
from chalicelib.domain.identifiers import derived_id
from chalicelib.domain.money import exact_sum, quantity_amount
from chalicelib.domain.products import Product, StockChange
from chalicelib.domain.statuses import FulfillmentStatus as FulfillmentStatus
from chalicelib.domain.statuses import OrderStatus as OrderStatus
from chalicelib.domain.statuses import PaymentStatus as PaymentStatus
from chalicelib.domain.statuses import WorkflowStatus as WorkflowStatus

MAX_LINES = 50
MAX_PRODUCTS = 48
"""Of one order. Each is two items of a transaction, its stock and the entry in its journal, and there are the order and its
reservation; a transaction takes 99, and the note of a request's key.
"""
MAX_QUANTITY = 1_000_000
"""Units of one line."""
MAX_EDITS_TOLD = 10
"""The last ones: however often an order is edited, it stays one item of DynamoDB, which has 400 KB."""
RESERVED_FOR = timedelta(minutes=15)
"""Longer than all that may happen between reserving and paying, retries too."""
QUIET_FOR = timedelta(hours=1)
"""Longer than a workflow that goes on leaves its order alone."""
ASKED_AGAIN_AFTER = timedelta(days=7)
"""How long a person has to see to an order that was given up, before the next is asked for. Sooner than what asks expires."""
TAKEN = "reserved for an order"
GIVEN_BACK = "given back by an order"

Step = Literal[
    "PlaceOrder",
    "EditOrder",
    "SubmitOrder",
    "CancelOrder",
    "ValidateOrder",
    "ReserveInventory",
    "ProcessPayment",
    "CreateShipment",
    "SendConfirmation",
    "OrderConfirmed",
    "VoidShipment",
    "RefundPayment",
    "ReleaseInventory",
    "NotifyCustomer",
    "OrderFailed",
    "CompensationFailed",
]
"""What people do with an order, then the states of the workflow."""
FORWARD: tuple[Step, ...] = (
    "ValidateOrder",
    "ReserveInventory",
    "ProcessPayment",
    "CreateShipment",
    "SendConfirmation",
    "OrderConfirmed",
)
UNDOING: tuple[Step, ...] = ("VoidShipment", "RefundPayment", "ReleaseInventory")
"""The way back. Each is tried, whatever became of those before it."""
_NEEDED = frozenset(FORWARD) - {"SendConfirmation"}
"""Before what comes after them: no order is lost for a mail."""
_NOT_OF_THE_PAYMENT = frozenset({CancelRequested.code, ReservationExpired.code, OutOfTurn.code})
"""What may end the step that pays, and says nothing of the payment."""
_REFUSED = frozenset({PaymentDeclined.code, InsufficientFunds.code})
"""What the processor says no with. All else is no clear answer: it may have captured the payment."""
News = Literal["order_confirmed", "payment_failed", "out_of_stock", "shipping_failed", "validation_failed"]
"""What a customer is told."""


class StepKey(NamedTuple):
    """Under which a step asks others for what must happen once. Written, it is the order's id and the step."""

    account_id: str
    order_id: str
    step: Step

    def __str__(self) -> str:
        return f"{self.order_id}-{self.step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingAddress:
    name: str
    street: str
    city: str
    postal_code: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedItem:
    product_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetails:
    """What a customer asks for. A `total_amount` that is given must be the one that comes out."""

    customer_id: str
    items: tuple[WantedItem, ...]
    payment_method: str
    shipping_address: ShippingAddress | None = None
    total_amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    """A line, frozen: `amount` is `unit_price` x `quantity`, rounded once."""

    product_id: str
    name: str
    quantity: int
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """That a step was done, or failed and why."""

    step: Step
    outcome: Literal["done", "failed"]
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The payment processor's own id for a payment that was captured."""

    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    carrier: str
    tracking_number: str
    estimated_delivery: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`customer_id` is the shop's own reference. `failure` is the code of what made it fail, as customers may be shown it.

    `cancel_requested`: no step that goes on may begin. `shipping_begun`: the carrier may have it, and nobody can cancel it.
    """

    account_id: str
    id: str
    customer_id: str
    items: tuple[OrderItem, ...]
    total_amount: Decimal
    currency: str
    payment_method: str
    shipping_address: ShippingAddress | None = None
    status: OrderStatus = OrderStatus.PENDING
    payment_status: PaymentStatus = PaymentStatus.NOT_PAID
    fulfillment_status: FulfillmentStatus = FulfillmentStatus.NOT_FULFILLED
    workflow_status: WorkflowStatus = WorkflowStatus.RUNNING
    cancel_requested: bool = False
    shipping_begun: bool = False
    failure: str | None = None
    payment_id: str | None = None
    shipment: Shipment | None = None
    history: tuple[HistoryEntry, ...] = ()
    version: int = 1
    created_at: datetime
    updated_at: datetime

    def has_done(self, step: Step) -> bool:
        return any(entry.step == step and entry.outcome == "done" for entry in self.history)

    @property
    def quantities(self) -> Mapping[str, int]:
        """Units by product, the lines of one product summed."""
        summed: dict[str, int] = {}
        for item in self.items:
            summed[item.product_id] = summed.get(item.product_id, 0) + item.quantity
        return summed

    @property
    def ended(self) -> bool:
        return self.status is not OrderStatus.PENDING

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done for it, by a workflow or by a person."""
        return self.workflow_status in (WorkflowStatus.DONE, WorkflowStatus.COMPENSATED)

    @property
    def under_way(self) -> bool:
        """Whether its workflow has still to bring it to an end."""
        return self.workflow_status in (WorkflowStatus.RUNNING, WorkflowStatus.COMPENSATING)

    @property
    def only_to_be_confirmed(self) -> bool:
        """Whether it is paid and shipped, and goes well: nobody takes it back any more."""
        return self.workflow_status is WorkflowStatus.RUNNING and self.has_done("CreateShipment")

    @property
    def may_be_on_its_way(self) -> bool:
        """Whether the carrier may have it: nobody knows, or nobody could call it back."""
        return self.shipping_begun and not self.has_done("VoidShipment")

    @property
    def may_be_paid(self) -> bool:
        """Whether the processor may have been asked for its payment, has not said no, and was not told to undo it."""
        unclear = self.payment_status in (PaymentStatus.NOT_PAID, PaymentStatus.CAPTURED)
        return unclear and self.has_done("ReserveInventory") and not self.has_done("RefundPayment")

    @property
    def left_open(self) -> set[Step]:
        """What of the way back is known to have still to be done."""
        left = {entry.step for entry in self.history if entry.outcome == "failed" and not self.has_done(entry.step)}
        if self.payment_status is PaymentStatus.CAPTURED:
            left.add("RefundPayment")
        if self.may_be_on_its_way:
            left |= {"VoidShipment", "ReleaseInventory"}
        return left & set(UNDOING)

    @property
    def not_undone(self) -> tuple[Step, ...]:
        """What has still to be done, and what may have to be, in the order of the way back."""
        left = self.left_open | ({"RefundPayment"} if self.may_be_paid else set())
        return tuple(step for step in UNDOING if step in left)

    @property
    def due_at(self) -> datetime | None:
        """When the night has to look after it next: while it is under way, and until it is settled if it was given up."""
        if self.under_way:
            return self.created_at + QUIET_FOR
        return self.updated_at + ASKED_AGAIN_AFTER if self.workflow_status is WorkflowStatus.COMPENSATION_FAILED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders a list shows; None means no matter."""

    customer_id: str | None = None
    status: OrderStatus | None = None
    workflow_status: WorkflowStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Units taken from stock for an order; of products whose stock is counted only.

    They go back to the very products that they were taken from, so `follows` has what these say of the ones that had their ids
    before. Once `kept`, when the order is paid, it no longer ends at `reserved_until`.
    """

    account_id: str
    order_id: str
    units: Mapping[str, int]
    follows: Mapping[str, int] = field(default_factory=dict)
    reserved_until: datetime
    kept: bool = False

    def is_from(self, product_id: str, follows: int | None) -> bool:
        """Whether it has taken from that product, and not from another that had its id."""
        return product_id in self.units and self.follows.get(product_id) == follows

    def holds(self, now: datetime) -> bool:
        return self.kept or now < self.reserved_until


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderJob:
    """What the workflow hands to a step.

    On the way back `error` is the class of what the order goes back for. `failures` are the steps that were passed over because
    they could not be done, however often they were tried, each with the class of its last error.
    """

    account_id: str
    order_id: str
    error: str = ""
    failures: Mapping[Step, str] = field(default_factory=dict)


# What people do


def place_order(
    details: OrderDetails, products: Mapping[str, Product], *, account_id: str, order_id: str, hold: bool, now: datetime
) -> Order:
    """With today's prices. Raises: NotFound of a product, Invalid, TotalMismatch."""
    _check_payment_method(details)
    items, currency = _lines(details.items, products)
    order = Order(
        account_id=account_id,
        id=order_id,
        customer_id=details.customer_id,
        items=items,
        total_amount=_total(items, details),
        currency=currency,
        payment_method=details.payment_method,
        shipping_address=details.shipping_address,
        workflow_status=WorkflowStatus.HELD if hold else WorkflowStatus.RUNNING,
        created_at=now,
        updated_at=now,
        version=0,
    )
    return noted(order, "PlaceOrder", now=now)


def edit_order(order: Order, details: OrderDetails, products: Mapping[str, Product], *, now: datetime) -> Order:
    """Raises: OrderInProgress unless it is held; as `place_order`."""
    _check_held(order)
    _check_payment_method(details)
    items, currency = _lines(details.items, products)
    edited = replace(
        order,
        customer_id=details.customer_id,
        items=items,
        total_amount=_total(items, details),
        currency=currency,
        payment_method=details.payment_method,
        shipping_address=details.shipping_address,
        history=_with_room_for_an_edit(order.history),
    )
    return noted(edited, "EditOrder", now=now)


def submit_order(order: Order, *, now: datetime) -> Order:
    """The same if it has been submitted already. Raises: OrderInProgress if it has ended."""
    if order.workflow_status is WorkflowStatus.RUNNING:
        return order
    _check_held(order)
    return noted(replace(order, workflow_status=WorkflowStatus.RUNNING), "SubmitOrder", now=now)


def cancel_order(order: Order, *, now: datetime) -> Order:
    """At once while it is held; else its workflow will see it. The same if that has been done already.

    Raises: OrderNotCancelable if the carrier may have it, or it has ended otherwise.
    """
    if order.cancel_requested or order.status is OrderStatus.CANCELED:
        return order
    if order.ended or order.shipping_begun or order.workflow_status is WorkflowStatus.COMPENSATING:
        raise OrderNotCancelable
    requested = replace(order, cancel_requested=True)
    if order.workflow_status is WorkflowStatus.HELD:
        requested = replace(
            requested,
            status=OrderStatus.CANCELED,
            fulfillment_status=FulfillmentStatus.CANCELED,
            workflow_status=WorkflowStatus.COMPENSATED,
        )
    return noted(requested, "CancelOrder", now=now)


# What the workflow does


def check_turn(order: Order, step: Step) -> None:
    """To be called before each step forward: a late one must do nothing any more. Raises: CancelRequested, OutOfTurn."""
    if order.cancel_requested:
        raise CancelRequested
    before = FORWARD[: FORWARD.index(step)]
    if order.workflow_status is not WorkflowStatus.RUNNING or any(one in _NEEDED and not order.has_done(one) for one in before):
        raise OutOfTurn


def check_valid(order: Order, products: Mapping[str, Product]) -> None:
    """Raises: ValidationError if it can no longer be fulfilled as it was placed."""
    gone = [product_id for product_id in order.quantities if product_id not in products]
    if gone:
        raise ValidationError(f"there is no product {gone[0]} any more")


def reserve(order: Order, products: Mapping[str, Product], *, now: datetime) -> Reservation:
    """What is to be taken from stock. Raises: ValidationError."""
    check_valid(order, products)
    counted = {name: units for name, units in order.quantities.items() if products[name].stock is not None}
    return Reservation(
        account_id=order.account_id,
        order_id=order.id,
        units=counted,
        follows={name: before for name in counted if (before := products[name].follows) is not None},
        reserved_until=now + RESERVED_FOR,
    )


def stock_change(reservation: Reservation, product_id: str, change: int, *, now: datetime) -> StockChange:
    """What the product's journal says of the units that are taken, or given back."""
    reason = TAKEN if change < 0 else GIVEN_BACK
    return StockChange(
        account_id=reservation.account_id,
        id=derived_id("stk", now, reservation.account_id, reservation.order_id, product_id, reason),
        product_id=product_id,
        order_id=reservation.order_id,
        change=change,
        reason=reason,
        created_at=now,
    )


def paid(order: Order, receipt: Receipt, *, now: datetime) -> Order:
    captured = replace(order, payment_status=PaymentStatus.CAPTURED, payment_id=receipt.payment_id)
    return noted(captured, "ProcessPayment", now=now)


def begin_shipping(order: Order, *, now: datetime) -> Order:
    return replace(order, shipping_begun=True, version=order.version + 1, updated_at=now)


def shipped(order: Order, shipment: Shipment, *, now: datetime) -> Order:
    there = replace(order, fulfillment_status=FulfillmentStatus.SHIPPED, shipment=shipment)
    return noted(there, "CreateShipment", now=now)


def confirmed(order: Order, *, now: datetime) -> Order:
    ended = replace(order, status=OrderStatus.CONFIRMED, workflow_status=WorkflowStatus.DONE)
    return noted(ended, "OrderConfirmed", now=now)


def compensating(order: Order, code: str, *, now: datetime) -> Order:
    """From here on it goes back, because of the first step that was not done; the first failure is what counts."""
    if order.workflow_status is WorkflowStatus.COMPENSATING:
        return order
    step = next((step for step in FORWARD if not order.has_done(step)), FORWARD[-1])
    refused = step == "ProcessPayment" and code in _REFUSED
    back = replace(
        order,
        workflow_status=WorkflowStatus.COMPENSATING,
        failure=code,
        payment_status=PaymentStatus.FAILED if refused else order.payment_status,
    )
    return noted(back, step, "failed", code, now=now)


def voided(order: Order, *, now: datetime) -> Order:
    return noted(replace(order, fulfillment_status=FulfillmentStatus.CANCELED), "VoidShipment", now=now)


def refunded(order: Order, receipt: Receipt | None, *, now: datetime) -> Order:
    """`receipt` is of the payment that was given back, None if nothing had been captured."""
    if receipt is None:
        failed_by_paying = any(
            entry.step == "ProcessPayment" and entry.outcome == "failed" and entry.detail not in _NOT_OF_THE_PAYMENT
            for entry in order.history
        )
        known = replace(order, payment_status=PaymentStatus.FAILED) if failed_by_paying else order
        return noted(known, "RefundPayment", detail="nothing was captured", now=now)
    back = replace(order, payment_status=PaymentStatus.REFUNDED, payment_id=receipt.payment_id)
    return noted(back, "RefundPayment", now=now)


def check_not_on_its_way(order: Order) -> None:
    """To be called before its units go back into stock. Raises: NotUndone if the carrier may have them."""
    if order.may_be_on_its_way:
        raise NotUndone


def failed(order: Order, *, now: datetime) -> Order:
    """The end, canceled if somebody wanted that. Raises: NotUndone if it may still be paid, or on its way to the customer.

    Units that were not given back are no reason: they go back with this.
    """
    if {"VoidShipment", "RefundPayment"} & order.left_open:
        raise NotUndone
    ended = replace(
        order,
        status=_lost(order),
        fulfillment_status=FulfillmentStatus.CANCELED,
        workflow_status=WorkflowStatus.COMPENSATED,
    )
    return noted(ended, "OrderFailed", now=now)


def given_up(order: Order, detail: str, *, now: datetime) -> Order:
    """A compensation could not finish: somebody has to look. What is undone stays as it is."""
    stuck = replace(order, status=_lost(order), workflow_status=WorkflowStatus.COMPENSATION_FAILED)
    return noted(stuck, "CompensationFailed", "failed", detail, now=now)


def asked_for_again(order: Order, *, now: datetime) -> Order:
    """One that was given up, and that nobody has settled: its history does not grow by that."""
    return replace(order, version=order.version + 1, updated_at=now)


def passed_over(order: Order, failures: Mapping[Step, str], *, now: datetime) -> Order:
    """With what could not be done in its history, by the codes of the errors; the same if all that is known of."""
    known = {entry.step for entry in order.history}
    news = tuple(
        HistoryEntry(step=step, outcome="failed", at=now, detail=code) for step, code in failures.items() if step not in known
    )
    if not news:
        return order
    return replace(order, history=(*order.history, *news), version=order.version + 1, updated_at=now)


def _lost(order: Order) -> OrderStatus:
    return OrderStatus.CANCELED if order.cancel_requested else OrderStatus.FAILED


def noted(order: Order, step: Step, outcome: Literal["done", "failed"] = "done", detail: str = "", *, now: datetime) -> Order:
    """With the step in its history, as its next version."""
    entry = HistoryEntry(step=step, outcome=outcome, at=now, detail=detail)
    return replace(order, history=(*order.history, entry), version=order.version + 1, updated_at=now)


def _check_payment_method(details: OrderDetails) -> None:
    """Raises: Invalid for what could be the number of a card (ISO/IEC 7812: 13 to 19 digits), which must be kept nowhere."""
    if re.search(r"(?:[0-9][ -]?){13,}", details.payment_method):
        raise Invalid(FieldError("/payment_method", "must not be the number of a card; give the processor's name for it"))


def _check_held(order: Order) -> None:
    if order.workflow_status is not WorkflowStatus.HELD:
        raise OrderInProgress


def _with_room_for_an_edit(history: Sequence[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """Without its oldest edit, if it has as many as are told."""
    edits = [place for place, entry in enumerate(history) if entry.step == "EditOrder"]
    given_up = edits[0] if len(edits) >= MAX_EDITS_TOLD else None
    return tuple(entry for place, entry in enumerate(history) if place != given_up)


def _lines(wanted: Sequence[WantedItem], products: Mapping[str, Product]) -> tuple[tuple[OrderItem, ...], str]:
    """Raises: NotFound; Invalid of a line with too many units, or none, of too many products, or of several currencies."""
    for place, item in enumerate(wanted):
        if not 1 <= item.quantity <= MAX_QUANTITY:
            raise Invalid(FieldError(f"/items/{place}/quantity", f"must be between 1 and {MAX_QUANTITY}"))
    if len({item.product_id for item in wanted}) > MAX_PRODUCTS:
        raise Invalid(FieldError("/items", f"are of more than {MAX_PRODUCTS} products"))
    if any(item.product_id not in products for item in wanted):
        raise NotFound
    currencies = sorted({products[item.product_id].currency for item in wanted})
    if len(currencies) != 1:
        raise Invalid(FieldError("/items", f"have prices in several currencies: {', '.join(currencies)}"))
    return tuple(_line(item, products[item.product_id]) for item in wanted), currencies[0]


def _line(item: WantedItem, product: Product) -> OrderItem:
    return OrderItem(
        product_id=product.id,
        name=product.name,
        quantity=item.quantity,
        unit_price=product.price,
        amount=quantity_amount(item.quantity, product.price, product.currency),
    )


def _total(items: Sequence[OrderItem], details: OrderDetails) -> Decimal:
    total = exact_sum(item.amount for item in items)
    if details.total_amount is not None and details.total_amount != total:
        raise TotalMismatch(FieldError("/total_amount", f"is not {total}, what the items come to"))
    return total
