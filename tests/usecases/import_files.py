"""Imports in a few words: files of lines such as `a client` or `!refused`, uploaded, delivered, cut off and put back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain.accounts import Account
from chalicelib.domain.clients import Client
from chalicelib.domain.errors import DaybookError, Unreadable
from chalicelib.domain.files import Upload
from chalicelib.domain.imports import BadRow, Import, ImportDetails, ImportJob, ProductRow, Row
from chalicelib.domain.products import ProductDetails, StockLevel
from chalicelib.domain.statuses import ImportKind, ImportStatus
from chalicelib.domain.work import TimedWork
from chalicelib.usecases import imports
from tests.builders import NOW, a_caller, a_client, a_user, an_account, client_details
from tests.fakes import FixedClock
from tests.usecases.order_flow import Crash
from tests.wired import MemoryWired

CALLER = a_caller()


def open_office() -> MemoryWired:
    wired = MemoryWired(clock=FixedClock(NOW))
    wired.store.accounts.add(an_account(), a_user())
    wired.store.clients.add(a_client("cli_1"))
    return wired


def read_lines(
    imported: Import, chunks: Iterator[bytes], account: Account, all_clients: Callable[[], Iterable[Client]]
) -> Iterator[Row | BadRow]:
    """A reader for tests: each line is a record. `!x` cannot be read for the reason x, `#` makes the whole file unreadable."""
    offset, line = (int((imported.cursor or {}).get(name, 0)) for name in ("offset", "line"))  # type: ignore[call-overload]
    rest = b"".join(chunks).decode()
    for text in rest.splitlines(keepends=True):
        offset, line = offset + len(text.encode()), line + 1
        after, said = {"offset": offset, "line": line}, text.rstrip("\n")
        if said == "#":
            raise Unreadable("there is a # in it")
        if said.startswith("!"):
            yield BadRow(line=line, pointer="/x", reason=said[1:], after=after)
            continue
        fingerprint = hashlib.sha256(f"{imported.kind} {said}".encode()).hexdigest()
        pointers = {"/rate": "/Rate per hour"}
        yield Row(line=line, fingerprint=fingerprint, what=_what(imported.kind, said), after=after, pointers=pointers)


def _what(kind: ImportKind, said: str) -> Any:
    """`<name> [<rate>]` of a client, `<id> <name> [<stock>]` of a product, `<client> <start> <minutes>` of work."""
    words = said.split(" ")
    match kind:
        case ImportKind.CLIENTS:
            return client_details(name=words[0], rate=Decimal(words[1] if len(words) > 1 else 95))
        case ImportKind.PRODUCTS:
            level = StockLevel(int(words[2])) if len(words) > 2 else None
            return ProductRow(words[0].strip("-") or None, ProductDetails(name=words[1], price=Decimal(5)), level)
        case ImportKind.WORK:
            start = NOW + timedelta(minutes=int(words[1]))
            return TimedWork(
                client_id=words[0],
                description=said,
                started_at=start,
                ended_at=start + timedelta(minutes=int(words[2])),
                billable=True,
            )


class Seconds:
    """What is left of a run; each look takes one."""

    def __init__(self, left: float = 1e6) -> None:
        self.left = left

    def __call__(self) -> float:
        self.left -= 1
        return self.left


def upload(office: Any, *lines: str, kind: str = "clients", **details: Any) -> ImportJob:
    """A file that is waiting to be worked off."""
    wanted = ImportDetails(kind=ImportKind(kind), filename="rows.csv", content_type="text/csv", **details)
    opened = imports.add_import(CALLER, wanted, desk=office).imported
    put_file(office, opened, *lines)
    arrive(office, opened)
    return ImportJob(account_id="acc_1", import_id=opened.id)


def put_file(office: Any, imported: Import, *lines: str) -> None:
    office.files.put(imported.upload_key, "".join(f"{line}\n" for line in lines).encode(), "text/csv")


def arrive(office: Any, imported: Import) -> None:
    hint = Upload(account_id=imported.account_id, file_id=imported.id, key=imported.upload_key)
    imports.queue_import(hint, desk=office)


def deliver(office: Any, job: ImportJob, *, left: float = 1e6, tries: int = 1) -> None:
    imports.go_on(job, read_lines, remaining=Seconds(left), tries=tries, desk=office)


def work_off(office: Any, *, left: float = 1e6) -> None:
    """All that waits, and what comes of it."""
    while office.imports_queue.waiting:
        deliver(office, office.imports_queue.waiting.pop(0), left=left)


def import_file(office: Any, *lines: str, left: float = 1e6, **details: Any) -> Import:
    job = upload(office, *lines, **details)
    work_off(office, left=left)
    return kept(office, job)


def until_done(office: Any, job: ImportJob) -> Import:
    """Delivered as often as it takes, as SQS does."""
    for tries in range(1, 4):
        with suppress(DaybookError, Crash):
            deliver(office, job, tries=tries)
            break
    work_off(office)
    return kept(office, job)


def kept(office: Any, job: ImportJob) -> Import:
    found: Import = office.imports.get(job.account_id, job.import_id)
    return found


def counts(imported: Import) -> tuple[int, int, int]:
    return imported.added_count, imported.unchanged_count, imported.rejected_count


def rejections(office: Any, imported: Import) -> list[tuple[int, str, str]]:
    return [(one.line, one.pointer, one.reason) for one in office.imports.rejections("acc_1", imported.id)]


def names(office: Any) -> list[str]:
    """Of the clients but the one that was there before."""
    return sorted(client.name for (_, id_), client in office.tables()["clients"].items() if id_ != "cli_1")


def report(office: Any, imported: Import) -> list[str]:
    """Fails if it is not the newest version: S3 does not keep others for long."""
    versions: dict[str, bytes] = office.files.contents()[imported.report_key]
    assert imported.report_version == list(versions)[-1]
    content = versions[imported.report_version]
    return content.decode("utf-8-sig").splitlines()


def lines_of(count: int, *, bad: Sequence[int] = ()) -> list[str]:
    return [f"!bad{number}" if number in bad else f"c{number}" for number in range(1, count + 1)]


def waiting(office: Any) -> Import:
    """An import whose file has not come."""
    wanted = ImportDetails(kind=ImportKind.CLIENTS, filename="rows.csv", content_type="text/csv")
    opened: Import = imports.add_import(CALLER, wanted, desk=office).imported
    assert opened.status is ImportStatus.WAITING
    return opened


def renamed(imported: Import, **changes: Any) -> Import:
    return replace(imported, **changes)
