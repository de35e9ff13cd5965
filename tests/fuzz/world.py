"""An account in memory in which every route finds what it needs, and API Gateway's events for its owner."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import app as daybook
from chalicelib.edge.application import Endpoint
from tests.http.api import Api
from tests.http.examples import BODIES, OTHER_PATH_PARAMETERS, Inhabitant, move_in
from tests.wired import MemoryWired

Event = dict[str, Any]
_request_numbers = itertools.count(1)


@contextlib.contextmanager
def wired_to_memory() -> Iterator[MemoryWired]:
    """The application on a memory of its own."""
    before, in_memory = daybook.wired, MemoryWired()
    daybook.wired = in_memory  # type: ignore[assignment]
    try:
        yield in_memory
    finally:
        daybook.wired = before


@dataclass
class Sent:
    """A request before it becomes an event; whoever wants a bad one spoils a good one."""

    method: str
    resource: str
    path: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str | None = None
    in_base64: bool = False
    authorizer: Any = None

    def event(self) -> Event:
        segments = {name: quote(value, safe="", errors="replace") for name, value in self.path.items()}
        path = self.resource
        for name, segment in segments.items():
            path = path.replace(f"{{{name}}}", segment)
        context = {
            "resourcePath": self.resource,
            "httpMethod": self.method,
            "path": f"/api{path}",
            "stage": "api",
            "requestId": f"fuzz-{next(_request_numbers):08}",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": None},
            "authorizer": self.authorizer,
        }
        return {
            "resource": self.resource,
            "path": path,
            "httpMethod": self.method,
            "headers": dict(self.headers) or None,
            "multiValueHeaders": _several(self.headers),
            "queryStringParameters": dict(self.query) or None,
            "multiValueQueryStringParameters": _several(self.query),
            "pathParameters": segments or None,
            "stageVariables": None,
            "requestContext": context,
            "body": self.body,
            "isBase64Encoded": self.in_base64,
        }


def as_of_chalice_local(event: Event) -> Event:
    """The same request as `chalice local` makes an event of it: less of everything, and bytes for a body."""
    context = {name: event["requestContext"][name] for name in ("resourcePath", "httpMethod", "path", "authorizer")}
    body = event["body"]
    return {
        "requestContext": {**context, "identity": {"sourceIp": "127.0.0.1"}},
        "headers": {name.lower(): value for name, value in (event["headers"] or {}).items()},
        "pathParameters": event["pathParameters"] or {},
        "stageVariables": {},
        "multiValueQueryStringParameters": event["multiValueQueryStringParameters"],
        "body": body if body is None else body.encode("utf-8", "surrogatepass"),
    }


def _several(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]] | None:
    several: dict[str, list[str]] = {}
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    return several or None


@dataclass(frozen=True)
class Tenant:
    """Somebody whose token the authorizer has let pass."""

    inhabitant: Inhabitant
    email: str

    @property
    def authorizer(self) -> dict[str, Any]:
        api = self.inhabitant.api
        known = {"account_id": api.account_id, "user_id": api.user_id, "email": self.email, "roles": "owner"}
        return {**known, "principalId": api.user_id, "integrationLatency": 0}

    def good(self, endpoint: Endpoint, body: Mapping[str, Any] | None = None) -> tuple[Sent, dict[str, Any] | None]:
        """A request of this route as it should be, and its body."""
        values = {**OTHER_PATH_PARAMETERS, **self.inhabitant.ids}
        example = BODIES[endpoint.body](self.inhabitant.ids) | dict(body or {}) if endpoint.body else None
        sent = Sent(
            method=endpoint.method,
            resource=endpoint.path,
            path={name: values[name] for name, _ in endpoint.path_parameters},
            headers=[("Accept", "application/json"), ("Host", "api.example"), ("User-Agent", "fuzz")],
            authorizer=None if endpoint.public else self.authorizer,
        )
        if example is not None:
            sent.headers.append(("Content-Type", "application/json"))
        return sent, example


def settle(email: str) -> Tenant:
    return Tenant(inhabitant=move_in(Api(), email), email=email)
