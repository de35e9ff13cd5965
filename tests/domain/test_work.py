from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.calendar import local_day, seconds_in_day
from chalicelib.domain.clients import edit_client
from chalicelib.domain.errors import Invalid, WorkEntryBilled, WorkOverlaps
from chalicelib.domain.work import (
    MAX_DURATION,
    DatedWork,
    Span,
    Timer,
    WorkSheet,
    check_no_overlap,
    check_unbilled,
    edit_entry,
    logged,
    month_of,
    new_entry,
    stop_timer,
)
from tests.builders import NOW, a_client, an_account, an_entry
from tests.domain.builders import dated_entry, timed_entry, worked
from tests.domain.strategies import instants, zones

BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 1, 5)

beginnings = instants(2001, 2190)
durations = some.timedeltas(timedelta(seconds=1), MAX_DURATION)


def a_timer(started_at: datetime) -> Timer:
    return Timer(
        account_id="acc_1",
        user_id="usr_1",
        client_id="cli_1",
        description="Engine",
        billable=True,
        started_at=started_at,
    )


def a_span(started_at: datetime, ended_at: datetime, entry_id: str = "wrk_other") -> Span:
    return Span(entry_id=entry_id, started_at=started_at, ended_at=ended_at)


def overlaps(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    try:
        check_no_overlap(timed_entry(*one), [a_span(*other)])
    except WorkOverlaps:
        return True
    return False


# How long work took


def in_berlin(day: str, clock: str, *, second_pass: bool = False) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=BERLIN, fold=int(second_pass))


@pytest.mark.parametrize(
    ("started_at", "ended_at", "minutes"),
    [
        (in_berlin("2026-03-29", "01:30"), in_berlin("2026-03-29", "03:30"), 60),
        (in_berlin("2026-10-25", "01:30"), in_berlin("2026-10-25", "03:30"), 180),
        (in_berlin("2026-10-25", "02:30"), in_berlin("2026-10-25", "02:15", second_pass=True), 45),
        (in_berlin("2026-10-24", "12:00"), in_berlin("2026-10-25", "12:00"), 25 * 60),
    ],
    ids=["clock goes forward", "clock goes back", "first to second pass", "over the night"],
)
def test_work_lasts_as_long_as_it_lasted_whatever_the_clock_on_the_wall_did(
    started_at: datetime, ended_at: datetime, minutes: int
) -> None:
    timer = a_timer(started_at.astimezone(UTC))

    logged = timed_entry(started_at, ended_at)
    measured = new_entry(
        stop_timer(timer, now=ended_at.astimezone(UTC)), an_account(), user_id="usr_1", entry_id="wrk_1", now=NOW
    )

    assert logged.duration_seconds == measured.duration_seconds == minutes * 60


@given(beginnings, durations, zones, zones)
def test_a_duration_does_not_depend_on_the_zones_it_is_told_in(
    started_at: datetime, duration: timedelta, one: str, other: str
) -> None:
    started_at = started_at.replace(microsecond=0)
    duration = timedelta(seconds=int(duration.total_seconds()))
    told = (started_at.astimezone(ZoneInfo(one)), (started_at + duration).astimezone(ZoneInfo(other)))

    entry = timed_entry(*told, an_account(time_zone=one))

    assert entry.duration_seconds == int(duration.total_seconds()) > 0
    assert (entry.started_at, entry.ended_at) == (started_at, started_at + duration)
    assert entry.day == local_day(started_at, one) == told[0].date()
    assert entry.started_at is not None
    assert entry.started_at.tzinfo is UTC


def test_work_over_midnight_belongs_to_the_local_day_it_began_on() -> None:
    entry = timed_entry("2026-01-31T22:30:00Z", "2026-02-01T01:00:00Z", an_account(time_zone="Europe/Vienna"))
    further_east = timed_entry("2026-01-31T22:30:00Z", "2026-02-01T01:00:00Z", an_account(time_zone="Asia/Tokyo"))

    assert (entry.day, entry.month) == (date(2026, 1, 31), "2026-01")
    assert (further_east.day, further_east.month) == (date(2026, 2, 1), "2026-02")


def test_parts_of_a_second_are_not_kept() -> None:
    entry = timed_entry("2026-01-05T09:00:00.900Z", "2026-01-05T10:00:00.100Z")

    assert entry.duration_seconds == 3600
    assert entry.started_at == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_minutes_on_a_day_have_no_hour() -> None:
    entry = dated_entry(DAY, 90)

    assert (entry.day, entry.duration_seconds, entry.started_at, entry.ended_at) == (DAY, 5400, None, None)


def test_the_day_that_the_clock_goes_back_takes_25_hours_and_the_next_only_24() -> None:
    assert dated_entry(date(2024, 10, 27), 25 * 60).duration_seconds == 25 * 3600
    for day, minutes in ((date(2024, 10, 27), 1501), (date(2024, 10, 28), 1441), (date(2026, 3, 29), 1381)):
        with pytest.raises(Invalid, match="/minutes: must be at least 1 and no more than that day has"):
            dated_entry(day, minutes)


def test_nobody_worked_on_the_day_that_samoa_left_out() -> None:
    with pytest.raises(Invalid, match="/minutes"):
        dated_entry(date(2011, 12, 30), 1, an_account(time_zone="Pacific/Apia"))


@given(some.dates(date(2000, 1, 1), date(2199, 12, 31)), zones, some.integers(-1, 1600))
def test_a_day_takes_its_own_minutes_and_no_more(day: date, time_zone: str, minutes: int) -> None:
    fits = 0 < minutes * 60 <= seconds_in_day(day, time_zone)
    try:
        entry = dated_entry(day, minutes, an_account(time_zone=time_zone))
    except Invalid:
        assert not fits
    else:
        assert fits
        assert entry.duration_seconds == minutes * 60


@pytest.mark.parametrize("minutes", [0, -1, -(10**18), 10**18])
def test_minutes_that_no_day_has_are_refused(minutes: int) -> None:
    with pytest.raises(Invalid, match="/minutes"):
        dated_entry(DAY, minutes)


@pytest.mark.parametrize(
    ("started_at", "ended_at", "pointer"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00Z", "/ended_at"),
        ("2026-01-05T10:00:00.100Z", "2026-01-05T10:00:00.900Z", "/ended_at"),
        ("2026-01-05T10:00:00Z", "2026-01-05T09:59:59Z", "/ended_at"),
        ("2026-01-05T10:00:00+01:00", "2026-01-05T09:30:00+02:00", "/ended_at"),
        ("2026-01-05T10:00:00Z", "2026-02-05T10:00:01Z", "/ended_at"),
        ("1999-12-31T10:00:00Z", "2026-01-05T10:00:00Z", "/started_at"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T01:00:00+14:00", "/started_at"),
        ("2199-12-31T10:00:00Z", "9999-12-31T23:59:59-12:00", "/ended_at"),
    ],
)
def test_times_that_cannot_be_are_refused_with_the_place(started_at: str, ended_at: str, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        timed_entry(started_at, ended_at)
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_31_days_is_the_longest_entry() -> None:
    assert timed_entry("2026-01-05T10:00:00Z", "2026-02-05T10:00:00Z").duration_seconds == 31 * 86_400


# The timer


@given(beginnings, some.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_a_timer_can_always_be_stopped_and_never_measures_a_negative_time(started_at: datetime, ran: timedelta) -> None:
    timer = a_timer(started_at.replace(microsecond=0))
    now = timer.started_at + timedelta(seconds=int(ran.total_seconds()))

    work = stop_timer(timer, now=now)
    entry = new_entry(work, an_account(), user_id="usr_1", entry_id="wrk_1", now=now)

    assert entry.duration_seconds == min(max(int(ran.total_seconds()), 1), 31 * 86_400)
    assert entry.started_at == timer.started_at


def test_what_a_timer_knows_stands_on_the_entry() -> None:
    timer = replace(a_timer(NOW), description="Proof", billable=False, client_id="cli_2")

    work = stop_timer(timer, now=NOW + timedelta(minutes=5))

    assert (work.client_id, work.description, work.billable) == ("cli_2", "Proof", False)


# Overlaps


def test_a_morning_and_an_afternoon_that_touch_do_not_overlap() -> None:
    nine, one, five = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (9, 13, 17))

    assert not overlaps((nine, one), (one, five))
    assert not overlaps((one, five), (nine, one))


@given(beginnings, some.lists(durations, min_size=4, max_size=4))
def test_two_times_overlap_exactly_if_they_share_a_second_and_both_ways(at: datetime, steps: list[timedelta]) -> None:
    at = at.replace(microsecond=0)
    first = (at, at + timedelta(seconds=int(steps[0].total_seconds())))
    begin = at + timedelta(seconds=int(steps[1].total_seconds() - steps[2].total_seconds()))
    second = (begin, begin + timedelta(seconds=int(steps[3].total_seconds())))

    shared = min(first[1], second[1]) - max(first[0], second[0])

    assert overlaps(first, second) == overlaps(second, first) == (shared >= timedelta(seconds=1))


@given(beginnings, durations)
def test_every_time_overlaps_with_itself_but_an_entry_never_with_its_own_old_time(at: datetime, duration: timedelta) -> None:
    at = at.replace(microsecond=0)
    span = (at, at + timedelta(seconds=int(duration.total_seconds())))
    entry = timed_entry(*span)

    assert overlaps(span, span)
    check_no_overlap(entry, [a_span(*span, entry_id=entry.id)])


def test_an_overlap_says_with_which_entry() -> None:
    nine, ten = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (9, 10))

    with pytest.raises(WorkOverlaps, match="with the entry wrk_7"):
        check_no_overlap(timed_entry(nine, ten), [a_span(ten, ten + timedelta(hours=1)), a_span(nine, ten, "wrk_7")])


def test_minutes_on_a_day_overlap_with_nothing() -> None:
    check_no_overlap(an_entry(day=DAY), [a_span(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))])


# Editing


def test_an_edit_keeps_who_logged_it_and_counts_the_version() -> None:
    account = an_account()
    entry = timed_entry("2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z", account)
    later = NOW + timedelta(days=1)

    edited = edit_entry(entry, DatedWork(client_id="cli_2", date=date(2026, 2, 1), minutes=30), account, now=later)

    assert (entry.version, edited.version) == (1, 2)
    assert (edited.id, edited.user_id, edited.created_at, edited.updated_at) == (entry.id, entry.user_id, NOW, later)
    assert (edited.client_id, edited.month, edited.started_at, edited.duration_seconds) == ("cli_2", "2026-02", None, 1800)


def test_a_february_entry_stays_at_the_rate_of_february_though_it_is_edited_in_april() -> None:
    account, april = an_account(), datetime(2026, 4, 1, tzinfo=UTC)
    client = a_client(account=account, rate=Decimal(80))
    client = edit_client(client, replace(client.details, rate=Decimal(95), rate_valid_from=date(2026, 3, 1)), account, now=NOW)
    entry = timed_entry("2026-02-20T09:00:00Z", "2026-02-20T10:00:00Z", account)

    edited = edit_entry(entry, worked("2026-02-20T09:00:00Z", "2026-02-20T11:00:00Z"), account, now=april)
    moved = edit_entry(entry, worked("2026-03-20T09:00:00Z", "2026-03-20T11:00:00Z"), account, now=april)

    sheet = WorkSheet(account_id="acc_1", client_id="cli_1", month="2026-02")
    assert [logged(shown, sheet, client).rate for shown in (entry, edited, moved)] == [80, 80, 95]


# Billed work


def test_a_billed_entry_is_locked_and_says_by_which_invoice() -> None:
    client = a_client()
    sheet = WorkSheet(
        account_id="acc_1",
        client_id="cli_1",
        month="2026-01",
        open=frozenset({"wrk_1"}),
        billed={"inv_7": frozenset({"wrk_2"})},
    )

    check_unbilled(logged(an_entry(entry_id="wrk_1"), sheet, client))
    with pytest.raises(WorkEntryBilled, match="inv_7"):
        check_unbilled(logged(an_entry(entry_id="wrk_2"), sheet, client))


def test_a_sheet_knows_the_invoice_of_each_entry() -> None:
    sheet = WorkSheet(
        account_id="acc_1",
        client_id="cli_1",
        month="2026-01",
        open=frozenset({"wrk_1"}),
        billed={"inv_1": frozenset({"wrk_2"}), "inv_2": frozenset({"wrk_3", "wrk_4"})},
    )

    assert [sheet.invoice_of(f"wrk_{number}") for number in range(1, 6)] == [None, "inv_1", "inv_2", "inv_2", None]


@given(some.dates(), some.dates())
def test_months_sort_as_their_days_do(one: date, other: date) -> None:
    assert len(month_of(one)) == 7
    assert (month_of(one) < month_of(other)) == ((one.year, one.month) < (other.year, other.month))
