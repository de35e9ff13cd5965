"""What the shop sells, and how much of it is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.made import Made
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import (
    NOT_COUNTED,
    Product,
    ProductDetails,
    StockChange,
    StockLevel,
    check_change,
    edit_product,
    new_product,
)
from chalicelib.domain.users import Caller
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended

if TYPE_CHECKING:
    from collections.abc import Collection

    from chalicelib.ports import Accounts, Clock, Ids, Images, Products, Stock

SET = "set with the product"
DELETED = "deleted with the product"


class Desk(Protocol):
    """What is needed to keep a catalogue."""

    @property
    def products(self) -> Products: ...
    @property
    def stock(self) -> Stock: ...
    @property
    def images(self) -> Images: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


def list_products(caller: Caller, request: PageRequest, *, products: Products) -> Page[Product]:
    return products.page(caller.account_id, request)


def get_product(caller: Caller, product_id: str, *, products: Products) -> Product:
    """Raises: NotFound."""
    return products.get(caller.account_id, product_id)


def add_product(caller: Caller, details: ProductDetails, level: StockLevel | None, *, desk: Desk) -> Product:
    """A product with an id of ours. Raises: Invalid, NotFound of its image."""
    now = desk.clock.now()
    product_id = desk.ids.new("prd", now)

    def attempt() -> Product:
        account = desk.accounts.get(caller.account_id)
        product = new_product(details, level or NOT_COUNTED, account, product_id=product_id, now=now)
        _new_image(caller.account_id, None, details.image_id, desk=desk)
        return desk.products.add(product, _counted(caller, product.id, None, product.stock, SET, desk=desk))

    return until_uncontended(attempt)


def put_product(
    caller: Caller,
    product_id: str,
    details: ProductDetails,
    level: StockLevel | None,
    *,
    desk: Desk,
    check: Check[Product | None] = unconditionally,
    kept: Collection[str] = (),
) -> Product | Made[Product]:
    """Makes the product, or replaces it; without `level` the stock stays as it is, and so do the details that are `kept`.

    Raises: Invalid, NotFound of its image.
    """

    def attempt() -> Product | Made[Product]:
        account = desk.accounts.get(caller.account_id)
        try:
            product = desk.products.get(caller.account_id, product_id)
        except NotFound:
            check(None)
            made = new_product(details, level or NOT_COUNTED, account, product_id=product_id, now=desk.clock.now())
            _new_image(caller.account_id, None, details.image_id, desk=desk)
            return Made(desk.products.add(made, _counted(caller, product_id, None, made.stock, SET, desk=desk)))
        check(product)
        meant = replace(details, **{name: getattr(product, name) for name in kept})
        edited = edit_product(product, meant, level, account, now=desk.clock.now())
        if edited is not product:
            new_image = _new_image(caller.account_id, product.image_id, edited.image_id, desk=desk)
            counted = _counted(caller, product_id, product.stock, edited.stock, SET, desk=desk)
            try:
                desk.products.save(edited, counted, new_image=new_image)
            except NotFound:  # removed since it was read: the next attempt makes it
                raise Contended from None
        return edited

    return until_uncontended(attempt)


def remove_product(caller: Caller, product_id: str, *, desk: Desk, check: Check[Product] = unconditionally) -> Product:
    """The product as it last was. Raises: NotFound."""

    def attempt() -> Product:
        product = desk.products.get(caller.account_id, product_id)
        check(product)
        desk.products.remove(product, _counted(caller, product_id, product.stock, None, DELETED, desk=desk))
        return product

    return until_uncontended(attempt)


def change_stock(caller: Caller, product_id: str, change: int, reason: str, *, desk: Desk) -> Product:
    """Adds units, or takes them if `change` is negative; answers the product as it is now.

    Raises: NotFound, Invalid, OutOfStock, StockNotCounted, StockTooLarge.
    """
    of_stock = _entry(caller, product_id, check_change(change), reason, desk=desk)
    until_uncontended(lambda: desk.stock.change(of_stock))
    return desk.products.get(caller.account_id, product_id)


def list_stock_changes(caller: Caller, product_id: str, request: PageRequest, *, desk: Desk) -> Page[StockChange]:
    """Newest first, those of products that had the id before among them. Raises: NotFound, BadCursor."""
    desk.products.get(caller.account_id, product_id)
    return desk.stock.page(caller.account_id, product_id, request)


def _counted(
    caller: Caller, product_id: str, before: int | None, after: int | None, reason: str, *, desk: Desk
) -> StockChange | None:
    """What setting the stock adds or takes; stock that nobody counts is none."""
    change = (after or 0) - (before or 0)
    return _entry(caller, product_id, change, reason, desk=desk) if change else None


def _entry(caller: Caller, product_id: str, change: int, reason: str, *, desk: Desk) -> StockChange:
    """The journal's entry of a change that somebody makes now."""
    now = desk.clock.now()
    return StockChange(
        account_id=caller.account_id,
        id=desk.ids.new("stk", now),
        product_id=product_id,
        user_id=caller.user_id,
        change=change,
        reason=reason,
        created_at=now,
    )


def _new_image(account_id: str, before: str | None, after: str | None, *, desk: Desk) -> str | None:
    """The image that is newly put on a product. Raises: NotFound if the account has no such image.

    One that is there already stays, though the image may be gone.
    """
    if after is None or after == before:
        return None
    return desk.images.get(account_id, after).id
