"""Cutting a list into pages."""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from chalicelib.domain.paging import Page, PageRequest
from chalicelib.repositories.items import as_json, from_item, members
from chalicelib.repositories.keys import Key, Range

if TYPE_CHECKING:
    from chalicelib.repositories.table import Table


class _Thing(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
AnyThing = TypeVar("AnyThing", bound=_Thing)
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


def page_by_id(
    table: "Table",
    kind: type[AnyThing],
    within: Range,
    key: Callable[[str], Key],
    request: PageRequest,
    *,
    newest_first: bool = True,
    wanted: object = None,
) -> Page[AnyThing]:
    """Of what is `within`, each thing under the `key` of its id; only what has every member of `wanted` that is not None."""
    filters = {} if wanted is None else {name: value for name, value in members(wanted).items() if value is not None}
    items = table.query(
        within,
        newest_first=newest_first,
        after=None if request.after is None else key(request.after).sk,
        where=" AND ".join(f"#{name} = :{name}" for name in filters),
        page_size=max(request.limit + 1, READ_AT_ONCE) if filters else request.limit + 1,
        **filters,
    )
    return first_page((from_item(item, kind) for item in items), request.limit, lambda thing: thing.id)


def _size(thing: object) -> int:
    """Bytes in Lambda's answer, whose body is a text within JSON, and all of it in ASCII."""
    return len(json.dumps(as_json(thing)))
