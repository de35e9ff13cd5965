"""Every AWS call of the application, numbered and named; and what can go wrong with one of them."""

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from http import HTTPStatus
from threading import local
from typing import Any
from urllib.parse import parse_qs

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from tests.faults.in_process_aws import Answer, InProcessAws, Request, request_of, response_of
from tests.faults.virtual_time import VirtualClock

CALL_SECONDS = 0.02
READ_TIMEOUT_SECONDS = 3


class Fault(StrEnum):
    """What befalls one call. `..._ON`: and each like it until the invocation ends."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    TIMEOUT = "timeout"
    ANSWER_LOST = "answer lost"
    ANSWERS_LOST_ON = "answers lost from there on"
    THROTTLED = "throttled"
    THROTTLED_ON = "throttled from there on"
    SERVER_ERROR = "server error"
    SERVER_ERROR_ON = "server errors from there on"
    CONFLICT = "conflict"
    CONFLICT_ON = "conflicts from there on"
    PARTIAL = "partial"
    PARTIAL_ON = "partial from there on"


ANYWHERE = tuple(fault for fault in Fault if not fault.startswith(("conflict", "partial")))
_CONDITIONAL = ("dynamodb.TransactWriteItems", "s3.PutObject")
_IN_PART = (
    "eventbridge.PutEvents",
    "sqs.SendMessageBatch",
    "dynamodb.BatchGetItem",
    "s3.GetObject",
    "s3.DeleteObjects",
)


def faults_of(call: str) -> tuple[Fault, ...]:
    """Those that can befall a call of that name."""
    conflicts = (Fault.CONFLICT, Fault.CONFLICT_ON) if call in _CONDITIONAL else ()
    partial = (Fault.PARTIAL, Fault.PARTIAL_ON) if call in _IN_PART else ()
    return (*ANYWHERE, *conflicts, *partial)


_OBJECT = re.compile(rb"<Object>.*?</Object>", re.DOTALL)
_NAMED = re.compile(rb"</?Object>")
_OF_A_BODY = ("content-length", "content-md5", "x-amz-checksum-crc32", "x-amz-content-sha256")


class Crash(BaseException):
    """The process is gone: nothing that catches Exception sees it, and nothing after it runs."""


class TimedOut(Crash):
    """Lambda ended the invocation because its time was up."""


@dataclass(slots=True)
class Invocation:
    """One run of one function. `stricken` is the fault that goes on, and the service or operation that it goes on with."""

    function: str
    number: int
    deadline: float
    stricken: tuple[Fault, str] | None = None
    calls: list["Call"] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """`executed`: the service did what it was asked for, whatever the application heard of it; `wrote` what it then wrote."""

    number: int
    name: str
    invocation: Invocation
    executed: bool = False
    wrote: bytes = b""
    fault: Fault | None = None


@dataclass(slots=True)
class SentMail:
    """What the mail service has taken; `noted` once the table knows the service's id for it."""

    message: EmailMessage
    message_id: str
    recipients: tuple[str, ...]
    tags: Mapping[str, str]
    call: Call
    noted: bool = False


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """What the bus has taken."""

    detail_type: str
    detail: Mapping[str, Any]
    call: Call
    at: float


class Plane:
    """Stands before the wire. Only what the application calls within an invocation is counted, or struck.

    `before_call` runs before each counted call: there an interleaving hands over. What is `out_of_order` fails each time.
    """

    def __init__(self, aws: InProcessAws, clock: VirtualClock) -> None:
        self._aws = aws
        self._clock = clock
        self._running = local()
        self._invocations = itertools.count()
        self.calls: list[Call] = []
        self.mails: list[SentMail] = []
        self.events: list[ToldEvent] = []
        self.news: list[Mapping[str, Any]] = []
        self.strikes: dict[int, Fault] = {}
        self.armed = False
        self.before_call: Callable[[], None] = lambda: None
        self.out_of_order: Callable[[Call, Request], bool] = lambda _call, _request: False

    def arm(self, strikes: Mapping[int, Fault]) -> None:
        """Counts from 0 again and strikes at these numbers; what was mailed and told stays."""
        self.calls.clear()
        self.strikes = dict(strikes)
        self.armed = True

    def disarm(self) -> None:
        self.armed = False

    @property
    def struck(self) -> list[Call]:
        return [call for call in self.calls if call.fault is not None]

    @contextmanager
    def invocation(self, function: str, timeout_seconds: float) -> Iterator[Invocation]:
        running = Invocation(function, next(self._invocations), self._clock.seconds() + timeout_seconds)
        self._running.invocation = running
        try:
            yield running
        finally:
            self._running.invocation = None

    def before_send(self, event_name: str, request: Any, **_more: object) -> AWSResponse:
        """botocore's hook: what it returns is the answer, and the wire is never touched."""
        invocation: Invocation | None = getattr(self._running, "invocation", None)
        sent = request_of(request)
        if invocation is None:
            return response_of(self._aws.answer(sent), sent.url)
        self.before_call()
        _, service, operation = event_name.split(".")[:3]
        call = Call(len(self.calls), f"{service}.{operation}", invocation)
        self.calls.append(call)
        invocation.calls.append(call)
        return response_of(self._serve(call, sent), sent.url)

    def _serve(self, call: Call, request: Request) -> Answer:
        self._clock.advance(CALL_SECONDS)
        invocation = call.invocation
        if self._clock.seconds() > invocation.deadline:
            raise TimedOut(f"{invocation.function} at {call.name}")
        call.fault = fault = Fault.SERVER_ERROR if self.out_of_order(call, request) else self._fault_of(call)
        match fault:
            case None:
                return self._execute(call, request)
            case Fault.CRASH_BEFORE:
                raise Crash(f"before {call.name}")
            case Fault.CRASH_AFTER:
                self._execute(call, request)
                raise Crash(f"after {call.name}")
            case Fault.TIMEOUT:
                self._execute(call, request)
                self._clock.advance_to(invocation.deadline)
                raise TimedOut(f"{invocation.function} at {call.name}")
            case Fault.ANSWER_LOST | Fault.ANSWERS_LOST_ON:
                self._execute(call, request)
                self._clock.advance(READ_TIMEOUT_SECONDS)
                if self._clock.seconds() > invocation.deadline:
                    raise TimedOut(f"{invocation.function} at {call.name}")
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.PARTIAL | Fault.PARTIAL_ON:
                return self._execute_part(call, request)
            case _:
                return _refusal(fault, call.name, request)

    def _fault_of(self, call: Call) -> Fault | None:
        invocation = call.invocation
        if not self.armed:
            return None
        planned = self.strikes.get(call.number)
        if planned is not None:
            if planned.endswith("from there on"):
                lasting = call.name if planned in _OF_ONE_OPERATION else call.name.partition(".")[0]
                invocation.stricken = (planned, lasting)
            return planned
        if invocation.stricken is not None:
            fault, lasting = invocation.stricken
            if lasting in (call.name, call.name.partition(".")[0]):
                return fault
        return None

    def _execute(self, call: Call, request: Request) -> Answer:
        answer = self._aws.answer(request)
        call.executed = answer.status < 300
        if call.executed and call.name in _WRITES:
            call.wrote = request.body
            for mail in self.mails:
                mail.noted = mail.noted or mail.message_id.encode() in request.body
        if call.executed and call.name == "ses.SendRawEmail":
            self.mails.append(_mail_of(call, request, answer))
        if call.executed and call.name == "sns.Publish":
            self.news.append(json.loads(parse_qs(request.body.decode())["Message"][0]))
        if call.executed and call.name == "eventbridge.PutEvents":
            entries = json.loads(request.body)["Entries"]
            results = json.loads(answer.body)["Entries"]
            self.events.extend(
                ToldEvent(entry["DetailType"], json.loads(entry["Detail"]), call, self._clock.seconds())
                for entry, result in zip(entries, results, strict=True)
                if "EventId" in result
            )
        return answer

    def _execute_part(self, call: Call, request: Request) -> Answer:
        """The service takes all but one, or reads half of what it was asked for, and says so with a 200.

        S3 says nothing: its answer breaks off.
        """
        if call.name == "s3.GetObject":
            whole = self._execute(call, request)
            return whole if whole.status not in _READ else whole._replace(body=whole.body[: len(whole.body) // 2])
        if call.name == "s3.DeleteObjects":
            return self._remove_all_but_the_last(call, request)
        asked = json.loads(request.body)
        match call.name:
            case "eventbridge.PutEvents":
                entries = asked["Entries"]
                place = len(entries) // 2
                rest = entries[:place] + entries[place + 1 :]
                results: list[Any] = []
                if rest:
                    results = json.loads(self._execute(call, _with_body(request, asked | {"Entries": rest})).body)["Entries"]
                results.insert(place, {"ErrorCode": "InternalFailure", "ErrorMessage": "the event was not taken"})
                return _json_answer(200, {"FailedEntryCount": 1, "Entries": results})
            case "sqs.SendMessageBatch":
                *rest, last = asked["Entries"]
                answered: dict[str, Any] = {"Successful": []}
                if rest:
                    answered = json.loads(self._execute(call, _with_body(request, asked | {"Entries": rest})).body)
                failed = {"Id": last["Id"], "SenderFault": False, "Code": "InternalError", "Message": "it was not taken"}
                return _json_answer(200, {**answered, "Failed": [failed]})
            case "dynamodb.BatchGetItem":
                wanted, unprocessed = {}, {}
                for table, request_items in asked["RequestItems"].items():
                    keys = request_items["Keys"]
                    half = (len(keys) + 1) // 2
                    wanted[table] = {**request_items, "Keys": keys[:half]}
                    if keys[half:]:
                        unprocessed[table] = {**request_items, "Keys": keys[half:]}
                answered = json.loads(self._execute(call, _with_body(request, asked | {"RequestItems": wanted})).body)
                return _json_answer(200, {**answered, "UnprocessedKeys": unprocessed})
        raise ValueError(f"{call.name} is never done in part")

    def _remove_all_but_the_last(self, call: Call, request: Request) -> Answer:
        *rest, last = _OBJECT.findall(request.body)
        if rest:
            body = request.body.replace(last, b"")
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_A_BODY}
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            more = {"Content-Length": str(len(body)), "Content-MD5": digest}
            self._execute(call, Request(request.method, request.url, {**headers, **more}, body))
        error = b"<Error>" + _NAMED.sub(b"", last) + b"<Code>InternalError</Code><Message>as planned</Message></Error>"
        return Answer(200, {"content-type": "text/xml"}, b"<DeleteResult>" + error + b"</DeleteResult>")


_READ = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
_OF_ONE_OPERATION = (Fault.ANSWERS_LOST_ON, Fault.CONFLICT_ON, Fault.PARTIAL_ON)
_WRITES = {
    "dynamodb.PutItem",
    "dynamodb.UpdateItem",
    "dynamodb.DeleteItem",
    "dynamodb.TransactWriteItems",
    "dynamodb.BatchWriteItem",
}


# As the services word it: what botocore, and the application, go by
_THROTTLING = {
    "dynamodb": (400, "ThrottlingException"),
    "sqs": (400, "RequestThrottled"),
    "eventbridge": (400, "ThrottlingException"),
    "secrets-manager": (400, "ThrottlingException"),
    "ses": (400, "Throttling"),
    "s3": (503, "SlowDown"),
    "sfn": (400, "ThrottlingException"),
    "sns": (429, "Throttled"),
}
_FAILING = {
    "dynamodb": (500, "InternalServerError"),
    "sqs": (500, "InternalError"),
    "eventbridge": (500, "InternalException"),
    "secrets-manager": (500, "InternalServiceError"),
    "ses": (500, "InternalFailure"),
    "s3": (500, "InternalError"),
    "sfn": (500, "InternalFailure"),
    "sns": (500, "InternalError"),
}


def _refusal(fault: Fault, name: str, request: Request) -> Answer:
    service = name.partition(".")[0]
    if fault in (Fault.CONFLICT, Fault.CONFLICT_ON) and service == "s3":
        return _xml_answer(409, "ConditionalRequestConflict")
    if fault in (Fault.CONFLICT, Fault.CONFLICT_ON):
        items = json.loads(request.body)["TransactItems"]
        conflict = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
        reasons: list[Mapping[str, str]] = [conflict, *({"Code": "None"} for _ in items[1:])]
        codes = ", ".join(reason["Code"] for reason in reasons)
        message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
        return _json_answer(400, {"__type": "TransactionCanceledException", "message": message, "CancellationReasons": reasons})
    status, code = (_THROTTLING if fault in (Fault.THROTTLED, Fault.THROTTLED_ON) else _FAILING)[service]
    if service == "s3":
        return _xml_answer(status, code)
    if service in ("ses", "sns"):
        return _xml_answer(status, code, "<ErrorResponse>{}<RequestId>planned</RequestId></ErrorResponse>")
    return _json_answer(status, {"__type": code, "message": "as the harness planned it"})


def _xml_answer(status: int, code: str, around: str = "{}") -> Answer:
    error = f"<Error><Code>{code}</Code><Message>as the harness planned it</Message></Error>"
    return Answer(status, {"content-type": "text/xml"}, around.format(error).encode())


def _json_answer(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, {"content-type": "application/x-amz-json-1.0"}, json.dumps(body).encode())


def _with_body(request: Request, body: Mapping[str, Any]) -> Request:
    octets = json.dumps(body).encode()
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
    return Request(request.method, request.url, {**headers, "Content-Length": str(len(octets))}, octets)


def _mail_of(call: Call, request: Request, answer: Answer) -> SentMail:
    asked = parse_qs(request.body.decode())
    message = message_from_bytes(base64.b64decode(asked["RawMessage.Data"][0]), policy=SMTP)
    recipients = tuple(value for name, values in sorted(asked.items()) if name.startswith("Destinations.") for value in values)
    tags = {
        asked[name][0]: asked[name.removesuffix("Name") + "Value"][0]
        for name in asked
        if name.startswith("Tags.") and name.endswith(".Name")
    }
    message_id = answer.body.decode().partition("<MessageId>")[2].partition("</MessageId>")[0]
    assert isinstance(message, EmailMessage)
    return SentMail(message, message_id, recipients, tags, call)
