"""The log says who asked for what and how it went, and holds nothing that anybody sent."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import app as daybook
from chalicelib.edge.application import Endpoint
from tests.http.api import PASSWORD, Answer, Api
from tests.http.examples import BODIES, ENDPOINTS, Inhabitant, move_in, name_of
from tests.triggers.documents import FIRST_SEQUENCE_NUMBER, document, record, sqs, stream
from tests.wired import MemoryWired

MARK = "canary5fd1c7"
"""In every secret that is planted; nothing else contains it."""
HEADERS = ("Authorization", "Cookie", "Idempotency-Key", "If-Match", "If-None-Match", "User-Agent", "Origin", "Content-Type")
REQUEST_LINE = {"level", "message", "request_id", "account_id", "user_id", "route", "method", "status"}
REQUEST_LINE |= {"duration_ms", "cold_start"}
PORTS = (
    *("accounts", "users", "clients", "work", "timers", "ledger", "invoices", "credit_notes", "reports", "documents"),
    *("printer", "passwords", "ids"),
)


def at_the_door(wired: MemoryWired) -> dict[str, Any]:
    """What lets a request in, before any view is asked."""
    return {name: getattr(wired, name) for name in ("token_keys", "access", "limits", "quotas", "clock")}


class Secrets:
    """Unique texts to plant."""

    planted = 0

    def new(self) -> str:
        self.planted += 1
        return f"{MARK}n{self.planted}"


@dataclass
class Broken:
    """A repository or gateway whose every method fails, with all that it was given in the message."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*given: object, **named: object) -> None:
            try:
                raise ValueError(f"{MARK} {given} {named}")
            except ValueError as cause:
                raise RuntimeError(f"{MARK} {name} {given} {named}") from cause

        return fail


@pytest.fixture
def ada(visitor: Api) -> Inhabitant:
    return move_in(visitor, "ada@example.com")


def lines_in(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def planted(example: Mapping[str, Any], secrets: Secrets) -> Iterator[dict[str, Any]]:
    """The example with a secret for one string, then for each other member, then for all strings, then as an unknown name."""
    for name in example:
        yield {**example, name: secrets.new()}
    yield {name: secrets.new() if isinstance(value, str) else value for name, value in example.items()}
    yield {**example, secrets.new(): secrets.new()}
    if "email" in example:
        yield {**example, "email": f"{secrets.new()}@example.com"}


def requests_with(endpoint: Endpoint, ada: Inhabitant, secrets: Secrets) -> Iterator[Answer]:
    """The route as it should be asked, then with a secret in every place where something can be sent."""
    yield ada.send(endpoint)
    for header in HEADERS:
        yield replace(ada, api=replace(ada.api, headers={header: f"Bearer {secrets.new()}"})).send(endpoint)
    for name in (name for name, _ in endpoint.path_parameters):
        yield ada.send(endpoint, path={name: secrets.new()})
    for name in (*(endpoint.query.__struct_encode_fields__ if endpoint.query else ()), secrets.new()):
        if endpoint.query is not None:
            yield ada.send(endpoint, query={name: secrets.new()})
    if endpoint.body is not None:
        example = BODIES[endpoint.body](ada.ids)
        optional = {field.encode_name: "" for field in msgspec.structs.fields(endpoint.body) if not field.required}
        for body in planted({**optional, **example}, secrets):
            yield ada.send(endpoint, body=msgspec.json.encode(body))
        for body in planted(example, secrets):
            yield ada.send(endpoint, body=msgspec.json.encode(body))
        for broken in ('{"a": "%s', "%s", '{"%s": NaN}', '["%s"]', '{"name": "%s\\ud800"}', '{"%s": 1, "%s": 2}'):
            text = broken.replace("%s", secrets.new())
            yield ada.send(endpoint, body=text.encode())
        yield ada.send(endpoint, body=b'{"' + secrets.new().encode() + b'": "' + b"x" * 1_048_576 + b'"}')


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_nothing_that_is_sent_is_ever_logged(
    ada: Inhabitant,
    wired: MemoryWired,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    secrets = Secrets()
    answers = list(requests_with(endpoint, ada, secrets))
    anew = replace(ada, api=ada.api.signed_in("ada@example.com"))  # a new password ended the token
    monkeypatch.setattr(daybook, "wired", SimpleNamespace(**at_the_door(wired), **dict.fromkeys(PORTS, Broken())))
    crashed = list(requests_with(endpoint, anew, secrets))

    out, err = capfd.readouterr()
    tokens = [
        ada.api.token or "",
        anew.api.token or "",
        *(answer.json["access_token"] for answer in answers if b'"access_token":"' in answer.body),
    ]
    parts_of_tokens = {part for token in tokens for part in token.split(".")[1:]}
    for text in (out, err, caplog.text):
        for secret in (MARK, PASSWORD, "plain:", "@example", *tokens, *parts_of_tokens):
            assert secret not in text, (secret, text[max(0, text.find(secret) - 500) :][:1000])
    assert err == ""
    for answer in crashed:
        if answer.status >= 500:
            told = {**answer.json, "instance": ""}  # the address that was asked for
            assert told["code"] == "internal_error"
            assert MARK not in str(told)
    if endpoint.takes_caller or endpoint.body:
        assert any(answer.status == 500 for answer in crashed)
    lines = {line["request_id"]: line for line in lines_in(out)}
    for answer in answers + crashed:
        line = lines.get(answer.headers["X-Request-Id"])
        if line is None:  # the authorizer's refusal, which API Gateway makes too
            assert answer.status == 401
        else:
            assert (line["status"], line["route"], line["method"]) == (answer.status, endpoint.path, endpoint.method)
            assert ("error" in line) == (answer.status >= 500)
            assert set(line) - {"error"} == REQUEST_LINE


def test_a_request_is_one_line_that_says_who_what_and_how_it_went(ada: Inhabitant, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()

    answer = ada.api.get(f"/v1/clients/{ada.ids['client_id']}")

    [line] = lines_in(capfd.readouterr().out)
    assert line.pop("duration_ms") < 1000
    assert line == {
        "level": "INFO",
        "message": "request",
        "request_id": answer.headers["X-Request-Id"],
        "account_id": ada.api.account_id,
        "user_id": ada.api.user_id,
        "route": "/v1/clients/{client_id}",
        "method": "GET",
        "status": 200,
        "cold_start": False,
    }


def test_lambdas_own_handler_does_not_write_the_line_again(visitor: Api, capfd: pytest.CaptureFixture[str]) -> None:
    at_the_root = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(at_the_root)
    try:
        visitor.get("/health")
    finally:
        logging.getLogger().removeHandler(at_the_root)

    out, err = capfd.readouterr()
    assert (len(lines_in(out)), err) == (1, "")


def test_only_the_first_request_of_a_process_is_a_cold_start(visitor: Api, capfd: pytest.CaptureFixture[str]) -> None:
    daybook.app._request_log._cold = True

    visitor.get("/health")
    visitor.get("/health")

    assert [line["cold_start"] for line in lines_in(capfd.readouterr().out)] == [True, False]


def test_a_failure_is_told_by_its_types_and_places(
    ada: Inhabitant, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(daybook, "wired", SimpleNamespace(clients=Broken(), **at_the_door(wired)))
    capfd.readouterr()

    assert ada.api.get(f"/v1/clients/{ada.ids['client_id']}").status == 500

    [line] = lines_in(capfd.readouterr().out)
    assert line["level"] == "ERROR"
    assert [error["type"] for error in line["error"]] == ["RuntimeError", "ValueError"]
    assert any("app.py:" in place and place.endswith(" in get_client") for place in line["error"][0]["at"])


def test_a_request_after_one_that_failed_has_nothing_of_its_failure(
    ada: Inhabitant, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert ada.api.get("/v1/clients/cli_none").status == 404
    monkeypatch.setattr(wired.store.clients, "page", Broken().page)
    assert ada.api.get("/v1/clients").status == 500
    assert ada.api.get("/health").status == 200

    assert [("error" in line, line["status"]) for line in lines_in(capfd.readouterr().out)] == [
        (False, 404),
        (True, 500),
        (False, 200),
    ]


CONTEXT = SimpleNamespace(function_name="daybook-test-OnDelivery", aws_request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd")


def test_a_batch_is_one_line_and_one_more_for_each_record_that_failed(
    wired: MemoryWired, capfd: pytest.CaptureFixture[str]
) -> None:
    bodies = [
        "{",
        MARK,
        {"source": MARK, "detail-type": 1},
        {"source": "daybook", "detail-type": "InvoiceIssued", "detail": MARK},
    ]

    answer = daybook.on_delivery(sqs(*bodies), CONTEXT)

    out, err = capfd.readouterr()
    assert (len(answer["batchItemFailures"]), err) == (4, "")
    assert MARK not in out
    *each, whole = lines_in(out)
    assert [line["message"] for line in each] == [f"message message-{place} failed" for place in range(4)]
    assert {line["error"][0]["type"] for line in each} == {"DecodeError", "ValidationError"}
    del whole["duration_ms"], whole["cold_start"]
    assert whole == {
        "level": "ERROR",
        "message": "event",
        "function": "daybook-test-OnDelivery",
        "request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "records": 4,
        "failures": 4,
        "status": "done",
    }


def test_a_stream_that_cannot_be_read_is_told_without_its_images(wired: MemoryWired, capfd: pytest.CaptureFixture[str]) -> None:
    image = {"pk": {"S": MARK}, "sk": {"S": MARK}, "id": {"S": MARK}, "type": {"S": "client"}, "name": {"S": MARK}}

    with pytest.raises(Exception, match=str(FIRST_SEQUENCE_NUMBER)):
        daybook.on_change(stream(record("INSERT", None, image)), CONTEXT)

    out, err = capfd.readouterr()
    assert (MARK in out, err) == (False, "")
    whole = lines_in(out)[-1]
    assert (whole["records"], whole["status"], whole["error"][0]["type"]) == (1, "failed", "BatchStuck")


def test_a_night_is_one_line(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    daybook.nightly(document("scheduled"), CONTEXT)
    for name in ("due_clients", "reports", "invoicing_queue"):
        monkeypatch.setattr(wired, name, Broken())
    with pytest.raises(RuntimeError):
        daybook.nightly(document("scheduled"), CONTEXT)

    out, _ = capfd.readouterr()
    assert [(line["records"], line["status"]) for line in lines_in(out)] == [(1, "done"), (1, "failed")]
    assert MARK not in out


@pytest.mark.parametrize("given", ["", "x" * 65, "a\r\nSet-Cookie: x=1", "<script>", "\ud800", "ключключ", None, 5])
def test_a_request_id_that_could_be_none_of_api_gateways_is_replaced(given: object, wired: MemoryWired) -> None:
    event = json.loads(json.dumps(EVENT))
    event["requestContext"]["requestId"] = given

    answer = daybook.app(event, None)

    assert answer["headers"]["X-Request-Id"] != given
    assert len(answer["headers"]["X-Request-Id"]) == 36


EVENT = {
    "requestContext": {"httpMethod": "GET", "resourcePath": "/health", "path": "/health"},
    "headers": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "body": None,
}
