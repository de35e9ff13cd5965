"""What customers order, as people place, change, submit and cancel it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.orders import (
    Order,
    OrderDetails,
    OrderFilter,
    OrderJob,
    cancel_order,
    edit_order,
    place_order,
    submit_order,
)
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.users import Caller
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended

if TYPE_CHECKING:
    from chalicelib.ports import Clock, Ids, Orders, OrderWorkflow, PaymentRules


class Desk(Protocol):
    """What is needed to take orders."""

    @property
    def orders(self) -> Orders: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def payment_rules(self) -> PaymentRules: ...
    @property
    def clock(self) -> Clock: ...


def list_orders(caller: Caller, wanted: OrderFilter, request: PageRequest, *, orders: Orders) -> Page[Order]:
    return orders.page(caller.account_id, wanted, request)


def get_order(caller: Caller, order_id: str, *, orders: Orders) -> Order:
    """Raises: NotFound."""
    return orders.get(caller.account_id, order_id)


def add_order(caller: Caller, details: OrderDetails, *, hold: bool, desk: Desk) -> Order:
    """Raises: NotFound of a product, Invalid, TotalMismatch."""
    now = desk.clock.now()
    products = desk.orders.products(caller.account_id, (item.product_id for item in details.items))
    order_id = desk.ids.new("ord", now)
    order = place_order(details, products, account_id=caller.account_id, order_id=order_id, hold=hold, now=now)
    _check_payable(order, desk=desk)
    desk.orders.add(order)
    return order


def change_order(
    caller: Caller, order_id: str, details: OrderDetails, *, desk: Desk, check: Check[Order] = unconditionally
) -> Order:
    """With today's prices. Raises: NotFound, OrderInProgress, Invalid, TotalMismatch."""

    def edit(order: Order) -> Order:
        products = desk.orders.products(caller.account_id, (item.product_id for item in details.items))
        edited = edit_order(order, details, products, now=desk.clock.now())
        _check_payable(edited, desk=desk)
        return edited

    return _change(caller, order_id, edit, check, desk=desk)


def submit(caller: Caller, order_id: str, *, desk: Desk, check: Check[Order] = unconditionally) -> Order:
    """Raises: NotFound, OrderInProgress if it has ended."""
    return _change(caller, order_id, lambda order: submit_order(order, now=desk.clock.now()), check, desk=desk)


def cancel(caller: Caller, order_id: str, *, desk: Desk, check: Check[Order] = unconditionally) -> Order:
    """Raises: NotFound, OrderNotCancelable."""
    return _change(caller, order_id, lambda order: cancel_order(order, now=desk.clock.now()), check, desk=desk)


def start_workflow(job: OrderJob, *, workflow: OrderWorkflow) -> None:
    """Raises: Unavailable."""
    workflow.start(job.account_id, job.order_id)


def _check_payable(order: Order, *, desk: Desk) -> None:
    """Raises: Invalid."""
    desk.payment_rules.check(order.total_amount, order.currency, order.payment_method)


def _change(caller: Caller, order_id: str, change: Callable[[Order], Order], check: Check[Order], *, desk: Desk) -> Order:
    def attempt() -> Order:
        order = desk.orders.get(caller.account_id, order_id)
        check(order)
        changed = change(order)
        if changed is not order:
            desk.orders.save(changed)
        return changed

    return until_uncontended(attempt)
