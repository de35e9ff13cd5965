"""Another account's id, wherever it may stand, is answered like an id that never was, and nothing changes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from chalicelib.edge.application import Endpoint
from chalicelib.edge.bodies import ListQuery
from tests.http.api import Answer, Api
from tests.http.examples import ENDPOINTS, NEVER, PROTECTED, WITH_BODY, Inhabitant, move_in, name_of
from tests.wired import MemoryWired


@dataclass(frozen=True)
class Slot:
    """A place in a request where an id can stand."""

    endpoint: Endpoint
    where: str
    name: str

    def send(self, inhabitant: Inhabitant, value: str) -> Answer:
        filled = {self.name: value}
        match self.where:
            case "path":
                return inhabitant.send(self.endpoint, path=filled)
            case "query":
                return inhabitant.send(self.endpoint, query=filled)
            case _:
                return inhabitant.send(self.endpoint, body=filled)

    def alike(self, inhabitant: Inhabitant, value: str) -> tuple[int, dict[str, str], bytes]:
        """The answer as `_alike` shows it."""
        return _alike(self.send(inhabitant, value), value if self.where == "path" else "")


def _slots() -> Iterator[Slot]:
    for endpoint in ENDPOINTS:
        named = {
            "path": [name for name, _ in endpoint.path_parameters],
            "query": list(endpoint.query.__struct_encode_fields__) if endpoint.query else [],
            "body": list(endpoint.body.__struct_encode_fields__) if endpoint.body else [],
        }
        for where, names in named.items():
            yield from (Slot(endpoint, where, name) for name in names if name.endswith("_id") and name not in OTHERS_IDS)


NOBODYS = {**NEVER, "account_id": "acc_01J00000000000000000000000", "user_id": "usr_01J00000000000000000000000"}
OTHERS_IDS = {"vat_id", "tax_id", "customer_id"}
"""The tax office's, and the shop's own words for its customers: they name nothing of ours."""
DEEPER = {
    ("NewOrder", "items"),
    ("NewOrder", "shipping_address"),
    ("EditedOrder", "items"),
    ("EditedOrder", "shipping_address"),
}
"""Members of bodies that are objects themselves; `tests/http/test_orders.py` looks into them."""
SLOTS = list(_slots())
NAMED_BY_CALLERS = [slot for slot in SLOTS if slot.where == "path" and slot.endpoint.may_make]
"""Where whoever asks names a thing of their own, as others may have named theirs."""
OWNED = [slot for slot in SLOTS if slot.name != "image_id"]
"""No account has images yet."""
LISTS = [endpoint for endpoint in ENDPOINTS if endpoint.query is not None and issubclass(endpoint.query, ListQuery)]


def a_slot(slot: Slot) -> str:
    return f"{name_of(slot.endpoint)} {slot.where} {slot.name}"


@pytest.fixture
def ada(visitor: Api) -> Inhabitant:
    return move_in(visitor, "ada@example.com")


@pytest.fixture
def eve(visitor: Api) -> Inhabitant:
    return move_in(visitor, "eve@example.com")


COUNTS_ON = {"X-Request-Id", "X-RateLimit-Remaining", "RateLimit"}
DIGESTS = {"ETag"}
"""Of what stands in the answer, the id that was sent among it."""


def _alike(answer: Answer, in_path: str = "") -> tuple[int, dict[str, str], bytes]:
    """An answer without what differs from request to request: its id, what the limit leaves, an id in the address asked for."""
    headers = {name: value for name, value in answer.headers.items() if name not in COUNTS_ON | DIGESTS}
    body = answer.body.replace(answer.headers["X-Request-Id"].encode(), b"REQUEST")
    return answer.status, headers, body.replace(in_path.encode(), b"ID") if in_path else body


def test_there_are_slots_to_try() -> None:
    assert {slot.where for slot in SLOTS} == {"path", "query", "body"}
    assert {slot.name for slot in SLOTS} == set(NEVER)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_no_id_hides_deeper_in_a_body_than_these_tests_look(endpoint: Endpoint) -> None:
    def deeper(kind: msgspec.inspect.Type) -> bool:
        inner = [getattr(kind, name) for name in ("item_type", "value_type") if hasattr(kind, name)]
        inner += list(getattr(kind, "types", ())) + list(getattr(kind, "item_types", ()))
        return isinstance(kind, msgspec.inspect.StructType) or any(deeper(one) for one in inner)

    body = msgspec.inspect.type_info(endpoint.body)
    assert isinstance(body, msgspec.inspect.StructType)
    assert {(body.cls.__name__, member.name) for member in body.fields if deeper(member.type)} <= DEEPER


@pytest.mark.parametrize("slot", OWNED, ids=a_slot)
def test_an_own_id_is_served(ada: Inhabitant, slot: Slot) -> None:
    """Otherwise the next test would show nothing."""
    assert slot.send(ada, ada.ids[slot.name]).status in {200, 201, 204, 302, 409}
    if slot.endpoint.method == "GET":
        assert ada.ids[slot.name].encode() in slot.send(ada, ada.ids[slot.name]).body or slot.endpoint.status == 302


@pytest.mark.parametrize("slot", [slot for slot in SLOTS if slot not in NAMED_BY_CALLERS], ids=a_slot)
def test_another_accounts_id_is_answered_like_one_that_never_was(
    ada: Inhabitant, eve: Inhabitant, wired: MemoryWired, slot: Slot
) -> None:
    before = wired.state()

    stranger = slot.alike(eve, ada.ids[slot.name])

    assert stranger == slot.alike(eve, NEVER[slot.name])
    assert stranger[0] == (200 if slot.where == "query" else 404)
    assert wired.state() == before


@pytest.mark.parametrize("slot", NAMED_BY_CALLERS, ids=a_slot)
def test_what_another_account_has_named_can_be_named_alike(
    ada: Inhabitant, eve: Inhabitant, wired: MemoryWired, slot: Slot
) -> None:
    shown = next(one for one in SLOTS if (one.endpoint.path, one.endpoint.method) == (slot.endpoint.path, "GET"))
    theirs = shown.send(ada, ada.ids[slot.name]).body

    assert slot.send(eve, ada.ids[slot.name]).status == 201

    assert shown.send(ada, ada.ids[slot.name]).body == theirs


HEADERS_THAT_NAME_THINGS = ("If-Match", "If-None-Match", "Idempotency-Key")
"""Read by the application, or meant to be; whoever adds a header in which something can be named adds it here."""


def _places(endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """Every place in a request of this route where a text can stand, whatever it is meant for."""
    yield from (("path", name) for name, _ in endpoint.path_parameters)
    yield from (("query", name) for name in (endpoint.query.__struct_encode_fields__ if endpoint.query else ()))
    yield from (("body", name) for name in (endpoint.body.__struct_encode_fields__ if endpoint.body else ()))
    yield from (("header", name) for name in HEADERS_THAT_NAME_THINGS)
    yield from (("query", "nonsense"), ("header", "X-Account-Id"))


@dataclass
class Fork:
    """Two tenants, and what comes of one request from the same state on, again and again."""

    ada: Inhabitant
    eve: Inhabitant
    wired: MemoryWired

    def __post_init__(self) -> None:
        self.tables, self.ids_made = self.wired.tables(), self.wired.ids.made

    def course_of_things(self, endpoint: Endpoint, place: tuple[str, str], value: str) -> list[str]:
        """The answer to eve, and all that was written; the id that she sent reads ID, tokens are left out."""
        before = self.wired.state()
        where, name = place
        if where == "header":
            answer = replace(self.eve, api=replace(self.eve.api, headers={name: value})).send(endpoint)
        else:
            answer = Slot(endpoint, where, name).send(self.eve, value)
        status, headers, body = _alike(answer)
        without_token = re.sub(rb'"access_token":"[^"]*"', b"", body)
        written = list(_written(before, self.wired.state()))
        self._return()
        return [one.replace(value, "ID") for one in (f"{status} {headers} {without_token.decode()}", *written)]

    def _return(self) -> None:
        for name, kept in self.tables.items():
            table = getattr(self.wired.store.accounts._state, name)
            table.clear()
            table.update(kept)
        self.wired.documents._kept.clear()
        self.wired.ids.made = self.ids_made


@pytest.fixture
def fork(ada: Inhabitant, eve: Inhabitant, wired: MemoryWired) -> Fork:
    return Fork(ada, eve, wired)


def _written(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What is in one state and not in the other; what is kept of keyed requests are digests, and a claim made by chance."""
    for name, part in after.items():
        if name == "keyed_requests":
            continue
        if isinstance(part, dict):
            keys = [key for key in {**before[name], **part} if before[name].get(key) != part.get(key)]
            yield from (f"{name} {key} {part.get(key)!r}" for key in keys)
        else:
            yield from (f"{name} {one!r}" for one in part[len(before[name]) :])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_wherever_another_accounts_id_stands_all_goes_as_with_one_that_never_was(fork: Fork, endpoint: Endpoint) -> None:
    theirs = {**fork.ada.ids, "account_id": fork.ada.api.account_id, "user_id": fork.ada.api.user_id}
    for place in _places(endpoint):
        for kind, never in NOBODYS.items():
            as_theirs = fork.course_of_things(endpoint, place, theirs[kind])
            assert as_theirs == fork.course_of_things(endpoint, place, never), (place, kind)


def test_what_a_request_writes_is_part_of_the_comparison(fork: Fork) -> None:
    """Otherwise the test before would show less than it says."""
    add = next(endpoint for endpoint in WITH_BODY if endpoint.path == "/v1/clients" and endpoint.method == "POST")

    answer, *written = fork.course_of_things(add, ("body", "description"), fork.ada.ids["client_id"])

    assert answer.startswith("201 ")
    assert any(one.startswith("clients ") and "ID" in one for one in written)
    assert fork.wired.tables() == fork.tables


@pytest.mark.parametrize("slot", [slot for slot in SLOTS if slot not in NAMED_BY_CALLERS], ids=a_slot)
def test_an_id_of_another_kind_is_answered_like_one_that_never_was(ada: Inhabitant, wired: MemoryWired, slot: Slot) -> None:
    before = wired.state()

    for other in [ada.api.account_id, *(ada.ids[name] for name in NEVER if name != slot.name)]:
        assert slot.alike(ada, other) == slot.alike(ada, NEVER[slot.name])
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", LISTS, ids=name_of)
def test_a_cursor_of_another_account_or_list_is_none_of_this_list(
    ada: Inhabitant, eve: Inhabitant, wired: MemoryWired, endpoint: Endpoint
) -> None:
    cursors = {one.path: ada.send(one, query={"limit": "1"}).json["next"] for one in LISTS}
    assert ada.send(endpoint, query={"next": cursors[endpoint.path]}).status == 200
    before = wired.state()

    strangers = [eve.send(endpoint, query={"next": cursor}) for cursor in cursors.values()]
    mixed_up = [ada.send(endpoint, query={"next": cursor}) for path, cursor in cursors.items() if path != endpoint.path]
    garbage = eve.send(endpoint, query={"next": "AAAAAAAAAAAAAAAAAAAAAAAA"})

    assert (garbage.status, garbage.code) == (400, "bad_cursor")
    alike = {
        str(_alike(answer, who.ids["product_id"])) for who, answers in ((eve, strangers), (ada, mixed_up)) for answer in answers
    }
    assert alike == {str(_alike(garbage, eve.ids["product_id"]))}
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", [one for one in PROTECTED if one.method == "GET"], ids=name_of)
def test_nothing_of_another_account_is_ever_shown(ada: Inhabitant, eve: Inhabitant, endpoint: Endpoint) -> None:
    shown = eve.send(endpoint).body + str(eve.send(endpoint).headers).encode()

    for theirs in (*ada.ids.values(), ada.api.account_id, ada.api.user_id, "ada@example.com"):
        assert theirs.encode() not in shown


@pytest.mark.parametrize("endpoint", PROTECTED, ids=name_of)
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer garbage"}, {"Authorization": "Basic YTpi"}], ids=str)
def test_without_a_good_token_a_route_is_closed(
    ada: Inhabitant, visitor: Api, wired: MemoryWired, endpoint: Endpoint, header: Mapping[str, str]
) -> None:
    before = wired.state()
    nobody = Inhabitant(api=replace(visitor, headers=header), ids=ada.ids)

    assert nobody.send(endpoint).status == 401
    assert wired.state() == before
