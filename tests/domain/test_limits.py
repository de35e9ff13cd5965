from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import SignInLocked, TooManyRequests
from chalicelib.domain.limits import (
    Attempts,
    Quota,
    Quotas,
    after_attempt,
    after_request,
    epoch,
    lock_seconds,
    locked,
    next_attempt,
    remembered,
    requests_quota,
    window_start,
)
from chalicelib.domain.users import Caller
from tests.builders import a_caller, a_user, at

QUOTAS = Quotas(user_requests=100, address_requests=60, sign_in_attempts=5, sign_in_quiet_seconds=900)
NOW = at("2026-11-20T09:30:00")
START = epoch(NOW)


def in_seconds(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


# Requests


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-20T09:30:00", "2026-11-20T09:30:00"),
        ("2026-11-20T09:30:59", "2026-11-20T09:30:00"),
        ("2026-11-20T09:31:00", "2026-11-20T09:31:00"),
    ],
)
def test_a_window_is_a_minute_of_the_clock(now: str, start: str) -> None:
    assert datetime.fromtimestamp(window_start(at(now)), UTC) == at(start)


@pytest.mark.parametrize(
    ("count", "now", "remaining", "seconds"),
    [(1, "09:30:00", 99, 60), (43, "09:30:37", 57, 23), (100, "09:30:59", 0, 1)],
)
def test_within_the_limit_it_is_told_what_remains_and_until_when(count: int, now: str, remaining: int, seconds: int) -> None:
    standing = after_request(requests_quota(a_caller(a_user()), QUOTAS), count, at(f"2026-11-20T{now}"))

    assert (standing.remaining, standing.seconds, standing.refusal) == (remaining, seconds, None)


@pytest.mark.parametrize(("count", "now", "seconds"), [(101, "09:30:00", 60), (5_000, "09:30:59", 1)])
def test_past_the_limit_it_is_told_when_the_next_window_begins(count: int, now: str, seconds: int) -> None:
    standing = after_request(requests_quota(a_caller(a_user()), QUOTAS), count, at(f"2026-11-20T{now}"))

    assert isinstance(standing.refusal, TooManyRequests)
    assert (standing.remaining, standing.refusal.retry_after_seconds) == (0, seconds)


@given(limit=st.integers(1, 200), asked=st.lists(st.integers(0, 300), max_size=400))
def test_never_are_more_let_through_in_one_window_than_the_limit(limit: int, asked: list[int]) -> None:
    counts, passed = dict[int, int](), dict[int, int]()
    for second in sorted(asked):
        now = in_seconds(second)
        window = window_start(now)
        counts[window] = counts.get(window, 0) + 1
        standing = after_request(Quota("default", limit, 60), counts[window], now)
        passed[window] = passed.get(window, 0) + (standing.refusal is None)

    assert all(passed[window] == min(count, limit) for window, count in counts.items())


def test_without_a_caller_the_limit_is_that_of_an_address() -> None:
    assert requests_quota(None, QUOTAS) == Quota("address", 60, 60)


def test_an_account_may_have_a_limit_of_its_own() -> None:
    class Customer:
        requests_per_minute: int | None = 250

    customer = Customer()
    assert requests_quota(cast("Caller", customer), QUOTAS) == Quota("default", 250, 60)
    customer.requests_per_minute = None
    assert requests_quota(cast("Caller", customer), QUOTAS) == Quota("default", 100, 60)


# Attempts to sign in


def tried(number: int, wait: int = 0) -> Attempts:
    """After so many attempts, each made as soon as it might be."""
    series: Attempts | None = None
    now = START
    for _ in range(number):
        now = series.next_at if series else START
        series = next_attempt(series, QUOTAS, in_seconds(now - START))
    assert series is not None
    return series


def test_five_attempts_are_free_and_then_the_pauses_grow_to_an_hour() -> None:
    minutes = [lock_seconds(number, QUOTAS) / 60 for number in range(1, 14)]

    assert minutes == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert lock_seconds(10_000, QUOTAS) == 3600


def test_while_an_address_is_locked_its_attempts_are_refused() -> None:
    series = tried(5)

    assert series == Attempts(5, START + 60)
    assert next_attempt(series, QUOTAS, in_seconds(0)) is None
    assert next_attempt(series, QUOTAS, in_seconds(59)) is None
    assert next_attempt(series, QUOTAS, in_seconds(60)) == Attempts(6, START + 60 + 120)


def test_a_refusal_says_when_to_come_back_and_an_attempt_what_remains() -> None:
    refused = locked(START + 60, QUOTAS, in_seconds(37))
    first, fifth = after_attempt(tried(1), QUOTAS, NOW), after_attempt(tried(5), QUOTAS, NOW)

    assert isinstance(refused.refusal, SignInLocked)
    assert (refused.remaining, refused.seconds, refused.refusal.retry_after_seconds) == (0, 23, 23)
    assert (first.quota, first.remaining, first.seconds, first.refusal) == (Quota("sign_in", 5, 900), 4, 900, None)
    assert (fifth.remaining, fifth.seconds) == (0, 60)


def test_after_a_quiet_time_all_is_forgotten() -> None:
    series = tried(11)
    quiet = series.next_at - START + 900

    assert remembered(series, QUOTAS, in_seconds(quiet - 1)) > 5
    assert remembered(series, QUOTAS, in_seconds(quiet)) == 0


def test_people_who_share_an_address_and_sign_in_every_three_minutes_never_wait() -> None:
    series: Attempts | None = None
    for number in range(500):
        series = next_attempt(series, QUOTAS, in_seconds(180 * number))
        assert series is not None
        assert series.next_at == START + 180 * number


GUESSES_A_DAY = 486
"""The most that one address gets, by the best of all plans."""
MINUTES_A_DAY = 24 * 60


def test_one_address_gets_so_many_guesses_a_day_and_no_more() -> None:
    """By all plans: an attempt, its lock, and a pause of any length after it. All that matters falls on whole minutes."""
    levels = range(1, 12)
    pauses = range(0, 900 + 1, 60)
    best: list[list[int]] = []
    for minutes in range(MINUTES_A_DAY + 1):
        row = [0] * (len(levels) + 2)
        for level in reversed(levels):
            for pause in pauses:
                left = minutes - (lock_seconds(level, QUOTAS) + pause) // 60
                after = next_attempt(Attempts(level, START), QUOTAS, in_seconds(pause))
                if left >= 0 and after is not None and after.number <= levels[-1]:
                    row[level] = max(row[level], 1 + (row if left == minutes else best[left])[after.number])
        best.append(row)

    assert 1 + best[MINUTES_A_DAY][1] == GUESSES_A_DAY


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_no_plan_of_pauses_gets_more_guesses_from_one_address_than_the_best_one(pauses: list[int]) -> None:
    """The plan is repeated all day; `pauses` are after each lock."""
    series, now, guesses = cast("Attempts | None", None), 0, 0
    while guesses <= GUESSES_A_DAY:
        now = max(now, series.next_at - START if series else 0) + pauses[guesses % len(pauses)]
        if now >= 86_400:
            break
        series = next_attempt(series, QUOTAS, in_seconds(now))
        assert series is not None
        guesses += 1

    assert guesses <= GUESSES_A_DAY
