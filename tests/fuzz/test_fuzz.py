"""A quick part of `make fuzz`, and whether its checks notice what they are there for."""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.errors import NotFound
from chalicelib.usecases import clients
from tests.fuzz.campaign import BLOCK, Findings, faults_of, run_block, run_blocks
from tests.fuzz.spoiled import Spoiler
from tests.fuzz.world import settle, wired_to_memory
from tests.http.examples import ENDPOINTS

pytestmark = pytest.mark.xdist_group("fuzz")  # one process makes what all of them look at

SEED = 1


@pytest.fixture(scope="module")
def found() -> Findings:
    return run_blocks(SEED, range(4_000 // BLOCK))


def test_whatever_is_sent_is_answered_as_it_should_be(found: Findings) -> None:
    assert found.faults == []
    assert found.requests == 4_000


def test_the_requests_are_neither_all_good_nor_all_bad_for_one_reason(found: Findings) -> None:
    share = {status: count / found.requests for status, count in found.statuses.items()}

    assert share[200] + share[201] > 0.1
    assert share.keys() >= {400, 401, 404, 405, 409, 413, 414, 415, 422, 431}
    assert max(share.values()) < 0.5


def test_every_route_is_asked() -> None:
    with wired_to_memory():
        spoiler = Spoiler(random.Random(SEED), settle("ada@example.com"))
        asked = {(sent.resource, sent.method) for sent in (spoiler.request() for _ in range(2_000))}

    assert asked >= {(endpoint.path, endpoint.method) for endpoint in ENDPOINTS}


def test_the_same_seed_makes_the_same_requests() -> None:
    def first() -> list[Any]:
        with wired_to_memory():
            spoiler = Spoiler(random.Random(SEED), settle("ada@example.com"))
            return [spoiler.request() for _ in range(50)]

    assert first() == first()


def _crash(*_: object, **__: object) -> Any:
    raise RuntimeError


def _dawdle_once() -> Callable[..., Any]:
    delays = iter((1.01,))

    def dawdle(*_: object, **__: object) -> Any:
        time.sleep(next(delays, 0))
        raise NotFound

    return dawdle


def _change_and_refuse(*_: object, **__: object) -> Any:
    daybook.wired.store.accounts._state.clients["stray"] = None  # type: ignore[attr-defined]
    raise NotFound


@pytest.mark.parametrize(
    ("bug", "noticed"),
    [(_crash, "answered 500"), (_dawdle_once(), "took 1."), (_change_and_refuse, "and changed something")],
    ids=["a crash", "dawdling", "a change that was refused"],
)
def test_a_bug_in_a_use_case_is_noticed(bug: Callable[..., Any], noticed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "remove_client", bug)

    assert any(noticed in fault for fault in run_block(SEED, 0).faults)


def test_what_gets_past_the_application_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = daybook.app.origin_headers
    monkeypatch.setattr(daybook.app, "origin_headers", lambda headers: _crash() if "User-Agent" in headers else whole(headers))

    assert "raised RuntimeError" in run_block(SEED, 0, size=1).faults[0]


PROBLEM = {
    "type": "/docs#not_found",
    "title": "t",
    "status": 404,
    "detail": "d",
    "instance": "/",
    "code": "not_found",
    "request_id": "r",
}
HEADERS = {"Content-Type": "application/problem+json", "X-Request-Id": "r"}


def answer(status: int = 404, headers: dict[str, Any] | None = None, **changes: object) -> dict[str, Any]:
    return {"statusCode": status, "headers": HEADERS | (headers or {}), "body": json.dumps(PROBLEM | changes)}


def test_a_whole_problem_document_is_right() -> None:
    assert list(faults_of(answer())) == []


@pytest.mark.parametrize(
    "wrong",
    [
        answer(status=400),
        answer(status=500, code="internal_error"),
        answer(code="nonsense"),
        answer(code="invalid"),
        answer(type="about:blank"),
        answer(request_id="another"),
        answer(detail=""),
        answer(detail="x" * 30_000),
        answer(detail=None),
        answer(extra=1),
        answer(errors=[{"pointer": "/", "detail": "d"}]),
        answer(headers={"Content-Type": "application/json"}),
        answer(headers={"Link": "a\r\nb"}),
        answer(headers={"Link": "ü"}),
        answer() | {"headers": {"Content-Type": "application/problem+json"}},
        answer() | {"body": "<html>"},
        {"statusCode": 200, "headers": HEADERS | {"Content-Type": "application/json"}, "body": "[]"},
        {"statusCode": 302, "headers": HEADERS, "body": "moved"},
    ],
    ids=str,
)
def test_a_wrong_answer_is_noticed(wrong: dict[str, Any]) -> None:
    assert list(faults_of(wrong)) != []
