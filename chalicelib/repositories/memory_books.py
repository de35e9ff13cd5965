"""What gateways note of payments and shipments, in memory."""

from collections.abc import Collection, Mapping
from threading import Lock

from chalicelib.domain.orders import StepKey


class MemoryBooks:
    def __init__(self) -> None:
        self._facts: dict[StepKey, dict[str, str]] = {}
        self._lock = Lock()

    def read(self, key: StepKey) -> Mapping[str, str]:
        with self._lock:
            return dict(self._facts.get(key, {}))

    def note(self, key: StepKey, facts: Mapping[str, str], *, unless: Collection[str]) -> bool:
        with self._lock:
            known = self._facts.setdefault(key, {})
            if not known.keys().isdisjoint(unless):
                return False
            known.update(facts)
            return True
