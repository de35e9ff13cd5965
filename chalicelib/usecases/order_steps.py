"""The steps of an order's workflow. Each looks first at what it has done before, and writes on the condition that nobody has
written meanwhile; so it can run any number of times, at once too, and be cut off anywhere.

What cannot be conditional is asked for under a key: a payment and a shipment have the order's id and the name of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain import errors
from chalicelib.domain.errors import Contended, ReservationExpired
from chalicelib.domain.orders import (
    QUIET_FOR,
    News,
    Order,
    OrderJob,
    Reservation,
    Step,
    StepKey,
    WorkflowStatus,
    asked_for_again,
    begin_shipping,
    check_not_on_its_way,
    check_turn,
    check_valid,
    compensating,
    confirmed,
    failed,
    given_up,
    noted,
    paid,
    passed_over,
    refunded,
    reserve,
    shipped,
    voided,
)
from chalicelib.usecases.contention import until_uncontended
from chalicelib.usecases.sweeps import InTime, each, in_no_hurry

if TYPE_CHECKING:
    from chalicelib.ports import Attention, Carrier, Clock, Customers, Orders, OrderWorkflow, Payments, Reservations


class Shop(Protocol):
    """What the steps need."""

    @property
    def orders(self) -> Orders: ...
    @property
    def reservations(self) -> Reservations: ...
    @property
    def payments(self) -> Payments: ...
    @property
    def carrier(self) -> Carrier: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def attention(self) -> Attention: ...
    @property
    def clock(self) -> Clock: ...


class NightDesk(Shop, Protocol):
    """What it takes to look after orders at night."""

    @property
    def order_workflow(self) -> OrderWorkflow: ...


WORKFLOW_ENDED = "WorkflowEnded"
"""Why an order is given up whose workflow ended without it."""

# Forward


def validate_order(job: OrderJob, *, shop: Shop) -> None:
    """Raises: ValidationError, CancelRequested, OutOfTurn."""

    def validate(order: Order) -> None:
        check_valid(order, shop.orders.products(order.account_id, order.quantities))
        shop.orders.save(noted(order, "ValidateOrder", now=shop.clock.now()))

    _forward(job, "ValidateOrder", validate, shop=shop)


def reserve_inventory(job: OrderJob, *, shop: Shop) -> None:
    """Raises: OutOfStock, ValidationError, CancelRequested, OutOfTurn."""

    def take(order: Order) -> None:
        now = shop.clock.now()
        reservation = reserve(order, shop.orders.products(order.account_id, order.quantities), now=now)
        shop.reservations.make(reservation, noted(order, "ReserveInventory", now=now))

    _forward(job, "ReserveInventory", take, shop=shop)


def process_payment(job: OrderJob, *, shop: Shop) -> None:
    """Raises: PaymentDeclined, InsufficientFunds, PaymentGatewayError, ReservationExpired, CancelRequested, OutOfTurn."""

    def pay(order: Order) -> None:
        _reservation_of(order, shop=shop)
        receipt = shop.payments.capture(_key(order, "ProcessPayment"), order.total_amount, order.currency, order.payment_method)
        now = shop.clock.now()
        shop.reservations.keep(_reservation_of(order, shop=shop), paid(order, receipt, now=now))

    _forward(job, "ProcessPayment", pay, shop=shop)


def create_shipment(job: OrderJob, *, shop: Shop) -> None:
    """From here on nobody can cancel the order. Raises: ShippingError, CancelRequested, OutOfTurn."""

    def begin(order: Order) -> None:
        if not order.shipping_begun:
            shop.orders.save(begin_shipping(order, now=shop.clock.now()))

    def ship(order: Order) -> None:
        shipment = shop.carrier.ship(_key(order, "CreateShipment"), order)
        shop.orders.save(shipped(order, shipment, now=shop.clock.now()))

    _forward(job, "CreateShipment", begin, shop=shop)
    _forward(job, "CreateShipment", ship, shop=shop)


def send_confirmation(job: OrderJob, *, shop: Shop) -> None:
    """Raises: OutOfTurn."""
    _forward(job, "SendConfirmation", _tell("SendConfirmation", "order_confirmed", shop=shop), shop=shop)


def confirm_order(job: OrderJob, *, shop: Shop) -> None:
    """The good end: what was reserved is sold. Raises: OutOfTurn."""

    def confirm(order: Order) -> None:
        shop.orders.save(confirmed(_noted_as_passed_over(order, job, shop=shop), now=shop.clock.now()))

    _forward(job, "OrderConfirmed", confirm, shop=shop)


# Back


def void_shipment(job: OrderJob, *, shop: Shop) -> None:
    def void(order: Order) -> None:
        shop.carrier.void(_key(order, "CreateShipment"))
        shop.orders.save(voided(order, now=shop.clock.now()))

    _back(job, "VoidShipment", void, shop=shop)


def refund_payment(job: OrderJob, *, shop: Shop) -> None:
    """Whatever is known of the payment: the answer may have been lost. Raises: PaymentGatewayError."""

    def refund(order: Order) -> None:
        receipt = shop.payments.undo(_key(order, "ProcessPayment"))
        shop.orders.save(refunded(order, receipt, now=shop.clock.now()))

    _back(job, "RefundPayment", refund, shop=shop)


def release_inventory(job: OrderJob, *, shop: Shop) -> None:
    """What may be on its way to the customer is not in stock. Raises: NotUndone."""

    def release(order: Order) -> None:
        check_not_on_its_way(order)
        _save_without_reservation(noted(order, "ReleaseInventory", now=shop.clock.now()), shop=shop)

    _back(job, "ReleaseInventory", release, shop=shop)


def notify_customer(job: OrderJob, news: News, *, shop: Shop) -> None:
    """Of what went wrong: from then on nothing can go well any more."""
    _back(job, "NotifyCustomer", _tell("NotifyCustomer", news, shop=shop), shop=shop)


def fail_order(job: OrderJob, *, shop: Shop) -> None:
    """The other end, with nothing left in its name: a step that got no answer may have reserved after all.

    Raises: NotUndone.
    """

    def fail(order: Order) -> None:
        _save_without_reservation(failed(order, now=shop.clock.now()), shop=shop)

    _back(job, "OrderFailed", fail, shop=shop)


def give_up_order(job: OrderJob, *, shop: Shop) -> None:
    """What was done is not all undone: a person has to see to it, and is told what that is."""

    def give_up(order: Order) -> None:
        if order.workflow_status is WorkflowStatus.COMPENSATION_FAILED:
            return
        detail = ", ".join(order.not_undone) or job.failures.get("OrderFailed", job.error)
        shop.attention.ask_for(order, detail)
        shop.orders.save(given_up(order, detail, now=shop.clock.now()))

    _back(job, "CompensationFailed", give_up, shop=shop)


# What nobody came back for


def release_expired(as_of: datetime, *, reservations: Reservations, in_time: InTime = in_no_hurry) -> int:
    """Gives back the units of orders that were not paid in time; how many orders. Raises: as `each`."""

    def release(account_id: str, order_id: str) -> bool:
        reservation = reservations.find(account_id, order_id)
        if reservation is None or reservation.holds(as_of):  # its workflow was faster
            return False
        reservations.release(reservation, None, now=as_of)
        return True

    expired = reservations.expired(as_of)
    return each(expired, lambda order: until_uncontended(partial(release, *order)), "cannot be released", in_time)


def look_after_orders(as_of: datetime, *, desk: NightDesk, in_time: InTime = in_no_hurry) -> int:
    """Orders that are not at their end long after they were placed, and that nobody has touched for a while.

    Their workflow is started, if it never was. If it has ended, what is paid and shipped is confirmed, and all else is given
    up: a person sees to it, and is asked for again as long as nobody has. Returns how many. Raises: as `each`.
    """

    def look_after(account_id: str, order_id: str) -> bool:
        order = desk.orders.get(account_id, order_id)
        if order.workflow_status is WorkflowStatus.COMPENSATION_FAILED:
            return _ask_again(order, as_of, desk=desk)
        if not order.under_way or as_of < order.updated_at + QUIET_FOR:  # its workflow goes on, or is over
            return False
        if not desk.order_workflow.start(account_id, order_id):
            job = OrderJob(account_id=account_id, order_id=order_id, error=WORKFLOW_ENDED)
            (confirm_order if order.only_to_be_confirmed else give_up_order)(job, shop=desk)
        return True

    return each(desk.orders.unfinished(as_of), lambda order: look_after(*order), "cannot be looked after", in_time)


def _ask_again(order: Order, as_of: datetime, *, desk: NightDesk) -> bool:
    """Once a week: the message before is gone after two."""
    if order.due_at is None or as_of < order.due_at:
        return False
    desk.attention.ask_for(order, _why_given_up(order))
    with suppress(Contended):  # somebody is at it
        desk.orders.save(asked_for_again(order, now=desk.clock.now()))
    return True


def _why_given_up(order: Order) -> str:
    said = next((entry.detail for entry in reversed(order.history) if entry.step == "CompensationFailed"), "")
    return ", ".join(order.not_undone) or said


def _reservation_of(order: Order, *, shop: Shop) -> Reservation:
    """Raises: ReservationExpired."""
    reservation = shop.reservations.find(order.account_id, order.id)
    if reservation is None or not reservation.holds(shop.clock.now()):
        raise ReservationExpired
    return reservation


def _forward(job: OrderJob, step: Step, work: Callable[[Order], None], *, shop: Shop) -> None:
    def go_on(order: Order) -> None:
        check_turn(order, step)
        work(order)

    _step(job, step, go_on, shop=shop)


def _back(job: OrderJob, step: Step, work: Callable[[Order], None], *, shop: Shop) -> None:
    def go_back(order: Order) -> None:
        if order.workflow_status is WorkflowStatus.RUNNING:
            order = compensating(order, _code_of(job.error), now=shop.clock.now())
            shop.orders.save(order)
        work(_noted_as_passed_over(order, job, shop=shop))

    _step(job, step, go_back, shop=shop)


def _step(job: OrderJob, step: Step, work: Callable[[Order], None], *, shop: Shop) -> None:
    """`work` on the order as it is now, unless the step is done or nothing is left to be done."""

    def attempt() -> None:
        order = shop.orders.get(job.account_id, job.order_id)
        if not order.has_done(step) and not order.settled:
            work(order)

    until_uncontended(attempt)


def _noted_as_passed_over(order: Order, job: OrderJob, *, shop: Shop) -> Order:
    """With what was not done before it in its history. That its end was not, is for the step that gives it up to say."""
    failures: Mapping[Step, str] = {step: _code_of(error) for step, error in job.failures.items() if step != "OrderFailed"}
    noted_now = passed_over(order, failures, now=shop.clock.now())
    if noted_now is not order:
        shop.orders.save(noted_now)
    return noted_now


def _tell(step: Step, news: News, *, shop: Shop) -> Callable[[Order], None]:
    """At least once: no service of news knows a key."""

    def tell(order: Order) -> None:
        shop.customers.tell(order, news)
        shop.orders.save(noted(order, step, detail=news, now=shop.clock.now()))

    return tell


def _save_without_reservation(order: Order, *, shop: Shop) -> None:
    """The order, and if it has taken from stock, that goes back."""
    reservation = shop.reservations.find(order.account_id, order.id)
    if reservation is None:
        shop.orders.save(order)
    else:
        shop.reservations.release(reservation, order, now=order.updated_at)


def _key(order: Order, step: Step) -> StepKey:
    return StepKey(account_id=order.account_id, order_id=order.id, step=step)


def _code_of(error: str) -> str:
    """The stable code of an error's class by its name; what is none of ours is told as a service that failed."""
    kind = getattr(errors, error, None)
    return kind.code if isinstance(kind, type) and issubclass(kind, errors.DaybookError) else errors.Unavailable.code
