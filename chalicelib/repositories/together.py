"""Transactions that wait for each other, to go out together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar

from chalicelib.domain.errors import DaybookError, NotTogether, Unavailable
from chalicelib.repositories.items import Item
from chalicelib.repositories.keys import Key
from chalicelib.repositories.writes import Write

_MAX_TOGETHER = 100


class Gathered:
    """Writes that wait for each other; `known` is what was read before, of what they do not touch."""

    def __init__(self, table: object, send: Callable[[Sequence[Write]], None], known: dict[Key, Item | None]) -> None:
        self.table = table
        self._send = send
        self.known = known
        self._writes: list[Write] = []
        self._touched: set[Key] = set()

    def add(self, writes: Sequence[Write]) -> None:
        new = self._not_asked_yet(writes)
        touched = {write.key for write in new}
        if len(self._writes) + len(new) > _MAX_TOGETHER or touched & self._touched:
            self.send()
            new = list(writes)
            touched = {write.key for write in new}
        self._writes += new
        self._touched |= touched
        for key in touched:
            self.known.pop(key, None)

    def _not_asked_yet(self, writes: Sequence[Write]) -> list[Write]:
        """DynamoDB refuses to look at a thing twice: what all of them depend on is asked once."""
        return [write for write in writes if write.action != "ConditionCheck" or write not in self._writes]

    def send_if_touched(self, keys: set[Key]) -> None:
        if keys & self._touched:
            self.send()

    def send(self) -> None:
        """Raises: NotTogether, Unavailable."""
        writes, self._writes, self._touched = self._writes, [], set()
        if not writes:
            return
        try:
            self._send(writes)
        except Unavailable:
            raise
        except DaybookError as refusal:
            raise NotTogether from refusal


gathering: ContextVar[Gathered | None] = ContextVar("gathering", default=None)
"""What is gathered in this thread."""
