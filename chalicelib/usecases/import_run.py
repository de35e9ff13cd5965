"""One run of an import: its records, a few at a time, each by the use case that the API has for it.

A row is marked in the transaction in which it goes in, and a run that another has taken over can write nothing any more: so
whatever comes twice, at once or late, and wherever a run is cut off, what is counted is what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol, assert_never, cast

from chalicelib.domain.clients import ClientDetails
from chalicelib.domain.errors import (
    Conflict,
    Contended,
    ImportTakenOver,
    Invalid,
    NotFound,
    NotTogether,
    OutOfStep,
    RowMarked,
    Unavailable,
    Unreadable,
)
from chalicelib.domain.imports import (
    REPORT_TYPE,
    BadRow,
    Gap,
    Import,
    ProductRow,
    Progress,
    RejectedRow,
    Row,
    RowMark,
    bytes_before,
    complete,
    fail,
    mark_after,
    mark_unchanged,
    move_on,
    reject,
    rejection_of,
    report_of,
    too_much_of,
    verdict_on,
)
from chalicelib.domain.statuses import ImportKind
from chalicelib.domain.users import Caller
from chalicelib.domain.work import DatedWork, TimedWork
from chalicelib.usecases import clients, products, work
from chalicelib.usecases.contention import ATTEMPTS

if TYPE_CHECKING:
    from chalicelib.ports import (
        Accounts,
        Clients,
        Clock,
        Files,
        Ids,
        Images,
        Imports,
        Metrics,
        Noted,
        Products,
        RowMarks,
        Stock,
        Timers,
        Work,
    )

_log = logging.getLogger("daybook")

BLOCK = 49
"""Records whose marks are read at once, and which are written together where they can be: 49 clients, their marks and the run
are as much as one transaction takes; 49 products, what is left of those before, and the account as much as one read does."""
WINDOW = 10 * BLOCK
"""Records after which the progress is saved."""
TOGETHER = frozenset({ImportKind.CLIENTS, ImportKind.PRODUCTS})
"""What is written together. Work is not: its entries share their user's calendar and their client's sheet."""
STRETCH_BYTES = 1024 * 1024
"""Of the file after which to look at the clock, however few the records in it: what is hostile is slow to read."""
RESERVE_SECONDS = 60.0
"""With less than this left, a run stops."""


class Desk(Protocol):
    """What a run needs at hand, with what the use cases of the rows need."""

    @property
    def imports(self) -> Imports: ...
    @property
    def row_marks(self) -> RowMarks: ...
    @property
    def files(self) -> Files: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def products(self) -> Products: ...
    @property
    def stock(self) -> Stock: ...
    @property
    def work(self) -> Work: ...
    @property
    def timers(self) -> Timers: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def images(self) -> Images: ...


def end_import(imported: Import, reason: str | None = None, *, desk: Desk) -> None:
    """Completes the import, or fails it for that reason, with a report of what was refused. Raises: ImportTakenOver."""
    report = None
    if imported.rejected_count:
        content = BytesIO()  # up to 200 MB, in memory once
        content.writelines(line.encode() for line in report_of(desk.imports.rejections(imported.account_id, imported.id)))
        report = desk.files.put(imported.report_key, content.getvalue(), REPORT_TYPE)
    now = desk.clock.now()
    ended = complete(imported, report, now=now) if reason is None else fail(imported, reason, report, now=now)
    try:
        _save(ended, (), desk)
    except ImportTakenOver:
        if report is not None:
            desk.files.drop(imported.report_key, report)
        raise
    desk.metrics.worked_off("imports", imported.record_count, imported.processing_time_ms)


def _save(imported: Import, rejections: Sequence[RejectedRow], desk: Desk) -> None:
    try:
        desk.imports.save(imported, rejections)
    except Contended:
        raise ImportTakenOver from None


class Records:
    """Records, a few at a time; what ends them early is kept until those before it are seen to.

    `after` is the cursor behind what was taken last.
    """

    def __init__(self, rows: Iterator[Row | BadRow | Gap], begin: int) -> None:
        """`begin` is the byte from which on they are read."""
        self._rows = rows
        self._offset = begin
        self.over = False
        self.fault: str | None = None
        self.after: Mapping[str, object] | None = None

    def take(self, count: int) -> list[Row | BadRow]:
        """Fewer where they are long, or none where for long there is no other: then is the time to look at the clock."""
        taken: list[Row | BadRow] = []
        begun = self._offset
        try:
            for row in self._rows:
                self.after, self._offset = row.after, bytes_before(row.after)
                if isinstance(row, Gap):
                    return taken
                taken.append(row)
                if len(taken) == count or self._offset - begun >= STRETCH_BYTES:
                    return taken
        except Unreadable as fault:
            self.fault = fault.detail
        self.over = True
        return taken


@dataclass
class _Tally:
    """What is not saved yet."""

    cursor: Mapping[str, object] | None
    added: int = 0
    unchanged: int = 0
    rejections: list[RejectedRow] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.added + self.unchanged + len(self.rejections)

    def note(self, outcome: _Outcome) -> None:
        if isinstance(outcome, RejectedRow):
            self.rejections.append(outcome)
        elif outcome:
            self.added += 1
        else:
            self.unchanged += 1


_Outcome = RejectedRow | bool
"""Of a row: refused, added, or unchanged."""


class Run:
    """One run of an import: the only one that may write its rows, until another takes over."""

    def __init__(self, imported: Import, caller: Caller, records: Records, remaining: Callable[[], float], desk: Desk) -> None:
        self._imported = imported
        self._caller = caller
        self._records = records
        self._remaining = remaining
        self._desk = desk
        self._rows = _Rehearsal(desk) if imported.dry_run else desk

    def work_off(self) -> Import | None:
        """To the import's end, and then returns None; or the import as far as it got in the time that there was.

        Raises: ImportTakenOver; Unavailable if it got nowhere: whoever got on and was stopped there goes on in the next part.
        """
        begun = self._imported.cursor
        try:
            return self._work_off()
        except Unavailable as failure:
            if self._imported.cursor == begun:
                raise
            _log.warning("the import %s goes on later: %s", self._imported.id, failure)
            return self._imported

    def _work_off(self) -> Import | None:
        while True:
            self._do_window()
            if self._records.over or (too_much := too_much_of(self._imported)) is not None:
                break
            if self._remaining() < RESERVE_SECONDS:
                return self._imported
        end_import(self._imported, self._records.fault if self._records.over else too_much, desk=self._desk)
        return None

    def _do_window(self) -> None:
        """What was seen to is kept also if what comes behind it cannot be, for now."""
        began, tally = self._remaining(), _Tally(self._imported.cursor)
        try:
            self._fill(tally)
        except Unavailable:
            self._keep(tally, began)
            raise
        self._keep(tally, began)

    def _fill(self, tally: _Tally) -> None:
        """At least a block: a run that went on no further than the last would ask for the very same place, once for both."""
        while tally.count < WINDOW and not self._records.over:
            block = self._records.take(BLOCK)
            for outcome in self._outcomes_of(block, self._imported.record_count + tally.count + 1):
                tally.note(outcome)
            tally.cursor = self._records.after or tally.cursor
            if self._remaining() < RESERVE_SECONDS:
                break

    def _keep(self, tally: _Tally, began: float) -> None:
        if tally.cursor == self._imported.cursor:
            return
        progress = Progress(
            added=tally.added,
            unchanged=tally.unchanged,
            rejections=tuple(tally.rejections),
            cursor=tally.cursor,
            milliseconds=round((began - self._remaining()) * 1000),
        )
        moved = move_on(self._imported, progress, now=self._desk.clock.now())
        _save(moved, progress.rejections, self._desk)
        self._imported = moved

    def _outcomes_of(self, block: Sequence[Row | BadRow], first: int) -> list[_Outcome]:
        if not block:
            return []
        numbered = list(enumerate(block, first))
        if self._imported.kind in TOGETHER and not self._imported.dry_run:
            product_ids = {row.product_id for row in block if isinstance(row, Row) and row.product_id is not None}
            try:
                marks = self._marks_of(block)
                with self._desk.row_marks.together(self._imported.account_id, product_ids):
                    return [self._put_in(number, row, marks, together=True) for number, row in numbered]
            except (NotTogether, RowMarked):
                pass  # what went in before that is marked, and counts as added when it comes again
        marks = self._marks_of(block)
        return [self._put_in_alone(number, row, marks) for number, row in numbered]

    def _marks_of(self, block: Iterable[Row | BadRow]) -> dict[str, RowMark]:
        subjects = {row.subject for row in block if isinstance(row, Row)}
        return dict(self._desk.row_marks.find(self._imported.account_id, self._imported.kind, subjects)) if subjects else {}

    def _put_in_alone(self, number: int, row: Row | BadRow, marks: dict[str, RowMark]) -> _Outcome:
        """Whatever another import does with the same subject at the same time."""
        for _ in range(ATTEMPTS):
            try:
                outcome = self._put_in(number, row, marks)
                if not isinstance(outcome, RejectedRow) or not isinstance(row, Row):
                    return outcome
                before = marks.get(row.subject)
                marks |= self._marks_of([row])
                if marks.get(row.subject) == before:
                    return outcome
            except RowMarked:
                marks |= self._marks_of([cast("Row", row)])
        raise Contended

    def _put_in(self, number: int, row: Row | BadRow, marks: dict[str, RowMark], *, together: bool = False) -> _Outcome:
        if isinstance(row, BadRow):
            return reject(number, row.line, row.pointer, row.reason)
        mark = marks.get(row.subject)
        verdict = verdict_on(mark, row, self._imported, number)
        if verdict == "known" and row.product_id is not None:
            self._mark_unchanged(number, row, marks)
        if verdict != "new":
            return verdict == "done"
        after = mark_after(mark, row, self._imported, number)
        try:
            with self._noting(after, mark) as note:
                _put(row, self._caller, cast("Desk", self._rows))
        except (OutOfStep, Contended):
            raise
        except (Invalid, NotFound, Conflict) as refusal:
            if together and not isinstance(refusal, Invalid):
                raise NotTogether from refusal  # alone it is looked at once more
            return rejection_of(refusal, row, number)
        if not note.noted:
            self._mark_unchanged(number, row, marks)
        elif not self._imported.dry_run:
            marks[row.subject] = after
        return note.noted

    def _mark_unchanged(self, number: int, row: Row, marks: dict[str, RowMark]) -> None:
        """That this is what was said of it last, though there was nothing to write: it is no news when it comes again."""
        if self._imported.dry_run:
            return
        mark = marks.get(row.subject)
        after = mark_unchanged(mark, row, self._imported, number)
        self._desk.row_marks.put(after, mark, self._imported.run)
        marks[row.subject] = after

    def _noting(self, after: RowMark, before: RowMark | None) -> AbstractContextManager[Noted]:
        if isinstance(self._rows, _Rehearsal):
            return self._rows.noting()
        return self._desk.row_marks.note(after, before, self._imported.run)


def _put(row: Row, caller: Caller, desk: Desk) -> None:
    match row.what:
        case ClientDetails() as details:
            clients.add_client(caller, details, desk=desk)
        case ProductRow() as product:
            if product.product_id is None:
                products.add_product(caller, product.details, product.level, desk=desk)
            else:
                products.put_product(caller, product.product_id, product.details, product.level, desk=desk, kept=product.kept)
        case TimedWork() | DatedWork() as details:
            work.log_work(caller, details, allow_overlap=False, desk=desk)
        case unknown:
            assert_never(unknown)


READS: Mapping[str, frozenset[str]] = {
    "accounts": frozenset({"get"}),
    "clients": frozenset({"get"}),
    "products": frozenset({"get"}),
    "images": frozenset({"get"}),
    "work": frozenset({"calendar"}),
    "ids": frozenset({"new"}),
    "clock": frozenset({"now"}),
}
"""What the rows' use cases may ask of their ports in a dry run."""
WRITES: Mapping[str, frozenset[str]] = {
    "clients": frozenset({"add"}),
    "products": frozenset({"add", "save"}),
    "work": frozenset({"commit"}),
}
"""What they would write by; in a dry run it is only noted that they would."""


class _Rehearsal:
    """The desk of a dry run: of its ports what is named above, and nothing else."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.noted = False

    def __getattr__(self, name: str) -> Any:
        return _ReadOnly(name, getattr(self._desk, name), self._wrote)

    def _wrote(self, *_: object, **__: object) -> None:
        self.noted = True

    @contextmanager
    def noting(self) -> Iterator[Noted]:
        self.noted = False
        yield self


class _ReadOnly:
    def __init__(self, name: str, port: object, wrote: Callable[..., None]) -> None:
        self._name = name
        self._port = port
        self._wrote = wrote

    def __getattr__(self, method: str) -> Any:
        if method in READS.get(self._name, ()):
            return getattr(self._port, method)
        if method in WRITES.get(self._name, ()):
            return self._wrote
        raise AttributeError(f"a dry run has no {self._name}.{method}")
