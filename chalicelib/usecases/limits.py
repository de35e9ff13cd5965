"""Counting requests and attempts to sign in, before anything is done for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.domain.limits import (
    Limit,
    Quotas,
    Usage,
    after_attempt,
    after_request,
    epoch,
    locked,
    next_attempt,
    requests_quota,
    sign_in_quota,
    uncounted,
    untouched,
    window_start,
)

if TYPE_CHECKING:
    from chalicelib.domain.users import Caller
    from chalicelib.ports import Clock, Limits

RACES = 3
"""So many attempts at the same moment may be faster than this one; then it is refused, unheard."""


class Desk(Protocol):
    """What counting needs."""

    @property
    def limits(self) -> Limits: ...
    @property
    def quotas(self) -> Quotas: ...
    @property
    def clock(self) -> Clock: ...


def count(limit: Limit, who: Caller | str, *, desk: Desk) -> Usage:
    """Counts a request of the caller, or from the address, as what its route says that it is."""
    if limit == "none":
        return not_counted(desk.quotas)
    if limit == "password":
        whose = who if isinstance(who, str) else who.user_id
        return count_sign_in(whose, limits=desk.limits, quotas=desk.quotas, clock=desk.clock)
    return count_request(who, limits=desk.limits, quotas=desk.quotas, clock=desk.clock)


def count_request(who: Caller | str, *, limits: Limits, quotas: Quotas, clock: Clock) -> Usage:
    """Who cannot be counted is let through: better too many requests than none."""
    now = clock.now()
    quota = requests_quota(None if isinstance(who, str) else who, quotas)
    try:
        count = limits.count(who, window_start(now), enough=quota.limit + 1)
    except Unavailable:
        return uncounted(quota)
    return after_request(quota, count, now)


def count_sign_in(whose: str, *, limits: Limits, quotas: Quotas, clock: Clock) -> Usage:
    """Counts an attempt of the user or address before its password is looked at, so that many at once count as many.

    Who cannot be counted is refused: nobody guesses passwords uncounted.
    """
    now = clock.now()
    try:
        for _ in range(RACES):
            before = limits.attempts(whose)
            after = next_attempt(before, quotas, now)
            if after is None:
                return locked(before.next_at if before else 0, quotas, now)
            try:
                limits.note_attempt(whose, before, after, forgotten_at=after.next_at + quotas.sign_in_quiet_seconds)
            except Contended:
                continue
            return after_attempt(after, quotas, now)
    except Unavailable as silence:
        return uncounted(sign_in_quota(quotas), silence)
    return locked(epoch(now) + 1, quotas, now)


def not_counted(quotas: Quotas) -> Usage:
    """For what costs so little that counting it would cost more."""
    return untouched(requests_quota(None, quotas))
