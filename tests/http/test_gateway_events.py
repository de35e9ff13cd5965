"""The handler with API Gateway's own events, which differ from those that Chalice's test client makes."""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.accounts import Account
from chalicelib.domain.users import Caller
from chalicelib.usecases import accounts
from tests.builders import a_user, an_account
from tests.http.api import client_body
from tests.wired import MemoryWired

EVENT: dict[str, Any] = json.loads((Path(__file__).parent / "events" / "rest-proxy.json").read_text())
CALLER = EVENT["requestContext"]["authorizer"]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(wired: MemoryWired) -> Ask:
    """Hands an event to the handler, changed as told, for a caller whose account is there."""
    account = an_account(CALLER["account_id"])
    owner = a_user(CALLER["user_id"], account_id=CALLER["account_id"], email=CALLER["email"])
    wired.store.accounts.add(account, owner)

    def asked(
        method: str = "POST", resource: str = "/v1/clients", context: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        event = deepcopy(EVENT) | changes
        parameters = event["pathParameters"] or {}
        path = resource.format(**parameters) if parameters else resource
        event |= {"resource": resource, "path": path, "httpMethod": method}
        event["requestContext"] |= {"resourcePath": resource, "httpMethod": method, "path": f"/api{path}", **(context or {})}
        answer: dict[str, Any] = json.loads(json.dumps(daybook.app(event, None)))
        return answer

    return asked


def test_a_request_is_answered_as_the_proxy_integration_wants_it(ask: Ask) -> None:
    answer = ask()

    assert set(answer) - {"isBase64Encoded"} == {"statusCode", "headers", "multiValueHeaders", "body"}
    assert (answer["statusCode"], json.loads(answer["body"])["name"]) == (201, "Babbage & Co")
    assert answer["headers"]["X-Request-Id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert answer["headers"]["Content-Type"] == "application/json"
    assert answer.get("isBase64Encoded") in {None, False}


def test_a_body_in_base64_is_the_same_body(ask: Ask, wired: MemoryWired) -> None:
    body = base64.b64encode(json.dumps(client_body(name="Größe & Söhne")).encode()).decode()

    answer = ask(body=body, isBase64Encoded=True)

    assert json.loads(answer["body"])["name"] == "Größe & Söhne"


@pytest.mark.parametrize(
    ("body", "in_base64"),
    [
        (None, False),
        ("", False),
        (None, True),
        ("", True),
        ("no base64!", True),
        ("/w==", True),
        ("\ud800", False),
        ("{", False),
    ],
)
def test_a_body_that_is_no_text_is_malformed(ask: Ask, wired: MemoryWired, body: str | None, in_base64: bool) -> None:
    before = wired.state()

    answer = ask(body=body, isBase64Encoded=in_base64)

    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (400, "malformed")
    assert problem["request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert problem["instance"] == "/api/v1/clients"
    assert wired.state() == before


def test_a_request_without_any_headers_is_served(ask: Ask) -> None:
    assert ask(headers=None, multiValueHeaders=None)["statusCode"] == 201


def test_the_query_is_read_from_all_values(ask: Ask) -> None:
    for number in range(3):
        ask(body=json.dumps(client_body(name=f"Client {number}")))

    first = ask("GET", body=None, queryStringParameters={"limit": "2"}, multiValueQueryStringParameters={"limit": ["2"]})
    page = json.loads(first["body"])
    second = ask("GET", body=None, multiValueQueryStringParameters={"limit": ["2"], "next": [page["next"]]})
    doubled = ask("GET", body=None, queryStringParameters={"limit": "2"}, multiValueQueryStringParameters={"limit": ["1", "2"]})

    assert [client["name"] for client in page["clients"]] == ["Client 2", "Client 1"]
    assert [client["name"] for client in json.loads(second["body"])["clients"]] == ["Client 0"]
    assert first["headers"]["Link"] == f'<?limit=2&next={page["next"]}>; rel="next"', "right behind any stage and domain"
    assert json.loads(doubled["body"])["errors"][0]["pointer"] == "/limit"


@pytest.mark.parametrize("query", [{"\ud800": ["1"]}, {"limit": ["\udfff"]}, {"next": ["\ud800"]}])
def test_a_query_that_is_no_text_is_malformed(ask: Ask, query: dict[str, list[str]]) -> None:
    answer = ask("GET", body=None, multiValueQueryStringParameters=query)

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed")


@pytest.mark.parametrize("client_id", ["cli_01J00000000000000000000000", "a%2Fb", "%00", "%F0%9F%98%80", "\ud800", "x" * 3_000])
def test_an_unknown_id_is_not_found(ask: Ask, client_id: str) -> None:
    answer = ask("GET", "/v1/clients/{client_id}", body=None, pathParameters={"client_id": client_id})

    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (404, "not_found")
    assert problem["instance"] == f"/api/v1/clients/{client_id}".replace("\ud800", "?")


WORDS = ("account_id", "user_id", "email", "roles")
NO_WORDS: tuple[Any, ...] = (None, 5, [], {}, True)
NO_IDS = ("", "x", "../x", "acc_1", "acc_01J00000000000000000000001#", "usr_01J0000000000000000000000")
ODD_WORDS = [{**CALLER, name: odd} for name in WORDS for odd in (*NO_WORDS, *(NO_IDS if name.endswith("_id") else ()))]
ODD_WORDS += [{**CALLER, "roles": "god"}, *({name: CALLER[name] for name in CALLER if name != one} for one in WORDS)]


@pytest.mark.parametrize("authorizer", [None, "", "x", 5, [], {}, {"principalId": "usr_1"}, *ODD_WORDS], ids=str)
def test_without_the_authorizers_word_nobody_is_let_in(ask: Ask, wired: MemoryWired, authorizer: Any) -> None:
    """Should the gateway ever be deployed without its authorizer."""
    before = wired.state()

    answer = ask(context={"authorizer": authorizer})

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthenticated")
    assert answer["headers"]["WWW-Authenticate"] == "Bearer"
    assert wired.state() == before


@pytest.mark.parametrize(("said", "limit"), [({"limit": "600"}, 600), ({"limit": ""}, None), ({}, None)])
def test_the_authorizer_says_the_accounts_own_limit(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], limit: int | None
) -> None:
    callers: list[Caller] = []
    get_account = accounts.get_account

    def noted(caller: Caller, **ports: Any) -> Account:
        callers.append(caller)
        return get_account(caller, **ports)

    monkeypatch.setattr(accounts, "get_account", noted)

    assert ask("GET", "/v1/account", body=None, context={"authorizer": {**CALLER, **said}})["statusCode"] == 200
    assert [caller.requests_per_minute for caller in callers] == [limit]


def test_a_method_that_no_route_serves_is_not_allowed(ask: Ask) -> None:
    answer = ask("PATCH", "/v1/work/{entry_id}", pathParameters={"entry_id": "wrk_1"})

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (405, "method_not_allowed")
    assert answer["headers"]["Allow"] == "DELETE, GET, PUT"
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"


def test_a_path_that_no_route_serves_is_not_found(ask: Ask) -> None:
    answer = ask("GET", "/v2/clients", body=None)

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")
    assert "/v2/clients" not in daybook.app.routes


def test_what_goes_wrong_inside_stays_inside(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the table daybook-test has no item pk=acc_1")

    monkeypatch.setattr(accounts, "get_account", broken)

    answer = ask("GET", "/v1/account", body=None)

    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (500, "internal_error")
    assert problem["request_id"] == answer["headers"]["X-Request-Id"]
    assert "table" not in answer["body"]
    assert "RuntimeError" not in answer["body"]
    [line] = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (line["level"], line["request_id"], line["status"]) == ("ERROR", problem["request_id"], 500)
    assert line["error"][0]["type"] == "RuntimeError"
    assert line["error"][0]["at"][-1].endswith(" in broken")
    assert "has no item" not in str(line)


@pytest.mark.parametrize(
    "changes",
    [{"pathParameters": None}, {"multiValueQueryStringParameters": 5}, {"headers": 5}, {"multiValueHeaders": {"A": [None]}}],
    ids=str,
)
def test_an_event_that_api_gateway_would_never_send_is_answered_with_a_problem_too(ask: Ask, changes: dict[str, Any]) -> None:
    event = {"pathParameters": {"client_id": "cli_1"}} | changes
    parameters = event.pop("pathParameters")

    answer = ask("GET", "/v1/clients/{client_id}" if parameters is None else "/v1/clients", **changes)

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (500, "internal_error")
    assert answer["headers"]["X-Request-Id"] == json.loads(answer["body"])["request_id"]
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert answer["headers"]["Cache-Control"] == "no-store"
