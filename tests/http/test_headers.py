"""What every answer carries for browsers: what they may do with it, and whose pages may read it."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from chalice.config import Config
from chalice.local import LocalDevServer

import app as daybook
from chalicelib.edge.application import Application, Endpoint
from chalicelib.edge.responses import SECURITY_HEADERS, Document
from operations.serve import RequestHandler
from tests.http.api import Answer, Api
from tests.http.examples import ENDPOINTS, Inhabitant, move_in, name_of
from tests.wired import MemoryWired

RESOURCES = json.loads((Path(__file__).parents[2] / ".chalice" / "resources.json").read_text())
GATEWAYS_OWN: dict[str, Any] = RESOURCES["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
    "x-amazon-apigateway-gateway-responses"
]
ORIGINS = ("https://daybook.example", "http://localhost:5173")


@pytest.fixture
def ada(visitor: Api) -> Inhabitant:
    return move_in(visitor, "ada@example.com")


@pytest.fixture
def origins(monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """Two origins are configured."""
    monkeypatch.setattr(daybook.app, "_allowed_origins", ORIGINS)
    return ORIGINS


def answers_of(endpoint: Endpoint, ada: Inhabitant) -> Iterator[Answer]:
    """One that should be good, and refusals of several kinds."""
    yield ada.send(endpoint)
    yield ada.send(endpoint, query={"nonsense": "1"})
    yield ada.send(endpoint, query={"nonsense": "x" * 10_000})
    if endpoint.path_parameters:
        yield ada.send(endpoint, path={name: "none" for name, _ in endpoint.path_parameters})
    if endpoint.body:
        yield ada.send(endpoint, body=b"{")
    if not endpoint.public:
        yield Inhabitant(api=Api(token="garbage", client=ada.api.client), ids=ada.ids).send(endpoint)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_every_answer_tells_browsers_to_keep_share_and_run_nothing_of_it(ada: Inhabitant, endpoint: Endpoint) -> None:
    for answer in answers_of(endpoint, ada):
        # A document, which is the same for all, says itself how it is shown and kept.
        own = {"Cache-Control", "Content-Security-Policy"} if isinstance(endpoint.answer, Document) else set()
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value or (name in own and answer.status == 200), (name, answer.headers)


def test_what_no_route_serves_has_them_too() -> None:
    for resource, method in (("/v2/none", "GET"), ("/v1/clients", "TRACE")):
        answer = daybook.app(_event(method, resource), None)
        assert answer["headers"].items() >= SECURITY_HEADERS.items()


@pytest.mark.parametrize("kind", GATEWAYS_OWN)
def test_what_api_gateway_answers_by_itself_has_them_too(kind: str) -> None:
    said = GATEWAYS_OWN[kind]["responseParameters"]

    for name, value in SECURITY_HEADERS.items():
        # A header's text stands in single quotes there, and may hold some itself.
        assert said[f"gatewayresponse.header.{name}"] == f"'{value}'"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_an_answer_names_the_origin_that_asked_if_it_is_one_of_several(
    ada: Inhabitant, endpoint: Endpoint, origins: Sequence[str]
) -> None:
    for asked in (*origins, "https://evil.example", "null", origins[0] + ".evil.example", ""):
        signed_in = ada.api.signed_in("ada@example.com")  # a new password ends all tokens from before
        answer = replace(ada, api=replace(signed_in, headers={"Origin": asked})).send(endpoint)
        assert answer.headers["Access-Control-Allow-Origin"] == (asked if asked in origins else origins[0])
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_for_one_origin_and_for_all_of_them_the_answer_is_always_the_same(visitor: Api) -> None:
    assert visitor.get("/health", Origin="https://daybook.example").headers["Access-Control-Allow-Origin"] == "*"
    assert "Vary" not in visitor.get("/health").headers
    alone = Application("alone", allowed_origins=("https://daybook.example",))
    answer = alone(_event("GET", "/health"), None)
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://daybook.example"
    assert "Vary" not in answer["headers"]


@pytest.mark.parametrize("asked", [*ORIGINS, "https://evil.example"])
def test_chalice_local_answers_preflights_for_several_origins_too(
    wired: MemoryWired, origins: Sequence[str], asked: str
) -> None:
    server = LocalDevServer(daybook.app, Config.create(), "127.0.0.1", 0, handler_cls=RequestHandler)
    serving = threading.Thread(target=server.handle_single_request)
    serving.start()
    connection = HTTPConnection("127.0.0.1", server.server.server_port, timeout=10)
    connection.request("OPTIONS", "/v1/clients", headers={"Origin": asked, "Connection": "close"})
    answer = connection.getresponse()
    connection.close()
    serving.join()
    server.server.server_close()

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == (asked if asked in origins else origins[0])
    assert answer.headers["Vary"] == "Origin"
    assert set(answer.headers["Access-Control-Allow-Methods"].split(",")) == {"POST", "GET", "OPTIONS"}


def _event(method: str, resource: str) -> dict[str, Any]:
    empty = dict.fromkeys(("headers", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body"))
    return {"requestContext": {"httpMethod": method, "resourcePath": resource, "path": resource}, **empty}
