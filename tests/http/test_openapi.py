"""The API's description: valid, of every route and nothing else, and true in what it says of them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.domain.identifiers import is_id
from chalicelib.edge import VERSION
from chalicelib.edge.application import Endpoint
from chalicelib.edge.refusals import REFUSALS
from chalicelib.edge.requests import OWN_IDS, PREFIX_OF
from tests.http.api import Answer, Api
from tests.http.described import check, description
from tests.http.examples import BODIES, ENDPOINTS, PROTECTED, WITH_BODY, move_in, name_of

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
SCHEMAS: dict[str, Any] = description()["components"]["schemas"]


def operation_of(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = description()["paths"][endpoint.path][endpoint.method.lower()]
    return operation


def test_the_description_is_served_to_everybody(visitor: Api) -> None:
    answer = visitor.get("/openapi.json")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json["openapi"].startswith("3.1.")
    assert answer.json == description()
    assert visitor.call("GET", "/openapi.json", headers={"If-None-Match": answer.headers["ETag"]}).status == 304


def test_it_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(description()).iter_errors()) == []


def test_it_has_every_route_and_nothing_else() -> None:
    described = [(path, method) for path, item in description()["paths"].items() for method in item]

    assert sorted(described) == sorted((endpoint.path, endpoint.method.lower()) for endpoint in ENDPOINTS)


def test_every_operation_is_named_after_its_view_and_no_two_alike() -> None:
    names = [operation_of(endpoint)["operationId"] for endpoint in ENDPOINTS]

    assert names == [endpoint.view.__name__ for endpoint in ENDPOINTS]
    assert len(set(names)) == len(names)


def test_only_operations_that_there_are_refuse_something() -> None:
    assert set(REFUSALS) <= {endpoint.view.__name__ for endpoint in ENDPOINTS}


def test_it_has_the_version_and_the_licence_of_the_project() -> None:
    assert description()["info"]["version"] == VERSION
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "chalicelib.edge.VERSION"}
    assert description()["info"]["license"]["identifier"] == PROJECT["project"]["license"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_only_what_is_public_needs_no_token(endpoint: Endpoint) -> None:
    assert operation_of(endpoint).get("security", description()["security"]) == ([] if endpoint.public else [{"token": []}])
    assert ("401" in operation_of(endpoint)["responses"]) == (endpoint in PROTECTED or endpoint.method == "POST")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_the_example_of_each_body_is_what_its_schema_asks_for(visitor: Api, endpoint: Endpoint) -> None:
    import jsonschema_rs

    assert endpoint.body is not None
    schema = operation_of(endpoint)["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.Draft202012Validator(schema | {"components": description()["components"]}, validate_formats=True)
    example = BODIES[endpoint.body](move_in(visitor, "ada@example.com").ids)

    assert [error.message for error in validator.iter_errors(example)] == []
    assert not validator.is_valid(example | {"nonsense": 1})


def test_a_path_parameter_has_the_pattern_of_its_ids_and_an_example() -> None:
    parameters = [one for endpoint in ENDPOINTS for one in operation_of(endpoint).get("parameters", []) if one["in"] == "path"]

    assert {parameter["name"] for parameter in parameters} == {name for one in ENDPOINTS for name, _ in one.path_parameters}
    for parameter in parameters:
        if parameter["name"] in OWN_IDS:
            assert re.search(parameter["schema"]["pattern"], parameter["example"])
        elif parameter["name"] in PREFIX_OF:
            assert is_id(PREFIX_OF[parameter["name"]], parameter["example"])
            assert parameter["schema"]["pattern"].startswith(f"^{PREFIX_OF[parameter['name']]}_")


def test_if_none_match_is_described_once_wherever_it_is_honoured() -> None:
    for endpoint in ENDPOINTS:
        headers = [one["name"] for one in operation_of(endpoint).get("parameters", []) if one["in"] == "header"]
        shown = endpoint.method == "GET" and 304 in {int(status) for status in operation_of(endpoint)["responses"]}
        assert headers.count("If-None-Match") == int(shown or endpoint.shown_by_get is not None)


def test_decimals_come_as_numbers_or_texts_and_go_as_numbers() -> None:
    assert SCHEMAS["NewClient"]["properties"]["rate"]["type"] == ["number", "string"]
    assert SCHEMAS["ClientView"]["properties"]["rate"]["type"] == "number"
    assert '"decimal"' not in json.dumps(description())


def test_every_instant_and_day_says_its_format() -> None:
    formats = {"_at": "date-time", "_on": "date"}
    for schema in SCHEMAS.values():
        for name, member in schema.get("properties", {}).items():
            expected = formats.get(name[-3:])
            kinds = [kind for kind in member.get("anyOf", [member]) if kind.get("type") != "null"]
            assert expected is None or [kind["format"] for kind in kinds] == [expected], (schema["title"], name)


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(418, {"X-Request-Id": "r-1", "Content-Type": "application/json", "ETag": '"1"'}, b"{}"),
        Answer(200, {"Content-Type": "application/json", "ETag": '"1"'}, b'{"status": "ok"}'),
        Answer(200, {"X-Request-Id": "r-1", "Content-Type": "application/json"}, b'{"status": "ok"}'),
        Answer(200, {"X-Request-Id": "r-1", "Content-Type": "text/plain", "ETag": '"1"'}, b'{"status": "ok"}'),
        Answer(200, {"X-Request-Id": "r-1", "Content-Type": "application/json", "ETag": '"1"'}, b'{"status": "ill"}'),
        Answer(200, {"X-Request-Id": "r-1", "Content-Type": "application/json", "ETag": '"1"'}, b"{}"),
        Answer(200, {"X-Request-Id": "r-1", "Content-Type": "application/json", "ETag": '"1"'}, b'{"status": "ok", "more": 1}'),
    ],
    ids=["status", "header", "entity tag", "media type", "value", "missing member", "unknown member"],
)
def test_an_answer_that_is_not_as_described_is_noticed(wrong: Answer) -> None:
    right = Answer(200, {"X-Request-Id": "r-1", "Content-Type": "application/json", "ETag": '"1"'}, b'{"status": "ok"}')
    check("GET", "/health", right)

    with pytest.raises(AssertionError):
        check("GET", "/health", wrong)


def test_a_problem_that_the_route_does_not_tell_of_is_noticed() -> None:
    problem = {"title": "t", "status": 409, "detail": "d", "instance": "/", "request_id": "r-1"}
    headers = {"X-Request-Id": "r-1", "Content-Type": "application/problem+json"}

    def answered(code: str) -> Answer:
        return Answer(409, headers, json.dumps(problem | {"type": f"/docs#{code}", "code": code}).encode())

    check("POST", "/v1/timer", answered("timer_running"))
    with pytest.raises(AssertionError):
        check("POST", "/v1/timer", answered("invoice_paid"))
