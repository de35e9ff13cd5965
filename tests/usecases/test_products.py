"""A catalogue that several people keep at once."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.errors import Invalid, NotFound, OutOfStock, PreconditionFailed, StockNotCounted, StockTooLarge
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.images import ImageDetails
from chalicelib.domain.made import Made
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.products import MAX_STOCK, NOT_COUNTED, Product, ProductDetails, StockLevel
from chalicelib.usecases import images, products
from tests.usecases.business import Business, open_business
from tests.usecases.test_invoicing import at_once
from tests.wired import MemoryWired

LANTERN = ProductDetails(name="Lantern", price=Decimal("12.50"), description="Cast iron")


def put(business: Business, level: StockLevel | None = None, **more: Any) -> Product | Made[Product]:
    """A lantern, but for what the test says."""
    details = {name: more.pop(name) for name in ("name", "price", "description", "image_id") if name in more}
    return products.put_product(business.caller, "L 1", replace(LANTERN, **details), level, desk=business.wired, **more)


def made(business: Business, units: int | None = 10) -> Product:
    answer = put(business, StockLevel(units))
    assert isinstance(answer, Made)
    return answer.thing


def kept(business: Business) -> Product:
    return products.get_product(business.caller, "L 1", products=business.wired.store.products)


def change(business: Business, units: int) -> Product:
    return products.change_stock(business.caller, "L 1", units, "Counted", desk=business.wired)


def remove(business: Business, **more: Any) -> Product:
    return products.remove_product(business.caller, "L 1", desk=business.wired, **more)


def meanwhile(wired: MemoryWired, happens: Callable[[], object]) -> None:
    """Once, between the next read of a product and what comes after it."""
    store: Any = wired.store
    store.products = _Meanwhile(store, happens)


class _Meanwhile:
    def __init__(self, store: Any, happens: Callable[[], object]) -> None:
        self._store = store
        self._products = store.products
        self._happens = happens

    def get(self, account_id: str, product_id: str) -> Product:
        happens, self._happens = self._happens, lambda: None
        self._store.products = self._products
        try:
            product: Product = self._products.get(account_id, product_id)
        finally:
            happens()
        return product

    def __getattr__(self, name: str) -> Any:
        return getattr(self._products, name)


class Seen:
    """A condition that lets all through but what it is told to refuse; notes what it was asked about."""

    def __init__(self, refuse: Callable[[Product | None], bool] = lambda _: False) -> None:
        self.versions: list[int | None] = []
        self._refuse = refuse

    def __call__(self, product: Product | None) -> None:
        self.versions.append(None if product is None else product.version)
        if self._refuse(product):
            raise PreconditionFailed


# Putting


def test_what_is_kept_of_a_product_stays_as_it_is(business: Business) -> None:
    made(business)

    put(business, price=Decimal(9), description="", kept={"description", "image_id"})

    assert (kept(business).price, kept(business).description) == (Decimal(9), "Cast iron")
    put(business, description="", kept={"image_id"})
    assert kept(business).description == ""


def test_a_put_makes_a_product_where_there_is_none(business: Business, wired: MemoryWired) -> None:
    answer = put(business, StockLevel(10))

    product = Product(
        account_id=business.caller.account_id,
        id="L 1",
        name="Lantern",
        price=Decimal("12.50"),
        currency="EUR",
        description="Cast iron",
        stock=10,
        created_at=wired.clock.now(),
        updated_at=wired.clock.now(),
    )
    assert answer == Made(product)
    assert kept(business) == product


def test_a_product_that_is_made_without_a_stock_is_not_counted(business: Business) -> None:
    put(business)

    assert kept(business).stock is None


def test_a_put_replaces_what_is_there(business: Business, wired: MemoryWired) -> None:
    first = made(business)
    now = wired.clock.advance(hours=1)

    answer = put(business, StockLevel(4), name="Lamp", price=Decimal("0.6645600532184904"), description="")

    assert answer == kept(business)
    assert answer == replace(
        first, name="Lamp", price=Decimal("0.6645600532184904"), description="", stock=4, version=2, updated_at=now
    )


def test_a_put_that_changes_nothing_answers_the_very_same_and_writes_nothing(business: Business, wired: MemoryWired) -> None:
    product = made(business)
    before = wired.state()
    wired.clock.advance(hours=1)

    assert put(business) is product
    assert put(business, StockLevel(10)) is product
    assert wired.state() == before


def test_a_price_that_is_written_otherwise_is_another_one(business: Business) -> None:
    made(business)

    put(business, price=Decimal("12.5"))

    assert (str(kept(business).price), kept(business).version) == ("12.5", 2)


def test_a_stock_that_is_left_out_stays(business: Business) -> None:
    made(business)
    change(business, -3)

    put(business, name="Lamp")

    assert (kept(business).name, kept(business).stock) == ("Lamp", 7)


def test_a_stock_of_nothing_ends_the_counting(business: Business) -> None:
    made(business)

    put(business, NOT_COUNTED)

    assert kept(business).stock is None
    with pytest.raises(StockNotCounted):
        change(business, 1)


def test_a_stock_that_changes_meanwhile_is_not_overwritten_by_a_put_that_leaves_it_out(
    business: Business, wired: MemoryWired
) -> None:
    made(business)
    meanwhile(wired, lambda: change(business, -3))

    answer = put(business, name="Lamp")

    assert isinstance(answer, Product)
    assert (answer.name, answer.stock, answer.version) == ("Lamp", 7, 3)
    assert kept(business) == answer


def test_a_product_that_is_removed_meanwhile_is_made_anew(business: Business, wired: MemoryWired) -> None:
    made(business)
    meanwhile(wired, lambda: remove(business))

    answer = put(business, name="Lamp")

    assert isinstance(answer, Made)
    assert (answer.thing.name, answer.thing.stock, answer.thing.version) == ("Lamp", None, 2)
    assert kept(business) == answer.thing


def test_a_product_that_is_made_meanwhile_is_replaced(business: Business, wired: MemoryWired) -> None:
    meanwhile(wired, lambda: made(business))

    answer = put(business, name="Lamp")

    assert isinstance(answer, Product)
    assert (answer.name, answer.stock, answer.version) == ("Lamp", 10, 2)


def test_of_many_who_put_a_product_at_once_one_makes_it_and_all_replace_it_in_turn(business: Business) -> None:
    results = at_once(*[lambda name=name: put(business, name=name) for name in "abcdefgh"])

    assert Counter(type(result) for result in results) == {Made: 1, Product: 7}
    assert {result.thing.version if isinstance(result, Made) else getattr(result, "version", 0) for result in results} == {
        *range(1, 9)
    }
    assert kept(business).version == 8


@pytest.mark.parametrize(
    ("details", "level", "pointer"),
    [
        ({"price": Decimal(-1)}, None, "/price"),
        ({"price": Decimal("NaN")}, None, "/price"),
        ({}, StockLevel(-1), "/stock"),
        ({}, StockLevel(MAX_STOCK + 1), "/stock"),
    ],
)
@pytest.mark.parametrize("was_there", [False, True])
def test_what_breaks_a_rule_is_not_written(
    business: Business, wired: MemoryWired, was_there: bool, details: dict[str, Any], level: StockLevel | None, pointer: str
) -> None:
    if was_there:
        made(business)
    before = wired.state()

    with pytest.raises(Invalid) as refused:
        put(business, level, **details)

    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert wired.state() == before


def test_a_product_has_the_currency_that_the_account_has_when_it_is_written(business: Business, wired: MemoryWired) -> None:
    made(business)
    accounts = wired.store.accounts
    account = accounts.get(business.caller.account_id)
    accounts.save(replace(account, profile=replace(account.profile, currency="CHF"), version=account.version + 1))

    assert kept(business).currency == "EUR"
    put(business)
    assert (kept(business).currency, kept(business).version) == ("CHF", 2)


def test_a_product_can_get_an_id_of_ours(business: Business, wired: MemoryWired) -> None:
    first, second = (products.add_product(business.caller, LANTERN, level, desk=wired) for level in (StockLevel(3), None))

    assert is_id("prd", first.id)
    assert [first.stock, second.stock] == [3, None]
    listed = products.list_products(business.caller, PageRequest(), products=wired.store.products)
    assert listed.items == (first, second)


def test_two_accounts_may_sell_the_same_article(business: Business, wired: MemoryWired) -> None:
    other = open_business(wired, "eve@example.com")
    made(business, 10)
    made(other, 5)

    change(other, -5)
    remove(other)

    assert kept(business).stock == 10
    with pytest.raises(NotFound):
        kept(other)


# Conditions


def test_a_condition_is_asked_about_nothing_where_nothing_is(business: Business, wired: MemoryWired) -> None:
    before = wired.state()
    refuses, allows = Seen(lambda product: product is None), Seen()

    with pytest.raises(PreconditionFailed):
        put(business, check=refuses)
    assert wired.state() == before
    put(business, check=allows)

    assert [refuses.versions, allows.versions] == [[None], [None]]


def test_a_condition_is_asked_about_what_is_there_before_it_is_replaced(business: Business, wired: MemoryWired) -> None:
    made(business)
    before = wired.state()
    refuses, allows = Seen(lambda product: product is not None), Seen()

    with pytest.raises(PreconditionFailed):
        put(business, name="Lamp", check=refuses)
    with pytest.raises(PreconditionFailed):
        put(business, check=refuses)
    assert wired.state() == before, "also of a put that would change nothing"
    put(business, name="Lamp", check=allows)

    assert [refuses.versions, allows.versions] == [[1, 1], [1]]


def test_a_condition_is_asked_again_about_what_is_there_by_then(business: Business, wired: MemoryWired) -> None:
    made(business)
    was_first = Seen(lambda product: product is None or product.version != 1)
    meanwhile(wired, lambda: change(business, -3))

    with pytest.raises(PreconditionFailed):
        put(business, name="Lamp", check=was_first)

    assert was_first.versions == [1, 2]
    assert (kept(business).name, kept(business).stock) == ("Lantern", 7)


def test_a_put_that_wants_to_make_a_product_does_not_replace_one_that_is_made_meanwhile(
    business: Business, wired: MemoryWired
) -> None:
    is_new = Seen(lambda product: product is not None)
    meanwhile(wired, lambda: made(business))

    with pytest.raises(PreconditionFailed):
        put(business, name="Lamp", check=is_new)

    assert is_new.versions == [None, 1]
    assert kept(business).name == "Lantern"


def test_a_put_that_wants_to_replace_a_product_does_not_make_one_that_is_removed_meanwhile(
    business: Business, wired: MemoryWired
) -> None:
    made(business)
    is_there = Seen(lambda product: product is None)
    meanwhile(wired, lambda: remove(business))

    with pytest.raises(PreconditionFailed):
        put(business, name="Lamp", check=is_there)

    assert is_there.versions == [1, None]
    with pytest.raises(NotFound):
        kept(business)


def test_a_condition_is_asked_before_a_product_is_removed(business: Business) -> None:
    product = made(business)
    refuses, allows = Seen(lambda _: True), Seen()

    with pytest.raises(PreconditionFailed):
        remove(business, check=refuses)
    assert kept(business) == product
    remove(business, check=allows)

    assert [refuses.versions, allows.versions] == [[1], [1]]


def test_a_product_that_changes_meanwhile_is_removed_only_on_its_condition(business: Business, wired: MemoryWired) -> None:
    made(business)
    was_first = Seen(lambda product: product is None or product.version != 1)
    meanwhile(wired, lambda: change(business, -3))

    with pytest.raises(PreconditionFailed):
        remove(business, check=was_first)

    assert was_first.versions == [1, 2]
    assert kept(business).stock == 7


# Removing


def test_what_is_removed_is_answered_as_it_last_was(business: Business, wired: MemoryWired) -> None:
    made(business)
    meanwhile(wired, lambda: change(business, -3))

    removed = remove(business)

    assert (removed.stock, removed.version) == (7, 2)
    with pytest.raises(NotFound):
        kept(business)
    with pytest.raises(NotFound):
        remove(business)


def test_a_product_that_comes_back_is_a_new_one_whose_version_goes_on(business: Business) -> None:
    made(business)
    change(business, -3)
    remove(business)

    again = made(business, 1)

    assert (again.version, again.stock) == (3, 1)


# Stock


def test_a_change_of_stock_answers_the_product_and_is_listed(business: Business, wired: MemoryWired) -> None:
    begun = wired.clock.now()
    made(business)
    now = wired.clock.advance(hours=1)

    product = change(business, -3)
    change(business, 5)

    assert (product.stock, product.version, product.updated_at) == (7, 2, now)
    listed = products.list_stock_changes(business.caller, "L 1", PageRequest(), desk=wired)
    assert [(one.change, one.reason, one.user_id, one.created_at) for one in listed.items] == [
        (5, "Counted", business.caller.user_id, now),
        (-3, "Counted", business.caller.user_id, now),
        (10, "set with the product", business.caller.user_id, begun),
    ]
    assert all(is_id("stk", one.id) for one in listed.items)


@pytest.mark.parametrize("units", [0, MAX_STOCK + 1, -MAX_STOCK - 1])
def test_a_change_of_nothing_or_of_too_much_is_refused(business: Business, wired: MemoryWired, units: int) -> None:
    made(business)
    before = wired.state()

    with pytest.raises(Invalid):
        change(business, units)

    assert wired.state() == before


@pytest.mark.parametrize(("units", "refusal"), [(-11, OutOfStock), (MAX_STOCK - 9, StockTooLarge)])
def test_a_change_that_the_stock_does_not_bear_writes_nothing(
    business: Business, wired: MemoryWired, units: int, refusal: type[Exception]
) -> None:
    made(business)
    before = wired.state()

    with pytest.raises(refusal):
        change(business, units)

    assert wired.state() == before


def test_the_stock_of_what_is_not_there_neither_changes_nor_is_listed(business: Business, wired: MemoryWired) -> None:
    with pytest.raises(NotFound):
        change(business, 1)
    with pytest.raises(NotFound):
        products.list_stock_changes(business.caller, "L 1", PageRequest(), desk=wired)


def test_fifty_who_take_one_of_thirty_at_once_take_thirty(business: Business, wired: MemoryWired) -> None:
    made(business, 30)

    results = at_once(*[lambda: change(business, -1)] * 50)

    assert Counter(type(result) for result in results) == {Product: 30, OutOfStock: 20}
    assert (kept(business).stock, kept(business).version) == (0, 31)
    listed = products.list_stock_changes(business.caller, "L 1", PageRequest(limit=100), desk=wired).items
    assert [one.change for one in listed] == [-1] * 30 + [30]


def test_puts_that_leave_the_stock_out_lose_no_change_that_comes_at_once(business: Business) -> None:
    made(business, 30)

    results = at_once(
        *[lambda: change(business, -1)] * 20,
        *[lambda name=name: put(business, name=name) for name in "abcdefgh"],
    )

    assert Counter(type(result) for result in results) == {Product: 28}
    assert (kept(business).stock, kept(business).version) == (10, 1 + 20 + 8)


few = some.integers(-8, 8).filter(bool)
very_many = some.sampled_from([MAX_STOCK, -MAX_STOCK, MAX_STOCK - 1, 1 - MAX_STOCK])


@given(some.integers(0, 10) | some.integers(MAX_STOCK - 10, MAX_STOCK), some.lists(few | very_many, max_size=20))
def test_a_stock_is_what_it_was_and_all_changes_that_were_taken(start: int, asked: list[int]) -> None:
    business = open_business(MemoryWired())
    made(business, start)
    taken: list[int] = []

    for units in asked:
        expected = start + sum(taken) + units
        if 0 <= expected <= MAX_STOCK:
            taken.append(units)
            assert change(business, units).stock == expected
        else:
            with pytest.raises(OutOfStock if units < 0 else StockTooLarge):
                change(business, units)

    assert (kept(business).stock, kept(business).version) == (start + sum(taken), 1 + len(taken))
    listed = products.list_stock_changes(business.caller, "L 1", PageRequest(limit=100), desk=business.wired)
    assert [one.change for one in reversed(listed.items)] == [*filter(None, [start]), *taken]


@given(some.lists(some.none() | some.integers(0, 9) | some.just("sold") | some.just("gone"), max_size=12))
def test_what_is_noted_adds_up_to_the_stock_whatever_is_done(done: list[int | str | None]) -> None:
    business = open_business(MemoryWired())
    made(business, 5)

    for what in done:
        with suppress(NotFound, OutOfStock, StockNotCounted):
            if what == "sold":
                change(business, -1)
            elif what == "gone":
                remove(business)
            else:
                put(business, StockLevel(what))  # type: ignore[arg-type]

    put(business)
    listed = products.list_stock_changes(business.caller, "L 1", PageRequest(limit=100), desk=business.wired)
    assert sum(one.change for one in listed.items) == (kept(business).stock or 0)


@pytest.mark.parametrize("image_id", ["", "cli_1", "img_01KDWCJ2M00000000000000001"])
def test_an_image_that_is_not_there_is_not_put_on_a_product(business: Business, image_id: str) -> None:
    with pytest.raises(NotFound):
        put(business, image_id=image_id)
    with pytest.raises(NotFound):
        kept(business)


def an_image_of(business: Business) -> str:
    details = ImageDetails(filename="lantern.jpg", content_type="image/jpeg")
    return images.add_image(business.caller, details, desk=business.wired).image.id


def test_an_image_of_the_account_is_put_on_a_product_and_may_go_from_under_it(business: Business) -> None:
    image_id = an_image_of(business)
    put(business, image_id=image_id)
    images.remove_image(business.caller, image_id, desk=business.wired)

    put(business, image_id=image_id, name="Lamp")

    assert (kept(business).image_id, kept(business).name) == (image_id, "Lamp")
    put(business)
    with pytest.raises(NotFound):
        put(business, image_id=image_id)
    assert kept(business).image_id is None


def test_another_accounts_image_is_not_put_on_a_product(business: Business) -> None:
    other = open_business(business.wired, email="grace@example.com")

    with pytest.raises(NotFound):
        put(business, image_id=an_image_of(other))
    with pytest.raises(NotFound):
        products.add_product(business.caller, replace(LANTERN, image_id=an_image_of(other)), None, desk=business.wired)


@pytest.mark.parametrize("there", [False, True])
def test_an_image_that_goes_while_it_is_put_on_a_product_is_not_found(business: Business, there: bool) -> None:
    image_id = an_image_of(business)
    if there:
        made(business)
    store: Any = business.wired.store
    found = store.images.get

    def gone_after(account_id: str, wanted: str) -> object:
        image = found(account_id, wanted)
        store.images.get = found
        images.remove_image(business.caller, image_id, desk=business.wired)
        return image

    store.images.get = gone_after
    with pytest.raises(NotFound):
        put(business, image_id=image_id)

    assert [product.image_id for product in store.products.page(business.caller.account_id, PageRequest()).items] == (
        [None] if there else []
    )
