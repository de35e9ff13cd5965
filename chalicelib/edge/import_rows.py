"""Records as rows: each through the body that the API has for it, so that the same is refused in the same words.

A cell is text, and read as its field asks; a JSON value is what it is, and goes to the API's own decoder. Only where a JSON row
has a text for a day, an instant or a number that the import has a format for, it is read as a cell would be.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.domain.cells import read_day, read_number, read_truth, read_whole
from chalicelib.domain.clients import ClientDetails
from chalicelib.domain.errors import FieldError, Invalid, Malformed, Unreadable
from chalicelib.domain.imports import BadRow, ProductRow, Row
from chalicelib.domain.records import BadRecord, Record, clean_heading
from chalicelib.edge.bodies import Body, NewClient, NewWork, PutProduct
from chalicelib.edge.import_hours import TIMES, Habits, Misfit, read_times
from chalicelib.edge.requests import fault_in, pointer_of, read_json, well_formed

if TYPE_CHECKING:
    from chalicelib.domain.work import WorkDetails

BODIES: dict[str, type[Body]] = {"clients": NewClient, "products": PutProduct, "work": NewWork}
EXTRA_FIELDS: dict[str, tuple[str, ...]] = {
    "work": ("client", *(field for field in TIMES if field not in NewWork.__struct_fields__))
}
"""What a row may have beside the members of its body."""
NUMBERS = frozenset({"rate", "tax_rate", "price"})
INTEGERS = frozenset({"invoice_day", "payment_terms_days", "stock"})
TRUTHS = frozenset({"reverse_charge", "billable"})
DAYS = frozenset({"rate_valid_from"})
AS_WRITTEN = frozenset({"name", "description", "address"})
"""Texts that keep the blanks around them."""
KEPT = frozenset({"description", "image_id"})
"""Of a product, what stays as it is where a row says nothing of it; its stock does, too."""
_NEEDED = {"clients": ("name", "rate", "currency"), "products": ("name", "price"), "work": ()}
_MISSING = "Object missing required field"
_LONGEST_HEADING = 100

Sources = Mapping[str, tuple[str, ...]]
"""The headings that a field is made of."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file's records become rows. `columns` are pairs of heading and field; none where the headings are our fields.

    `client_ids` answers the ids of the active clients of a name, as `folded` writes names.
    """

    kind: str
    columns: tuple[tuple[str, str], ...]
    habits: Habits
    client_ids: Callable[[str], Sequence[str]]


def fields_of(kind: str) -> tuple[str, ...]:
    return BODIES[kind].__struct_fields__ + EXTRA_FIELDS.get(kind, ())


def folded(name: str) -> str:
    """A client's name as it is compared: in any case, with any blanks."""
    return clean_heading(name).casefold()


def read_row(record: Record | BadRecord, plan: Plan) -> Row | BadRow:
    """Raises: Unreadable where the file lacks a column that the plan or the kind cannot do without."""
    after = record.after.plain()
    if isinstance(record, BadRecord):
        return BadRow(line=record.line, pointer=record.pointer, reason=record.reason, after=after)
    in_table = not isinstance(record.values, bytes)
    sources = _sources(plan.kind, plan.columns, record.after.headings if in_table else None)
    pointers = _pointers(plan.kind, tuple(sources.items()))
    try:
        what = _details(*_body_of(record.values, sources, plan))
    except Misfit as fault:
        pointer, reason = f"/{fault.field}", str(fault)
    except Malformed as fault:
        pointer, reason = "", fault.detail.replace("the body", "the row")
    except Invalid as fault:
        pointer, reason = fault.errors[0]
    else:
        return Row(line=record.line, fingerprint=fingerprint(plan.kind, what), what=what, after=after, pointers=pointers)
    return BadRow(line=record.line, pointer=pointers.get(pointer, pointer), reason=reason, after=after)


def _body_of(values: Mapping[str, str] | bytes, sources: Sources, plan: Plan) -> tuple[Body, Collection[str]]:
    """With the fields that the record says something of."""
    return _of_json(values, sources, plan) if isinstance(values, bytes) else _of_cells(values, sources, plan)


@lru_cache(maxsize=8)
def _sources(kind: str, columns: tuple[tuple[str, str], ...], headings: tuple[str, ...] | None) -> Sources:
    """`headings` None where there are none, but each record's own names. Raises: Unreadable."""
    sources: dict[str, tuple[str, ...]] = {}
    if columns:
        for heading, field in columns:
            name = heading if headings is None else clean_heading(heading)
            if headings is not None and name not in headings:
                raise Unreadable(f"the file has no column {name[:_LONGEST_HEADING]}, which columns names")
            sources[field] = (*sources.get(field, ()), name)
    else:
        known = fields_of(kind)
        for heading in known if headings is None else headings:
            field = heading.casefold().replace(" ", "_")
            if field in known:
                sources[field] = (*sources.get(field, ()), heading)
    if headings is not None:
        _check_columns_there(kind, sources)
    return sources


def _check_columns_there(kind: str, sources: Sources) -> None:
    for field, several in sources.items():
        if len(several) > 1 and field != "description":
            raise Unreadable(
                f"two columns are the field {field}: {several[0][:_LONGEST_HEADING]} and {several[1][:_LONGEST_HEADING]}"
            )
    missing = [field for field in _NEEDED[kind] if field not in sources]
    if kind == "work":
        missing += [] if {"client", "client_id"} & set(sources) else ["client"]
        missing += [] if {"started_at", "start_date", "date"} & set(sources) else ["start_date"]
    if missing:
        raise Unreadable(f"the file has no column for {' and '.join(missing)}; columns says which heading is which field")


@lru_cache(maxsize=8)
def _pointers(kind: str, sources: tuple[tuple[str, tuple[str, ...]], ...]) -> Mapping[str, str]:
    """Where in a record a field's fault is, by the place in its body."""
    pointers = {pointer_of(field): pointer_of(names[0][:_LONGEST_HEADING]) for field, names in sources}
    if kind == "work":
        stand_ins = {
            "client_id": ("client",),
            "started_at": ("start_time", "start_date", "date"),
            "ended_at": ("end_time", "duration", "hours", "end_date"),
            "date": ("start_date",),
            "minutes": ("duration", "hours"),
        }
        for field, others in stand_ins.items():
            found = next((pointers[f"/{other}"] for other in others if f"/{other}" in pointers), None)
            if found is not None:
                pointers.setdefault(f"/{field}", found)
    return {field: place for field, place in pointers.items() if field != place}


def _of_cells(cells: Mapping[str, str], sources: Sources, plan: Plan) -> tuple[Body, Collection[str]]:
    said = {field: _joined([cells[name] for name in names]) for field, names in sources.items()}
    values = {field: _of_cell(field, text, plan.habits) for field, text in said.items() if text.strip() or field in TRUTHS}
    if plan.kind == "work":
        values = _work_of(values, plan)
    try:
        return msgspec.convert(values, type=BODIES[plan.kind]), values
    except msgspec.ValidationError as fault:
        pointer, reason = fault_in(str(fault), values)
        # A table has a column for whatever is needed: what is missing is in an empty cell of it.
        raise Invalid(FieldError(pointer, "must not be empty" if reason.startswith(_MISSING) else reason)) from None


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else ": ".join(text.strip() for text in texts if text.strip())


def _of_cell(field: str, text: str, habits: Habits) -> Any:
    """Raises: Misfit."""
    try:
        if field in NUMBERS:
            return read_number(text, habits.decimal_separator)
        if field in INTEGERS:
            return read_whole(text, habits.decimal_separator)
        if field in TRUTHS:
            return read_truth(text)
        if field in DAYS:
            return read_day(text, habits.date_format or "YYYY-MM-DD")
    except ValueError as fault:
        raise Misfit(field, str(fault)) from None
    return text if field in AS_WRITTEN else text.strip()


def _of_json(content: bytes, sources: Sources, plan: Plan) -> tuple[Body, Collection[str]]:
    """Raises: Malformed, Invalid, Misfit."""
    sent = well_formed(content, Body)
    if not isinstance(sent, dict):
        raise Invalid(FieldError("", "must be an object"))
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("the body is not JSON in UTF-8") from None
    values: dict[str, Any] = {}
    for field, names in sources.items():
        there = [name for name in names if name in members]
        if len(there) > 1:
            values[field] = _joined([_text_of(sent[name], field) for name in there])
        elif there:
            values[field] = _of_member(field, sent[there[0]], members[there[0]], plan)
    if plan.kind == "work":
        values = _work_of(values, plan)
    return read_json(msgspec.json.encode(values), BODIES[plan.kind]), values


def _text_of(value: object, field: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Misfit(field, "must be made of texts")
    return value


def _of_member(field: str, value: object, raw: msgspec.Raw, plan: Plan) -> Any:
    habits = plan.habits
    if plan.kind == "work" and (field in TIMES or field == "client") and not isinstance(value, bool | list | dict | None):
        return value if isinstance(value, str) else bytes(raw).decode()
    if isinstance(value, str) and ((field in NUMBERS and habits.decimal_separator) or (field in DAYS and habits.date_format)):
        return _of_cell(field, value, habits)
    return raw


def _work_of(values: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """With a client's id for its name, and the API's way to say when for all others. Raises: Misfit."""
    said = {field: values[field] for field in TIMES if isinstance(values.get(field), str) and values[field].strip()}
    done = {field: value for field, value in values.items() if field not in EXTRA_FIELDS["work"] and field not in said}
    if isinstance(name := values.get("client"), str) and name.strip():
        if done.get("client_id"):
            raise Misfit("client", "must be left out where there is a client_id")
        done["client_id"] = _client_id(name, plan)
    return done | read_times({field: text.strip() for field, text in said.items()}, plan.habits)


def _client_id(name: str, plan: Plan) -> str:
    ids = plan.client_ids(folded(name))
    if len(ids) == 1:
        return ids[0]
    several = f"{len(ids)} active clients are" if ids else "no active client is"
    raise Misfit("client", f"{several} called {clean_heading(name)[:_LONGEST_HEADING]}")


def _details(body: Body, said: Collection[str]) -> "ClientDetails | ProductRow | WorkDetails":
    if isinstance(body, PutProduct):
        product_id = None if body.id is msgspec.UNSET else body.id
        return ProductRow(product_id, body.details(), body.level(), KEPT.difference(said))
    if isinstance(body, NewClient | NewWork):
        return body.details()
    raise TypeError(body)


def fingerprint(kind: str, what: "ClientDetails | ProductRow | WorkDetails") -> str:
    """The same for all that mean the same, however it was written; what is as if left out does not count."""
    parts: dict[str, Any] = {}
    if isinstance(what, ProductRow):
        parts = {"id": what.product_id, "stock": None if what.level is None else [what.level.units]}
        details: Any = what.details
        if cleared := [name for name in sorted(KEPT - what.kept) if not getattr(details, name)]:
            parts["cleared"] = cleared
    else:
        details = what
    parts |= {one.name: _canonical(value) for one in fields(details) if (value := getattr(details, one.name)) != one.default}
    return hashlib.sha256(msgspec.json.encode([kind, type(details).__name__, parts], order="sorted")).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        number = "".join(map(str, digits)).lstrip("0")
        stripped = number.rstrip("0")
        return (
            [sign, stripped, exponent + len(number) - len(stripped)] if stripped and isinstance(exponent, int) else [0, "", 0]
        )
    return value.astimezone(UTC).replace(microsecond=0) if isinstance(value, datetime) else value
