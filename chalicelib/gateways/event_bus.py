"""Domain events onto EventBridge, in order, none counted as sent that the bus did not take."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.events import DomainEvent
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "daybook"
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""Of one request's entries together. EventBridge has taken more since 2026; an event that is larger alone is sent alone."""
_TIME_BYTES = 14


class EventBridgeBus:
    def __init__(self, events: "EventBridgeClient", name: str) -> None:
        self._events = events
        self._name = name

    def publish(self, events: Sequence[DomainEvent]) -> frozenset[int]:
        """After the first event that the bus did not take nothing more is sent: it and all after it come again, in order.

        Only within one request of ten can later events have gone out before an earlier one is refused.
        """
        entries = [self._entry(event) for event in events]
        for first, batch in _batches(entries):
            try:
                refused = self._put(batch)
            except Unavailable:
                if first == 0:
                    raise
                return frozenset(range(first, len(entries)))
            if refused:
                unsent = range(first + len(batch), len(entries))
                return frozenset([*(first + place for place in refused), *unsent])
        return frozenset()

    def _entry(self, event: DomainEvent) -> "PutEventsRequestEntryTypeDef":
        detail = {
            "account_id": event.account_id,
            "id": event.id,
            "version": event.version,
            "occurred_at": event.occurred_at,
            "new": event.new,
            "old": event.old,
        }
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": event.detail_type,
            "Time": event.occurred_at,
            "Detail": to_json(detail),
        }

    def _put(self, batch: "Sequence[PutEventsRequestEntryTypeDef]") -> list[int]:
        """The places in the batch of what was not taken. Raises: Unavailable."""
        with calling("the event bus"):
            answer = self._events.put_events(Entries=batch)
        results = answer["Entries"]
        return [place for place in range(len(batch)) if place >= len(results) or "EventId" not in results[place]]


def _batches(
    entries: "Sequence[PutEventsRequestEntryTypeDef]",
) -> "Iterator[tuple[int, Sequence[PutEventsRequestEntryTypeDef]]]":
    """Runs of entries that fit one request, each with the place of its first."""
    first, size = 0, 0
    for place, entry in enumerate(entries):
        more = _size(entry)
        if place > first and (place - first == MAX_ENTRIES or size + more > MAX_BYTES):
            yield first, entries[first:place]
            first, size = place, 0
        size += more
    if entries:
        yield first, entries[first:]


def _size(entry: "PutEventsRequestEntryTypeDef") -> int:
    """As EventBridge reckons it: the texts in UTF-8 and 14 bytes for the time."""
    return sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail")) + _TIME_BYTES
