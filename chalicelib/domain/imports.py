"""Imports: files whose rows go in as if each had been sent to the API; what becomes of the file, and of each row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from chalicelib.domain.errors import DaybookError, Invalid, WorkOverlaps
from chalicelib.domain.files import StoredFile, check_filename, upload_key
from chalicelib.domain.products import is_product_id
from chalicelib.domain.statuses import ImportKind, ImportStatus

if TYPE_CHECKING:
    from chalicelib.domain.clients import ClientDetails
    from chalicelib.domain.products import ProductDetails, StockLevel
    from chalicelib.domain.work import WorkDetails

CONTENT_TYPES = ("text/csv", "application/json", "application/x-ndjson")
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_TRIES = 3
"""How many times a message is received before it is put away: `maxReceiveCount` of the imports' queue."""
SHOWN_REJECTIONS = 100
"""With the import itself; all of them are in its report."""
MAX_REJECTIONS = 100_000
"""With more than these nothing behind them is read: such a file is not what its import was told, and mending it takes less."""
MAX_RECORDS = 2_000_000
"""A spreadsheet has half as many. 256 MiB could hold twenty times as many, and be worked off for days."""
WAITS_FOR = timedelta(days=1)
"""For the file, and then for any progress."""
GIVEN_UP_AFTER = timedelta(days=3)
SETTLED_AFTER = timedelta(hours=24)
"""A form is good for 15 minutes, S3's events come for hours, a run takes minutes: after that nothing of it comes any more."""
REMOVED_AT_ONCE = 10
"""Of the parts in which it is kept why records were refused, those that whoever deletes an import waits for."""
REMOVED_A_NIGHT = 100
"""Of the same, of each import: a thousand of them take minutes, and all accounts share a night. Most expire by themselves."""
NEVER_UPLOADED = "was never uploaded"
NO_USER = "whoever began it is no longer a user of this account"
FILE_GONE = "the file is gone"
TOO_MANY_RECORDS = f"there are more than {MAX_RECORDS:,} rows; nothing behind those was read"
TOO_MANY_REJECTED = f"more than {MAX_REJECTIONS:,} rows were refused; nothing behind them was read"
GIVEN_UP = "it failed again and again on our side; what is counted is in, and it goes on when we have seen to it"
REPORT_KEPT_FOR = timedelta(days=90)
"""By the lifecycle of its bucket."""
REPORT_TYPE = "text/csv; charset=utf-8"
LONGEST_POINTER = 200
LONGEST_REASON = 300
"""Characters that are kept of them: a hundred rejections are one item, of at most 400 KB."""
_BLANKS = re.compile(r"\s++")
_FORMULA = re.compile(r"""(^|[;|])([ "']*+)(?=[=+@\uff1d\uff0b\uff0d\uff20-])""")
"""Where a formula begins, also behind what parts cells in other countries' spreadsheets, blanks and quotation marks between."""
_UNENDED = (ImportStatus.QUEUED, ImportStatus.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDetails:
    """`columns` are our fields by the file's headings; without any, the headings are our fields.

    `date_format` is made of YYYY, MM and DD; `decimal_separator` is a full stop or a comma.
    """

    kind: ImportKind
    filename: str
    content_type: str
    columns: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    decimal_separator: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import as kept. Every record of its file counts once: as added, as unchanged if it was in already, or as rejected.

    `column_pairs` are headings and fields, in the order in which a description of several is put together.
    `file` is the version of the upload that it works on, `cursor` where in it the next record begins, as the reader has it.
    `run` counts the invocations that have taken it up: only the last one may write. `interrupted`: it failed by a fault of
    ours, and goes on if its message comes again. Nothing will come of it by itself after `due_at`.
    """

    account_id: str
    id: str
    user_id: str
    kind: ImportKind
    filename: str
    content_type: str
    column_pairs: tuple[tuple[str, str], ...] = ()
    date_format: str | None = None
    decimal_separator: str | None = None
    dry_run: bool = False
    status: ImportStatus = ImportStatus.WAITING
    reason: str | None = None
    interrupted: bool = False
    file: StoredFile | None = None
    cursor: Mapping[str, object] | None = None
    bytes_read: int = 0
    added_count: int = 0
    unchanged_count: int = 0
    rejected_count: int = 0
    processing_time_ms: int = 0
    report_version: str | None = None
    run: int = 0
    due_at: datetime | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def record_count(self) -> int:
        return self.added_count + self.unchanged_count + self.rejected_count

    @property
    def columns(self) -> dict[str, str]:
        return dict(self.column_pairs)

    @property
    def source(self) -> str:
        """What is read, and how: with the same, a record of the same number says the same."""
        etag = "" if self.file is None else self.file.etag
        return _source(etag, self.content_type, self.column_pairs, self.date_format, self.decimal_separator)

    @property
    def size(self) -> int | None:
        """Of the file, in bytes."""
        return None if self.file is None else self.file.size

    @property
    def upload_key(self) -> str:
        return import_key(self.account_id, self.id, self.filename)

    @property
    def report_key(self) -> str:
        return report_key(self.account_id, self.id)

    @property
    def ended(self) -> bool:
        """Nothing will come of it any more."""
        return self.status is ImportStatus.COMPLETED or (self.status is ImportStatus.FAILED and not self.interrupted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRemoval:
    """What is left of an import that is gone, until none of its objects can come any more."""

    account_id: str
    import_id: str
    filename: str
    due_at: datetime

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all objects that it may have."""
        return import_key(self.account_id, self.import_id, self.filename), report_key(self.account_id, self.import_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """Asks for an import to be worked off, or on."""

    account_id: str
    import_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """Why a record did not go in. `number` counts records from 1, `line` is the file's line on which it begins."""

    number: int
    line: int
    pointer: str
    reason: str


class ProductRow(NamedTuple):
    """With an id of the shop's own it replaces the product of that id; without, it is a new one.

    `kept` are details that the row says nothing of: those of a product that is there stay as they are.
    """

    product_id: str | None
    details: ProductDetails
    level: StockLevel | None
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A record that can be read. `fingerprint` is the same for equal rows and no others; `after` is the cursor behind it.

    `pointers` are places in the file by our fields, where they are called differently.
    """

    line: int
    fingerprint: str
    what: ClientDetails | ProductRow | WorkDetails
    after: Mapping[str, object]
    pointers: Mapping[str, str] = field(default_factory=dict)

    @property
    def product_id(self) -> str | None:
        """The shop's own, if it is one that a product may have."""
        own_id = self.what.product_id if isinstance(self.what, ProductRow) else None
        return own_id if own_id is not None and is_product_id(own_id) else None

    @property
    def subject(self) -> str:
        """What is marked as imported: a product by its own id, all else by the row; no product's id begins with a tilde."""
        return self.product_id or f"~{self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A record that cannot be read."""

    line: int
    pointer: str
    reason: str
    after: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """No record, but a place between two that are far apart: reading may stop and go on there."""

    after: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMark:
    """What the last import that has said something of a subject said of it, and how far it got with that.

    `fingerprint` is that of the row which the subject is like. `source` is the same for imports that read the same bytes in the
    same way, and `through` the number of the last record of it that spoke of the subject, in whichever of them. Of the records
    since the import was last saved, `numbers` are those that went in, `unchanged` those that changed nothing.
    """

    account_id: str
    kind: ImportKind
    subject: str
    import_id: str
    source: str
    through: int
    fingerprint: str
    numbers: tuple[int, ...] = ()
    unchanged: tuple[int, ...] = ()


Verdict = Literal["new", "known", "older", "done", "seen"]
"""Of a row, before it goes in: known is what another import has brought; older, that one opened later has said something else;
done and seen, that this very record went in, or changed nothing, before the import was cut off.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one stretch of records came to."""

    added: int = 0
    unchanged: int = 0
    rejections: tuple[RejectedRow, ...] = ()
    cursor: Mapping[str, object] | None = None
    milliseconds: int = 0


def new_import(details: ImportDetails, *, account_id: str, user_id: str, import_id: str, now: datetime) -> Import:
    """Raises: Invalid."""
    check_filename(details.filename)
    return Import(
        account_id=account_id,
        id=import_id,
        user_id=user_id,
        kind=details.kind,
        filename=details.filename,
        content_type=details.content_type,
        column_pairs=tuple(details.columns.items()),
        date_format=details.date_format,
        decimal_separator=details.decimal_separator,
        dry_run=details.dry_run,
        due_at=now + WAITS_FOR,
        created_at=now,
        updated_at=now,
    )


def take_file(imported: Import, file: StoredFile, *, now: datetime) -> Import:
    """With the file as it was uploaded last, until somebody works on it; the very same if nothing changes."""
    if imported.status not in (ImportStatus.WAITING, ImportStatus.QUEUED) or imported.file == file:
        return imported
    return _next(imported, now, status=ImportStatus.QUEUED, file=file, due_at=now + WAITS_FOR)


def take_up(imported: Import, *, now: datetime) -> Import | None:
    """The import as its next run has it; None if there is nothing to do."""
    if imported.file is None or imported.ended:
        return None
    return _next(
        imported,
        now,
        status=ImportStatus.PROCESSING,
        run=imported.run + 1,
        reason=None,
        interrupted=False,
        due_at=now + WAITS_FOR,
    )


def move_on(imported: Import, progress: Progress, *, now: datetime) -> Import:
    cursor = imported.cursor if progress.cursor is None else progress.cursor
    return _next(
        imported,
        now,
        cursor=cursor,
        bytes_read=imported.bytes_read if cursor is None else bytes_before(cursor),
        added_count=imported.added_count + progress.added,
        unchanged_count=imported.unchanged_count + progress.unchanged,
        rejected_count=imported.rejected_count + len(progress.rejections),
        processing_time_ms=imported.processing_time_ms + progress.milliseconds,
        due_at=now + WAITS_FOR,
    )


@lru_cache(maxsize=8)
def _source(*parts: object) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:32]


def bytes_before(cursor: Mapping[str, object]) -> int:
    """Of the file, those that lie before the place."""
    return cast("int", cursor["offset"])


def too_much_of(imported: Import) -> str | None:
    """Why nothing more of its file is read; None if it may be."""
    if imported.rejected_count > MAX_REJECTIONS:
        return TOO_MANY_REJECTED
    return TOO_MANY_RECORDS if imported.record_count > MAX_RECORDS else None


def complete(imported: Import, report_version: str | None, *, now: datetime) -> Import:
    read = imported.bytes_read if imported.size is None else imported.size
    status = ImportStatus.COMPLETED
    return _next(imported, now, status=status, report_version=report_version, bytes_read=read, due_at=None)


def fail(imported: Import, reason: str, report_version: str | None = None, *, now: datetime) -> Import:
    """For good: its file cannot be read, or will never come."""
    return _next(imported, now, status=ImportStatus.FAILED, reason=reason, report_version=report_version, due_at=None)


def interrupt(imported: Import, *, now: datetime) -> Import:
    """Failed by a fault of ours; the very same if it has ended."""
    if imported.status not in _UNENDED:
        return imported
    return _next(imported, now, status=ImportStatus.FAILED, reason=GIVEN_UP, interrupted=True, due_at=None)


def wait_on(imported: Import, *, now: datetime) -> Import:
    return _next(imported, now, due_at=now + WAITS_FOR)


def removal(imported: Import, *, now: datetime) -> ImportRemoval:
    due_at = now + SETTLED_AFTER
    return ImportRemoval(account_id=imported.account_id, import_id=imported.id, filename=imported.filename, due_at=due_at)


def import_key(account_id: str, import_id: str, filename: str) -> str:
    return upload_key("incoming", account_id, import_id, filename)


def report_key(account_id: str, import_id: str) -> str:
    return f"reports/{account_id}/{import_id}/rejections.csv"


def _next(imported: Import, now: datetime, **changes: object) -> Import:
    return replace(imported, **changes, version=imported.version + 1, updated_at=now)  # type: ignore[arg-type]


def verdict_on(mark: RowMark | None, row: Row, imported: Import, number: int) -> Verdict:
    """What is to be done with the row, by what is marked of its subject. Ids of imports sort by when they were opened."""
    if mark is None:
        return "new"
    if mark.import_id == imported.id:
        if number in mark.numbers:
            return "done"
        if number in mark.unchanged:
            return "seen"
    elif mark.import_id > imported.id:
        return "older"
    return "known" if _was_read(mark, row, imported, number) or _was_said_last(mark, row, imported) else "new"


def _was_read(mark: RowMark, row: Row, imported: Import, number: int) -> bool:
    """This very record of this very file, by another import; of a product, one that was overtaken by a later one too."""
    by_another = mark.import_id != imported.id or row.product_id is not None
    return by_another and mark.source == imported.source and number <= mark.through


def _was_said_last(mark: RowMark, row: Row, imported: Import) -> bool:
    """Of a product; of all else equal rows of one file are as many things."""
    return row.fingerprint == mark.fingerprint and (row.product_id is not None or mark.source != imported.source)


def mark_after(mark: RowMark | None, row: Row, imported: Import, number: int) -> RowMark:
    """The mark that is written with the row."""
    before = _own(mark, row, imported, number)
    return replace(before, numbers=(*before.numbers, number))


def mark_unchanged(mark: RowMark | None, row: Row, imported: Import, number: int) -> RowMark:
    """The mark that is written alone, of a row that changed nothing."""
    before = _own(mark, row, imported, number)
    if mark is not None and _was_read(mark, row, imported, number):
        before = replace(before, through=mark.through, fingerprint=mark.fingerprint)
    return replace(before, unchanged=(*before.unchanged, number))


def _own(mark: RowMark | None, row: Row, imported: Import, number: int) -> RowMark:
    """This import's, after the row, but without it among the records."""
    saved = imported.record_count
    ours = None if mark is None or mark.import_id != imported.id else mark
    return RowMark(
        account_id=imported.account_id,
        kind=imported.kind,
        subject=row.subject,
        import_id=imported.id,
        source=imported.source,
        through=number,
        fingerprint=row.fingerprint,
        numbers=() if ours is None else tuple(one for one in ours.numbers if one > saved),
        unchanged=() if ours is None else tuple(one for one in ours.unchanged if one > saved),
    )


def reject(number: int, line: int, pointer: str, reason: str) -> RejectedRow:
    return RejectedRow(number=number, line=line, pointer=pointer[:LONGEST_POINTER], reason=reason[:LONGEST_REASON])


def rejection_of(refusal: DaybookError, row: Row, number: int) -> RejectedRow:
    """In the words of the API, and the places of the file."""
    if isinstance(refusal, Invalid):
        places = [(row.pointers.get(fault.pointer, fault.pointer), fault.detail) for fault in refusal.errors]
        pointer = places[0][0]
        reason = "; ".join(detail if place == pointer else f"{place}: {detail}" for place, detail in places)
        return reject(number, row.line, pointer, reason)
    detail = refusal.detail.partition(";")[0] if isinstance(refusal, WorkOverlaps) else refusal.detail
    return reject(number, row.line, "", detail)


def report_of(rejections: Iterable[RejectedRow]) -> Iterator[str]:
    """Lines of CSV as spreadsheets read it; a cell that would be taken for a formula is quoted (OWASP, CSV injection)."""
    yield "\ufeff" + _line("record", "line", "pointer", "reason")
    for one in rejections:
        yield _line(str(one.number), str(one.line), one.pointer, one.reason)


def _line(*cells: str) -> str:
    return ",".join(_cell(cell) for cell in cells) + "\r\n"


def _cell(text: str) -> str:
    harmless = _FORMULA.sub(r"\1\2'", _BLANKS.sub(" ", text))
    return '"' + harmless.replace('"', '""') + '"'


def parts_of(rejections: Sequence[RejectedRow], size: int) -> Iterator[Sequence[RejectedRow]]:
    for start in range(0, len(rejections), size):
        yield rejections[start : start + size]
