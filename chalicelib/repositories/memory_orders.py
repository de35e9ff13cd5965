"""Orders and their reservations in memory; they pass the same contract as those in DynamoDB."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from chalicelib.domain.errors import Contended, DaybookError, NotFound, OutOfStock
from chalicelib.domain.orders import Order, OrderFilter, OrderStatus, Reservation, stock_change
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import MAX_STOCK, Product, is_product_id
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key
from chalicelib.repositories.memory_products import Catalogue, Committing, note_change, within
from chalicelib.repositories.pages import first_page
from chalicelib.repositories.work_change import gravest


class Ordered(Catalogue, Protocol):
    """What is kept of orders and of the products that they take, by the keys that they have in DynamoDB."""

    orders: dict[Key, Order]
    reservations: dict[Key, Reservation]


class _OfOrders:
    def __init__(self, kept: Ordered, committing: Committing) -> None:
        self._kept = kept
        self._committing = committing

    def _order(self, account_id: str, order_id: str) -> Order:
        order = self._kept.orders.get(keys.order(account_id, order_id))
        if order is None:
            raise NotFound
        return order

    def _check_before(self, order: Order) -> None:
        if self._order(order.account_id, order.id).version != order.version - 1:
            raise Contended

    def _put(self, order: Order) -> None:
        self._kept.orders[keys.order(order.account_id, order.id)] = order


class MemoryOrders(_OfOrders):
    def add(self, order: Order) -> None:
        with self._committing(order=order.id):
            if keys.order(order.account_id, order.id) in self._kept.orders:
                raise Contended
            self._put(order)

    def get(self, account_id: str, order_id: str) -> Order:
        return self._order(account_id, order_id)

    def page(self, account_id: str, wanted: OrderFilter, request: PageRequest) -> Page[Order]:
        after = None if request.after is None else keys.order(account_id, request.after).sk
        with self._kept.lock:
            orders = within(self._kept.orders, keys.orders(account_id))
        left = (
            order
            for order in reversed(orders)
            if after is None or keys.order(account_id, order.id).sk < after
            if wanted.customer_id in (None, order.customer_id) and wanted.status in (None, order.status)
            if wanted.workflow_status in (None, order.workflow_status)
        )
        return first_page(left, request.limit, lambda order: order.id)

    def save(self, order: Order) -> None:
        with self._committing(order=order.id):
            self._check_before(order)
            self._put(order)
            if order.status is OrderStatus.CONFIRMED:
                self._kept.reservations.pop(keys.reservation(order.account_id, order.id), None)

    def products(self, account_id: str, product_ids: Iterable[str]) -> Mapping[str, Product]:
        wanted = [keys.product(account_id, product_id) for product_id in product_ids if is_product_id(product_id)]
        with self._kept.lock:
            return {self._kept.products[key].id: self._kept.products[key] for key in wanted if key in self._kept.products}

    def unfinished(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        with self._kept.lock:
            orders = list(self._kept.orders.values())
        late = sorted((one.due_at, one.account_id, one.id) for one in orders if one.due_at is not None and one.due_at <= as_of)
        for _, account_id, order_id in late:
            yield account_id, order_id


class MemoryReservations(_OfOrders):
    def find(self, account_id: str, order_id: str) -> Reservation | None:
        return self._kept.reservations.get(keys.reservation(account_id, order_id))

    def make(self, reservation: Reservation, order: Order) -> None:
        key = _key(reservation)
        with self._committing(order=order.id):
            self._check_before(order)
            if faults := [*self._faults(reservation, order), *([Contended()] if key in self._kept.reservations else ())]:
                raise gravest(faults)
            for product_id, units in reservation.units.items():
                self._move(reservation, product_id, -units, order.updated_at)
            self._kept.reservations[key] = reservation
            self._put(order)

    def keep(self, reservation: Reservation, order: Order) -> None:
        with self._committing(order=order.id):
            self._check_before(order)
            self._check_read(reservation)
            self._kept.reservations[_key(reservation)] = replace(reservation, kept=True)
            self._put(order)

    def release(self, reservation: Reservation, order: Order | None, *, now: datetime) -> None:
        with self._committing(**({} if order is None else {"order": order.id})):
            if order is not None:
                self._check_before(order)
            self._check_read(reservation)
            del self._kept.reservations[_key(reservation)]
            for product_id, units in reservation.units.items():
                self._move(reservation, product_id, units, now)
            if order is not None:
                self._put(order)

    def expired(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        with self._kept.lock:
            ended = [one for one in self._kept.reservations.values() if not one.holds(as_of)]
        for reservation in sorted(ended, key=lambda one: one.reserved_until):
            yield reservation.account_id, reservation.order_id

    def _faults(self, reservation: Reservation, order: Order) -> Iterator[DaybookError]:
        for product_id in order.quantities:
            product = self._kept.products.get(keys.product(reservation.account_id, product_id))
            units = reservation.units.get(product_id)
            if product is None or (product.stock is None) != (units is None):
                yield Contended()
            elif product.stock is not None and units is not None and product.stock < units:
                yield OutOfStock()
            elif units is not None and not reservation.is_from(product_id, product.follows):
                yield Contended()

    def _move(self, reservation: Reservation, product_id: str, units: int, now: datetime) -> None:
        """Adds units to the stock, as many as can be counted, if it is still there and counted; and notes it."""
        key = keys.product(reservation.account_id, product_id)
        product = self._kept.products.get(key)
        if product is None or product.stock is None or not reservation.is_from(product_id, product.follows):
            return
        stock = min(product.stock + units, MAX_STOCK)
        if stock != product.stock:
            note_change(self._kept, stock_change(reservation, product_id, stock - product.stock, now=now))
        self._kept.products[key] = replace(product, stock=stock, version=product.version + 1, updated_at=now)

    def _check_read(self, reservation: Reservation) -> None:
        if self._kept.reservations.get(_key(reservation)) != reservation:
            raise Contended


def _key(reservation: Reservation) -> Key:
    return keys.reservation(reservation.account_id, reservation.order_id)
