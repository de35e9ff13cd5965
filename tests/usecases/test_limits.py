"""Counting requests, also when the counter is silent or everybody is at it."""

import pytest

from chalicelib.domain.errors import Contended, SignInLocked, TooManyRequests, Unavailable
from chalicelib.domain.limits import Quotas, Usage
from chalicelib.domain.users import Caller
from chalicelib.ports import Limits
from chalicelib.repositories.memory_limits import MemoryLimits
from chalicelib.usecases import limits as usecase
from tests.builders import a_caller, a_user
from tests.fakes import FixedClock, SilentLimits

QUOTAS = Quotas(user_requests=3, address_requests=2, sign_in_attempts=2, sign_in_quiet_seconds=900)
ADDRESS = "198.51.100.7"
ADA = a_caller(a_user())


class Crowded(MemoryLimits):
    """Somebody else is always faster, but changes nothing."""

    tried = 0

    def note_attempt(self, *_: object, **__: object) -> None:
        self.tried += 1
        raise Contended


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def request(limits: Limits, clock: FixedClock, who: Caller | str = ADA) -> Usage:
    return usecase.count_request(who, limits=limits, quotas=QUOTAS, clock=clock)


def attempt(limits: Limits, clock: FixedClock, address: str = ADDRESS) -> Usage:
    return usecase.count_sign_in(address, limits=limits, quotas=QUOTAS, clock=clock)


def test_a_user_is_refused_past_the_limit_until_the_next_minute(clock: FixedClock) -> None:
    limits = MemoryLimits()
    clock.advance(seconds=50)
    assert [request(limits, clock).remaining for _ in range(3)] == [2, 1, 0]

    refused = request(limits, clock)
    assert isinstance(refused.refusal, TooManyRequests)
    assert refused.refusal.retry_after_seconds == 10
    clock.advance(seconds=9)
    assert request(limits, clock).refusal is not None
    clock.advance(seconds=1)
    assert (request(limits, clock).refusal, request(limits, clock).remaining) == (None, 1)


def test_each_user_and_each_address_has_a_count_of_its_own(clock: FixedClock) -> None:
    limits = MemoryLimits()
    assert [request(limits, clock).refusal is None for _ in range(4)] == [True, True, True, False]

    assert request(limits, clock, a_caller(a_user("usr_2"))).refusal is None
    assert [request(limits, clock, ADDRESS).refusal is None for _ in range(3)] == [True, True, False]
    assert request(limits, clock, "198.51.100.8").refusal is None


def test_whom_nobody_can_count_is_served_but_may_not_guess_passwords(clock: FixedClock) -> None:
    served, refused = request(SilentLimits(), clock), attempt(SilentLimits(), clock)

    assert (served.quota.limit, served.remaining, served.seconds, served.refusal) == (3, None, None, None)
    assert (refused.quota.limit, refused.remaining) == (2, None)
    assert isinstance(refused.refusal, Unavailable)


def test_refused_attempts_change_nothing(clock: FixedClock) -> None:
    limits = MemoryLimits()
    assert [attempt(limits, clock).remaining for _ in range(2)] == [1, 0]
    series = limits.attempts(ADDRESS)

    for _ in range(20):
        clock.advance(seconds=2)
        assert isinstance(attempt(limits, clock).refusal, SignInLocked)

    assert limits.attempts(ADDRESS) == series
    clock.advance(seconds=20)
    assert attempt(limits, clock).refusal is None, "a minute after the second"
    again = attempt(limits, clock).refusal
    assert isinstance(again, SignInLocked)
    assert again.retry_after_seconds == 120


def test_one_address_does_not_lock_out_another(clock: FixedClock) -> None:
    limits = MemoryLimits()
    for _ in range(10):
        attempt(limits, clock)

    assert attempt(limits, clock).refusal is not None
    assert attempt(limits, clock, "198.51.100.8").refusal is None


def test_who_loses_every_race_is_refused_for_a_second(clock: FixedClock) -> None:
    limits = Crowded()

    refused = attempt(limits, clock).refusal

    assert isinstance(refused, SignInLocked)
    assert refused.retry_after_seconds == 1
    assert limits.tried == usecase.RACES
