"""What nobody came back for: every night each thing that has waited for too long is looked after, on its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from chalicelib.domain.errors import Unavailable

T = TypeVar("T")
InTime = Callable[[], bool]
"""Whether there is time for one more."""
_log = logging.getLogger("daybook")


def in_no_hurry() -> bool:
    return True


def each(found: Iterable[T], work: Callable[[T], int], trouble: str, in_time: InTime = in_no_hurry) -> int:
    """How many of them `work` had something to do for. What is left for want of time is found again the next night, first.

    Raises: Unavailable if it failed for some, when all others are done.
    """
    worked, last_error = 0, None
    for one in found:
        if not in_time():
            _log.warning("there was no time for all that is due: the next night goes on with %s", one)
            break
        try:
            worked += work(one)
        except Exception as error:  # noqa: BLE001  each is on its own
            _log.exception("%s %s", one, trouble)
            last_error = error
    if last_error is not None:
        raise Unavailable from last_error
    return worked
