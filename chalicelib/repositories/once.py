"""The effect of a keyed request: noted in the very transaction that it is, or it did not happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_effect: ContextVar[Effect | None] = ContextVar("effect", default=None)


class Effect:
    """What the next transaction is to note: of which request, under which claim, and whether it has."""

    def __init__(self, request_id: str, claim: str) -> None:
        self.id = request_id
        self.claim = claim
        self.noted = False


@contextmanager
def effect_of(request_id: str, claim: str) -> Iterator[None]:
    """The first transaction that succeeds within the block, in this thread, is the request's effect."""
    token = _effect.set(Effect(request_id, claim))
    try:
        yield
    finally:
        _effect.reset(token)


def effect_to_note() -> Effect | None:
    effect = _effect.get()
    return None if effect is None or effect.noted else effect


def ids_by_type(added: Iterator[Mapping[str, object]]) -> dict[str, str]:
    """Of the items that are new, the ids by which they can be found again."""
    return {str(item["type"]): str(item["id"]) for item in added if "id" in item}
