"""Schemathesis against the application in this process: whatever the description allows and forbids is sent, and every
answer must be as described."""

import io
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import schemathesis
from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.config._checks import NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES as NEGATIVE
from schemathesis.config._checks import POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES as POSITIVE
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.transport.wsgi import WSGITransport

import app as daybook
from tests.http.api import Api
from tests.http.gateway import as_deployed
from tests.wired import MemoryWired

SEED = 20_261_120
_OF_THE_NETWORK = {"max_redirects", "verify", "cert", "proxies"}
UNSTATED = {
    "": "one of two forms of work",
    "/amount": "what is open of the invoice, and the decimals of its currency",
    "/bic": "the form of a BIC",
    "/current": "the password that it is now",
    "/date": "the years that we keep books for",
    "/default_tax_rate": "how many decimals",
    "/email": "the form of an address",
    "/ended_at": "after the beginning, and within a month of it",
    "/iban": "the check digits",
    "/invoice_prefix": "not that of credit notes",
    "/minutes": "no more than that day has",
    "/new": "how long its normal form is",
    "/paid_on": "not after today",
    "/password": "how long its normal form is",
    "/price": "how many digits",
    "/rate": "how many digits",
    "/rate_valid_from": "the years that we keep books for",
    "/reverse_charge": "only where the account has a VAT id",
    "/started_at": "the years that we keep books for",
    "/tax_rate": "how many decimals, and none with reverse charge",
    "/through": "not after today",
    "/time_zone": "the name of a zone",
    "/vat_id": "needed with reverse charge",
}
"""By JSON pointer the rules that no schema can state: a request that the description allows may break these alone. Which fields
the columns of an import may be, is another: it depends on the import's kind."""
WHOLE_NUMBER = re.compile(r"Expected `int( \| null)?`, got `float`")
"""JSON Schema takes `5.0` for an integer; whoever writes it to us means something else than days or minutes."""
StartResponse = Callable[[str, list[tuple[str, str]]], object]


@dataclass
class Gateway:
    """The application behind API Gateway, as WSGI; counts what it answers."""

    local: LocalGateway = field(default_factory=lambda: LocalGateway(daybook.app, Config.create()))
    statuses: Counter[int] = field(default_factory=Counter)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["REQUEST_URI"].partition("?")[0]  # as it was sent, which PATH_INFO is not
        target = f"{path}?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else path
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
        }
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, answered, content = self._handled(environ["REQUEST_METHOD"], target, headers, body)
        self.statuses[status] += 1
        start_response(f"{status} -", [*answered.items()])
        return [content]

    def _handled(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        try:
            answer = self.local.handle_request(method, target, headers, body)
        except LocalGatewayException as refusal:
            return as_deployed(refusal.CODE, refusal.headers, refusal.body or b"", target.partition("?")[0])
        return answer["statusCode"], answer["headers"], (answer["body"] or "").encode()


class Nowhere(io.TextIOBase):
    """Where the request log goes."""

    def write(self, text: str) -> int:
        return len(text)


@dataclass
class Report:
    """How many requests were sent, by the status of their answers, and in words what was not as described."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.statuses.total()


@schemathesis.check
def refused_only_by_a_rule_that_no_schema_states(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Fails for a request that the description allows and the application refuses without one of those rules."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in {400, 422}:
        return
    problem = response.json()
    unstated = [
        error["pointer"] in UNSTATED or error["pointer"].startswith("/columns/") or WHOLE_NUMBER.match(error["detail"])
        for error in problem.get("errors", [])
    ]
    assert problem["code"] in {"bad_cursor", "product_ids_differ"} or (unstated and all(unstated)), problem["detail"]


@schemathesis.hook("before_call")
def fresh_key(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Without it all requests of a route would bear one key, and all after the first be refused for that alone."""
    header = case.meta and case.meta.components.get(ParameterLocation.HEADER)
    if header and header.mode.is_positive and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


def attack(cases: int) -> Report:
    """Sends at least so many requests, the same ones each time."""
    with in_memory(), mended_transport(), redirect_stdout(Nowhere()):
        token = str(Api().signed_up().token)
        gateway = Gateway()
        report = Report()
        config = SchemathesisConfig.from_dict(_settings(token, cases))
        schema = schemathesis.openapi.from_wsgi("/openapi.json", gateway, config=config)
        for event in from_schema(schema).execute():
            report.failures += _failures(event)
        report.statuses = gateway.statuses
        return report


@contextmanager
def mended_transport() -> Iterator[None]:
    """Schemathesis 4.32 hands settings of the network to werkzeug, which knows none, where a check repeats a request."""
    sent = WSGITransport.send

    def send(self: WSGITransport, *arguments: Any, **named: Any) -> Any:
        return sent(self, *arguments, **{name: value for name, value in named.items() if name not in _OF_THE_NETWORK})

    with patch.object(WSGITransport, "send", send):
        yield


@contextmanager
def in_memory() -> Iterator[None]:
    real = daybook.wired
    daybook.wired = MemoryWired()  # type: ignore[assignment]
    try:
        yield
    finally:
        daybook.wired = real


def _settings(token: str, cases: int) -> dict[str, Any]:
    each = max(1, cases // len(daybook.app.endpoints))
    return {
        "seed": SEED,
        "base-url": "http://localhost",
        "continue-on-failure": True,
        "auth": {"openapi": {"token": {"bearer": token}}},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": [*POSITIVE, "400", "412", "422"]},
            "negative_data_rejection": {"expected-statuses": [*NEGATIVE, "412"]},
        },
        "generation": {"deterministic": True, "max-examples": each, "database": "none"},
    }


def _failures(event: events.EngineEvent) -> Iterator[str]:
    if isinstance(event, events.FatalError):
        raise event.exception
    if isinstance(event, events.NonFatalError):
        yield f"{event.label}: {event.info.format()}"
    if isinstance(event, events.ScenarioFinished):
        for case_id, checks in event.recorder.checks.items():
            failed = ((check.name, check.failure_info.failure) for check in checks if check.failure_info is not None)
            for name, failure in failed:
                yield f"{event.phase.value}: {name}: {failure}\n{_told(event.recorder, case_id)}"


def _told(recorder: ScenarioRecorder, case_id: str) -> str:
    """The request and its answer."""
    response = recorder.interactions[case_id].response
    answer = "no answer" if response is None else f"{response.status_code} {response.text[:500]}"
    return f"{recorder.cases[case_id].value.as_curl_command()}\n{answer}"


def run(cases: int) -> bool:
    """Says what was sent and what was not answered as described; whether all was."""
    report = attack(cases)
    print(f"{report.cases} requests that the description allows or forbids: {len(report.failures)} not answered as it says")
    print(f"  by status: {dict(sorted(report.statuses.items()))}")
    for failure in report.failures:
        print(failure)
    return not report.failures
