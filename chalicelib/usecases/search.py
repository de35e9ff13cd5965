"""Finding things, and keeping the index of what can be found."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.domain.events import Change
from chalicelib.domain.search import SearchChange, SearchRequest, SearchResults, search_change_of
from chalicelib.domain.users import Caller

if TYPE_CHECKING:
    from chalicelib.ports import Searchable, SearchIndex

_log = logging.getLogger("daybook")


def search(caller: Caller, request: SearchRequest, *, index: SearchIndex) -> SearchResults:
    """Raises: Unavailable."""
    return SearchResults(index.search(caller.account_id, request) if request.terms else ())


def index_changes(changes: Sequence[Change], *, index: SearchIndex, searchable: Searchable) -> int | None:
    """Brings each account's index up to date; returns the place of the first change that must come again, None if none must.

    An account whose index cannot be written holds up no other: what then comes again with it changes nothing there.
    """
    by_account: dict[str, list[tuple[int, SearchChange]]] = {}
    for place, change in enumerate(changes):
        found = search_change_of(change)
        if found is not None:
            by_account.setdefault(change.account_id, []).append((place, found))
    failed: list[int] = []
    for account_id, placed in by_account.items():
        try:
            if not index.apply(account_id, [change for _, change in placed]):
                reindex(account_id, index=index, searchable=searchable)
        except (Contended, Unavailable):
            _log.exception("the search index of %s cannot be written", account_id)
            failed.append(placed[0][0])
    return min(failed, default=None)


def reindex(account_id: str, *, index: SearchIndex, searchable: Searchable) -> None:
    """Makes the account's index anew from the table. Raises: Contended, Unavailable."""
    index.rebuild(account_id, lambda: searchable.everything(account_id))
