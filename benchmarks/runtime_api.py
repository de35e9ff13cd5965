"""Lambda's Runtime API, as much as one process needs to run a function: it is started, given events and timed.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

LOOPBACK: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 30
FUNCTION_ARN: Final = "arn:aws:lambda:eu-central-1:123456789012:function:measured"
_TO_MS: Final = 1000
_RSS_IN_MIB: Final = 1024 * (1024 if sys.platform == "darwin" else 1)


class FunctionFailed(Exception):
    """The function did not start, or answered with an error; with what it wrote."""


@dataclass(frozen=True, slots=True)
class Program:
    """A function as the platform starts it. Nothing of the environment is inherited."""

    name: str
    folder: Path
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Life:
    """One process, from its start to its end. `cpu_ms` is all that it took; with a single event, that of the first answer."""

    first_answer_ms: float
    cpu_ms: float
    warm_ms: Sequence[float]
    peak_mib: float
    answer: Any


def live(program: Program, events: Sequence[Any]) -> Life:
    """Starts the program, hands it the events one after the other, and ends it. Raises: FunctionFailed."""
    bodies = [json.dumps(event).encode() for event in events]
    with socket.create_server((LOOPBACK, 0)) as server, tempfile.TemporaryFile() as said:
        server.settimeout(PATIENCE_SECONDS)
        environment = {**program.environment, "AWS_LAMBDA_RUNTIME_API": f"{LOOPBACK}:{server.getsockname()[1]}"}
        started = time.perf_counter()
        process = subprocess.Popen(program.command, cwd=program.folder, env=environment, stdout=said, stderr=said)
        try:
            answered, times = _serve(server, bodies)
        except (OSError, FunctionFailed) as problem:
            said.seek(0)
            raise FunctionFailed(f"{program.name}: {problem}\n{said.read().decode(errors='replace')}") from problem
        finally:
            peak_mib = _peak_mib(process.pid)
            process.kill()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0  # waited for already, which `process` cannot know
    return Life(
        first_answer_ms=(times[0][1] - started) * _TO_MS,
        cpu_ms=(usage.ru_utime + usage.ru_stime) * _TO_MS,
        warm_ms=[(until - since) * _TO_MS for since, until in times[1:]],
        peak_mib=peak_mib or usage.ru_maxrss / _RSS_IN_MIB,
        answer=json.loads(answered),
    )


def _peak_mib(pid: int) -> float | None:
    """Of a process that runs, where Linux tells it. What its end tells is never less than what its parent took before."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def _serve(server: socket.socket, bodies: Sequence[bytes]) -> tuple[bytes, list[tuple[float, float]]]:
    """The first answer, and when each event went out and its answer came."""
    times: list[tuple[float, float]] = []
    first = b""
    sent_at = 0.0
    while len(times) < len(bodies):
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(PATIENCE_SECONDS)
        with connection, connection.makefile("rb") as incoming:
            while len(times) < len(bodies) and (request := _read_request(incoming)):
                path, body = request
                if path.endswith("/invocation/next"):
                    number = len(times)
                    sent_at = time.perf_counter()
                    connection.sendall(_event(number, bodies[number]))
                elif path.endswith("/response"):
                    times.append((sent_at, time.perf_counter()))
                    first = first or body
                    connection.sendall(_ACCEPTED)
                else:
                    raise FunctionFailed(f"{path}: {body.decode(errors='replace')}")
    return first, times


_ACCEPTED: Final = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'


def _event(number: int, body: bytes) -> bytes:
    deadline = int(time.time() * 1000) + PATIENCE_SECONDS * 1000
    head = (
        f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {number:08}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {FUNCTION_ARN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _read_request(incoming: BinaryIO) -> tuple[str, bytes] | None:
    """Path and body; None at the connection's end."""
    first = incoming.readline().decode()
    if not first:
        return None
    headers: dict[str, str] = {}
    while line := incoming.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    path = first.split(" ")[1]
    if "chunked" in headers.get("transfer-encoding", ""):
        return path, b"".join(_chunks(incoming))
    return path, incoming.read(int(headers.get("content-length", 0)))


def _chunks(incoming: BinaryIO) -> list[bytes]:
    chunks: list[bytes] = []
    while size := int(incoming.readline().strip() or b"0", 16):
        chunks.append(incoming.read(size))
        incoming.readline()
    incoming.readline()
    return chunks
