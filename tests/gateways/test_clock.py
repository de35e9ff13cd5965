from datetime import UTC, datetime, timedelta
from time import sleep

from chalicelib.domain.identifiers import is_id
from chalicelib.gateways.clock import RandomIds, SystemClock


def test_the_clock_tells_utc_in_whole_seconds() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert now.microsecond == 0
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)


def test_ids_of_one_instant_are_all_different() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    ids = {RandomIds().new("inv", at) for _ in range(1_000)}

    assert len(ids) == 1_000
    assert all(is_id("inv", made) for made in ids)


def test_ids_of_one_second_sort_by_their_milliseconds() -> None:
    at = SystemClock().now()
    first = RandomIds().new("inv", at)
    sleep(0.002)

    assert RandomIds().new("inv", SystemClock().now()) > first


def test_ids_sort_by_their_time() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)

    assert RandomIds().new("wrk", at) < RandomIds().new("wrk", at + timedelta(seconds=1))
