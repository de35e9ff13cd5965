"""Products and their stock in memory; they pass the same contract as those in DynamoDB."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import RLock
from typing import Protocol, TypeVar

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.images import Image
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import Product, StockChange
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key, Range
from chalicelib.repositories.pages import first_page
from chalicelib.repositories.products import position_of, stock_change_at

T = TypeVar("T")


class Catalogue(Protocol):
    """What is kept of products and of images that they may show, by the keys that they have in DynamoDB, so that the same ids
    are known and sort alike.
    """

    lock: RLock
    products: dict[Key, Product]
    product_versions: dict[Key, int]
    """Of those that are gone."""
    stock_changes: dict[Key, StockChange]
    images: dict[Key, Image]


Committing = Callable[..., AbstractContextManager[None]]
"""One commit, given the ids of what it adds."""


class _OfCatalogue:
    def __init__(self, catalogue: Catalogue, committing: Committing) -> None:
        self._catalogue = catalogue
        self._committing = committing

    def _note(self, change: StockChange | None) -> None:
        if change is not None:
            note_change(self._catalogue, change)

    def _check_image(self, account_id: str, image_id: str | None) -> None:
        if image_id is not None and keys.image(account_id, image_id) not in self._catalogue.images:
            raise Contended


class MemoryProducts(_OfCatalogue):
    def add(self, product: Product, counted: StockChange | None = None) -> Product:
        key = keys.product(product.account_id, product.id)
        with self._committing(product=product.id, **_added(counted)):
            if key in self._catalogue.products:
                raise Contended
            self._check_image(product.account_id, product.image_id)
            gone = self._catalogue.product_versions.pop(keys.product_version(product.account_id, product.id), None)
            added = product if gone is None else replace(product, version=gone + 1, follows=gone)
            self._catalogue.products[key] = added
            self._note(counted)
        return added

    def get(self, account_id: str, product_id: str) -> Product:
        return _found(self._catalogue, keys.product(account_id, product_id))

    def page(self, account_id: str, request: PageRequest) -> Page[Product]:
        with self._catalogue.lock:
            products = within(self._catalogue.products, keys.products(account_id))
        left = (product for product in products if request.after is None or product.id > request.after)
        return first_page(left, request.limit, lambda product: product.id)

    def save(self, product: Product, counted: StockChange | None = None, *, new_image: str | None = None) -> None:
        key = keys.product(product.account_id, product.id)
        with self._committing(**_added(counted)):
            if _found(self._catalogue, key).version != product.version - 1:
                raise Contended
            self._check_image(product.account_id, new_image)
            self._catalogue.products[key] = product
            self._note(counted)

    def remove(self, product: Product, counted: StockChange | None = None) -> None:
        key = keys.product(product.account_id, product.id)
        with self._committing(**_added(counted)):
            if _found(self._catalogue, key).version != product.version:
                raise Contended
            del self._catalogue.products[key]
            self._catalogue.product_versions[keys.product_version(product.account_id, product.id)] = product.version
            self._note(counted)


class MemoryStock(_OfCatalogue):
    def change(self, change: StockChange) -> None:
        key = keys.product(change.account_id, change.product_id)
        with self._committing(stock_change=change.id):
            kept = _found(self._catalogue, key)
            refusal = change.refusal(kept.stock)
            if refusal is not None:
                raise refusal
            self._note(change)
            self._catalogue.products[key] = replace(
                kept, stock=(kept.stock or 0) + change.change, version=kept.version + 1, updated_at=change.created_at
            )

    def page(self, account_id: str, product_id: str, request: PageRequest) -> Page[StockChange]:
        with self._catalogue.lock:
            changes = within(self._catalogue.stock_changes, keys.stock_changes(account_id, product_id))
        last = None if request.after is None else stock_change_at(request.after, product_id)
        left = (change for change in reversed(changes) if last is None or change.id < last)
        return first_page(left, request.limit, position_of)


def note_change(catalogue: Catalogue, change: StockChange) -> None:
    key = keys.stock_change(change.account_id, change.product_id, change.id)
    if key in catalogue.stock_changes:
        raise Contended
    catalogue.stock_changes[key] = change


def _added(change: StockChange | None) -> dict[str, str]:
    return {} if change is None else {"stock_change": change.id}


def _found(catalogue: Catalogue, key: Key) -> Product:
    product = catalogue.products.get(key)
    if product is None:
        raise NotFound
    return product


def within(kept: Mapping[Key, T], within: Range) -> list[T]:
    """In the order of their sort keys."""
    return [kept[key] for key in sorted(kept) if key.pk == within.pk and within.low <= key.sk <= within.high]
