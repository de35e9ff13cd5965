"""What the outside is told of every change: events made from the table's stream, never from a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Plain = Mapping[str, object]
"""One kept thing as plain data: strings, Decimals, bools, lists and mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """How it is told that a kind of thing was made, changed or deleted; None if it is not.

    Of what has a status it is told which one it came into, and nothing else; and how it ended, only if it was ever begun.
    """

    made: str | None = None
    changed: str | None = None
    deleted: str | None = None
    by_status: Mapping[object, str] = field(default_factory=dict)


_EVENTS: Mapping[str, _Told] = {
    "user": _Told(made="UserCreated", changed="UserUpdated", deleted="UserDeleted"),
    "client": _Told(made="ClientCreated", changed="ClientUpdated", deleted="ClientDeleted"),
    "work": _Told(made="WorkLogged", changed="WorkUpdated", deleted="WorkDeleted"),
    "invoice": _Told(by_status={"issued": "InvoiceIssued", "paid": "InvoicePaid", "credited": "InvoiceCredited"}),
    "product": _Told(made="ProductCreated", changed="ProductUpdated", deleted="ProductDeleted"),
    "order": _Told(
        by_status={
            "PENDING": "OrderPlaced",
            "CONFIRMED": "OrderConfirmed",
            "FAILED": "OrderFailed",
            "CANCELED": "OrderCanceled",
        }
    ),
    "image": _Told(by_status={"ready": "ImageReady", "rejected": "ImageRejected"}),
    "import": _Told(by_status={"completed": "ImportCompleted", "failed": "ImportFailed"}),
}
"""By the type of the item; accounts and credit notes concern nobody outside by themselves."""
_SECRETS = frozenset({"password_hash"})
_INSIDE = frozenset({"cursor"})
"""What nobody outside can do anything with."""


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
    told = _EVENTS.get(change.item_type, _Told())
    if told.by_status:
        before, after = _status(change.old), _status(change.new)
        unheard_of = change.old is not None and before is None
        if after == before or (unheard_of and after != "PENDING"):
            return None
        return told.by_status.get(after)
    if change.old is None:
        return told.made
    if change.new is None:
        return told.deleted
    return None if _same_version(change) else told.changed


def _status(thing: Plain | None) -> object:
    """None as long as nobody is to hear of the thing: an order that is held is not placed yet, and may never be."""
    return None if thing is None or thing.get("workflow_status") == "held" else thing.get("status")


def _same_version(change: Change) -> bool:
    """What moves no version is housekeeping of ours, such as a mark that a client has work."""
    return change.old is not None and change.new is not None and change.old.get("version") == change.new.get("version")


def _without_secrets(thing: Plain | None) -> Plain | None:
    return None if thing is None else {name: value for name, value in thing.items() if name not in _SECRETS | _INSIDE}
