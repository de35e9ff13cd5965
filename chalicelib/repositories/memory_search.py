"""The full-text indexes in memory, and what they are made from; they pass the same contract as those in S3 and DynamoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.domain.search import SearchChange, SearchRequest, SearchResult
from chalicelib.repositories import keys
from chalicelib.repositories.full_text import FullTextIndex, IndexedDocument
from chalicelib.repositories.items import exactly
from chalicelib.repositories.searchable import as_it_is

if TYPE_CHECKING:
    from chalicelib.repositories.memory import _State


class MemorySearchIndex:
    def __init__(self) -> None:
        self._lock = Lock()
        self._indexes: dict[str, FullTextIndex] = {}

    def search(self, account_id: str, request: SearchRequest) -> tuple[SearchResult, ...]:
        with self._lock:
            index = self._indexes.get(keys.account(account_id).pk)
            return () if index is None else index.search(request)

    def apply(self, account_id: str, changes: Sequence[SearchChange]) -> bool:
        with self._lock:
            index = self._indexes.get(keys.account(account_id).pk)
            if index is not None:
                index.apply(changes)
            return index is not None

    def rebuild(self, account_id: str, everything: Callable[[], Iterable[SearchChange]]) -> None:
        with self._lock:
            index = FullTextIndex.create()
            index.apply(everything())
            before = self._indexes.pop(keys.account(account_id).pk, None)
            self._indexes[account_id] = index
        if before is not None:
            before.close()

    def documents(self) -> Mapping[str, Sequence[IndexedDocument]]:
        """All that is in the indexes, by account."""
        with self._lock:
            return {account_id: tuple(index.documents()) for account_id, index in self._indexes.items()}


class MemorySearchable:
    def __init__(self, state: _State) -> None:
        self._state = state

    def everything(self, account_id: str) -> Iterator[SearchChange]:
        with self._state.lock:
            kept: Sequence[tuple[str, Mapping[Any, object]]] = [
                ("client", dict(self._state.clients)),
                ("work", dict(self._state.entries)),
                ("invoice", dict(self._state.invoices)),
                ("product", dict(self._state.products)),
                ("order", dict(self._state.orders)),
            ]
        for item_type, things in kept:
            for (owner, _), thing in things.items():
                if owner == account_id:
                    yield as_it_is(item_type, exactly(thing))
