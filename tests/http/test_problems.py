"""Refusals: one table from domain error to status, one form for all, and a request id on every answer."""

import json
from collections.abc import Iterator

import pytest
from chalice.config import Config
from chalice.local import LocalGateway

import app as daybook
from chalicelib.domain import errors
from chalicelib.domain.errors import DaybookError, FieldError, Invalid, Unavailable
from chalicelib.edge import problems
from chalicelib.edge.application import Endpoint
from tests.http.api import Api
from tests.http.examples import ENDPOINTS, NEVER, OTHER_PATH_PARAMETERS, Inhabitant, move_in, name_of
from tests.wired import MemoryWired

LIMIT_HEADERS = ["RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining"]
STATUS_OF = {
    "too_many_requests": 429,
    "sign_in_locked": 429,
    "malformed": 400,
    "bad_cursor": 400,
    "unauthenticated": 401,
    "invalid_credentials": 401,
    "forbidden": 403,
    "not_found": 404,
    "idempotency_in_progress": 409,
    "idempotency_key_reused": 422,
    "precondition_failed": 412,
    "method_not_allowed": 405,
    "conflict": 409,
    "out_of_step": 409,
    "row_marked": 409,
    "import_taken_over": 409,
    "not_together": 409,
    "unreadable": 422,
    "email_taken": 409,
    "last_owner": 409,
    "client_archived": 409,
    "client_currency_fixed": 409,
    "work_entry_billed": 409,
    "work_overlaps": 409,
    "work_sheet_full": 409,
    "timer_running": 409,
    "out_of_stock": 409,
    "order_in_progress": 409,
    "order_not_cancelable": 409,
    "total_mismatch": 422,
    "order_failed": 409,
    "validation_failed": 409,
    "payment_declined": 409,
    "insufficient_funds": 409,
    "payment_gateway_error": 409,
    "reservation_expired": 409,
    "not_undone": 409,
    "out_of_turn": 409,
    "shipping_failed": 409,
    "canceled": 409,
    "stock_not_counted": 409,
    "stock_too_large": 409,
    "product_ids_differ": 400,
    "nothing_to_invoice": 409,
    "invoice_too_large": 409,
    "invoice_credited": 409,
    "invoice_paid": 409,
    "contended": 409,
    "too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "invalid": 422,
    "headers_too_large": 431,
    "internal_error": 500,
    "mail_refused": 502,
    "unavailable": 503,
}


def _kinds(root: type[DaybookError] = DaybookError) -> Iterator[type[DaybookError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


def test_every_error_has_a_code_of_its_own_and_the_status_of_the_contract() -> None:
    kinds = [kind for kind in _kinds() if kind.__module__ in {errors.__name__, problems.__name__}]

    assert {kind.code: problems.status_of(kind) for kind in kinds} == STATUS_OF
    assert len(kinds) == len(STATUS_OF)


def test_a_problem_says_all_that_the_contract_asks_for() -> None:
    error = Invalid([FieldError("/rate", "must not be negative"), FieldError("/a~1b", "is not known")])

    answer = problems.respond(problems.problem_of(error, instance="/v1/clients", request_id="r-1"), {"X-Request-Id": "r-1"})

    assert answer.headers == {"Content-Type": "application/problem+json", "X-Request-Id": "r-1"}
    assert (answer.status_code, json.loads(answer.body)) == (
        422,
        {
            "type": "/docs#invalid",
            "title": "The request can be read but breaks a rule.",
            "status": 422,
            "detail": "/rate: must not be negative; /a~1b: is not known",
            "instance": "/v1/clients",
            "code": "invalid",
            "request_id": "r-1",
            "errors": [
                {"pointer": "/rate", "detail": "must not be negative"},
                {"pointer": "/a~1b", "detail": "is not known"},
            ],
        },
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_every_answer_has_a_request_id_of_its_own_and_may_be_read_by_a_browser(visitor: Api, endpoint: Endpoint) -> None:
    answers = [move_in(visitor, email).send(endpoint) for email in ("ada@example.com", "grace.h@example.com")]

    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 2
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        exposed = set(answer.headers["Access-Control-Expose-Headers"].split(","))
        assert {"Link", "Location", "X-Request-Id", "Retry-After", *LIMIT_HEADERS} <= exposed
        assert set(LIMIT_HEADERS) <= answer.headers.keys()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_a_preflight_is_answered_for_every_route(endpoint: Endpoint) -> None:
    """By the gateway alone; Chalice's test client stumbles over the empty body."""
    address = endpoint.path.format(**NEVER, **OTHER_PATH_PARAMETERS)

    answer = LocalGateway(daybook.app, Config.create()).handle_request("OPTIONS", address, {}, b"")

    assert answer["statusCode"] == 200
    assert endpoint.method in answer["headers"]["Access-Control-Allow-Methods"].split(",")
    assert {"Authorization", "Content-Type", "If-Match"} <= set(answer["headers"]["Access-Control-Allow-Headers"].split(","))


def test_a_service_that_does_not_answer_is_a_503(visitor: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    ada: Inhabitant = move_in(visitor, "ada@example.com")

    def silent(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(wired.store.clients, "get", silent)
    answer = ada.api.get(f"/v1/clients/{ada.ids['client_id']}")

    assert (answer.status, answer.code) == (503, "unavailable")


def test_chalice_local_answers_a_bad_token_as_we_do(visitor: Api) -> None:
    answer = Api(token="garbage", client=visitor.client).get("/v1/clients")

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json == {
        "type": "/docs#unauthenticated",
        "title": "No valid credentials were presented.",
        "status": 401,
        "detail": "No valid credentials were presented.",
        "instance": "/v1/clients",
        "code": "unauthenticated",
        "request_id": answer.headers["X-Request-Id"],
    }
