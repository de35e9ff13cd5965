"""Scheduled events."""

from datetime import UTC, datetime

from chalice.app import CloudWatchEvent


def time_of(event: CloudWatchEvent) -> datetime:
    """The instant for which the schedule fired, in UTC: the same when the event comes again, however late."""
    return datetime.fromisoformat(event.to_dict()["time"]).astimezone(UTC).replace(microsecond=0)
