"""Refusals as the outside sees them: RFC 9457 problem documents, from one table of domain error to status."""

from typing import Any

import msgspec
from chalice.app import Response

from chalicelib.domain.errors import (
    BadCursor,
    Conflict,
    DaybookError,
    FieldError,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    MailRefused,
    Malformed,
    NotFound,
    OrderFailure,
    PreconditionFailed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unreadable,
)

MEDIA_TYPE = "application/problem+json"
_UNAUTHORIZED = 401
"""Never without a challenge (RFC 9110, 15.5.2)."""
_SERVER_ERROR = 500


class TooLarge(DaybookError):
    """The body is larger than 1 MiB."""

    code = "too_large"


class UriTooLong(DaybookError):
    """The path and query are longer than 8,192 characters, or the query has more than 50 parameters."""

    code = "uri_too_long"


class HeadersTooLarge(DaybookError):
    """The headers are larger than 16 KiB together."""

    code = "headers_too_large"


class UnsupportedMediaType(DaybookError):
    """The body is not declared as application/json."""

    code = "unsupported_media_type"


class MethodNotAllowed(DaybookError):
    """This resource does not know that method."""

    code = "method_not_allowed"


class Unexpected(DaybookError):
    """Something went wrong on our side; the request id tells us where to look."""

    code = "internal_error"


STATUS: dict[type[DaybookError], int] = {
    Malformed: 400,
    BadCursor: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    PreconditionFailed: 412,
    TooLarge: 413,
    UriTooLong: 414,
    UnsupportedMediaType: 415,
    IdempotencyKeyReused: 422,
    Invalid: 422,
    Unreadable: 422,
    OrderFailure: 409,
    TooManyRequests: 429,
    HeadersTooLarge: 431,
    Unexpected: 500,
    MailRefused: 502,
    Unavailable: 503,
}
"""Status by class; a class that is not in it has the status of the nearest one it derives from."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `type` and `code` are stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: tuple[FieldError, ...] = ()


def status_of(error: type[DaybookError]) -> int:
    return next(STATUS[cls] for cls in error.__mro__ if cls in STATUS)


def problem_of(error: DaybookError, *, instance: str, request_id: str, stage: str = "") -> Problem:
    """What went wrong on our side is told by its title only: its detail is the inside's.

    `stage` is what stands before our paths where API Gateway's own address is used, such as `/api`.
    """
    cls = type(error)
    status = status_of(cls)
    return Problem(
        type=f"{stage}/docs#{cls.code}",
        title=cls.title(),
        status=status,
        detail=error.detail if status < _SERVER_ERROR else cls.title(),
        instance=instance,
        code=cls.code,
        request_id=request_id,
        errors=error.errors if isinstance(error, Invalid) else (),
    )


def respond(problem: Problem, headers: dict[str, str]) -> Response:
    body: dict[str, Any] = msgspec.to_builtins(problem)
    if problem.errors:
        body["errors"] = [error._asdict() for error in problem.errors]
    challenge = {"WWW-Authenticate": "Bearer"} if problem.status == _UNAUTHORIZED else {}
    return Response(
        body=msgspec.json.encode(body).decode(),
        status_code=problem.status,
        headers={"Content-Type": MEDIA_TYPE, **challenge, **headers},
    )
