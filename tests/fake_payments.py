"""Who is paid, who ships and who is told, in memory: the sandboxes with books that are forgotten, failing when told to.

Fakes pass the suites of tests/contract that the real ones pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from chalicelib.domain.errors import DaybookError
from chalicelib.domain.orders import News, Order, Receipt, Shipment
from chalicelib.gateways.sandbox_carrier import SandboxCarrier
from chalicelib.gateways.sandbox_payments import SandboxPayments
from chalicelib.ports import Books, Clock
from chalicelib.repositories.memory_books import MemoryBooks


@dataclass
class Failing:
    """`before` are raised one by one, before anything is done; `after` once it is done. None lets one call through."""

    before: list[DaybookError | None] = field(default_factory=list)
    after: list[DaybookError | None] = field(default_factory=list)

    @contextmanager
    def around(self) -> Iterator[None]:
        _raise_next(self.before)
        yield
        _raise_next(self.after)


def _raise_next(failures: list[DaybookError | None]) -> None:
    failure = failures.pop(0) if failures else None
    if failure is not None:
        raise failure


class MemoryPayments:
    def __init__(self) -> None:
        self.books: Books = MemoryBooks()
        self.failures = Failing()
        self._payments = SandboxPayments(self.books)

    def capture(self, key: str, amount: Decimal, currency: str, method: str) -> Receipt:
        with self.failures.around():
            return self._payments.capture(key, amount, currency, method)

    def undo(self, key: str) -> Receipt | None:
        with self.failures.around():
            return self._payments.undo(key)

    def charged(self, key: str) -> Decimal:
        """What was captured, whether or not it was given back since."""
        return charged(self.books, key)

    def kept(self, key: str) -> Decimal:
        """What was captured and not given back."""
        return charged(self.books, key) - given_back(self.books, key)


def charged(books: Books, key: str) -> Decimal:
    return Decimal(books.read(key).get("amount", 0))


def given_back(books: Books, key: str) -> Decimal:
    return charged(books, key) if "refunded" in books.read(key) else Decimal(0)


class MemoryCarrier:
    def __init__(self, clock: Clock) -> None:
        self.books: Books = MemoryBooks()
        self.failures = Failing()
        self._carrier = SandboxCarrier(self.books, clock)

    def ship(self, key: str, order: Order) -> Shipment:
        with self.failures.around():
            return self._carrier.ship(key, order)

    def void(self, key: str) -> None:
        with self.failures.around():
            self._carrier.void(key)


@dataclass
class MemoryCustomers:
    told: list[tuple[str, News]] = field(default_factory=list)
    """Order and news."""
    failures: Failing = field(default_factory=Failing)

    def tell(self, order: Order, news: News) -> None:
        with self.failures.around():
            self.told.append((order.id, news))
