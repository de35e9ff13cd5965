"""Cutting a list into pages."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from chalicelib.domain.paging import Page
from chalicelib.repositories.items import members

T = TypeVar("T")
READ_AT_ONCE = 100
"""Items, where a filter lets only some of them through."""
MAX_BYTES = 5_000_000
"""Of a page: Lambda takes no answer of more than 6 MB, and views add a little to what is kept."""


def first_page(things: Iterable[T], limit: int, position: Callable[[T], str]) -> Page[T]:
    """Takes one more than it shows, to know whether another page follows. Ends early where things are large, but not empty."""
    shown: list[T] = []
    size = 0
    for thing in things:
        size += _size(thing)
        if shown and (len(shown) == limit or size > MAX_BYTES):
            return Page(items=tuple(shown), next=position(shown[-1]))
        shown.append(thing)
    return Page(items=tuple(shown))


def reading(wanted: object, limit: int) -> dict[str, Any]:
    """What a query is to be asked for a page of what has every member of the filter `wanted` that is not None."""
    filters = {name: value for name, value in members(wanted).items() if value is not None}
    return {
        "where": " AND ".join(f"#{name} = :{name}" for name in filters),
        "page_size": max(limit + 1, READ_AT_ONCE) if filters else limit + 1,
        **filters,
    }


def _size(thing: object) -> int:
    """Bytes in Lambda's answer, whose body is a text within JSON, and all of it in ASCII."""
    return len(json.dumps(msgspec.json.encode(thing).decode()))
