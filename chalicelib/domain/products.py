"""Products: what a shop sells, at which price, and how many units of it are there."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from chalicelib.domain.accounts import Account
from chalicelib.domain.errors import DaybookError, FieldError, Invalid, OutOfStock, StockNotCounted, StockTooLarge
from chalicelib.domain.identifiers import PRODUCT_ID
from chalicelib.domain.money import check_exact

MAX_STOCK = 1_000_000_000
"""Units of one product; also the most that one change adds or takes."""
ID_WORDS = (
    "begins with a letter from A to Z, a digit or an underscore; behind it takes spaces, full stops, hyphens and tildes too; "
    "at most 64 characters, and no space at the end"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDetails:
    """What people say of a product."""

    name: str
    price: Decimal
    description: str = ""
    image_id: str | None = None


class StockLevel(NamedTuple):
    """How many units there are; None where nobody counts them."""

    units: int | None


NOT_COUNTED = StockLevel(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as kept. `price` is of one unit, exactly as it was given, in the currency that the account then had.

    `version` goes up with every change, and goes on where it was when a deleted product's id is used again; `follows` is then
    the last version of the one before, by which the two can be told apart, if they were made in the same second too.
    """

    account_id: str
    id: str
    name: str
    price: Decimal
    currency: str
    description: str = ""
    stock: int | None = None
    image_id: str | None = None
    version: int = 1
    follows: int | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StockChange:
    """Units added to a product's stock, or taken if `change` is negative; by a user, or for an order."""

    account_id: str
    id: str
    product_id: str
    user_id: str | None = None
    order_id: str | None = None
    change: int
    reason: str
    created_at: datetime

    @property
    def least(self) -> int:
        """The stock before, so that it does not fall below zero."""
        return max(0, -self.change)

    @property
    def most(self) -> int:
        """The stock before, so that it does not grow beyond what is counted."""
        return MAX_STOCK - max(0, self.change)

    def refusal(self, stock: int | None) -> DaybookError | None:
        """Why units cannot be added to that stock, or taken from it; None if they can."""
        if stock is None:
            return StockNotCounted()
        if stock < self.least:
            return OutOfStock()
        return StockTooLarge() if stock > self.most else None


def is_product_id(text: str) -> bool:
    return re.fullmatch(PRODUCT_ID, text) is not None


def new_product(details: ProductDetails, level: StockLevel, account: Account, *, product_id: str, now: datetime) -> Product:
    """Raises: Invalid."""
    if not is_product_id(product_id):
        raise Invalid(FieldError("/id", ID_WORDS))
    _check_details(details)
    return Product(
        account_id=account.id,
        id=product_id,
        name=details.name,
        price=details.price,
        currency=account.profile.currency,
        description=details.description,
        stock=_checked(level).units,
        image_id=details.image_id,
        created_at=now,
        updated_at=now,
    )


def edit_product(
    product: Product, details: ProductDetails, level: StockLevel | None, account: Account, *, now: datetime
) -> Product:
    """The product with these details; the very same if nothing would change. Without `level` the stock stays.

    Raises: Invalid.
    """
    _check_details(details)
    edited = replace(
        product,
        name=details.name,
        price=details.price,
        currency=account.profile.currency,
        description=details.description,
        stock=product.stock if level is None else _checked(level).units,
        image_id=details.image_id,
    )
    if edited == product and edited.price.as_tuple() == product.price.as_tuple():
        return product
    return replace(edited, version=product.version + 1, updated_at=now)


def check_change(change: int) -> int:
    """Raises: Invalid."""
    if change == 0:
        raise Invalid(FieldError("/change", "must not be 0"))
    if abs(change) > MAX_STOCK:
        raise Invalid(FieldError("/change", f"must be between -{MAX_STOCK} and {MAX_STOCK}"))
    return change


def _check_details(details: ProductDetails) -> None:
    check_exact(details.price, "/price")
    if details.price.is_signed():
        raise Invalid(FieldError("/price", "must not be negative"))


def _checked(level: StockLevel) -> StockLevel:
    if level.units is not None and not 0 <= level.units <= MAX_STOCK:
        raise Invalid(FieldError("/stock", f"must be between 0 and {MAX_STOCK}"))
    return level
