"""What the sandbox carrier does, with books in DynamoDB and in memory."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.errors import ShippingError, Unavailable
from chalicelib.domain.orders import Order, OrderItem, ShippingAddress, StepKey
from chalicelib.gateways.own_delivery import OwnDelivery
from chalicelib.gateways.sandbox_carrier import SandboxCarrier
from chalicelib.ports import Carrier
from chalicelib.repositories.books import DynamoBooks
from chalicelib.repositories.memory_books import MemoryBooks
from chalicelib.repositories.table import Table
from tests.builders import NOW
from tests.contract.stores import TABLE
from tests.fakes import FixedClock

KEY = StepKey("acc_1", "ord_01J0000000000000000000000A", "CreateShipment")
ADDRESS = ShippingAddress(name="Ada Byron", street="12 St James's Square", city="London", postal_code="SW1Y 4JH", country="GB")
ORDER = Order(
    account_id="acc_1",
    id="ord_01J0000000000000000000000A",
    customer_id="C-17",
    items=(OrderItem(product_id="MUG", name="Mug", quantity=2, unit_price=Decimal("9.50"), amount=Decimal("19.00")),),
    total_amount=Decimal("19.00"),
    currency="GBP",
    payment_method="card",
    shipping_address=ADDRESS,
    created_at=NOW,
    updated_at=NOW,
)
NOT_SERVED = replace(ORDER, shipping_address=replace(ADDRESS, postal_code="00012"))
NEVER_ANSWERED = replace(ORDER, shipping_address=replace(ADDRESS, postal_code="99950"))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture(params=["memory", "dynamodb"])
def carrier(request: pytest.FixtureRequest, clock: FixedClock) -> Carrier:
    books = MemoryBooks() if request.param == "memory" else DynamoBooks(Table(request.getfixturevalue("client"), TABLE))
    return SandboxCarrier(books, clock)


def test_a_shipment_has_a_carrier_a_number_and_a_day_in_the_days_to_come(carrier: Carrier) -> None:
    shipment = carrier.ship(KEY, ORDER)

    assert shipment.carrier
    assert len(shipment.tracking_number) == len("SB") + 12
    assert timedelta(days=2) <= shipment.estimated_delivery - NOW.date() <= timedelta(days=5)


def test_asked_again_days_later_it_is_the_same_shipment(carrier: Carrier, clock: FixedClock) -> None:
    shipment = carrier.ship(KEY, ORDER)
    clock.advance(days=3)

    assert carrier.ship(KEY, ORDER) == shipment


def test_twenty_who_ask_at_once_get_one_shipment(carrier: Carrier) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(lambda _: carrier.ship(KEY, ORDER), range(20)))) == 1


def test_other_keys_are_other_shipments(carrier: Carrier) -> None:
    numbers = {carrier.ship(KEY._replace(order_id=f"{ORDER.id}-{place}"), ORDER).tracking_number for place in range(50)}

    assert len(numbers) == 50


def test_an_order_without_an_address_is_brought_where_the_customer_lives(carrier: Carrier) -> None:
    assert carrier.ship(KEY, replace(ORDER, shipping_address=None)).tracking_number


def test_where_the_carrier_does_not_go_nothing_is_shipped(carrier: Carrier) -> None:
    for _ in range(2):
        with pytest.raises(ShippingError, match="00012"):
            carrier.ship(KEY, NOT_SERVED)

    carrier.void(KEY)


def test_a_carrier_that_never_answers_does_not_call_back_either(carrier: Carrier) -> None:
    with pytest.raises(Unavailable):
        carrier.ship(KEY, NEVER_ANSWERED)

    for _ in range(2):
        with pytest.raises(Unavailable):
            carrier.void(KEY)
        with pytest.raises(Unavailable):
            carrier.ship(KEY, NEVER_ANSWERED)


@pytest.mark.parametrize("shipped_before", [True, False])
def test_what_was_called_back_is_not_shipped_any_more(carrier: Carrier, *, shipped_before: bool) -> None:
    if shipped_before:
        carrier.ship(KEY, ORDER)
    for _ in range(2):
        carrier.void(KEY)

    with pytest.raises(ShippingError, match="called back"):
        carrier.ship(KEY, ORDER)


# A shop that delivers by itself


@pytest.fixture
def own(clock: FixedClock) -> Carrier:
    return OwnDelivery(MemoryBooks(), clock)


def test_a_shop_that_delivers_by_itself_promises_once(own: Carrier, clock: FixedClock) -> None:
    promised = own.ship(KEY, NOT_SERVED)
    clock.advance(days=2)

    assert own.ship(KEY, NOT_SERVED) == promised
    assert (promised.carrier, promised.tracking_number) == ("own delivery", ORDER.id)
    assert promised.estimated_delivery == (NOW + timedelta(days=3)).date()


def test_what_a_shop_was_told_not_to_deliver_it_does_not(own: Carrier) -> None:
    own.void(KEY)
    own.void(KEY)

    with pytest.raises(ShippingError):
        own.ship(KEY, ORDER)
