"""A Stripe on this machine: localstripe (PyPI) in a process of its own, and in front of it what localstripe leaves out.

The front, in this process, does as Stripe documents:

- it answers an Idempotency-Key with what it answered first, errors too; refuses one that comes with another request, and one
  whose first request is still running; and takes no POST without one (docs.stripe.com/api/idempotent_requests);
- `allowed_payment_method_types`, which API version 2026-10-28 has in place of `payment_method_types`;
- `error_on_requires_action`;
- the codes of errors (docs.stripe.com/error-codes), and the cards that are declined (docs.stripe.com/testing);
- a payment is given back in full only once, but again if that failed (docs.stripe.com/refunds);
- a payment that is processing can be neither confirmed nor canceled.

It also fails when told to.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

API_KEY = "sk_test_daybook"
GOOD = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclined"
INSUFFICIENT_FUNDS = "pm_card_visa_chargeDeclinedInsufficientFunds"
WANTS_ANOTHER_FACTOR = "pm_card_authenticationRequired"
_CHARGED_IN_VAIN = "pm_card_chargeCustomerFail"
"""What localstripe knows of all cards that are declined."""
_DECLINE_CODES = {DECLINED: "generic_decline", INSUFFICIENT_FUNDS: "insufficient_funds"}
_LOCALSTRIPE = """
import socket, sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None  # into a file that all processes of the machine would share
web.run_app(server.app, sock=socket.socket(fileno=int(sys.argv[1])), print=None)
"""

Fault = Literal["unreachable", "lost", "error", "error_after", "busy", "pending", "unusable", "misasked"]
"""Nothing is done, or all; the answer is none, a 500, that another request is at the intent (429), or that it is under way; or
it refuses the payment method, or the request itself.
"""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Json


@dataclass
class StripeStandIn:
    """`faults` are met one by one by the requests of their action: create, confirm, cancel, refund, list or retrieve."""

    localstripe: int
    address: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Action and Idempotency-Key of each."""
    api_key: str = API_KEY
    processing: set[str] = field(default_factory=set)
    """Intents whose payment is under way."""
    refund_statuses: dict[str, str] = field(default_factory=dict)
    """Of the refunds that have not succeeded, by id."""
    answers: dict[str, tuple[str, Answer | None]] = field(default_factory=dict)
    """By Idempotency-Key: what was asked, and the answer once there is one."""
    methods: dict[str, str] = field(default_factory=dict)
    """The payment method of each intent."""
    lock: Lock = field(default_factory=Lock)

    def forget(self) -> None:
        self.ask("DELETE", "/_config/data")
        for kept in (self.faults, self.requests, self.processing, self.refund_statuses, self.answers, self.methods):
            kept.clear()
        self.api_key = API_KEY

    def forget_idempotency_keys(self) -> None:
        """As Stripe does after a day."""
        self.answers.clear()

    def intents(self, key: object) -> list[Json]:
        listed = self.ask("GET", "/v1/payment_intents?limit=100").body["data"]
        return [intent for intent in listed if intent["metadata"].get("daybook_payment") == str(key)]

    def charges(self, key: object) -> list[Json]:
        """`amount_refunded` is what has arrived."""
        ids = {intent["id"] for intent in self.intents(key)}
        listed = self.ask("GET", "/v1/charges?limit=100").body["data"]
        succeeded = [charge for charge in listed if charge["payment_intent"] in ids and charge["status"] == "succeeded"]
        for charge in succeeded:
            refunds = self._refunds(charge["payment_intent"])
            charge["amount_refunded"] = sum(refund["amount"] for refund in refunds if refund["status"] == "succeeded")
        return succeeded

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """Of localstripe itself."""
        connection = HTTPConnection("127.0.0.1", self.localstripe, timeout=10)
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/x-www-form-urlencoded"}
        try:
            connection.request(method, path, urlencode(form) if form else None, headers)
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, json.loads(content) if content else {})
        finally:
            connection.close()

    def answer(self, action: str, method: str, path: str, form: dict[str, str]) -> Answer:
        intent_id = form.get("payment_intent") or (path.split("/")[3] if path.count("/") > 2 else "")
        match action:
            case "create":
                return self._create(path, form)
            case "confirm" | "cancel" if intent_id in self.processing:
                return _unexpected_state()
            case "confirm":
                return self._confirm(path, form, intent_id)
            case "refund" if self._refunded(intent_id):
                return _refused(400, code="charge_already_refunded", message="The charge has already been refunded.")
            case "list":
                intent_id = dict(parse_qsl(path.partition("?")[2]))["payment_intent"]
                return Answer(
                    200, {"object": "list", "url": "/v1/refunds", "has_more": False, "data": self._refunds(intent_id)}
                )
            case _:
                return self._told(self.ask(method, path, form), intent_id)

    def _create(self, path: str, form: dict[str, str]) -> Answer:
        if form.pop("allowed_payment_method_types[0]", None) != "card":
            return _refused(400, code="parameter_unknown", message="This stand-in knows cards only.")
        if int(form["amount"]) < 1:
            return _refused(400, code="parameter_invalid_integer", message="This value must be at least 1.", param="amount")
        card = form["payment_method"]
        if card in _DECLINE_CODES:
            form["payment_method"] = _CHARGED_IN_VAIN
        elif card == WANTS_ANOTHER_FACTOR:
            details = {"number": "4000002760003184", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
            made = self.ask("POST", "/v1/payment_methods", {"type": "card", **{f"card[{k}]": v for k, v in details.items()}})
            form["payment_method"] = made.body["id"]
        answer = self.ask("POST", path, form | {"payment_method_types[0]": "card"})
        if answer.status == 404:
            message = f"No such PaymentMethod: '{card}'"
            return _refused(404, code="resource_missing", message=message, param="payment_method")
        if answer.status == 200:
            self.methods[answer.body["id"]] = card
        return answer

    def _confirm(self, path: str, form: dict[str, str], intent_id: str) -> Answer:
        assert form.pop("error_on_requires_action") == "true"
        answer = self._told(self.ask("POST", path, form), intent_id)
        if answer.status == 200 and answer.body["status"] == "requires_action":
            return _refused(402, type="card_error", code="authentication_required", message="Your card was declined.")
        return answer

    def _told(self, answer: Answer, intent_id: str) -> Answer:
        """With what localstripe does not say."""
        decline_code = _DECLINE_CODES.get(self.methods.get(intent_id, ""))
        if answer.status == 402:
            answer.body["error"] |= {"type": "card_error", "decline_code": decline_code}
        elif answer.status == 400:
            return _unexpected_state()
        elif answer.body.get("last_payment_error"):
            answer.body["last_payment_error"]["decline_code"] = decline_code
        if intent_id in self.processing and answer.body.get("object") == "payment_intent":
            answer.body["status"] = "processing"
        return answer

    def _refunded(self, intent_id: str) -> bool:
        return any(refund["status"] in {"succeeded", "pending"} for refund in self._refunds(intent_id))

    def _refunds(self, intent_id: str) -> list[Json]:
        listed = self.ask("GET", f"/v1/refunds?payment_intent={intent_id}").body["data"]
        return [refund | {"status": self.refund_statuses.get(refund["id"], refund["status"])} for refund in listed]


@contextmanager
def running_stripe() -> Iterator[StripeStandIn]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-c", _LOCALSTRIPE, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stand_in = StripeStandIn(listening.getsockname()[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _front_of(stand_in))
    serving = Thread(target=server.serve_forever, args=(0.05,))
    try:
        stand_in.address = f"http://127.0.0.1:{server.server_address[1]}"
        serving.start()
        yield stand_in
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        process.terminate()
        process.wait()


def _front_of(stand_in: StripeStandIn) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self, method: str) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            action = _action(method, self.path)
            key = self.headers.get("Idempotency-Key")
            with stand_in.lock:
                stand_in.requests.append((action, key))
                waiting = stand_in.faults.get(action)
                fault = waiting.pop(0) if waiting else None
            if fault == "unreachable":
                return
            answer = self._answer(method, action, key, content, fault)
            if fault == "lost":
                return
            body = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _answer(self, method: str, action: str, key: str | None, content: str, fault: Fault | None) -> Answer:
            if self.headers.get("Authorization") != f"Bearer {stand_in.api_key}":
                return _refused(401, message="Invalid API Key provided")
            if fault == "busy":
                return _refused(429, code="lock_timeout", message="This object cannot be accessed right now.")
            if method == "GET":
                return stand_in.answer(action, method, self.path, {})
            if key is None:
                return _refused(400, message="An Idempotency-Key is wanted here.")
            asked = f"{self.path} {content}"
            with stand_in.lock:
                if key in stand_in.answers:
                    before, answer = stand_in.answers[key]
                    if answer is None:
                        return _refused(409, type="idempotency_error", code="idempotency_key_in_use", message="In use.")
                    return answer if asked == before else _refused(400, type="idempotency_error", message="Another request.")
                stand_in.answers[key] = (asked, None)
            done = (
                _REFUSALS[fault] if fault in _REFUSALS else stand_in.answer(action, method, self.path, dict(parse_qsl(content)))
            )
            if fault == "pending" and action == "refund":
                stand_in.refund_statuses[done.body["id"]] = done.body["status"] = "pending"
            elif fault == "pending":
                stand_in.processing.add(done.body["id"])
                done.body["status"] = "processing"
            answer = _REFUSALS["error"] if fault == "error_after" else done
            stand_in.answers[key] = (asked, answer)
            return answer

    return Front


def _action(method: str, path: str) -> str:
    if method == "GET":
        return "list" if path.startswith("/v1/refunds") else "retrieve"
    last = path.rpartition("/")[2]
    return {"payment_intents": "create", "refunds": "refund"}.get(last, last)


def _unexpected_state() -> Answer:
    return _refused(400, code="payment_intent_unexpected_state", message="The PaymentIntent's status does not allow this.")


def _refused(status: int, *, message: str, type: str = "invalid_request_error", **more: str) -> Answer:  # noqa: A002
    return Answer(status, {"error": {"type": type, "message": message, **more}})


_REFUSALS: Mapping[Fault | None, Answer] = {
    "error": _refused(500, type="api_error", message="Something went wrong on our end."),
    "unusable": _refused(400, message="This PaymentMethod may not be used again.", param="payment_method"),
    "misasked": _refused(400, message="Received unknown parameter.", code="parameter_unknown", param="new"),
}
"""Of the faults for which nothing is done."""
