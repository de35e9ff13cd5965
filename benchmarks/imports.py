"""What an import costs: DynamoDB's calls and units for each thousand rows, one by one and together; then how it grows.

    python -m benchmarks.imports [--rows 1000 100000 1000000]

The first part runs over a local AWS, in this process; the units are worked out as in benchmarks/costs.py. The second part runs
in a process for each size, over repositories that count what they are given and keep nothing: its time is that of reading,
checking and mapping, and its memory that of the reader. Each file is written to a disk before, and read from there.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from benchmarks.costs import Cost, Meter
from benchmarks.in_process import Daybook, running
from benchmarks.things import ACCOUNT_ID, an_account, an_owner
from chalicelib.domain.clients import ClientDetails, new_client
from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import StoredFile
from chalicelib.domain.imports import Import, ImportDetails, ImportJob, new_import, take_file
from chalicelib.domain.statuses import ImportKind
from chalicelib.edge.import_files import rows as read_rows
from chalicelib.gateways.clock import RandomIds, SystemClock
from chalicelib.usecases import import_run, imports

SIZES: Final = (1_000, 100_000, 1_000_000)
COUNTED: Final = {ImportKind.CLIENTS: 980, ImportKind.PRODUCTS: 980, ImportKind.WORK: 196}
"""Rows: whole blocks. What is shown is of a thousand; work takes its time, every entry by itself."""
BEGIN: Final = datetime(2024, 1, 1, 6, tzinfo=UTC)
KINDS: Final = tuple(ImportKind)
CHUNK_BYTES: Final = 64 * 1024
_CLIENT: Final = "cli_01J00000000000000000000000"


def lines(kind: ImportKind, count: int) -> Iterator[str]:
    """A file of so many rows, none of which is refused."""
    match kind:
        case ImportKind.CLIENTS:
            yield "name,rate,currency,email\n"
            yield from (f"Client {number},{60 + number % 90}.50,EUR,client{number}@example.com\n" for number in range(count))
        case ImportKind.PRODUCTS:
            yield "id,name,price,stock\n"
            yield from (f"A{number},Lantern no. {number},{number % 90}.95,{number % 70 + 1}\n" for number in range(count))
        case ImportKind.WORK:
            yield "client_id,description,started_at,ended_at\n"
            for number in range(count):
                start = BEGIN + timedelta(minutes=30 * number)
                end = start + timedelta(minutes=25)
                yield f"{_CLIENT},Meeting {number},{start:%Y-%m-%dT%H:%M:%SZ},{end:%Y-%m-%dT%H:%M:%SZ}\n"


# What DynamoDB is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """`again` is the same file once more."""

    kind: ImportKind
    rows: int
    together: bool
    first: Cost
    again: Cost
    seconds: float


class Office:
    """An account into which files are imported, over a local AWS."""

    def __init__(self, daybook: Daybook, account_id: str, meter: Meter) -> None:
        self._wired = daybook.wired
        self._meter = meter
        self._account_id = account_id
        daybook.open_account(account_id)
        self._wired.clients.add(replace(_client(), account_id=account_id))

    def import_file(self, kind: ImportKind, content: bytes) -> tuple[Cost, Import, float]:
        details = ImportDetails(kind=kind, filename="rows.csv", content_type="text/csv")
        caller: Any = SimpleNamespace(account_id=self._account_id, user_id=an_owner().id)
        desk: Any = _WithFile(self._wired, content)
        with self._meter.measuring() as cost:
            opened = imports.add_import(caller, details, desk=desk).imported
            self._wired.imports.save(take_file(opened, desk.uploads.head(opened.upload_key), now=self._wired.clock.now()))
            started = time.perf_counter()
            job = ImportJob(account_id=self._account_id, import_id=opened.id)
            imports.go_on(job, read_rows, remaining=_Endless(), tries=1, desk=desk)
            seconds = time.perf_counter() - started
        return cost, self._wired.imports.get(self._account_id, opened.id), seconds

    def measure(self, kind: ImportKind, *, together: bool, count: int) -> Counted:
        content = "".join(lines(kind, count)).encode()
        with patch.object(import_run, "TOGETHER", import_run.TOGETHER if together else frozenset()):
            first, imported, seconds = self.import_file(kind, content)
            again, twice, _ = self.import_file(kind, content)
        assert (imported.added_count, twice.unchanged_count) == (count, count), (imported, twice)
        return Counted(kind=kind, rows=count, together=together, first=first, again=again, seconds=seconds)


def count_calls(daybook: Daybook, count: int | None = None) -> list[Counted]:
    """Each in an account of its own, so that no row is in already."""
    ways = [(kind, together) for kind in KINDS for together in (False, True) if kind in import_run.TOGETHER or not together]
    meter = Meter(daybook.table._client)
    return [
        Office(daybook, f"acc_{number}", meter).measure(kind, together=together, count=count or COUNTED[kind])
        for number, (kind, together) in enumerate(ways)
    ]


def call_table(counted: list[Counted]) -> str:
    heading = (
        f"{'1,000 rows of':24}{'calls':>7}{'read units':>12}{'write units':>13}{'rows/s':>8}{'calls again':>13}{'units':>7}"
    )
    return "\n".join([heading, *map(_call_row, counted)])


def _call_row(one: Counted) -> str:
    times = 1_000 / one.rows
    again = one.again.read_units + one.again.write_units
    return (
        f"{one.kind + (', together' if one.together else ', one by one'):24}{one.first.calls.total() * times:>7,.0f}"
        f"{one.first.read_units * times:>12,.0f}{one.first.write_units * times:>13,.0f}{one.rows / one.seconds:>8,.0f}"
        f"{one.again.calls.total() * times:>13,.0f}{again * times:>7,.0f}"
    )


class _WithFile:
    """The desk with one file on it."""

    def __init__(self, desk: Any, content: bytes) -> None:
        self._desk = desk
        self.uploads = _OneFile(content)
        self.files = self.uploads
        self.metrics = SimpleNamespace(worked_off=lambda *_: None, failed=lambda *_: None)
        self.imports_queue = SimpleNamespace(ask_for=lambda *_: None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)


class _OneFile:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def form(self, *_: object) -> Any:
        return SimpleNamespace(url="", fields={})

    def head(self, key: str) -> StoredFile:
        return StoredFile(key=key, version_id="1", etag="1", size=len(self._content), content_type="text/csv")

    def read(self, _file: StoredFile, start: int = 0) -> Iterator[bytes]:
        for at in range(start, len(self._content), CHUNK_BYTES):
            yield self._content[at : at + CHUNK_BYTES]


class _Endless:
    """Seconds that are left; time passes, and never runs out."""

    def __call__(self) -> float:
        return 1e9 - time.perf_counter()


# How it grows


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    kind: str
    rows: int
    seconds: float
    peak_mib: float
    idle_mib: float
    """Before the first row."""
    transactions: int


@dataclass
class Counting:
    """Repositories that keep nothing but the import itself."""

    imported: Import
    path: Path
    asked: Counter[str] = field(default_factory=Counter)
    clock: SystemClock = field(default_factory=SystemClock)
    ids: RandomIds = field(default_factory=RandomIds)

    def __post_init__(self) -> None:
        account, owner, client = an_account(), an_owner(), _client()
        self.accounts = SimpleNamespace(get=lambda _: account, user=lambda *_: owner)
        self.imports = SimpleNamespace(get=lambda *_: self.imported, save=self._save, rejections=lambda *_: iter(()))
        self.row_marks = SimpleNamespace(find=lambda *_: {}, note=self._note, together=self._together)
        self.clients = SimpleNamespace(add=self._written, get=lambda *_: client, page=None)
        self.products = SimpleNamespace(add=self._written, save=self._written, get=_no_such)
        self.work = SimpleNamespace(commit=self._written, calendar=lambda *_: SimpleNamespace(spans=(), version=1))
        self.uploads = SimpleNamespace(read=self._read)
        self.files = self.metrics = SimpleNamespace(put=lambda *_: "1", worked_off=lambda *_: None, failed=lambda *_: None)

    def _save(self, imported: Import, _rejections: object = ()) -> None:
        self.imported = imported
        self.asked["save"] += 1

    def _written(self, thing: object, *_: object, **__: object) -> object:
        self.asked["write"] += 1
        return thing

    def _read(self, _file: StoredFile, start: int) -> Iterator[bytes]:
        with self.path.open("rb") as opened:
            opened.seek(start)
            while chunk := opened.read(CHUNK_BYTES):
                yield chunk

    @contextmanager
    def _note(self, *_: object) -> Iterator[Any]:
        yield SimpleNamespace(noted=True)

    @contextmanager
    def _together(self, *_: object) -> Iterator[None]:
        yield


def _no_such(*_: object) -> Any:
    raise NotFound


def _client() -> Any:
    details = ClientDetails(name="Babbage & Co", rate=Decimal(95), currency="EUR")
    return new_client(details, an_account(), client_id=_CLIENT, now=BEGIN)


def grow_here(kind: ImportKind, path: Path) -> Growth:
    details = ImportDetails(kind=kind, filename="rows.csv", content_type="text/csv")
    opened = new_import(details, account_id=ACCOUNT_ID, user_id=an_owner().id, import_id="imp_1", now=BEGIN)
    file = StoredFile(key="rows.csv", version_id="1", etag="1", size=path.stat().st_size, content_type="text/csv")
    desk: Any = Counting(take_file(opened, file, now=BEGIN), path)
    idle = _peak_mib()
    started = time.perf_counter()
    imports.go_on(ImportJob(account_id=ACCOUNT_ID, import_id="imp_1"), read_rows, remaining=_Endless(), tries=1, desk=desk)
    seconds = time.perf_counter() - started
    done = desk.imported
    assert done.rejected_count == 0, done
    assert done.added_count == desk.asked["write"]
    return Growth(
        kind=kind, rows=done.added_count, seconds=seconds, peak_mib=_peak_mib(), idle_mib=idle, transactions=desk.asked["save"]
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grow(kind: ImportKind, count: int) -> Growth:
    """In a process of its own."""
    with tempfile.TemporaryDirectory(prefix="daybook-imports-") as folder:
        path = Path(folder, "rows.csv")
        with path.open("w") as opened:
            opened.writelines(lines(kind, count))
        command = [sys.executable, "-m", "benchmarks.imports", "--grow", kind, str(path)]
        told: Mapping[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Growth(**told)


def growth_table(grown: list[Growth]) -> str:
    heading = f"{'':10}{'rows':>11}{'rows/s':>9}{'peak MiB':>10}{'of them the rows':>18}"
    rows = [
        f"{one.kind:10}{one.rows:>11,}{one.rows / one.seconds:>9,.0f}{one.peak_mib:>10.1f}{one.peak_mib - one.idle_mib:>18.1f}"
        for one in grown
    ]
    return "\n".join([heading, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES)
    parser.add_argument("--grow", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.grow:
        kind, path = asked.grow
        grown = grow_here(ImportKind(kind), Path(path))
        print(json.dumps({name: getattr(grown, name) for name in Growth.__slots__}))
        return
    with running() as daybook:
        print(call_table(count_calls(daybook)))
    print()
    print(growth_table([grow(kind, count) for kind in KINDS for count in asked.rows]))


if __name__ == "__main__":
    main()
