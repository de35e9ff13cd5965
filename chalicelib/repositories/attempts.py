"""Trying again what others were in the way of, or what was too much at once."""

import random
from collections.abc import Callable, Iterator

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_FIRST_PAUSE_OF_THE_THROTTLED = 0.2
_LONGEST_PAUSE_OF_THE_THROTTLED = 2.0


class Attempt:
    """One of several. `throttled` is set by whoever was told to be slower."""

    throttled = False

    def pause(self, number: int) -> float:
        """Seconds, of growing and random length, so that those who collided do not collide again. Whoever was throttled waits
        at least half of the longest, for what is asked of a partition is counted by the second.
        """
        if self.throttled:
            longest = min(_LONGEST_PAUSE_OF_THE_THROTTLED, _FIRST_PAUSE_OF_THE_THROTTLED * 2**number)
            return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        return random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**number))  # noqa: S311


def attempts(count: int, sleep: Callable[[float], None]) -> Iterator[Attempt]:
    """With pauses between them."""
    for number in range(1, count + 1):
        attempt = Attempt()
        yield attempt
        if number < count:
            sleep(attempt.pause(number))
