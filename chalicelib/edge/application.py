"""A Chalice whose routes declare their types, and whose every answer, refusals too, comes from one place."""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from chalice.app import Chalice, ChaliceAuthorizer, CORSConfig, Request, Response

from chalicelib.domain.errors import DaybookError, NotFound
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.paging import Page
from chalicelib.domain.users import Caller
from chalicelib.edge import problems, responses
from chalicelib.edge.preconditions import IfMatch, entity_tag, is_known
from chalicelib.edge.requests import PREFIX_OF, path_of, read_body, read_caller, read_path, read_query, source_of
from chalicelib.edge.responses import Document, Text
from chalicelib.edge.views import ListView, View

if TYPE_CHECKING:
    from chalicelib.edge.idempotency import Once

Answer = type[View] | type[ListView] | Document
AnyView = TypeVar("AnyView", bound=Callable[..., object])
_log = logging.getLogger("daybook")


def refuses(*refusals: type[DaybookError]) -> Callable[[AnyView], AnyView]:
    """Says what a view refuses beyond what its route's declaration implies; for the API's description."""

    def mark(view: AnyView) -> AnyView:
        vars(view)["refuses"] = refusals
        return view

    return mark


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
    takes_if_match: bool
    again: Callable[..., object] | None


class Application(Chalice):
    """`endpoints` lists every route that was declared, in order."""

    def __init__(self, app_name: str, *, allowed_origin: str) -> None:
        super().__init__(app_name=app_name)
        self.log.setLevel(logging.WARNING)  # Chalice would drop warnings
        cors = CORSConfig(
            allow_origin=allowed_origin,
            allow_headers=["Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Idempotent-Replayed", "Link", "Location", "X-Request-Id"],
            max_age=600,
        )
        self.api.cors = cors
        self._cors_headers: dict[str, str] = cors.get_access_control_headers()
        self.endpoints: list[Endpoint] = []
        self.gatekeeper: ChaliceAuthorizer | None = None
        self.once: Callable[[], Once] | None = None

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        answer: Answer | None = None,
        status: int = 200,
        public: bool = False,
        again: Callable[..., object] | None = None,
        **kwargs: Any,
    ) -> Callable[[AnyView], AnyView]:
        """Declares a route. The view's annotations say what it takes:

        `caller: Caller` who asks; `body` and `query` Structs that are decoded and checked; `if_match: IfMatch`, which checks
        what is about to be changed; all others are path parameters. It returns what `answer` is a view of, or the document's
        `Text`; without `answer`, the address to which the caller is sent on.

        `again` is for a POST that has taken effect and whose answer was lost: it returns what the view would have, and takes
        of its arguments those of the view and the ids of what was made.
        """

        def declare(view: AnyView) -> AnyView:
            for method in methods:
                endpoint = _endpoint(view, path, method, answer, status, public, again)
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
                response = self._answer(endpoint, request, path_parameters)
                response.headers.update(headers)
                return response
            except DaybookError as refusal:
                return _refuse(refusal, request, headers)
            except Exception:  # noqa: BLE001  the HTTP boundary
                _log.exception("request %s failed", headers["X-Request-Id"])
                return _refuse(problems.Unexpected(), request, headers)

        return serve

    def _answer(self, endpoint: Endpoint, request: Request, path_parameters: dict[str, str]) -> Response:
        caller = None if endpoint.public else read_caller(request)
        arguments = self._arguments(endpoint, request, path_parameters, caller)

        def serve() -> Response:
            return self._respond(endpoint, endpoint.view(**arguments), caller, request)

        def again(made: Mapping[str, str]) -> Response:
            return self._respond(endpoint, _again(endpoint, arguments, made), caller, request)

        if endpoint.method != "POST" or "idempotency-key" not in request.headers:
            return serve()
        from chalicelib.edge.idempotency import keyed_request

        scope = caller.account_id if caller else source_of(request)
        keyed = keyed_request(request, scope, f"{endpoint.method} {endpoint.path}")
        return cast("Callable[[], Once]", self.once)().answer(keyed, serve, again=again if endpoint.again else None)

    def _arguments(
        self, endpoint: Endpoint, request: Request, path_parameters: dict[str, str], caller: Caller | None
    ) -> dict[str, object]:
        arguments: dict[str, object] = {
            name: read_path(name, path_parameters[name], kind) for name, kind in endpoint.path_parameters
        }
        if endpoint.takes_caller:
            arguments["caller"] = caller
        if endpoint.takes_if_match:
            arguments["if_match"] = IfMatch(request.headers.get("if-match"), self._shown_by_get(endpoint.path))
        if endpoint.query is not None:
            arguments["query"] = read_query(request, endpoint.query)
        if endpoint.body is not None:
            arguments["body"] = read_body(request, endpoint.body)
        return arguments

    def _respond(self, endpoint: Endpoint, result: object, caller: Caller | None, request: Request) -> Response:
        if endpoint.answer is None:
            return responses.redirect(str(result))
        if isinstance(endpoint.answer, Document):
            text = cast("Text", result)
            return _tagged(endpoint, request, entity_tag(text.content.encode()), responses.text(text, endpoint.answer))
        if issubclass(endpoint.answer, ListView):
            account_id = caller.account_id if caller else ""
            return responses.answer_page(cast("Page[Any]", result), endpoint.answer, account_id, request)
        shown = result if isinstance(result, endpoint.answer) else endpoint.answer.of(result)
        response = responses.answer(shown, endpoint.status)
        if endpoint.method == "POST":
            response.headers.update(self._place(endpoint, shown))
        elif endpoint.method != "DELETE":
            return _tagged(endpoint, request, entity_tag(responses.shown(shown)), response)
        return response

    def _shown_by_get(self, path: str) -> Callable[[object], bytes]:
        """What GET shows of the thing at that path."""
        view = next(each.answer for each in self.endpoints if (each.path, each.method) == (path, "GET"))
        return lambda thing: responses.shown(cast("type[View]", view).of(thing))

    def _place(self, endpoint: Endpoint, shown: object) -> dict[str, str]:
        """Where GET shows what was made; relative to the request (RFC 9110, 10.2.2), as links to next pages are."""
        if shows_what_it_makes(endpoint, self.endpoints):
            return {"Location": f"{endpoint.path.rpartition('/')[2]}/{getattr(shown, 'id')}"}  # noqa: B009  no view has one by its type
        return {}


def shows_what_it_makes(endpoint: Endpoint, endpoints: Sequence[Endpoint]) -> bool:
    """Whether a GET below the endpoint's own path answers the same thing."""
    for each in endpoints:
        parent, _, name = each.path.rpartition("/")
        if (parent, each.method, each.answer) == (endpoint.path, "GET", endpoint.answer) and name.startswith("{"):
            return True
    return False


def _tagged(endpoint: Endpoint, request: Request, tag: str, response: Response) -> Response:
    if endpoint.method == "GET" and is_known(request.headers.get("if-none-match"), tag):
        return responses.not_modified(tag)
    response.headers["ETag"] = tag
    return response


def _again(endpoint: Endpoint, arguments: Mapping[str, object], made: Mapping[str, str]) -> object:
    """What the view would have returned, had its answer not been lost."""
    again = cast("Callable[..., object]", endpoint.again)
    made_ids = {name: id_ for name, prefix in PREFIX_OF.items() for id_ in made.values() if is_id(prefix, id_)}
    known = {**made_ids, **arguments}
    return again(**{name: known[name] for name in again.__annotations__ if name != "return"})


def _endpoint(
    view: Callable[..., object],
    path: str,
    method: str,
    answer: Answer | None,
    status: int,
    public: bool,
    again: Callable[..., object] | None,
) -> Endpoint:
    takes = {name: kind for name, kind in view.__annotations__.items() if name != "return"}
    return Endpoint(
        path=path,
        method=method,
        view=view,
        answer=answer,
        status=status,
        public=public,
        refuses=vars(view).get("refuses", ()),
        body=takes.pop("body", None),
        query=takes.pop("query", None),
        takes_caller=takes.pop("caller", None) is Caller,
        takes_if_match=takes.pop("if_match", None) is IfMatch,
        again=again,
        path_parameters=tuple(takes.items()),
    )


def _refuse(error: DaybookError, request: Request, headers: dict[str, str]) -> Response:
    problem = problems.problem_of(error, instance=path_of(request), request_id=headers["X-Request-Id"])
    return problems.respond(problem, headers)


def request_id_of(request: Request) -> str:
    """API Gateway's id of the request; `chalice local` has none, so it gets one of its own."""
    return str(request.context.get("requestId") or uuid.uuid4())
