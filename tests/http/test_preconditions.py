"""ETag, If-Match and If-None-Match, on every route that shows or changes a single thing."""

from dataclasses import replace

import pytest

from chalicelib.domain.clients import Client
from chalicelib.edge.application import Answer, Application, Endpoint
from chalicelib.edge.preconditions import IfMatch
from chalicelib.edge.responses import Document
from chalicelib.edge.views import ClientList, Health, ListView
from tests.http.api import Api, client_body
from tests.http.examples import ENDPOINTS, Inhabitant, move_in, name_of
from tests.wired import MemoryWired

SHOWN = [
    endpoint
    for endpoint in ENDPOINTS
    if endpoint.method == "GET" and isinstance(endpoint.answer, type) and not issubclass(endpoint.answer, ListView)
]
GET = {endpoint.path: endpoint for endpoint in SHOWN}
NOT_SHOWN = {"/v1/me/password"}
"""What is changed and never shown: there is nothing that a caller could have seen."""
ACTIONS = {"/v1/orders/{order_id}/submit", "/v1/orders/{order_id}/cancel"}
"""What changes the thing above it as somebody saw it."""
CHANGED = [
    endpoint
    for endpoint in ENDPOINTS
    if (endpoint.method in {"PUT", "PATCH", "DELETE"} and endpoint.path not in NOT_SHOWN) or endpoint.path in ACTIONS
]


@pytest.fixture
def inhabitant(visitor: Api, wired: MemoryWired) -> Inhabitant:
    moved_in = move_in(visitor, "grace.h@example.com")
    moved_in.api.post("/v1/timer", {"client_id": moved_in.ids["client_id"]})
    return moved_in


def get_of(endpoint: Endpoint) -> Endpoint:
    """The GET of what is changed."""
    return GET[endpoint.path.rpartition("/")[0] if endpoint.path in ACTIONS else endpoint.path]


@pytest.mark.parametrize("endpoint", SHOWN, ids=name_of)
def test_what_the_caller_has_already_is_not_sent_again(endpoint: Endpoint, inhabitant: Inhabitant) -> None:
    first = inhabitant.send(endpoint)
    tag = first.headers["ETag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = inhabitant.send(endpoint, headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
        assert "X-Request-Id" in again.headers
    assert inhabitant.send(endpoint, headers={"If-None-Match": '"other"'}).body == first.body


@pytest.mark.parametrize("endpoint", CHANGED, ids=name_of)
def test_what_somebody_else_has_changed_is_left_alone(endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired) -> None:
    before = wired.state()

    for stale in ('"0123456789abcdef"', "no tag", f"W/{inhabitant.send(get_of(endpoint)).headers['ETag']}"):
        answer = inhabitant.send(endpoint, headers={"If-Match": stale})
        assert (answer.status, answer.code) == (412, "precondition_failed")

    assert wired.state() == before


@pytest.mark.parametrize("endpoint", CHANGED, ids=name_of)
def test_what_the_caller_has_is_not_changed_if_it_must_be_another(
    endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired
) -> None:
    before = wired.state()

    for known in (inhabitant.send(get_of(endpoint)).headers["ETag"], "*"):
        answer = inhabitant.send(endpoint, headers={"If-None-Match": known})
        assert (answer.status, answer.code) == (412, "precondition_failed")

    assert wired.state() == before


@pytest.mark.parametrize("endpoint", CHANGED, ids=name_of)
def test_what_is_as_the_caller_saw_it_is_changed(endpoint: Endpoint, inhabitant: Inhabitant, wired: MemoryWired) -> None:
    tag = inhabitant.send(get_of(endpoint)).headers["ETag"]
    wired.clock.advance(minutes=1)

    answer = inhabitant.send(endpoint, headers={"If-Match": f'"other", {tag}'})

    assert answer.status == endpoint.status, answer.body
    if endpoint.method in {"PUT", "PATCH"}:
        assert answer.headers["ETag"] == inhabitant.send(get_of(endpoint)).headers["ETag"] != tag


def test_any_tag_will_do_where_the_thing_need_only_be_there(api: Api) -> None:
    client_id = api.add_client()

    assert api.call("PATCH", f"/v1/clients/{client_id}", {"name": "New"}, {"If-Match": "*"}).status == 200


def test_of_two_writers_at_once_one_is_told(api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one's change falls between the first one's look and its write."""
    client_id = api.add_client()
    tag = {"If-Match": api.get(f"/v1/clients/{client_id}").headers["ETag"]}
    save = wired.store.clients.save

    def save_second(client: Client) -> None:
        monkeypatch.setattr(wired.store.clients, "save", save)
        wired.clock.advance(seconds=1)
        other = wired.store.clients.get(api.account_id, client_id)
        save(replace(other, name="Second", version=other.version + 1))
        save(client)

    monkeypatch.setattr(wired.store.clients, "save", save_second)

    answer = api.call("PUT", f"/v1/clients/{client_id}", client_body(name="First"), tag)

    assert (answer.status, answer.code) == (412, "precondition_failed")
    assert api.get(f"/v1/clients/{client_id}").json["name"] == "Second"


def test_what_was_made_says_where_it_is(api: Api) -> None:
    answer = api.post("/v1/clients", client_body())

    assert answer.headers["Location"] == f"clients/{answer.json['id']}"


@pytest.mark.parametrize("shown", [None, Document("text/plain"), ClientList])
def test_what_get_does_not_show_as_a_thing_cannot_be_declared_with_a_precondition(shown: Answer | None) -> None:
    app = Application("odd", allowed_origins=("*",))
    app.route("/things", answer=shown, public=True)(lambda: None)
    app.route("/things/latest", answer=Health, public=True)(lambda: None)
    declare = app.route("/things", methods=["PUT"], answer=Health, public=True)

    def change(if_match: IfMatch) -> None: ...

    with pytest.raises(ValueError, match="PUT /things takes an if_match: a GET that answers a View"):
        declare(change)
    assert [(each.method, each.path) for each in app.endpoints] == [("GET", "/things"), ("GET", "/things/latest")]


def test_a_precondition_needs_its_get_declared_before() -> None:
    app = Application("odd", allowed_origins=("*",))
    declare = app.route("/thing", methods=["PUT"], answer=Health, public=True)

    def change(if_match: IfMatch) -> None: ...

    with pytest.raises(ValueError, match="PUT /thing"):
        declare(change)
    app.route("/thing", answer=Health, public=True)(lambda: None)
    declare(change)
    assert [each.shown_by_get for each in app.endpoints] == [None, Health]


def test_an_action_is_on_the_thing_above_it() -> None:
    app = Application("odd", allowed_origins=("*",))
    app.route("/thing", answer=Health, public=True)(lambda: None)

    def act(if_match: IfMatch) -> None: ...

    app.route("/thing/ring", methods=["POST"], answer=Health, public=True)(act)
    assert app.endpoints[-1].shown_by_get is Health
    for method, path in (("POST", "/thing"), ("PUT", "/thing/ring")):
        with pytest.raises(ValueError, match=f"{method} {path}"):
            app.route(path, methods=[method], answer=Health, public=True)(act)
