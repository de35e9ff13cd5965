"""What the table's stream tells: images of items as plain data, of all kinds that anybody hears of."""

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.accounts import Account
from chalicelib.domain.clients import Client
from chalicelib.domain.events import Plain
from chalicelib.domain.images import Image as KeptImage
from chalicelib.domain.imports import Import
from chalicelib.domain.invoices import CreditNote, Invoice
from chalicelib.domain.kinds import ItemType
from chalicelib.domain.orders import Order
from chalicelib.domain.products import Product
from chalicelib.domain.users import User
from chalicelib.domain.work import WorkEntry
from chalicelib.repositories.items import Image, Item, exactly, from_image, from_item

_TOLD: Mapping[ItemType, type[Any]] = {
    "account": Account,
    "user": User,
    "client": Client,
    "work": WorkEntry,
    "invoice": Invoice,
    "credit_note": CreditNote,
    "product": Product,
    "order": Order,
    "image": KeptImage,
    "import": Import,
}
_KEYS = frozenset({"pk", "sk", "due", "type"})


def plain_image(image: Image) -> Plain:
    """A stream record's image as plain data without its keys; amounts as Decimals with all their digits.

    Raises: ValueError if it is not what its type says.
    """
    return plain_item(from_image(image))


def plain_item(item: Item) -> Plain:
    """An item of the table in the same way. Raises: ValueError."""
    kind = _TOLD.get(item.get("type", ""))
    if kind is None:
        return {name: value for name, value in item.items() if name not in _KEYS}
    return exactly(from_item(item, kind))
