"""Imports over DynamoDB, where rows are written together: cut off after each of its calls, and taken over there."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib.domain.errors import ImportTakenOver, NotFound
from chalicelib.domain.imports import ImportJob
from chalicelib.usecases import import_run, imports
from tests.builders import NOW, a_client, a_user, an_account
from tests.consistency import check_table
from tests.contract.stores import DynamoStore, items_in
from tests.fakes import FixedClock
from tests.usecases.import_files import CALLER, counts, deliver, kept, rejections, until_done, upload
from tests.usecases.order_flow import Crash
from tests.wired import MemoryWired

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FILES = {
    "clients": (["a", "!bad", "b", "a", "c -1"], (3, 0, 2)),
    "products": (["A1 Lamp 5", "!bad", "A1 Bulb 7", "A1 Bulb 7", "- n"], (3, 1, 1)),
}


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_run, "WINDOW", 4)
    monkeypatch.setattr(import_run, "BLOCK", 2)


class Dying:
    """A client of DynamoDB with which something happens before or after one of its calls, once it is `armed`."""

    def __init__(self, client: "DynamoDBClient", place: int) -> None:
        self._client = client
        self._place = place
        self._left = -1
        self._after = False
        self._happens: Any = None
        self.struck = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return found if name == "meta" else lambda **asked: self._call(found, asked)

    def _call(self, found: Any, asked: dict[str, Any]) -> Any:
        due = self._left == 0
        self._left -= 1
        self.struck |= due
        if due and not self._after:
            self._happens()
        answer = found(**asked)
        if due and self._after:
            self._happens()
        return answer

    def armed(self, happens: Any, *, after: bool = False) -> None:
        self._left, self._happens, self._after = self._place, happens, after

    def disarmed(self) -> None:
        self._left = -1


def at_every_call(client: "DynamoDBClient", *lines: str, kind: str) -> Iterator[tuple[str, Dying, MemoryWired, ImportJob]]:
    """An office with a file that waits, for each call in turn, until there is none to be struck; and which it is."""
    for place in count():
        emptied(client)
        dying = Dying(client, place)
        office = open_office(dying)
        yield f"call {place}", dying, office, upload(office, *lines, kind=kind)
        if not dying.struck:
            assert place > 3
            return


def beside(client: "DynamoDBClient", office: MemoryWired) -> MemoryWired:
    """Another function of the same application."""
    return MemoryWired(store=cast("Any", DynamoStore(client)), clock=office.clock, stored=office.stored, ids=office.ids)


def die() -> None:
    raise Crash


def open_office(client: Any) -> MemoryWired:
    wired = MemoryWired(store=cast("Any", DynamoStore(client)), clock=FixedClock(NOW))
    wired.accounts.add(an_account(), a_user())
    wired.clients.add(a_client("cli_1"))
    return wired


def emptied(client: "DynamoDBClient") -> None:
    for item in items_in(client):
        client.delete_item(TableName="daybook-contract", Key={"pk": item["pk"], "sk": item["sk"]})


def check(client: "DynamoDBClient", office: MemoryWired, job: ImportJob, kind: str, where: str) -> None:
    imported, items = kept(office, job), items_in(client)
    assert counts(imported) == FILES[kind][1], where
    assert check_table(items) == [], where
    assert len(rejections(office, imported)) == imported.rejected_count
    made = [item for item in items if item["type"]["S"] == kind.removesuffix("s") and item["id"]["S"] != "cli_1"]
    there = Counter(item["name"]["S"] for item in made)
    if kind == "clients":
        assert there == Counter({"a": 2, "b": 1}), where
    else:
        assert there == Counter({"Bulb": 1, "n": 1}), where
        stock = Counter[str]()
        for item in items:
            if item["type"]["S"] == "stock_change":
                stock[item["product_id"]["S"]] += int(item["change"]["N"])
        assert stock == {"A1": 7}, where


@pytest.mark.parametrize("kind", list(FILES))
def test_a_run_whose_answer_is_lost_at_any_call_is_made_good(client: "DynamoDBClient", kind: str) -> None:
    for where, dying, office, job in at_every_call(client, *FILES[kind][0], kind=kind):
        dying.armed(die, after=True)
        with suppress(Crash):
            deliver(office, job)
        dying.disarmed()
        until_done(office, job)
        check(client, office, job, kind, where)


def test_a_run_that_is_taken_over_at_any_call_writes_nothing_more(client: "DynamoDBClient") -> None:
    for where, dying, office, job in at_every_call(client, *FILES["products"][0], kind="products"):
        other = beside(client, office)
        dying.armed(lambda other=other, job=job: Context().run(deliver, other, job))
        with suppress(ImportTakenOver):
            deliver(office, job)
        dying.disarmed()
        check(client, office, job, "products", where)


def test_a_run_whose_import_is_removed_at_any_call_writes_nothing_more(client: "DynamoDBClient") -> None:
    for where, dying, office, job in at_every_call(client, *FILES["products"][0], kind="products"):
        other, there = beside(client, office), list[Any]()

        def remove(other: MemoryWired = other, job: ImportJob = job, there: list[Any] = there) -> None:
            Context().run(imports.remove_import, CALLER, job.import_id, desk=other)
            there.append(items_in(client))

        dying.armed(remove)
        deliver(office, job, tries=3)
        dying.disarmed()
        if not dying.struck:
            continue
        assert [items_in(client)] == there, where
        assert check_table(there[0]) == [], where
        imports.look_after_imports(office.clock.advance(hours=24), desk=office)
        assert_nothing_is_left(client, office, where)


def test_a_removal_that_is_cut_off_at_any_call_is_finished_by_the_night(client: "DynamoDBClient") -> None:
    for where, dying, office, job in at_every_call(client, *FILES["clients"][0], kind="clients"):
        until_done(office, job)
        dying.armed(die, after=True)
        with suppress(Crash):
            imports.remove_import(CALLER, job.import_id, desk=office)
        dying.disarmed()
        assert check_table(items_in(client)) == [], where
        with suppress(NotFound):
            imports.remove_import(CALLER, job.import_id, desk=office)
        imports.look_after_imports(office.clock.advance(hours=24), desk=office)
        assert_nothing_is_left(client, office, where)


def assert_nothing_is_left(client: "DynamoDBClient", office: MemoryWired, where: str) -> None:
    """But the marks of what was brought."""
    left = {item["type"]["S"] for item in items_in(client) if item["type"]["S"].startswith("import")}
    assert (left <= {"import_row"}, office.stored.contents()) == (True, {}), f"{where}: {left}"
