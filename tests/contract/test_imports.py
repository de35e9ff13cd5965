"""Imports and the marks of their rows, of every kind of repository the same."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.errors import Contended, ImportTakenOver, NotFound, NotTogether, RowMarked, Unavailable
from chalicelib.domain.files import StoredFile
from chalicelib.domain.imports import (
    Import,
    ImportDetails,
    Progress,
    RejectedRow,
    RowMark,
    complete,
    fail,
    move_on,
    new_import,
    reject,
    removal,
    take_file,
    take_up,
)
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.statuses import ImportKind
from chalicelib.domain.work import WorkChange
from chalicelib.repositories import keys
from chalicelib.repositories.items import from_image, size_of
from tests.builders import NOW, a_client, a_product, a_timed_entry
from tests.consistency import check_table
from tests.contract.stores import DynamoStore, Store, ids, items_in, opened
from tests.contract.test_products import all_pages
from tests.usecases.test_invoicing import at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FILE = StoredFile(key="incoming/acc_1/imp_1/a.csv", version_id="v1", etag="e1", size=1000, content_type="text/csv")
CURSOR = {"offset": 120, "line": 9, "headings": ["Name", "Straße"], "delimiter": ";"}


def an_import(import_id: str = "imp_1", **details: Any) -> Import:
    wanted = {"kind": ImportKind.CLIENTS, "filename": "a.csv", "content_type": "text/csv", **details}
    return new_import(ImportDetails(**wanted), account_id="acc_1", user_id="usr_1", import_id=import_id, now=NOW)


def added(store: Store, imported: Import | None = None) -> Import:
    imported = imported or an_import()
    store.imports.add(imported)
    return imported


def saved(store: Store, imported: Import, *rejections: RejectedRow) -> Import:
    store.imports.save(imported, rejections)
    return imported


def running(store: Store, import_id: str = "imp_1") -> Import:
    """An import that is worked off."""
    queued = saved(store, take_file(added(store, an_import(import_id)), FILE, now=NOW))
    taken_up = take_up(queued, now=NOW)
    assert taken_up is not None
    return saved(store, taken_up)


def a_mark(subject: str = "~f1", number: int = 1, **changes: Any) -> RowMark:
    plain = RowMark(
        account_id="acc_1",
        kind=ImportKind.CLIENTS,
        subject=subject,
        import_id="imp_1",
        source="s1",
        through=number,
        fingerprint="f1",
        numbers=(number,),
    )
    return replace(plain, **changes)


def marks(store: Store, *subjects: str, kind: ImportKind = ImportKind.CLIENTS) -> dict[str, RowMark]:
    return dict(store.row_marks.find("acc_1", kind, subjects))


def test_an_import_comes_back_as_it_was_put(store: Store) -> None:
    plain = added(store)
    full = an_import("imp_2", columns={"Straße 1": "address", "Name": "name"}, date_format="DD.MM.YYYY", decimal_separator=",")
    full = replace(full, file=FILE, cursor=CURSOR, report_version="v9", reason="x", added_count=3, run=2)
    added(store, full)

    assert store.imports.get("acc_1", "imp_1") == plain
    assert store.imports.get("acc_1", "imp_2") == full
    assert list(store.imports.get("acc_1", "imp_2").columns) == ["Straße 1", "Name"], "their order says how a name is made"


@pytest.mark.parametrize("import_id", ["imp_2", "", "x#y", "x" * 65])
def test_an_import_is_found_by_its_id_alone(store: Store, import_id: str) -> None:
    added(store)

    with pytest.raises(NotFound):
        store.imports.get("acc_1", import_id)
    with pytest.raises(NotFound):
        store.imports.get("acc_2", "imp_1")


def test_an_import_is_saved_as_it_was_read_or_not_at_all(store: Store) -> None:
    read = added(store)
    queued = saved(store, take_file(read, FILE, now=NOW))

    for late in (take_file(read, FILE, now=NOW), fail(read, "late", now=NOW), replace(queued, version=4)):
        with pytest.raises(Contended):
            store.imports.save(late, [RejectedRow(number=1, line=1, pointer="", reason="late")])

    assert store.imports.get("acc_1", "imp_1") == queued
    assert list(store.imports.rejections("acc_1", "imp_1")) == []
    with pytest.raises(Contended):
        store.imports.save(replace(an_import("imp_none"), version=2))


def test_imports_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in range(5):
        added(store, an_import(f"imp_{number}"))
    store.imports.save(take_file(store.imports.get("acc_1", "imp_3"), FILE, now=NOW))

    pages = all_pages(lambda request: store.imports.page("acc_1", request), 2)

    assert pages == [["imp_4", "imp_3"], ["imp_2", "imp_1"], ["imp_0"]]
    assert store.imports.page("acc_2", PageRequest()).items == ()


def rejected(first: int, last: int) -> list[RejectedRow]:
    return [RejectedRow(number=one, line=one + 1, pointer="/näme", reason=f"reason {one}") for one in range(first, last + 1)]


def test_rejections_are_kept_in_the_order_of_the_file(store: Store) -> None:
    imported = running(store)
    for first, last in ((1, 250), (251, 251), (252, 400)):
        more = rejected(first, last)
        imported = saved(store, move_on(imported, Progress(rejections=tuple(more), cursor=CURSOR), now=NOW), *more)

    assert list(store.imports.rejections("acc_1", "imp_1")) == rejected(1, 400)
    assert list(store.imports.rejections("acc_1", "imp_1", 100)) == rejected(1, 100)
    assert list(store.imports.rejections("acc_1", "imp_2")) == []
    assert imported.rejected_count == 400


def test_the_longest_rejections_are_kept(client: "DynamoDBClient") -> None:
    """DynamoDB takes 400 KB for an item, and 4 MB for a transaction."""
    store = DynamoStore(client)
    more = [reject(number, 10**9, "/" + "\N{GRINNING FACE}" * 20_000, "\N{GRINNING FACE}" * 20_000) for number in range(1, 500)]
    saved(store, move_on(running(store), Progress(rejections=tuple(more)), now=NOW), *more)

    parts = [item for item in items_in(client) if item["type"]["S"] == "import_rejections"]
    assert len(parts) == 5
    assert max(size_of(from_image(item)) for item in parts) < 300_000
    assert list(store.imports.rejections("acc_1", "imp_1")) == more


def test_only_rejections_that_are_not_shown_are_forgotten(client: "DynamoDBClient") -> None:
    store = DynamoStore(client)
    more = rejected(1, 250)
    saved(store, move_on(running(store), Progress(rejections=tuple(more)), now=NOW), *more)

    parts = [item for item in items_in(client) if item["type"]["S"] == "import_rejections"]
    assert [("expires_at" in item, len(item["rejections"]["L"])) for item in parts] == [(False, 100), (True, 100), (True, 50)]


def test_an_import_of_which_nothing_comes_is_due(store: Store) -> None:
    added(store, an_import("imp_1"))
    added(store, replace(an_import("imp_2"), due_at=NOW + timedelta(hours=1)))
    added(store, replace(an_import("imp_3"), due_at=None))

    assert list(store.unsettled_imports.due(NOW)) == []
    assert list(store.unsettled_imports.due(NOW + timedelta(hours=1))) == [("acc_1", "imp_2")]
    assert list(store.unsettled_imports.due(NOW + timedelta(days=1))) == [("acc_1", "imp_2"), ("acc_1", "imp_1")]
    for import_id in ("imp_1", "imp_2"):
        saved(store, complete(store.imports.get("acc_1", import_id), None, now=NOW))
    assert list(store.unsettled_imports.due(NOW + timedelta(days=9))) == []
    assert list(store.due_clients.due(NOW + timedelta(days=9))) == []


# Gone


def test_an_import_that_is_removed_leaves_a_note_of_what_is_to_be_done(store: Store) -> None:
    imported = running(store)
    left = removal(imported, now=NOW)
    assert store.unsettled_imports.removal("acc_1", "imp_1") is None

    store.imports.remove(imported, left)

    with pytest.raises(NotFound):
        store.imports.get("acc_1", "imp_1")
    assert store.imports.page("acc_1", PageRequest()).items == ()
    assert store.unsettled_imports.removal("acc_1", "imp_1") == left
    assert store.unsettled_imports.removal("acc_2", "imp_1") is None
    assert left.keys == ("incoming/acc_1/imp_1/a.csv", "reports/acc_1/imp_1/rejections.csv")
    store.unsettled_imports.finish(left)
    store.unsettled_imports.finish(left)
    assert store.unsettled_imports.removal("acc_1", "imp_1") is None


def test_an_import_is_removed_as_it_was_read_or_not_at_all(store: Store) -> None:
    read = added(store)
    queued = saved(store, take_file(read, FILE, now=NOW))

    with pytest.raises(Contended):
        store.imports.remove(read, removal(read, now=NOW))
    with pytest.raises(NotFound):
        store.imports.remove(an_import("imp_2"), removal(an_import("imp_2"), now=NOW))

    assert store.imports.get("acc_1", "imp_1") == queued
    assert store.unsettled_imports.removal("acc_1", "imp_1") is None
    assert store.unsettled_imports.removal("acc_1", "imp_2") is None


def test_no_run_writes_anything_of_an_import_that_is_gone(store: Store) -> None:
    opened(store)
    imported = running(store)
    with store.row_marks.note(a_mark(), None, imported.run):
        store.clients.add(a_client("cli_1"))
    store.imports.remove(imported, removal(imported, now=NOW))

    with store.row_marks.note(a_mark("~f2", 2), None, imported.run) as note, pytest.raises(ImportTakenOver):
        store.clients.add(a_client("cli_2"))
    with pytest.raises(ImportTakenOver):
        store.row_marks.put(a_mark("~f3", 3), None, imported.run)
    more = rejected(1, 3)
    with pytest.raises(Contended):
        store.imports.save(move_on(imported, Progress(rejections=tuple(more), cursor=CURSOR), now=NOW), more)

    assert not note.noted
    assert ids(store.clients.page("acc_1", PageRequest()).items) == ["cli_1"]
    assert marks(store, "~f1", "~f2", "~f3") == {"~f1": a_mark()}, "no mark is ever removed"
    assert list(store.imports.rejections("acc_1", "imp_1")) == []


def test_of_a_row_and_a_removal_at_once_either_comes_first(store: Store) -> None:
    opened(store)
    imported = running(store)

    def put_in() -> None:
        with store.row_marks.note(a_mark(), None, imported.run):
            store.clients.add(a_client("cli_1"))

    results = at_once(put_in, lambda: store.imports.remove(imported, removal(imported, now=NOW)))

    assert results[1] is None
    assert results[0] is None or isinstance(results[0], ImportTakenOver)
    there = ids(store.clients.page("acc_1", PageRequest()).items)
    assert (there, len(marks(store, "~f1"))) == ((["cli_1"], 1) if results[0] is None else ([], 0))


def test_why_records_were_refused_is_removed_a_part_at_a_time(store: Store) -> None:
    imported = running(store)
    for number in range(25):
        more = rejected(number + 1, number + 1)
        imported = saved(store, move_on(imported, Progress(rejections=tuple(more), cursor=CURSOR), now=NOW), *more)
    others = running(store, "imp_2")
    more = rejected(1, 250)
    saved(store, move_on(others, Progress(rejections=tuple(more), cursor=CURSOR), now=NOW), *more)
    left = removal(imported, now=NOW)
    store.imports.remove(imported, left)

    assert not store.unsettled_imports.remove_rejections(left, 12)
    assert list(store.imports.rejections("acc_1", "imp_1")) == rejected(13, 25)
    assert store.unsettled_imports.remove_rejections(left, 13)
    assert store.unsettled_imports.remove_rejections(left, 1)

    assert list(store.imports.rejections("acc_1", "imp_1")) == []
    assert list(store.imports.rejections("acc_1", "imp_2")) == more


def test_what_is_left_of_an_import_is_due(store: Store) -> None:
    gone = added(store, an_import("imp_1"))
    left = removal(gone, now=NOW + timedelta(hours=1))
    added(store, replace(an_import("imp_2"), due_at=left.due_at + timedelta(hours=1)))
    store.imports.remove(gone, left)

    assert list(store.unsettled_imports.due(left.due_at - timedelta(seconds=1))) == []
    assert list(store.unsettled_imports.due(left.due_at)) == [("acc_1", "imp_1")]
    assert list(store.unsettled_imports.due(left.due_at + timedelta(hours=1))) == [("acc_1", "imp_1"), ("acc_1", "imp_2")]
    assert list(store.unsettled_images.due(left.due_at)) == []
    store.unsettled_imports.finish(left)
    assert list(store.unsettled_imports.due(left.due_at)) == []


def test_what_is_left_of_imports_fits_together_in_the_table(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    opened(dynamo_store)
    imported = running(dynamo_store)
    with dynamo_store.row_marks.note(a_mark(), None, imported.run):
        dynamo_store.clients.add(a_client())
    more = rejected(1, 250)
    imported = saved(dynamo_store, move_on(imported, Progress(added=1, rejections=tuple(more), cursor=CURSOR), now=NOW), *more)
    left = removal(imported, now=NOW)

    dynamo_store.imports.remove(imported, left)
    assert check_table(items_in(client)) == []
    dynamo_store.unsettled_imports.remove_rejections(left, 1)
    assert check_table(items_in(client)) == []
    dynamo_store.unsettled_imports.remove_rejections(left, 100)
    dynamo_store.unsettled_imports.finish(left)

    assert check_table(items_in(client)) == []
    assert {item["type"]["S"] for item in items_in(client) if "import" in item["type"]["S"]} == {"import_row"}


# Marks


def test_a_row_is_marked_with_what_it_makes(store: Store) -> None:
    opened(store)
    run = running(store).run

    with store.row_marks.note(a_mark(), None, run) as note:
        noted = [note.noted]
        for client_id in ("cli_1", "cli_2"):
            store.clients.add(a_client(client_id))
            noted.append(note.noted)

    assert noted == [False, True, True]
    assert marks(store, "~f1", "~f2") == {"~f1": a_mark()}
    assert marks(store, "~f1", kind=ImportKind.WORK) == {}
    assert store.row_marks.find("acc_2", ImportKind.CLIENTS, ["~f1"]) == {}
    assert store.row_marks.find("acc_1", ImportKind.CLIENTS, []) == {}


def test_what_is_refused_is_not_marked(store: Store) -> None:
    opened(store)
    run = running(store).run
    store.clients.add(a_client())

    with store.row_marks.note(a_mark(), None, run) as note, pytest.raises(Contended):
        store.clients.add(a_client())

    assert not note.noted
    assert marks(store, "~f1") == {}


def test_a_mark_moves_on_if_it_is_as_it_was_read(store: Store) -> None:
    opened(store)
    run = running(store).run
    second, third = a_mark(numbers=(1, 2)), a_mark(numbers=(1, 2, 3))
    with store.row_marks.note(a_mark(), None, run):
        store.clients.add(a_client("cli_1"))
    with store.row_marks.note(second, a_mark(), run):
        store.clients.add(a_client("cli_2"))

    for before in (None, a_mark(), replace(second, import_id="imp_0")):
        with store.row_marks.note(third, before, run), pytest.raises(RowMarked):
            store.clients.add(a_client("cli_3"))

    assert marks(store, "~f1") == {"~f1": second}
    assert ids(store.clients.page("acc_1", PageRequest()).items) == ["cli_2", "cli_1"]


def test_products_and_work_are_marked_too(store: Store) -> None:
    opened(store)
    store.clients.add(a_client())
    run = running(store).run
    for_product = a_mark("85123A", kind=ImportKind.PRODUCTS)
    for_work = a_mark("~f3", kind=ImportKind.WORK)

    with store.row_marks.note(for_product, None, run):
        store.products.add(a_product("85123A"))
    with store.row_marks.note(replace(for_product, numbers=(2,)), for_product, run):
        store.products.save(replace(store.products.get("acc_1", "85123A"), name="New", version=2))
    with store.row_marks.note(for_work, None, run):
        store.work.commit(WorkChange(new=a_timed_entry(), calendar_version=0))

    assert marks(store, "85123A", kind=ImportKind.PRODUCTS) == {"85123A": replace(for_product, numbers=(2,))}
    assert marks(store, "~f3", kind=ImportKind.WORK) == {"~f3": for_work}


def test_rows_go_in_by_the_last_run_only(store: Store) -> None:
    opened(store)
    first = running(store)
    taken_up = take_up(first, now=NOW)
    assert taken_up is not None
    second = saved(store, taken_up)
    assert second.run == first.run + 1

    with store.row_marks.note(a_mark(), None, first.run), pytest.raises(ImportTakenOver):
        store.clients.add(a_client())
    with store.row_marks.note(a_mark(), None, second.run):
        store.clients.add(a_client())


@pytest.mark.parametrize("how", [lambda one: complete(one, None, now=NOW), lambda one: fail(one, "x", now=NOW)])
def test_no_row_goes_in_once_the_import_has_ended(store: Store, how: Any) -> None:
    opened(store)
    imported = running(store)
    saved(store, how(imported))

    with store.row_marks.note(a_mark(), None, imported.run), pytest.raises(ImportTakenOver):
        store.clients.add(a_client())


def test_that_a_row_is_in_already_comes_before_why_it_could_not_go_in(store: Store) -> None:
    """What refuses it may be what it has made itself."""
    opened(store)
    run = running(store).run
    with store.row_marks.note(a_mark(), None, run):
        store.clients.add(a_client())

    with store.row_marks.note(a_mark(), None, run), pytest.raises(RowMarked):
        store.clients.add(a_client())
    with store.row_marks.note(a_mark(), None, run + 1), pytest.raises(ImportTakenOver):
        store.clients.add(a_client())


# Together


def put_in_together(store: Store, run: int, numbers: Iterator[int] | range) -> None:
    with store.row_marks.together("acc_1"):
        for number in numbers:
            with store.row_marks.note(a_mark(f"~f{number}", number), None, run) as note:
                store.clients.add(a_client(f"cli_{number:04d}"))
            assert note.noted


def test_many_rows_go_in_together(store: Store) -> None:
    opened(store)
    put_in_together(store, running(store).run, range(120))

    assert len(list(all_clients(store))) == 120
    assert len(marks(store, *(f"~f{number}" for number in range(120)))) == 120


def all_clients(store: Store) -> Iterator[str]:
    after = None
    while True:
        page = store.clients.page("acc_1", PageRequest(limit=100, after=after))
        yield from ids(page.items)
        if page.next is None:
            return
        after = page.next


def test_what_was_written_together_is_seen_within_the_block(store: Store) -> None:
    opened(store)
    run = running(store).run
    with store.row_marks.together("acc_1", ["A1", "A2"]):
        with pytest.raises(NotFound):
            store.products.get("acc_1", "A1")
        store.products.add(a_product("A1"))
        store.products.save(replace(store.products.get("acc_1", "A1"), name="New", version=2))
        assert store.products.get("acc_1", "A1").name == "New"
        store.clients.add(a_client())
        assert ids(store.clients.page("acc_1", PageRequest()).items) == ["cli_1"]
        with store.row_marks.note(a_mark(), None, run):
            store.clients.add(a_client("cli_2"))
        with store.row_marks.note(a_mark(numbers=(1, 2)), a_mark(), run):
            store.clients.add(a_client("cli_3"))
    assert marks(store, "~f1") == {"~f1": a_mark(numbers=(1, 2))}


def test_a_block_that_raises_writes_no_more(client: "DynamoDBClient") -> None:
    store = DynamoStore(client)
    opened(store)
    with suppress(ZeroDivisionError), store.row_marks.together("acc_1"):
        store.clients.add(a_client())
        raise ZeroDivisionError

    assert list(all_clients(store)) == []


def test_rows_of_which_one_is_refused_are_refused_together(client: "DynamoDBClient") -> None:
    store = DynamoStore(client)
    opened(store)
    run = running(store).run
    store.clients.add(a_client("cli_0007"))

    with pytest.raises(NotTogether):
        put_in_together(store, run, range(10))

    assert list(all_clients(store)) == ["cli_0007"]
    assert marks(store, *(f"~f{number}" for number in range(10))) == {}


def test_rows_that_went_out_before_a_refusal_are_marked(client: "DynamoDBClient") -> None:
    store = DynamoStore(client)
    opened(store)
    run = running(store).run
    store.clients.add(a_client("cli_0060"))

    with pytest.raises(NotTogether):
        put_in_together(store, run, range(70))

    there = {int(client_id.removeprefix("cli_")) for client_id in all_clients(store)} - {60}
    assert there == {int(subject.removeprefix("~f")) for subject in marks(store, *(f"~f{number}" for number in range(70)))}
    assert there == set(range(49)), "as many as one transaction takes, with the run once"


def test_a_run_that_was_taken_over_puts_nothing_in_together(store: Store) -> None:
    opened(store)
    imported = running(store)
    taken_up = take_up(imported, now=NOW)
    assert taken_up is not None
    saved(store, taken_up)

    with pytest.raises((NotTogether, ImportTakenOver)):
        put_in_together(store, imported.run, range(5))

    assert list(all_clients(store)) == []


def test_without_an_answer_rows_are_not_refused(client: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> None:
    store = DynamoStore(client)
    opened(store)

    def no_answer(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(store.row_marks._table, "send", no_answer)
    with pytest.raises(Unavailable), store.row_marks.together("acc_1"):
        store.clients.add(a_client())


def test_rows_together_cost_two_items_each_and_one_look_at_the_run(
    client: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DynamoStore(client)
    opened(store)
    run = running(store).run
    sizes: list[int] = []
    calls: list[str] = []
    client.meta.events.register(
        "before-parameter-build.dynamodb.TransactWriteItems",
        lambda params, **_: sizes.append(len(params["TransactItems"])),
        unique_id="sizes",
    )
    client.meta.events.register(
        "before-parameter-build.dynamodb", lambda model, **_: calls.append(model.name), unique_id="calls"
    )
    try:
        put_in_together(store, run, range(100))
    finally:
        client.meta.events.unregister("before-parameter-build.dynamodb.TransactWriteItems", unique_id="sizes")
        client.meta.events.unregister("before-parameter-build.dynamodb", unique_id="calls")

    assert sizes == [99, 99, 5]
    assert calls == ["BatchGetItem", "TransactWriteItems", "TransactWriteItems", "TransactWriteItems"]


def test_a_product_foreseen_is_read_once_and_anew_after_it_was_written(client: "DynamoDBClient") -> None:
    store = DynamoStore(client)
    opened(store)
    store.products.add(a_product("A1", price=Decimal(1)))
    with store.row_marks.together("acc_1", ["A1", "A2"]):
        read = store.products.get("acc_1", "A1")
        DynamoStore(client).products.save(replace(read, name="Theirs", version=2))
        assert store.products.get("acc_1", "A1") == read
        with suppress(NotTogether):
            store.products.save(replace(read, name="Ours", version=2))
            store.products.get("acc_1", "A1")
        assert store.products.get("acc_1", "A1").name == "Theirs"


def test_a_product_s_id_is_no_row_s_fingerprint() -> None:
    for number, subject in zip(count(), ("A1", "~A1", "a b", "~" + "f" * 64), strict=False):
        assert keys.import_row("acc_1", "products", subject).sk == f"import_row#products#{subject}", number
    for subject in ("~", "", "a#b", "~a#b", "~ a"):
        with pytest.raises(NotFound):
            keys.import_row("acc_1", "products", subject)
