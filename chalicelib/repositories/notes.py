"""What the table notes in the transaction in which it happens: the effect of a keyed request, the mark of an imported row."""

from collections.abc import Sequence
from typing import Any

from chalicelib.domain.errors import DaybookError, IdempotencyInProgress, ImportTakenOver, RowMarked
from chalicelib.repositories.items import Item, to_item
from chalicelib.repositories.keys import import_row, import_run, keyed_request
from chalicelib.repositories.once import Effect, ImportedRow, Note, ids_by_type
from chalicelib.repositories.writes import Write, add, decisive, put, unchanged, update


def writes_of(note: Note, writes: Sequence[Write], ephemeral: str | None) -> tuple[Write, ...]:
    """What notes it, if these are the writes of which it is to be noted; keyed requests in the table `ephemeral`."""
    match note.what:
        case Effect() as effect:
            return (_effect_of(effect, writes, ephemeral),)
        case ImportedRow() as row:
            return _import_of(row)


def _effect_of(effect: Effect, writes: Sequence[Write], ephemeral: str | None) -> Write:
    """That these writes are the effect of a keyed request; refused if it has had one, or is somebody else's by now."""
    if ephemeral is None:
        raise ValueError("this table knows of no other in which the effect could be noted")
    added = (write.target for write in writes if write.action == "Put")
    return update(
        keyed_request(effect.id),
        "SET #made = :made",
        condition="#claim = :claim AND attribute_not_exists(#made)",
        refused=lambda _: IdempotencyInProgress(),
        claim=effect.claim,
        made=ids_by_type(added),
    )._replace(table=ephemeral)


def _import_of(row: ImportedRow) -> tuple[Write, Write]:
    """The row's mark, if it still is as it was read, in the import's last run. Decisive, the run above all: what came of a row
    that somebody else has written meanwhile is no reason to refuse it.
    """
    mark, before = row.mark, row.before
    key = import_row(mark.account_id, mark.kind, mark.subject)
    item = to_item(key, "import_row", mark)
    if before is None:
        marked = add(item, refused=_marked)
    else:
        condition = "#import_id = :read_import AND #numbers = :read_numbers AND #unchanged = :read_unchanged"
        read: dict[str, Any] = {"read_import": before.import_id}
        read |= {"read_numbers": list(before.numbers), "read_unchanged": list(before.unchanged)}
        marked = put(item, condition=condition, refused=_marked, **read)
    run = import_run(mark.account_id, mark.import_id)
    return decisive(unchanged(run, condition="#run = :run", refused=_taken_over, run=row.run)), decisive(marked)


def _marked(_kept: Item | None) -> DaybookError:
    return RowMarked()


def _taken_over(_kept: Item | None) -> DaybookError:
    return ImportTakenOver()
