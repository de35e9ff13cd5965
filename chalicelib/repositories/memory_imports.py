"""Imports in memory; they pass the same contract as those in DynamoDB."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import islice
from threading import RLock
from typing import Protocol

from chalicelib.domain.errors import Contended, ImportTakenOver, NotFound, RowMarked
from chalicelib.domain.imports import Import, ImportRemoval, RejectedRow, RowMark
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.statuses import ImportKind
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key
from chalicelib.repositories.memory_products import Committing, within
from chalicelib.repositories.once import ImportedRow, Note, noting
from chalicelib.repositories.pages import first_page


class Imported(Protocol):
    """What is kept of imports, by the keys that it has in DynamoDB."""

    lock: RLock
    imports: dict[Key, Import]
    import_rejections: dict[Key, tuple[RejectedRow, ...]]
    import_runs: dict[Key, int]
    import_rows: dict[Key, RowMark]
    import_removals: dict[Key, ImportRemoval]


class _OfImports:
    def __init__(self, kept: Imported, committing: Committing) -> None:
        self._kept = kept
        self._committing = committing


class MemoryImports(_OfImports):
    def add(self, imported: Import) -> None:
        key = keys.import_(imported.account_id, imported.id)
        with self._committing(**{"import": imported.id}):
            if key in self._kept.imports:
                raise Contended
            self._kept.imports[key] = imported

    def get(self, account_id: str, import_id: str) -> Import:
        imported = self._kept.imports.get(keys.import_(account_id, import_id))
        if imported is None:
            raise NotFound
        return imported

    def page(self, account_id: str, request: PageRequest) -> Page[Import]:
        after = None if request.after is None else keys.import_(account_id, request.after).sk
        with self._kept.lock:
            imports = within(self._kept.imports, keys.imports(account_id))
        left = (one for one in reversed(imports) if after is None or keys.import_(account_id, one.id).sk < after)
        return first_page(left, request.limit, lambda imported: imported.id)

    def save(self, imported: Import, rejections: Sequence[RejectedRow] = ()) -> None:
        key, run = keys.import_(imported.account_id, imported.id), keys.import_run(imported.account_id, imported.id)
        with self._committing(**{"import": imported.id}):
            kept = self._kept.imports.get(key)
            if kept is None or kept.version != imported.version - 1:
                raise Contended
            self._kept.imports[key] = imported
            self._kept.import_runs.pop(run, None)
            if imported.due_at is not None:
                self._kept.import_runs[run] = imported.run
            if rejections:
                before = imported.rejected_count - len(rejections)
                part = keys.import_rejections(imported.account_id, imported.id, before)
                self._kept.import_rejections[part] = tuple(rejections)

    def rejections(self, account_id: str, import_id: str, limit: int | None = None) -> Iterator[RejectedRow]:
        with self._kept.lock:
            parts = within(self._kept.import_rejections, keys.all_import_rejections(account_id, import_id))
        return islice((one for part in parts for one in part), limit)

    def remove(self, imported: Import, removal: ImportRemoval) -> None:
        with self._committing():
            if self.get(imported.account_id, imported.id).version != imported.version:
                raise Contended
            del self._kept.imports[keys.import_(imported.account_id, imported.id)]
            self._kept.import_runs.pop(keys.import_run(imported.account_id, imported.id), None)
            self._kept.import_removals[keys.import_removal(removal.account_id, removal.import_id)] = removal


class MemoryUnsettledImports(_OfImports):
    def removal(self, account_id: str, import_id: str) -> ImportRemoval | None:
        return self._kept.import_removals.get(keys.import_removal(account_id, import_id))

    def remove_rejections(self, removal: ImportRemoval, most: int) -> bool:
        of_import = keys.all_import_rejections(removal.account_id, removal.import_id)
        with self._committing():
            kept = self._kept.import_rejections
            parts = sorted(key for key in kept if key.pk == of_import.pk and of_import.low <= key.sk <= of_import.high)
            for key in parts[:most]:
                del kept[key]
        return len(parts) <= most

    def finish(self, removal: ImportRemoval) -> None:
        with self._committing():
            self._kept.import_removals.pop(keys.import_removal(removal.account_id, removal.import_id), None)

    def due(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        with self._kept.lock:
            kept: dict[Key, Import | ImportRemoval] = {**self._kept.imports, **self._kept.import_removals}
        due = [(one.due_at, key) for key, one in kept.items() if one.due_at is not None and one.due_at <= as_of]
        for _, key in sorted(due):
            yield key.pk, keys.import_id_of(key)


class MemoryRowMarks(_OfImports):
    def find(self, account_id: str, kind: ImportKind, subjects: Collection[str]) -> Mapping[str, RowMark]:
        wanted = {subject: keys.import_row(account_id, kind, subject) for subject in subjects}
        with self._kept.lock:
            return {subject: self._kept.import_rows[key] for subject, key in wanted.items() if key in self._kept.import_rows}

    def note(self, mark: RowMark, before: RowMark | None, run: int) -> AbstractContextManager[Note]:
        return noting(ImportedRow(mark, before, run))

    def put(self, mark: RowMark, before: RowMark | None, run: int) -> None:
        with self.note(mark, before, run), self._committing():
            pass

    def together(self, account_id: str, product_ids: Collection[str] = ()) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()


def check_row(row: ImportedRow, kept: Imported) -> None:
    """Raises: ImportTakenOver, RowMarked."""
    mark = row.mark
    if kept.import_runs.get(keys.import_run(mark.account_id, mark.import_id)) != row.run:
        raise ImportTakenOver
    if kept.import_rows.get(keys.import_row(mark.account_id, mark.kind, mark.subject)) != row.before:
        raise RowMarked


def mark_row(row: ImportedRow, kept: Imported) -> None:
    kept.import_rows[keys.import_row(row.mark.account_id, row.mark.kind, row.mark.subject)] = row.mark
