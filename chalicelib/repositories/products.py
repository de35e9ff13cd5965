"""Products, their stock, and the versions of those that are gone, in DynamoDB."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.domain.errors import BadCursor, Contended, DaybookError, NotFound
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import Product, StockChange
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, members, to_item
from chalicelib.repositories.pages import first_page, page_by_id
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Refused, Write, add, always_contended, delete, put, set_members, unchanged, update

if TYPE_CHECKING:
    from chalicelib.ports import Clock

VERSION_KEPT_FOR = timedelta(days=30)
"""After a product is gone. Whoever goes by versions hears of it from the table's stream, which keeps a change for a day."""
_IDENTITY = frozenset({"account_id", "id"})


class DynamoProducts:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def add(self, product: Product, counted: StockChange | None = None) -> Product:
        left = keys.product_version(product.account_id, product.id)
        gone = self._table.get(left)
        if gone is None:
            as_read = unchanged(left, condition="attribute_not_exists(#pk)")
        else:
            product = replace(product, version=gone["version"] + 1, follows=gone["version"])
            as_read = delete(left, condition="#version = :gone", refused=always_contended, gone=gone["version"])
        there = add(to_item(keys.product(product.account_id, product.id), "product", product))
        self._table.transact(there, as_read, *noted_change(counted), *_with_image(product.account_id, product.image_id))
        return product

    def get(self, account_id: str, product_id: str) -> Product:
        return from_item(self._table.find(keys.product(account_id, product_id)), Product)

    def page(self, account_id: str, request: PageRequest) -> Page[Product]:
        within, key = keys.products(account_id), partial(keys.product, account_id)
        return page_by_id(self._table, Product, within, key, request, newest_first=False)

    def save(self, product: Product, counted: StockChange | None = None, *, new_image: str | None = None) -> None:
        change, values = set_members({name: value for name, value in members(product).items() if name not in _IDENTITY})
        as_read = update(
            keys.product(product.account_id, product.id),
            change,
            condition="#version = :before",
            before=product.version - 1,
            **values,
        )
        self._table.transact(as_read, *noted_change(counted), *_with_image(product.account_id, new_image))

    def remove(self, product: Product, counted: StockChange | None = None) -> None:
        as_read = delete(keys.product(product.account_id, product.id), condition="#version = :version", version=product.version)
        self._table.transact(as_read, put(self._version_item(product)), *noted_change(counted))

    def _version_item(self, product: Product) -> Item:
        return {
            **keys.product_version(product.account_id, product.id)._asdict(),
            "type": "product_version",
            "account_id": product.account_id,
            "product_id": product.id,
            "version": product.version,
            "expires_at": int((self._clock.now() + VERSION_KEPT_FOR).timestamp()),
        }


class DynamoStock:
    def __init__(self, table: Table) -> None:
        self._table = table

    def change(self, change: StockChange) -> None:
        """Reads nothing before: DynamoDB counts, so that changes at once need not wait for each other's answer."""
        counted = update(
            keys.product(change.account_id, change.product_id),
            "SET #stock = #stock + :units, #version = #version + :one, #updated_at = :now",
            condition="#stock BETWEEN :least AND :most",
            refused=_refusal_of(change),
            units=change.change,
            one=1,
            now=keys.instant(change.created_at),
            least=change.least,
            most=change.most,
        )
        self._table.transact(counted, *noted_change(change))

    def page(self, account_id: str, product_id: str, request: PageRequest) -> Page[StockChange]:
        last = None if request.after is None else stock_change_at(request.after, product_id)
        after = None if last is None else keys.stock_change(account_id, product_id, last).sk
        items = self._table.query(
            keys.stock_changes(account_id, product_id), newest_first=True, after=after, page_size=request.limit + 1
        )
        return first_page((from_item(item, StockChange) for item in items), request.limit, position_of)


def position_of(change: StockChange) -> str:
    return f"{change.product_id}#{change.id}"


def stock_change_at(position: str, product_id: str) -> str:
    """The id of the change at that position of the product's. Raises: BadCursor."""
    of_product, _, change_id = position.rpartition("#")
    if of_product != product_id:
        raise BadCursor
    return change_id


def noted_change(change: StockChange | None) -> tuple[Write, ...]:
    if change is None:
        return ()
    return (add(to_item(keys.stock_change(change.account_id, change.product_id, change.id), "stock_change", change)),)


def _with_image(account_id: str, image_id: str | None) -> tuple[Write, ...]:
    if image_id is None:
        return ()
    return (unchanged(keys.image(account_id, image_id), condition="attribute_exists(#pk)"),)


def _refusal_of(change: StockChange) -> Refused:
    def refused(kept: Item | None) -> DaybookError:
        return NotFound() if kept is None else change.refusal(kept.get("stock")) or Contended()

    return refused
