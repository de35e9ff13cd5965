"""The counters of requests in memory; they pass the same contract as those in DynamoDB."""

from threading import Lock

from chalicelib.domain.errors import Contended
from chalicelib.domain.limits import Attempts
from chalicelib.domain.users import Caller
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key


class MemoryLimits:
    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[Key, int] = {}
        self._attempts: dict[str, Attempts] = {}

    def count(self, who: Caller | str, window: int, *, enough: int) -> int:  # noqa: ARG002  it may count on
        with self._lock:
            key = keys.requests(who, window)
            self._counts[key] = self._counts.get(key, 0) + 1
            return self._counts[key]

    def attempts(self, whose: str) -> Attempts | None:
        return self._attempts.get(whose)

    def note_attempt(self, whose: str, before: Attempts | None, after: Attempts, *, forgotten_at: int) -> None:  # noqa: ARG002
        with self._lock:
            if self._attempts.get(whose) != before:
                raise Contended
            self._attempts[whose] = after
