"""Telling the outside what has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.events import Change, event_of

if TYPE_CHECKING:
    from chalicelib.ports import EventBus


def publish_changes(changes: Sequence[Change], *, bus: EventBus) -> int | None:
    """Sends the changes' events in order; returns the place of the first change that must come again, None if all went out.

    Raises: Unavailable.
    """
    events = [(place, event) for place, change in enumerate(changes) if (event := event_of(change)) is not None]
    refused = bus.publish([event for _, event in events])
    return min((events[number][0] for number in refused), default=None)
