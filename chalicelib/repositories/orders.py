"""Orders, and the units of stock that are taken for them, in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.domain.errors import Contended, DaybookError, OutOfStock
from chalicelib.domain.orders import Order, OrderFilter, OrderStatus, Reservation, stock_change
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import MAX_STOCK, Product, StockChange, is_product_id
from chalicelib.repositories import keys
from chalicelib.repositories.due import due_items
from chalicelib.repositories.items import Item, from_item, to_item
from chalicelib.repositories.keys import Key
from chalicelib.repositories.pages import page_by_id
from chalicelib.repositories.products import noted_change
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Refused, Write, add, always_contended, decisive, delete, put, unchanged, update


class DynamoOrders:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, order: Order) -> None:
        self._table.transact(add(_order_item(order)))

    def get(self, account_id: str, order_id: str) -> Order:
        return from_item(self._table.find(keys.order(account_id, order_id)), Order)

    def page(self, account_id: str, wanted: OrderFilter, request: PageRequest) -> Page[Order]:
        within, key = keys.orders(account_id), partial(keys.order, account_id)
        return page_by_id(self._table, Order, within, key, request, wanted=wanted)

    def save(self, order: Order) -> None:
        sold = [delete(keys.reservation(order.account_id, order.id))] if order.status is OrderStatus.CONFIRMED else []
        self._table.transact(_next_version(order), *sold)

    def products(self, account_id: str, product_ids: Iterable[str]) -> Mapping[str, Product]:
        wanted = [keys.product(account_id, product_id) for product_id in product_ids if is_product_id(product_id)]
        return {item["id"]: from_item(item, Product) for item in self._table.get_all(wanted).values()}

    def unfinished(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Those that wait longest first."""
        for item in due_items(self._table, keys.ORDERS, as_of):
            yield item["account_id"], item["id"]


class DynamoReservations:
    """Stock is changed in place, as `DynamoStock` does, so that many orders for one product need not wait for each other."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, account_id: str, order_id: str) -> Reservation | None:
        item = self._table.get(keys.reservation(account_id, order_id))
        return None if item is None else from_item(item, Reservation)

    def make(self, reservation: Reservation, order: Order) -> None:
        kept = to_item(
            _key(reservation),
            "reservation",
            reservation,
            due=keys.RESERVATIONS,
            due_at=keys.instant(reservation.reserved_until),
        )
        taken = (write for product_id in order.quantities for write in _take(reservation, product_id, order))
        self._table.transact(_next_version(order), add(kept), *taken)

    def keep(self, reservation: Reservation, order: Order) -> None:
        kept = update(
            _key(reservation),
            "SET #kept = :yes REMOVE #due, #due_at",
            condition=_AS_READ,
            refused=always_contended,
            yes=True,
            **_as_read(reservation),
        )
        self._table.transact(_next_version(order), kept)

    def release(self, reservation: Reservation, order: Order | None, *, now: datetime) -> None:
        gone = delete(_key(reservation), condition=_AS_READ, refused=always_contended, **_as_read(reservation))
        stock = self._table.get_all(keys.product(reservation.account_id, product_id) for product_id in reservation.units)
        there = (item for item in stock.values() if "stock" in item and reservation.is_from(item["id"], item.get("follows")))
        given = (write for item in there for write in _give_back(reservation, item, now))
        self._table.transact(*(() if order is None else (_next_version(order),)), gone, *given)

    def expired(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Those that ended first, first."""
        for item in due_items(self._table, keys.RESERVATIONS, as_of):
            yield item["account_id"], keys.reserved_for(Key(item["pk"], item["sk"]))


_AS_READ = "#kept = :read_kept AND #reserved_until = :read_until"
"""Its units never change."""


def _as_read(reservation: Reservation) -> dict[str, Any]:
    return {"read_kept": reservation.kept, "read_until": keys.instant(reservation.reserved_until)}


def _key(reservation: Reservation) -> Key:
    return keys.reservation(reservation.account_id, reservation.order_id)


def _order_item(order: Order) -> Item:
    """It stays where it is on the index, so that no step pays for that, and leaves it once nothing is left to be done."""
    due = {} if order.due_at is None else {"due": keys.ORDERS, "due_at": keys.instant(order.due_at)}
    return to_item(keys.order(order.account_id, order.id), "order", order, **due)


def _next_version(order: Order) -> Write:
    """Decisive: a step that runs twice at once must not be told that stock is out, of what it has taken itself."""
    return decisive(put(_order_item(order), condition="#version = :before", before=order.version - 1))


def _take(reservation: Reservation, product_id: str, order: Order) -> Iterator[Write]:
    """What is not counted need only be there, and still be not counted."""
    key = keys.product(order.account_id, product_id)
    units = reservation.units.get(product_id)
    if units is None:
        yield unchanged(key, condition="attribute_exists(#pk) AND attribute_not_exists(#stock)")
        return
    taking = stock_change(reservation, product_id, -units, now=order.updated_at)
    yield from noted_change(taking)
    yield _change_stock(reservation, taking, least=taking.least, most=taking.most, refused=_too_few(units))


def _too_few(units: int) -> Refused:
    def refused(kept: Item | None) -> DaybookError:
        return OutOfStock() if kept is not None and "stock" in kept and kept["stock"] < units else Contended()

    return refused


def _give_back(reservation: Reservation, product: Item, now: datetime) -> Iterator[Write]:
    """As many as can be counted. Contended if it is another product by then, not counted any more, or too many to be added."""
    units = reservation.units[product["id"]]
    fitting = min(units, MAX_STOCK - product["stock"])
    giving = stock_change(reservation, product["id"], fitting, now=now)
    least, most = (giving.least, giving.most) if fitting == units else (product["stock"], product["stock"])
    yield from noted_change(giving if fitting else None)
    yield _change_stock(reservation, giving, least=least, most=most, refused=always_contended)


def _change_stock(reservation: Reservation, change: StockChange, *, least: int, most: int, refused: Refused) -> Write:
    """Of the very product that the reservation is from, if it has between so many units and so many."""
    follows = reservation.follows.get(change.product_id)
    same, more = "attribute_not_exists(#follows)", dict[str, Any]()
    if follows is not None:
        same, more = "#follows = :follows", {"follows": follows}
    return update(
        keys.product(change.account_id, change.product_id),
        "SET #stock = #stock + :units, #version = #version + :one, #updated_at = :now",
        condition=f"#stock BETWEEN :least AND :most AND {same}",
        refused=refused,
        units=change.change,
        one=1,
        least=least,
        most=most,
        now=keys.instant(change.created_at),
        **more,
    )
