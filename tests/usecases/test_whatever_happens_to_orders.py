"""Placing, working off, failing, canceling, coming late and sweeping in any order: nobody is charged twice, or for nothing."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.domain.errors import OrderInProgress, OrderNotCancelable, PaymentGatewayError, Unavailable
from chalicelib.domain.events import Change, event_of
from chalicelib.domain.orders import Order, OrderStatus, WorkflowStatus
from chalicelib.repositories.items import exactly
from chalicelib.usecases import orders, products
from chalicelib.usecases.order_steps import look_after_orders, release_expired
from tests.builders import ADDRESS, order_details
from tests.usecases.order_flow import Crash, Execution, Interrupting
from tests.usecases.test_order_steps import CALLER, STOCK, check_books, job_of, journal_of, kept, open_shop, place, put, settled

METHODS = ["card", "card", "declined", "insufficient_funds", "gateway_error_twice", "gateway_error", "answer_lost"]
POSTAL_CODES = ["1010", "1010", "00042", "99900"]


class AShopsDay(RuleBasedStateMachine):
    """Workflows begin when the change feed says so: what it tells is read from every change of an order."""

    order_ids = Bundle("order_ids")

    def __init__(self) -> None:
        super().__init__()
        self.shop = open_shop()
        self.executions: dict[str, Execution] = {}
        self.seen: dict[str, Order] = {}
        self.told: list[tuple[str, str]] = []
        self.gone: dict[str, int] = {}
        """Units of products that are gone, by the order that had taken them."""

    @initialize(target=order_ids, method=some.sampled_from(METHODS), postal_code=some.sampled_from(POSTAL_CODES))
    def begin(self, method: str, postal_code: str) -> str:
        address = replace(ADDRESS, postal_code=postal_code)
        return place(self.shop, ("a", 1), ("b", 1), ("service", 1), payment_method=method, shipping_address=address)

    @rule(
        target=order_ids,
        a=some.integers(1, 6),
        b=some.integers(0, 2),
        method=some.sampled_from(METHODS),
        postal_code=some.sampled_from(POSTAL_CODES),
        hold=some.booleans(),
    )
    def place(self, a: int, b: int, method: str, postal_code: str, hold: bool) -> str:
        items = [("a", a), *([("b", b)] if b else []), ("service", 1)]
        address = replace(ADDRESS, postal_code=postal_code)
        return place(self.shop, *items, hold=hold, payment_method=method, shipping_address=address)

    @rule(order_id=order_ids, units=some.integers(1, 3))
    def change(self, order_id: str, units: int) -> None:
        held = kept(self.shop, order_id).workflow_status is WorkflowStatus.HELD
        try:
            orders.change_order(CALLER, order_id, order_details(("a", units)), desk=self.shop)
        except OrderInProgress:
            assert not held
        else:
            assert held

    @rule(order_id=order_ids)
    def submit(self, order_id: str) -> None:
        with suppress(OrderInProgress):
            orders.submit(CALLER, order_id, desk=self.shop)

    @rule(order_id=order_ids)
    def cancel(self, order_id: str) -> None:
        with suppress(OrderNotCancelable):
            orders.cancel(CALLER, order_id, desk=self.shop)

    @rule(order_id=order_ids, states=some.integers(1, 9))
    def step(self, order_id: str, states: int) -> None:
        self._step(order_id, self.shop, states)

    @rule(
        order_id=order_ids,
        place_of_call=some.integers(0, 8),
        after=some.booleans(),
        error=some.sampled_from([Crash(), Unavailable(), PaymentGatewayError()]),
        times=some.integers(1, 6),
    )
    def fail(self, order_id: str, place_of_call: int, after: bool, error: BaseException, times: int) -> None:
        """Some calls of ports in a row fail, or end the function."""

        def happens() -> object:
            raise error

        self._step(order_id, Interrupting(self.shop, place_of_call, after=after, happens=happens, times=times), 4)

    @rule(order_id=order_ids, place_of_call=some.integers(0, 8), after=some.booleans(), late=some.integers(0, 20))
    def meanwhile(self, order_id: str, place_of_call: int, after: bool, late: int) -> None:
        """Between two calls of a step, the order is canceled or swept, or an earlier state comes again."""
        execution = self.executions.get(order_id)

        def happens() -> None:
            if late % 3 == 0:
                self.cancel(order_id)
            elif late % 3 == 1:
                self.sweep()
            elif execution is not None and execution.visited:
                execution.again(late % len(execution.visited), self.shop)

        self._step(order_id, Interrupting(self.shop, place_of_call, after=after, happens=happens), 3)

    @rule(order_id=order_ids, late=some.integers(0, 20))
    def redeliver(self, order_id: str, late: int) -> None:
        execution = self.executions.get(order_id)
        if execution is not None and execution.visited:
            execution.again(late % len(execution.visited), self.shop)

    @rule(failures=some.integers(1, 5))
    def refunds_fail(self, failures: int) -> None:
        self.shop.payments.undo_failures = [PaymentGatewayError()] * failures

    @rule(failures=some.integers(1, 5))
    def mails_fail(self, failures: int) -> None:
        self.shop.customers.failures = [Unavailable()] * failures

    @rule(product_id=some.sampled_from([*STOCK]), units=some.integers(0, 12))
    def count(self, product_id: str, units: int) -> None:
        """What is reserved is not there to be counted, and comes back on top."""
        put(self.shop, product_id, units)

    @rule(order_id=order_ids, states=some.integers(0, 4), units=some.integers(0, 5))
    def make_anew(self, order_id: str, states: int, units: int) -> None:
        """While an order is somewhere on its way: what was taken from the product before is nothing to this one."""
        self._step(order_id, self.shop, states)
        self.gone = {order.id: journal_of(self.shop, order.id)["b"] for order in self.seen_now()}
        products.remove_product(CALLER, "b", desk=self.shop)
        put(self.shop, "b", units)

    @rule(minutes=some.integers(1, 20))
    def wait(self, minutes: int) -> None:
        self.shop.clock.advance(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        as_of = self.shop.clock.now()
        release_expired(as_of, reservations=self.shop.store.reservations)
        assert list(self.shop.store.reservations.expired(as_of)) == []

    def _step(self, order_id: str, shop: Any, states: int) -> None:
        self._read_feed()
        execution = self.executions.get(order_id)
        for _ in range(states):
            if execution is not None and execution.ended_well is None:
                execution.step(shop)

    def _read_feed(self) -> None:
        for order in self.shop.tables()["orders"].values():
            before = self.seen.get(order.id)
            if before == order:
                continue
            self.seen[order.id] = order
            old = None if before is None else exactly(before)
            change = Change(
                item_type="order", account_id="acc_1", id=order.id, occurred_at=order.updated_at, old=old, new=exactly(order)
            )
            event = event_of(change)
            if event is None:
                continue
            self.told.append((order.id, event.detail_type))
            if event.detail_type == "OrderPlaced":
                assert order.id not in self.executions, "one workflow for an order"
                self.executions[order.id] = Execution(job_of(order.id))

    @invariant()
    def books_agree(self) -> None:
        check_books(self.shop)

    @invariant()
    def what_was_taken_from_a_product_that_is_gone_stays_gone(self) -> None:
        for order_id, change in self.gone.items():
            if change:
                assert journal_of(self.shop, order_id)["b"] == change

    @invariant()
    def the_feed_tells_how_each_order_ended_once(self) -> None:
        self._read_feed()
        for order in self.seen.values():
            told = [detail_type for order_id, detail_type in self.told if order_id == order.id]
            ends = {
                OrderStatus.CONFIRMED: "OrderConfirmed",
                OrderStatus.FAILED: "OrderFailed",
                OrderStatus.CANCELED: "OrderCanceled",
            }
            placed = ["OrderPlaced"] if order.id in self.executions else []
            assert told == [*placed, *([ends[order.status]] if order.ended and placed else [])]
            assert order.ended or (order.workflow_status is WorkflowStatus.HELD) == (not placed)
            assert placed or order.status in {OrderStatus.PENDING, OrderStatus.CANCELED}

    def teardown(self) -> None:
        """Once nothing is left to do, every order has ended, or its workflow has, before a person's eyes."""
        self._read_feed()
        for order_id, execution in self.executions.items():
            execution.run(self.shop)
            order = kept(self.shop, order_id)
            owed = self.shop.payments.books.get(f"{order_id}-ProcessPayment")
            if execution.ended_well:
                assert order.ended
                assert (owed is not None and owed.owed) == (order.status is OrderStatus.CONFIRMED)
            else:
                assert order.ended or execution.states[-1] in {"GivenUp", "NotConfirmed"}
                self.shop.order_workflow.ended.add(order_id)
        self.shop.clock.advance(hours=24)
        self.sweep()
        self.shop.customers.failures, self.shop.payments.undo_failures = [], []
        look_after_orders(self.shop.clock.now(), desk=self.shop)
        self.books_agree()
        given_up = [
            order
            for order in self.shop.tables()["orders"].values()
            if order.workflow_status is WorkflowStatus.COMPENSATION_FAILED
        ]
        if all(execution.ended_well for execution in self.executions.values()):
            assert not given_up
            brought = journal_of(self.shop, None)
            for product_id in STOCK:
                product = self.shop.store.products.get("acc_1", product_id)
                sold = sum(
                    order.quantities.get(product_id, 0) for order in self.seen_now() if order.status is OrderStatus.CONFIRMED
                )
                assert product.follows is not None or product.stock == brought[product_id] - sold
        for order in given_up:
            said = settled(self.shop, order.id)
            assert all(each.endswith(" done") for each in said), said
        assert all(order.settled or order.workflow_status is WorkflowStatus.HELD for order in self.seen_now())
        self.books_agree()

    def seen_now(self) -> list[Order]:
        return list(self.shop.tables()["orders"].values())


AShopsDay.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestWhateverHappensToOrders = AShopsDay.TestCase
