"""What is kept as items: domain objects <-> plain data <-> DynamoDB's attribute values.

Decimals are kept as text: DynamoDB's numbers drop trailing zeros, and 174.60 must not come back as 174.6. Days and instants are
text as in RFC 3339, whole numbers are numbers, None is left out. `type` says what an item is.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from chalicelib.repositories.keys import Key

T = TypeVar("T")
Item = dict[str, Any]
"""Plain data: text, whole numbers, truth values, sets of text, lists and dictionaries."""
Image = Mapping[str, Mapping[str, Any]]
"""The same in DynamoDB's attribute values, such as `{"version": {"N": "1"}}`."""


def to_item(key: Key, item_type: str, thing: object, **more: str) -> Item:
    """`more` is what the thing itself does not know, such as whose it is."""
    kept = {name: value for name, value in members(thing).items() if value is not None}
    return {**key._asdict(), "type": item_type, **more, **kept}


def members(thing: object) -> Item:
    """The thing's own fields as plain data, those that are None among them."""
    return {name: _without_none(value) for name, value in msgspec.to_builtins(thing).items()}


def exactly(thing: object) -> Item:
    """The thing's own fields as plain data, but amounts as Decimals with all their digits; those that are None are left out."""
    plain: Item = _without_none(msgspec.to_builtins(thing, builtin_types=(Decimal,)))
    return plain


def as_json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


def from_item(item: Mapping[str, Any], kind: type[T]) -> T:
    """Raises: ValueError if the item is none of that kind."""
    return msgspec.convert(item, kind)


def to_image(item: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    return {name: to_attribute(value) for name, value in item.items()}


def from_image(image: Image) -> Item:
    return {name: _from_attribute(attribute) for name, attribute in image.items()}


def to_attribute(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case AbstractSet():
            return {"SS": sorted(value)}
        case Mapping():
            return {"M": to_image(value)}
        case list():
            return {"L": [to_attribute(part) for part in value]}
        case _:
            raise TypeError(f"{type(value).__name__} is not plain data")


def size_of(value: object) -> int:
    """Bytes that it takes in DynamoDB, rather too many than too few.

    docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    match value:
        case bool():
            return 1
        case str():
            return len(value.encode())
        case int():
            return len(str(value)) + 1
        case Mapping():
            return 3 + sum(len(name.encode()) + size_of(part) + 1 for name, part in value.items())
        case AbstractSet() | list():
            return 3 + sum(size_of(part) + 1 for part in value)
        case _:
            raise TypeError(f"{type(value).__name__} is not plain data")


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    ((tag, value),) = attribute.items()
    match tag:
        case "S" | "BOOL":
            return value
        case "N":
            return int(value)
        case "SS":
            return frozenset(value)
        case "M":
            return from_image(value)
        case "L":
            return [_from_attribute(part) for part in value]
        case _:
            raise ValueError(f"no item of ours has an attribute of type {tag}")


def _without_none(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_none(part) for name, part in value.items() if part is not None}
        case list() | tuple():
            return [_without_none(part) for part in value]
        case _:
            return value
