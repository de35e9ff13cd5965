"""What Hypothesis draws from in more than one place."""

from datetime import UTC, datetime
from zoneinfo import available_timezones

from hypothesis import strategies as some

ZONES = sorted(available_timezones() - {"localtime", "Factory"})

zones = some.sampled_from(ZONES)
anchors = some.integers(1, 31)


def instants(first_year: int, last_year: int) -> some.SearchStrategy[datetime]:
    """From the second day of the first year to the last but one of the last."""
    earliest, latest = datetime(first_year, 1, 2), datetime(last_year, 12, 30)  # noqa: DTZ001 (Hypothesis wants them bare)
    return some.datetimes(earliest, latest, timezones=some.just(UTC))
