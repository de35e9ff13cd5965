"""Imported files as rows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

from chalicelib.domain.accounts import Account
from chalicelib.domain.cells import check_date_format
from chalicelib.domain.clients import Client
from chalicelib.domain.errors import FieldError, Invalid
from chalicelib.domain.records import START, ContentType, Cursor, clean_heading, read_records
from chalicelib.domain.records import Gap as RecordGap
from chalicelib.edge.import_hours import Habits
from chalicelib.edge.import_rows import Plan, fields_of, folded, read_row
from chalicelib.edge.requests import pointer_of

if TYPE_CHECKING:
    from chalicelib.domain.imports import BadRow, Gap, Import, ImportDetails, Row

_SAME = ({"client", "client_id"}, {"duration", "hours"}, {"start_date", "date"}, {"minutes", "duration"})
"""Fields that say the same: a file may have both, but only one of them can be meant. Hours and minutes may add up."""


def check_plan(details: "ImportDetails") -> None:
    """Raises: Invalid for columns and formats that its kind does not have."""
    faults: list[FieldError] = []
    known = fields_of(details.kind)
    meant: dict[str, str] = {}
    headings: set[str] = set()
    for heading, field in details.columns.items():
        pointer = "/columns" + pointer_of(heading)
        name = clean_heading(heading)
        if not name or name in headings:
            faults.append(FieldError(pointer, "is the heading of another column too" if name else "is no heading"))
        elif field not in known:
            faults.append(FieldError(pointer, f"is no field of {details.kind}; these are: {', '.join(known)}"))
        elif field in meant and field != "description":
            faults.append(
                FieldError(pointer, f"is the field of {meant[field][:100]} too; only description may be made of several")
            )
        elif rivals := sorted(meant.keys() & {other for same in _SAME if field in same for other in same - {field}}):
            faults.append(FieldError(pointer, f"says the same as {rivals[0]}, the field of {meant[rivals[0]][:100]}"))
        headings.add(name)
        meant.setdefault(field, heading)
    if details.date_format is not None:
        try:
            check_date_format(details.date_format)
        except Invalid as fault:
            faults.extend(fault.errors)
    if details.decimal_separator not in (None, ".", ","):
        faults.append(FieldError("/decimal_separator", "is either a full stop or a comma"))
    if faults:
        raise Invalid(faults)


def rows(
    imported: "Import", chunks: Iterator[bytes], account: Account, all_clients: Callable[[], Iterable[Client]]
) -> "Iterator[Row | BadRow | Gap]":
    """The records from the import's cursor on. Raises: Unreadable."""
    from chalicelib.domain.imports import Gap

    @cache
    def ids_by_name() -> dict[str, list[str]]:
        ids: dict[str, list[str]] = defaultdict(list)
        for client in all_clients():
            if not client.archived:
                ids[folded(client.name)].append(client.id)
        return dict(ids)

    def client_ids(name: str) -> Sequence[str]:
        return ids_by_name().get(name, ())

    habits = Habits(imported.date_format, imported.decimal_separator, account.profile.time_zone)
    plan = Plan(imported.kind, imported.column_pairs, habits, client_ids)
    cursor = START if imported.cursor is None else Cursor.of(imported.cursor)
    for record in read_records(cast("ContentType", imported.content_type), chunks, cursor):
        yield Gap(after=record.after.plain()) if isinstance(record, RecordGap) else read_row(record, plan)
