"""Lists are read a page at a time, newest first."""

from dataclasses import dataclass
from typing import Generic, TypeVar

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """At most `limit` things that come after the position `after`; the repository alone knows what a position is."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """`next` is where the next page begins; None on the last."""

    items: tuple[T, ...]
    next: str | None = None
