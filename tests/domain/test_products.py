from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.accounts import Account
from chalicelib.domain.errors import Invalid, OutOfStock, StockNotCounted, StockTooLarge
from chalicelib.domain.products import (
    MAX_STOCK,
    NOT_COUNTED,
    Product,
    ProductDetails,
    StockLevel,
    check_change,
    edit_product,
    is_product_id,
    new_product,
)
from tests.builders import NOW, a_product, a_stock_change, an_account

LATER = NOW + timedelta(hours=1)
IMAGE = "img_01KDWCJ2M00000000000000001"

prices = some.builds(
    lambda digits, exponent: Decimal((0, tuple(map(int, str(digits))), exponent)),
    some.integers(0, 10**6),
    some.integers(-10, 6),
)
details = some.builds(
    ProductDetails,
    name=some.text(max_size=5),
    price=prices,
    description=some.text(max_size=5),
    image_id=some.sampled_from([None, IMAGE]),
)
units = some.integers(0, 5) | some.integers(0, MAX_STOCK)
levels = some.builds(StockLevel, some.none() | units)
accounts = some.sampled_from(["EUR", "JPY"]).map(lambda currency: an_account(currency=currency))
products = some.builds(
    lambda made, level, account: new_product(made, level, account, product_id="85123A", now=NOW), details, levels, accounts
)
changes = some.integers(-MAX_STOCK, MAX_STOCK).filter(bool)

LANTERN = ProductDetails(name="Lantern", price=Decimal("12.50"))


def pointers(rule: Callable[[], object]) -> list[str]:
    with pytest.raises(Invalid) as refused:
        rule()
    return [error.pointer for error in refused.value.errors]


# Ids


@pytest.mark.parametrize(
    "article", ["85123A", "BANK CHARGES", "a", "_", "0", "a.b", "a~", "a-", "a  b", "x" * 64, "prd_01KDWCJ2M00000000000000001"]
)
def test_a_shops_own_article_numbers_are_ids(article: str) -> None:
    assert is_product_id(article)


@pytest.mark.parametrize(
    "text",
    ["", " ", " a", "a ", "~a", ".", "..", "-a", "a#b", "a/b", "a%b", "a\tb", "a\n", "é", "a\u00a0b", "x" * 65, "\ud800", "１"],
)
def test_what_would_get_lost_in_a_path_or_a_key_is_none(text: str) -> None:
    assert not is_product_id(text)


@given(some.text(some.characters(min_codepoint=0, max_codepoint=0x17F), max_size=70))
def test_an_id_sorts_before_the_end_of_its_list_and_has_no_separator(text: str) -> None:
    if is_product_id(text):
        assert text < "~"
        assert "#" not in text
        assert text.isascii()
        assert text == text.strip()
        assert 1 <= len(text) <= 64


# Making and editing


def test_a_new_product_is_in_the_accounts_currency_with_the_price_as_it_was_written() -> None:
    made = new_product(
        ProductDetails(name="Lantern", price=Decimal("0.6645600532184904"), description="Iron", image_id=IMAGE),
        StockLevel(3),
        an_account(currency="JPY"),
        product_id="L 1",
        now=NOW,
    )

    assert made == Product(
        account_id="acc_1",
        id="L 1",
        name="Lantern",
        price=Decimal("0.6645600532184904"),
        currency="JPY",
        description="Iron",
        stock=3,
        image_id=IMAGE,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize(
    ("changes_", "level", "pointer"),
    [
        ({"price": Decimal("-0.01")}, NOT_COUNTED, "/price"),
        ({"price": Decimal("NaN")}, NOT_COUNTED, "/price"),
        ({"price": Decimal("Infinity")}, NOT_COUNTED, "/price"),
        ({"price": Decimal("1" * 21)}, NOT_COUNTED, "/price"),
        ({"price": Decimal("1e21")}, NOT_COUNTED, "/price"),
        ({}, StockLevel(-1), "/stock"),
        ({}, StockLevel(MAX_STOCK + 1), "/stock"),
    ],
)
def test_what_no_product_can_have_is_refused_new_and_edited(changes_: dict[str, Any], level: StockLevel, pointer: str) -> None:
    wanted, account = replace(LANTERN, **changes_), an_account()

    assert pointers(lambda: new_product(wanted, level, account, product_id="a", now=NOW)) == [pointer]
    assert pointers(lambda: edit_product(a_product(), wanted, level, account, now=LATER)) == [pointer]


@pytest.mark.parametrize("price", ["0", "0.00", "1e-7", "100", "12.50", "1E+20", "12345678901234567890"])
def test_any_price_that_somebody_may_mean_is_taken_digit_for_digit(price: str) -> None:
    wanted = replace(LANTERN, price=Decimal(price))

    made = new_product(wanted, NOT_COUNTED, an_account(), product_id="a", now=NOW)
    edited = edit_product(a_product(), wanted, None, an_account(), now=LATER)

    assert made.price.as_tuple() == edited.price.as_tuple() == Decimal(price).as_tuple()


@given(products, details, some.none() | levels, accounts)
def test_an_edit_done_twice_is_done_once(
    product: Product, wanted: ProductDetails, level: StockLevel | None, account: Account
) -> None:
    edited = edit_product(product, wanted, level, account, now=LATER)

    assert edit_product(edited, wanted, level, account, now=LATER + timedelta(hours=1)) is edited
    assert edited.version in (product.version, product.version + 1)
    assert (edited is product) == (edited.version == product.version)
    assert edited.updated_at == (NOW if edited is product else LATER)


@given(products, details, some.none() | levels, accounts)
def test_an_edit_says_all_of_a_product_but_what_it_is(
    product: Product, wanted: ProductDetails, level: StockLevel | None, account: Account
) -> None:
    edited = edit_product(product, wanted, level, account, now=LATER)

    shown = ProductDetails(name=edited.name, price=edited.price, description=edited.description, image_id=edited.image_id)
    assert shown == wanted
    assert edited.price.as_tuple() == wanted.price.as_tuple()
    assert edited.currency == account.profile.currency
    assert edited.stock == (product.stock if level is None else level.units)
    assert (edited.account_id, edited.id, edited.created_at) == (product.account_id, product.id, product.created_at)


def test_a_price_that_is_written_otherwise_is_another_one() -> None:
    edited = edit_product(
        a_product(name="Lantern", price=Decimal("12.50")),
        replace(LANTERN, price=Decimal("12.5")),
        None,
        an_account(),
        now=LATER,
    )

    assert (str(edited.price), edited.version) == ("12.5", 2)
    assert edit_product(edited, replace(LANTERN, price=Decimal("12.5")), None, an_account(), now=LATER) is edited


# Stock


@pytest.mark.parametrize("change", [1, -1, MAX_STOCK, -MAX_STOCK])
def test_a_change_is_of_as_many_units_as_can_be_counted(change: int) -> None:
    assert check_change(change) == change


@pytest.mark.parametrize("change", [0, MAX_STOCK + 1, -MAX_STOCK - 1, 10**30])
def test_a_change_of_nothing_or_of_more_than_can_be_counted_is_refused(change: int) -> None:
    assert pointers(lambda: check_change(change)) == ["/change"]


@pytest.mark.parametrize(
    ("stock", "change", "refusal"),
    [
        (0, 1, None),
        (1, -1, None),
        (MAX_STOCK - 1, 1, None),
        (0, MAX_STOCK, None),
        (MAX_STOCK, -MAX_STOCK, None),
        (0, -1, OutOfStock),
        (MAX_STOCK - 1, -MAX_STOCK, OutOfStock),
        (MAX_STOCK, 1, StockTooLarge),
        (1, MAX_STOCK, StockTooLarge),
        (None, 1, StockNotCounted),
        (None, -1, StockNotCounted),
    ],
)
def test_a_stock_neither_falls_below_nothing_nor_grows_beyond_counting(
    stock: int | None, change: int, refusal: type[Exception] | None
) -> None:
    answer = a_stock_change(change=change).refusal(stock)

    assert (None if answer is None else type(answer)) is refusal


@given(units, changes)
def test_the_bounds_of_a_change_are_those_of_the_stock_afterwards(stock: int, change: int) -> None:
    of_stock = a_stock_change(change=change)

    fits = of_stock.least <= stock <= of_stock.most

    assert fits == (0 <= stock + change <= MAX_STOCK)
    assert fits == (of_stock.refusal(stock) is None)
