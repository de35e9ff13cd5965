"""Cutting a list into pages."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from chalicelib.domain.paging import Page
from chalicelib.repositories.items import members

T = TypeVar("T")
READ_AT_ONCE = 100
"""Items, where a filter lets only some of them through."""


def first_page(things: Iterable[T], limit: int, position: Callable[[T], str]) -> Page[T]:
    """Takes one more than it shows, to know whether another page follows."""
    taken = list(islice(things, limit + 1))
    shown = tuple(taken[:limit])
    return Page(items=shown, next=position(shown[-1]) if len(taken) > limit else None)


def reading(wanted: object, limit: int) -> dict[str, Any]:
    """What a query is to be asked for a page of what has every member of the filter `wanted` that is not None."""
    filters = {name: value for name, value in members(wanted).items() if value is not None}
    return {
        "where": " AND ".join(f"#{name} = :{name}" for name in filters),
        "page_size": max(limit + 1, READ_AT_ONCE) if filters else limit + 1,
        **filters,
    }
