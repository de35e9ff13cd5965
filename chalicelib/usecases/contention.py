"""Doing a thing again when somebody else was faster, or not at all if it is no longer what somebody saw."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.domain.errors import Contended

T = TypeVar("T")
ATTEMPTS = 100
"""Each lost attempt is another's success, so a hundred at once all get their turn."""

Check = Callable[[T], None]
"""Refuses by raising; is asked each time that the thing is read anew."""


def unconditionally(_thing: object) -> None:
    """Whatever it is by now."""


def until_uncontended(attempt: Callable[[], T]) -> T:
    """The answer of `attempt`, which reads, decides and writes anew each time. Raises: Contended after a hundred times."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except Contended:
            continue
    return attempt()
