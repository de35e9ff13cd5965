"""Imports over DynamoDB, where rows are written together: cut off after each of its calls, and taken over there."""

from collections import Counter
from contextlib import suppress
from contextvars import Context
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
    """A client of DynamoDB with which something happens before or after one of its calls."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self.left: int | None = None
        self.after = False
        self.happens: Any = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return found if name == "meta" else lambda **asked: self._call(found, asked)

    def _call(self, found: Any, asked: dict[str, Any]) -> Any:
        due = self.left == 0
        self.left = None if self.left is None else self.left - 1
        if due and not self.after:
            self.happens()
        answer = found(**asked)
        if due and self.after:
            self.happens()
        return answer

    @property
    def over(self) -> bool:
        """Whether there were fewer calls."""
        return self.left is not None and self.left >= 0


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
    def die() -> None:
        raise Crash

    place = 0
    while True:
        emptied(client)
        dying = Dying(client)
        office = open_office(dying)
        job = upload(office, *FILES[kind][0], kind=kind)
        dying.left, dying.after, dying.happens = place, True, die
        with suppress(Crash):
            deliver(office, job)
        over, dying.left = dying.over, None
        until_done(office, job)
        check(client, office, job, kind, f"{place}")
        if over:
            break
        place += 1
    assert place > 15


@pytest.mark.parametrize("kind", list(FILES))
def test_a_run_that_is_taken_over_at_any_call_writes_nothing_more(client: "DynamoDBClient", kind: str) -> None:
    place = 0
    while True:
        emptied(client)
        dying = Dying(client)
        office = open_office(dying)
        job = upload(office, *FILES[kind][0], kind=kind)
        other = MemoryWired(store=cast("Any", DynamoStore(client)), clock=office.clock, stored=office.stored, ids=office.ids)
        dying.left, dying.happens = place, lambda other=other, job=job: Context().run(deliver, other, job)
        with suppress(ImportTakenOver):
            deliver(office, job)
        over, dying.left = dying.over, None
        check(client, office, job, kind, f"{place}")
        if over:
            break
        place += 1
    assert place > 15


@pytest.mark.parametrize("kind", list(FILES))
def test_a_run_whose_import_is_removed_at_any_call_writes_nothing_more(client: "DynamoDBClient", kind: str) -> None:
    place = 0
    while True:
        emptied(client)
        dying = Dying(client)
        office = open_office(dying)
        job = upload(office, *FILES[kind][0], kind=kind)
        other = MemoryWired(store=cast("Any", DynamoStore(client)), clock=office.clock, stored=office.stored, ids=office.ids)
        there: list[Any] = []

        def remove(other: MemoryWired = other, job: ImportJob = job, there: list[Any] = there) -> None:
            Context().run(imports.remove_import, CALLER, job.import_id, desk=other)
            there.append(items_in(client))

        dying.left, dying.happens = place, remove
        deliver(office, job, tries=3)
        over, dying.left = dying.over, None
        if over:
            break
        assert [items_in(client)] == there, f"{place}"
        assert check_table(there[0]) == [], f"{place}"
        imports.see_to_waiting(office.clock.advance(hours=24), desk=office)
        left = {item["type"]["S"] for item in items_in(client) if item["type"]["S"].startswith("import")}
        assert (left <= {"import_row"}, office.stored.contents()) == (True, {}), f"{place}: {left}"
        place += 1
    assert place > 15


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_removal_that_is_cut_off_at_any_call_is_finished_by_the_night(client: "DynamoDBClient", after: bool) -> None:
    def die() -> None:
        raise Crash

    place = 0
    while True:
        emptied(client)
        dying = Dying(client)
        office = open_office(dying)
        job = upload(office, *FILES["clients"][0])
        until_done(office, job)
        dying.left, dying.after, dying.happens = place, after, die
        with suppress(Crash):
            imports.remove_import(CALLER, job.import_id, desk=office)
        over, dying.left = dying.over, None
        assert check_table(items_in(client)) == [], f"{place}"
        with suppress(NotFound):
            imports.remove_import(CALLER, job.import_id, desk=office)
        imports.see_to_waiting(office.clock.advance(hours=24), desk=office)
        left = {item["type"]["S"] for item in items_in(client) if item["type"]["S"].startswith("import")}
        assert (left, office.stored.contents()) == ({"import_row"}, {}), f"{place}"
        if over:
            break
        place += 1
    assert place >= 4
