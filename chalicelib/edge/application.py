"""A Chalice whose routes declare their types, and whose every answer, refusals too, comes from one place."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from chalice.app import Chalice, ChaliceAuthorizer, CORSConfig, Request, Response

from chalicelib.domain.errors import DaybookError, NotFound
from chalicelib.domain.paging import Page
from chalicelib.domain.users import Caller
from chalicelib.edge import problems, rate_limits, responses
from chalicelib.edge.rate_limits import Limit, Limiter
from chalicelib.edge.requests import read_body, read_caller, read_path, read_query
from chalicelib.edge.views import ListView, View

AnyView = TypeVar("AnyView", bound=Callable[..., object])
_log = logging.getLogger("daybook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route and method: everything that serving it, and describing it, needs."""

    path: str
    method: str
    view: Callable[..., object]
    answer: type[View] | type[ListView] | None
    status: int
    public: bool
    body: type[msgspec.Struct] | None
    query: type[msgspec.Struct] | None
    path_parameters: tuple[tuple[str, type], ...]
    takes_caller: bool
    limit: Limit


class Application(Chalice):
    """`endpoints` lists every route that was declared, in order."""

    def __init__(self, app_name: str, *, allowed_origin: str) -> None:
        super().__init__(app_name=app_name)
        self.log.setLevel(logging.WARNING)  # Chalice would drop warnings
        cors = CORSConfig(
            allow_origin=allowed_origin,
            allow_headers=["Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Link", "Location", "X-Request-Id", *rate_limits.HEADERS],
            max_age=600,
        )
        self.api.cors = cors
        self._cors_headers: dict[str, str] = cors.get_access_control_headers()
        self.endpoints: list[Endpoint] = []
        self.gatekeeper: ChaliceAuthorizer | None = None
        self.limiter: Limiter | None = None

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        answer: type[View] | type[ListView] | None = None,
        status: int = 200,
        public: bool = False,
        limit: Limit = "requests",
        **kwargs: Any,
    ) -> Callable[[AnyView], AnyView]:
        """Declares a route. The view's annotations say what it takes:

        `caller: Caller` who asks; `body` and `query` Structs that are decoded and checked; all others are path parameters.
        It returns what `answer` is a view of; without `answer`, the address to which the caller is sent on.
        `limit` is what a request counts as, before anything else of it is read.
        """

        def declare(view: AnyView) -> AnyView:
            for method in methods:
                endpoint = _endpoint(view, path, method, answer, status, public, limit)
                self.endpoints.append(endpoint)
                super(Application, self).route(
                    path,
                    name=view.__name__,
                    methods=[method],
                    authorizer=None if public else self.gatekeeper,
                    content_types=[],
                    **kwargs,
                )(self._serving(endpoint))
            return view

        return declare

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answers one request. What no route serves is refused like everything else, not in Chalice's own form."""
        served = self.routes.get(event["requestContext"]["resourcePath"], {})
        if event["requestContext"]["httpMethod"] in served:
            return super().__call__(event, context)
        request = Request(event, context)

        def refuse(headers: dict[str, str]) -> Response:
            self._count("requests", request, headers)
            if not served:
                raise NotFound
            headers["Allow"] = ", ".join(sorted(served))
            raise problems.MethodNotAllowed

        return _answered(request, dict(self._cors_headers), refuse).to_dict()

    def _serving(self, endpoint: Endpoint) -> Callable[..., Response]:
        def serve(**path_parameters: str) -> Response:
            request = cast("Request", self.current_request)

            def answer(headers: dict[str, str]) -> Response:
                self._count(endpoint.limit, request, headers)
                return _serve(endpoint, request, path_parameters, headers)

            return _answered(request, {}, answer)

        return serve

    def _count(self, limit: Limit, request: Request, headers: dict[str, str]) -> None:
        """Adds what the answer tells of the limit. Raises: TooManyRequests; Unavailable if it must be counted and cannot be."""
        if self.limiter is None:
            return
        standing = self.limiter(limit, rate_limits.caller_of(request), rate_limits.address_of(request))
        headers |= rate_limits.headers_of(standing)
        if standing.remaining is None:
            _log.warning("request %s could not be counted", headers["X-Request-Id"])
        if standing.refusal is not None:
            raise standing.refusal


def _answered(request: Request, headers: dict[str, str], answer: Callable[[dict[str, str]], Response]) -> Response:
    """What `answer` returns or raises; it may add to the headers that even a refusal has."""
    headers["X-Request-Id"] = request_id_of(request)
    try:
        return answer(headers)
    except DaybookError as refusal:
        return _refuse(refusal, request, headers)
    except Exception:  # noqa: BLE001  the HTTP boundary
        _log.exception("request %s failed", headers["X-Request-Id"])
        return _refuse(problems.Unexpected(), request, headers)


def _endpoint(
    view: Callable[..., object],
    path: str,
    method: str,
    answer: type[View] | type[ListView] | None,
    status: int,
    public: bool,
    limit: Limit,
) -> Endpoint:
    takes = {name: kind for name, kind in view.__annotations__.items() if name != "return"}
    return Endpoint(
        path=path,
        method=method,
        view=view,
        answer=answer,
        status=status,
        public=public,
        body=takes.pop("body", None),
        query=takes.pop("query", None),
        takes_caller=takes.pop("caller", None) is Caller,
        path_parameters=tuple(takes.items()),
        limit=limit,
    )


def _serve(endpoint: Endpoint, request: Request, path_parameters: dict[str, str], headers: dict[str, str]) -> Response:
    arguments: dict[str, object] = {
        name: read_path(name, path_parameters[name], kind) for name, kind in endpoint.path_parameters
    }
    caller = None if endpoint.public else read_caller(request)
    if endpoint.takes_caller:
        arguments["caller"] = caller
    if endpoint.query is not None:
        arguments["query"] = read_query(request, endpoint.query)
    if endpoint.body is not None:
        arguments["body"] = read_body(request, endpoint.body)
    result = endpoint.view(**arguments)
    if endpoint.answer is None:
        return responses.redirect(str(result), headers)
    if issubclass(endpoint.answer, ListView):
        account_id = caller.account_id if caller else ""
        return responses.answer_page(cast("Page[Any]", result), endpoint.answer, account_id, request, headers)
    shown = result if isinstance(result, endpoint.answer) else endpoint.answer.of(result)
    return responses.answer(shown, endpoint.status, headers)


def _refuse(error: DaybookError, request: Request, headers: dict[str, str]) -> Response:
    problem = problems.problem_of(error, instance=path_of(request), request_id=headers["X-Request-Id"])
    return problems.respond(problem, headers)


def request_id_of(request: Request) -> str:
    """API Gateway's id of the request; `chalice local` has none, so it gets one of its own."""
    return str(request.context.get("requestId") or uuid.uuid4())


def path_of(request: Request) -> str:
    """The path as it was asked for, without the query."""
    return str(request.context.get("path") or request.path).encode("utf-8", "replace").decode()
