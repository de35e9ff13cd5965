"""Finding things, and keeping the index of what can be found."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.events import Change
from chalicelib.domain.search import SearchChange, SearchRequest, SearchResults, StaleIndex, is_searchable, search_change_of
from chalicelib.domain.users import Caller

if TYPE_CHECKING:
    from chalicelib.ports import ReindexQueue, Searchable, SearchIndex

_log = logging.getLogger("daybook")


class Library(Protocol):
    """What keeping the indexes needs."""

    @property
    def search_index(self) -> SearchIndex: ...
    @property
    def searchable(self) -> Searchable: ...
    @property
    def reindex_queue(self) -> ReindexQueue: ...


def search(caller: Caller, request: SearchRequest, *, index: SearchIndex) -> SearchResults:
    """Raises: Unavailable."""
    return SearchResults(index.search(caller.account_id, request) if request.terms else ())


def index_changes(changes: Sequence[Change], *, library: Library) -> int | None:
    """Brings each account's index up to date; returns the place of the first change that must come again, None if none must.

    The stream is read in order, so an index that cannot be written would hold up all other accounts behind it: it is handed to
    the queue, where it waits alone until it can be made anew.
    """
    places: dict[str, int] = {}
    by_account: dict[str, list[SearchChange]] = {}
    for place, change in enumerate(changes):
        if is_searchable(change):
            places.setdefault(change.account_id, place)
            news = by_account.setdefault(change.account_id, [])
            news += [found] if (found := search_change_of(change)) else []
    failed: list[int] = []
    for account_id, news in by_account.items():
        try:
            # Without news too: an index that is not there, or is broken, is made anew.
            if not library.search_index.apply(account_id, news):
                reindex(StaleIndex(account_id=account_id), index=library.search_index, searchable=library.searchable)
        except Exception:  # noqa: BLE001  each account of a batch is on its own
            _log.exception("the search index of %s cannot be written", account_id)
            try:
                library.reindex_queue.ask_for(StaleIndex(account_id=account_id))
            except Unavailable:
                _log.exception("nor can it be asked for")
                failed.append(places[account_id])
    return min(failed, default=None)


def reindex(stale: StaleIndex, *, index: SearchIndex, searchable: Searchable) -> None:
    """Makes the account's index anew from the table. Raises: Contended, Unavailable."""
    index.rebuild(stale.account_id, lambda: searchable.everything(stale.account_id))
