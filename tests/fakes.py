"""Gateways in memory: they keep what they were asked to do, and fail when told to."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from chalicelib.domain.deliveries import Mail
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.events import DomainEvent
from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, make_id
from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceLine
from chalicelib.domain.limits import Attempts
from chalicelib.domain.reports import InvoiceDue
from chalicelib.domain.search import StaleIndex
from chalicelib.ports import TokenKey


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
