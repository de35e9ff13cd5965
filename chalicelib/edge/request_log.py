"""What is written of each request and event: one line of JSON that says who, what and how it went, and nothing that was sent.

Of an exception only the type and the places in our code: its message may repeat what came in.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from chalice.app import Request

from chalicelib.domain.identifiers import Prefix, is_id

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVER_ERROR = 500
_LONGEST_CHAIN = 5
_MOST_PLACES = 30
"""Of one traceback; endless recursion has a thousand."""
_AWS_CODE = r"[A-Za-z][A-Za-z0-9.]{0,63}"
_log = logging.getLogger("daybook")
_failure: ContextVar[BaseException | None] = ContextVar("failure", default=None)
"""What the request that is being served failed with. A request has a thread of its own in `chalice local`."""


class Lines(logging.Handler):
    """Each record as one line of JSON, onto what is stdout when it is written."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "message": record.getMessage(), **getattr(record, "told", {})}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = described(record.exc_info[1])
        return json.dumps(line)


class RequestLog:
    """Writes the lines of one process; the first of them is told to be a cold start."""

    def __init__(self) -> None:
        self._cold = True
        if not any(isinstance(handler, Lines) for handler in _log.handlers):
            _log.addHandler(Lines())
        _log.setLevel(logging.INFO)
        _log.propagate = False  # Lambda's own handler, at the root, would write each line again

    def failed(self, error: BaseException) -> None:
        """Says why the request that is being served is about to be answered with a 5xx."""
        _failure.set(error)

    def uncounted(self, request_id: str) -> None:
        """Says that a request is served without being counted against a limit."""
        _log.warning("request could not be counted", extra={"told": {"request_id": request_id}})

    def request(self, event: Mapping[str, Any], answer: Mapping[str, Any], began: float, *, served: bool) -> None:
        """`served` says whether a route has this path; only then it is the route's pattern and no text of the caller's."""
        context = event["requestContext"]
        status = answer["statusCode"]
        told = {
            "request_id": answer["headers"]["X-Request-Id"],
            **_caller(context.get("authorizer")),
            "route": context["resourcePath"] if served else None,
            "method": context["httpMethod"] if context["httpMethod"] in METHODS else None,
            "status": status,
            **self._timed(began),
        }
        failure = _failure.get()
        _failure.set(None)
        if status < _SERVER_ERROR:
            _log.info("request", extra={"told": told})
        else:
            _log.error("request", extra={"told": told | ({"error": described(failure)} if failure else {})})

    def trigger(self, event: Any, get_response: Any) -> Any:
        """Chalice's middleware for all triggers but the API, which has its own line."""
        if isinstance(event, Request):
            return get_response(event)
        began = time.perf_counter()
        context = event.context
        told: dict[str, Any] = {
            "function": getattr(context, "function_name", type(event).__name__),
            "request_id": getattr(context, "aws_request_id", None),
        }
        try:
            result = get_response(event)
        except Exception as error:
            failed = told | {"records": _count(event), "status": "failed", **self._timed(began), "error": described(error)}
            _log.error("event", extra={"told": failed})
            raise
        failures = len(result["batchItemFailures"]) if isinstance(result, dict) else 0
        done = {"records": _count(event), "failures": failures, "status": "done", **self._timed(began)}
        _log.log(logging.ERROR if failures else logging.INFO, "event", extra={"told": told | done})
        return result

    def _timed(self, began: float) -> dict[str, object]:
        cold, self._cold = self._cold, False
        return {"duration_ms": round((time.perf_counter() - began) * 1000, 2), "cold_start": cold}


def _caller(authorizer: object) -> dict[str, str | None]:
    """Account and user as the authorizer names them, where they are ids."""
    known = authorizer if isinstance(authorizer, dict) else {}
    prefixes: tuple[tuple[str, Prefix], ...] = (("account_id", "acc"), ("user_id", "usr"))
    ids = ((name, known.get(name), prefix) for name, prefix in prefixes)
    return {name: value if isinstance(value, str) and is_id(prefix, value) else None for name, value, prefix in ids}


def _count(event: Any) -> int:
    """The records of a batch; a schedule fires once."""
    return len(event.to_dict().get("Records", (None,)))


def described(error: BaseException) -> list[dict[str, object]]:
    """The error and what it came from, latest first: type, AWS's code for it, and where, innermost call last."""
    return [_described(one) for one, _ in zip(_chain(error), range(_LONGEST_CHAIN), strict=False)]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _described(error: BaseException) -> dict[str, object]:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    said = {"aws_code": code} if isinstance(code, str) and re.fullmatch(_AWS_CODE, code) else {}
    return {"type": type(error).__qualname__, **said, "at": list(_places(error.__traceback__))[-_MOST_PLACES:]}


def _places(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}"
        traceback = traceback.tb_next
