"""How often somebody may ask: so many requests in each minute, and attempts at a password with growing pauses between them.

Named tuples, which are made faster than dataclasses: every request needs them, the first of a cold start too.
"""

from datetime import datetime
from typing import Literal, NamedTuple

from chalicelib.domain.errors import DaybookError, SignInLocked, TooManyRequests
from chalicelib.domain.users import Caller

Limit = Literal["requests", "password", "none"]
"""What a route's requests count as."""
WINDOW_SECONDS = 60
FIRST_LOCK_SECONDS = 60
LONGEST_LOCK_SECONDS = 3600
_DOUBLINGS = 6
"""After so many the longest lock is reached."""


class Quotas(NamedTuple):
    """What is allowed: requests of one user in a minute, those from one address where there is no user, and attempts at a
    password, of one user or address, until they have to wait; they are all forgotten after a quiet time.
    """

    user_requests: int
    address_requests: int
    sign_in_attempts: int
    sign_in_quiet_seconds: int


class Quota(NamedTuple):
    """`limit` requests in `seconds`; clients know it by its name."""

    name: str
    limit: int
    seconds: int


class Usage(NamedTuple):
    """What somebody has used of a quota, after a request that counts.

    `seconds` is when it will be full again or, after a refusal, when to come back. Both are None if nobody could count.
    """

    quota: Quota
    remaining: int | None
    seconds: int | None
    refusal: DaybookError | None = None


class Attempts(NamedTuple):
    """A series of attempts at a password, of one user or address; the next may come at `next_at`, in seconds since 1970."""

    number: int
    next_at: int


def requests_quota(caller: Caller | None, quotas: Quotas) -> Quota:
    """That of the caller's account, if it has its own; without a caller that of an address."""
    if caller is None:
        return Quota("address", quotas.address_requests, WINDOW_SECONDS)
    own = caller.requests_per_minute
    return Quota("default", quotas.user_requests if own is None else own, WINDOW_SECONDS)


def sign_in_quota(quotas: Quotas) -> Quota:
    return Quota("sign_in", quotas.sign_in_attempts, quotas.sign_in_quiet_seconds)


def epoch(now: datetime) -> int:
    return int(now.timestamp())


def window_start(now: datetime) -> int:
    """The same for all who ask in this minute."""
    return epoch(now) // WINDOW_SECONDS * WINDOW_SECONDS


def after_request(quota: Quota, count: int, now: datetime) -> Usage:
    """After the `count`th request of this window."""
    seconds = window_start(now) + WINDOW_SECONDS - epoch(now)
    refusal = TooManyRequests(seconds) if count > quota.limit else None
    return Usage(quota, max(quota.limit - count, 0), seconds, refusal)


def next_attempt(before: Attempts | None, quotas: Quotas, now: datetime) -> Attempts | None:
    """The series with one more attempt; None if that has to wait."""
    if before is not None and epoch(now) < before.next_at:
        return None
    number = 1 + remembered(before, quotas, now)
    return Attempts(number, epoch(now) + lock_seconds(number, quotas))


def remembered(before: Attempts | None, quotas: Quotas, now: datetime) -> int:
    """The attempts that still count. In a quiet time as many are forgotten as are free, evenly; at its end all are.

    Evenly, because good passwords count too: people who share an address and sign in now and then must not lock each other out.
    """
    if before is None:
        return 0
    quiet = epoch(now) - before.next_at
    if quiet >= quotas.sign_in_quiet_seconds:
        return 0
    return max(0, before.number - quiet * quotas.sign_in_attempts // quotas.sign_in_quiet_seconds)


def lock_seconds(number: int, quotas: Quotas) -> int:
    """None before the free attempts are used up; then 1, 2, 4 minutes and so on, up to an hour."""
    doublings = number - quotas.sign_in_attempts
    if doublings < 0:
        return 0
    return min(FIRST_LOCK_SECONDS << min(doublings, _DOUBLINGS), LONGEST_LOCK_SECONDS)


def after_attempt(series: Attempts, quotas: Quotas, now: datetime) -> Usage:
    """After an attempt that was let through."""
    quota = sign_in_quota(quotas)
    wait = series.next_at - epoch(now)
    return Usage(quota, max(quota.limit - series.number, 0), wait or quota.seconds)


def locked(next_at: int, quotas: Quotas, now: datetime) -> Usage:
    """For an attempt that was not: it changes nothing."""
    seconds = max(next_at - epoch(now), 1)
    return Usage(sign_in_quota(quotas), 0, seconds, SignInLocked(seconds))


def uncounted(quota: Quota, refusal: DaybookError | None = None) -> Usage:
    """If the counter cannot be reached."""
    return Usage(quota, None, None, refusal)


def untouched(quota: Quota) -> Usage:
    """After a request that takes nothing from the quota."""
    return Usage(quota, quota.limit, quota.seconds)
