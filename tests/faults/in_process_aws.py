"""MiniStack inside this process: no sockets, no threads, and no time but ours.

It comes from the environment that `make setup` makes for the local AWS, put last on the path: what the application imports is
still found in its own.
"""

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse

from operations.local_aws import server_python
from tests.faults.virtual_time import TimeOf, VirtualClock

HOST = "127.0.0.1:4566"


class Request(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, Any]
    body: bytes


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class InProcessAws:
    def __init__(self, clock: VirtualClock) -> None:
        self._serve = _load_ministack(clock)
        self._loop = asyncio.new_event_loop()

    def answer(self, request: Request) -> Answer:
        url = urlsplit(request.url)
        headers = [(name.lower().encode(), _octets(value)) for name, value in request.headers.items()]
        if not any(name == b"host" for name, _ in headers):
            headers.append((b"host", url.netloc.encode()))
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": request.method,
            "path": unquote(url.path) or "/",
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": tuple(HOST.split(":")),
        }
        incoming = iter([{"type": "http.request", "body": request.body, "more_body": False}])
        status, answered, body = 0, {}, bytearray()

        async def receive() -> dict[str, Any]:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                body.extend(message.get("body", b""))

        self._loop.run_until_complete(self._serve(scope, receive, send))
        return Answer(status, answered, bytes(body))


def request_of(prepared: Any) -> Request:
    """botocore's request, with its body as bytes."""
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    return Request(prepared.method, prepared.url, dict(prepared.headers), _octets(body))


def response_of(answer: Answer, url: str) -> AWSResponse:
    """What botocore takes for an answer that came over the wire."""
    headers: Any = dict(answer.headers)
    return AWSResponse(url, answer.status, headers, _Raw(answer.body))


class _Raw(io.BytesIO):
    def stream(self, size: int = 65_536, **_: object) -> Iterator[bytes]:
        while chunk := self.read(size):
            yield chunk


def _octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _load_ministack(clock: VirtualClock) -> Any:
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([server_python(), "-c", find], check=True, capture_output=True, text=True)
    sys.path.append(found.stdout.strip())
    os.environ |= {"LOG_LEVEL": "ERROR", "PERSIST_STATE": "0", "GATEWAY_PORT": HOST.partition(":")[2]}
    with mock.patch.object(threading.Thread, "start", _do_not_start):
        import ministack.app
        from ministack.services import dynamodb, eventbridge, secretsmanager, ses, sns, sqs, stepfunctions

        from operations import ministack_truer
    TimeOf(clock).put_into(dynamodb, eventbridge, secretsmanager, ses, sns, sqs, ministack_truer)
    ministack_truer.mend_message_moves()
    vars(stepfunctions)["threading"] = _Threads()
    return ministack.app.app


def _do_not_start(thread: threading.Thread) -> None:
    """MiniStack's sweeper of expired items would run in the middle of things, and not survive a fork."""


class _Threads:
    """Stands in for the module `threading` where Step Functions runs executions: the pump does that."""

    class Thread:
        def __init__(self, **_: object) -> None: ...

        def start(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)
