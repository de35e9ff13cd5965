"""What the outside is told of every change: events made from the table's stream, never from a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Plain = Mapping[str, object]
"""One kept thing as plain data: strings, Decimals, bools, lists and mappings."""

ItemType = Literal["account", "user", "client", "work", "invoice", "credit_note"]

_CHANGES: Mapping[tuple[str, str], str] = {
    ("client", "created"): "ClientCreated",
    ("client", "updated"): "ClientUpdated",
    ("client", "deleted"): "ClientDeleted",
    ("work", "created"): "WorkLogged",
    ("work", "updated"): "WorkUpdated",
    ("work", "deleted"): "WorkDeleted",
    ("user", "created"): "UserCreated",
    ("user", "updated"): "UserUpdated",
    ("user", "deleted"): "UserDeleted",
    ("invoice", "created"): "InvoiceIssued",
}
_INVOICE_STATES = {"paid": "InvoicePaid", "credited": "InvoiceCredited"}
_SECRETS = frozenset({"password_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One record of the stream. `old` is None for a new thing, `new` for one that is gone."""

    item_type: str
    account_id: str
    id: str
    occurred_at: datetime
    old: Plain | None
    new: Plain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """`detail_type` as in the contract; `version` is the thing's own, of its last state."""

    detail_type: str
    account_id: str
    id: str
    version: int
    occurred_at: datetime
    old: Plain | None
    new: Plain | None


def event_of(change: Change) -> DomainEvent | None:
    """The event that tells of the change, without secrets; None for what concerns nobody outside."""
    detail_type = _detail_type(change)
    last = change.new or change.old
    if detail_type is None or last is None:
        return None
    return DomainEvent(
        detail_type=detail_type,
        account_id=change.account_id,
        id=change.id,
        version=int(str(last.get("version", 1))),
        occurred_at=change.occurred_at,
        old=_without_secrets(change.old),
        new=_without_secrets(change.new),
    )


def _detail_type(change: Change) -> str | None:
    if change.item_type == "invoice" and change.old is not None and change.new is not None:
        before, after = change.old.get("status"), str(change.new.get("status"))
        return None if before == after else _INVOICE_STATES.get(after)
    kind = "created" if change.old is None else "deleted" if change.new is None else "updated"
    return None if kind == "updated" and _same_version(change) else _CHANGES.get((change.item_type, kind))


def _same_version(change: Change) -> bool:
    """What moves no version is housekeeping of ours, such as a mark that a client has work."""
    return change.old is not None and change.new is not None and change.old.get("version") == change.new.get("version")


def _without_secrets(thing: Plain | None) -> Plain | None:
    return None if thing is None else {name: value for name, value in thing.items() if name not in _SECRETS}
