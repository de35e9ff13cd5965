"""Things to test with: valid and plain, but for what the test says. Every one belongs to `acc_1` unless told otherwise."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain.accounts import Account, Profile
from chalicelib.domain.clients import Client, ClientDetails, new_client
from chalicelib.domain.images import Image, ImageDetails, new_image
from chalicelib.domain.invoices import Payment
from chalicelib.domain.orders import Order, OrderDetails, Reservation, ShippingAddress, WantedItem, place_order, reserve
from chalicelib.domain.products import Product, StockChange
from chalicelib.domain.users import Caller, Role, User
from chalicelib.domain.work import Timer, WorkEntry


def at(text: str = "2026-01-10T09:00:00") -> datetime:
    """An instant, UTC where the text says nothing else; a day alone is its midnight."""
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


NOW = at()


def a_profile(**changes: Any) -> Profile:
    plain = Profile(
        legal_name="Ada Lovelace e.U.",
        address="Ringstraße 1\n1010 Wien",
        country="AT",
        vat_id="ATU12345678",
        iban="AT611904300234573201",
        bic="BKAUATWW",
        email="ada@example.com",
        currency="EUR",
        time_zone="Europe/Vienna",
        default_tax_rate=Decimal(20),
        invoice_prefix="RE-",
    )
    return replace(plain, **changes)


def an_account(account_id: str = "acc_1", **profile: Any) -> Account:
    return Account(id=account_id, name="Ada", profile=a_profile(**profile), created_at=NOW, updated_at=NOW)


def a_user(user_id: str = "usr_1", **changes: Any) -> User:
    plain = User(
        account_id="acc_1",
        id=user_id,
        name="Ada Lovelace",
        email="ada@example.com",
        role=Role.OWNER,
        password_hash="plain:a long password",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **changes)


def a_caller(user: User | None = None) -> Caller:
    user = user or a_user()
    return Caller(
        account_id=user.account_id,
        user_id=user.id,
        email=user.email,
        roles=(user.role,),
        password_version=user.password_version,
    )


def client_details(**changes: Any) -> ClientDetails:
    return replace(ClientDetails(name="Babbage & Co", email="charles@example.com", rate=Decimal(95), currency="EUR"), **changes)


def a_client(client_id: str = "cli_1", *, account: Account | None = None, now: datetime = NOW, **changes: Any) -> Client:
    """Takes what a client's details take, and what a client has besides."""
    edited = {field.name for field in fields(ClientDetails)}
    details = client_details(**{name: value for name, value in changes.items() if name in edited})
    client = new_client(details, account or an_account(), client_id=client_id, now=now)
    return replace(client, **{name: value for name, value in changes.items() if name not in edited})


def an_entry(entry_id: str = "wrk_1", *, day: date = date(2026, 1, 5), minutes: int = 60, **changes: Any) -> WorkEntry:
    """Work of so many minutes, at no particular hour."""
    plain = WorkEntry(
        account_id="acc_1",
        id=entry_id,
        user_id="usr_1",
        client_id="cli_1",
        description="Analytical engine",
        day=day,
        started_at=None,
        ended_at=None,
        duration_seconds=minutes * 60,
        billable=True,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **changes)


def a_timed_entry(
    entry_id: str = "wrk_1", *, started_at: str = "2026-01-05T09:00:00", hours: float = 1, **changes: Any
) -> WorkEntry:
    """Work from an hour on; its day is that of UTC."""
    start = at(started_at)
    duration = timedelta(hours=hours)
    timed = an_entry(
        entry_id,
        day=start.date(),
        started_at=start,
        ended_at=start + duration,
        duration_seconds=int(duration.total_seconds()),
    )
    return replace(timed, **changes)


def a_timer(**changes: Any) -> Timer:
    plain = Timer(
        account_id="acc_1",
        user_id="usr_1",
        client_id="cli_1",
        description="Analytical engine",
        billable=True,
        started_at=NOW,
    )
    return replace(plain, **changes)


def a_payment(amount: str, payment_id: str = "pay_1") -> Payment:
    return Payment(id=payment_id, amount=Decimal(amount), paid_on=date(2026, 2, 10), reference="", recorded_at=NOW)


def a_product(product_id: str = "85123A", **changes: Any) -> Product:
    """Of which 30 units are there."""
    plain = Product(
        account_id="acc_1",
        id=product_id,
        name="White hanging heart T-light holder",
        price=Decimal("2.55"),
        currency="EUR",
        stock=30,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **changes)


def a_stock_change(change_id: str = "stk_1", *, change: int = -1, **changes: Any) -> StockChange:
    plain = StockChange(
        account_id="acc_1",
        id=change_id,
        product_id="85123A",
        user_id="usr_1",
        change=change,
        reason="Sold over the counter",
        created_at=NOW + timedelta(hours=1),
    )
    return replace(plain, **changes)


ADDRESS = ShippingAddress(name="Charles Babbage", street="Dorset Street 1", city="London", postal_code="W1U 4EG", country="GB")


def order_details(*items: tuple[str, int], **changes: Any) -> OrderDetails:
    """One unit of the plain product, if nothing is said."""
    wanted = tuple(WantedItem(product_id=product_id, quantity=units) for product_id, units in items or [("85123A", 1)])
    plain = OrderDetails(customer_id="cus_7", items=wanted, payment_method="card", shipping_address=ADDRESS)
    return replace(plain, **changes)


def an_order(order_id: str = "ord_1", *items: tuple[str, int], hold: bool = False, **changes: Any) -> Order:
    """Placed now; of products that are as `a_product` has them."""
    details = order_details(*items)
    products = {item.product_id: a_product(item.product_id) for item in details.items}
    order = place_order(details, products, account_id="acc_1", order_id=order_id, hold=hold, now=NOW)
    return replace(order, **changes)


def a_reservation(order: Order, *uncounted: str, **changes: Any) -> Reservation:
    """For all units of the order, but of products that nobody counts."""
    products = {name: a_product(name, stock=None if name in uncounted else 30) for name in order.quantities}
    return replace(reserve(order, products, now=NOW), **changes)


def an_image(image_id: str = "img_1", **changes: Any) -> Image:
    details = ImageDetails(filename="Lantern 1.jpg", content_type="image/jpeg")
    return replace(new_image(details, account_id="acc_1", image_id=image_id, now=NOW), **changes)
