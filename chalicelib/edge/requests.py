"""Reading requests: strict JSON into typed bodies, query strings and ids; every fault with the place where it is."""

import json
import re
from datetime import date
from typing import Any, TypeVar, cast
from urllib.parse import unquote

import msgspec
from chalice.app import MultiDict, Request

from chalicelib.domain.errors import FieldError, Invalid, Malformed, NotFound
from chalicelib.domain.identifiers import Prefix, is_id
from chalicelib.domain.users import Caller, Role
from chalicelib.edge.problems import TooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 1024 * 1024
PREFIX_OF: dict[str, Prefix] = {"client_id": "cli", "entry_id": "wrk", "invoice_id": "inv"}
"""What kind of id a path parameter holds."""

T = TypeVar("T")
_MEDIA_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.ASCII)
_FIELD = re.compile(r"(?:missing required|unknown) field `(?P<field>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>[^\]]*)\]")


def read_body(request: Request, body_type: type[T]) -> T:
    """Raises: TooLarge, UnsupportedMediaType, Malformed if it is no JSON, Invalid if it does not fit."""
    raw = request.raw_body
    content = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    if len(content) > MAX_BODY_BYTES:
        raise TooLarge
    if _MEDIA_TYPE.fullmatch(request.headers.get("content-type", "application/json")) is None:
        raise UnsupportedMediaType
    if not content.strip():
        raise Malformed("the body is empty")
    try:
        body = msgspec.json.decode(content, type=body_type)
    except msgspec.ValidationError as fault:
        _check_well_formed(content)
        raise Invalid(_field_error(str(fault))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("the body is not JSON in UTF-8") from None
    _check_well_formed(content)
    return body


def _check_well_formed(content: bytes) -> None:
    """What a lenient reader would let pass. Raises: Malformed for a doubled key, NaN, endless depth or digits."""
    try:
        json.loads(content, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, parse_int=str)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON in UTF-8, or has the same key twice") from None


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("doubled key")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def read_query(request: Request, query_type: type[T]) -> T:
    """Raises: Invalid for a parameter that does not fit, is not known or comes twice."""
    values: dict[str, str] = {}
    for name in request.query_params or ():
        several = cast("MultiDict", request.query_params).getlist(name)
        if len(several) != 1:
            raise Invalid(FieldError(f"/{name}", "the query parameter must come once"))
        values[name] = several[0]
    try:
        return msgspec.convert(values, type=query_type, strict=False)
    except msgspec.ValidationError as fault:
        error = _field_error(str(fault))
        raise Invalid(FieldError(error.pointer, f"query parameter: {error.detail}")) from None


def read_path(name: str, text: str, kind: type) -> object:
    """A path parameter as it is meant. Raises: NotFound for what cannot be an id, or a day."""
    value = unquote(text, errors="replace")
    if kind is date:
        try:
            return msgspec.convert(value, type=date)
        except msgspec.ValidationError:
            raise NotFound from None
    if not is_id(PREFIX_OF[name], value):
        raise NotFound
    return value


def read_caller(request: Request) -> Caller:
    """Who the authorizer says is asking."""
    context: dict[str, Any] = request.context["authorizer"]
    return Caller(
        account_id=context["account_id"],
        user_id=context["user_id"],
        email=context["email"],
        roles=tuple(Role(role) for role in context["roles"].split()),
    )


def _field_error(fault: str) -> FieldError:
    """msgspec's message and its path as a JSON pointer."""
    what, _, rest = fault.partition(" - at `")
    path = rest.rstrip("`")
    steps = [step["name"] if step["name"] is not None else step["index"] for step in _STEP.finditer(path)]
    if field := _FIELD.search(what):
        steps.append(field["field"])
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return FieldError(pointer, what)
