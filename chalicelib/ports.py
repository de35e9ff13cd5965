"""What leaves the process, as Protocols of at most five methods.

Of every repository method: `NotFound` if the thing is not in that account, `Contended` if the state is not the one that the
argument was computed from, `Unavailable` if the service does not answer; a write that raises `Contended` has written nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from chalicelib.domain.accounts import Account
    from chalicelib.domain.billing import Credit, DocumentKind, Issue, NumberSeries, OpenWork
    from chalicelib.domain.clients import Client, DueClient
    from chalicelib.domain.deliveries import Mail
    from chalicelib.domain.events import DomainEvent
    from chalicelib.domain.files import StoredFile, UploadForm
    from chalicelib.domain.idempotency import Keeping, KeptAnswer
    from chalicelib.domain.identifiers import Prefix
    from chalicelib.domain.images import Drawn, Image, ImageRemoval, Rejection
    from chalicelib.domain.imports import Import, ImportJob, ImportRemoval, RejectedRow, RowMark
    from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceFilter, InvoiceLine
    from chalicelib.domain.limits import Attempts
    from chalicelib.domain.membership import Standing
    from chalicelib.domain.orders import News, Order, OrderFilter, Receipt, Reservation, Shipment, StepKey
    from chalicelib.domain.paging import Page, PageRequest
    from chalicelib.domain.products import Product, StockChange
    from chalicelib.domain.reports import DueOutcome, InvoiceDue
    from chalicelib.domain.search import SearchChange, SearchRequest, SearchResult, StaleIndex
    from chalicelib.domain.statuses import ImportKind
    from chalicelib.domain.users import Caller, User
    from chalicelib.domain.work import Calendar, LoggedWork, Timer, WorkChange, WorkFilter, WorkSheet


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant, in UTC, with whole seconds."""


class Ids(Protocol):
    def new(self, prefix: Prefix, at: datetime) -> str:
        """A new id that sorts by `at`."""


class Passwords(Protocol):
    """Argon2id; a hash carries its own parameters."""

    def hash(self, password: str) -> str: ...

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long for None, a user that does not exist, as for a wrong password."""

    def outdated(self, password_hash: str) -> bool:
        """Whether it was made with weaker parameters than today's."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A secret for HS256 under its `kid`."""

    kid: str
    secret: str


class TokenKeys(Protocol):
    def signing(self) -> TokenKey:
        """The key that signs new tokens."""

    def verifying(self, kid: str) -> TokenKey | None:
        """The key under that id, if it is one of the two that are alive."""


class Accounts(Protocol):
    def add(self, account: Account, owner: User) -> None:
        """Raises: EmailTaken."""

    def get(self, account_id: str) -> Account: ...

    def save(self, account: Account) -> None:
        """Replaces the version before `account.version`. Raises: Contended."""

    def user(self, account_id: str, user_id: str) -> User: ...

    def user_by_email(self, email: str) -> User | None:
        """By the address in the form that `sign_in_name` gives it."""


class Users(Protocol):
    """An address belongs to one user of all accounts, and an account has an owner: both whatever happens at once.

    `by` is who does it, as read: Contended if they are somebody else by now, or gone.
    """

    def add(self, user: User, by: User | None = None) -> None:
        """Raises: EmailTaken, Contended."""

    def page(self, account_id: str, request: PageRequest) -> Page[User]:
        """Newest first."""

    def save(self, user: User, read: User, by: User | None = None) -> None:
        """Replaces the user as read. Raises: Contended, EmailTaken, LastOwner."""

    def remove(self, user: User, by: User | None = None) -> None:
        """Removes the user as read, and their running timer. Raises: Contended, LastOwner."""


class Access(Protocol):
    def standing(self, account_id: str, user_id: str) -> Standing:
        """How a user and their account stand at this moment; all that is asked before every request."""


class Clients(Protocol):
    def add(self, client: Client) -> None: ...

    def get(self, account_id: str, client_id: str) -> Client: ...

    def page(self, account_id: str, request: PageRequest) -> Page[Client]:
        """Newest first, the archived ones too."""

    def save(self, client: Client) -> None:
        """Replaces the version before `client.version`. Raises: Contended, also if `has_work` is not as it was read."""

    def remove(self, client: Client) -> None:
        """Removes the client as read. Raises: Contended, also if it has got work."""


class KeyedRequests(Protocol):
    """What is kept of requests with an Idempotency-Key."""

    def find(self, request_id: str) -> Keeping | None: ...

    def begin(self, keeping: Keeping, before: Keeping | None) -> None:
        """Claims the request if what is kept of it still is what was read. Raises: Contended."""

    def effect(self, keeping: Keeping) -> AbstractContextManager[object]:
        """The first commit within the block, in this thread, notes itself as the request's effect, in one with what it writes.

        It raises IdempotencyInProgress, having written nothing, if the request has had its effect or is claimed by another.
        """

    def keep(self, keeping: Keeping, answer: KeptAnswer) -> KeptAnswer:
        """Keeps the answer unless there is one already; returns the one that is kept, or this one if it is too long for that.

        Raises: Contended if the request is claimed by another.
        """

    def give_up(self, keeping: Keeping) -> None:
        """Forgets a request that took no effect, so that it can be sent again, mended, under the same key."""


class DueClients(Protocol):
    def due(self, as_of: datetime) -> Iterator[DueClient]:
        """The clients of all accounts whose invoice was due at or before that instant; reads none of the others."""


class Work(Protocol):
    def get(self, account_id: str, entry_id: str) -> LoggedWork: ...

    def page(self, account_id: str, wanted: WorkFilter, request: PageRequest) -> Page[LoggedWork]:
        """Newest day first."""

    def calendar(self, account_id: str, user_id: str, since: datetime, until: datetime) -> Calendar:
        """The user's timed entries that may touch the time from `since` to `until`."""

    def sheets(self, account_id: str, client_id: str, months: Sequence[str]) -> tuple[WorkSheet, ...]:
        """One for each month, an empty one where nothing was ever logged."""

    def commit(self, change: WorkChange) -> None:
        """Logs, edits or removes one entry, with its sheet, its place in the calendar and its timer, or nothing of it.

        Raises:
            NotFound: the entry, the timer or the client is gone.
            ClientArchived: but for a timer, which was started when the client was not.
            WorkEntryBilled, WorkSheetFull.
            Contended: the entry or the user's calendar has changed since it was read.
        """


class Timers(Protocol):
    def start(self, timer: Timer) -> None:
        """From now on the client has work: it can be archived, but not removed from under the timer.

        Raises: NotFound, ClientArchived, TimerRunning.
        """

    def get(self, account_id: str, user_id: str) -> Timer: ...


class Ledger(Protocol):
    """Where invoices come from: each method but the first two is one transaction."""

    def open_work(self, account_id: str, client_id: str, through: date) -> OpenWork: ...

    def series(self, account_id: str, kind: DocumentKind, year: int) -> NumberSeries: ...

    def issue(self, issue: Issue) -> None:
        """The number, the invoice with its lines, the sheets, the client and the report, or nothing.

        Raises: Contended, InvoiceTooLarge if one transaction does not take it all.
        """

    def pass_over(self, client: Client, next_client: Client, outcome: DueOutcome) -> None:
        """A due day without work: the client's next day and the report, or nothing. Raises: Contended."""

    def credit(self, credit: Credit) -> None:
        """The number, the credit note, the invoice and the sheets, or nothing. Raises: as `issue`."""


class Invoices(Protocol):
    def get(self, account_id: str, invoice_id: str) -> Invoice: ...

    def lines(self, account_id: str, invoice_id: str) -> tuple[InvoiceLine, ...]: ...

    def page(self, account_id: str, wanted: InvoiceFilter, request: PageRequest) -> Page[Invoice]:
        """Newest first."""

    def save(self, invoice: Invoice) -> None:
        """Replaces the version before `invoice.version`; only what is not frozen is written. Raises: Contended."""


class CreditNotes(Protocol):
    def get(self, account_id: str, note_id: str) -> CreditNote: ...

    def save(self, note: CreditNote) -> None:
        """Replaces the version before `note.version`; only its delivery is written. Raises: Contended."""


class Products(Protocol):
    """Whatever sets a stock is noted as a `counted` change of it, in the same transaction: the notes add up to the stock.

    An image that is newly put on a product has to be one of the account at that moment: Contended if it is not.
    """

    def add(self, product: Product, counted: StockChange | None = None) -> Product:
        """Returns it with its version, higher than that of any product of this id before. Raises: Contended if there is one."""

    def get(self, account_id: str, product_id: str) -> Product: ...

    def page(self, account_id: str, request: PageRequest) -> Page[Product]:
        """By id, in the order of ASCII."""

    def save(self, product: Product, counted: StockChange | None = None, *, new_image: str | None = None) -> None:
        """Replaces the version before `product.version`. Raises: Contended."""

    def remove(self, product: Product, counted: StockChange | None = None) -> None:
        """Removes the product as read. Raises: Contended."""


class Stock(Protocol):
    def change(self, change: StockChange) -> None:
        """Changes the stock as it is at this moment, and notes the change; however many do so at once, all count.

        Raises: NotFound, OutOfStock, StockNotCounted, StockTooLarge; Contended if too many others are at it.
        """

    def page(self, account_id: str, product_id: str, request: PageRequest) -> Page[StockChange]:
        """Newest first; also of a product that is gone. Raises: BadCursor for a position among another product's."""


class Images(Protocol):
    def add(self, image: Image) -> None: ...

    def get(self, account_id: str, image_id: str) -> Image: ...

    def page(self, account_id: str, request: PageRequest) -> Page[Image]:
        """Newest first."""

    def save(self, image: Image) -> None:
        """Replaces the version before `image.version`. Raises: Contended."""

    def remove(self, image: Image, removal: ImageRemoval) -> None:
        """Removes the image as read, and notes what is still to be done. Raises: Contended."""


class UnsettledImages(Protocol):
    """Images, there or gone, of which something is to be seen to some day."""

    def removal(self, account_id: str, image_id: str) -> ImageRemoval | None: ...

    def finish(self, removal: ImageRemoval) -> None:
        """Forgets it."""

    def due(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Account and image of those of all accounts that are due at that instant."""


class Thumbnailer(Protocol):
    def draw(self, content: bytes, content_type: str) -> Drawn | Rejection:
        """Thumbnails of a file that is announced as of that type, in the same type; or why there are none."""


class Orders(Protocol):
    def add(self, order: Order) -> None: ...

    def get(self, account_id: str, order_id: str) -> Order: ...

    def page(self, account_id: str, wanted: OrderFilter, request: PageRequest) -> Page[Order]:
        """Newest first."""

    def save(self, order: Order) -> None:
        """Replaces the version before `order.version`; one that is confirmed is sold, and has no reservation any more.

        Raises: Contended.
        """

    def products(self, account_id: str, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those that are there, by id."""

    def unfinished(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Account and order of those of all accounts that the night has to look after at that instant, by their `due_at`."""


class Reservations(Protocol):
    """Units taken from stock for orders. Each change is one transaction with the order's next version, and with what the
    products' journals say of it: they add up to the stock.
    """

    def find(self, account_id: str, order_id: str) -> Reservation | None: ...

    def make(self, reservation: Reservation, order: Order) -> None:
        """Takes the units of all products, or of none.

        Raises: Contended if the order is not as it was read, whatever else there is; OutOfStock; Contended also if a product
        is gone, or another has its id, or it is counted now and was not, or the other way round.
        """

    def keep(self, reservation: Reservation, order: Order) -> None:
        """From now on it does not end any more. Raises: Contended if it is not as it was read."""

    def release(self, reservation: Reservation, order: Order | None, *, now: datetime) -> None:
        """Gives back the units of what is still there and counted, once, whoever has set its stock meanwhile: whoever counts
        what lies there does not count what is reserved. Without an order none is changed.

        Raises: Contended if it is not as it was read.
        """

    def expired(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Account and order of those of all accounts that ended at or before that instant, and were not released."""


class Payments(Protocol):
    """A payment processor. A `key` names one payment, however often it is asked for."""

    def capture(self, key: StepKey, amount: Decimal, currency: str, method: str) -> Receipt:
        """Raises: PaymentDeclined, of what was undone too, InsufficientFunds; PaymentGatewayError if it may be captured."""

    def undo(self, key: StepKey) -> Receipt | None:
        """Gives back what was captured under the key, once, and lets nothing be captured under it any more.

        Returns what was given back, now or before; None if nothing was captured. Raises: PaymentGatewayError.
        """


class PaymentRules(Protocol):
    """What a payment processor can be asked for; said without asking it."""

    def check(self, amount: Decimal, currency: str, method: str) -> None:
        """Raises: Invalid of `/payment_method` or `/total_amount`."""


class Books(Protocol):
    """What a gateway knows of payments or shipments: facts by name, under their key. A fact that is noted stays as it is."""

    def read(self, key: StepKey) -> Mapping[str, str]: ...

    def note(self, key: StepKey, facts: Mapping[str, str], *, unless: Collection[str]) -> bool:
        """Whether all of them were noted; none are if one of those named in `unless` is known."""


class Carrier(Protocol):
    """Who brings parcels. A `key` names one shipment, however often it is asked for."""

    def ship(self, key: StepKey, order: Order) -> Shipment:
        """Raises: ShippingError, Unavailable."""

    def void(self, key: StepKey) -> None:
        """Calls back the shipment, if there is one, and lets none be made under the key any more. Raises: Unavailable."""


class Customers(Protocol):
    def tell(self, order: Order, news: News) -> None:
        """Raises: Unavailable."""


class OrderWorkflow(Protocol):
    def start(self, account_id: str, order_id: str) -> bool:
        """Starts the order's workflow, unless it was started before; False if it has ended by now. Raises: Unavailable."""


class Attention(Protocol):
    """Where a person looks."""

    def ask_for(self, order: Order, detail: str) -> None:
        """Raises: Unavailable."""


class Searchable(Protocol):
    """What an index is made from: the table."""

    def everything(self, account_id: str) -> Iterator[SearchChange]:
        """All that can be found in the account, as it is now."""


class SearchIndex(Protocol):
    """One full-text index for each account."""

    def search(self, account_id: str, request: SearchRequest) -> tuple[SearchResult, ...]:
        """The best first; none if the account has no index yet. Raises: Unavailable, also if the index is broken."""

    def apply(self, account_id: str, changes: Sequence[SearchChange]) -> bool:
        """Takes up what is newer than what it knows; False, having done nothing, if there is no index or it is broken."""

    def rebuild(self, account_id: str, everything: Callable[[], Iterable[SearchChange]]) -> None:
        """Makes the index anew, unless somebody else writes it meanwhile: then all over again. Raises: Contended."""


class ReindexQueue(Protocol):
    def ask_for(self, stale: StaleIndex) -> None:
        """Raises: Unavailable."""


class Limits(Protocol):
    """Counters that are soon forgotten; what got no answer may have counted."""

    def count(self, who: Caller | str, window: int, *, enough: int) -> int:
        """Counts one request of a user, or from an address, in the window that begins at that second, and returns how many
        there were. Beyond `enough` it need not count on.
        """

    def attempts(self, whose: str) -> Attempts | None:
        """The user's or the address's series of attempts at a password; it may be over."""

    def note_attempt(self, whose: str, before: Attempts | None, after: Attempts, *, forgotten_at: int) -> None:
        """Replaces what was read. It may be gone from that second on. Raises: Contended."""


class Reports(Protocol):
    def note_due(self, outcome: DueOutcome) -> None:
        """Notes that an invoice is due, unless the report says more already."""

    def note_end(self, outcome: DueOutcome) -> None:
        """What became of an invoice that was due, if the report says no more than that it was."""

    def outcomes(self, account_id: str, run_on: date) -> tuple[DueOutcome, ...]: ...


class Documents(Protocol):
    def find(self, account_id: str, document_id: str) -> bytes | None: ...

    def keep(self, account_id: str, document_id: str, content: bytes) -> bytes:
        """Stores the document unless there is one already; returns the one that is kept."""

    def link(self, account_id: str, document_id: str, filename: str) -> str:
        """A URL under which the document can be read for a few minutes."""


class Uploads(Protocol):
    """Files that people put into the store themselves. A key may get a newer version at any time; none is ever changed."""

    def form(self, key: str, content_type: str, max_bytes: int) -> UploadForm:
        """With it that key and that type can be uploaded, up to `max_bytes` bytes of it, for 15 minutes; none at all too."""

    def head(self, key: str) -> StoredFile | None:
        """The newest version."""

    def read(self, file: StoredFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of that very version from `start` on, in chunks. Raises: NotFound if it is gone, Unavailable."""


class Files(Protocol):
    """The store of files, as we write it."""

    def put(self, key: str, content: bytes, content_type: str) -> str:
        """Returns the id of the version that it makes."""

    def remove(self, key: str, through: str | None = None) -> None:
        """For good: all versions, or that version and those before it; what is not there is no matter."""

    def drop(self, key: str, version_id: str) -> None:
        """Removes that one version for good; what is not there is no matter."""

    def link(self, key: str, version_id: str, filename: str, content_type: str) -> str:
        """A URL under which that version can be read for a few minutes, as a file of that name and type."""


class Imports(Protocol):
    def add(self, imported: Import) -> None: ...

    def get(self, account_id: str, import_id: str) -> Import: ...

    def page(self, account_id: str, request: PageRequest) -> Page[Import]:
        """Newest first."""

    def save(self, imported: Import, rejections: Sequence[RejectedRow] = ()) -> None:
        """Replaces the version before `imported.version`, with the last of the rejections that it counts; from then on no rows
        go in but those of its run, and none at all once it is at its end. Raises: Contended, also if it is gone.
        """

    def rejections(self, account_id: str, import_id: str, limit: int | None = None) -> Iterator[RejectedRow]:
        """In the order of the file."""

    def remove(self, imported: Import, removal: ImportRemoval) -> None:
        """Removes the import as read, and notes what is still to be done; from then on no row of it goes in.

        What went in stays, and so do the marks of it. Raises: Contended.
        """


class UnsettledImports(Protocol):
    """Imports, there or gone, of which something is to be seen to some day."""

    def removal(self, account_id: str, import_id: str) -> ImportRemoval | None: ...

    def remove_rejections(self, removal: ImportRemoval, most: int) -> bool:
        """So many parts of why its records were refused; a part is what was kept at once. Whether none is left."""

    def finish(self, removal: ImportRemoval) -> None:
        """Forgets it."""

    def due(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Account and import of those of all accounts that are gone, or of which nothing has come, until then."""


class Noted(Protocol):
    @property
    def noted(self) -> bool:
        """Whether anything was written."""


class RowMarks(Protocol):
    """Which rows were imported; each is marked in the very transaction in which it goes in."""

    def find(self, account_id: str, kind: ImportKind, subjects: Collection[str]) -> Mapping[str, RowMark]:
        """By their subjects; those that there are."""

    def note(self, mark: RowMark, before: RowMark | None, run: int) -> AbstractContextManager[Noted]:
        """The first commit within the block, in this thread, writes the mark in the place of the one that was read.

        It raises, having written nothing, ImportTakenOver if that is not the import's run any more; RowMarked if somebody
        else's mark is there by now.
        """

    def put(self, mark: RowMark, before: RowMark | None, run: int) -> None:
        """Writes the mark alone. Raises: as the commit within `note`."""

    def together(self, account_id: str, product_ids: Collection[str] = ()) -> AbstractContextManager[None]:
        """Commits within the block may wait for each other, to be written in fewer transactions: what was not raised there may
        be raised later, as NotTogether, at the latest at the end of the block. Some of them are then written, with their
        marks; what was not, is not. `product_ids` are those that will be asked for.
        """


class Metrics(Protocol):
    """Of the pipelines, which are images and imports."""

    def worked_off(self, pipeline: str, records: int, milliseconds: int) -> None: ...

    def failed(self, pipeline: str) -> None: ...


class ImportsQueue(Protocol):
    def ask_for(self, job: ImportJob, place: str) -> None:
        """Asks once, however often within five minutes, for the same `place` from which it is to go on; jobs of one account
        one after the other. Raises: Unavailable.
        """


class Printer(Protocol):
    """Renders PDFs; the same input always gives the same bytes."""

    def invoice(self, invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes: ...

    def credit_note(self, note: CreditNote, invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes: ...


class Mailer(Protocol):
    def send(self, mail: Mail) -> str:
        """Hands the mail over once and returns the service's id for it. Raises: MailRefused, Unavailable."""


class EventBus(Protocol):
    def publish(self, events: Sequence[DomainEvent]) -> frozenset[int]:
        """Sends the events in order; returns the places of those that the bus did not take. Raises: Unavailable."""


class InvoicingQueue(Protocol):
    def ask_for(self, invoices: Iterable[InvoiceDue]) -> int:
        """Puts one message for each on the queue; returns how many. Raises: Unavailable unless all were taken."""
