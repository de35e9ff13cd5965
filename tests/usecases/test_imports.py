"""Imports: every good row is in once, every bad one is reported once, and the counts add up, whatever happens."""

import csv
import io
import re
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib import ports
from chalicelib.domain import imports as domain
from chalicelib.domain.errors import DaybookError, ImportTakenOver, Invalid, NotFound, Unavailable
from chalicelib.domain.files import Upload
from chalicelib.domain.imports import (
    FILE_GONE,
    GIVEN_UP,
    NEVER_UPLOADED,
    NO_USER,
    ImportDetails,
    ImportJob,
    RejectedRow,
    report_of,
)
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.products import ProductDetails, StockLevel
from chalicelib.domain.statuses import ImportKind, ImportStatus
from chalicelib.usecases import import_run, imports, products
from tests.builders import a_client, a_user
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
    read_lines,
    rejections,
    report,
    until_done,
    upload,
    waiting,
    work_off,
)
from tests.usecases.order_flow import Crash, Interrupting
from tests.wired import MemoryWired


@pytest.fixture
def office() -> MemoryWired:
    return open_office()


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are many windows."""
    monkeypatch.setattr(import_run, "WINDOW", 4)
    monkeypatch.setattr(import_run, "BLOCK", 2)


def test_good_rows_go_in_and_bad_ones_are_told(office: MemoryWired) -> None:
    imported = import_file(office, "one", "!no name", "two", "three -1")

    assert imported.status is ImportStatus.COMPLETED
    assert counts(imported) == (2, 0, 2)
    assert imported.record_count == 4
    assert names(office) == ["one", "two"]
    assert rejections(office, imported) == [(2, "/x", "no name"), (4, "/Rate per hour", "must not be negative")]
    assert report(office, imported) == [
        '"record","line","pointer","reason"',
        '"2","2","/x","no name"',
        '"4","4","/Rate per hour","must not be negative"',
    ]
    assert office.metrics.files == [("imports", 4, imported.processing_time_ms)]
    assert imported.processing_time_ms > 0
    assert imported.bytes_read == imported.size


def test_an_import_waits_for_its_file_and_is_queued_with_it(office: MemoryWired) -> None:
    opened = waiting(office)
    put_file(office, opened, "one")

    arrive(office, opened)

    queued = office.imports.get("acc_1", opened.id)
    assert queued.status is ImportStatus.QUEUED
    assert queued.file == office.files.head(opened.upload_key)
    assert office.imports_queue.waiting == [ImportJob(account_id="acc_1", import_id=opened.id)]


def test_the_form_takes_this_file_only(office: MemoryWired) -> None:
    details = ImportDetails(kind=ImportKind.CLIENTS, filename="ä b+c.csv", content_type="text/csv")

    opened = imports.add_import(CALLER, details, desk=office)

    assert opened.upload.fields["key"] == f"incoming/acc_1/{opened.imported.id}/ä b+c.csv"
    assert opened.upload.fields["Content-Type"] == "text/csv"
    assert imports.get_opened_import(CALLER, opened.imported.id, desk=office) == opened


def test_a_file_needs_a_name(office: MemoryWired) -> None:
    with pytest.raises(Invalid):
        imports.add_import(CALLER, ImportDetails(kind=ImportKind.CLIENTS, filename="a/b", content_type="text/csv"), desk=office)


def test_an_event_without_a_file_changes_nothing(office: MemoryWired) -> None:
    opened = waiting(office)

    arrive(office, opened)

    assert office.imports.get("acc_1", opened.id) == opened
    assert office.imports_queue.waiting == []


def test_of_two_uploads_the_last_one_counts_until_work_begins(office: MemoryWired) -> None:
    opened = waiting(office)
    put_file(office, opened, "first")
    arrive(office, opened)
    put_file(office, opened, "second")
    arrive(office, opened)
    arrive(office, opened)
    work_off(office)
    put_file(office, opened, "third")
    arrive(office, opened)
    work_off(office)

    assert names(office) == ["second"]
    assert counts(office.imports.get("acc_1", opened.id)) == (1, 0, 0)


def test_however_often_a_file_is_uploaded_its_import_is_asked_for_once(office: MemoryWired) -> None:
    opened = waiting(office)
    for number in range(20):
        put_file(office, opened, f"c{number}")
        arrive(office, opened)

    assert len(office.imports_queue.waiting) == 1
    work_off(office)
    assert names(office) == ["c19"]


def test_an_import_whose_message_could_not_be_sent_is_asked_for_when_the_event_comes_again(office: MemoryWired) -> None:
    opened = waiting(office)
    put_file(office, opened, "one")
    office.imports_queue.failures.append(Unavailable("the imports' queue does not answer"))
    with pytest.raises(Unavailable):
        arrive(office, opened)

    arrive(office, opened)
    arrive(office, opened)

    assert len(office.imports_queue.waiting) == 1
    work_off(office)
    assert names(office) == ["one"]


def test_an_upload_for_no_import_is_removed(office: MemoryWired) -> None:
    office.files.put("incoming/acc_1/imp_none/a.csv", b"x", "text/csv")

    imports.queue_import(Upload(account_id="acc_1", file_id="imp_none", key="incoming/acc_1/imp_none/a.csv"), desk=office)

    assert office.files.head("incoming/acc_1/imp_none/a.csv") is None


def test_a_long_file_is_worked_off_in_parts(office: MemoryWired) -> None:
    job = upload(office, *lines_of(20, bad=[3, 4, 19]))
    runs = 0
    while office.imports_queue.waiting:
        deliver(office, office.imports_queue.waiting.pop(0), left=import_run.RESERVE_SECONDS + 1)
        runs += 1
        if runs == 3:
            going = kept(office, job)
            assert going.status is ImportStatus.PROCESSING
            assert 0 < going.record_count < 20
            assert going.size is not None
            assert 0 < going.bytes_read < going.size

    imported = kept(office, job)
    assert runs == 11, "ten blocks of two, and a look behind the last"
    assert imported.run == runs
    assert counts(imported) == (17, 0, 3)
    assert names(office) == sorted(f"c{number}" for number in range(1, 21) if number not in {3, 4, 19})
    assert [line for line, _, _ in rejections(office, imported)] == [3, 4, 19]


def test_the_same_file_twice_adds_nothing(office: MemoryWired) -> None:
    first = import_file(office, *lines_of(10, bad=[5]))
    again = import_file(office, *lines_of(10, bad=[5]))

    assert counts(first) == (9, 0, 1)
    assert counts(again) == (0, 9, 1)
    assert len(names(office)) == 9


def test_of_an_overlapping_file_only_what_is_new_goes_in(office: MemoryWired) -> None:
    import_file(office, "a", "b", "c")

    assert counts(import_file(office, "b", "c", "d")) == (1, 2, 0)
    assert names(office) == ["a", "b", "c", "d"]


def test_equal_rows_of_one_file_are_two_things(office: MemoryWired) -> None:
    assert counts(import_file(office, "a", "a", "b", "a")) == (4, 0, 0)
    assert names(office) == ["a", "a", "a", "b"]
    assert counts(import_file(office, "a", "a", "b", "a")) == (0, 4, 0)


def test_equal_rows_of_another_kind_are_other_rows(office: MemoryWired) -> None:
    import_file(office, "a 7")

    assert counts(import_file(office, "a 7", kind="products")) == (1, 0, 0)


def test_a_product_is_imported_by_its_id(office: MemoryWired) -> None:
    imported = import_file(office, "A1 Lamp 5", "A2 Shade", "- Nameless 1", "~ Wrong", kind="products")

    assert counts(imported) == (3, 0, 1)
    assert office.products.get("acc_1", "A1").stock == 5
    assert [place for _, place, _ in rejections(office, imported)] == ["/id"]
    assert len(office.tables()["products"]) == 3


def test_a_product_as_it_is_already_is_unchanged(office: MemoryWired) -> None:
    import_file(office, "A1 Lamp 5", kind="products")

    assert counts(import_file(office, "A1 Lamp", kind="products")) == (0, 1, 0)


def test_the_last_row_of_a_product_counts(office: MemoryWired) -> None:
    imported = import_file(office, "A1 Lamp", "A1 Bulb", "A1 Lamp", "A1 Torch", kind="products")

    assert counts(imported) == (4, 0, 0)
    assert office.products.get("acc_1", "A1").name == "Torch"


def test_the_same_products_twice_change_nothing_that_was_sold_since(office: MemoryWired) -> None:
    lines = ["A1 Lamp 5", "A2 Shade 3", "A1 Bulb 7"]
    import_file(office, *lines, kind="products")
    products.change_stock(CALLER, "A1", -2, "sold", desk=office)
    before = office.tables()["products"], office.tables()["stock_changes"]

    assert counts(import_file(office, *lines, kind="products")) == (0, 3, 0)
    assert (office.tables()["products"], office.tables()["stock_changes"]) == before


def test_a_price_list_may_go_back_to_what_an_older_one_said(office: MemoryWired) -> None:
    import_file(office, "A1 Monday", kind="products")
    import_file(office, "A1 Tuesday", kind="products")

    assert counts(import_file(office, "A1 Monday", kind="products")) == (1, 0, 0)
    assert office.products.get("acc_1", "A1").name == "Monday"


def test_a_product_that_a_file_found_as_it_says_is_sold_and_not_filled_up_by_the_same_file(office: MemoryWired) -> None:
    """Made by hand, so that the first file has nothing to write; nor has the second, whatever was sold in between."""
    put_by_hand(office, "Lamp", 5)
    assert counts(import_file(office, "A1 Lamp 5", kind="products")) == (0, 1, 0)
    products.change_stock(CALLER, "A1", -2, "sold", desk=office)

    assert counts(import_file(office, "A1 Lamp 5", kind="products")) == (0, 1, 0)
    assert office.products.get("acc_1", "A1").stock == 3


def test_a_price_list_goes_back_also_over_what_was_put_by_hand_and_confirmed_by_a_file(office: MemoryWired) -> None:
    import_file(office, "A1 Ten", kind="products")
    put_by_hand(office, "Twelve", None)
    assert counts(import_file(office, "A1 Twelve", kind="products")) == (0, 1, 0)

    assert counts(import_file(office, "A1 Ten", kind="products")) == (1, 0, 0)
    assert office.products.get("acc_1", "A1").name == "Ten"


@pytest.mark.parametrize("second", [["A1 Lamp 5", "A1 Bulb 7"], ["A1 Lamp 5", "A1 Torch 9", "A1 Bulb 7"]])
def test_a_file_in_which_a_product_stands_several_times_changes_nothing_when_it_comes_again(
    office: MemoryWired, second: list[str]
) -> None:
    for lines in (["A1 Lamp 5", "A1 Bulb 7"], second):
        import_file(office, *lines, kind="products")
    assert office.products.get("acc_1", "A1").stock == 7
    products.change_stock(CALLER, "A1", -2, "sold", desk=office)

    for _ in range(2):
        assert counts(import_file(office, *second, kind="products")) == (0, len(second), 0)
        assert office.products.get("acc_1", "A1").stock == 5


def test_a_list_with_a_row_that_was_not_the_last_word_of_the_list_before_is_heeded(office: MemoryWired) -> None:
    """Only that very file is passed over whole: this one may be the next day's."""
    import_file(office, "A1 Five", "A1 Six", kind="products")

    assert counts(import_file(office, "A1 Five", kind="products")) == (1, 0, 0)
    assert office.products.get("acc_1", "A1").name == "Five"
    assert counts(import_file(office, "A1 Five", "A1 Six", kind="products")) == (1, 1, 0)
    assert office.products.get("acc_1", "A1").name == "Six"


def test_so_is_one_that_comes_while_the_list_before_is_gone_through_again(office: MemoryWired) -> None:
    lines = ["A1 Five", "A2 x", "A3 y", "A4 z", "A5 x", "A1 Six"]
    import_file(office, *lines, kind="products")
    again = upload(office, *lines, kind="products")
    later = upload(office, "A1 Five", kind="products")
    work_off(office, left=import_run.RESERVE_SECONDS + 1)

    assert counts(kept(office, later)) == (1, 0, 0)
    assert counts(kept(office, again)) == (0, 6, 0)
    assert office.products.get("acc_1", "A1").name == "Five"


def cut_off_and_deleted(office: MemoryWired, *lines: str, kind: str, parts: int = 1) -> None:
    """An import of the file of which so many parts have gone in, of two records each."""
    job = upload(office, *lines, kind=kind)
    for _ in range(parts):
        deliver(office, job, left=import_run.RESERVE_SECONDS - 1)
    imports.remove_import(CALLER, job.import_id, desk=office)
    office.imports_queue.waiting.clear()


def test_a_file_that_an_import_has_read_in_part_is_read_on_by_the_next(office: MemoryWired) -> None:
    lines = ["A1 Ten", "A1 Twelve", "A1 Ten"]
    cut_off_and_deleted(office, *lines, kind="products")

    assert counts(import_file(office, *lines, kind="products")) == (1, 2, 0)
    assert office.products.get("acc_1", "A1").name == "Ten"
    assert counts(import_file(office, *lines, kind="products")) == (0, 3, 0)


def test_so_it_is_while_the_other_goes_on(office: MemoryWired) -> None:
    lines = ["A1 Ten", "A2 x", "A1 Twelve", "A1 Ten"]
    first, second = upload(office, *lines, kind="products"), upload(office, *lines, kind="products")
    work_off(office, left=import_run.RESERVE_SECONDS - 1)

    assert office.products.get("acc_1", "A1").name == "Ten"
    added = [counts(kept(office, job))[0] for job in (first, second)]
    assert sum(added) == 4


@given(
    files=some.lists(
        some.lists(some.sampled_from(["A1 a", "A1 b", "A2 a", "A2 b"]), min_size=1, max_size=5), min_size=2, max_size=2
    ),
    steps=some.lists(some.sampled_from(["open 0", "open 1", "part", "all", "delete 0", "delete 1"]), max_size=12),
    left=some.sampled_from([import_run.RESERVE_SECONDS - 1, 1e6]),
)
def test_the_file_that_was_opened_last_is_what_products_are_like(files: list[list[str]], steps: list[str], left: float) -> None:
    """Whatever others do before and in between, in parts, and wherever they are deleted."""
    office, jobs = open_office(), list[ImportJob]()
    for step, _, number in map(str.partition, steps, [" "] * len(steps)):
        if step == "open":
            jobs.append(upload(office, *files[int(number)], kind="products"))
        elif step == "delete" and len(jobs) > int(number):
            with suppress(NotFound):
                imports.remove_import(CALLER, jobs[int(number)].import_id, desk=office)
        elif office.imports_queue.waiting:
            deliver(office, office.imports_queue.waiting.pop(0), left=1e6 if step == "all" else import_run.RESERVE_SECONDS - 1)
    last = upload(office, *files[0], kind="products")
    work_off(office, left=left)

    assert sum(counts(kept(office, last))) == len(files[0])
    wanted = {line[:2]: line[3:] for line in files[0]}
    assert {number: office.products.get("acc_1", number).name for number in wanted} == wanted


def test_equal_rows_of_which_one_had_gone_in_go_in(office: MemoryWired) -> None:
    lines = ["anna", "bob", "anna"]
    cut_off_and_deleted(office, *lines, kind="clients")

    assert counts(import_file(office, *lines)) == (1, 2, 0)
    assert sorted(names(office)) == ["anna", "anna", "bob"]
    assert counts(import_file(office, *lines)) == (0, 3, 0)


@given(some.lists(some.sampled_from(["a", "b", "c"]), max_size=8), some.lists(some.integers(1, 4), max_size=3))
def test_however_often_a_file_was_begun_and_deleted_each_of_its_rows_is_in_once(lines: list[str], begun: list[int]) -> None:
    office = open_office()
    for parts in begun:
        cut_off_and_deleted(office, *lines, kind="clients", parts=parts)
    for _ in range(2):
        import_file(office, *lines)
        assert sorted(names(office)) == sorted(lines)


@given(some.lists(some.lists(some.sampled_from(["A1 a", "A1 b", "A1 c", "A2 a", "A2 b"]), min_size=1, max_size=5), max_size=5))
def test_products_are_as_their_last_row_in_the_last_list_that_has_them(lists: list[list[str]]) -> None:
    office, last = open_office(), dict[str, str]()
    for lines in lists:
        import_file(office, *lines, kind="products")
        last |= {line[:2]: line[3:] for line in lines}
        assert {number: office.products.get("acc_1", number).name for number in last} == last
        assert counts(import_file(office, *lines, kind="products")) == (0, len(lines), 0)
        assert {number: office.products.get("acc_1", number).name for number in last} == last


def test_a_row_that_changed_nothing_before_a_crash_changes_nothing_after_it() -> None:
    """Though one is sold in between, wherever that is: no row goes in twice."""
    place, seen = 0, set[tuple[int, int, int]]()
    while True:
        office = open_office()
        put_by_hand(office, "Lamp", 5)
        job = upload(office, "A1 Lamp 5", "A2 x", "A1 Lamp 5", kind="products")
        dying = Interrupting(office, place, after=True, happens=die)
        with suppress(Crash):
            deliver(dying, job)
        marked = bool(office.tables()["import_rows"])
        products.change_stock(CALLER, "A1", -1, "sold", desk=office)
        done = counts(until_done(office, job))
        if dying._left >= 0:
            break  # there were fewer calls
        if marked:
            assert office.products.get("acc_1", "A1").stock == 4, f"{place}: {dying.happened_at}"
            seen.add(done)
        place += 1
    assert seen == {(1, 2, 0)}


@pytest.mark.parametrize("newer", ["A1 Newer", "A1 Older", "A1 Oldest"])
def test_a_file_opened_earlier_never_overwrites_what_a_later_one_has_said(office: MemoryWired, newer: str) -> None:
    """The next part of a long file stands behind the files that came meanwhile."""
    import_file(office, "A1 Oldest", kind="products")
    older = upload(office, "A2 x", "A3 y", "A4 z", "A5 x", "A1 Older", "A6 y", kind="products")
    later = upload(office, newer, kind="products")
    work_off(office, left=import_run.RESERVE_SECONDS + 1)

    assert office.products.get("acc_1", "A1").name == newer.removeprefix("A1 ")
    assert counts(kept(office, later)) == ((0, 1, 0) if newer == "A1 Oldest" else (1, 0, 0))
    assert counts(kept(office, older)) == (5, 1, 0)


def put_by_hand(office: MemoryWired, name: str, stock: int | None) -> None:
    level = None if stock is None else StockLevel(stock)
    products.put_product(CALLER, "A1", ProductDetails(name=name, price=Decimal(5)), level, desk=office)


def test_work_goes_in_for_whoever_imports_it(office: MemoryWired) -> None:
    office.store.clients.add(a_client("cli_2", now=office.clock.now()))
    imported = import_file(office, "cli_1 0 60", "cli_2 30 60", "cli_2 60 60", "cli_9 500 5", kind="work")

    assert counts(imported) == (2, 0, 2)
    (first, why), (last, unknown) = [(line, reason) for line, _, reason in rejections(office, imported)]
    assert (first, last) == (2, 4)
    assert why.startswith("the time overlaps with the entry wrk_")
    assert "?" not in why, "no query string helps an import"
    assert unknown == "There is no such thing in this account."
    assert {entry.user_id for entry in office.tables()["entries"].values()} == {"usr_1"}
    assert counts(import_file(office, "cli_1 0 60", "cli_2 60 60", "cli_1 200 1", kind="work")) == (1, 2, 0)


def test_a_dry_run_checks_everything_and_writes_nothing(office: MemoryWired) -> None:
    import_file(office, "a")
    import_file(office, "A1 Lamp", kind="products")
    import_file(office, "cli_1 0 60", kind="work")
    before = {name: rows for name, rows in office.tables().items() if not name.startswith("import") or name == "import_rows"}

    people = import_file(office, "a", "b", "b", "!bad", "c -1", dry_run=True)
    things = import_file(office, "A1 Lamp", "A1 Bulb", "A2 Shade 1", "~ x", kind="products", dry_run=True)
    hours = import_file(office, "cli_1 0 60", "cli_1 30 60", "cli_1 90 5", "cli_9 0 1", kind="work", dry_run=True)

    assert [counts(one) for one in (people, things, hours)] == [(2, 1, 2), (2, 1, 1), (1, 1, 2)]
    assert all(one.status is ImportStatus.COMPLETED and one.dry_run for one in (people, things, hours))
    assert {name: rows for name, rows in office.tables().items() if name in before} == before


def test_after_a_dry_run_the_rows_go_in(office: MemoryWired) -> None:
    import_file(office, "a", "b", dry_run=True)

    assert counts(import_file(office, "a", "b")) == (2, 0, 0)


def test_a_file_that_cannot_be_read_has_failed_and_says_why(office: MemoryWired) -> None:
    imported = import_file(office, "#")

    assert (imported.status, imported.reason) == (ImportStatus.FAILED, "there is a # in it")
    assert imported.ended
    assert not imported.interrupted


def test_what_was_read_before_a_file_broke_is_in_and_told(office: MemoryWired) -> None:
    imported = import_file(office, "a", "!bad", "b", "#", "c")

    assert (imported.status, counts(imported)) == (ImportStatus.FAILED, (2, 0, 1))
    assert names(office) == ["a", "b"]
    assert len(report(office, imported)) == 2


def test_an_import_that_has_ended_is_not_begun_again(office: MemoryWired) -> None:
    for job in (upload(office, "a"), upload(office, "#")):
        work_off(office)
        ended = kept(office, job)
        deliver(office, job)
        assert kept(office, job) == ended


def test_a_message_for_no_import_is_left(office: MemoryWired) -> None:
    deliver(office, ImportJob(account_id="acc_1", import_id="imp_none"))


def test_a_file_that_is_gone_fails_its_import(office: MemoryWired) -> None:
    job = upload(office, "a")
    office.files.remove(kept(office, job).upload_key)
    work_off(office)

    assert kept(office, job).reason == FILE_GONE


def test_an_import_ends_with_its_user(office: MemoryWired) -> None:
    office.store.users.add(a_user("usr_2", email="other@example.com"))
    job = upload(office, "a")
    office.store.users.remove(a_user())
    work_off(office)

    assert (kept(office, job).reason, names(office)) == (NO_USER, [])


def test_a_file_with_too_many_bad_rows_is_not_read_to_its_end(office: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "MAX_REJECTIONS", 6)
    imported = import_file(office, "a", *(["!bad"] * 20), "b")

    assert imported.status is ImportStatus.FAILED
    assert imported.record_count == 8, "two windows"
    assert "nothing behind them was read" in str(imported.reason)
    assert len(report(office, imported)) == 8


def test_a_file_with_too_many_rows_is_not_read_to_its_end(office: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "MAX_RECORDS", 6)
    imported = import_file(office, *(f"c{number}" for number in range(20)))

    assert (imported.status, imported.reason) == (ImportStatus.FAILED, domain.TOO_MANY_RECORDS)
    assert counts(imported) == (8, 0, 0), "two windows"


def test_cells_that_a_spreadsheet_would_compute_are_quoted_in_the_report(office: MemoryWired) -> None:
    imported = import_file(office, '!=HYPERLINK("x")', "!-1", "!fine")

    assert [line.rpartition(',"')[2] for line in report(office, imported)[1:]] == ['\'=HYPERLINK(""x"")"', "'-1\"", 'fine"']


TEXTS_OF_ATTACKERS = some.lists(
    some.sampled_from(
        ["=1+1", "=", "+", "-", "@", "\uff1d", "\uff0d", ";", "\t", "|", ",", '"', "'", " ", "\r", "\n", "\r\n", "a", "1"]
    ),
    max_size=12,
).map("".join)


@given(pointer=TEXTS_OF_ATTACKERS, reason=TEXTS_OF_ATTACKERS, delimiter=some.sampled_from(",;\t|"))
def test_no_spreadsheet_of_any_country_computes_a_report(pointer: str, reason: str, delimiter: str) -> None:
    content = "".join(report_of([RejectedRow(number=1, line=2, pointer=pointer, reason=reason)]))

    for row in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter):
        for cell in row:
            assert not re.match(r"[\s\"]*[=+@\uff1d\uff0b\uff0d\uff20-]", cell), cell


def test_what_is_no_formula_stays_as_it_is_in_the_report() -> None:
    reason = "must be between -5 and +5; 1.234 - or 1234; a=b, =c"

    [_, line] = report_of([RejectedRow(number=1, line=2, pointer="/x", reason=reason)])
    assert reason in line


def test_an_import_shows_its_first_rejections_and_links_to_all(office: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "SHOWN_REJECTIONS", 5)
    imported = import_file(office, *["!bad"] * 9)

    full = imports.get_import(CALLER, imported.id, desk=office)

    assert [one.number for one in full.rejections] == [1, 2, 3, 4, 5]
    assert full.report is not None
    assert imported.report_version is not None
    assert imported.report_version in full.report
    office.clock.advance(days=89)
    assert imports.get_import(CALLER, imported.id, desk=office).report is not None
    office.clock.advance(days=1)
    assert imports.get_import(CALLER, imported.id, desk=office).report is None, "it is gone by then"
    assert imports.get_import(CALLER, import_file(office, "a").id, desk=office).report is None
    with pytest.raises(NotFound):
        imports.get_import(CALLER, "imp_none", desk=office)


def test_imports_are_listed_newest_first(office: MemoryWired) -> None:
    first = import_file(office, "a")
    office.clock.advance(hours=1)
    second = import_file(office, "a")

    page = imports.list_imports(CALLER, PageRequest(limit=1), imports=office.imports)
    rest = imports.list_imports(CALLER, PageRequest(limit=1, after=page.next), imports=office.imports)

    assert ([one.id for one in page.items], [one.id for one in rest.items], rest.next) == ([second.id], [first.id], None)


# What may happen


FILES = {
    "clients": ([*lines_of(9, bad=[2, 7]), "c1", "x -1"], (8, 0, 3)),
    "products": (["A1 Lamp 5", "A2 x", "!bad", "A1 Bulb 7", "A1 Bulb 7", "- n", "~ y", "A3 z 1"], (5, 1, 2)),
    "work": (["cli_1 0 60", "!bad", "cli_1 30 5", "cli_1 60 60", "cli_9 1 1", "cli_1 120 9", "cli_1 0 60"], (3, 0, 4)),
}
KINDS = list(FILES)


def outcome(office: MemoryWired, job: ImportJob) -> tuple[Any, ...]:
    """What must be the same whatever has happened, but for the ids."""
    imported, tables = kept(office, job), office.tables()
    things = sorted((one.name for one in tables["clients"].values()), key=str)
    shop = sorted((one.name, one.stock, one.version) for one in tables["products"].values())
    stock = sorted(
        (one.product_id if one.product_id.startswith("A") else "", one.change) for one in tables["stock_changes"].values()
    )
    hours = sorted((one.started_at, one.duration_seconds) for one in tables["entries"].values())
    told = [(line, place, why.partition(" wrk_")[0]) for line, place, why in rejections(office, imported)]
    return (imported.status, counts(imported), told, things, shop, stock, hours, len(report(office, imported)))


def undisturbed(kind: str) -> tuple[Any, ...]:
    office = open_office()
    job = upload(office, *FILES[kind][0], kind=kind)
    work_off(office)
    assert counts(kept(office, job)) == FILES[kind][1]
    return outcome(office, job)


def elsewhere(work: Callable[..., None], *arguments: object) -> None:
    """In another thread, as it were: where nobody waits to note anything."""
    Context().run(work, *arguments)


def die() -> None:
    raise Crash


def break_down() -> None:
    raise ZeroDivisionError


def fail_to_answer() -> None:
    raise Unavailable


@pytest.mark.parametrize("happens", [die, fail_to_answer])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_cut_off_anywhere_is_made_good(kind: str, after: bool, happens: Callable[[], None]) -> None:
    expected = undisturbed(kind)
    place = 0
    while True:
        office = open_office()
        job = upload(office, *FILES[kind][0], kind=kind)
        interrupting = Interrupting(office, place, after=after, happens=happens)
        with suppress(Crash, Unavailable):
            deliver(interrupting, job)
        until_done(office, job)
        assert outcome(office, job) == expected, f"{place}: {interrupting.happened_at}"
        if interrupting._left >= 0:
            break  # there were fewer calls
        place += 1
    assert place > 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_taken_over_anywhere_writes_nothing_more(kind: str) -> None:
    """The message is delivered once more, to its end, while the first run stands still before or after each of its calls."""
    expected = undisturbed(kind)
    place = 0
    while True:
        office = open_office()
        job = upload(office, *FILES[kind][0], kind=kind)

        def come_first(office: MemoryWired = office, job: ImportJob = job) -> None:
            elsewhere(deliver, office, job)

        interrupting = Interrupting(office, place, after=False, happens=come_first)
        with suppress(ImportTakenOver):
            deliver(interrupting, job)
        assert outcome(office, job) == expected, f"{place}: {interrupting.happened_at}"
        if interrupting._left >= 0:
            break  # there were fewer calls
        place += 1
    assert place > 30


@pytest.mark.parametrize("kind", KINDS)
def test_two_imports_of_one_file_at_once_are_as_one_after_the_other(kind: str) -> None:
    """Messages of one account come one by one, but those that were put back come when they come."""
    place = 0
    lines, (added, unchanged, rejected) = FILES[kind]
    things = undisturbed(kind)[3:7]
    while True:
        office = open_office()
        job, other = upload(office, *lines, kind=kind), upload(office, *lines, kind=kind)
        interrupting = Interrupting(office, place, after=False, happens=partial(elsewhere, deliver, office, other))
        deliver(interrupting, job)
        deliver(office, other)
        both = [kept(office, one) for one in (job, other)]
        assert {one.record_count for one in both} == {added + unchanged + rejected}
        if kind == "products":  # whoever was first to say something of a product, and wrote it, may no more be known
            assert sum(one.added_count for one in both) <= 2 * added
            assert [shelf[:2] for shelf in outcome(office, job)[4]] == [shelf[:2] for shelf in things[1]]
        else:
            assert sum(one.added_count for one in both) == added, f"{place}: {interrupting.happened_at}"
            assert outcome(office, job)[3:7] == things, f"{place}: {interrupting.happened_at}"
        if interrupting._left >= 0:
            break  # there were fewer calls
        place += 1


@pytest.mark.parametrize("place", range(50))
def test_what_a_run_has_refused_counts_only_if_it_is_the_last_to_write(place: int) -> None:
    """While the first run stands still, the client comes that a row of its block was refused for, and the message once more."""
    office = open_office()
    job = upload(office, "cli_9 0 60", "cli_1 60 5", "cli_9 90 5", "cli_9 0 60", kind="work")

    def client_and_run_come() -> None:
        office.store.clients.add(a_client("cli_9"))
        deliver(office, job)

    with suppress(ImportTakenOver):
        deliver(Interrupting(office, place, after=False, happens=lambda: elsewhere(client_and_run_come)), job)
    imported = kept(office, job)
    assert imported.added_count == len(office.tables()["entries"])
    assert imported.rejected_count == len(rejections(office, imported))
    assert imported.record_count == 4


@pytest.mark.parametrize("place", range(20))
def test_a_row_is_not_refused_for_what_another_import_has_just_made_of_it(place: int) -> None:
    office = open_office()
    job, other = (upload(office, "cli_1 0 60", kind="work") for _ in range(2))

    deliver(Interrupting(office, place, after=False, happens=partial(elsewhere, deliver, office, other)), job)
    deliver(office, other)

    assert sorted(counts(kept(office, one)) for one in (job, other)) == [(0, 1, 0), (1, 0, 0)]


@pytest.mark.parametrize("crash", range(3, 12))
def test_of_two_equal_rows_each_counts_as_what_became_of_it(crash: int) -> None:
    """The first is refused, then its client comes, the second goes in, and then the run is cut off and done anew."""
    for place in range(30):
        office = open_office()
        job = upload(office, "cli_9 0 60", "cli_9 0 60", kind="work")
        coming = Interrupting(
            office, place, after=False, happens=partial(elsewhere, office.store.clients.add, a_client("cli_9"))
        )
        with suppress(Crash):
            deliver(Interrupting(coming, place + crash, after=False, happens=die), job)
        imported = until_done(office, job)
        assert counts(imported) == (len(office.tables()["entries"]), 0, 2 - len(office.tables()["entries"])), place


@pytest.mark.parametrize("tries", [1, 2])
def test_a_failure_is_tried_again(office: MemoryWired, tries: int) -> None:
    job = upload(office, *lines_of(9))
    broken = Interrupting(office, 9, after=False, happens=fail_to_answer)

    with pytest.raises(Unavailable):
        deliver(broken, job, tries=tries)

    assert kept(office, job).status is ImportStatus.PROCESSING
    assert office.metrics.failures == ["imports"]


def test_with_its_last_try_an_import_has_failed_and_goes_on_when_its_message_is_put_back(office: MemoryWired) -> None:
    job = upload(office, *lines_of(9, bad=[4]))
    broken = Interrupting(office, 30, after=False, happens=break_down)

    with pytest.raises(ZeroDivisionError):
        deliver(broken, job, tries=3)

    failed = kept(office, job)
    assert (failed.status, failed.reason, failed.interrupted) == (ImportStatus.FAILED, GIVEN_UP, True)
    assert 0 < failed.record_count < 9
    office.clock.advance(days=40)
    deliver(office, job, tries=1)
    done = kept(office, job)
    assert (done.status, done.reason, counts(done)) == (ImportStatus.COMPLETED, None, (8, 0, 1))
    assert len(names(office)) == 8


def test_a_run_that_got_on_before_nothing_answered_keeps_that_and_spends_no_try() -> None:
    got_on: list[int] = []
    for place in range(100):
        office = open_office()
        job = upload(office, *lines_of(9, bad=[4]))
        office.imports_queue.waiting.clear()
        try:
            deliver(Interrupting(office, place, after=False, happens=fail_to_answer), job, tries=2)
        except Unavailable:
            assert kept(office, job).record_count == 0, "else it had gone on"
            continue
        if kept(office, job).status is ImportStatus.COMPLETED:
            break  # there were fewer calls
        got_on.append(kept(office, job).record_count)
        assert office.imports_queue.waiting == [job], place
        assert office.metrics.failures == []
        work_off(office)
        assert (kept(office, job).status, counts(kept(office, job))) == (ImportStatus.COMPLETED, (8, 0, 1))
    assert {2, 4, 6, 8, 9} == set(got_on)


def test_a_run_stops_where_there_is_no_record_for_long_and_goes_on_there(office: MemoryWired) -> None:
    """Both parts are asked for, though no record was counted in between."""
    job = upload(office, "a")
    asked: list[object] = []

    def read(imported: Any, chunks: Any, account: Any, all_clients: Any) -> Any:
        asked.append(imported.cursor)
        b"".join(chunks)
        offset = (imported.cursor or {"offset": 0})["offset"]
        for place in range(offset + 1, 6):
            yield domain.Gap(after={"offset": place})

    office.imports_queue.waiting.clear()
    for _ in range(6):
        imports.go_on(job, read, remaining=lambda: import_run.RESERVE_SECONDS - 1, tries=1, desk=office)

    assert asked == [None, *({"offset": place} for place in range(1, 6))]
    assert office.imports_queue.waiting == [job] * 5
    assert (kept(office, job).status, counts(kept(office, job))) == (ImportStatus.COMPLETED, (0, 0, 0))


def test_a_run_looks_at_the_clock_within_a_mebibyte_however_few_the_records_are(
    office: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is hostile may take two seconds, and the function has three minutes."""
    monkeypatch.setattr(import_run, "BLOCK", 49)
    monkeypatch.setattr(import_run, "WINDOW", 490)
    job = upload(office, "a")
    size = import_run.STRETCH_BYTES // 2
    begun, after_a_stretch = 1000.0, 1000.0
    left = iter([begun, after_a_stretch])

    def read(imported: Any, chunks: Any, account: Any, all_clients: Any) -> Any:
        b"".join(chunks)
        for number in range(imported.record_count + 1, 10):
            yield domain.BadRow(line=number, pointer="", reason="long", after={"offset": number * size})

    office.imports_queue.waiting.clear()
    imports.go_on(job, read, remaining=lambda: next(left, 0.0), tries=1, desk=office)

    assert counts(kept(office, job)) == (0, 0, 4)
    assert office.imports_queue.waiting == [job]


def test_every_method_of_a_port_is_something_to_read_or_kept_from_a_dry_run() -> None:
    """So that a new one is thought about."""
    written = {
        "accounts": {"add", "save", "user", "user_by_email"},
        "clients": {"page", "save", "remove"},
        "products": {"page", "remove"},
        "images": {"page", "add", "save", "remove"},
        "work": {"get", "page", "sheets"},
        "ids": set[str](),
        "clock": set[str](),
    }
    assert import_run.READS.keys() == written.keys()
    for port, kept_from in written.items():
        protocol = getattr(ports, port.capitalize())
        methods = {name for name in vars(protocol) if not name.startswith("_")}
        allowed = import_run.READS[port] | import_run.WRITES.get(port, frozenset())
        assert methods - allowed == kept_from, port
        assert not import_run.READS[port] & import_run.WRITES.get(port, frozenset())


@pytest.mark.parametrize("name", ["stock", "imports", "row_marks", "files", "timers"])
def test_a_dry_run_has_no_port_that_no_row_needs(office: MemoryWired, name: str) -> None:
    rehearsal = import_run._Rehearsal(office)
    for method in vars(getattr(ports, "".join(map(str.capitalize, name.split("_"))))):
        if not method.startswith("_"):
            with pytest.raises(AttributeError, match="a dry run has no"):
                getattr(getattr(rehearsal, name), method)


def test_a_fault_of_ours_fails_the_import_with_its_last_try(office: MemoryWired) -> None:
    job = upload(office, "a")

    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        imports.go_on(job, broken, remaining=lambda: 100.0, tries=3, desk=office)

    assert kept(office, job).interrupted
    imports.go_on(job, read_lines, remaining=lambda: 100.0, tries=1, desk=office)
    assert counts(kept(office, job)) == (1, 0, 0)


def test_a_message_that_comes_after_the_next_one_does_no_harm(office: MemoryWired) -> None:
    job = upload(office, *lines_of(12))
    office.imports_queue.waiting.clear()
    for _ in range(8):
        deliver(office, job, left=import_run.RESERVE_SECONDS + 1)
    until_done(office, job)

    assert counts(kept(office, job)) == (12, 0, 0)
    assert len(names(office)) == 12


def test_the_report_of_a_run_that_was_taken_over_and_cut_off_is_dropped_when_its_message_comes_again(
    office: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = upload(office, "a", "!bad")

    def put_too_late(*file: Any) -> None:
        monkeypatch.undo()
        elsewhere(deliver, office, job)
        office.files.put(*file)
        raise Crash

    monkeypatch.setattr(office.files, "put", put_too_late)
    with pytest.raises(Crash):
        deliver(office, job)
    deliver(office, job)

    assert len(report(office, kept(office, job))) == 2
    assert len(office.files.contents()[kept(office, job).report_key]) == 1


# The night


def test_an_import_whose_file_never_came_has_failed(office: MemoryWired) -> None:
    opened = waiting(office)

    office.clock.advance(hours=23)
    assert imports.look_after_imports(office.clock.now(), desk=office) == 0
    office.clock.advance(hours=1)
    assert imports.look_after_imports(office.clock.now(), desk=office) == 1
    assert imports.look_after_imports(office.clock.now(), desk=office) == 0

    failed = office.imports.get("acc_1", opened.id)
    assert (failed.status, failed.reason) == (ImportStatus.FAILED, NEVER_UPLOADED)


def test_a_file_whose_event_was_lost_is_found_at_night(office: MemoryWired) -> None:
    opened = waiting(office)
    put_file(office, opened, "a")
    office.clock.advance(days=1)

    assert imports.look_after_imports(office.clock.now(), desk=office) == 0
    work_off(office)

    assert counts(office.imports.get("acc_1", opened.id)) == (1, 0, 0)


def test_an_import_that_has_not_moved_is_asked_for_again_and_given_up_at_last(office: MemoryWired) -> None:
    job = upload(office, "a")
    for _ in range(3):
        office.imports_queue.waiting.clear()
        office.imports_queue.places.clear()
        office.clock.advance(days=1)
        assert imports.look_after_imports(office.clock.now(), desk=office) == 0
        assert office.imports_queue.waiting == [job]
    office.clock.advance(days=1)

    assert imports.look_after_imports(office.clock.now(), desk=office) == 1
    assert kept(office, job).interrupted
    work_off(office)
    assert counts(kept(office, job)) == (1, 0, 0)


def test_one_import_that_cannot_be_seen_to_holds_up_no_other(office: MemoryWired) -> None:
    upload(office, "a")
    opened = waiting(office)
    office.clock.advance(days=1)
    office.imports_queue.failures = [Unavailable()]

    with pytest.raises(Unavailable):
        imports.look_after_imports(office.clock.now(), desk=office)

    assert office.imports.get("acc_1", opened.id).status is ImportStatus.FAILED


def test_marks_are_small(office: MemoryWired) -> None:
    import_file(office, *["a"] * 50)

    (mark,) = office.tables()["import_rows"].values()
    assert mark.numbers in {(49, 50), (47, 48, 49, 50)}
    assert timedelta(0) < domain.WAITS_FOR
    with suppress(DaybookError):
        deliver(office, ImportJob(account_id="acc_1", import_id="nonsense"))
