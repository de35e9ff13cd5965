"""A Chalice whose routes declare their types, and whose every answer, refusals too, comes from one place."""

import re
import sys
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import msgspec
from chalice.app import Chalice, ChaliceAuthorizer, CORSConfig, Request, Response

from chalicelib.domain.errors import DaybookError, Forbidden, NotFound, Unauthenticated
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.limits import Limit
from chalicelib.domain.made import Made
from chalicelib.domain.paging import Page
from chalicelib.domain.users import Caller, Role
from chalicelib.edge import problems, rate_limits, responses
from chalicelib.edge.preconditions import IfMatch, entity_tag, is_known
from chalicelib.edge.rate_limits import Limiter, who_asks
from chalicelib.edge.request_log import RequestLog
from chalicelib.edge.requests import PREFIX_OF, check_size, path_of, read_body, read_path, read_query, stage_of
from chalicelib.edge.responses import Document, Text
from chalicelib.edge.views import ListView, View

if TYPE_CHECKING:
    from chalicelib.edge.bodies import Body
    from chalicelib.edge.idempotency import Once
    from chalicelib.edge.steps import StepInput

Answer = type[View] | type[ListView] | Document
AnyView = TypeVar("AnyView", bound=Callable[..., object])
_CREATED = 201
_NO_CONTENT = 204
_REQUEST_ID = r"(?a)[\w-]{8,64}"


class Endpoint(NamedTuple):
    """One route and method: everything that serving it, and describing it, needs.

    `shown_by_get` is what GET shows of what it changes, if the view takes an `if_match`.
    """

    path: str
    method: str
    view: Callable[..., object]
    answer: Answer | None
    status: int
    may_make: bool
    public: bool
    roles: tuple[Role, ...]
    body: "type[Body] | None"
    query: type[msgspec.Struct] | None
    path_parameters: tuple[tuple[str, type], ...]
    takes_caller: bool
    limit: Limit
    shown_by_get: type[View] | None
    again: Callable[..., object] | None


class Application(Chalice):
    """`endpoints` lists every route that was declared, in order."""

    def __init__(self, app_name: str, *, allowed_origins: Sequence[str]) -> None:
        super().__init__(app_name=app_name, configure_logs=False)
        self._request_log = RequestLog()
        self.register_middleware(self._request_log.trigger)
        self._allowed_origins = allowed_origins
        cors = CORSConfig(
            allow_origin=allowed_origins[0],
            allow_headers=["Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Idempotent-Replayed", "Link", "Location", "X-Request-Id", *rate_limits.HEADERS],
            max_age=600,
        )
        self.api.cors = cors
        self._cors_headers: dict[str, str] = cors.get_access_control_headers()
        self.endpoints: list[Endpoint] = []
        self._gatekeeper: ChaliceAuthorizer | None = None
        self.limiter: Limiter | None = None
        self.once: Callable[[], Once] | None = None

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        answer: Answer | None = None,
        status: int = 200,
        may_make: bool = False,
        public: bool = False,
        for_roles: Sequence[Role] = tuple(Role),
        limit: Limit = "requests",
        again: Callable[..., object] | None = None,
        **kwargs: Any,
    ) -> Callable[[AnyView], AnyView]:
        """Declares a route. The view's annotations say what it takes:

        `caller: Caller` who asks; `body` and `query` Structs that are decoded and checked; `if_match: IfMatch`, which checks
        what is about to be changed; all others are path parameters. It returns what `answer` is a view of, or the document's
        `Text`; without `answer`, the address to which the caller is sent on, or nothing if `status` is 204. `for_roles` says
        who may call it at all. With `may_make` it may return `Made` instead, for what was not there before: that is answered
        with 201.

        Raises: ValueError if it takes an `if_match` and no GET that answers a View is declared yet at the path, or for a POST,
        which does something with the thing above it, at the path above.

        `again` is for a POST that has taken effect and whose answer was lost: it returns what the view would have, and takes
        of its arguments those of the view and the ids of what was made.

        `limit` is what a request counts as, before anything else of it is read.
        """

        def declare(view: AnyView) -> AnyView:
            for method in methods:
                roles = () if public else tuple(for_roles)
                endpoint = _endpoint(view, path, method, answer, status, may_make, public, roles, limit, again, self.endpoints)
                self.endpoints.append(endpoint)
                super(Application, self).route(
                    path,
                    name=view.__name__,
                    methods=[method],
                    authorizer=None if public else self._gatekeeper,
                    content_types=[],
                    **kwargs,
                )(self._serving(endpoint))
            return view

        return declare

    def authorizer(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Declares who is asked before every route that is declared after it, unless that is public."""

        def declare(admit: Callable[..., Any]) -> ChaliceAuthorizer:
            gatekeeper: ChaliceAuthorizer = super(Application, self).authorizer(*args, **kwargs)(admit)
            self._gatekeeper = gatekeeper
            return gatekeeper

        return declare

    def on_s3_event(self, bucket: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        if "chalice.package" in sys.modules:
            from chalicelib.packager import package_s3_events

            package_s3_events()
        return super().on_s3_event(bucket, *args, **kwargs)

    def step(self, name: str, work: "Callable[[StepInput], None]") -> Callable[[Any, Any], Any]:
        """Declares the function of a workflow's step, which has to be assigned to that name. What it raises is the step's
        error, by the name of its class.
        """

        def handle(event: dict[str, object], _context: object) -> None:
            from chalicelib.edge.steps import StepInput

            work(StepInput(event))

        handle.__name__ = name
        function: Callable[[Any, Any], Any] = self.lambda_function()(handle)
        return function

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answers one request, with the headers that every answer has, and writes its line into the log."""
        began = time.perf_counter()
        try:
            answer = self._answer(event, context)
        except Exception as error:  # noqa: BLE001  the outermost HTTP boundary
            self._request_log.failed(error)
            answer = {"headers": {}}
        if "X-Request-Id" not in answer["headers"]:  # Chalice's own answer to what it trips over
            request_id = str(uuid.uuid4())
            problem = problems.problem_of(problems.Unexpected(), instance="", request_id=request_id)
            answer = problems.respond(problem, {"X-Request-Id": request_id, **self._cors_headers}).to_dict()
        answer["headers"] = {**responses.SECURITY_HEADERS, **answer["headers"], **self.origin_headers(event["headers"] or {})}
        self._request_log.request(event, answer, began, served=event["requestContext"]["resourcePath"] in self.routes)
        return answer

    def origin_headers(self, request_headers: Mapping[str, str]) -> dict[str, str]:
        """The origin that is asked for if its pages may read the answer, else one that may: then the browser refuses."""
        if len(self._allowed_origins) == 1:
            return {}
        asked = next((value for name, value in request_headers.items() if name.lower() == "origin"), "")
        allowed = asked if asked in self._allowed_origins else self._allowed_origins[0]
        return {"Access-Control-Allow-Origin": allowed, "Vary": "Origin"}

    def _answer(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """What no route serves is refused like everything else, not in Chalice's own form."""
        served = self.routes.get(event["requestContext"]["resourcePath"], {})
        if event["requestContext"]["httpMethod"] in served:
            return super().__call__(event, context)
        request = Request(event, context)

        headers = dict(self._cors_headers)

        def refuse() -> Response:
            self._count("requests", who_asks(request), headers)
            if not served:
                raise NotFound
            headers["Allow"] = ", ".join(sorted(served))
            raise problems.MethodNotAllowed

        return self._answered(request, headers, refuse).to_dict()

    def _serving(self, endpoint: Endpoint) -> Callable[..., Response]:
        def serve(**path_parameters: str) -> Response:
            request = cast("Request", self.current_request)
            headers: dict[str, str] = {}

            def answer() -> Response:
                who = who_asks(request)
                if endpoint.limit != "password":
                    self._count(endpoint.limit, who, headers)
                    return self._serve(endpoint, request, who, self._read(endpoint, request, who, path_parameters))
                try:
                    arguments = self._read(endpoint, request, who, path_parameters)
                except DaybookError:  # no attempt: there is no password in it
                    self._count("requests", who, headers)
                    raise
                self._count("password", who, headers)
                return self._serve(endpoint, request, who, arguments)

            return self._answered(request, headers, answer)

        return serve

    def _answered(self, request: Request, headers: dict[str, str], answer: Callable[[], Response]) -> Response:
        """What `answer` returns or raises, with these headers, to which it may add."""
        headers["X-Request-Id"] = request_id_of(request)
        try:
            response = answer()
        except DaybookError as refusal:
            self._request_log.failed(refusal)
            return _refuse(refusal, request, headers)
        except Exception as error:  # noqa: BLE001  the HTTP boundary
            self._request_log.failed(error)
            return _refuse(problems.Unexpected(), request, headers)
        response.headers.update(headers)
        return response

    def _count(self, limit: Limit, who: Caller | str, headers: dict[str, str]) -> None:
        """Adds what the answer tells of the limit. Raises: TooManyRequests; Unavailable if it must be counted and cannot be."""
        if self.limiter is None:
            return
        usage = self.limiter(limit, who)
        headers |= rate_limits.headers_of(usage)
        if usage.remaining is None:
            self._request_log.uncounted(headers["X-Request-Id"])
        if usage.refusal is not None:
            raise usage.refusal

    def _read(
        self, endpoint: Endpoint, request: Request, who: Caller | str, path_parameters: dict[str, str]
    ) -> dict[str, object]:
        """What the view takes, if whoever asks may call it."""
        check_size(request)
        if endpoint.limit == "password" and "content-type" not in request.headers:
            raise problems.UnsupportedMediaType  # any web page can send that, without asking first
        if not endpoint.public:
            if isinstance(who, str):
                raise Unauthenticated
            if not set(who.roles) & set(endpoint.roles):
                raise Forbidden
        return self._arguments(endpoint, request, path_parameters, who)

    def _serve(self, endpoint: Endpoint, request: Request, who: Caller | str, arguments: dict[str, object]) -> Response:
        def serve() -> Response:
            return self._respond(endpoint, endpoint.view(**arguments), who, request)

        def again(made: Mapping[str, str]) -> Response:
            return self._respond(endpoint, _again(endpoint, arguments, made), who, request)

        if endpoint.method != "POST" or "idempotency-key" not in request.headers:
            return serve()
        from chalicelib.edge.idempotency import keyed_request

        keyed = keyed_request(request, f"{endpoint.method} {endpoint.path}", who)
        return cast("Callable[[], Once]", self.once)().answer(keyed, serve, again=again if endpoint.again else None)

    def _arguments(
        self, endpoint: Endpoint, request: Request, path_parameters: dict[str, str], who: Caller | str
    ) -> dict[str, object]:
        arguments: dict[str, object] = {
            name: read_path(name, path_parameters[name], kind) for name, kind in endpoint.path_parameters
        }
        if endpoint.takes_caller:
            arguments["caller"] = who
        if endpoint.shown_by_get is not None:
            view = endpoint.shown_by_get
            arguments["if_match"] = IfMatch(
                request.headers.get("if-match"),
                lambda thing: responses.shown(view.of(thing).lasting()),
                if_none_match=request.headers.get("if-none-match"),
            )
        if endpoint.query is not None:
            arguments["query"] = read_query(request, endpoint.query)
        if endpoint.body is not None:
            arguments["body"] = read_body(request, endpoint.body)
        return arguments

    def _respond(self, endpoint: Endpoint, result: object, who: Caller | str, request: Request) -> Response:
        if endpoint.answer is None:
            return responses.nothing() if endpoint.status == _NO_CONTENT else responses.redirect(str(result))
        if isinstance(endpoint.answer, Document):
            document = responses.text(cast("Text", result), endpoint.answer)
            return _tagged(endpoint, request, document, entity_tag(document.body.encode()))
        if issubclass(endpoint.answer, ListView):
            account_id = who.account_id if isinstance(who, Caller) else ""
            return responses.answer_page(cast("Page[Any]", result), endpoint.answer, account_id, request)
        thing, status = (result.thing, _CREATED) if isinstance(result, Made) else (result, endpoint.status)
        shown = thing if isinstance(thing, endpoint.answer) else endpoint.answer.of(thing)
        response = responses.answer(shown, status)
        if endpoint.method == "POST":
            response.headers.update(self._place(endpoint, shown))
        elif endpoint.method != "DELETE":
            return _tagged(endpoint, request, response, responses.tag_of(shown))
        return response

    def _place(self, endpoint: Endpoint, shown: object) -> dict[str, str]:
        """Where GET shows what was made; relative to the request (RFC 9110, 10.2.2), as links to next pages are."""
        if is_shown_below(endpoint, self._shown_below):
            return {"Location": f"{endpoint.path.rpartition('/')[2]}/{getattr(shown, 'id')}"}  # noqa: B009  no view has one by its type
        return {}

    @cached_property
    def _shown_below(self) -> frozenset[tuple[str, Answer | None]]:
        return shown_below(self.endpoints)


def shown_below(endpoints: Sequence[Endpoint]) -> frozenset[tuple[str, Answer | None]]:
    """Each path below which a GET with one parameter more answers a thing, with what it answers."""
    places = ((each.path.rpartition("/"), each) for each in endpoints if each.method == "GET")
    return frozenset((parent, each.answer) for (parent, _, name), each in places if name.startswith("{"))


def is_shown_below(made: Endpoint, places: Collection[tuple[str, Answer | None]]) -> bool:
    """Whether GET shows, at a place of its own, what that POST makes, which may answer more of it."""
    return isinstance(made.answer, type) and any((made.path, kind) in places for kind in made.answer.__mro__)


def _tagged(endpoint: Endpoint, request: Request, response: Response, tag: str) -> Response:
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
    may_make: bool,
    public: bool,
    roles: tuple[Role, ...],
    limit: Limit,
    again: Callable[..., object] | None,
    declared: Sequence[Endpoint],
) -> Endpoint:
    takes = {name: kind for name, kind in view.__annotations__.items() if name != "return"}
    return Endpoint(
        path=path,
        method=method,
        view=view,
        answer=answer,
        status=status,
        may_make=may_make,
        public=public,
        roles=roles,
        body=takes.pop("body", None),
        query=takes.pop("query", None),
        takes_caller=takes.pop("caller", None) is Caller,
        shown_by_get=_shown_by_get(path, method, declared) if takes.pop("if_match", None) is IfMatch else None,
        again=again,
        path_parameters=tuple(takes.items()),
        limit=limit,
    )


def _shown_by_get(path: str, method: str, declared: Sequence[Endpoint]) -> type[View]:
    changed = path.rpartition("/")[0] if method == "POST" else path
    answer = next((each.answer for each in declared if (each.path, each.method) == (changed, "GET")), None)
    if not (isinstance(answer, type) and issubclass(answer, View)):
        raise ValueError(f"{method} {path} takes an if_match: a GET that answers a View must be declared at {changed} before")
    return answer


def _refuse(error: DaybookError, request: Request, headers: dict[str, str]) -> Response:
    problem = problems.problem_of(error, instance=path_of(request), request_id=headers["X-Request-Id"], stage=stage_of(request))
    return problems.respond(problem, headers)


def request_id_of(request: Request) -> str:
    """API Gateway's id of the request; `chalice local` has none, and a caller may put anything in its place: a new one then."""
    given = str(request.context.get("requestId"))
    return given if re.fullmatch(_REQUEST_ID, given) else str(uuid.uuid4())
