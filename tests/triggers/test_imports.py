"""An import from the request to its end, by every trigger that it passes."""

import csv
import io
from collections.abc import Callable
from contextvars import Context
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import pytest

import app as daybook
from chalicelib.usecases import import_run
from tests.http.api import Api, made
from tests.triggers.documents import A_WHILE, document, failed, sqs
from tests.wired import MemoryWired

RETAIL = Path(__file__).parents[3] / "shared" / "data" / "retail"


class Import:
    """One file, on its way."""

    def __init__(self, wired: MemoryWired, api: Api, content: bytes, **wanted: Any) -> None:
        self.wired = wired
        self.api = api
        plain = {"kind": "clients", "filename": "Kunden + Söhne.csv", "content_type": "text/csv"}
        opened = made(api.post("/v1/imports", {**plain, **wanted}))
        self.id = opened["id"]
        self.key = opened["upload"]["fields"]["key"]
        wired.stored.put(self.key, content, opened["content_type"])

    def land(self) -> None:
        [record] = document("s3-put")["Records"]
        told = record | {"s3": record["s3"] | {"object": record["s3"]["object"] | {"key": quote_plus(self.key, safe="/")}}}
        daybook.on_incoming({"Records": [told]}, None)

    def deliver(self, *, tries: int = 1, seconds: float = 180) -> Any:
        """The next message, if there is one."""
        job = self.wired.imports_queue.waiting.pop(0)
        event = sqs({"account_id": job.account_id, "import_id": job.import_id})
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(tries)
        return daybook.on_import(event, SimpleNamespace(get_remaining_time_in_millis=lambda: seconds * 1000))

    def run(self) -> dict[str, Any]:
        self.land()
        while self.wired.imports_queue.waiting:
            assert self.deliver() == failed()
        return self.shown()

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.api.get(f"/v1/imports/{self.id}").json
        return shown


@pytest.fixture
def api(wired: MemoryWired) -> Api:
    return Api().signed_up("ada@example.com")


@pytest.fixture
def send(wired: MemoryWired, api: Api) -> Callable[..., Import]:
    return lambda content, **wanted: Import(wired, api, content.encode(), **wanted)


def test_a_list_of_clients_goes_in(api: Api, send: Callable[..., Import]) -> None:
    shown = send("name;rate;currency\nBabbage & Co;95,50;EUR\n;1;EUR\nLovelace;1.234,00;EUR\n", decimal_separator=",").run()

    assert (shown["status"], shown["added_count"], shown["rejected_count"]) == ("completed", 2, 1)
    assert [(one["line"], one["pointer"]) for one in shown["rejections"]] == [(3, "/name")]
    assert {(one["name"], one["rate"]) for one in api.get("/v1/clients").json["clients"]} == {
        ("Babbage & Co", 95.5),
        ("Lovelace", 1234),
    }


def test_a_shops_list_goes_in_under_the_shops_own_ids_and_changes_nothing_the_second_time(
    api: Api, send: Callable[..., Import]
) -> None:
    content = "StockCode,Description,UnitPrice\n85123A,HEART HOLDER,2.55\n71053,WHITE LANTERN,3.39\n85123A,CREAM HOLDER,2.95\n"
    columns = {"StockCode": "id", "Description": "name", "UnitPrice": "price"}
    first = send(content, kind="products", columns=columns).run()
    before = api.get("/v1/products").body
    again = send(content, kind="products", columns=columns).run()

    assert (first["added_count"], first["unchanged_count"]) == (3, 0)
    assert (again["added_count"], again["unchanged_count"]) == (0, 3)
    assert api.get("/v1/products").body == before
    assert api.get("/v1/products/85123A").json["name"] == "CREAM HOLDER"


@pytest.mark.skipif(not RETAIL.exists(), reason="the real lists lie beside the project")
def test_two_real_days_of_a_shop_go_in_one_after_the_other(api: Api, send: Callable[..., Import]) -> None:
    """Most products stand several times, at several prices: what the last row of the last day says is right."""
    columns = {"StockCode": "id", "Description": "name", "UnitPrice": "price"}
    last: dict[str, tuple[str, Decimal]] = {}
    nameless = {1: [624, 1972, 1973, 1974, 1989, 1990, 2026, 2027, 2028, 2408], 2: [1241, 1242]}
    for day, size in ((1, 3108), (2, 2109)):
        content = (RETAIL / f"2010-12-0{day}.csv").read_text(encoding="utf-8")
        shown = send(content, kind="products", columns=columns).run()

        assert (shown["status"], shown["record_count"]) == ("completed", size)
        assert [one["line"] for one in shown["rejections"]] == nameless[day]
        assert {(one["pointer"], one["reason"]) for one in shown["rejections"]} == {("/Description", "must not be empty")}
        rows = [row for row in csv.DictReader(io.StringIO(content)) if row["Description"].strip()]
        last |= {row["StockCode"]: (row["Description"], Decimal(row["UnitPrice"])) for row in rows}
        found = [api.get(f"/v1/products/{code}").json for code in last]
        assert {product["id"]: (product["name"], product["price"]) for product in found} == last


def test_the_same_file_read_by_other_columns_is_another_file(api: Api, send: Callable[..., Import]) -> None:
    content = "id,name,retail,wholesale\nP1,Tea,10,8\nP1,Tea,8,10\n"
    columns = {"id": "id", "name": "name"}

    send(content, kind="products", columns=columns | {"retail": "price"}).run()
    assert api.get("/v1/products/P1").json["price"] == 8
    mended = send(content, kind="products", columns=columns | {"wholesale": "price"}).run()

    assert (mended["added_count"], mended["unchanged_count"]) == (1, 1)
    assert api.get("/v1/products/P1").json["price"] == 10


def test_a_price_list_leaves_descriptions_and_pictures_as_they_are(api: Api, send: Callable[..., Import]) -> None:
    picture = made(api.post("/v1/images", {"filename": "lamp.png", "content_type": "image/png"}))["id"]
    lamp = {"name": "Lamp", "price": "5", "description": "Brass", "image_id": picture, "stock": 3}
    api.put("/v1/products/A1", lamp)

    shown = send("id,name,price\nA1,Lamp,6\nA2,New,7\n", kind="products").run()

    assert (shown["added_count"], shown["rejected_count"]) == (2, 0)
    now = api.get("/v1/products/A1").json
    assert {name: now[name] for name in lamp} == lamp | {"price": 6}
    assert api.get("/v1/products/A2").json["description"] == ""

    lines = '{"id":"A1","name":"Lamp","price":6,"description":""}'
    shown = send(lines, kind="products", content_type="application/x-ndjson").run()

    assert shown["added_count"] == 1, "an empty description is something else than none"
    now = api.get("/v1/products/A1").json
    assert (now["description"], now["image_id"]) == ("", picture)


def test_an_empty_file_says_that_it_is_empty(send: Callable[..., Import]) -> None:
    shown = send("").run()

    assert (shown["status"], shown["reason"]) == ("failed", "the file is empty")


def test_hours_go_in_as_work_of_whoever_imports_them(api: Api, send: Callable[..., Import]) -> None:
    client_id = api.add_client(name="Babbage & Co")
    shown = send(
        "Client,Task,Start date,Start time,End date,End time\n"
        "babbage & co,Engine,2026-11-02,09:00,2026-11-02,10:30\n"
        "Babbage & Co,Engine,2026-11-02,10:00,2026-11-02,11:00\n"
        "Nobody,Engine,2026-11-03,10:00,2026-11-03,11:00\n",
        kind="work",
        columns={
            "Client": "client",
            "Task": "description",
            "Start date": "start_date",
            "Start time": "start_time",
            "End date": "end_date",
            "End time": "end_time",
        },
    ).run()

    assert (shown["status"], shown["added_count"], shown["rejected_count"]) == ("completed", 1, 2), shown
    assert [one["line"] for one in shown["rejections"]] == [3, 4]
    (entry,) = api.get("/v1/work").json["work"]
    assert (entry["client_id"], entry["started_at"], entry["user_id"]) == (client_id, "2026-11-02T08:00:00Z", api.user_id)


def test_json_goes_in_like_any_body(api: Api, send: Callable[..., Import]) -> None:
    content = '{"name": "A", "rate": 1, "currency": "EUR"}\n{"name": "B", "rate": -1, "currency": "EUR"}\n{"name": "C"}\n'
    shown = send(content, content_type="application/x-ndjson").run()

    assert (shown["added_count"], shown["rejected_count"]) == (1, 2)
    assert [one["pointer"] for one in shown["rejections"]] == ["/rate", "/rate"]


def test_a_file_that_is_none_of_its_kind_says_so(send: Callable[..., Import]) -> None:
    shown = send("PK\x03\x04 zip").run()

    assert shown["status"] == "failed"
    assert shown["reason"]


def test_a_file_that_takes_longer_goes_on_in_the_next_message(
    monkeypatch: pytest.MonkeyPatch, wired: MemoryWired, send: Callable[..., Import]
) -> None:
    monkeypatch.setattr(import_run, "BLOCK", 3)
    imported = send("name,rate,currency\n" + "".join(f"c{number},1,EUR\n" for number in range(10)))
    imported.land()
    counts = []
    while wired.imports_queue.waiting:
        assert imported.deliver(seconds=59) == failed()
        counts.append(imported.shown()["record_count"])

    assert counts == [3, 6, 9, 10]
    assert imported.shown()["added_count"] == 10


def test_an_import_that_fails_for_the_third_time_says_so_and_goes_on_when_it_is_put_back(
    monkeypatch: pytest.MonkeyPatch, wired: MemoryWired, send: Callable[..., Import]
) -> None:
    imported = send("name,rate,currency\nA,1,EUR\n")
    imported.land()
    (job,) = wired.imports_queue.waiting
    with monkeypatch.context() as broken:
        broken.setattr(wired.store.clients, "add", None)
        for tries in (1, 2, 3):
            wired.imports_queue.waiting = [job]
            assert imported.deliver(tries=tries) == failed("message-0")
            assert imported.shown()["status"] == ("failed" if tries == 3 else "processing")
    wired.imports_queue.waiting = [job]

    assert imported.deliver() == failed()
    assert (imported.shown()["status"], imported.shown()["added_count"]) == ("completed", 1)


def test_of_an_import_that_was_deleted_nothing_more_goes_in_and_no_message_fails(
    monkeypatch: pytest.MonkeyPatch, wired: MemoryWired, api: Api, send: Callable[..., Import]
) -> None:
    monkeypatch.setattr(import_run, "BLOCK", 3)
    imported = send("name,rate,currency\n" + "".join(f"c{number},1,EUR\n" for number in range(10)))
    imported.land()
    (job,) = wired.imports_queue.waiting
    assert imported.deliver(seconds=59) == failed()

    assert api.delete(f"/v1/imports/{imported.id}").status == 200

    for tries in (1, 3):
        wired.imports_queue.waiting = [job]
        assert imported.deliver(tries=tries) == failed()
    imported.land()
    assert wired.imports_queue.waiting == []
    assert len(api.get("/v1/clients").json["clients"]) == 3
    assert wired.stored.contents() == {}


def test_a_run_under_way_ends_when_its_import_is_deleted(
    monkeypatch: pytest.MonkeyPatch, wired: MemoryWired, api: Api, send: Callable[..., Import]
) -> None:
    monkeypatch.setattr(import_run, "BLOCK", 3)
    imported = send("name,rate,currency\n" + "".join(f"c{number},1,EUR\n" for number in range(10)))
    imported.land()
    add, before = wired.store.clients.add, []

    def add_late(client: Any) -> None:
        before.append(client)
        if len(before) == 5:
            Context().run(api.delete, f"/v1/imports/{imported.id}")
        add(client)

    monkeypatch.setattr(wired.store.clients, "add", add_late)

    assert imported.deliver(tries=3) == failed()
    assert len(api.get("/v1/clients").json["clients"]) == 4
    assert (wired.metrics.failures, wired.stored.contents()) == ([], {})


def test_the_night_removes_what_came_for_an_import_after_it_was_deleted(
    wired: MemoryWired, api: Api, send: Callable[..., Import]
) -> None:
    imported = send("name,rate,currency\nA,1,EUR\n")
    api.delete(f"/v1/imports/{imported.id}")
    wired.stored.put(imported.key, b"late", "text/csv")
    night = document("scheduled")
    wired.clock.advance(days=2)
    night["time"] = wired.clock.now().isoformat().replace("+00:00", "Z")

    daybook.tidy(night, A_WHILE)

    assert wired.stored.contents() == {}
    assert wired.tables()["import_removals"] == {}


def test_at_night_an_import_without_a_file_ends(wired: MemoryWired, api: Api) -> None:
    opened = made(api.post("/v1/imports", {"kind": "work", "filename": "a.csv", "content_type": "text/csv"}))
    night = document("scheduled")
    wired.clock.advance(days=2)
    night["time"] = wired.clock.now().isoformat().replace("+00:00", "Z")

    daybook.tidy(night, A_WHILE)

    shown = api.get(f"/v1/imports/{opened['id']}").json
    assert (shown["status"], shown["reason"]) == ("failed", "was never uploaded")
