"""What `GET /v1/clients/{id}` takes once the function is warm.

    python -m benchmarks.warm [--requests 3000]

First in this process, with a DynamoDB that answers before the wire: the work of the handler and of botocore for two calls.
Then behind the Runtime API and against the stub, beside the naive application.
"""

import argparse
import contextlib
import gc
import io
import os
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

from botocore.awsrequest import AWSResponse
from botocore.handlers import BUILTIN_HANDLERS

from benchmarks import dynamodb_stub
from benchmarks.cold_start import environment, packaged, programs
from benchmarks.runtime_api import live
from benchmarks.things import CLIENT, api_event

REQUESTS: Final = 3000
WARM_UP: Final = 200
EVENT: Final = api_event("/v1/clients/{client_id}", {"client_id": CLIENT.id})


class AnswersAtOnce:
    """Stands before the wire of every botocore client that is made from now on; `calls` is what they asked."""

    def __init__(self) -> None:
        self._answers = dynamodb_stub.answers()
        self.calls: list[str] = []

    def answer(self, event_name: str, request: Any, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        self.calls.append(event_name.partition(".")[2])
        headers: Any = {"Content-Type": "application/x-amz-json-1.0"}
        return AWSResponse(request.url, 200, headers, _Raw(self._answers[operation]))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> list[bytes]:
        return [self._body]


def in_process(requests: int) -> tuple[list[float], list[str]]:
    """The milliseconds of each request to the application in this process, and the calls of AWS that they made."""
    os.environ |= environment(Path.cwd(), (), "http://127.0.0.1:9")
    before_the_wire = AnswersAtOnce()
    BUILTIN_HANDLERS.append(("before-send", before_the_wire.answer))
    import app

    times = []
    with contextlib.redirect_stdout(io.StringIO()):  # the log's lines
        for number in range(WARM_UP + requests):
            if number == WARM_UP:
                gc.collect()
                before_the_wire.calls.clear()
            started = time.perf_counter()
            answer = app.app(EVENT, None)
            times.append((time.perf_counter() - started) * 1000)
            assert answer["statusCode"] == 200, answer
    return times[WARM_UP:], before_the_wire.calls


def behind_runtime_api(function: Path, requests: int) -> Mapping[str, Sequence[float]]:
    with dynamodb_stub.running() as endpoint, programs(function, endpoint) as compared:
        return {
            program.name: live(program, [EVENT] * (WARM_UP + requests)).warm_ms[WARM_UP:]
            for program in (compared.bare, compared.compiled, compared.daybook)
        }


def row(name: str, times: Sequence[float]) -> str:
    hundredths = statistics.quantiles(times, n=100)
    return f"{name:44}{hundredths[49]:8.2f}{hundredths[89]:8.2f}{hundredths[98]:8.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"of each kind ({REQUESTS})")
    parser.add_argument("--function", type=Path, help="an unpacked package to measure instead of a new one")
    parser.add_argument("--in-process", action="store_true", help="nothing else")
    asked = parser.parse_args(arguments)
    print(f"{'GET /v1/clients/{id}, warm, ms':44}{'p50':>8}{'p90':>8}{'p99':>8}")
    times, calls = in_process(asked.requests)
    print(row("Daybook in process", times))
    print(f"{asked.requests:,} requests asked AWS for {dict(Counter(calls))}")
    if asked.in_process:
        return
    with nullcontext(asked.function) if asked.function else packaged() as function:
        for name, found in behind_runtime_api(function, asked.requests).items():
            print(row(f"{name}, by the Runtime API", found))


if __name__ == "__main__":
    main()
