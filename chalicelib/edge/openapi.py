"""The API's description as OpenAPI 3.1, made from the routes and types that serve it, and from nothing else.

Only the routes that show it import this: nobody else's cold start pays for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast

import msgspec

from chalicelib.domain.errors import (
    BadCursor,
    Contended,
    DaybookError,
    FieldError,
    Forbidden,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    Invalid,
    Malformed,
    NotFound,
    PreconditionFailed,
    SignInLocked,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from chalicelib.domain.idempotency import MAX_KEY_LENGTH
from chalicelib.domain.identifiers import ENTROPY_BYTES, id_pattern, make_id
from chalicelib.domain.money import EXPONENT_BOUND, MAX_SIGNIFICANT_DIGITS
from chalicelib.domain.users import Role
from chalicelib.edge import VERSION
from chalicelib.edge.application import Application, Endpoint, is_shown_below, shown_below
from chalicelib.edge.bodies import ListQuery
from chalicelib.edge.problems import (
    MEDIA_TYPE,
    HeadersTooLarge,
    Problem,
    TooLarge,
    Unexpected,
    UnsupportedMediaType,
    UriTooLong,
    status_of,
)
from chalicelib.edge.refusals import REFUSALS
from chalicelib.edge.requests import NUMBER, OWN_IDS, PREFIX_OF
from chalicelib.edge.responses import Document, Text
from chalicelib.edge.views import ListView, View

Schema = dict[str, Any]
_SCHEMAS = "#/components/schemas/"
_EXAMPLE_DAY = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_DIGITS = f"An exact decimal number with at most {MAX_SIGNIFICANT_DIGITS} significant digits."


# What can be said of every route of a kind. A convention is told here once, not at each route.


def _any(_: Endpoint) -> bool:
    return True


def _needs_token(endpoint: Endpoint) -> bool:
    return not endpoint.public


def _is_for_some_roles(endpoint: Endpoint) -> bool:
    return not endpoint.public and set(endpoint.roles) != set(Role)


def _takes_body(endpoint: Endpoint) -> bool:
    return endpoint.body is not None


def _takes_query(endpoint: Endpoint) -> bool:
    return endpoint.query is not None


def _is_list(endpoint: Endpoint) -> bool:
    return endpoint.query is not None and issubclass(endpoint.query, ListQuery)


def _names_a_thing(endpoint: Endpoint) -> bool:
    return bool(endpoint.path_parameters)


def _takes_password(endpoint: Endpoint) -> bool:
    return endpoint.limit == "password"


def _is_post(endpoint: Endpoint) -> bool:
    return endpoint.method == "POST"


def _hands_out_tokens(endpoint: Endpoint) -> bool:
    """Its kept answer holds a token, which is not told again once its key is retired."""
    return _is_post(endpoint) and endpoint.public


def _takes_if_match(endpoint: Endpoint) -> bool:
    return endpoint.shown_by_get is not None


def _may_make(endpoint: Endpoint) -> bool:
    return endpoint.may_make


def _takes_if_none_match(endpoint: Endpoint) -> bool:
    return not _may_make(endpoint) and (_takes_if_match(endpoint) or _is_conditional(endpoint))


def _has_a_tag(endpoint: Endpoint) -> bool:
    return endpoint.answer is not None and not _answers_list(endpoint) and endpoint.method in {"GET", "PUT", "PATCH"}


def _is_conditional(endpoint: Endpoint) -> bool:
    return endpoint.method == "GET" and _has_a_tag(endpoint)


def _answers_list(endpoint: Endpoint) -> bool:
    return isinstance(endpoint.answer, type) and issubclass(endpoint.answer, ListView)


def _changes_what_is_there(endpoint: Endpoint) -> bool:
    return endpoint.method != "GET" and not endpoint.public


_REFUSALS: tuple[tuple[Callable[[Endpoint], bool], tuple[type[DaybookError], ...]], ...] = (
    (_takes_body, (Malformed, TooLarge, UnsupportedMediaType, Invalid)),
    (_takes_query, (Malformed, Invalid)),
    (_is_list, (BadCursor,)),
    (_needs_token, (Unauthenticated,)),
    (_is_for_some_roles, (Forbidden,)),
    (_names_a_thing, (NotFound,)),
    (_changes_what_is_there, (Contended,)),
    (_takes_if_match, (PreconditionFailed,)),
    (_is_post, (Malformed, IdempotencyInProgress, IdempotencyKeyReused)),
    (_hands_out_tokens, (Unauthenticated,)),
    (_takes_password, (SignInLocked,)),
    (_any, (TooLarge, UriTooLong, TooManyRequests, HeadersTooLarge, Unexpected, Unavailable)),
)
"""What routes of a kind can refuse, beside what they declare themselves."""

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}


def _header(name: str, description: str, bounds: Schema | None = None) -> Schema:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": _TEXT | (bounds or {})}


_PARAMETERS: tuple[tuple[Callable[[Endpoint], bool], Schema], ...] = (
    (
        _is_post,
        _header(
            "Idempotency-Key",
            "The same key and request again get the first answer, for 24 hours.",
            {"minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[ -~]+$"},
        ),
    ),
    (_takes_if_match, _header("If-Match", "Only if the resource still has one of these entity tags (RFC 9110, 13.1.1).")),
    (
        _may_make,
        _header(
            "If-None-Match",
            "`*`: only if there is no such resource yet; else only if it has none of these entity tags (RFC 9110, 13.1.2).",
        ),
    ),
    (_takes_if_none_match, _header("If-None-Match", "Only if the resource has none of these entity tags (RFC 9110, 13.1.2).")),
)
"""Request headers by kind of route."""
_HEADERS: Mapping[str, tuple[Callable[[Endpoint, int], bool], Schema]] = {
    "X-Request-Id": (
        lambda _, __: True,
        {"description": "Names this request, in our logs too.", "required": True, "schema": _TEXT},
    ),
    "WWW-Authenticate": (
        lambda _, status: status == HTTPStatus.UNAUTHORIZED,
        {"description": "How to authenticate (RFC 9110).", "required": True, "schema": _TEXT},
    ),
    "Location": (
        lambda _, status: status == HTTPStatus.FOUND,
        {"description": "Where it is.", "required": True, "schema": _TEXT | {"format": "uri-reference"}},
    ),
    "ETag": (
        lambda endpoint, status: _has_a_tag(endpoint) and status in {200, 201, 304},
        {"description": "Stands for exactly these bytes (RFC 9110, 8.8.3).", "required": True, "schema": _TEXT},
    ),
    "Idempotent-Replayed": (
        lambda endpoint, status: _is_post(endpoint) and status == endpoint.status,
        {"description": "`true` on an answer that was given before to the same Idempotency-Key.", "schema": _TEXT},
    ),
    "X-RateLimit-Limit": (lambda _, __: True, {"description": "Requests that the window allows.", "schema": _NUMBER}),
    "X-RateLimit-Remaining": (lambda _, __: True, {"description": "Requests that are left in it.", "schema": _NUMBER}),
    "RateLimit-Policy": (
        lambda _, __: True,
        {"description": "The same, with the window (draft-ietf-httpapi-ratelimit-headers).", "schema": _TEXT},
    ),
    "RateLimit": (
        lambda _, __: True,
        {"description": "What is left, and for how long (draft-ietf-httpapi-ratelimit-headers).", "schema": _TEXT},
    ),
    "Retry-After": (
        lambda _, status: status == HTTPStatus.TOO_MANY_REQUESTS,
        {"description": "Seconds to wait (RFC 9110, 10.2.3).", "schema": _NUMBER},
    ),
    "Link": (
        lambda endpoint, status: status == HTTPStatus.OK and _answers_list(endpoint),
        {"description": 'The next page, `rel="next"` (RFC 8288); absent on the last.', "schema": _TEXT},
    ),
}
"""Headers of answers by kind of route and status."""


def all_refusals(root: type[DaybookError] = DaybookError) -> Iterator[type[DaybookError]]:
    """Every class of error that Daybook has, in the order in which they are declared."""
    for refusal in root.__subclasses__():
        if refusal.__module__.startswith("chalicelib."):
            yield refusal
            yield from all_refusals(refusal)


def refusals_of(endpoint: Endpoint) -> tuple[type[DaybookError], ...]:
    """What the route can refuse, by status."""
    conventional = (refusal for applies, refusals in _REFUSALS if applies(endpoint) for refusal in refusals)
    return tuple(
        sorted(
            {*conventional, *REFUSALS.get(endpoint.view.__name__, ())}, key=lambda refusal: (status_of(refusal), refusal.code)
        )
    )


@lru_cache(maxsize=1)
def description_of(app: Application) -> Text:
    """The document as text, made once."""
    return Text(msgspec.json.encode(describe(app)).decode(), {"Cache-Control": "no-cache"})


def describe(app: Application) -> dict[str, Any]:
    """The document as plain data."""
    schemas = _schemas(app.endpoints)
    answers: dict[str, Schema] = {}
    paths: dict[str, dict[str, Schema]] = {}
    for endpoint in app.endpoints:
        operation = _operation(endpoint, app.endpoints, answers)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.1",
        "info": {
            "title": app.app_name.title(),
            "version": VERSION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(_noun(endpoint) for endpoint in app.endpoints)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": answers,
            "headers": {name: header for name, (_, header) in _HEADERS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(endpoint: Endpoint, endpoints: Sequence[Endpoint], answers: dict[str, Schema]) -> Schema:
    name = endpoint.view.__name__
    operation: Schema = {
        "operationId": name,
        "summary": _first_line(endpoint.view) or name.replace("_", " ").capitalize(),
        "tags": [_noun(endpoint)],
        "parameters": [
            *(_path_parameter(name, kind) for name, kind in endpoint.path_parameters),
            *_query_parameters(endpoint),
            *(parameter for applies, parameter in _PARAMETERS if applies(endpoint)),
        ],
        "responses": {**_good_answers(endpoint, endpoints), **_problem_answers(endpoint, answers)},
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        content = {"application/json": {"schema": _reference(endpoint.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return {name: value for name, value in operation.items() if value != [] or name == "security"}


def _noun(endpoint: Endpoint) -> str:
    """`clients` for `/v1/clients/{client_id}`; what belongs to no version is about the service itself."""
    _, version, *rest = endpoint.path.split("/")
    return rest[0].capitalize() if rest and version else "Service"


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _path_parameter(name: str, kind: type) -> Schema:
    return {"name": name, "in": "path", "required": True, **_path_schema(name, kind)}


def _path_schema(name: str, kind: type) -> Schema:
    if kind is date:
        return {"schema": _TEXT | {"format": "date"}, "example": _EXAMPLE_DAY.date().isoformat()}
    if (own := OWN_IDS.get(name)) is not None:
        return {"schema": _TEXT | {"pattern": f"^{own.pattern}$"}, "example": own.example}
    prefix = PREFIX_OF[name]
    return {"schema": _TEXT | {"pattern": id_pattern(prefix)}, "example": make_id(prefix, _EXAMPLE_DAY, bytes(ENTROPY_BYTES))}


def _query_parameters(endpoint: Endpoint) -> Iterator[Schema]:
    if endpoint.query is None:
        return
    _, schemas = msgspec.json.schema_components([endpoint.query], ref_template=_SCHEMAS + "{name}")
    query = schemas[endpoint.query.__name__]
    for name, schema in query["properties"].items():
        yield {"name": name, "in": "query", "required": name in query["required"], "schema": _without_null(schema)}


def _without_null(schema: Schema) -> Schema:
    """In a query a parameter is there or not; there is no null."""
    meant = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return dict(meant[0]) if meant else schema


def _good_answers(endpoint: Endpoint, endpoints: Sequence[Endpoint]) -> Schema:
    good = {str(endpoint.status): _success(endpoint, endpoint.status, endpoints)}
    if endpoint.may_make:
        good[str(HTTPStatus.CREATED.value)] = _success(endpoint, HTTPStatus.CREATED, endpoints)
    if _is_conditional(endpoint):
        unchanged = HTTPStatus.NOT_MODIFIED
        good[str(unchanged.value)] = {"description": unchanged.phrase, "headers": _headers(endpoint, unchanged)}
    return good


def _success(endpoint: Endpoint, status: int, endpoints: Sequence[Endpoint]) -> Schema:
    answer: Schema = {"description": HTTPStatus(status).phrase, "headers": _headers(endpoint, status)}
    if isinstance(endpoint.answer, Document):
        answer["content"] = {endpoint.answer.media_type: {"schema": {} if "json" in endpoint.answer.media_type else _TEXT}}
    elif endpoint.answer is not None:
        answer["content"] = {"application/json": {"schema": _reference(endpoint.answer)}}
    if endpoint.status == HTTPStatus.CREATED and is_shown_below(endpoint, shown_below(endpoints)):
        answer["headers"]["Location"] = {"$ref": "#/components/headers/Location"}
    if links := _links(endpoint, endpoints):
        answer["links"] = links
    return answer


def _links(endpoint: Endpoint, endpoints: Sequence[Endpoint]) -> Schema:
    """From what a POST to a collection has made, to all that can be done with it."""
    if endpoint.status != HTTPStatus.CREATED:
        return {}
    own = [
        (other, other.path_parameters[0][0])
        for other in endpoints
        if other.path_parameters and other.path.startswith(f"{endpoint.path}/{{{other.path_parameters[0][0]}}}")
    ]
    return {
        other.view.__name__: {
            "operationId": other.view.__name__,
            "parameters": {name: f"$response.body#/{_id_member(endpoint)}"},
        }
        for other, name in own
    }


def _id_member(endpoint: Endpoint) -> str:
    """What the id is called in what the route answers."""
    view = cast("type[View]", endpoint.answer)
    return dict(zip(view.__struct_fields__, view.__struct_encode_fields__, strict=True))["id"]


def _problem_answers(endpoint: Endpoint, answers: dict[str, Schema]) -> Schema:
    """By status a reference to one of `answers`, which grow by what is new: many routes refuse alike."""
    by_status: dict[int, list[type[DaybookError]]] = {}
    for refusal in refusals_of(endpoint):
        by_status.setdefault(status_of(refusal), []).append(refusal)
    for status, refusals in by_status.items():
        answers.setdefault(_name_of(refusals), _problem_answer(endpoint, status, refusals))
    return {str(status): {"$ref": f"#/components/responses/{_name_of(refusals)}"} for status, refusals in by_status.items()}


def _name_of(refusals: Sequence[type[DaybookError]]) -> str:
    return ".".join(refusal.code for refusal in refusals)


def _problem_answer(endpoint: Endpoint, status: int, refusals: Sequence[type[DaybookError]]) -> Schema:
    told: Schema = {"status": {"const": status}, "code": {"enum": [refusal.code for refusal in refusals]}}
    schema = {"$ref": f"{_SCHEMAS}{Problem.__name__}", "properties": told}
    return {
        "description": " ".join(f"`{refusal.code}`: {refusal.title()}" for refusal in refusals),
        "headers": _headers(endpoint, status),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }


def _headers(endpoint: Endpoint, status: int) -> Schema:
    return {
        name: {"$ref": f"#/components/headers/{name}"} for name, (applies, _) in _HEADERS.items() if applies(endpoint, status)
    }


def _reference(kind: type) -> Schema:
    return {"$ref": f"{_SCHEMAS}{kind.__name__}"}


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Schema]:
    """The schema of all bodies and views, by name."""
    every = tuple(endpoints)
    read = [endpoint.body for endpoint in every if endpoint.body is not None]
    shown = [endpoint.answer for endpoint in every if isinstance(endpoint.answer, type)]
    template = _SCHEMAS + "{name}"
    _, coming = msgspec.json.schema_components(read, ref_template=template)
    _, going = msgspec.json.schema_components([*shown, Problem], ref_template=template)
    going[FieldError.__name__] = _written_field_error()
    return {
        **{name: _as_sent(schema) for name, schema in going.items()},
        **{name: _with_decimals(schema, _number_or_text) for name, schema in coming.items()},
    }


def _written_field_error() -> Schema:
    """Problems are written with their errors as objects, though the domain has them as tuples."""
    return {
        "title": FieldError.__name__,
        "description": (FieldError.__doc__ or "").strip(),
        "type": "object",
        "properties": dict.fromkeys(FieldError._fields, _TEXT),
        "required": list(FieldError._fields),
    }


def _as_sent(schema: Schema) -> Schema:
    """A view is written with all of its members, defaults too, and Decimals as numbers."""
    written: Schema = _with_decimals(schema, _number)
    constant = [name for name, member in schema.get("properties", {}).items() if "default" in member]
    if schema.get("title") != Problem.__name__ and constant:
        written["required"] = [*schema["required"], *constant]
    return written


def _with_decimals(schema: Any, decimal: Callable[[Schema], Schema]) -> Any:
    """The schema with each Decimal, which msgspec would describe as a string, as `decimal` has it."""
    if isinstance(schema, list):
        return [_with_decimals(each, decimal) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return decimal({name: value for name, value in schema.items() if name not in {"type", "format"}})
    return {name: _with_decimals(value, decimal) for name, value in schema.items()}


def _number(bounds: Schema) -> Schema:
    return {"type": "number", "description": _DIGITS, **bounds}


def _number_or_text(bounds: Schema) -> Schema:
    """Bounds of numbers say nothing of texts (JSON Schema, 6.2): the route holds them there too."""
    magnitude = 10 ** (EXPONENT_BOUND + 1)
    return {
        "type": ["number", "string"],
        "description": f"{_DIGITS} A number, or its digits in a string; both are read exactly.",
        "pattern": f"^{NUMBER}$",
        "exclusiveMinimum": -magnitude,
        "exclusiveMaximum": magnitude,
        **bounds,
    }
