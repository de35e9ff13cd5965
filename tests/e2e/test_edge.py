"""The edge of the deployed application, from outside: retries at once, writers at once, limits, roles, its description."""

import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed, Person, User

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

CROWD = 20
CLIENT = {"name": "Babbage & Co", "rate": 95, "currency": "EUR"}


@pytest.fixture(scope="module")
def owner(deployed: Deployed) -> User:
    return User(deployed.url)


def clients_called(user: User, name: str) -> int:
    return [client["name"] for client in user.ask("GET", "/v1/clients?limit=100")["clients"]].count(name)


def test_of_twenty_equal_requests_at_once_one_takes_effect_and_all_get_its_answer(owner: User) -> None:
    body, key = {**CLIENT, "name": "Once"}, {"Idempotency-Key": str(uuid.uuid4())}

    def ask_until_it_is_done(_: int) -> requests.Response:
        for _attempt in range(60):
            answer = owner.send("POST", "/v1/clients", body, key)
            if answer.status_code != 409:
                return answer
            assert answer.json()["code"] == "idempotency_in_progress"
            time.sleep(0.1)
        raise AssertionError("the first request never ended")

    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(ask_until_it_is_done, range(CROWD)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotent-Replayed") for answer in answers) == {None: 1, "true": CROWD - 1}
    assert clients_called(owner, "Once") == 1


def test_of_two_who_change_what_they_saw_one_is_told_that_it_changed(owner: User) -> None:
    path = f"/v1/clients/{owner.ask('POST', '/v1/clients', CLIENT, status=201)['id']}"
    seen = {"If-Match": owner.send("GET", path).headers["ETag"]}

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: owner.send("PATCH", path, {"name": name}, seen), ("First", "Second")))

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    changed = next(answer for answer in answers if answer.status_code == 200)
    assert owner.ask("GET", path)["name"] == changed.json()["name"]


def test_what_is_known_already_is_not_sent_again(owner: User) -> None:
    known = {"If-None-Match": owner.send("GET", "/v1/account").headers["ETag"]}

    answer = owner.send("GET", "/v1/account", headers=known)

    assert (answer.status_code, answer.content) == (304, b"")


def test_every_answer_says_what_is_left_of_the_limit(owner: User) -> None:
    first, second = (owner.send("GET", "/v1/account") for _ in range(2))

    assert int(first.headers["X-RateLimit-Remaining"]) > int(second.headers["X-RateLimit-Remaining"]) or (
        first.headers["RateLimit"].partition("t=")[2] < second.headers["RateLimit"].partition("t=")[2]  # the next minute
    )


def test_a_member_works_but_does_not_manage_and_is_out_when_removed(owner: User, deployed: Deployed) -> None:
    password, email = "a password of some length", f"{uuid.uuid4().hex}@example.com"
    member = owner.ask("POST", "/v1/users", {"name": "M", "email": email, "role": "member", "password": password}, status=201)
    signed_in = requests.post(
        deployed.url + "/v1/tokens", json={"email": email, "password": password}, timeout=TIMEOUT_SECONDS
    ).json()
    as_member = Person(deployed.url, signed_in["access_token"])

    assert as_member.ask("GET", "/v1/me")["role"] == "member"
    refused = as_member.send("DELETE", f"/v1/users/{member['id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")

    owner.ask("DELETE", f"/v1/users/{member['id']}")
    again = requests.post(deployed.url + "/v1/tokens", json={"email": email, "password": password}, timeout=TIMEOUT_SECONDS)
    assert again.status_code == 401


def test_a_problem_is_documented_at_the_address_of_its_type(owner: User) -> None:
    by_the_gateway = requests.get(owner.url + "/v1/clients", timeout=TIMEOUT_SECONDS)
    by_us = owner.send("GET", "/v1/clients/cli_01J00000000000000000000000")

    for answer, code in ((by_the_gateway, "unauthenticated"), (by_us, "not_found")):
        kind = answer.json()["type"]
        assert kind == f"/api/docs#{code}"
        # The local AWS has the stage's root elsewhere than API Gateway, whose addresses begin with it.
        page = requests.get(owner.url + kind.removeprefix("/api"), timeout=TIMEOUT_SECONDS)
        assert page.status_code == 200
        assert f'id="{code}"' in page.text


def test_it_describes_itself(deployed: Deployed) -> None:
    described = requests.get(deployed.url + "/openapi.json", timeout=TIMEOUT_SECONDS).json()
    page = requests.get(deployed.url + "/docs", timeout=TIMEOUT_SECONDS)

    assert described["openapi"].startswith("3.1")
    assert "/v1/invoices/{invoice_id}/credit-notes" in described["paths"]
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'id="idempotency_in_progress"' in page.text
