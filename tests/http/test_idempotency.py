"""Idempotency-Key on every POST that is declared: one effect, one answer, whatever is lost on the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.edge.application import Endpoint
from tests.http.api import Answer, Api, client_body, made
from tests.http.examples import ENDPOINTS, Inhabitant, move_in, name_of
from tests.wired import MemoryWired

POSTS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "POST"]
WITH_EFFECT = [endpoint for endpoint in POSTS if endpoint.again is not None]
KEY = {"Idempotency-Key": "3f2b8c1e-once"}


class Crash(BaseException):
    """The process is no more; nothing of ours catches it."""


@pytest.fixture
def inhabitant(visitor: Api, wired: MemoryWired) -> Inhabitant:
    """With no timer running, so that one can be started."""
    return move_in(visitor, "grace.h@example.com")


@contextmanager
def crash_in(method: str, wired: MemoryWired) -> Iterator[None]:
    """The process ends when it calls that method of what is kept of requests."""

    def crash(*_arguments: object) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wired.store.keyed_requests, method, crash)
        with pytest.raises(Crash):
            yield


def things(wired: MemoryWired) -> dict[str, Any]:
    """All that is kept but for what is kept of requests."""
    return {name: kept for name, kept in wired.tables().items() if name != "keyed_requests"}


def test_only_signing_in_has_no_effect_to_find_again() -> None:
    assert {name_of(endpoint) for endpoint in set(POSTS) - set(WITH_EFFECT)} == {"POST /v1/tokens"}


def keyed(endpoint: Endpoint, inhabitant: Inhabitant) -> Callable[[], Answer]:
    """Sends the route's example under the one key."""
    body = {"email": "grace.h@example.com"} if name_of(endpoint) == "POST /v1/tokens" else None
    return lambda: inhabitant.send(endpoint, body=body, headers=KEY)


@pytest.mark.parametrize("endpoint", POSTS, ids=name_of)
def test_the_same_request_again_gets_the_same_answer_and_changes_nothing(
    endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired
) -> None:
    send = keyed(endpoint, inhabitant)
    first = send()
    kept = things(wired)
    wired.clock.advance(minutes=9 if endpoint.again is None else 23 * 60)

    second = send()

    assert (first.status, second.status) == (endpoint.status, endpoint.status), second.body
    assert second.body == first.body
    assert (first.headers.get("Idempotent-Replayed"), second.headers["Idempotent-Replayed"]) == (None, "true")
    assert second.headers.get("Location") == first.headers.get("Location")
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert things(wired) == kept


@pytest.mark.parametrize("endpoint", WITH_EFFECT, ids=name_of)
def test_an_effect_whose_answer_was_lost_is_answered_and_not_repeated(
    endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired
) -> None:
    send = keyed(endpoint, inhabitant)
    with crash_in("keep", wired):
        send()
    kept = things(wired)

    second, third = send(), send()

    assert second.status == endpoint.status, second.body
    assert second.headers["Idempotent-Replayed"] == "true"
    assert third.body == second.body
    assert things(wired) == kept


@pytest.mark.parametrize("endpoint", WITH_EFFECT, ids=name_of)
def test_a_crash_before_the_effect_delays_it_and_no_more(
    endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired
) -> None:
    send, before = keyed(endpoint, inhabitant), things(wired)
    with crash_in("effect", wired):
        send()

    assert things(wired) == before
    assert send().code == "idempotency_in_progress"

    wired.clock.advance(seconds=36)
    third = send()

    assert third.status == endpoint.status, third.body
    assert "Idempotent-Replayed" not in third.headers


@pytest.mark.parametrize("endpoint", POSTS, ids=name_of)
def test_another_request_under_the_same_key_is_refused(endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired) -> None:
    assert keyed(endpoint, inhabitant)().status == endpoint.status
    kept = things(wired)

    if endpoint.body is None:  # then it is another address that makes another request
        other_id = next(each["order_id"] for each in inhabitant.orders() if each["order_id"] != inhabitant.ids["order_id"])
        answer = inhabitant.send(endpoint, path={"order_id": other_id}, headers=KEY)
    else:
        member = {"amount": 2, "name": "Other", "minutes": 6, "description": "Other", "through": "2026-11-19", "quantity": 7}
        member |= {"reason": "Other", "filename": "other.jpg"}
        known = endpoint.body.__struct_fields__
        other = {name: value for name, value in member.items() if name in known} or {"password": "another long password"}
        answer = inhabitant.send(endpoint, body=other, headers=KEY)

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert things(wired) == kept


def test_a_request_that_was_refused_can_be_mended_under_the_same_key(api: Api) -> None:
    assert api.call("POST", "/v1/clients", client_body(rate="much"), KEY).status == 422
    assert api.call("POST", "/v1/clients", client_body(currency="XXX"), KEY).status == 422

    mended = api.call("POST", "/v1/clients", client_body(), KEY)

    assert mended.status == 201
    assert "Idempotent-Replayed" not in mended.headers


def test_what_the_state_of_things_refused_can_be_sent_again(api: Api) -> None:
    client_id = api.add_client()
    wanted = {"client_id": client_id, "through": "2026-11-19"}
    assert api.call("POST", "/v1/invoices", wanted, KEY).code == "nothing_to_invoice"
    api.log(client_id, "2026-11-19")

    assert api.call("POST", "/v1/invoices", wanted, KEY).status == 201


def test_a_key_is_good_for_a_day(api: Api, wired: MemoryWired) -> None:
    first = made(api.call("POST", "/v1/clients", client_body(), KEY))
    wired.clock.advance(hours=24)

    assert made(api.call("POST", "/v1/clients", client_body(), KEY))["id"] != first["id"]


def test_a_key_belongs_to_an_account_and_a_route(visitor: Api) -> None:
    ada, grace = visitor.signed_up("ada@example.com"), visitor.signed_up("grace@example.com")
    client_id = made(ada.call("POST", "/v1/clients", client_body(), KEY))["id"]

    hers = made(grace.call("POST", "/v1/clients", client_body(), KEY))
    entry = ada.call("POST", "/v1/work", {"client_id": client_id, "date": "2026-11-18", "minutes": 5}, KEY)

    assert hers["id"] != client_id
    assert entry.status == 201
    assert grace.get(f"/v1/clients/{client_id}").status == 404


def test_a_key_is_not_shared_by_the_users_of_an_account(api: Api) -> None:
    """The other one would be told of a timer that is not theirs."""
    client_id = api.add_client()
    member = api.add_user("member@example.com")
    assert api.call("POST", "/v1/timer", {"client_id": client_id}, KEY).status == 201

    answer = member.call("POST", "/v1/timer", {"client_id": client_id}, KEY)

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert member.get("/v1/timer").status == 404


def test_whoever_asks_again_before_the_first_is_answered_gets_the_same_answer(
    api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first one's effect and its answer somebody pays another part, and the retry is answered for both."""
    client_id = api.add_client()
    api.log(client_id, "2026-11-02")
    path = f"/v1/invoices/{api.issue(client_id, '2026-11-19')['id']}/payments"
    part = {"amount": 10, "paid_on": "2026-11-19"}
    keep, retried = wired.store.keyed_requests.keep, []

    def keep_after_a_retry(*arguments: Any) -> Any:
        monkeypatch.setattr(wired.store.keyed_requests, "keep", keep)
        made(api.post(path, part))
        retried.append(api.call("POST", path, part, KEY))
        return keep(*arguments)

    monkeypatch.setattr(wired.store.keyed_requests, "keep", keep_after_a_retry)
    first = api.call("POST", path, part, KEY)
    third = api.call("POST", path, part, KEY)

    assert [first.status, retried[0].status, third.status] == [201, 201, 201]
    assert first.body == retried[0].body == third.body
    assert len(first.json["payments"]) == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "schl\u00fcssel", "a\tb"], ids=repr)
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    answer = api.call("POST", "/v1/clients", client_body(), {"Idempotency-Key": key})

    assert (answer.status, answer.code) == (400, "malformed")


def test_other_methods_take_no_notice_of_a_key(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()

    for _ in range(2):
        assert "Idempotent-Replayed" not in api.call("PATCH", f"/v1/clients/{client_id}", {"name": "New"}, KEY).headers

    assert wired.tables()["keyed_requests"] == {}


def test_neither_key_nor_password_nor_token_is_kept(visitor: Api, wired: MemoryWired) -> None:
    api = visitor.signed_up("ada@example.com")
    credentials = {"email": "ada@example.com", "password": "correct horse battery"}
    answer = api.call("POST", "/v1/tokens", credentials, KEY)

    kept = repr(wired.tables()["keyed_requests"])

    token = answer.json["access_token"]
    assert token not in kept
    assert token.rpartition(".")[2] not in kept
    assert KEY["Idempotency-Key"] not in kept
    assert credentials["password"] not in kept
    assert visitor.call("POST", "/v1/tokens", credentials, KEY).json["access_token"] == token


def test_an_answer_that_cannot_be_kept_is_not_given(api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not be told again to the byte; asked again, the client is there, once."""
    from chalicelib.domain.errors import Unavailable

    def unavailable(*_: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(wired.store.keyed_requests, "keep", unavailable)
        assert api.call("POST", "/v1/clients", client_body(), KEY).status == 503

    assert api.call("POST", "/v1/clients", client_body(), KEY).headers["Idempotent-Replayed"] == "true"
    assert len(api.get("/v1/clients").json["clients"]) == 1
