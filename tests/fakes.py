"""Gateways in memory: they keep what they were asked to do, and fail when told to."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock

from chalicelib.domain.deliveries import Mail
from chalicelib.domain.errors import InsufficientFunds, PaymentDeclined, PaymentGatewayError, ShippingError, Unavailable
from chalicelib.domain.events import DomainEvent
from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, make_id
from chalicelib.domain.images import SIZES, Drawn, DrawnThumbnail, Rejection
from chalicelib.domain.imports import ImportJob
from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceLine
from chalicelib.domain.limits import Attempts
from chalicelib.domain.orders import News, Order, Receipt, Shipment, StepKey
from chalicelib.domain.reports import InvoiceDue
from chalicelib.domain.search import StaleIndex
from chalicelib.ports import Searchable, SearchIndex, TokenKey


@dataclass
class FixedClock:
    """Stands still until it is put forward."""

    at: datetime = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def advance(self, **duration: float) -> datetime:
        """By what `timedelta` takes, such as `days=1`."""
        self.at += timedelta(**duration)
        return self.at


@dataclass
class CountedIds:
    """Ids whose random part counts up, so that those of one instant sort by the order in which they were made."""

    made: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def new(self, prefix: Prefix, at: datetime) -> str:
        with self._lock:
            self.made += 1
            return make_id(prefix, at, self.made.to_bytes(ENTROPY_BYTES))


@dataclass
class PlainPasswords:
    """Hashes in no time and without any safety; hashes that begin with `old:` count as outdated."""

    checked: list[str | None] = field(default_factory=list)
    """The hashes that passwords were checked against, None included."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def matches(self, password: str, password_hash: str | None) -> bool:
        self.checked.append(password_hash)
        return password_hash is not None and password_hash.partition(":")[2] == password

    def outdated(self, password_hash: str) -> bool:
        return password_hash.startswith("old:")


@dataclass
class MemoryTokenKeys:
    """Two live keys, of which the newer one signs."""

    current: TokenKey = field(default_factory=lambda: TokenKey(kid="key-1", secret="first " * 8))
    previous: TokenKey | None = None

    def signing(self) -> TokenKey:
        return self.current

    def verifying(self, kid: str) -> TokenKey | None:
        return next((key for key in (self.current, self.previous) if key is not None and key.kid == kid), None)

    def rotate(self, key: TokenKey) -> None:
        self.current, self.previous = key, self.current


@dataclass
class MemoryMailer:
    """`failures` are raised one by one, before anything is sent; None among them lets one mail through."""

    sent: list[Mail] = field(default_factory=list)
    failures: list[Exception | None] = field(default_factory=list)

    def send(self, mail: Mail) -> str:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.sent.append(mail)
        return f"mail-{len(self.sent)}"


@dataclass
class MemoryEventBus:
    """Takes events until one is refused; what comes after that one is not sent."""

    published: list[DomainEvent] = field(default_factory=list)
    refuses: Callable[[DomainEvent], bool] = lambda _event: False
    failures: list[Exception | None] = field(default_factory=list)

    def publish(self, events: Sequence[DomainEvent]) -> frozenset[int]:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        for place, event in enumerate(events):
            if self.refuses(event):
                return frozenset(range(place, len(events)))
            self.published.append(event)
        return frozenset()


@dataclass
class MemoryInvoicingQueue:
    messages: list[InvoiceDue] = field(default_factory=list)
    failures: list[Exception | None] = field(default_factory=list)

    def ask_for(self, invoices: Iterable[InvoiceDue]) -> int:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        asked = list(invoices)
        self.messages += asked
        return len(asked)


@dataclass
class MemoryReindexQueue:
    asked: list[StaleIndex] = field(default_factory=list)
    failure: Exception | None = None

    def ask_for(self, stale: StaleIndex) -> None:
        if self.failure is not None:
            raise self.failure
        self.asked.append(stale)


@dataclass
class Shelf:
    """What keeping the indexes needs, put together by hand."""

    search_index: SearchIndex
    searchable: Searchable
    reindex_queue: MemoryReindexQueue


class SilentLimits:
    """Counters that do not answer."""

    def count(self, *_: object, **__: object) -> int:
        raise Unavailable

    def attempts(self, *_: object) -> Attempts | None:
        raise Unavailable

    def note_attempt(self, *_: object, **__: object) -> None:
        raise Unavailable


@dataclass
class PlainPrinter:
    """Documents of one line; counts how many it printed, so that a second printing shows."""

    printed: int = 0

    def invoice(self, invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
        self.printed += 1
        return f"%PDF invoice {invoice.number} with {len(lines)} lines, {invoice.total} {invoice.currency}".encode()

    def credit_note(self, note: CreditNote, invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
        self.printed += 1
        return f"%PDF credit note {note.number} for {invoice.number} with {len(lines)} lines, {note.total}".encode()


@dataclass
class Payment:
    """What the books say of one key: once `closed`, nothing is captured under it any more."""

    amount: Decimal | None = None
    given_back: bool = False
    closed: bool = False
    attempts: int = 0

    @property
    def owed(self) -> bool:
        """Whether the customer's money is still here."""
        return self.amount is not None and not self.given_back


@dataclass
class MemoryPayments:
    """A ledger by written key, in which a second charge or refund would show; deterministic by method, as the sandbox is."""

    books: dict[str, Payment] = field(default_factory=dict)
    moved: list[tuple[str, str, Decimal]] = field(default_factory=list)
    """Money as it went: `capture` or `refund`, key, amount."""
    undo_failures: list[Exception] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def capture(self, key: StepKey, amount: Decimal, currency: str, method: str) -> Receipt:  # noqa: ARG002
        with self._lock:
            payment = self.books.setdefault(str(key), Payment())
            payment.attempts += 1
            if payment.closed or method == "declined":
                raise PaymentDeclined
            if method == "insufficient_funds":
                raise InsufficientFunds
            if method == "gateway_error" or (method == "gateway_error_twice" and payment.attempts <= 2):
                raise PaymentGatewayError
            if payment.amount is None:
                payment.amount = amount
                self.moved.append(("capture", str(key), amount))
                if method == "answer_lost":
                    raise PaymentGatewayError
            return Receipt(payment_id=f"pay-{key}")

    def undo(self, key: StepKey) -> Receipt | None:
        with self._lock:
            if self.undo_failures:
                raise self.undo_failures.pop(0)
            payment = self.books.setdefault(str(key), Payment())
            payment.closed = True
            if payment.amount is None:
                return None
            if not payment.given_back:
                payment.given_back = True
                self.moved.append(("refund", str(key), payment.amount))
            return Receipt(payment_id=f"pay-{key}")


@dataclass
class MemoryCarrier:
    """Parcels by key. To postal codes that begin with 000 it brings none, for 999 it never answers."""

    on_the_way: dict[str, Shipment] = field(default_factory=dict)
    voided: set[str] = field(default_factory=set)
    handed_over: list[str] = field(default_factory=list)
    """The keys of all parcels, also of those that were called back."""
    void_failures: list[Exception] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def ship(self, key: StepKey, order: Order) -> Shipment:
        named = str(key)
        postal_code = order.shipping_address.postal_code if order.shipping_address else ""
        with self._lock:
            if postal_code.startswith("999"):
                raise Unavailable
            if named in self.voided or postal_code.startswith("000"):
                raise ShippingError
            if named not in self.on_the_way:
                self.on_the_way[named] = Shipment(
                    carrier="Pigeon",
                    tracking_number=f"P-{named}",
                    estimated_delivery=order.created_at.date() + timedelta(days=3),
                )
                self.handed_over.append(named)
            return self.on_the_way[named]

    def void(self, key: StepKey) -> None:
        with self._lock:
            if self.void_failures:
                raise self.void_failures.pop(0)
            self.voided.add(str(key))
            self.on_the_way.pop(str(key), None)


@dataclass
class MemoryCustomers:
    """What they were told, by the order's id."""

    told: list[tuple[str, News]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def tell(self, order: Order, news: News) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((order.id, news))


@dataclass
class MemoryAttention:
    asked: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def ask_for(self, order: Order, detail: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.asked.append((order.id, detail))


@dataclass
class MemoryMetrics:
    files: list[tuple[str, int, int]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def worked_off(self, pipeline: str, records: int, milliseconds: int) -> None:
        self.files.append((pipeline, records, milliseconds))

    def failed(self, pipeline: str) -> None:
        self.failures.append(pipeline)


@dataclass
class PlainThumbnailer:
    """Takes a text such as `3x2 a lantern` for an image of those sides, and anything else for none."""

    drawn: list[bytes] = field(default_factory=list)

    def draw(self, content: bytes, content_type: str) -> Drawn | Rejection:
        self.drawn.append(content)
        sides = re.match(rb"(\d+)x(\d+) ", content)
        if sides is None:
            return Rejection.NO_IMAGE
        width, height = int(sides[1]), int(sides[2])
        cuts = [(size.name, size.cut(width, height)) for size in SIZES]
        return Drawn(
            width=width,
            height=height,
            thumbnails=tuple(
                DrawnThumbnail(name, cut.width, cut.height, f"{name} {content_type} of ".encode() + content)
                for name, cut in cuts
            ),
        )


@dataclass
class MemoryImportsQueue:
    """FIFO: the jobs of one account in their order; the same place is taken once (for five minutes, here for ever)."""

    waiting: list[ImportJob] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    failures: list[Exception | None] = field(default_factory=list)

    def ask_for(self, job: ImportJob, place: str) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        if place not in self.places:
            self.places.add(place)
            self.waiting.append(job)
