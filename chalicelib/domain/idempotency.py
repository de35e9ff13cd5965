"""Safe retries: a request that bears a key takes effect once, and whoever asks again gets the first answer.

claimed -> effect, noted in its own transaction -> answer kept
        |                                       a crash here: the effect is found again, and answered
        a crash here: nothing has happened, and the claim runs out
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.errors import IdempotencyInProgress, IdempotencyKeyReused

KEPT_FOR = timedelta(hours=24)
WITHOUT_EFFECT_KEPT_FOR = timedelta(minutes=10)
"""A request that changes nothing, such as signing in, can be done again; its answer is of no use once the token has run out."""
CLAIM = timedelta(seconds=35)
"""Longer than a request may run: whoever holds a claim that has run out is no more."""
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """`id` is one for each account, route and key; `fingerprint` one for all else that the request says."""

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of a request. `made` are the ids of what its effect added, by type; None while there is no effect."""

    id: str
    fingerprint: str
    claim: str
    claimed_until: datetime
    kept_until: datetime
    made: Mapping[str, str] | None = None
    answer: KeptAnswer | None = None


def claimed(request: KeyedRequest, claim: str, now: datetime, kept_for: timedelta = KEPT_FOR) -> Keeping:
    """What is kept of a request that has just begun."""
    return Keeping(
        id=request.id, fingerprint=request.fingerprint, claim=claim, claimed_until=now + CLAIM, kept_until=now + kept_for
    )


def may_begin(kept: Keeping, request: KeyedRequest, now: datetime) -> bool:
    """Whether the request has yet to take effect; else it did, and `kept` knows of it.

    Raises: IdempotencyKeyReused if the key came with another request, IdempotencyInProgress while the first one runs.
    """
    if kept.kept_until <= now:
        return True
    if kept.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused
    if kept.made is not None or kept.answer is not None:
        return False
    if kept.claimed_until > now:
        raise IdempotencyInProgress
    return True
