"""The order's workflow, one state at a time: what Step Functions does with the steps, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from chalicelib.domain.errors import Contended, DaybookError, PaymentGatewayError, Unavailable
from chalicelib.domain.orders import OrderJob
from chalicelib.usecases import order_steps as steps

Work = Callable[..., None]
ANY = "*"
RETRIES = 3


class Crash(BaseException):
    """The function died: nothing of ours catches that. Step Functions sees Lambda.Unknown, and runs the state again."""


class State(NamedTuple):
    """`catch` has the next state by the class of an error."""

    work: Work
    next: str | None
    catch: Mapping[str, str]


def _news(news: Any) -> Work:
    return partial(_tell, news)


def _tell(news: Any, job: OrderJob, *, shop: Any) -> None:
    steps.notify_customer(job, news, shop=shop)


def _undoing(work: Work, next_state: str | None) -> State:
    return State(work, next_state, {ANY: "CompensationFailed"})


FAILED = {ANY: "OrderFailed"}
# What comes after RefundPayment, or after ReleaseInventory, depends on why it is undone: so each way has states of its own.
STATES: Mapping[str, State] = {
    "ValidateOrder": State(
        steps.validate_order, "ReserveInventory", {"ValidationError": "NotifyValidationFailed", ANY: "OrderFailed"}
    ),
    "ReserveInventory": State(
        steps.reserve_inventory,
        "ProcessPayment",
        {"OutOfStock": "NotifyOutOfStock", "ValidationError": "NotifyValidationFailed", ANY: "ReleaseInventory"},
    ),
    "ProcessPayment": State(
        steps.process_payment,
        "CreateShipment",
        {
            "PaymentDeclined": "ReleaseInventory/payment",
            "InsufficientFunds": "ReleaseInventory/payment",
            "ReservationExpired": "RefundPayment/stock",
            "CancelRequested": "RefundPayment",
            ANY: "RefundPayment/payment",
        },
    ),
    "CreateShipment": State(
        steps.create_shipment, "SendConfirmation", {"CancelRequested": "RefundPayment", ANY: "VoidShipment"}
    ),
    "SendConfirmation": State(steps.send_confirmation, "OrderConfirmed", {ANY: "OrderConfirmed"}),
    "OrderConfirmed": _undoing(steps.confirm_order, None),
    "VoidShipment": _undoing(steps.void_shipment, "RefundPayment/shipping"),
    "RefundPayment": _undoing(steps.refund_payment, "ReleaseInventory"),
    "RefundPayment/payment": _undoing(steps.refund_payment, "ReleaseInventory/payment"),
    "RefundPayment/stock": _undoing(steps.refund_payment, "ReleaseInventory/stock"),
    "RefundPayment/shipping": _undoing(steps.refund_payment, "ReleaseInventory/shipping"),
    "ReleaseInventory": _undoing(steps.release_inventory, "OrderFailed"),
    "ReleaseInventory/payment": _undoing(steps.release_inventory, "NotifyPaymentFailed"),
    "ReleaseInventory/stock": _undoing(steps.release_inventory, "NotifyOutOfStock"),
    "ReleaseInventory/shipping": _undoing(steps.release_inventory, "NotifyShippingFailed"),
    "NotifyValidationFailed": State(_news("validation_failed"), "OrderFailed", FAILED),
    "NotifyOutOfStock": State(_news("out_of_stock"), "OrderFailed", FAILED),
    "NotifyPaymentFailed": State(_news("payment_failed"), "OrderFailed", FAILED),
    "NotifyShippingFailed": State(_news("shipping_failed"), "OrderFailed", FAILED),
    "OrderFailed": _undoing(steps.fail_order, None),
    "CompensationFailed": State(steps.give_up_order, None, {ANY: "Fail"}),
}
TRANSIENT = (Contended, Unavailable, PaymentGatewayError)


@dataclass
class Execution:
    """One run of the workflow. `ended_well` is None as long as it goes on; `visited` are the states that it has been in."""

    job: OrderJob
    state: str = "ValidateOrder"
    ended_well: bool | None = None
    visited: list[tuple[str, OrderJob]] = field(default_factory=list)
    failures: int = 0

    def step(self, shop: Any) -> None:
        """Runs the state once more: it goes on, is tried again, or its error is caught."""
        now = STATES[self.state]
        if not self.visited or self.visited[-1] != (self.state, self.job):
            self.visited.append((self.state, self.job))
        try:
            now.work(self.job, shop=shop)
        except (DaybookError, Crash) as error:
            passing = isinstance(error, (*TRANSIENT, Crash))
            if passing and self.failures < RETRIES:
                self.failures += 1
                return
            name = "Lambda.Unknown" if isinstance(error, Crash) else type(error).__name__
            self.job = OrderJob(account_id=self.job.account_id, order_id=self.job.order_id, error=name)
            self._enter(now.catch.get(name, now.catch[ANY]))
        else:
            if now.next is None:
                self.ended_well = self.state != "CompensationFailed"
            else:
                self._enter(now.next)

    def run(self, shop: Any) -> Execution:
        """To its end."""
        while self.ended_well is None:
            self.step(shop)
        return self

    def again(self, place: int, shop: Any) -> None:
        """A state that it has been in comes once more, late; what becomes of that, nobody waits for."""
        state, job = self.visited[place]
        with suppress(DaybookError):
            STATES[state].work(job, shop=shop)

    def _enter(self, state: str) -> None:
        self.failures = 0
        if state == "Fail":
            self.ended_well = False
        else:
            self.state = state


class Interrupting:
    """A shop to whose ports something happens before or after some calls: they fail, die, or somebody else comes first."""

    def __init__(self, shop: Any, place: int, *, after: bool, happens: Callable[[], object], times: int = 1) -> None:
        self._shop = shop
        self._left = place
        self._after = after
        self._happens = happens
        self._times = times
        self.happened_at = ""

    def __getattr__(self, name: str) -> Any:
        port = getattr(self._shop, name)
        return port if name == "clock" else _Port(self, name, port)

    def call(self, name: str, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        due = -self._times < self._left <= 0
        self._left -= 1
        if due and not self._after:
            self.happened_at = name
            self._happens()
        answer = method(*arguments, **named)
        if due and self._after:
            self.happened_at = name
            self._happens()
        return answer


class _Port:
    def __init__(self, shop: Interrupting, name: str, port: Any) -> None:
        self._shop = shop
        self._name = name
        self._port = port

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        return lambda *arguments, **named: self._shop.call(f"{self._name}.{method}", found, arguments, named)
