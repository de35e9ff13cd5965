"""What comes in: bodies and query strings, with every bound that a schema can state; the rest is the domain's to check.

What only some of them become is imported where it is made: a request for a client does not wait for the rules of invoices.
"""

from dataclasses import replace
from datetime import date as Day
from datetime import datetime
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.checks import COUNTRIES
from chalicelib.domain.clients import ClientDetails
from chalicelib.domain.errors import FieldError, Invalid, ProductIdsDiffer
from chalicelib.domain.identifiers import PRODUCT_ID
from chalicelib.domain.kinds import SearchType
from chalicelib.domain.money import MINOR_UNITS
from chalicelib.domain.paging import DEFAULT_LIMIT, MAX_LIMIT, PageRequest
from chalicelib.domain.statuses import ImportKind, InvoiceStatus, OrderStatus, WorkflowStatus
from chalicelib.domain.users import Role
from chalicelib.edge.cursors import unseal

if TYPE_CHECKING:
    from chalicelib.domain.accounts import Profile, SignUp
    from chalicelib.domain.images import ImageDetails
    from chalicelib.domain.imports import ImportDetails
    from chalicelib.domain.invoices import InvoiceFilter, PaymentDetails
    from chalicelib.domain.membership import UserDetails
    from chalicelib.domain.orders import OrderDetails, OrderFilter
    from chalicelib.domain.products import ProductDetails, StockLevel
    from chalicelib.domain.search import SearchRequest
    from chalicelib.domain.work import WorkDetails, WorkFilter

T = TypeVar("T")

# The patterns mean the same in Python, whose `$` would let a line break pass, and in JSON Schema's ECMAScript.
_ONE_LINE = r"^(?![\s\S]*[\x00-\x1f\x7f])"
_TEXT = r"^(?![\s\S]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])"
_NOT_BLANK = r"\s*\S"
_NO_PATH = r"^(?!\.\.?(?![\s\S]))(?![\s\S]*[/\\\x00-\x1f\x7f-\x9f])"
_CODE = r"^[A-Za-z0-9 .-]*(?![\s\S])"
_PREFIX = r"^[A-Za-z0-9/_-]*(?![\s\S])"
_TAX_NUMBER = r"^[A-Za-z0-9][A-Za-z0-9 ./-]*(?![\s\S])"
_SIGNS = "[ ./,_-]*"
_DATE_FORMATS = "|".join(_SIGNS.join(order) for order in permutations(("YYYY", "MM", "DD")))
_DATE_FORMAT = rf"^{_SIGNS}(?:{_DATE_FORMATS}){_SIGNS}(?![\s\S])"
WORDS = {
    _ONE_LINE: "must be one line without control characters",
    _ONE_LINE + _NOT_BLANK: "must be one line without control characters, and not blank",
    _TEXT: "must not contain control characters other than tabs and line breaks",
    _TEXT + _NOT_BLANK: "must not be blank nor contain control characters other than tabs and line breaks",
    _CODE: "takes only the letters A to Z, digits, spaces, full stops and hyphens",
    _PREFIX: "takes only the letters A to Z, digits, slashes, underscores and hyphens",
    _TAX_NUMBER: "begins with a letter or digit; takes A to Z, digits, spaces, full stops, slashes and hyphens",
}
"""What each pattern asks for, by the pattern."""

MAX_STOCK = 1_000_000_000
"""As in `domain/products.py`, which only requests for products load; tests hold the two equal."""
MAX_LINES = 50
MAX_QUANTITY = 1_000_000
"""As in `domain/orders.py`, likewise."""

Line = Annotated[str, Meta(max_length=200, pattern=_ONE_LINE)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ONE_LINE + _NOT_BLANK)]
Text = Annotated[str, Meta(max_length=500, pattern=_TEXT)]
Code = Annotated[str, Meta(max_length=34, pattern=_CODE)]
Prefix = Annotated[str, Meta(max_length=12, pattern=_PREFIX)]
TaxNumber = Annotated[str, Meta(min_length=1, max_length=40, pattern=_TAX_NUMBER)]
Password = Annotated[str, Meta(max_length=1024)]
Address = Annotated[str, Meta(max_length=254)]
Instant = Annotated[datetime, Meta(tz=True)]
TermsDays = Annotated[int, Meta(ge=0, le=365)]
Minutes = Annotated[int, Meta(ge=1, le=1500)]
InvoiceDay = Annotated[int, Meta(ge=1, le=31)]
Id = Annotated[str, Meta(max_length=64)]
ProductId = Annotated[str, Meta(extra_json_schema={"pattern": f"^{PRODUCT_ID}$"})]
CustomerId = Annotated[str, Meta(min_length=1, max_length=64, pattern=_ONE_LINE + _NOT_BLANK)]
PaymentMethod = Annotated[str, Meta(min_length=1, max_length=64, pattern=_ONE_LINE + _NOT_BLANK)]
PostalCode = Annotated[str, Meta(min_length=1, max_length=16, pattern=_CODE)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Stock = Annotated[int, Meta(ge=0, le=MAX_STOCK)]
# What the domain checks, in the schema only: it tells all faults at once, the decoder the first.
Currency = Annotated[Code, Meta(extra_json_schema={"enum": sorted(MINOR_UNITS)})]
Country = Annotated[Code, Meta(extra_json_schema={"enum": sorted(COUNTRIES)})]
Rate = Annotated[Decimal, Meta(extra_json_schema={"minimum": 0})]
Percent = Annotated[Decimal, Meta(extra_json_schema={"minimum": 0, "maximum": 100})]
Price = Annotated[Decimal, Meta(extra_json_schema={"minimum": 0})]
Filename = Annotated[
    str,
    Meta(extra_json_schema={"minLength": 1, "maxLength": 900, "pattern": _NO_PATH + _NOT_BLANK}),
]
ImageType = Annotated[str, Meta(extra_json_schema={"enum": ["image/jpeg", "image/png", "image/webp"]})]
Amount = Annotated[Decimal, Meta(extra_json_schema={"exclusiveMinimum": 0})]


Heading = Annotated[str, Meta(min_length=1, max_length=200, pattern=_TEXT)]
Field = Annotated[str, Meta(min_length=1, max_length=40)]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object with these members and no others; with what is said where there is none, or no JSON."""

    when_empty: ClassVar[str] = "the body is empty"
    when_unreadable: ClassVar[str] = "the body is not JSON in UTF-8"

    def into(self, domain_type: type[T]) -> T:
        """The domain type whose fields are called the same."""
        return msgspec.convert(self, type=domain_type, from_attributes=True)


class NewAccount(Body, frozen=True, kw_only=True):
    name: Name
    email: Address
    password: Password
    currency: Currency
    time_zone: Line
    country: Country

    def details(self) -> "SignUp":
        from chalicelib.domain.accounts import SignUp

        return self.into(SignUp)


class Credentials(Body, frozen=True, kw_only=True):
    email: Address
    password: Password


class NewProfile(Body, frozen=True, kw_only=True):
    legal_name: Name
    address: Text = ""
    country: Country
    tax_id: TaxNumber | None = None
    vat_id: TaxNumber | None = None
    iban: Code | None = None
    bic: Code | None = None
    email: Address
    currency: Currency
    time_zone: Line
    default_tax_rate: Percent = Decimal(0)
    payment_terms_days: TermsDays = 14
    invoice_prefix: Prefix = ""

    def details(self) -> "Profile":
        from chalicelib.domain.accounts import Profile

        profile = self.into(Profile)
        return replace(profile, iban=_without_spaces(self.iban), bic=_without_spaces(self.bic))


def _without_spaces(code: str | None) -> str | None:
    """IBAN and BIC as banks exchange them; people write them in groups."""
    return code if code is None else code.replace(" ", "").upper() or None


class EditedUser(Body, frozen=True, kw_only=True):
    name: Name
    email: Address
    role: Role

    def details(self) -> "UserDetails":
        from chalicelib.domain.membership import UserDetails

        return self.into(UserDetails)


class NewUser(EditedUser, frozen=True, kw_only=True):
    """`password` is the user's first."""

    password: Password


class UserPatch(Body, frozen=True, kw_only=True):
    """A JSON merge patch (RFC 7396): what is left out stays."""

    name: Name | UnsetType = UNSET
    email: Address | UnsetType = UNSET
    role: Role | UnsetType = UNSET

    def apply(self, details: "UserDetails") -> "UserDetails":
        return replace(details, **_changes(self))


class NewPassword(Body, frozen=True, kw_only=True):
    current: Password
    new: Password


class NewClient(Body, frozen=True, kw_only=True):
    """`rate` is per hour; `tax_rate` in per cent."""

    name: Name
    description: Text = ""
    email: Address | None = None
    address: Text = ""
    country: Country | None = None
    vat_id: TaxNumber | None = None
    rate: Rate
    rate_valid_from: Day | None = None
    currency: Currency
    tax_rate: Percent | None = None
    reverse_charge: bool = False
    invoice_day: InvoiceDay | None = None
    payment_terms_days: TermsDays | None = None

    def details(self) -> ClientDetails:
        return self.into(ClientDetails)


class ClientPatch(Body, frozen=True, kw_only=True):
    """A JSON merge patch (RFC 7396): what is left out stays, null empties."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    email: Address | None | UnsetType = UNSET
    address: Text | UnsetType = UNSET
    country: Country | None | UnsetType = UNSET
    vat_id: TaxNumber | None | UnsetType = UNSET
    rate: Rate | UnsetType = UNSET
    rate_valid_from: Day | None | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    tax_rate: Percent | None | UnsetType = UNSET
    reverse_charge: bool | UnsetType = UNSET
    invoice_day: InvoiceDay | None | UnsetType = UNSET
    payment_terms_days: TermsDays | None | UnsetType = UNSET

    def apply(self, details: ClientDetails) -> ClientDetails:
        return replace(details, **_changes(self))


def _changes(patch: Body) -> dict[str, Any]:
    """The members that were sent."""
    return {name: value for name in patch.__struct_fields__ if (value := getattr(patch, name)) is not UNSET}


class NewWork(Body, frozen=True, kw_only=True):
    """Either `started_at` and `ended_at`, or `date` and `minutes`."""

    client_id: Id
    description: Text = ""
    billable: bool = True
    started_at: Instant | None = None
    ended_at: Instant | None = None
    date: Day | None = None
    minutes: Minutes | None = None

    def details(self) -> "WorkDetails":
        """Raises: Invalid unless it is one form and not the other."""
        from chalicelib.domain.work import DatedWork, TimedWork

        timed, dated = (self.started_at, self.ended_at), (self.date, self.minutes)
        if None not in timed and dated == (None, None):
            return self.into(TimedWork)
        if None not in dated and timed == (None, None):
            return self.into(DatedWork)
        raise Invalid(FieldError("", "must have either started_at and ended_at, or date and minutes"))


class NewTimer(Body, frozen=True, kw_only=True):
    client_id: Id
    description: Text = ""
    billable: bool = True


class NewInvoice(Body, frozen=True, kw_only=True):
    client_id: Id
    through: Day


class NewPayment(Body, frozen=True, kw_only=True):
    amount: Amount
    paid_on: Day
    reference: Line = ""

    def details(self) -> "PaymentDetails":
        from chalicelib.domain.invoices import PaymentDetails

        return self.into(PaymentDetails)


class NewCreditNote(Body, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=_TEXT + _NOT_BLANK)]


class NewProduct(Body, frozen=True, kw_only=True):
    """`price` is of one unit, in the account's currency. `stock` null, or left out of a new product, is not counted."""

    when_empty = "empty request body"
    when_unreadable = "failed to parse product from request body"

    name: Name
    price: Price
    description: Annotated[str, Meta(max_length=4000, pattern=_TEXT)] = ""
    stock: Stock | None | UnsetType = UNSET
    image_id: Id | None = None

    def details(self) -> "ProductDetails":
        from chalicelib.domain.products import ProductDetails

        return self.into(ProductDetails)

    def level(self) -> "StockLevel | None":
        """None to leave it as it is."""
        from chalicelib.domain.products import StockLevel

        return None if self.stock is UNSET else StockLevel(self.stock)


class PutProduct(NewProduct, frozen=True, kw_only=True):
    """`id` may be left out, as the path has it. So may `stock` of a product that is there: it stays as it is."""

    id: ProductId | UnsetType = UNSET

    def details_of(self, product_id: str) -> "ProductDetails":
        """Raises: ProductIdsDiffer."""
        if self.id not in (UNSET, product_id):
            raise ProductIdsDiffer("product ID in path does not match product ID in body")
        return self.details()


class NewStockChange(Body, frozen=True, kw_only=True):
    """Units to add, or to take if `change` is negative."""

    change: Annotated[int, Meta(ge=-MAX_STOCK, le=MAX_STOCK, extra_json_schema={"not": {"const": 0}})]
    reason: Line = ""


class NewImage(Body, frozen=True, kw_only=True):
    """What is going to be uploaded with the form that is answered: at most 20 MiB, and of that type only."""

    filename: Filename
    content_type: ImageType

    def details(self) -> "ImageDetails":
        from chalicelib.domain.images import ImageDetails

        return self.into(ImageDetails)


class ShippingAddressBody(Body, frozen=True, kw_only=True):
    name: Name
    street: Name
    city: Name
    postal_code: PostalCode
    country: Country


class OrderItemBody(Body, frozen=True, kw_only=True):
    product_id: ProductId
    quantity: Quantity


class EditedOrder(Body, frozen=True, kw_only=True):
    """Either `items`, of at most 48 different products, or one by `product_id` and `quantity`. `total_amount` is checked if it
    is sent.
    """

    customer_id: CustomerId
    items: Annotated[tuple[OrderItemBody, ...], Meta(min_length=1, max_length=MAX_LINES)] | None = None
    product_id: ProductId | None = None
    quantity: Quantity | None = None
    total_amount: Price | None = None
    payment_method: PaymentMethod = "card"
    shipping_address: ShippingAddressBody | None = None

    def details(self) -> "OrderDetails":
        """Raises: Invalid unless it is one form and not the other."""
        from chalicelib.domain.orders import OrderDetails, ShippingAddress, WantedItem

        if self.items is not None and (self.product_id, self.quantity) == (None, None):
            wanted = tuple(item.into(WantedItem) for item in self.items)
        elif self.items is None and self.product_id is not None and self.quantity is not None:
            wanted = (WantedItem(product_id=self.product_id, quantity=self.quantity),)
        else:
            raise Invalid(FieldError("", "must have either items, or product_id and quantity"))
        return OrderDetails(
            customer_id=self.customer_id,
            items=wanted,
            payment_method=self.payment_method,
            shipping_address=None if self.shipping_address is None else self.shipping_address.into(ShippingAddress),
            total_amount=self.total_amount,
        )


class NewOrder(EditedOrder, frozen=True, kw_only=True):
    """With `hold` it waits until it is submitted."""

    hold: bool = False


class NewImport(Body, frozen=True, kw_only=True):
    """`columns` are our fields by the file's headings: those of `POST /v1/clients`, `PUT /v1/products/{id}` or `POST /v1/work`;
    work may say `client` by its name, and when by `start_date`, `start_time`, `end_date`, `end_time`, `duration` or `hours`.
    `date_format` is made of YYYY, MM and DD, such as DD.MM.YYYY.
    Without `decimal_separator`, what may mean two numbers is refused.

    A product's row that was in before is left alone, whatever was sold since; one that is new, if only by its price, sets
    `stock` to what it says, sold or not: leave that cell empty to leave the stock. Of two files the one opened later wins.
    A dry run checks each row by itself and writes nothing: of rows that collide with each other it knows nothing.
    """

    kind: ImportKind
    filename: Filename
    content_type: Literal["text/csv", "application/json", "application/x-ndjson"]
    columns: Annotated[dict[Heading, Field], Meta(max_length=100)] = {}
    date_format: Annotated[str, Meta(max_length=20, extra_json_schema={"pattern": _DATE_FORMAT})] | None = None
    decimal_separator: Literal[".", ","] | None = None
    dry_run: bool = False

    def details(self) -> "ImportDetails":
        """Raises: Invalid."""
        from chalicelib.domain.imports import ImportDetails
        from chalicelib.edge.import_files import check_plan

        details = self.into(ImportDetails)
        check_plan(details)
        return details


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A query string with these parameters and no others."""


class ListQuery(Query, frozen=True, kw_only=True):
    list_name: ClassVar[str]

    limit: Annotated[
        int, Meta(ge=1, le=MAX_LIMIT, description="At most so many; a page of very large things ends earlier, with `next`.")
    ] = DEFAULT_LIMIT
    next: str | None = None

    def page(self, account_id: str) -> PageRequest:
        """Raises: BadCursor."""
        after = None if self.next is None else unseal(self.next, account_id, self.list_name)
        return PageRequest(limit=self.limit, after=after)


class UserQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "users"


class ClientQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "clients"


class ProductQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "products"


class ImageQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "images"


class OrderQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "orders"

    customer_id: Id | None = None
    status: OrderStatus | None = None
    workflow_status: WorkflowStatus | None = None

    def wanted(self) -> "OrderFilter":
        from chalicelib.domain.orders import OrderFilter

        return msgspec.convert(self, type=OrderFilter, from_attributes=True)


class ImportQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "imports"


class StockChangeQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "stock_changes"


class WorkQuery(ListQuery, frozen=True, kw_only=True, rename={"first_day": "from", "last_day": "to"}):
    list_name = "work"

    client_id: Id | None = None
    first_day: Day | None = None
    last_day: Day | None = None
    billed: bool | None = None

    def wanted(self) -> "WorkFilter":
        from chalicelib.domain.work import WorkFilter

        return msgspec.convert(self, type=WorkFilter, from_attributes=True)


class InvoiceQuery(ListQuery, frozen=True, kw_only=True):
    list_name = "invoices"

    client_id: Id | None = None
    status: InvoiceStatus | None = None

    def wanted(self) -> "InvoiceFilter":
        from chalicelib.domain.invoices import InvoiceFilter

        return msgspec.convert(self, type=InvoiceFilter, from_attributes=True)


class OverlapQuery(Query, frozen=True, kw_only=True):
    allow_overlap: bool = False


class SearchQuery(Query, frozen=True, kw_only=True):
    """`q` is words, which may be only begun, and "phrases in quotes": all of them must be found."""

    q: str
    type: SearchType | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT

    def wanted(self) -> "SearchRequest":
        from chalicelib.domain.search import SearchRequest, terms_of

        return SearchRequest(terms=terms_of(self.q), type=self.type, limit=self.limit)
