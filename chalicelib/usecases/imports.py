"""The life of an import: opened, uploaded, worked off in as many runs as it takes, and looked after at night."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.clients import Client
from chalicelib.domain.errors import Contended, ImportTakenOver, NotFound, Unreadable
from chalicelib.domain.files import StoredFile, Upload, UploadForm
from chalicelib.domain.imports import (
    FILE_GONE,
    GIVEN_UP_AFTER,
    MAX_FILE_BYTES,
    MAX_TRIES,
    NEVER_UPLOADED,
    NO_USER,
    REMOVED_A_NIGHT,
    REMOVED_AT_ONCE,
    REPORT_KEPT_FOR,
    REPORT_TYPE,
    SHOWN_REJECTIONS,
    BadRow,
    Gap,
    Import,
    ImportDetails,
    ImportJob,
    ImportRemoval,
    RejectedRow,
    Row,
    fail,
    interrupt,
    new_import,
    removal,
    report_key,
    take_file,
    take_up,
    wait_on,
)
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.statuses import ImportStatus
from chalicelib.domain.users import Caller
from chalicelib.usecases import import_run
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended
from chalicelib.usecases.import_run import Records, Run
from chalicelib.usecases.sweeps import InTime, each, in_no_hurry

if TYPE_CHECKING:
    from chalicelib.domain.accounts import Account
    from chalicelib.ports import Clients, Clock, Files, Ids, Imports, ImportsQueue, UnsettledImports, Uploads

_log = logging.getLogger("daybook")


class Counter(Protocol):
    """What taking imports needs at hand."""

    @property
    def imports(self) -> Imports: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def files(self) -> Files: ...
    @property
    def imports_queue(self) -> ImportsQueue: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


class NightDesk(Counter, Protocol):
    @property
    def unsettled_imports(self) -> UnsettledImports: ...


class Desk(import_run.Desk, Counter, Protocol):
    """What working imports off needs."""


class ReadRows(Protocol):
    def __call__(
        self, imported: Import, chunks: Iterator[bytes], account: Account, all_clients: Callable[[], Iterable[Client]]
    ) -> Iterator[Row | BadRow | Gap]:
        """The records from the import's cursor on; `chunks` begin there. Raises: Unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FullImport:
    """An import with its first rejections; `report` is a short-lived link to all of them, if there are any and it has ended."""

    imported: Import
    rejections: tuple[RejectedRow, ...] = ()
    report: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedImport(FullImport):
    """An import that waits for its file, and the form with which that is uploaded."""

    upload: UploadForm


def add_import(caller: Caller, details: ImportDetails, *, desk: Counter) -> OpenedImport:
    """Raises: Invalid."""
    now = desk.clock.now()
    import_id = desk.ids.new("imp", now)
    imported = new_import(details, account_id=caller.account_id, user_id=caller.user_id, import_id=import_id, now=now)
    desk.imports.add(imported)
    return _opened(imported, desk)


def get_opened_import(caller: Caller, import_id: str, *, desk: Counter) -> OpenedImport:
    """What `add_import` has answered, with a new form. Raises: NotFound."""
    return _opened(desk.imports.get(caller.account_id, import_id), desk)


def get_import(caller: Caller, import_id: str, *, desk: Counter) -> FullImport:
    """Raises: NotFound."""
    imported = desk.imports.get(caller.account_id, import_id)
    rejections = desk.imports.rejections(caller.account_id, import_id, SHOWN_REJECTIONS) if imported.rejected_count else ()
    return FullImport(imported=imported, rejections=tuple(rejections), report=_link_to_report(imported, desk))


def list_imports(caller: Caller, request: PageRequest, *, imports: Imports) -> Page[Import]:
    return imports.page(caller.account_id, request)


def remove_import(caller: Caller, import_id: str, *, desk: NightDesk, check: Check[FullImport] = unconditionally) -> FullImport:
    """Stops it: what is in stays in, and nothing more goes in. The import as it last was, without its report, which is gone.

    Raises: NotFound.

    What is left to be removed is noted with the removal of the import: the night finishes what is cut off here, and whoever
    asks again. Also what comes only now: a form is good for a while, and a report may just be written.
    """

    def attempt() -> FullImport:
        found = get_import(caller, import_id, desk=desk)
        check(found)
        left = removal(found.imported, now=desk.clock.now())
        desk.imports.remove(found.imported, left)
        _remove_what_is_left(left, REMOVED_AT_ONCE, desk)
        return replace(found, report=None)

    try:
        return until_uncontended(attempt)
    except NotFound:
        unfinished = desk.unsettled_imports.removal(caller.account_id, import_id)
        if unfinished is not None:
            _remove_what_is_left(unfinished, REMOVED_AT_ONCE, desk)
        raise


def _remove_what_is_left(left: ImportRemoval, most: int, desk: NightDesk) -> bool:
    """Whether that is all."""
    for key in left.keys:
        desk.files.remove(key)
    return desk.unsettled_imports.remove_rejections(left, most)


def _opened(imported: Import, desk: Counter) -> OpenedImport:
    form = desk.uploads.form(imported.upload_key, imported.content_type, MAX_FILE_BYTES)
    return OpenedImport(imported=imported, upload=form)


def _link_to_report(imported: Import, desk: Counter) -> str | None:
    if imported.report_version is None or desk.clock.now() >= imported.updated_at + REPORT_KEPT_FOR:
        return None
    return desk.files.link(imported.report_key, imported.report_version, f"{imported.filename}.rejections.csv", REPORT_TYPE)


def queue_import(upload: Upload, *, desk: Counter) -> None:
    """Takes the file as it is by now, and asks for it to be worked off; asked again it changes nothing. Raises: Unavailable."""

    def attempt() -> Import | None:
        imported = desk.imports.get(upload.account_id, upload.file_id)
        if imported.upload_key != upload.key:
            raise NotFound
        file = desk.uploads.head(upload.key)
        taken = imported if file is None else take_file(imported, file, now=desk.clock.now())
        if taken is not imported:
            desk.imports.save(taken)
        return taken

    try:
        imported = until_uncontended(attempt)
    except NotFound:
        _log.warning("there is no import for the upload of %s", upload.file_id)
        desk.files.remove(upload.key)
        return
    if imported is not None and imported.status is ImportStatus.QUEUED:
        _ask_for(imported, desk.imports_queue)


def _ask_for(imported: Import, queue: ImportsQueue) -> None:
    """Of one place the queue takes one message within five minutes, however often the file is uploaded meanwhile.

    A message has nothing of the file: whoever takes the import up takes what was uploaded last. One whose sending failed is not
    counted, so it can be sent again at once; one that was lost later is sent by the night.
    """
    place = f"{imported.upload_key}\n{imported.record_count} {imported.bytes_read}"
    queue.ask_for(ImportJob(account_id=imported.account_id, import_id=imported.id), place)


def look_after_imports(as_of: datetime, *, desk: NightDesk, in_time: InTime = in_no_hurry) -> int:
    """Ends the imports whose file never came, asks again for those that have not moved for a day, and removes what is left of
    those that are gone; returns how many ended. Raises: as `each`.
    """

    def see_to(due: tuple[str, str]) -> bool:
        try:
            left = desk.unsettled_imports.removal(*due)
            return _see_to(*due, as_of, desk) if left is None else _finish_removal(left, as_of, desk)
        except (Contended, NotFound):  # it has moved
            return False

    return each(desk.unsettled_imports.due(as_of), see_to, "could not be seen to", in_time)


def _finish_removal(left: ImportRemoval, as_of: datetime, desk: NightDesk) -> bool:
    if left.due_at > as_of:
        return False
    if not _remove_what_is_left(left, REMOVED_A_NIGHT, desk):
        return False
    desk.unsettled_imports.finish(left)
    return True


def _see_to(account_id: str, import_id: str, as_of: datetime, desk: NightDesk) -> bool:
    imported = desk.imports.get(account_id, import_id)
    if imported.due_at is None or imported.due_at > as_of:
        return False
    now = desk.clock.now()
    if imported.status is ImportStatus.WAITING:
        file = desk.uploads.head(imported.upload_key)
        if file is None:
            desk.imports.save(fail(imported, NEVER_UPLOADED, now=now))
            return True
        imported = take_file(imported, file, now=now)  # its event was lost
    elif now - imported.created_at > GIVEN_UP_AFTER:
        desk.imports.save(interrupt(imported, now=now))
        return True
    else:
        imported = wait_on(imported, now=now)
    desk.imports.save(imported)
    _ask_for(imported, desk.imports_queue)
    return False


def go_on(job: ImportJob, read: ReadRows, *, remaining: Callable[[], float], tries: int, desk: Desk) -> None:
    """Works the import off until its end, or until little is left of `remaining` seconds: then the next run is asked for.

    A failure is raised, so that the message comes again; with the last of its tries the import fails too, until somebody puts
    the message back. Of an import that was removed meanwhile nobody has to hear again.
    """
    try:
        _work_off(job, read, remaining, desk)
    except ImportTakenOver:  # this one has nothing to say any more
        if _is_there(job, desk):
            raise
    except Exception:
        desk.metrics.failed("imports")
        if tries < MAX_TRIES or until_uncontended(lambda: _give_up(job, desk)):
            raise


def _is_there(job: ImportJob, desk: Desk) -> bool:
    try:
        desk.imports.get(job.account_id, job.import_id)
    except NotFound:
        return False
    return True


def _give_up(job: ImportJob, desk: Desk) -> bool:
    """False if it is gone."""
    try:
        imported = desk.imports.get(job.account_id, job.import_id)
    except NotFound:
        return False
    given_up = interrupt(imported, now=desk.clock.now())
    if given_up is not imported:
        desk.imports.save(given_up)
    return True


def _work_off(job: ImportJob, read: ReadRows, remaining: Callable[[], float], desk: Desk) -> None:
    def begin() -> Import | None:
        kept = desk.imports.get(job.account_id, job.import_id)
        taken_up = take_up(kept, now=desk.clock.now())
        if taken_up is None:
            _drop_unnamed_reports(kept, desk)
        else:
            desk.imports.save(taken_up)
        return taken_up

    try:
        imported = until_uncontended(begin)
    except NotFound:
        _log.warning("there is no import %s", job.import_id)
        desk.files.remove(report_key(job.account_id, job.import_id))
        return
    if imported is None or imported.file is None:
        return
    try:
        user = desk.accounts.user(imported.account_id, imported.user_id)
        account = desk.accounts.get(imported.account_id)
    except NotFound:
        import_run.end_import(imported, NO_USER, desk=desk)
        return
    caller = Caller(account_id=user.account_id, user_id=user.id, email=user.email, roles=(user.role,))
    chunks = _chunks(desk.uploads, imported.file, imported.bytes_read)
    rows = read(imported, chunks, account, lambda: _all_clients(caller, desk.clients))
    left = Run(imported, caller, Records(rows, imported.bytes_read), remaining, desk).work_off()
    if left is not None:
        _ask_for(left, desk.imports_queue)


def _drop_unnamed_reports(imported: Import, desk: Desk) -> None:
    """What a run has left that was taken over and then cut off; its message has come again.

    The bucket keeps for long only the newest version, which has to be the one that the import names.
    """
    if imported.report_version is None:
        return
    while (newest := desk.uploads.head(imported.report_key)) and newest.version_id != imported.report_version:
        desk.files.drop(imported.report_key, newest.version_id)


def _chunks(uploads: Uploads, file: StoredFile, start: int) -> Iterator[bytes]:
    """Raises: Unreadable if the file is gone."""
    try:
        yield from uploads.read(file, start)
    except NotFound:
        raise Unreadable(FILE_GONE) from None


def _all_clients(caller: Caller, all_clients: Clients) -> Iterator[Client]:
    request = PageRequest(limit=100)
    while True:
        page = all_clients.page(caller.account_id, request)
        yield from page.items
        if page.next is None:
            return
        request = PageRequest(limit=100, after=page.next)
