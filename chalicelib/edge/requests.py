"""Reading requests: strict JSON into typed bodies, query strings and ids; every fault with the place where it is."""

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import unquote

import msgspec
from chalice.app import MultiDict, Request

from chalicelib.domain.errors import FieldError, Invalid, Malformed, NotFound
from chalicelib.domain.identifiers import PRODUCT_ID, Prefix, is_id
from chalicelib.domain.users import FIRST_PASSWORD, Caller, Role
from chalicelib.edge.bodies import WORDS, Body
from chalicelib.edge.problems import HeadersTooLarge, TooLarge, UnsupportedMediaType, UriTooLong

MAX_BODY_BYTES = 1024 * 1024
MAX_URI_CHARACTERS = 8192
MAX_QUERY_PARAMETERS = 50
MAX_HEADER_CHARACTERS = 16 * 1024
"""More than the 10,240 bytes that API Gateway lets through, and what it adds itself; `chalice local` lets anything through."""
PREFIX_OF: dict[str, Prefix] = {
    "account_id": "acc",
    "client_id": "cli",
    "entry_id": "wrk",
    "image_id": "img",
    "import_id": "imp",
    "invoice_id": "inv",
    "note_id": "crn",
    "order_id": "ord",
    "product_id": "prd",
    "user_id": "usr",
}
"""What kind of id of ours a parameter holds."""


class OwnIds(NamedTuple):
    """Ids of the caller's own making: what they look like, as a regular expression, and one of them."""

    pattern: str
    example: str


OWN_IDS: dict[str, OwnIds] = {"product_id": OwnIds(PRODUCT_ID, "85123A")}
"""By the parameters that may hold them, too."""

T = TypeVar("T")
AnyBody = TypeVar("AnyBody", bound=Body)
_MEDIA_TYPE = r"(?ai)application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?"
# Texts, not patterns: most cold starts meet no fault. `re` keeps what it compiled.
_FAULT = (
    r"(?s)(?P<what>Object (?:missing required|contains unknown) field `(?P<field>.*?)`|.*?)"
    r"(?: - at (?:`key` in )?`(?P<path>\$[^`]*)`)?"
)
_UNKNOWN = "Object contains unknown field `"
_LONGEST_FIELD = 100
"""Of an unknown member's name, what an answer repeats."""
_LONGEST_DETAIL = 300
"""Longer than anything but a value that is repeated in it."""
NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
"""RFC 8259: what a number in a string must look like, too. Decimal itself would take ` 1_000 ` and other scripts' digits."""
_STEP = r"\.(?P<name>[^.\[]+)|\[(?P<index>[^\]]*)\]"


def check_size(request: Request) -> None:
    """Raises: UriTooLong, HeadersTooLarge, TooLarge."""
    event = request.to_original_event()
    if len(event.get("body") or "") > MAX_BODY_BYTES * (4 / 3 if event.get("isBase64Encoded") else 1) + 4:
        raise TooLarge
    query = event["multiValueQueryStringParameters"] or {}
    pairs = [(name, value) for name, values in query.items() for value in values]
    length = len(request.context.get("path") or "") + sum(len(name) + len(value) + 2 for name, value in pairs)
    if length > MAX_URI_CHARACTERS or len(pairs) > MAX_QUERY_PARAMETERS:
        raise UriTooLong
    several = event.get("multiValueHeaders") or {name: [value] for name, value in (event["headers"] or {}).items()}
    if sum(len(name) + len(value) for name, values in several.items() for value in values) > MAX_HEADER_CHARACTERS:
        raise HeadersTooLarge


def read_body(request: Request, body_type: type[AnyBody]) -> AnyBody:
    """Raises: TooLarge, UnsupportedMediaType, Malformed if it is no JSON, Invalid if it does not fit."""
    content = content_of(request, body_type.when_unreadable)
    if len(content) > MAX_BODY_BYTES:
        raise TooLarge
    if re.fullmatch(_MEDIA_TYPE, request.headers.get("content-type", "application/json")) is None:
        raise UnsupportedMediaType
    if not content.strip():
        raise Malformed(body_type.when_empty)
    return read_json(content, body_type)


def read_json(content: bytes, body_type: type[AnyBody]) -> AnyBody:
    """Raises: Malformed if it is no JSON, Invalid if it does not fit."""
    try:
        body = msgspec.json.decode(content, type=body_type)
    except msgspec.ValidationError as fault:
        raise Invalid(fault_in(str(fault), well_formed(content, body_type))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed(body_type.when_unreadable) from None
    _check_numerals(body, well_formed(content, body_type))
    return body


def content_of(request: Request, when_unreadable: str = Body.when_unreadable) -> bytes:
    """Raises: Malformed if API Gateway handed on what are no bytes of anything."""
    try:
        raw = request.raw_body
    except ValueError:
        raise Malformed(when_unreadable) from None
    return raw.encode() if isinstance(raw, str) else raw


def well_formed(content: bytes, body_type: type[Body]) -> object:
    """The JSON, strictly read; integers as their digits. Raises: Malformed for a doubled key, NaN or endless depth."""
    try:
        return json.loads(content.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, parse_int=str)
    except (ValueError, RecursionError):
        raise Malformed(body_type.when_unreadable) from None


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("the body has an object with the same key twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _check_numerals(read: object, sent: object, *steps: str) -> None:
    """Raises: Invalid for a number in a string that is not written as JSON writes numbers."""
    if isinstance(read, Decimal):
        if isinstance(sent, str) and re.fullmatch(NUMBER, sent) is None:
            raise Invalid(FieldError(pointer_of(*steps), "Expected a number such as `12.50`"))
    elif isinstance(read, msgspec.Struct) and isinstance(sent, dict):
        for attribute, name in zip(read.__struct_fields__, read.__struct_encode_fields__, strict=True):
            _check_numerals(getattr(read, attribute), sent.get(name), *steps, name)
    elif isinstance(read, tuple | list) and isinstance(sent, list):
        for place, (read_item, sent_item) in enumerate(zip(read, sent, strict=True)):
            _check_numerals(read_item, sent_item, *steps, str(place))


def read_query(request: Request, query_type: type[T]) -> T:
    """Raises: Invalid for a parameter that does not fit, is not known or comes twice; Malformed for what is no text."""
    values: dict[str, str] = {}
    for name in request.query_params or ():
        several = cast("MultiDict", request.query_params).getlist(name)
        _check_text(name, *several)
        if len(several) != 1:
            raise Invalid(FieldError(pointer_of(name[:_LONGEST_FIELD]), "query parameter: must come once"))
        values[name] = several[0]
    try:
        query = msgspec.convert(values, type=query_type, strict=False)
    except msgspec.ValidationError as fault:
        error = fault_in(str(fault), values)
        raise Invalid(FieldError(error.pointer, f"query parameter: {error.detail}")) from None
    _check_no_nulls(query, values)
    return query


def _check_no_nulls(query: object, values: Mapping[str, str]) -> None:
    """Raises: Invalid for `null`, which msgspec takes for a parameter that was left out."""
    if isinstance(query, msgspec.Struct):
        for attribute, name in zip(query.__struct_fields__, query.__struct_encode_fields__, strict=True):
            if name in values and getattr(query, attribute) is None:
                raise Invalid(FieldError(pointer_of(name), "query parameter: must not be null"))


def _check_text(*texts: str) -> None:
    """Raises: Malformed for half a surrogate pair, which no UTF-8 can hold."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise Malformed("the query string is not UTF-8") from None


def read_path(name: str, text: str, kind: type) -> object:
    """A path parameter as it is meant. Raises: NotFound for what cannot be an id of ours, or a day."""
    value = unquote(text, errors="replace")
    if kind is date:
        try:
            return msgspec.convert(value, type=date)
        except msgspec.ValidationError:
            raise NotFound from None
    if name not in OWN_IDS and not is_id(PREFIX_OF[name], value):
        raise NotFound
    return value


def read_caller(request: Request) -> Caller | None:
    """Who the authorizer says is asking; None where no authorizer stood before the route, or not ours."""
    context: Any = request.context.get("authorizer")
    try:
        if not (is_id("acc", context["account_id"]) and is_id("usr", context["user_id"]) and isinstance(context["email"], str)):
            return None
        return Caller(
            account_id=context["account_id"],
            user_id=context["user_id"],
            email=context["email"],
            roles=tuple(Role(role) for role in context["roles"].split()),
            password_version=int(context.get("password_version") or FIRST_PASSWORD),
            requests_per_minute=int(limit) if (limit := context.get("limit")) else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def path_of(request: Request) -> str:
    """The path as it was asked for, without the query."""
    return str(request.context.get("path") or request.path).encode("utf-8", "replace").decode()


def stage_of(request: Request) -> str:
    """What API Gateway's own address has before our paths, such as `/api`; nothing behind a domain of one's own."""
    path = str(request.to_original_event().get("path") or "")
    whole = path_of(request)
    return whole.removesuffix(path) if path and whole.endswith(path) else ""


def source_of(request: Request) -> str:
    """The address that API Gateway was asked from; what the caller says of it counts for nothing."""
    return str((request.context.get("identity") or {}).get("sourceIp") or "")


def fault_in(fault: str, sent: object) -> FieldError:
    """msgspec's message and its path as a JSON pointer; an unknown member of what was sent may be called like either."""
    parts = cast("re.Match[str]", re.fullmatch(_FAULT, fault))
    own_name = fault.removeprefix(_UNKNOWN).removesuffix("`")
    if isinstance(sent, dict) and own_name != fault and own_name in sent:
        return FieldError(pointer_of(own_name[:_LONGEST_FIELD]), f"{_UNKNOWN}{own_name[:_LONGEST_FIELD]}`"[:_LONGEST_DETAIL])
    steps = [step["name"] or step["index"] for step in re.finditer(_STEP, parts["path"] or "")]
    what = parts["what"]
    if (field := parts["field"]) is not None:
        steps.append(field[:_LONGEST_FIELD])
        what = what.replace(field, field[:_LONGEST_FIELD])
    return FieldError(pointer_of(*steps), _in_words(what)[:_LONGEST_DETAIL])


def pointer_of(*steps: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _in_words(what: str) -> str:
    """A pattern says little to people; what it is for says more."""
    if what == "Expected `str` of length >= 1":
        return "must not be empty"
    return next((words for pattern, words in WORDS.items() if repr(pattern) in what), what)
