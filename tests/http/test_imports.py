"""Imports, as the outside sees them."""

from typing import Any

import pytest

from chalicelib.usecases import imports
from tests.http.api import Api, made
from tests.http.examples import NEVER
from tests.usecases.import_files import arrive, read_lines
from tests.wired import MemoryWired

NEW = {"kind": "clients", "filename": "Kunden + Söhne.csv", "content_type": "text/csv"}


def put_in(wired: MemoryWired, opened: dict[str, Any], *lines: str) -> None:
    """Uploads the file, and works it off."""
    key, content_type = (opened["upload"]["fields"][name] for name in ("key", "Content-Type"))
    wired.stored.put(key, "".join(f"{line}\n" for line in lines).encode(), content_type)
    _, account_id, import_id, _ = key.split("/")
    arrive(wired, wired.imports.get(account_id, import_id))
    while wired.imports_queue.waiting:
        imports.go_on(wired.imports_queue.waiting.pop(0), read_lines, remaining=lambda: 100.0, tries=1, desk=wired)


def test_an_import_is_opened_with_a_form_to_upload_its_file_with(api: Api) -> None:
    answer = api.post("/v1/imports", {**NEW, "date_format": "DD.MM.YYYY", "decimal_separator": ",", "dry_run": True})

    opened = made(answer)
    assert answer.headers["Location"] == f"imports/{opened['id']}"
    assert opened["upload"]["fields"]["Content-Type"] == "text/csv"
    assert opened["upload"]["fields"]["key"] == f"incoming/{api.account_id}/{opened['id']}/Kunden + Söhne.csv"
    shown = {name: value for name, value in opened.items() if name not in {"id", "upload", "created_at", "updated_at"}}
    assert shown == {
        **NEW,
        "columns": {},
        "date_format": "DD.MM.YYYY",
        "decimal_separator": ",",
        "dry_run": True,
        "status": "waiting",
        "reason": None,
        "record_count": 0,
        "added_count": 0,
        "unchanged_count": 0,
        "rejected_count": 0,
        "bytes_read": 0,
        "size": None,
        "processing_time_ms": 0,
        "rejections": [],
        "report": None,
    }


def test_what_became_of_it_can_be_read(api: Api, wired: MemoryWired) -> None:
    opened = made(api.post("/v1/imports", NEW))
    put_in(wired, opened, "Ada", "!no name", "Grace", "Ada")

    shown = api.get(f"/v1/imports/{opened['id']}").json

    assert shown["status"] == "completed"
    assert [shown[f"{name}_count"] for name in ("record", "added", "unchanged", "rejected")] == [4, 3, 0, 1]
    assert shown["rejections"] == [{"number": 2, "line": 2, "pointer": "/x", "reason": "no name"}]
    assert shown["report"].startswith("memory://files/reports/")
    assert shown["bytes_read"] == shown["size"] == 23
    assert "cursor" not in shown
    assert sorted(client["name"] for client in api.get("/v1/clients").json["clients"]) == ["Ada", "Ada", "Grace"]


def test_a_file_that_cannot_be_read_says_why(api: Api, wired: MemoryWired) -> None:
    opened = made(api.post("/v1/imports", NEW))
    put_in(wired, opened, "#")

    shown = api.get(f"/v1/imports/{opened['id']}").json
    assert (shown["status"], shown["reason"], shown["report"]) == ("failed", "there is a # in it", None)


def test_imports_are_listed_without_their_rejections(api: Api, wired: MemoryWired) -> None:
    opened = [made(api.post("/v1/imports", NEW)) for _ in range(3)]
    put_in(wired, opened[0], "!bad")

    first = api.get("/v1/imports?limit=2").json
    last = api.get(f"/v1/imports?limit=2&next={first['next']}").json

    assert [one["id"] for one in (*first["imports"], *last["imports"])] == [one["id"] for one in reversed(opened)]
    assert last["imports"][0]["rejected_count"] == 1
    assert "rejections" not in last["imports"][0]


def test_an_import_that_has_not_moved_is_not_sent_again(api: Api, wired: MemoryWired) -> None:
    opened = made(api.post("/v1/imports", NEW))
    path = f"/v1/imports/{opened['id']}"
    tag = api.get(path).headers["ETag"]

    assert api.call("GET", path, headers={"If-None-Match": tag}).status == 304
    put_in(wired, opened, "Ada")
    assert api.call("GET", path, headers={"If-None-Match": tag}).status == 200


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "invoices"}, "/kind"),
    ({"content_type": "application/zip"}, "/content_type"),
    ({"filename": ""}, "/filename"),
    ({"filename": "a/b.csv"}, "/filename"),
    ({"filename": ".."}, "/filename"),
    ({"filename": "ä" * 500}, "/filename"),
    ({"decimal_separator": "'"}, "/decimal_separator"),
    ({"columns": {"": "name"}}, "/columns"),
    ({"columns": {f"c{number}": "name" for number in range(101)}}, "/columns"),
    ({"columns": [["Name", "name"]]}, "/columns"),
    ({"rows": 1}, "/rows"),
]


@pytest.mark.parametrize(("wrong", "pointer"), WRONG)
def test_what_is_wrong_is_said_with_its_place(api: Api, wrong: dict[str, Any], pointer: str) -> None:
    answer = api.post("/v1/imports", {**NEW, **wrong})

    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.json["errors"][0]["pointer"].startswith(pointer)
    assert api.get("/v1/imports").json["imports"] == []


def test_an_import_of_another_account_is_none(api: Api, visitor: Api) -> None:
    opened = made(api.post("/v1/imports", NEW))
    stranger = visitor.signed_up("stranger@example.com")

    assert stranger.get(f"/v1/imports/{opened['id']}").status == 404
    assert api.get(f"/v1/imports/{NEVER['import_id']}").status == 404
    assert stranger.get("/v1/imports").json["imports"] == []


def test_an_import_that_is_deleted_is_gone_with_its_files_and_what_it_brought_stays(api: Api, wired: MemoryWired) -> None:
    opened = made(api.post("/v1/imports", NEW))
    put_in(wired, opened, "one", "!no name")
    path = f"/v1/imports/{opened['id']}"
    assert len(wired.stored.contents()) == 2

    answer = api.delete(path)

    assert (answer.status, answer.body) == (204, b"")
    assert "ETag" not in answer.headers
    assert "X-Request-Id" in answer.headers
    assert api.get(path).status == 404
    assert api.delete(path).status == 404
    assert api.get("/v1/imports").json["imports"] == []
    assert wired.stored.contents() == {}
    assert [client["name"] for client in api.get("/v1/clients").json["clients"]] == ["one"]


def test_an_import_that_has_moved_since_it_was_seen_is_not_deleted(api: Api, wired: MemoryWired) -> None:
    opened = made(api.post("/v1/imports", NEW))
    path = f"/v1/imports/{opened['id']}"
    stale = api.get(path).headers["ETag"]
    put_in(wired, opened, "one", "!no name")

    assert api.call("DELETE", path, headers={"If-Match": stale}).status == 412
    assert api.call("DELETE", path, headers={"If-Match": api.get(path).headers["ETag"]}).status == 204


def test_an_import_of_another_account_is_not_deleted(api: Api, visitor: Api) -> None:
    opened = made(api.post("/v1/imports", NEW))

    assert visitor.signed_up("stranger@example.com").delete(f"/v1/imports/{opened['id']}").status == 404
    assert api.delete(f"/v1/imports/{NEVER['import_id']}").status == 404
    assert api.get(f"/v1/imports/{opened['id']}").status == 200


def test_a_keyed_request_for_an_import_that_was_deleted_since_opens_no_other(api: Api) -> None:
    first = api.call("POST", "/v1/imports", NEW, {"Idempotency-Key": "k1"})
    api.delete(f"/v1/imports/{first.json['id']}")

    again = api.call("POST", "/v1/imports", NEW, {"Idempotency-Key": "k1"})

    assert (again.status, again.json) == (201, first.json)
    assert api.get("/v1/imports").json["imports"] == []
