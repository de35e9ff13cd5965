"""Cutting a list into pages."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from chalicelib.domain.paging import Page

T = TypeVar("T")


def first_page(things: Iterable[T], limit: int, position: Callable[[T], str]) -> Page[T]:
    """Takes one more than it shows, to know whether another page follows."""
    taken = list(islice(things, limit + 1))
    shown = tuple(taken[:limit])
    return Page(items=shown, next=position(shown[-1]) if len(taken) > limit else None)
