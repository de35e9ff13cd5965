"""What `/openapi.json` says, as a check: every answer that any test of HTTP gets is held against it.

It is read more strictly than it is written: an answer may have no member that the description does not name.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import jsonschema_rs

import app as daybook
from chalicelib.edge.openapi import description_of


class Answered(Protocol):
    """An answer with the names of its headers as they were sent."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


@cache
def description() -> dict[str, Any]:
    """The document, as it is served."""
    document: dict[str, Any] = json.loads(description_of(daybook.app).content)
    return document


def check(method: str, target: str, answer: Answered) -> None:
    """Fails unless the description foresees this answer to this request."""
    request = f"{method} {target[:200]}"
    path = _path_of(target.partition("?")[0])
    operation = description()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        assert answer.status in {404, 405}, (request, answer.status)
        _check_body(request, answer, json.dumps({"$ref": "#/components/schemas/Problem"}))
        return
    assert str(answer.status) in operation["responses"], f"{request} is not said to answer {answer.status}: {answer.body!r}"
    told = _resolved(operation["responses"][str(answer.status)])
    for name, header in told["headers"].items():
        assert name in answer.headers or not _resolved(header).get("required"), (request, answer.status, name)
    if "content" not in told:
        assert answer.body == b"", request
        return
    media_type = answer.headers["Content-Type"]
    assert media_type in told["content"], (request, media_type)
    if "json" in media_type:
        _check_body(request, answer, json.dumps(told["content"][media_type]["schema"]))


def _path_of(path: str) -> str | None:
    """The described path that serves this one; the fixed one where there are two, as API Gateway has it."""
    asked = path.split("/")
    fitting = [known for known in description()["paths"] if _fits(known.split("/"), asked)]
    return min(fitting, key=lambda known: known.count("{"), default=None)


def _fits(known: list[str], asked: list[str]) -> bool:
    return len(known) == len(asked) and all(
        one == other or (one.startswith("{") and other) for one, other in zip(known, asked, strict=True)
    )


def _check_body(request: str, answer: Answered, schema: str) -> None:
    found = [f"{error.instance_path}: {error.message}" for error in _validator(schema).iter_errors(json.loads(answer.body))]
    assert found == [], (request, answer.status, found)


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    strict = json.loads(schema) | {"components": {"schemas": _closed(description()["components"]["schemas"])}}
    return jsonschema_rs.Draft202012Validator(strict, validate_formats=True)


def _closed(schema: Any) -> Any:
    """The schema, with every object closed that does not say itself what else it may have."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return {"additionalProperties": False} | closed if schema.get("type") == "object" else closed


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    _, *steps = node["$ref"].split("/")
    found: Any = description()
    for step in steps:
        found = found[step]
    resolved: dict[str, Any] = found
    return resolved
