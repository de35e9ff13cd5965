"""What files cost that are made to cost much: each in a process of its own, as an import would read it.

    python -m benchmarks.hostile_files [--mib 20]

Seconds are those of the processor. Memory is the most that the process ever had, its libraries too: VmHWM, so on Linux only.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.imports import MAX_REJECTIONS
from chalicelib.domain.records import BadRecord, Gap, read_records
from operations.project import ROOT

if TYPE_CHECKING:
    from chalicelib.domain.records import ContentType

MIB: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
_BLANK: Final = "more than 1,048,576 lines in succession have nothing in them"
_ENDLESS: Final = "the element goes on for more than 4,194,304 bytes; nothing behind that was read"
_TOO_LONG: Final = "the line is longer than 1,048,576 characters"
_TOO_LONG_ELEMENT: Final = "the element is longer than 1,048,576 characters"
_WITHIN: Final = "the file ends within this element; what follows an unclosed bracket or string cannot be told from it"
_NOT_CLOSED: Final = "the file ends before its array does"
_REFUSED: Final = "too many refused"


class Hostile(NamedTuple):
    """`unit` again and again behind `head`; `end` is how reading ends, in the words that the user is told.

    `between` stands behind every so many times 64 KiB of units, if it is there.
    """

    name: str
    content_type: "ContentType"
    head: bytes
    unit: bytes
    end: str
    between: bytes = b""
    every: int = 1


class Cost(NamedTuple):
    """`records` are those that are there, good or bad; `memory` in MiB."""

    seconds: float
    memory: int
    records: int
    end: str


HOSTILE: Final = (
    Hostile("rows of commas", "text/csv", b"a,b\n", b",,,\n", _BLANK),
    Hostile("rows of spaces", "text/csv", b"a,b\n", b" \n", _BLANK),
    Hostile("line ends", "text/csv", b"a,b\n", b"\n", _BLANK),
    Hostile("empty cells in quotation marks", "text/csv", b"a,b\n", b'""\n', _BLANK),
    Hostile("cells of a line end", "text/csv", b"a,b\n", b'"\n"\n', _BLANK),
    Hostile("cells of 11 line ends", "text/csv", b"a,b\n", b'"\n\n\n\n\n\n\n\n\n\n\n"\n', _BLANK),
    Hostile("two cells of a line end", "text/csv", b"a,b\n", b'"\n","\n"\n', _BLANK),
    Hostile("one line of commas", "text/csv", b"a,b\n", b",", _TOO_LONG),
    Hostile("one line of quotation marks", "text/csv", b"a,b\n", b'"', _TOO_LONG),
    Hostile("one line of letters", "text/csv", b"a,b\n", b"x", _TOO_LONG),
    Hostile("a quotation mark a line", "text/csv", b"a,b\n", b'"\n', _BLANK),
    Hostile("a cell too few", "text/csv", b"a,b\n", b"x\n", _REFUSED),
    Hostile("NUL characters", "text/csv", b"a,b\n", b"\0,\0\n", "the file is not text"),
    Hostile("blank lines", "application/x-ndjson", b"{}\n", b" \n", _BLANK),
    Hostile("one line of NDJSON", "application/x-ndjson", b"{}\n", b"[", _TOO_LONG),
    Hostile("ever deeper arrays", "application/json", b"[", b"[", _ENDLESS),
    Hostile("ever deeper objects", "application/json", b"[", b'{"a":', _ENDLESS),
    Hostile("deeper with letters", "application/json", b"[", b"[a", _ENDLESS),
    Hostile("arrays of arrays", "application/json", b"[", b"[[]]", _ENDLESS),
    Hostile("in and out", "application/json", b"[", b"[a[a[a]a]a]", _ENDLESS),
    Hostile("brackets that do not match", "application/json", b"[", b"[{]}", _ENDLESS),
    Hostile("braces too many", "application/json", b"[", b"}", _ENDLESS),
    Hostile("brackets in strings", "application/json", b"[", b'["]",', _ENDLESS),
    Hostile("a string without end", "application/json", b"[", b'"\\', _ENDLESS),
    Hostile("elements: arrays, 1 MB", "application/json", b"[[", b"[[]]", _WITHIN, b"],[", 15),
    Hostile("elements: arrays, 3.75 MiB", "application/json", b"[[", b"[[]]", _TOO_LONG_ELEMENT, b"],[", 60),
    Hostile("elements: in and out, 1 MB", "application/json", b"[[", b"[a[a[a]a]a]", _WITHIN, b"],[", 15),
    Hostile("elements: in and out, 3.75 MiB", "application/json", b"[[", b"[a[a[a]a]a]", _TOO_LONG_ELEMENT, b"],[", 60),
    Hostile("elements: strings, 3.75 MiB", "application/json", b"[[", b'["",]', _TOO_LONG_ELEMENT, b"],[", 60),
    Hostile("elements: arrays, 2 KB", "application/json", b"[", b"[" + b"[[]]" * 500 + b"],", _NOT_CLOSED),
    Hostile("elements: arrays, 211 bytes", "application/json", b"[", b"[" + b"[[]]" * 52 + b"],", _NOT_CLOSED),
)


def read(hostile: Hostile, size: int) -> tuple[int, str]:
    """How many records there are, and how it ends: as an import would read it."""
    bad, reason, records = 0, "", 0
    try:
        for record in read_records(hostile.content_type, _chunks(hostile, size)):
            if isinstance(record, Gap):
                continue
            records += 1
            if isinstance(record, BadRecord):
                bad, reason = bad + 1, record.reason
            if bad > MAX_REJECTIONS:
                return records, _REFUSED
    except Unreadable as fault:
        return records, fault.detail
    return records, reason


def _chunks(hostile: Hostile, size: int) -> Iterator[bytes]:
    """None of it is kept: the memory is that of the reader."""
    yield hostile.head
    chunk = hostile.unit * (_CHUNK // len(hostile.unit))
    for count in range(1, size // len(chunk) + 1):
        yield chunk
        if hostile.between and count % hostile.every == 0:
            yield hostile.between


def cost_of(place: int, mib: int) -> Cost:
    command = [sys.executable, "-m", "benchmarks.hostile_files", "--mib", str(mib), "--only", str(place)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return Cost(*json.loads(run.stdout))


def _measure(hostile: Hostile, mib: int) -> Cost:
    began = time.process_time()
    records, end = read(hostile, mib * MIB)
    seconds = time.process_time() - began
    lines = Path("/proc/self/status").read_text().splitlines()
    (most,) = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return Cost(seconds, most // 1024, records, end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=20)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(json.dumps(_measure(HOSTILE[arguments.only], arguments.mib)))
        return
    print(f"{f'{arguments.mib} MiB of':32}{'CPU':>8}{'memory':>10}{'records':>9}  how it ends")
    for place, hostile in enumerate(HOSTILE):
        cost = cost_of(place, arguments.mib)
        print(f"{hostile.name:32}{cost.seconds:>6.2f} s{cost.memory:>6} MiB{cost.records:>9,}  {cost.end}")


if __name__ == "__main__":
    main()
