"""The repositories in memory; they pass the same contract as those in DynamoDB."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from threading import RLock
from typing import TypeVar

from chalicelib.domain.accounts import Account
from chalicelib.domain.billing import Credit, DocumentKind, Issue, NumberSeries, OpenWork
from chalicelib.domain.clients import Client, DueClient
from chalicelib.domain.errors import (
    ClientArchived,
    Contended,
    DaybookError,
    EmailTaken,
    IdempotencyInProgress,
    LastOwner,
    NotFound,
    TimerRunning,
    WorkEntryBilled,
    WorkSheetFull,
)
from chalicelib.domain.idempotency import Keeping, KeptAnswer
from chalicelib.domain.images import Image, ImageRemoval
from chalicelib.domain.imports import Import, ImportRemoval, RejectedRow, RowMark
from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceFilter, InvoiceLine
from chalicelib.domain.membership import Standing
from chalicelib.domain.orders import Order, Reservation
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.products import Product, StockChange
from chalicelib.domain.reports import DueOutcome, Outcome
from chalicelib.domain.users import Role, User
from chalicelib.domain.work import (
    MAX_ENTRIES_ON_SHEET,
    Calendar,
    LoggedWork,
    Span,
    Timer,
    WorkChange,
    WorkEntry,
    WorkFilter,
    WorkSheet,
    logged,
    month_of,
)
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key
from chalicelib.repositories.memory_images import MemoryImages, MemoryUnsettledImages
from chalicelib.repositories.memory_imports import MemoryImports, MemoryRowMarks, MemoryUnsettledImports, check_row, mark_row
from chalicelib.repositories.memory_limits import MemoryLimits
from chalicelib.repositories.memory_orders import MemoryOrders, MemoryReservations
from chalicelib.repositories.memory_products import MemoryProducts, MemoryStock
from chalicelib.repositories.memory_search import MemorySearchable
from chalicelib.repositories.once import Effect, ImportedRow, next_note, noting
from chalicelib.repositories.pages import first_page
from chalicelib.repositories.work_change import entry_of, gravest, moves_calendar, sheets_of

T = TypeVar("T")
Id = tuple[str, str]
"""An account's id and that of something in it."""


@dataclass
class _State:
    lock: RLock = field(default_factory=RLock)
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[Id, User] = field(default_factory=dict)
    sign_ins: dict[str, Id] = field(default_factory=dict)
    clients: dict[Id, Client] = field(default_factory=dict)
    entries: dict[Id, WorkEntry] = field(default_factory=dict)
    sheets: dict[tuple[str, str, str], WorkSheet] = field(default_factory=dict)
    calendars: dict[Id, int] = field(default_factory=dict)
    timers: dict[Id, Timer] = field(default_factory=dict)
    series: dict[tuple[str, DocumentKind, int], int] = field(default_factory=dict)
    invoices: dict[Id, Invoice] = field(default_factory=dict)
    lines: dict[Id, tuple[InvoiceLine, ...]] = field(default_factory=dict)
    credit_notes: dict[Id, CreditNote] = field(default_factory=dict)
    outcomes: dict[tuple[str, date, str, date], DueOutcome] = field(default_factory=dict)
    keyed_requests: dict[str, Keeping] = field(default_factory=dict)
    products: dict[Key, Product] = field(default_factory=dict)
    product_versions: dict[Key, int] = field(default_factory=dict)
    stock_changes: dict[Key, StockChange] = field(default_factory=dict)
    orders: dict[Key, Order] = field(default_factory=dict)
    reservations: dict[Key, Reservation] = field(default_factory=dict)
    images: dict[Key, Image] = field(default_factory=dict)
    image_removals: dict[Key, ImageRemoval] = field(default_factory=dict)
    imports: dict[Key, Import] = field(default_factory=dict)
    import_rejections: dict[Key, tuple[RejectedRow, ...]] = field(default_factory=dict)
    import_runs: dict[Key, int] = field(default_factory=dict)
    import_rows: dict[Key, RowMark] = field(default_factory=dict)
    import_removals: dict[Key, ImportRemoval] = field(default_factory=dict)

    def sheet(self, account_id: str, client_id: str, month: str) -> WorkSheet:
        blank = WorkSheet(account_id=account_id, client_id=client_id, month=month)
        return self.sheets.get((account_id, client_id, month), blank)

    def put_sheet(self, sheet: WorkSheet) -> None:
        """The sheet as the next version of itself."""
        self.sheets[sheet.account_id, sheet.client_id, sheet.month] = replace(sheet, version=sheet.version + 1)


class MemoryStore:
    """All repositories over one state, under one lock."""

    def __init__(self, *, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET) -> None:
        state = _State()
        self.accounts = MemoryAccounts(state)
        self.users = MemoryUsers(state)
        self.access = MemoryAccess(state)
        self.clients = MemoryClients(state)
        self.due_clients = MemoryDueClients(state)
        self.work = MemoryWork(state, max_entries_on_sheet)
        self.timers = MemoryTimers(state)
        self.ledger = MemoryLedger(state)
        self.invoices = MemoryInvoices(state)
        self.credit_notes = MemoryCreditNotes(state)
        self.reports = MemoryReports(state)
        self.limits = MemoryLimits()
        self.keyed_requests = MemoryKeyedRequests(state)
        self.searchable = MemorySearchable(state)
        committing = _Repository(state)._committing
        self.products = MemoryProducts(state, committing)
        self.stock = MemoryStock(state, committing)
        self.orders = MemoryOrders(state, committing)
        self.reservations = MemoryReservations(state, committing)
        self.images = MemoryImages(state, committing)
        self.unsettled_images = MemoryUnsettledImages(state, committing)
        self.imports = MemoryImports(state, committing)
        self.unsettled_imports = MemoryUnsettledImports(state, committing)
        self.row_marks = MemoryRowMarks(state, committing)


class _Repository:
    def __init__(self, state: _State) -> None:
        self._state = state

    @contextmanager
    def _committing(self, **added: str) -> Iterator[None]:
        """All that is written within the block is one commit, and what it is to note is noted with it."""
        with self._state.lock:
            note = next_note()
            if note is None:
                yield
                return
            match note.what:
                case Effect() as effect:
                    kept = self._state.keyed_requests.get(effect.id)
                    if kept is None or kept.claim != effect.claim or kept.made is not None:
                        raise IdempotencyInProgress
                    yield
                    self._state.keyed_requests[effect.id] = replace(kept, made=added)
                case ImportedRow() as row:
                    check_row(row, self._state)
                    yield
                    mark_row(row, self._state)
            note.noted = True


class MemoryKeyedRequests(_Repository):
    def find(self, request_id: str) -> Keeping | None:
        return self._state.keyed_requests.get(request_id)

    def begin(self, keeping: Keeping, before: Keeping | None) -> None:
        with self._state.lock:
            _check(self._state.keyed_requests.get(keeping.id) == before)
            self._state.keyed_requests[keeping.id] = keeping

    def effect(self, keeping: Keeping) -> AbstractContextManager[object]:
        return noting(Effect(keeping.id, keeping.claim))

    def keep(self, keeping: Keeping, answer: KeptAnswer) -> KeptAnswer:
        with self._state.lock:
            kept = self._state.keyed_requests.get(keeping.id)
            if kept is None or kept.claim != keeping.claim:
                raise Contended
            self._state.keyed_requests[keeping.id] = replace(kept, answer=kept.answer or answer)
            return kept.answer or answer

    def give_up(self, keeping: Keeping) -> None:
        with self._state.lock:
            kept = self._state.keyed_requests.get(keeping.id)
            if kept is not None and kept.claim == keeping.claim and kept.made is None:
                del self._state.keyed_requests[keeping.id]


class MemoryAccounts(_Repository):
    def add(self, account: Account, owner: User) -> None:
        with self._committing(account=account.id, user=owner.id):
            if owner.email in self._state.sign_ins:
                raise EmailTaken
            if account.id in self._state.accounts:
                raise Contended
            self._state.accounts[account.id] = account
            self._state.users[account.id, owner.id] = owner
            self._state.sign_ins[owner.email] = (account.id, owner.id)

    def get(self, account_id: str) -> Account:
        return _found(self._state.accounts.get(account_id))

    def save(self, account: Account) -> None:
        with self._committing(account=account.id):
            _check(self.get(account.id).version == account.version - 1)
            self._state.accounts[account.id] = account

    def user(self, account_id: str, user_id: str) -> User:
        return _found(self._state.users.get((account_id, user_id)))

    def user_by_email(self, email: str) -> User | None:
        with self._state.lock:
            user_id = self._state.sign_ins.get(email)
            return None if user_id is None else self._state.users[user_id]


class MemoryUsers(_Repository):
    def add(self, user: User, by: User | None = None) -> None:
        with self._committing(user=user.id):
            self._check_still(by)
            if user.email in self._state.sign_ins:
                raise EmailTaken
            _check((user.account_id, user.id) not in self._state.users)
            self._state.users[user.account_id, user.id] = user
            self._state.sign_ins[user.email] = (user.account_id, user.id)

    def page(self, account_id: str, request: PageRequest) -> Page[User]:
        with self._state.lock:
            users = [user for user in self._state.users.values() if user.account_id == account_id]
        return _page(users, request, lambda user: user.id)

    def save(self, user: User, read: User, by: User | None = None) -> None:
        with self._committing(user=user.id):
            self._check_read(read)
            self._check_still(by)
            if user.email != read.email and user.email in self._state.sign_ins:
                raise EmailTaken
            if user.role is not Role.OWNER:
                self._check_owner_left(read)
            del self._state.sign_ins[read.email]
            self._state.sign_ins[user.email] = (user.account_id, user.id)
            self._state.users[user.account_id, user.id] = user

    def remove(self, user: User, by: User | None = None) -> None:
        with self._committing():
            self._check_read(user)
            self._check_still(by)
            self._check_owner_left(user)
            del self._state.sign_ins[user.email]
            del self._state.users[user.account_id, user.id]
            self._state.timers.pop((user.account_id, user.id), None)

    def _check_read(self, read: User) -> None:
        _check(_found(self._state.users.get((read.account_id, read.id))).version == read.version)

    def _check_still(self, by: User | None) -> None:
        kept = None if by is None else self._state.users.get((by.account_id, by.id))
        _check(by is None or (kept is not None and kept.version == by.version))

    def _check_owner_left(self, without: User) -> None:
        owners = {
            one.id for one in self._state.users.values() if (one.account_id, one.role) == (without.account_id, Role.OWNER)
        }
        if owners == {without.id}:
            raise LastOwner


class MemoryAccess(_Repository):
    def standing(self, account_id: str, user_id: str) -> Standing:
        with self._state.lock:
            account = _found(self._state.accounts.get(account_id))
            user = _found(self._state.users.get((account_id, user_id)))
        return Standing(
            email=user.email,
            role=user.role,
            password_version=user.password_version,
            requests_per_minute=account.requests_per_minute,
        )


class MemoryClients(_Repository):
    def add(self, client: Client) -> None:
        with self._committing(client=client.id):
            _check((client.account_id, client.id) not in self._state.clients)
            self._state.clients[client.account_id, client.id] = client

    def get(self, account_id: str, client_id: str) -> Client:
        return _found(self._state.clients.get((account_id, client_id)))

    def page(self, account_id: str, request: PageRequest) -> Page[Client]:
        with self._state.lock:
            clients = [client for client in self._state.clients.values() if client.account_id == account_id]
        return _page(clients, request, lambda client: client.id)

    def save(self, client: Client) -> None:
        with self._committing(client=client.id):
            kept = self.get(client.account_id, client.id)
            _check(kept.version == client.version - 1 and kept.has_work == client.has_work)
            self._state.clients[client.account_id, client.id] = client

    def remove(self, client: Client) -> None:
        with self._committing(client=client.id):
            kept = self.get(client.account_id, client.id)
            _check(kept.version == client.version and not kept.has_work)
            del self._state.clients[client.account_id, client.id]


class MemoryDueClients(_Repository):
    def due(self, as_of: datetime) -> Iterator[DueClient]:
        with self._state.lock:
            due = [
                DueClient(account_id=one.account_id, client_id=one.id, next_invoice_on=one.next_invoice_on, due_at=one.due_at)
                for one in self._state.clients.values()
                if one.due_at is not None and one.next_invoice_on is not None and one.due_at <= as_of
            ]
        yield from sorted(due, key=lambda one: one.due_at)


class MemoryWork(_Repository):
    def __init__(self, state: _State, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET) -> None:
        super().__init__(state)
        self._max_entries_on_sheet = max_entries_on_sheet

    def get(self, account_id: str, entry_id: str) -> LoggedWork:
        with self._state.lock:
            return self._logged(_found(self._state.entries.get((account_id, entry_id))))

    def page(self, account_id: str, wanted: WorkFilter, request: PageRequest) -> Page[LoggedWork]:
        with self._state.lock:
            entries = [entry for entry in self._state.entries.values() if entry.account_id == account_id]
            work = [self._logged(entry) for entry in entries if _fits(entry, wanted)]
        if wanted.billed is not None:
            work = [one for one in work if one.billed == wanted.billed]
        return _page(work, request, lambda one: keys.workday(one.entry).sk)

    def calendar(self, account_id: str, user_id: str, since: datetime, until: datetime) -> Calendar:
        with self._state.lock:
            spans = tuple(
                Span(entry_id=entry.id, started_at=entry.started_at, ended_at=entry.ended_at)
                for entry in sorted(self._state.entries.values(), key=lambda entry: keys.workday(entry).sk)
                if (entry.account_id, entry.user_id) == (account_id, user_id)
                if entry.started_at is not None and entry.ended_at is not None
                if entry.started_at < until and entry.ended_at > since
            )
            return Calendar(spans=spans, version=self._state.calendars.get((account_id, user_id), 0))

    def sheets(self, account_id: str, client_id: str, months: Sequence[str]) -> tuple[WorkSheet, ...]:
        with self._state.lock:
            return tuple(self._state.sheet(account_id, client_id, month) for month in months)

    def commit(self, change: WorkChange) -> None:
        with self._committing(work=entry_of(change).id):
            if faults := list(self._faults(change)):
                raise gravest(faults)
            entry = entry_of(change)
            client_id = (entry.account_id, entry.client_id)
            if change.new is None:
                del self._state.entries[entry.account_id, entry.id]
            else:
                self._state.entries[entry.account_id, entry.id] = change.new
                self._state.clients[client_id] = replace(self._state.clients[client_id], has_work=True)
            for (client, month), place in sheets_of(change).items():
                sheet = self._state.sheet(entry.account_id, client, month)
                others = sheet.open - {entry.id}
                self._state.put_sheet(replace(sheet, open=others | {entry.id} if place.will_be else others))
            if moves_calendar(change):
                user_id = (entry.account_id, entry.user_id)
                self._state.calendars[user_id] = self._state.calendars.get(user_id, 0) + 1
            if change.stopped is not None:
                del self._state.timers[change.stopped.account_id, change.stopped.user_id]

    def _faults(self, change: WorkChange) -> Iterator[DaybookError]:
        entry = entry_of(change)
        kept = self._state.entries.get((entry.account_id, entry.id))
        if change.old is None and kept is not None:
            yield Contended()
        elif change.old is not None and kept is None:
            yield NotFound()
        elif change.old is not None and kept is not None and kept.version != change.old.version:
            yield Contended()
        for (client, month), place in sheets_of(change).items():
            sheet = self._state.sheet(entry.account_id, client, month)
            if place.was and entry.id not in sheet.open:
                yield WorkEntryBilled() if sheet.invoice_of(entry.id) else Contended()
            if not place.was and len(sheet.open) + sum(map(len, sheet.billed.values())) >= self._max_entries_on_sheet:
                yield WorkSheetFull()
        calendar_version = self._state.calendars.get((entry.account_id, entry.user_id), 0)
        if change.calendar_version not in (None, calendar_version):
            yield Contended()
        if change.new is not None:
            yield from self._faults_of_client(change.new, archived_too=change.stopped is not None)
        if change.stopped is not None:
            running = self._state.timers.get((change.stopped.account_id, change.stopped.user_id))
            if running != change.stopped:
                yield NotFound() if running is None else Contended()

    def _faults_of_client(self, entry: WorkEntry, *, archived_too: bool) -> Iterator[DaybookError]:
        client = self._state.clients.get((entry.account_id, entry.client_id))
        if client is None:
            yield NotFound()
        elif client.archived and not archived_too:
            yield ClientArchived()

    def _logged(self, entry: WorkEntry) -> LoggedWork:
        sheet = self._state.sheet(entry.account_id, entry.client_id, entry.month)
        return logged(entry, sheet, self._state.clients[entry.account_id, entry.client_id])


class MemoryTimers(_Repository):
    def start(self, timer: Timer) -> None:
        with self._committing():
            if (timer.account_id, timer.user_id) in self._state.timers:
                raise TimerRunning
            client = _found(self._state.clients.get((timer.account_id, timer.client_id)))
            if client.archived:
                raise ClientArchived
            self._state.clients[timer.account_id, timer.client_id] = replace(client, has_work=True)
            self._state.timers[timer.account_id, timer.user_id] = timer

    def get(self, account_id: str, user_id: str) -> Timer:
        return _found(self._state.timers.get((account_id, user_id)))


class MemoryLedger(_Repository):
    def open_work(self, account_id: str, client_id: str, through: date) -> OpenWork:
        with self._state.lock:
            client = _found(self._state.clients.get((account_id, client_id)))
            sheets = [
                sheet
                for sheet in self._state.sheets.values()
                if (sheet.account_id, sheet.client_id) == (account_id, client_id)
                if sheet.open and sheet.month <= month_of(through)
            ]
            sheets.sort(key=lambda sheet: sheet.month)
            return OpenWork(
                account=_found(self._state.accounts.get(account_id)),
                client=client,
                sheets=tuple(sheets),
                entries=tuple(self._state.entries[account_id, id_] for sheet in sheets for id_ in sorted(sheet.open)),
            )

    def series(self, account_id: str, kind: DocumentKind, year: int) -> NumberSeries:
        return NumberSeries(kind=kind, year=year, last=self._state.series.get((account_id, kind, year), 0))

    def issue(self, issue: Issue) -> None:
        invoice = issue.invoice
        with self._committing(invoice=invoice.id):
            self._check_series(invoice.account_id, issue.series)
            self._check_client(issue.client)
            self._check_sheets(issue.sheets)
            _check((invoice.account_id, invoice.id) not in self._state.invoices)
            open_entries = {sheet.month: sheet.open for sheet in issue.sheets}
            _check(all(ids <= open_entries.get(month, frozenset()) for month, ids in issue.billed.items()))
            self._count_up(invoice.account_id, issue.series)
            self._state.invoices[invoice.account_id, invoice.id] = invoice
            self._state.lines[invoice.account_id, invoice.id] = issue.lines
            for sheet in issue.sheets:
                taken = issue.billed[sheet.month]
                self._state.put_sheet(replace(sheet, open=sheet.open - taken, billed={**sheet.billed, invoice.id: taken}))
            self._settle(issue.next_client, issue.outcome)

    def pass_over(self, client: Client, next_client: Client, outcome: DueOutcome) -> None:
        with self._committing():
            self._check_client(client)
            self._settle(next_client, outcome)

    def credit(self, credit: Credit) -> None:
        note, invoice = credit.note, credit.invoice
        with self._committing(credit_note=note.id):
            self._check_series(note.account_id, credit.series)
            _check(_found(self._state.invoices.get((invoice.account_id, invoice.id))).version == invoice.version)
            self._check_sheets(credit.sheets)
            _check((note.account_id, note.id) not in self._state.credit_notes)
            _check(all(invoice.id in sheet.billed for sheet in credit.sheets))
            self._count_up(note.account_id, credit.series)
            self._state.credit_notes[note.account_id, note.id] = note
            self._state.invoices[invoice.account_id, invoice.id] = credit.credited
            for sheet in credit.sheets:
                others = {id_: entries for id_, entries in sheet.billed.items() if id_ != invoice.id}
                self._state.put_sheet(replace(sheet, open=sheet.open | sheet.billed[invoice.id], billed=others))

    def _check_series(self, account_id: str, series: NumberSeries) -> None:
        _check(self.series(account_id, series.kind, series.year) == series)

    def _count_up(self, account_id: str, series: NumberSeries) -> None:
        self._state.series[account_id, series.kind, series.year] = series.last + 1

    def _check_client(self, read: Client) -> None:
        kept = _found(self._state.clients.get((read.account_id, read.id)))
        _check((kept.version, kept.next_invoice_on) == (read.version, read.next_invoice_on))

    def _check_sheets(self, sheets: Iterable[WorkSheet]) -> None:
        for read in sheets:
            _check(self._state.sheet(read.account_id, read.client_id, read.month).version == read.version)

    def _settle(self, client: Client, outcome: DueOutcome | None) -> None:
        kept = self._state.clients[client.account_id, client.id]
        self._state.clients[client.account_id, client.id] = replace(client, has_work=kept.has_work)
        if outcome is not None:
            self._state.outcomes[outcome.account_id, outcome.run_on, outcome.client_id, outcome.due_on] = outcome


class MemoryInvoices(_Repository):
    def get(self, account_id: str, invoice_id: str) -> Invoice:
        return _found(self._state.invoices.get((account_id, invoice_id)))

    def lines(self, account_id: str, invoice_id: str) -> tuple[InvoiceLine, ...]:
        return _found(self._state.lines.get((account_id, invoice_id)))

    def page(self, account_id: str, wanted: InvoiceFilter, request: PageRequest) -> Page[Invoice]:
        with self._state.lock:
            invoices = [
                invoice
                for invoice in self._state.invoices.values()
                if invoice.account_id == account_id
                if wanted.client_id in (None, invoice.client_id) and wanted.status in (None, invoice.status)
            ]
        return _page(invoices, request, lambda invoice: invoice.id)

    def save(self, invoice: Invoice) -> None:
        with self._committing():
            kept = self.get(invoice.account_id, invoice.id)
            _check(kept.version == invoice.version - 1)
            self._state.invoices[invoice.account_id, invoice.id] = replace(
                kept,
                status=invoice.status,
                payments=invoice.payments,
                credit_note_id=invoice.credit_note_id,
                credit_note_number=invoice.credit_note_number,
                delivery=invoice.delivery,
                version=invoice.version,
            )


class MemoryCreditNotes(_Repository):
    def get(self, account_id: str, note_id: str) -> CreditNote:
        return _found(self._state.credit_notes.get((account_id, note_id)))

    def save(self, note: CreditNote) -> None:
        with self._committing():
            kept = self.get(note.account_id, note.id)
            _check(kept.version == note.version - 1)
            self._state.credit_notes[note.account_id, note.id] = replace(kept, delivery=note.delivery, version=note.version)


class MemoryReports(_Repository):
    def note_due(self, outcome: DueOutcome) -> None:
        with self._state.lock:
            self._state.outcomes.setdefault((outcome.account_id, outcome.run_on, outcome.client_id, outcome.due_on), outcome)

    def note_end(self, outcome: DueOutcome) -> None:
        key = (outcome.account_id, outcome.run_on, outcome.client_id, outcome.due_on)
        with self._state.lock:
            kept = self._state.outcomes.get(key)
            if kept is not None and kept.outcome is Outcome.DUE:
                self._state.outcomes[key] = outcome

    def outcomes(self, account_id: str, run_on: date) -> tuple[DueOutcome, ...]:
        with self._state.lock:
            outcomes = [one for one in self._state.outcomes.values() if (one.account_id, one.run_on) == (account_id, run_on)]
        return tuple(sorted(outcomes, key=lambda one: (one.client_id, one.due_on)))


def _found(thing: T | None) -> T:
    if thing is None:
        raise NotFound
    return thing


def _check(as_read: bool) -> None:
    if not as_read:
        raise Contended


def _fits(entry: WorkEntry, wanted: WorkFilter) -> bool:
    return (
        wanted.client_id in (None, entry.client_id)
        and (wanted.first_day is None or wanted.first_day <= entry.day)
        and (wanted.last_day is None or entry.day <= wanted.last_day)
    )


def _page(things: Iterable[T], request: PageRequest, position: Callable[[T], str]) -> Page[T]:
    """Newest first, which is the highest position."""
    ordered = sorted(things, key=position, reverse=True)
    left = (thing for thing in ordered if request.after is None or position(thing) < request.after)
    return first_page(left, request.limit, position)
