"""Trying again what others were in the way of."""

import random
from collections.abc import Callable, Iterator

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


def attempts(count: int, sleep: Callable[[float], None]) -> Iterator[None]:
    """Between them pauses of growing and random length, so that those who collided do not collide again."""
    yield
    for attempt in range(1, count):
        sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)))  # noqa: S311 - no secret
        yield
