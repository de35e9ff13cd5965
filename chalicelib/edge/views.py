"""What goes out: one view for each kind of answer, made from the domain's fields and properties of the same names."""

from datetime import date as Day
from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.kinds import SearchType
from chalicelib.domain.statuses import (
    DeliveryStatus,
    FulfillmentStatus,
    ImageStatus,
    ImportKind,
    ImportStatus,
    InvoiceStatus,
    OrderStatus,
    PaymentStatus,
    WorkflowStatus,
)
from chalicelib.domain.users import Role

Instant = Annotated[datetime, Meta(tz=True)]


class View(Struct, frozen=True, kw_only=True):
    """A JSON object with all of these members.

    `parts` names the members of the domain object whose fields stand beside its own.
    """

    parts: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, thing: object) -> Self:
        """The view of a domain object: its fields and properties of the same names."""
        return msgspec.convert(_Merged(thing, cls.parts), type=cls, from_attributes=True)

    def lasting(self) -> "View":
        """The same without what is of the moment, such as links: what somebody saw of the thing, however long ago."""
        return self


class _Merged:
    """A thing and some of its parts as one bag of attributes; the thing's own come first."""

    def __init__(self, thing: object, parts: tuple[str, ...]) -> None:
        self._bags = (thing, *(getattr(thing, part) for part in parts))

    def __getattr__(self, name: str) -> object:
        for bag in self._bags:
            if hasattr(bag, name):
                return getattr(bag, name)
        raise AttributeError(name)


class Welcome(View, frozen=True, kw_only=True):
    name: str = "daybook"
    api: str = "v1"


class Health(View, frozen=True, kw_only=True):
    status: Literal["ok"] = "ok"


class AccountView(View, frozen=True, kw_only=True):
    parts = ("profile",)

    id: str
    name: str
    legal_name: str
    address: str
    country: str
    tax_id: str | None
    vat_id: str | None
    iban: str | None
    bic: str | None
    email: str
    currency: str
    time_zone: str
    default_tax_rate: Decimal
    payment_terms_days: int
    invoice_prefix: str
    created_at: Instant
    updated_at: Instant


class UserView(View, frozen=True, kw_only=True):
    id: str
    name: str
    email: str
    role: Role
    created_at: Instant
    updated_at: Instant


class TokenView(View, frozen=True, kw_only=True):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  the scheme, not a secret
    expires_in: int


class OpenedAccount(TokenView, frozen=True, kw_only=True):
    account: AccountView
    user: UserView


class RateView(View, frozen=True, kw_only=True):
    rate: Decimal
    valid_from: Day | None


class ClientView(View, frozen=True, kw_only=True):
    """`rate` is the newest, `rates` all of them by first day; `next_invoice_on` the day of the next automatic invoice."""

    id: str
    name: str
    description: str
    email: str | None
    address: str
    country: str | None
    vat_id: str | None
    rate: Decimal
    rate_valid_from: Day | None
    rates: tuple[RateView, ...]
    currency: str
    tax_rate: Decimal | None
    reverse_charge: bool
    invoice_day: int | None
    payment_terms_days: int | None
    next_invoice_on: Day | None
    invoiced_through: Day | None
    archived: bool
    created_at: Instant
    updated_at: Instant


class WorkView(View, frozen=True, kw_only=True, rename={"day": "date"}):
    """`date` is the local day on which the work began; `rate` the one that holds on that day."""

    parts = ("entry",)

    id: str
    client_id: str
    user_id: str
    description: str
    day: Day
    started_at: Instant | None
    ended_at: Instant | None
    duration_seconds: int
    billable: bool
    rate: Decimal
    currency: str
    billed: bool
    invoice_id: str | None
    created_at: Instant
    updated_at: Instant


class TimerView(View, frozen=True, kw_only=True):
    client_id: str
    description: str
    billable: bool
    started_at: Instant


class PartyView(View, frozen=True, kw_only=True):
    name: str
    address: str
    country: str | None
    email: str | None
    vat_id: str | None
    tax_id: str | None | UnsetType = UNSET
    iban: str | None | UnsetType = UNSET
    bic: str | None | UnsetType = UNSET


class VatGroupView(View, frozen=True, kw_only=True):
    rate: Decimal
    net: Decimal
    vat: Decimal


class PaymentView(View, frozen=True, kw_only=True):
    id: str
    amount: Decimal
    paid_on: Day
    reference: str
    recorded_at: Instant


class DeliveryView(View, frozen=True, kw_only=True):
    status: DeliveryStatus
    reason: str | None
    recipient: str | None
    sent_at: Instant | None


class LineView(View, frozen=True, kw_only=True, rename={"day": "date"}):
    entry_id: str
    day: Day
    description: str
    duration_seconds: int
    rate: Decimal
    amount: Decimal
    tax_rate: Decimal


class InvoiceSummary(View, frozen=True, kw_only=True):
    """An invoice without its lines; `duration_seconds` is the sum of all of them."""

    parts = ("invoice",)

    id: str
    number: str
    client_id: str
    status: InvoiceStatus
    overdue: bool
    currency: str
    reverse_charge: bool
    issued_at: Instant
    issued_on: Day
    due_on: Day
    period_from: Day
    period_through: Day
    duration_seconds: int
    net: Decimal
    vat: Decimal
    total: Decimal
    paid_amount: Decimal
    open_amount: Decimal
    vat_groups: tuple[VatGroupView, ...]
    seller: PartyView
    buyer: PartyView
    payments: tuple[PaymentView, ...]
    credit_note_id: str | None
    credit_note_number: str | None
    delivery: DeliveryView


class InvoiceView(InvoiceSummary, frozen=True, kw_only=True):
    lines: tuple[LineView, ...]


class CreditNoteView(View, frozen=True, kw_only=True):
    id: str
    number: str
    invoice_id: str
    invoice_number: str
    client_id: str
    reason: str
    issued_at: Instant
    issued_on: Day
    currency: str
    net: Decimal
    vat: Decimal
    total: Decimal
    vat_groups: tuple[VatGroupView, ...]
    delivery: DeliveryView


class AmountView(View, frozen=True, kw_only=True):
    currency: str
    total: Decimal


class OutcomeView(View, frozen=True, kw_only=True):
    client_id: str
    due_on: Day
    outcome: str
    invoice_id: str | None
    number: str | None
    currency: str | None
    total: Decimal | None


class ReportView(View, frozen=True, kw_only=True):
    date: Day
    invoices_due: int
    invoices_issued: int
    nothing_to_invoice: int
    invoices_missed: int
    amounts: tuple[AmountView, ...]
    outcomes: tuple[OutcomeView, ...]


class ProductView(View, frozen=True, kw_only=True):
    """`stock` is null where nobody counts it."""

    id: str
    name: str
    price: Decimal
    currency: str
    description: str
    stock: int | None
    image_id: str | None
    created_at: Instant
    updated_at: Instant


class StockChangeView(View, frozen=True, kw_only=True):
    """By a user, or for an order: the other id is null."""

    id: str
    product_id: str
    user_id: str | None
    order_id: str | None
    change: int
    reason: str
    created_at: Instant


class ThumbnailView(View, frozen=True, kw_only=True):
    """`url` can be read for five minutes."""

    url: str
    width: int
    height: int


class ImageView(View, frozen=True, kw_only=True):
    """`width` and `height` are those of the upright image; `reason` says why it is rejected. The thumbnails are called `100x`,
    `200x` and `400x`, by their width, and `200x200`, a square.
    """

    parts = ("image",)

    id: str
    filename: str
    content_type: str
    status: ImageStatus
    reason: str | None
    width: int | None
    height: int | None
    thumbnails: dict[str, ThumbnailView]
    created_at: Instant
    updated_at: Instant

    def lasting(self) -> "ImageView":
        without_links = {name: msgspec.structs.replace(one, url="") for name, one in self.thumbnails.items()}
        return msgspec.structs.replace(self, thumbnails=without_links)


class UploadView(View, frozen=True, kw_only=True):
    """What is to be posted to `url` as multipart/form-data, within 15 minutes: all of `fields`, then the file as `file`."""

    url: str
    fields: dict[str, str]


class AddedImageView(ImageView, frozen=True, kw_only=True):
    upload: UploadView


class OrderItemView(View, frozen=True, kw_only=True):
    product_id: str
    name: str
    quantity: int
    unit_price: Decimal
    amount: Decimal


class ShippingAddressView(View, frozen=True, kw_only=True):
    name: str
    street: str
    city: str
    postal_code: str
    country: str


class ShipmentView(View, frozen=True, kw_only=True):
    carrier: str
    tracking_number: str
    estimated_delivery: Day


class HistoryEntryView(View, frozen=True, kw_only=True):
    """`step` is what somebody did with the order, or a state of its workflow."""

    step: str
    outcome: Literal["done", "failed"]
    at: Instant
    detail: str


class OrderView(View, frozen=True, kw_only=True, rename={"id": "order_id"}):
    """`failure` says in a word why it failed; `history` has every step in its order, of many edits the last ten."""

    id: str
    customer_id: str
    items: tuple[OrderItemView, ...]
    total_amount: Decimal
    currency: str
    payment_method: str
    shipping_address: ShippingAddressView | None
    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    workflow_status: WorkflowStatus
    failure: str | None
    payment_id: str | None
    shipment: ShipmentView | None
    history: tuple[HistoryEntryView, ...]
    created_at: Instant
    updated_at: Instant


class ImportView(View, frozen=True, kw_only=True):
    """Each of the records counts once; of a dry run as what would become of it. `reason` says why an import has failed."""

    id: str
    kind: ImportKind
    filename: str
    content_type: str
    columns: dict[str, str]
    date_format: str | None
    decimal_separator: str | None
    dry_run: bool
    status: ImportStatus
    reason: str | None
    record_count: int
    added_count: int
    unchanged_count: int
    rejected_count: int
    bytes_read: int
    size: int | None
    processing_time_ms: int
    created_at: Instant
    updated_at: Instant


class RejectionView(View, frozen=True, kw_only=True):
    """`number` counts records from 1, `line` is the one on which the record begins."""

    number: int
    line: int
    pointer: str
    reason: str


class FullImportView(ImportView, frozen=True, kw_only=True):
    """With the first 100 rejections; `report` is a link to all of them, good for a few minutes. It is kept for 90 days."""

    parts = ("imported",)

    rejections: tuple[RejectionView, ...]
    report: str | None

    def lasting(self) -> View:
        return msgspec.structs.replace(self, report=None)


class OpenedImportView(FullImportView, frozen=True, kw_only=True):
    upload: UploadView


class SearchResultView(View, frozen=True, kw_only=True):
    """`snippet` is HTML: `<mark>` round what was found, everything else escaped. `title` is plain text."""

    type: SearchType
    id: str
    title: str
    snippet: str
    score: float


class SearchResultsView(View, frozen=True, kw_only=True):
    """The best first."""

    results: tuple[SearchResultView, ...]


class ListView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page of `list_name`; `next` is left out on the last."""

    list_name: ClassVar[str]
    item: ClassVar[type[View]]

    next: str | UnsetType = UNSET


class UserList(ListView, frozen=True, kw_only=True):
    list_name = "users"
    item = UserView

    users: tuple[UserView, ...]


class ClientList(ListView, frozen=True, kw_only=True):
    list_name = "clients"
    item = ClientView

    clients: tuple[ClientView, ...]


class WorkList(ListView, frozen=True, kw_only=True):
    list_name = "work"
    item = WorkView

    work: tuple[WorkView, ...]


class InvoiceList(ListView, frozen=True, kw_only=True):
    list_name = "invoices"
    item = InvoiceSummary

    invoices: tuple[InvoiceSummary, ...]


class ProductList(ListView, frozen=True, kw_only=True):
    list_name = "products"
    item = ProductView

    products: tuple[ProductView, ...]


class StockChangeList(ListView, frozen=True, kw_only=True):
    list_name = "stock_changes"
    item = StockChangeView

    stock_changes: tuple[StockChangeView, ...]


class ImageList(ListView, frozen=True, kw_only=True):
    list_name = "images"
    item = ImageView

    images: tuple[ImageView, ...]


class OrderList(ListView, frozen=True, kw_only=True):
    list_name = "orders"
    item = OrderView

    orders: tuple[OrderView, ...]


class ImportList(ListView, frozen=True, kw_only=True):
    list_name = "imports"
    item = ImportView

    imports: tuple[ImportView, ...]
