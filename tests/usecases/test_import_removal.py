"""An import that is deleted: nothing more of it goes in, what is in stays, its files are gone, whatever happens meanwhile."""

from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from chalicelib.domain.errors import NotFound, PreconditionFailed, Unavailable
from chalicelib.domain.imports import ImportJob, removal
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.statuses import ImportStatus
from chalicelib.usecases import import_run, imports
from tests.builders import a_user
from tests.usecases.import_files import (
    CALLER,
    arrive,
    counts,
    deliver,
    import_file,
    kept,
    lines_of,
    names,
    open_office,
    put_file,
    upload,
    waiting,
    work_off,
)
from tests.usecases.order_flow import Crash, Interrupting
from tests.wired import MemoryWired

FILES = {
    "clients": [*lines_of(9, bad=[2, 7]), "c1", "x -1"],
    "products": ["A1 Lamp 5", "A2 x", "!bad", "A1 Bulb 7", "A1 Bulb 7", "- n", "~ y", "A3 z 1"],
    "work": ["cli_1 0 60", "!bad", "cli_1 30 5", "cli_1 60 60", "cli_9 1 1", "cli_1 120 9", "cli_1 0 60"],
}
KINDS = list(FILES)
ROWS = ("clients", "products", "stock_changes", "entries", "import_rows")
"""What an import brings, and the marks of it."""


@pytest.fixture
def office() -> MemoryWired:
    return open_office()


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are many windows."""
    monkeypatch.setattr(import_run, "WINDOW", 4)
    monkeypatch.setattr(import_run, "BLOCK", 2)


def remove(office: Any, job: ImportJob) -> None:
    imports.remove_import(CALLER, job.import_id, desk=office)


def removing(office: Any, job: ImportJob) -> Callable[[], None]:
    """In another thread, as it were: where nobody waits to note anything."""
    return lambda: Context().run(remove, office, job)


def brought(office: MemoryWired) -> dict[str, Any]:
    tables = office.tables()
    return {name: tables[name] for name in ROWS}


def night(office: MemoryWired, *, hours: int = 24) -> int:
    return imports.look_after_imports(office.clock.advance(hours=hours), desk=office)


def assert_gone(office: MemoryWired, *, but_for_the_note: bool = False) -> None:
    """All but what it brought."""
    tables = office.tables()
    assert {name: tables[name] for name in ("imports", "import_runs", "import_rejections")} == {
        "imports": {},
        "import_runs": {},
        "import_rejections": {},
    }
    assert len(tables["import_removals"]) == but_for_the_note
    assert office.files.contents() == {}


def job_of(import_id: str) -> ImportJob:
    return ImportJob(account_id="acc_1", import_id=import_id)


def a_waiting(office: MemoryWired) -> ImportJob:
    return job_of(waiting(office).id)


def a_queued(office: MemoryWired) -> ImportJob:
    return upload(office, *FILES["clients"])


def a_processing(office: MemoryWired) -> ImportJob:
    job = a_queued(office)
    deliver(office, office.imports_queue.waiting.pop(0), left=import_run.RESERVE_SECONDS + 1)
    assert 0 < kept(office, job).record_count < len(FILES["clients"])
    return job


def a_completed(office: MemoryWired) -> ImportJob:
    return job_of(import_file(office, *FILES["clients"]).id)


def a_failed(office: MemoryWired) -> ImportJob:
    return job_of(import_file(office, "a", "!bad", "#").id)


def an_interrupted(office: MemoryWired) -> ImportJob:
    job = office.imports_queue.waiting.pop(0) if office.imports_queue.waiting else a_queued(office)
    with pytest.raises(ZeroDivisionError):
        deliver(Interrupting(office, 30, after=False, happens=lambda: 1 // 0), job, tries=3)
    assert kept(office, job).interrupted
    return job


STATUSES: dict[Callable[[MemoryWired], ImportJob], str] = {
    a_waiting: "waiting",
    a_queued: "queued",
    a_processing: "processing",
    a_completed: "completed",
    a_failed: "failed",
    an_interrupted: "failed",
}


@pytest.mark.parametrize("begin", STATUSES, ids=lambda begin: begin.__name__)
def test_an_import_may_be_removed_however_far_it_is(office: MemoryWired, begin: Callable[[MemoryWired], ImportJob]) -> None:
    job = begin(office)
    assert kept(office, job).status == STATUSES[begin]
    before = brought(office)

    remove(office, job)

    assert_gone(office, but_for_the_note=True)
    with pytest.raises(NotFound):
        imports.get_import(CALLER, job.import_id, desk=office)
    assert imports.list_imports(CALLER, PageRequest(), imports=office.imports).items == ()
    office.imports_queue.waiting += [job]  # also one that was put back
    work_off(office)
    assert brought(office) == before, "what is in stays in, and nothing more goes in"
    assert office.metrics.failures == (["imports"] if begin is an_interrupted else [])
    night(office)
    assert_gone(office)


def test_it_is_removed_once(office: MemoryWired) -> None:
    job = a_completed(office)
    remove(office, job)
    after = office.state()

    with pytest.raises(NotFound):
        remove(office, job)

    assert office.state() == after


def test_another_accounts_import_is_not_removed(office: MemoryWired) -> None:
    job, gone = a_completed(office), a_completed(office)
    remove(office, gone)
    before = office.state()

    for import_id in (job.import_id, gone.import_id, "imp_none", "x#y"):
        with pytest.raises(NotFound):
            imports.remove_import(replace(CALLER, account_id="acc_2"), import_id, desk=office)

    assert office.state() == before


def test_an_import_that_is_not_what_was_seen_stays(office: MemoryWired) -> None:
    job = a_processing(office)
    before = office.state()

    def refuse(shown: imports.FullImport) -> None:
        assert shown == imports.get_import(CALLER, job.import_id, desk=office)
        raise PreconditionFailed

    with pytest.raises(PreconditionFailed):
        imports.remove_import(CALLER, job.import_id, desk=office, check=refuse)

    assert office.state() == before


def test_every_version_of_its_upload_is_gone(office: MemoryWired) -> None:
    opened = waiting(office)
    for line in ("a", "b", "c"):
        put_file(office, opened, line)
        arrive(office, opened)

    remove(office, job_of(opened.id))

    assert office.files.contents() == {}
    work_off(office)
    assert names(office) == []


def test_other_imports_keep_what_is_theirs(office: MemoryWired) -> None:
    other = a_completed(office)
    before = imports.get_import(CALLER, other.import_id, desk=office), dict(office.files.contents())
    remove(office, a_processing(office))
    night(office)

    assert (imports.get_import(CALLER, other.import_id, desk=office), office.files.contents()) == before


def test_what_a_removed_import_brought_is_no_news_with_the_next_file(office: MemoryWired) -> None:
    job = upload(office, *lines_of(9, bad=[2]))
    deliver(office, office.imports_queue.waiting.pop(0), left=import_run.RESERVE_SECONDS + 5)
    added = kept(office, job).added_count
    remove(office, job)
    work_off(office)

    again = import_file(office, *lines_of(9, bad=[2]))

    assert 0 < added < 8
    assert counts(again) == (8 - added, added, 1)
    assert len(names(office)) == 8


# Uploads that come late


def test_a_file_that_comes_after_its_import_was_removed_is_removed(office: MemoryWired) -> None:
    opened = waiting(office)
    remove(office, job_of(opened.id))
    put_file(office, opened, "late")

    arrive(office, opened)

    assert_gone(office, but_for_the_note=True)
    assert office.imports_queue.waiting == []


def test_so_is_one_that_nobody_is_told_of_by_the_night(office: MemoryWired) -> None:
    opened = waiting(office)
    remove(office, job_of(opened.id))
    put_file(office, opened, "late")

    assert night(office, hours=23) == 0
    assert office.files.contents() != {}
    assert night(office, hours=1) == 1

    assert_gone(office)


def test_an_import_that_is_removed_while_its_file_is_taken_is_not_asked_for() -> None:
    for place in count():
        office = open_office()
        opened = waiting(office)
        put_file(office, opened, "a")
        come_first = Interrupting(office, place, after=False, happens=removing(office, job_of(opened.id)))

        arrive(come_first, opened)
        work_off(office)

        if not come_first.happened_at:
            break
        assert_gone(office, but_for_the_note=True)
        assert names(office) == [], come_first.happened_at
    assert place >= 3


# Runs


@pytest.mark.parametrize("tries", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_whose_import_is_removed_anywhere_writes_nothing_more_and_ends(kind: str, tries: int) -> None:
    """Before each of its calls, and it has not failed: no message comes again, nor is put away."""
    for place in count():
        office = open_office()
        job = upload(office, *FILES[kind], kind=kind)
        office.imports_queue.waiting.clear()
        there: list[Any] = []

        def come_first(office: MemoryWired = office, job: ImportJob = job, there: list[Any] = there) -> None:
            Context().run(remove, office, job)
            there.append(brought(office))

        interrupting = Interrupting(office, place, after=False, happens=come_first)
        deliver(interrupting, job, tries=tries)
        if not interrupting.happened_at:
            break
        assert [brought(office)] == there, f"{place}: {interrupting.happened_at}"
        assert (office.metrics.failures, office.metrics.files[1:]) == ([], [])
        work_off(office)
        assert_gone(office, but_for_the_note=True)
        assert [brought(office)] == there
    assert place > 30


@pytest.mark.parametrize("happens", [Crash(), Unavailable(), ZeroDivisionError()], ids=repr)
def test_a_run_that_is_cut_off_after_its_import_was_removed_leaves_nothing(happens: BaseException) -> None:
    """Removed before one call, cut off before a later one. Its last try is put away only if nobody can say that it is gone."""
    for place in count():
        office = open_office()
        job = upload(office, *FILES["clients"])
        removed = Interrupting(office, place, after=False, happens=removing(office, job))
        cut_off = Interrupting(removed, place + 3, after=False, happens=lambda: raising(happens))
        try:
            deliver(cut_off, job, tries=3)
        except (Crash, type(happens)):
            assert isinstance(happens, Crash) or cut_off.happened_at == "imports.get"
        there = brought(office)
        if not removed.happened_at:
            break
        deliver(office, job)
        assert_gone(office, but_for_the_note=True)
        assert brought(office) == there
    assert place > 30


def raising(error: BaseException) -> None:
    raise error


def test_a_report_that_was_just_written_is_gone_when_the_message_comes_again_or_by_the_night(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for redelivered in (True, False):
        office = open_office()
        job = upload(office, "a", "!bad")
        put = office.files.put

        def put_too_late(*file: Any, office: MemoryWired = office, job: ImportJob = job, put: Any = put) -> None:
            Context().run(remove, office, job)
            put(*file)
            raise Crash

        monkeypatch.setattr(office.files, "put", put_too_late)
        with pytest.raises(Crash):
            deliver(office, job)
        assert len(office.files.contents()) == 1

        if redelivered:
            deliver(office, job)
            assert_gone(office, but_for_the_note=True)
        night(office)
        assert_gone(office)


def test_an_import_whose_user_has_left_may_be_removed_while_it_fails_for_that() -> None:
    for place in count():
        office = open_office()
        office.store.users.add(a_user("usr_2", email="other@example.com"))
        job = a_queued(office)
        office.store.users.remove(a_user())
        interrupting = Interrupting(office, place, after=False, happens=removing(office, job))

        deliver(interrupting, job, tries=3)

        if not interrupting.happened_at:
            break
        assert_gone(office, but_for_the_note=True)
    assert place > 3


# Cut off


@pytest.mark.parametrize("mended_by", ["asking again", "the night"])
@pytest.mark.parametrize("happens", [Crash(), Unavailable()], ids=repr)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_removal_that_is_cut_off_anywhere_is_finished(after: bool, happens: BaseException, mended_by: str) -> None:
    for place in count():
        office = open_office()
        job = a_completed(office)
        there = brought(office)
        cut_off = Interrupting(office, place, after=after, happens=lambda: raising(happens))
        with suppress(Crash, Unavailable):
            remove(cut_off, job)
        if not cut_off.happened_at:
            break
        removed = not office.tables()["imports"]
        if mended_by == "asking again" or not removed:
            with suppress(NotFound):
                remove(office, job)
                assert not removed, "it is removed once"
            assert_gone(office, but_for_the_note=True)
        night(office)
        assert_gone(office)
        assert brought(office) == there
    assert place > 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_night_that_is_cut_off_anywhere_is_finished_by_the_next(after: bool) -> None:
    for place in count():
        office = open_office()
        opened = waiting(office)
        remove(office, job_of(opened.id))
        put_file(office, opened, "late")
        office.clock.advance(hours=24)
        cut_off = Interrupting(office, place, after=after, happens=lambda: raising(Crash()))
        with suppress(Crash):
            imports.look_after_imports(office.clock.now(), desk=cut_off)
        if not cut_off.happened_at:
            break
        night(office)
        assert_gone(office)
    assert place >= 5


def test_of_very_many_refused_rows_the_night_removes_what_nobody_waits_for(
    office: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "REMOVED_AT_ONCE", 2)
    job = job_of(import_file(office, *["!bad"] * 40).id)
    parts = len(office.tables()["import_rejections"])
    assert parts > 4

    remove(office, job)
    assert len(office.tables()["import_rejections"]) == parts - 2
    with pytest.raises(NotFound):
        remove(office, job)
    assert len(office.tables()["import_rejections"]) == parts - 4
    monkeypatch.setattr(imports, "REMOVED_A_NIGHT", parts - 5)
    night(office)
    assert len(office.tables()["import_rejections"]) == 1
    night(office)

    assert_gone(office)


@pytest.mark.parametrize("place", range(4))
def test_an_import_that_is_removed_while_the_night_looks_is_due_another_night(office: MemoryWired, place: int) -> None:
    opened = waiting(office)
    put_file(office, opened, "a")
    office.clock.advance(hours=24)
    late = Interrupting(office, place + 1, after=False, happens=lambda: remove(office, job_of(opened.id)))

    assert imports.look_after_imports(office.clock.now(), desk=late) == 0

    assert late.happened_at
    work_off(office)
    assert_gone(office, but_for_the_note=True)
    assert names(office) == []
    night(office)
    assert_gone(office)


def test_one_removal_that_cannot_be_finished_holds_up_no_other(office: MemoryWired) -> None:
    jobs = [a_completed(office) for _ in range(3)]
    for job in jobs:
        remove(office, job)
    office.clock.advance(hours=24)

    failing = Interrupting(office, 2, after=False, happens=lambda: raising(Unavailable()))

    with pytest.raises(Unavailable):
        imports.look_after_imports(office.clock.now(), desk=failing)

    assert len(office.tables()["import_removals"]) == 1
    assert night(office, hours=0) == 1


def test_what_is_still_to_be_removed_is_known_by_its_account_and_file(office: MemoryWired) -> None:
    imported = waiting(office)

    left = removal(imported, now=office.clock.now())

    assert left.keys == (imported.upload_key, imported.report_key)
    assert kept(office, job_of(imported.id)).status is ImportStatus.WAITING
