"""Scheduled events."""

from datetime import UTC, datetime
from typing import Any, cast

from chalice.app import CloudWatchEvent


def time_of(event: CloudWatchEvent) -> datetime:
    """The instant for which the schedule fired, in UTC: the same when the event comes again, however late."""
    return datetime.fromisoformat(event.to_dict()["time"]).astimezone(UTC).replace(microsecond=0)


def seconds_left(event: CloudWatchEvent) -> float:
    """Until the function that handles it is ended."""
    return float(cast("Any", event.context).get_remaining_time_in_millis()) / 1000
