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
from chalicelib.edge import problems, responses
from chalicelib.edge.requests import read_body, read_caller, read_path, read_query
from chalicelib.edge.responses import Document, Text
from chalicelib.edge.views import ListView, View

Answer = type[View] | type[ListView] | Document
AnyView = TypeVar("AnyView", bound=Callable[..., object])
_log = logging.getLogger("daybook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route and method: everything that serving it, and describing it, needs."""

    path: str
    method: str
    view: Callable[..., object]
    answer: Answer | None
    status: int
    public: bool
    refuses: tuple[type[DaybookError], ...]
    body: type[msgspec.Struct] | None
    query: type[msgspec.Struct] | None
    path_parameters: tuple[tuple[str, type], ...]
    takes_caller: bool


class Application(Chalice):
    """`endpoints` lists every route that was declared, in order."""

    def __init__(self, app_name: str, *, allowed_origin: str) -> None:
        super().__init__(app_name=app_name)
        self.log.setLevel(logging.WARNING)  # Chalice would drop warnings
        cors = CORSConfig(
            allow_origin=allowed_origin,
            allow_headers=["Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Link", "Location", "X-Request-Id"],
            max_age=600,
        )
        self.api.cors = cors
        self._cors_headers: dict[str, str] = cors.get_access_control_headers()
        self.endpoints: list[Endpoint] = []
        self.gatekeeper: ChaliceAuthorizer | None = None

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        answer: Answer | None = None,
        status: int = 200,
        public: bool = False,
        refuses: Sequence[type[DaybookError]] = (),
        **kwargs: Any,
    ) -> Callable[[AnyView], AnyView]:
        """Declares a route. The view's annotations say what it takes:

        `caller: Caller` who asks; `body` and `query` Structs that are decoded and checked; all others are path parameters.
        It returns what `answer` is a view of, or the document's `Text`; without `answer`, the address to which the caller is
        sent on. `refuses` are the refusals that its declaration does not imply, for the description.
        """

        def declare(view: AnyView) -> AnyView:
            for method in methods:
                endpoint = _endpoint(view, path, method, answer, status, public, tuple(refuses))
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
        headers = {"X-Request-Id": request_id_of(request), **self._cors_headers}
        if not served:
            return _refuse(NotFound(), request, headers).to_dict()
        return _refuse(problems.MethodNotAllowed(), request, {**headers, "Allow": ", ".join(sorted(served))}).to_dict()

    def _serving(self, endpoint: Endpoint) -> Callable[..., Response]:
        def serve(**path_parameters: str) -> Response:
            request = cast("Request", self.current_request)
            headers = {"X-Request-Id": request_id_of(request)}
            try:
                return _serve(endpoint, request, path_parameters, headers)
            except DaybookError as refusal:
                return _refuse(refusal, request, headers)
            except Exception:  # noqa: BLE001  the HTTP boundary
                _log.exception("request %s failed", headers["X-Request-Id"])
                return _refuse(problems.Unexpected(), request, headers)

        return serve


def _endpoint(
    view: Callable[..., object],
    path: str,
    method: str,
    answer: Answer | None,
    status: int,
    public: bool,
    refuses: tuple[type[DaybookError], ...],
) -> Endpoint:
    takes = {name: kind for name, kind in view.__annotations__.items() if name != "return"}
    return Endpoint(
        path=path,
        method=method,
        view=view,
        answer=answer,
        status=status,
        public=public,
        refuses=refuses,
        body=takes.pop("body", None),
        query=takes.pop("query", None),
        takes_caller=takes.pop("caller", None) is Caller,
        path_parameters=tuple(takes.items()),
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
    if isinstance(endpoint.answer, Document):
        return responses.answer_text(cast("Text", result), endpoint.answer, headers)
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
