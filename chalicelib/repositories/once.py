"""What is noted in the very transaction in which it happens: that and the note, or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chalicelib.domain.imports import RowMark

_note: ContextVar[Note | None] = ContextVar("note", default=None)


class Effect(NamedTuple):
    """Of which keyed request it is the effect, under which claim."""

    id: str
    claim: str


class ImportedRow(NamedTuple):
    """Of which row it is the import, by the mark as it shall be and as it was read, and in which run of the import."""

    mark: RowMark
    before: RowMark | None
    run: int


class Note:
    """What the next transaction is to note, and whether it has."""

    def __init__(self, what: Effect | ImportedRow) -> None:
        self.what = what
        self.noted = False


@contextmanager
def noting(what: Effect | ImportedRow) -> Iterator[Note]:
    """The first transaction that succeeds within the block, in this thread, notes it."""
    note = Note(what)
    token = _note.set(note)
    try:
        yield note
    finally:
        _note.reset(token)


def next_note() -> Note | None:
    note = _note.get()
    return None if note is None or note.noted else note


def ids_by_type(added: Iterator[Mapping[str, object]]) -> dict[str, str]:
    """Of the items that are new, the ids by which they can be found again."""
    return {str(item["type"]): str(item["id"]) for item in added if "id" in item}
