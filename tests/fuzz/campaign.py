"""Sends what chance makes, in blocks that stand each for itself, and checks every answer."""

import contextlib
import io
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

import app as daybook
from chalicelib.domain.errors import DaybookError, Invalid
from chalicelib.edge import problems
from tests.fuzz.spoiled import Spoiler
from tests.fuzz.world import Event, as_of_chalice_local, settle, wired_to_memory
from tests.wired import MemoryWired

BLOCK = 500
"""Requests to one world; then a new one, since deletions and growth would make it ever less like the first."""
SLOWEST_SECONDS = 1.0
LOCAL_SHARE = 0.1
"""Of the requests, how many come as `chalice local` hands them on."""


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    pointer: str
    detail: str


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A problem document as the contract has it (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[Fault] | msgspec.UnsetType = msgspec.UNSET


@dataclass
class Findings:
    """What came of some requests; `faults` are one text each, with all that it takes to see it again."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    busy_seconds: float = 0.0

    def add(self, other: "Findings") -> None:
        self.statuses += other.statuses
        self.codes += other.codes
        self.faults += other.faults
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)
        self.busy_seconds += other.busy_seconds

    @property
    def requests(self) -> int:
        return self.statuses.total()


def run_blocks(seed: int, blocks: Iterable[int], size: int = BLOCK) -> Findings:
    found = Findings()
    for block in blocks:
        found.add(run_block(seed, block, size))
    return found


def run_block(seed: int, block: int, size: int = BLOCK) -> Findings:
    """The same requests and answers for the same seed and block, whatever ran before."""
    found = Findings()
    with wired_to_memory() as wired, contextlib.redirect_stdout(io.StringIO()) as written:
        chance = random.Random(f"{seed}/{block}")
        spoiler = Spoiler(chance, settle("ada@example.com"))
        for number in range(size):
            event = spoiler.request().event()
            if chance.random() < LOCAL_SHARE:
                event = as_of_chalice_local(event)
            written.seek(0)
            written.truncate()
            for fault in _send(event, wired, written, found):
                found.faults.append(f"seed {seed}, block {block}, request {number}: {fault}\n  {_shown(event)}")
    return found


def _send(event: Event, wired: MemoryWired, written: io.StringIO, found: Findings) -> Iterator[str]:
    before = wired.state()
    began = time.perf_counter()
    try:
        answer = daybook.app(event, None)
    except Exception as error:  # noqa: BLE001  nothing may get out, whatever it is
        found.statuses[0] += 1
        yield f"raised {type(error).__name__}: {error}"
        return
    took = time.perf_counter() - began
    found.busy_seconds += took
    found.slowest_seconds = max(found.slowest_seconds, took)
    found.statuses[answer["statusCode"]] += 1
    if took > SLOWEST_SECONDS:
        yield f"took {took:.2f} s"
    if answer["statusCode"] >= 400:
        found.codes[json.loads(answer["body"]).get("code")] += 1
        if wired.state() != before:
            yield f"was refused with {answer['statusCode']} and changed something"
    yield from faults_of(answer)
    yield from _faults_of_log(written.getvalue(), answer)


def faults_of(answer: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an answer, whatever was asked."""
    status, headers, body = answer["statusCode"], answer["headers"], answer["body"]
    if status >= 500:
        yield f"answered {status}: {body[:200]}"
    if not all(isinstance(value, str) and value.isprintable() and value.isascii() for value in headers.values()):
        yield f"a header cannot be sent: {headers}"
    if "X-Request-Id" not in headers:
        yield "has no request id"
    json.dumps(answer).encode()
    if status >= 400:
        yield from _faults_of_problem(status, headers, body)
    elif status in {200, 201}:
        if headers.get("Content-Type") == "application/json" and not isinstance(json.loads(body.encode()), dict):
            yield f"is no JSON object: {body[:200]}"
    elif body:
        yield f"{status} with a body: {body[:200]}"


def _kinds(root: type[DaybookError]) -> Iterator[type[DaybookError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _faults_of_problem(status: int, headers: Mapping[str, str], body: str) -> Iterator[str]:
    if headers.get("Content-Type") != problems.MEDIA_TYPE:
        yield f"{status} is {headers.get('Content-Type')}, no problem document"
    try:
        problem = msgspec.json.decode(body.encode(), type=Document)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        yield f"{status} is no problem document: {error}: {body[:200]}"
        return
    if (problem.errors is not msgspec.UNSET) != (problem.code in {Invalid.code, *(kind.code for kind in _kinds(Invalid))}):
        yield f"{problem.code} with the errors {problem.errors}"
    known = {(kind.code, problems.status_of(kind)) for kind in _kinds(DaybookError)}
    if (problem.code, problem.status) not in known or problem.status != status:
        yield f"{status} says {problem.status} {problem.code}"
    if not problem.type.endswith(f"/docs#{problem.code}") or problem.request_id != headers.get("X-Request-Id"):
        yield f"says {problem.type} of {problem.request_id}"
    if not problem.title or not problem.detail or len(body) - len(problem.instance) > 10_000:
        yield f"says too little or too much: {body[:200]}"


def _faults_of_log(written: str, answer: Mapping[str, Any]) -> Iterator[str]:
    try:
        [line] = (json.loads(line) for line in written.splitlines())
    except ValueError:
        yield f"wrote this into the log: {written[:500]}"
        return
    if "error" in line:
        yield f"failed with {line['error']}"
    if (line["status"], line["request_id"]) != (answer["statusCode"], answer["headers"].get("X-Request-Id")):
        yield f"wrote this into the log: {line}"


def _shown(event: Event) -> str:
    whole = json.dumps(event, default=repr)
    return whole if len(whole) < 3_000 else f"{whole[:1_500]} ... {whole[-1_500:]}"
