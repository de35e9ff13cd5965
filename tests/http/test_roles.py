"""What each role may do, route by route: a route that is not in this table fails the build."""

from dataclasses import replace

import pytest

from chalicelib.domain.users import Role
from chalicelib.edge.application import Endpoint
from tests.http.api import Api
from tests.http.examples import ENDPOINTS, PROTECTED, Inhabitant, move_in, name_of
from tests.wired import MemoryWired

NOBODY_ASKS = "public"
EVERYBODY = "owner admin member"
MANAGERS = "owner admin"
TABLE = {
    "GET /": NOBODY_ASKS,
    "GET /health": NOBODY_ASKS,
    "GET /openapi.json": NOBODY_ASKS,
    "GET /docs": NOBODY_ASKS,
    "POST /v1/accounts": NOBODY_ASKS,
    "POST /v1/tokens": NOBODY_ASKS,
    "GET /v1/account": EVERYBODY,
    "PUT /v1/account": MANAGERS,
    "POST /v1/users": MANAGERS,
    "GET /v1/users": EVERYBODY,
    "GET /v1/users/{user_id}": EVERYBODY,
    "PUT /v1/users/{user_id}": MANAGERS,
    "PATCH /v1/users/{user_id}": MANAGERS,
    "DELETE /v1/users/{user_id}": MANAGERS,
    "GET /v1/me": EVERYBODY,
    "PUT /v1/me/password": EVERYBODY,
    "POST /v1/clients": EVERYBODY,
    "GET /v1/clients": EVERYBODY,
    "GET /v1/clients/{client_id}": EVERYBODY,
    "PUT /v1/clients/{client_id}": EVERYBODY,
    "PATCH /v1/clients/{client_id}": EVERYBODY,
    "DELETE /v1/clients/{client_id}": EVERYBODY,
    "POST /v1/work": EVERYBODY,
    "GET /v1/work": EVERYBODY,
    "GET /v1/work/{entry_id}": EVERYBODY,
    "PUT /v1/work/{entry_id}": EVERYBODY,
    "DELETE /v1/work/{entry_id}": EVERYBODY,
    "POST /v1/timer": EVERYBODY,
    "GET /v1/timer": EVERYBODY,
    "DELETE /v1/timer": EVERYBODY,
    "POST /v1/invoices": EVERYBODY,
    "GET /v1/invoices": EVERYBODY,
    "GET /v1/invoices/{invoice_id}": EVERYBODY,
    "GET /v1/invoices/{invoice_id}/pdf": EVERYBODY,
    "POST /v1/invoices/{invoice_id}/payments": EVERYBODY,
    "POST /v1/invoices/{invoice_id}/credit-notes": EVERYBODY,
    "GET /v1/imports": EVERYBODY,
    "GET /v1/imports/{import_id}": EVERYBODY,
    "POST /v1/imports": EVERYBODY,
    "DELETE /v1/imports/{import_id}": EVERYBODY,
    "GET /v1/products": EVERYBODY,
    "GET /v1/products/{product_id}": EVERYBODY,
    "POST /v1/products": EVERYBODY,
    "PUT /v1/products/{product_id}": EVERYBODY,
    "DELETE /v1/products/{product_id}": EVERYBODY,
    "GET /v1/products/{product_id}/stock": EVERYBODY,
    "POST /v1/products/{product_id}/stock": EVERYBODY,
    "GET /v1/orders": EVERYBODY,
    "GET /v1/orders/{order_id}": EVERYBODY,
    "POST /v1/orders": EVERYBODY,
    "PUT /v1/orders/{order_id}": EVERYBODY,
    "POST /v1/orders/{order_id}/submit": EVERYBODY,
    "POST /v1/orders/{order_id}/cancel": EVERYBODY,
    "GET /v1/images": EVERYBODY,
    "GET /v1/images/{image_id}": EVERYBODY,
    "POST /v1/images": EVERYBODY,
    "DELETE /v1/images/{image_id}": EVERYBODY,
    "GET /v1/search": EVERYBODY,
    "GET /v1/reports/{day}": EVERYBODY,
}
TAKES_A_TIMER = {"GET /v1/timer", "DELETE /v1/timer"}


CELLS = [(endpoint, role) for endpoint in PROTECTED for role in Role]


def a_cell(one: object) -> str:
    return name_of(one) if isinstance(one, Endpoint) else str(one)


@pytest.fixture
def ada(visitor: Api) -> Inhabitant:
    return move_in(visitor, "ada@example.com")


def as_role(owner: Inhabitant, role: Role) -> Inhabitant:
    """Somebody in that role, in the same account."""
    return replace(owner, api=owner.api.add_user(f"{role}@example.com", role))


def test_the_table_has_every_route_and_no_other() -> None:
    assert sorted(map(name_of, ENDPOINTS)) == sorted(TABLE)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_a_route_is_declared_for_the_roles_of_the_table(endpoint: Endpoint) -> None:
    written = TABLE[name_of(endpoint)]

    assert endpoint.public == (written == NOBODY_ASKS)
    assert " ".join(role for role in Role if role in endpoint.roles) == ("" if endpoint.public else written)


@pytest.mark.parametrize(("endpoint", "role"), CELLS, ids=a_cell)
def test_a_role_is_served_or_forbidden_as_the_table_says(
    ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint, role: Role
) -> None:
    caller = as_role(ada, role)
    if name_of(endpoint) in TAKES_A_TIMER:
        assert caller.api.post("/v1/timer", {"client_id": ada.ids["client_id"]}).status == 201
        wired.clock.advance(hours=1)
    before = wired.state()

    answer = caller.send(endpoint)

    if role in TABLE[name_of(endpoint)].split():
        assert answer.status == endpoint.status
    else:
        assert (answer.status, answer.code) == (403, "forbidden")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert wired.state() == before


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.public], ids=name_of)
def test_a_public_route_serves_whoever_comes(ada: Inhabitant, visitor: Api, endpoint: Endpoint) -> None:
    assert replace(ada, api=visitor).send(endpoint).status == endpoint.status


@pytest.mark.parametrize(
    "endpoint", [one for one in PROTECTED if Role.MEMBER not in one.roles and one.path_parameters], ids=name_of
)
def test_who_may_not_learns_nothing_of_what_is_there(ada: Inhabitant, visitor: Api, endpoint: Endpoint) -> None:
    """Forbidden comes first, for whatever id: an own one, another account's, one that never was, and none at all."""
    member = as_role(ada, Role.MEMBER)
    eve = move_in(visitor, "eve@example.com")
    ids = [ada.ids["user_id"], eve.ids["user_id"], "usr_01J00000000000000000000000", "nonsense"]

    answers = [member.send(endpoint, path={"user_id": id_}) for id_ in ids]

    assert {(answer.status, answer.code) for answer in answers} == {(403, "forbidden")}
