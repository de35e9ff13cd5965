"""What callers see of the limits."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.limits import Quotas
from tests.fakes import SilentLimits
from tests.http.api import PASSWORD, Answer, Api
from tests.http.examples import ENDPOINTS
from tests.http.test_gateway_events import EVENT
from tests.wired import MemoryWired

QUOTAS = Quotas(user_requests=100, address_requests=60, sign_in_attempts=5, sign_in_quiet_seconds=900)
CREDENTIALS = {"email": "ada@example.com", "password": PASSWORD}
NAMES = ["RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining"]


@pytest.fixture
def strict(wired: MemoryWired) -> MemoryWired:
    """With the limits of a stage that says nothing else."""
    wired.quotas = QUOTAS
    return wired


def told(answer: Answer) -> dict[str, str]:
    return {name: answer.headers[name] for name in NAMES if name in answer.headers}


@pytest.fixture
def silence(strict: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the counters do not answer."""
    monkeypatch.setattr(strict.store, "limits", SilentLimits())


# Users


def test_the_hundred_and_first_request_of_a_user_in_a_minute_is_refused(strict: MemoryWired, visitor: Api) -> None:
    ada, eve = visitor.signed_up(), visitor.signed_up("eve@example.com")
    strict.clock.advance(seconds=37)

    answers = [ada.get("/v1/account") for _ in range(100)]
    refused = ada.get("/v1/account")

    assert {answer.status for answer in answers} == {200}
    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Retry-After"] == "23"
    assert eve.get("/v1/account").status == 200
    strict.clock.advance(seconds=23)
    assert ada.get("/v1/account").status == 200


def test_the_headers_count_down(strict: MemoryWired, api: Api) -> None:
    strict.clock.advance(seconds=37)

    first, second = api.get("/v1/account"), api.get("/v1/clients")

    assert told(first) == {
        "RateLimit-Policy": '"default";q=100;w=60',
        "RateLimit": '"default";r=99;t=23',
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "99",
    }
    assert second.headers["X-RateLimit-Remaining"] == "98"
    assert second.headers["RateLimit"] == '"default";r=98;t=23'
    assert "Retry-After" not in second.headers


def test_refusals_of_every_kind_count_and_tell(strict: MemoryWired, api: Api) -> None:
    answers = [
        api.get("/v1/clients/cli_1"),
        api.post("/v1/clients", "{"),
        api.post("/v1/clients", {}),
        api.get("/v1/clients?limit=0"),
        api.call("POST", "/v1/clients", "x", {"Content-Type": "text/plain"}),
    ]

    assert [answer.status for answer in answers] == [404, 400, 422, 422, 415]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["99", "98", "97", "96", "95"]


def test_a_refused_request_is_not_read_any_further(strict: MemoryWired, api: Api) -> None:
    strict.quotas = QUOTAS._replace(user_requests=1)
    api.get("/v1/account")
    before = strict.state()

    assert api.post("/v1/clients", "{").status == 429
    assert api.get("/v1/clients/no-id?x=1").status == 429
    assert strict.state() == before


def test_limits_survive_a_new_process(strict: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what counts is kept in the application."""
    strict.quotas = QUOTAS._replace(user_requests=2)
    ada = Api().signed_up()
    ada.get("/v1/account")
    another = MemoryWired(store=strict.store, clock=strict.clock, token_keys=strict.token_keys, quotas=strict.quotas)
    monkeypatch.setattr(daybook, "wired", another)

    assert [ada.get("/v1/account").status for _ in range(2)] == [200, 429]


# Addresses

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(strict: MemoryWired) -> Ask:
    """A request without a token, unless a caller is named, as API Gateway hands it on."""

    def asked(
        address: str | None,
        resource: str = "/v1/accounts",
        headers: dict[str, str] | None = None,
        method: str = "POST",
        caller: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = json.dumps({**CREDENTIALS, "password": "not the password"} if resource == "/v1/tokens" else {})
        event = deepcopy(EVENT) | {"resource": resource, "path": resource, "httpMethod": method, "body": body}
        event["headers"] |= headers or {}
        event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
        event["requestContext"] |= {"resourcePath": resource, "httpMethod": method, "authorizer": caller}
        event["requestContext"]["identity"] = {"sourceIp": address}
        answer: dict[str, Any] = json.loads(json.dumps(daybook.app(event, None)))
        return answer

    return asked


def remaining(answer: dict[str, Any]) -> int:
    return int(answer["headers"]["X-RateLimit-Remaining"])


def test_public_routes_are_limited_by_address(ask: Ask) -> None:
    answers = [ask("198.51.100.7") for _ in range(61)]

    assert [answer["statusCode"] for answer in answers] == [422] * 60 + [429]
    assert answers[0]["headers"]["RateLimit-Policy"] == '"address";q=60;w=60'
    assert answers[-1]["headers"]["Retry-After"] == "60"
    assert ask("198.51.100.8")["statusCode"] == 422


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8:1:2::1", "2001:DB8:0001:0002:0:0:0:9"),
        ("198.51.100.7", "::ffff:198.51.100.7"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        (None, "test-invoke-source-ip"),
    ],
)
def test_addresses_of_one_customer_are_one(ask: Ask, one: str | None, other: str | None) -> None:
    assert [remaining(ask(address)) for address in (one, other)] == [59, 58]


@pytest.mark.parametrize(("one", "other"), [("2001:db8:1:2::1", "2001:db8:1:3::1"), ("198.51.100.7", "198.51.100.70")])
def test_other_addresses_are_others(ask: Ask, one: str, other: str) -> None:
    assert [remaining(ask(address)) for address in (one, other)] == [59, 59]


def test_a_user_is_counted_from_whatever_address(ask: Ask) -> None:
    caller = EVENT["requestContext"]["authorizer"]

    answers = [ask(f"198.51.100.{n}", "/v1/clients", method="GET", caller=caller) for n in range(3)]

    assert [remaining(answer) for answer in answers] == [99, 98, 97]


def test_no_header_changes_who_is_asking(ask: Ask) -> None:
    forged = [
        {name: f"203.0.113.{n}"} for n, name in enumerate(("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP"))
    ]

    assert [remaining(ask("198.51.100.7", headers=headers)) for headers in forged] == [59, 58, 57, 56]


@pytest.mark.parametrize(("method", "resource", "status"), [("GET", "/v2/clients", 404), ("PATCH", "/v1/accounts", 405)])
def test_what_no_route_serves_is_counted_too(ask: Ask, method: str, resource: str, status: int) -> None:
    answers = [ask("198.51.100.7", resource, method=method) for _ in range(61)]

    assert (answers[0]["statusCode"], remaining(answers[0])) == (status, 59)
    assert answers[-1]["statusCode"] == 429
    assert "Access-Control-Allow-Origin" in answers[-1]["headers"]


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("path", ["/", "/health"])
def test_what_costs_nothing_is_not_counted(visitor: Api, path: str) -> None:
    answers = [visitor.get(path) for _ in range(70)]

    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["X-RateLimit-Remaining"] for answer in answers} == {"60"}


# Signing in


def test_five_attempts_to_sign_in_are_free_and_the_next_has_to_wait_longer_and_longer(
    strict: MemoryWired, visitor: Api
) -> None:
    visitor.signed_up()
    answers = [visitor.post("/v1/tokens", CREDENTIALS) for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0"]
    assert answers[0].headers["RateLimit-Policy"] == '"sign_in";q=5;w=900'
    assert answers[4].headers["RateLimit"] == '"sign_in";r=0;t=60'

    waits = []
    for _ in range(4):
        refused = visitor.post("/v1/tokens", CREDENTIALS)
        assert (refused.status, refused.code) == (429, "sign_in_locked")
        waits.append(int(refused.headers["Retry-After"]))
        strict.clock.advance(seconds=waits[-1])
        assert visitor.post("/v1/tokens", CREDENTIALS).status == 200
    assert waits == [60, 120, 240, 480]


def test_while_it_is_locked_no_password_is_looked_at(strict: MemoryWired, visitor: Api) -> None:
    visitor.signed_up()
    for _ in range(5):
        visitor.post("/v1/tokens", {**CREDENTIALS, "password": "not the password"})
    checked = len(strict.passwords.checked)

    assert visitor.post("/v1/tokens", CREDENTIALS).status == 429
    assert len(strict.passwords.checked) == checked == 5


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_what_a_web_page_can_send_from_anywhere_is_no_attempt(
    strict: MemoryWired, visitor: Api, content_type: str | None
) -> None:
    """Without asking first, it can send these; five of them would lock the network of whoever looks at the page."""
    visitor.signed_up()
    kind = {} if content_type is None else {"Content-Type": content_type}

    for _ in range(20):
        answer = visitor.client.http.request("POST", "/v1/tokens", headers=kind, body=json.dumps(CREDENTIALS).encode())
        assert answer.status_code == 415

    assert visitor.post("/v1/tokens", CREDENTIALS).status == 200


def test_a_body_without_a_password_is_no_attempt(strict: MemoryWired, visitor: Api) -> None:
    visitor.signed_up()

    assert {visitor.post("/v1/tokens", body).status for body in ["{", {}, {"email": "x"}] * 5} == {400, 422}
    assert visitor.post("/v1/tokens", CREDENTIALS).status == 200


def test_nobody_is_locked_out_by_their_mail_address(ask: Ask, strict: MemoryWired, visitor: Api) -> None:
    """An attacker who tries a victim's address hinders only who shares the attacker's network address."""
    visitor.signed_up()
    for _ in range(10):
        ask("203.0.113.9", "/v1/tokens")

    assert ask("203.0.113.9", "/v1/tokens")["statusCode"] == 429
    assert visitor.post("/v1/tokens", CREDENTIALS).status == 200


def test_who_is_locked_may_still_use_a_token(strict: MemoryWired, visitor: Api) -> None:
    ada = visitor.signed_up()
    for _ in range(6):
        locked = visitor.post("/v1/tokens", CREDENTIALS)

    assert (locked.status, ada.get("/v1/account").status) == (429, 200)


# If the counter is silent


@pytest.mark.usefixtures("silence")
def test_without_the_counter_users_are_served_and_told_only_what_is_allowed(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daybook.app.log, "propagate", True)

    answer = api.get("/v1/account")

    assert answer.status == 200
    assert told(answer) == {"RateLimit-Policy": '"default";q=100;w=60', "X-RateLimit-Limit": "100"}
    warning = next(record for record in caplog.records if record.levelname == "WARNING")
    assert warning.getMessage() == "request could not be counted"
    assert vars(warning)["told"] == {"request_id": answer.headers["X-Request-Id"]}


@pytest.mark.usefixtures("silence")
def test_without_the_counter_nobody_signs_in(strict: MemoryWired, api: Api) -> None:
    answer = api.post("/v1/tokens", CREDENTIALS)

    assert (answer.status, answer.code) == (503, "unavailable")
    assert told(answer) == {"RateLimit-Policy": '"sign_in";q=5;w=900', "X-RateLimit-Limit": "5"}
    assert strict.passwords.checked == []


# Every route


def test_routes_say_what_they_count_as() -> None:
    limits = {(endpoint.method, endpoint.path): endpoint.limit for endpoint in ENDPOINTS}

    assert {route for route, limit in limits.items() if limit == "none"} == {("GET", "/"), ("GET", "/health")}
    assert {route for route, limit in limits.items() if limit == "password"} == {
        ("POST", "/v1/tokens"),
        ("PUT", "/v1/me/password"),
    }


@pytest.mark.parametrize("path", ["/health", "/v1/account", "/v1/clients/x"])
def test_the_headers_are_structured_fields(api: Api, path: str) -> None:
    answer = api.get(path)

    assert re.fullmatch(r'"[a-z_]+";q=[1-9][0-9]*;w=[1-9][0-9]*', answer.headers["RateLimit-Policy"])
    assert re.fullmatch(r'"[a-z_]+";r=[0-9]+;t=[1-9][0-9]*', answer.headers["RateLimit"])
    policy, _, _ = answer.headers["RateLimit-Policy"].partition(";")
    assert answer.headers["RateLimit"].startswith(f"{policy};")
