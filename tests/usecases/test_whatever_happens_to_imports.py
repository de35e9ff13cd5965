"""Uploads, deliveries, crashes, late and doubled messages, failures and redrives in any order.

Every good row goes in once, every bad one is told once, and the counts add up.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from chalicelib.domain.errors import Conflict, ImportTakenOver, Invalid, NotFound, Unavailable
from chalicelib.domain.events import Change, event_of
from chalicelib.domain.imports import Import, ImportJob
from chalicelib.domain.products import ProductDetails, StockLevel
from chalicelib.domain.statuses import ImportStatus
from chalicelib.repositories.items import exactly
from chalicelib.usecases import import_run, imports, products
from tests.usecases.import_files import (
    CALLER,
    arrive,
    counts,
    deliver,
    kept,
    open_office,
    put_file,
    rejections,
    report,
    upload,
    waiting,
)
from tests.usecases.order_flow import Crash, Interrupting

LINES = [
    *(f"c{number}" for number in range(6)),
    *(f"d{number} {number}" for number in range(3)),
    "!no name",
    "!no sense",
    "e -1",
]
BAD = {"!no name", "!no sense", "e -1"}
ENOUGH = 1e6


class AnOfficesWeek(RuleBasedStateMachine):
    """One account's imports of clients. What the queue has waits in the account's order, unless somebody puts it back."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.office = open_office()
        self.lines: dict[str, list[str]] = {}
        self.order: list[str] = []
        """Of the imports, as they were begun."""
        self.given_up: list[ImportJob] = []
        self.seen: dict[str, Import] = {}
        self.told: list[tuple[str, str]] = []
        self.small = patch.multiple(import_run, WINDOW=4, BLOCK=2)
        self.small.start()

    def teardown(self) -> None:
        try:
            self.deliver_all()
            self.check_end()
        finally:
            self.small.stop()

    @rule(target=jobs, lines=some.lists(some.sampled_from(LINES), min_size=1, max_size=12))
    def upload(self, lines: list[str]) -> ImportJob:
        return self.uploaded(lines)

    @rule(target=jobs, job=jobs)
    def upload_the_same_again(self, job: ImportJob) -> ImportJob:
        return self.uploaded(self.lines[job.import_id])

    def uploaded(self, lines: list[str]) -> ImportJob:
        job = upload(self.office, *lines)
        self.lines[job.import_id] = lines
        return job

    @rule(job=jobs)
    def event_comes_again(self, job: ImportJob) -> None:
        arrive(self.office, kept(self.office, job))

    @rule()
    def upload_nothing(self) -> None:
        waiting(self.office)

    @rule(job=jobs, lines=some.lists(some.sampled_from(LINES), min_size=1, max_size=3))
    def upload_over_it(self, job: ImportJob, lines: list[str]) -> None:
        imported = kept(self.office, job)
        put_file(self.office, imported, *lines)
        arrive(self.office, imported)
        if imported.status is ImportStatus.QUEUED:
            self.lines[job.import_id] = lines

    @rule(left=some.sampled_from([ENOUGH, import_run.RESERVE_SECONDS + 1, import_run.RESERVE_SECONDS + 5]))
    def deliver_next(self, left: float) -> None:
        self._next(lambda job, tries: deliver(self.office, job, left=left, tries=tries))

    @rule(place=some.integers(0, 40), after=some.booleans(), error=some.sampled_from([Crash(), Unavailable()]))
    def fail(self, place: int, after: bool, error: BaseException) -> None:
        """A call of a port fails, or ends the function; the message comes again at once, or at another time."""

        def happens() -> None:
            raise error

        self._next(lambda job, tries: deliver(Interrupting(self.office, place, after=after, happens=happens), job, tries=tries))

    @rule(place=some.integers(0, 40), late=some.booleans(), job=jobs)
    def meanwhile(self, place: int, late: bool, job: ImportJob) -> None:
        """Between two calls of a run the same message comes once more, or one of another import that was put back."""

        def run(now: ImportJob, tries: int) -> None:
            def happens() -> None:
                Context().run(self._quietly, lambda: deliver(self.office, now if late else job))

            deliver(Interrupting(self.office, place, after=False, happens=happens), now, tries=tries)

        self._next(run)

    @rule(job=jobs)
    def comes_late(self, job: ImportJob) -> None:
        self._quietly(lambda: deliver(self.office, job))

    @rule()
    def redrive(self) -> None:
        self.office.imports_queue.waiting += self.given_up
        self.given_up = []

    @rule(hours=some.integers(1, 30))
    def a_night(self, hours: int) -> None:
        now = self.office.clock.advance(hours=hours)
        self.office.imports_queue.places.clear()
        with suppress(Unavailable):
            imports.look_after_imports(now, desk=self.office)

    def _next(self, run: Callable[[ImportJob, int], None]) -> None:
        """The first message, up to three times."""
        queue = self.office.imports_queue.waiting
        if not queue:
            return
        job = queue.pop(0)
        for tries in range(1, 4):
            try:
                run(job, tries)
            except (Crash, Unavailable, ImportTakenOver):
                continue
            return
        self.given_up.append(job)

    @staticmethod
    def _quietly(run: Callable[[], None]) -> None:
        with suppress(ImportTakenOver):
            run()

    def deliver_all(self) -> None:
        self.office.imports_queue.waiting += self.given_up
        self.given_up = []
        while self.office.imports_queue.waiting:
            deliver(self.office, self.office.imports_queue.waiting.pop(0))

    @invariant()
    def counts_are_what_is_there(self) -> None:
        tables = self.office.tables()
        for imported in tables["imports"].values():
            told = rejections(self.office, imported)
            assert len(told) == imported.rejected_count
            assert len({line for line, _, _ in told}) == len(told), "no line is told twice"
            if imported.id in self.lines:
                assert imported.record_count <= len(self.lines[imported.id])
        self._hear()

    def _hear(self) -> None:
        for imported in self.office.tables()["imports"].values():
            before = self.seen.get(imported.id)
            if before == imported:
                continue
            change = Change(
                item_type="import",
                account_id="acc_1",
                id=imported.id,
                occurred_at=imported.updated_at,
                old=None if before is None else exactly(before),
                new=exactly(imported),
            )
            self.seen[imported.id] = imported
            event = event_of(change)
            if event is not None:
                self.told.append((imported.id, event.detail_type))

    def check_end(self) -> None:
        self._hear()
        good: Counter[str] = Counter()
        known: dict[str, Any] = {}
        done = [kept(self.office, ImportJob(account_id="acc_1", import_id=import_id)) for import_id in self.lines]
        for imported in done:
            lines = self.lines[imported.id]
            assert imported.status is ImportStatus.COMPLETED, imported
            assert imported.record_count == len(lines)
            assert imported.rejected_count == sum(line in BAD for line in lines)
            assert [line for line, _, _ in rejections(self.office, imported)] == [
                number for number, line in enumerate(lines, 1) if line in BAD
            ]
            if imported.rejected_count:
                assert len(report(self.office, imported)) == imported.rejected_count + 1
            assert (imported.id, "ImportCompleted") in self.told
            for line in {line for line in lines if line not in BAD}:
                known.setdefault(line, []).append(lines.count(line))
        for line, times in known.items():
            good[line.split(" ")[0]] = 0
            there = sum(1 for client in self.office.tables()["clients"].values() if client.name == line.split(" ")[0])
            assert min(times) <= there <= max(times), f"{line} is there {there} times, in files {times} times"
        there = len(self.office.tables()["clients"]) - 1
        assert sum(imported.added_count for imported in done) == there, "what is counted as added is there"


ONCE, OFTEN = ("A1", "A2", "A3", "A4", "A5", "A6"), ("B1", "B2")
"""Products that stand in a file once at most, and those that may stand there several times."""
SAID = ("x", "y", "x 5", "y 5", "y 9")
PRICE_LISTS = some.builds(
    lambda once, often: [f"{product_id} {said}" for product_id, said in (*often, *once.items())],
    some.dictionaries(some.sampled_from(ONCE), some.sampled_from(SAID), min_size=1),
    some.lists(some.tuples(some.sampled_from(OFTEN), some.sampled_from(SAID)), max_size=4),
)


class AShopsWeek(RuleBasedStateMachine):
    """One shop's imports of products, with what is changed by hand and sold between them, and within their runs."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.office = open_office()
        self.lines: dict[str, list[str]] = {}
        self.by_hand: set[str] = set()
        """The products that were ever put by hand: a file that was in before leaves them as they are."""
        self.small = patch.multiple(import_run, WINDOW=4, BLOCK=2)
        self.small.start()

    def teardown(self) -> None:
        try:
            self.deliver_all()
            self.the_newest_file_has_come()
            self.the_last_file_again_changes_nothing()
        finally:
            self.small.stop()

    @rule(target=jobs, lines=PRICE_LISTS)
    def upload(self, lines: list[str]) -> ImportJob:
        return self.uploaded(lines)

    @rule(target=jobs, job=jobs)
    def upload_the_same_again(self, job: ImportJob) -> ImportJob:
        return self.uploaded(self.lines[job.import_id])

    def uploaded(self, lines: list[str]) -> ImportJob:
        self.office.clock.advance(seconds=1)
        job = upload(self.office, *lines, kind="products")
        self.lines[job.import_id] = lines
        return job

    @rule(product_id=some.sampled_from(["A1", "B1"]), said=some.sampled_from(SAID))
    def put_by_hand(self, product_id: str, said: str) -> None:
        name, *stock = said.split(" ")
        level = StockLevel(int(stock[0])) if stock else None
        details = ProductDetails(name=name, price=Decimal(5))
        products.put_product(CALLER, product_id, details, level, desk=self.office)
        self.by_hand.add(product_id)

    @rule(product_id=some.sampled_from(ONCE + OFTEN))
    def sell(self, product_id: str) -> None:
        with suppress(NotFound, Invalid, Conflict):
            products.change_stock(CALLER, product_id, -1, "sold", desk=self.office)

    @rule(left=some.sampled_from([ENOUGH, import_run.RESERVE_SECONDS + 1, import_run.RESERVE_SECONDS + 5]))
    def deliver_next(self, left: float) -> None:
        """Whatever is left of it comes behind what has come meanwhile."""
        if self.office.imports_queue.waiting:
            deliver(self.office, self.office.imports_queue.waiting.pop(0), left=left)

    @rule(place=some.integers(0, 30), after=some.booleans(), error=some.sampled_from([Crash(), Unavailable()]))
    def fail_and_sell(self, place: int, after: bool, error: BaseException) -> None:
        """A run is cut off, one of each is sold, and its message comes again."""

        def happens() -> None:
            raise error

        queue = self.office.imports_queue.waiting
        if not queue:
            return
        job = queue.pop(0)
        try:
            deliver(Interrupting(self.office, place, after=after, happens=happens), job)
        except (Crash, Unavailable):
            queue.insert(0, job)
        for product_id in ONCE + OFTEN:
            self.sell(product_id)

    def deliver_all(self) -> None:
        while self.office.imports_queue.waiting:
            deliver(self.office, self.office.imports_queue.waiting.pop(0))

    @invariant()
    def the_journals_add_up(self) -> None:
        tables = self.office.tables()
        journal = Counter[str]()
        for change in tables["stock_changes"].values():
            journal[change.product_id] += change.change
        assert {one.id: one.stock or 0 for one in tables["products"].values()} == {
            one.id: journal[one.id] for one in tables["products"].values()
        }

    def the_newest_file_has_come(self) -> None:
        """Whoever was worked off last."""
        newest = {line.split(" ")[0]: line for _, lines in sorted(self.lines.items()) for line in lines}
        for product_id in newest.keys() & set(ONCE) - self.by_hand:
            assert self.office.products.get("acc_1", product_id).name == newest[product_id].split(" ")[1]

    @rule()
    def the_last_file_again_changes_nothing(self) -> None:
        """Whatever was done by hand or sold since."""
        self.deliver_all()
        if not self.lines:
            return
        _, lines = max(self.lines.items())
        for product_id in ONCE + OFTEN:
            self.sell(product_id)
        before = self.office.tables()
        job = self.uploaded(lines)
        self.deliver_all()
        after = self.office.tables()
        assert (after["products"], after["stock_changes"]) == (before["products"], before["stock_changes"])
        assert counts(kept(self.office, job)) == (0, len(lines), 0)


AShopsWeek.TestCase.settings = settings(stateful_step_count=25)
TestWhateverHappensToPriceLists = AShopsWeek.TestCase

AnOfficesWeek.TestCase.settings = settings(stateful_step_count=25)
TestWhateverHappensToImports = AnOfficesWeek.TestCase
