from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.calendar import (
    ONE_DAY,
    check_day,
    check_time_zone,
    invoice_day_from,
    invoice_day_in,
    local_day,
    seconds_in_day,
    start_of_day,
)
from chalicelib.domain.errors import Invalid
from tests.domain.strategies import ZONES, anchors, instants, zones

ONE_SECOND = timedelta(seconds=1)

days = some.dates(date(2000, 1, 1), date(2199, 12, 31))


def invoice_days(first: date, anchor: int, count: int) -> list[date]:
    """So many, each the first one after the one before."""
    found = [invoice_day_from(first, anchor)]
    while len(found) < count:
        found.append(invoice_day_from(found[-1] + ONE_DAY, anchor))
    return found


def skipped(day: date, time_zone: str) -> bool:
    """Whether the zone never had that day: some islands have crossed the date line."""
    return seconds_in_day(day, time_zone) == 0


# Invoice days


def test_day_31_falls_on_the_last_day_of_a_short_month_and_comes_back_to_the_31st() -> None:
    found = invoice_days(date(2027, 1, 1), 31, 14)

    assert [day.day for day in found] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29]
    assert [day.month for day in found] == [*range(1, 13), 1, 2]
    assert found[-1] == date(2028, 2, 29)


def test_day_30_falls_on_the_29th_of_a_leap_february() -> None:
    assert invoice_days(date(2028, 1, 1), 30, 3) == [date(2028, 1, 30), date(2028, 2, 29), date(2028, 3, 30)]


def test_day_29_falls_on_the_28th_of_a_common_february() -> None:
    assert invoice_days(date(2027, 1, 1), 29, 3) == [date(2027, 1, 29), date(2027, 2, 28), date(2027, 3, 29)]


def test_an_invoice_day_counts_on_its_own_day() -> None:
    assert invoice_day_from(date(2027, 2, 28), 31) == date(2027, 2, 28)


def test_after_december_comes_january() -> None:
    assert invoice_day_from(date(2026, 12, 16), 15) == date(2027, 1, 15)


@given(some.dates(date(2000, 1, 1), date(2169, 12, 31)), anchors)
def test_every_month_of_30_years_has_exactly_one_invoice_day(first: date, anchor: int) -> None:
    found = invoice_days(first, anchor, 360)

    months = [day.year * 12 + day.month for day in found]
    assert found[0] >= first
    assert months == list(range(months[0], months[0] + 360))
    assert all(day.day == min(anchor, monthrange(day.year, day.month)[1]) for day in found)
    assert found == sorted(set(found))


@given(days, anchors)
def test_no_invoice_day_lies_between_a_day_and_the_next_one(day: date, anchor: int) -> None:
    next_one = invoice_day_from(day, anchor)

    between = [day + timedelta(days=count) for count in range((next_one - day).days)]
    assert all(other != invoice_day_in(other.year, other.month, anchor) for other in between)


# Days and instants


def test_a_day_begins_earlier_in_auckland_than_in_los_angeles() -> None:
    assert start_of_day(date(2027, 3, 1), "Pacific/Auckland") == datetime(2027, 2, 28, 11, tzinfo=UTC)
    assert start_of_day(date(2027, 3, 1), "America/Los_Angeles") == datetime(2027, 3, 1, 8, tzinfo=UTC)


def test_one_instant_is_two_days() -> None:
    noon = datetime(2027, 2, 28, 12, tzinfo=UTC)

    assert local_day(noon, "Pacific/Auckland") == date(2027, 3, 1)
    assert local_day(noon, "America/Los_Angeles") == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("day", "time_zone", "hours"),
    [
        (date(2024, 10, 27), "Europe/Vienna", 25),
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
        (date(2026, 7, 1), "Asia/Kathmandu", 24),
        (date(2011, 12, 30), "Pacific/Apia", 0),
    ],
)
def test_a_day_has_as_many_hours_as_the_clock_gives_it(day: date, time_zone: str, hours: float) -> None:
    assert seconds_in_day(day, time_zone) == hours * 3600


def test_a_day_whose_midnight_is_skipped_begins_when_the_clock_jumps() -> None:
    begin = start_of_day(date(2026, 4, 24), "Africa/Cairo")

    assert begin.astimezone(ZoneInfo("Africa/Cairo")).isoformat() == "2026-04-24T01:00:00+03:00"
    assert local_day(begin - ONE_SECOND, "Africa/Cairo") == date(2026, 4, 23)


def test_a_day_whose_first_hour_comes_twice_begins_with_the_first_of_them() -> None:
    begin = start_of_day(date(2026, 11, 1), "America/Havana")

    assert begin.astimezone(ZoneInfo("America/Havana")).isoformat() == "2026-11-01T00:00:00-04:00"
    assert local_day(begin - ONE_SECOND, "America/Havana") == date(2026, 10, 31)


@given(days, zones)
def test_the_start_of_a_day_is_its_first_second(day: date, time_zone: str) -> None:
    begin = start_of_day(day, time_zone)

    assert begin.tzinfo is UTC
    assert local_day(begin, time_zone) == day or skipped(day, time_zone)
    assert local_day(begin - ONE_SECOND, time_zone) < day


@pytest.mark.parametrize("year", [2011, 2024, 2026, 2027])
def test_in_every_zone_every_day_of_a_year_begins_where_the_day_before_ends(year: int) -> None:
    for time_zone in ZONES:
        for day in (date(year, 1, 1) + timedelta(days=count) for count in range(365)):
            begin = start_of_day(day, time_zone)
            assert local_day(begin - ONE_SECOND, time_zone) < day, (time_zone, day)
            assert local_day(begin, time_zone) == day or skipped(day, time_zone), (time_zone, day)


@given(instants(2000, 2199), zones)
def test_an_instant_lies_within_its_local_day(instant: datetime, time_zone: str) -> None:
    day = local_day(instant, time_zone)

    assert start_of_day(day, time_zone) <= instant < start_of_day(day + ONE_DAY, time_zone)


# What is refused


@pytest.mark.parametrize("time_zone", ["Europe/Vienna", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+12"])
def test_iana_zones_are_taken(time_zone: str) -> None:
    assert check_time_zone(time_zone) == time_zone


@pytest.mark.parametrize(
    "time_zone",
    [
        "",
        "Vienna",
        "europe/vienna",
        "Europe/Vienna ",
        "+01:00",
        "localtime",
        "Factory",
        "posixrules",
        "posix/Europe/Vienna",
        "right/Europe/Vienna",
        "../../../etc/passwd",
        "/usr/share/zoneinfo/Europe/Vienna",
        "Europe/Vienna\0",
        "Europe",
        "Z" * 5_000,
    ],
)
def test_what_is_no_iana_zone_is_refused(time_zone: str) -> None:
    with pytest.raises(Invalid, match="/time_zone: is not an IANA time zone"):
        check_time_zone(time_zone)


@pytest.mark.parametrize("day", [date(2000, 1, 1), date(2199, 12, 31), None])
def test_days_of_our_two_centuries_are_taken(day: date | None) -> None:
    check_day(day, "/date")


@pytest.mark.parametrize("day", [date.min, date(1999, 12, 31), date(2200, 1, 1), date.max])
def test_days_that_nobody_means_are_refused(day: date) -> None:
    with pytest.raises(Invalid, match="/date: must be in the years 2000 to 2199"):
        check_day(day, "/date")
