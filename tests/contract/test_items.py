"""Whatever the domain can hold comes back from an item as it went in."""

from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.accounts import Account
from chalicelib.domain.clients import Client
from chalicelib.domain.images import Image
from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceLine
from chalicelib.domain.products import Product, StockChange
from chalicelib.domain.reports import DueOutcome
from chalicelib.domain.users import User
from chalicelib.domain.work import Timer, WorkEntry
from chalicelib.repositories.items import from_image, from_item, members, size_of, to_attribute, to_image, to_item
from chalicelib.repositories.keys import Key
from chalicelib.repositories.stream_images import plain_image
from tests.builders import a_client

KEY = Key("acc_1", "thing")
TOLD = {
    "account": Account,
    "user": User,
    "client": Client,
    "work": WorkEntry,
    "invoice": Invoice,
    "credit_note": CreditNote,
    "product": Product,
    "image": Image,
}

exact_numbers = st.builds(
    lambda digits, exponent, sign: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(min_value=0, max_value=10**20 - 1),
    st.integers(min_value=-20, max_value=20),
    st.integers(min_value=0, max_value=1),
)
instants = st.integers(min_value=946_684_800, max_value=7_258_118_399).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""From 2000 through 2199."""
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PLAIN: dict[type[Any], st.SearchStrategy[Any]] = {
    str: texts,
    bool: st.booleans(),
    int: st.integers(min_value=0, max_value=2**53),
    Decimal: exact_numbers,
    date: st.dates(),
    datetime: instants,
    type(None): st.none(),
}


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Everything that fits the type, and not only what the rules allow."""
    if kind in PLAIN:
        return PLAIN[kind]
    if get_origin(kind) in (Union, UnionType):
        return st.one_of([any_of(part) for part in get_args(kind)])
    if get_origin(kind) is tuple:
        return st.lists(any_of(get_args(kind)[0]), max_size=3).map(tuple)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    return st.builds(kind, **{name: any_of(hint) for name, hint in get_type_hints(kind).items()})


def things(*kinds: type[Any]) -> st.SearchStrategy[Any]:
    return st.one_of([any_of(kind) for kind in kinds])


@given(things(Account, User, Client, WorkEntry, Timer, Invoice, InvoiceLine, CreditNote, DueOutcome, Product, StockChange))
def test_a_thing_comes_back_as_it_was_digit_for_digit(thing: Any) -> None:
    item = to_item(KEY, "thing", thing)

    kept = from_item(from_image(to_image(item)), type(thing))

    assert kept == thing
    assert repr(kept) == repr(thing)


@given(things(*TOLD.values()))
def test_an_image_told_outside_has_every_amount_as_a_decimal_with_all_its_digits(thing: Any) -> None:
    item_type = next(name for name, kind in TOLD.items() if isinstance(thing, kind))

    plain = plain_image(to_image(to_item(KEY, item_type, thing)))

    assert [repr(number) for number in _decimals_in_plain(plain)] == [repr(number) for number in _decimals_in(thing)]


def _decimals_in(thing: Any) -> list[Decimal]:
    if isinstance(thing, Decimal):
        return [thing]
    if is_dataclass(thing):
        return [number for field in fields(thing) for number in _decimals_in(getattr(thing, field.name))]
    return [number for part in thing for number in _decimals_in(part)] if isinstance(thing, tuple) else []


def _decimals_in_plain(plain: Any) -> list[Decimal]:
    if isinstance(plain, Decimal):
        return [plain]
    parts = plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ()
    return [number for part in parts for number in _decimals_in_plain(part)]


plain_values: st.SearchStrategy[Any] = st.recursive(
    texts | st.booleans() | st.integers(min_value=-(10**37), max_value=10**37) | st.frozensets(texts, min_size=1),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(texts, parts, max_size=3),
)


@given(st.dictionaries(texts, plain_values, max_size=4))
def test_plain_data_is_what_botos_own_mapping_makes_of_it(item: dict[str, Any]) -> None:
    image = to_image(item)

    assert from_image(image) == item
    deserialize: Any = TypeDeserializer().deserialize
    assert {name: deserialize(attribute) for name, attribute in image.items()} == item


@pytest.mark.parametrize("value", [None, 1.5, Decimal(1), b"bytes", object()])
def test_what_is_no_plain_data_is_not_kept(value: object) -> None:
    with pytest.raises(TypeError):
        to_attribute(value)


def test_none_is_left_out_at_every_depth() -> None:
    item = to_item(KEY, "client", a_client(country=None))

    assert "country" not in item
    assert "valid_from" not in item["rates"][0]
    assert members(a_client(country=None))["country"] is None


@given(st.dictionaries(texts, plain_values, max_size=4))
def test_a_size_is_no_less_than_the_bytes_of_names_and_values(item: dict[str, Any]) -> None:
    assert size_of(item) >= _bytes_of(item)


def _bytes_of(value: Any) -> int:
    """Names and values alone, as DynamoDB counts them; a number takes a byte for two digits, and one more."""
    if isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return (len(str(abs(value))) + 1) // 2 + 1
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return 3 + sum(len(name.encode()) + _bytes_of(part) + 1 for name, part in value.items())
    return sum(map(_bytes_of, value)) + (3 + len(value) if isinstance(value, list) else 0)
