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


class BatchStuck(Exception):
    """The batch's very first record failed. Raised, for Lambda then halves the batch, which costs no retry, until the record
    is alone; answered, it and all behind it would be given up together once the retries are used up."""


def each_change(event: DynamoDBEvent, read_image: ReadImage, handle: Callable[[Sequence[Change]], int | None]) -> BatchAnswer:
    """Hands all changes that can be read to `handle`, which answers the place of the first that failed.

    The answer names the sequence number from which Lambda shall deliver again: the checkpoint is per batch, not per record.
    Raises: BatchStuck.
    """
    first: str | None = None
    changes: list[Change] = []
    numbers: list[str] = []
    broken: str | None = None
    for record in event:
        document = record.to_dict()
        number = document["dynamodb"]["SequenceNumber"]
        first = first or number
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
    stopped_at = broken if place is None else numbers[place]
    if stopped_at is None:
        return failed()
    if stopped_at == first:
        raise BatchStuck(f"record {stopped_at} failed")
    return failed(stopped_at)


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
