"""The table's stream: records as changes, handed on in order; the first that fails comes again with all after it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalice.app import DynamoDBEvent

from chalicelib.domain.events import Change, Plain
from chalicelib.edge.batches import BatchAnswer, failed

_log = logging.getLogger("daybook")
ReadImage = Callable[[Mapping[str, Any]], Plain]
"""Turns a record's image, in DynamoDB's attribute values, into plain data without keys."""


def each_change(event: DynamoDBEvent, read_image: ReadImage, handle: Callable[[Sequence[Change]], int | None]) -> BatchAnswer:
    """Hands all changes that can be read to `handle`, which answers the place of the first that failed.

    The answer names the sequence number from which Lambda shall deliver again: the checkpoint is per batch, not per record.
    """
    changes: list[Change] = []
    numbers: list[str] = []
    broken: str | None = None
    for record in event:
        document = record.to_dict()
        number = document["dynamodb"]["SequenceNumber"]
        try:
            change = _change_of(document, read_image)
        except Exception:  # noqa: BLE001  the batch boundary
            _log.exception("record %s cannot be read", number)
            broken = number
            break
        if change is not None:
            changes.append(change)
            numbers.append(number)
    place = handle(changes)
    if place is not None:
        return failed(numbers[place])
    return failed() if broken is None else failed(broken)


def _change_of(document: Mapping[str, Any], read_image: ReadImage) -> Change | None:
    """None for a kind of item that is nobody's business, and for what TTL swept away, which no user deleted."""
    if (document.get("userIdentity") or {}).get("type") == "Service":
        return None
    data = document["dynamodb"]
    images = {side: data[side] for side in ("OldImage", "NewImage") if data.get(side)}
    last = images.get("NewImage") or images["OldImage"]
    if "id" not in last:
        return None
    return Change(
        item_type=last["type"]["S"],
        account_id=last["account_id"]["S"],
        id=last["id"]["S"],
        occurred_at=datetime.fromtimestamp(float(data["ApproximateCreationDateTime"]), UTC).replace(microsecond=0),
        old=read_image(images["OldImage"]) if "OldImage" in images else None,
        new=read_image(images["NewImage"]) if "NewImage" in images else None,
    )
