"""Imports, why their records were refused, and the marks of the rows that went in, in DynamoDB."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from chalicelib.domain.imports import SHOWN_REJECTIONS, Import, ImportRemoval, RejectedRow, RowMark, parts_of
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.statuses import ImportKind
from chalicelib.repositories import keys
from chalicelib.repositories.due import due_items
from chalicelib.repositories.items import Item, from_item, members, to_item
from chalicelib.repositories.keys import Key
from chalicelib.repositories.once import ImportedRow, Note, noting
from chalicelib.repositories.pages import page_by_id
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Write, add, always_contended, delete, put

KEPT_FOR = timedelta(days=30)
"""Those that are not shown with their import; its report has them."""
_REJECTIONS_IN_ITEM = 100
_REMOVED_TOGETHER = 10
"""Items of rejections, each of up to 200 KB: DynamoDB takes 4 MB for a transaction."""


class DynamoImports:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, imported: Import) -> None:
        self._table.transact(add(_item(imported)))

    def get(self, account_id: str, import_id: str) -> Import:
        return from_item(self._table.find(keys.import_(account_id, import_id)), Import)

    def page(self, account_id: str, request: PageRequest) -> Page[Import]:
        return page_by_id(self._table, Import, keys.imports(account_id), partial(keys.import_, account_id), request)

    def save(self, imported: Import, rejections: Sequence[RejectedRow] = ()) -> None:
        """The run that may write stands in an item of its own, which is small: every transaction of a row looks at it."""
        as_read = put(_item(imported), condition="#version = :before", refused=always_contended, before=imported.version - 1)
        run = keys.import_run(imported.account_id, imported.id)
        may_write = delete(run) if imported.due_at is None else put({**run._asdict(), **_run(imported)})
        self._table.transact(as_read, may_write, *_rejected(imported, rejections))

    def rejections(self, account_id: str, import_id: str, limit: int | None = None) -> Iterator[RejectedRow]:
        parts = self._table.query(keys.all_import_rejections(account_id, import_id))
        return islice((from_item(one, RejectedRow) for part in parts for one in part["rejections"]), limit)

    def remove(self, imported: Import, removal: ImportRemoval) -> None:
        """With the run that may write: the transaction of no row finds it any more."""
        gone = delete(keys.import_(imported.account_id, imported.id), condition="#version = :version", version=imported.version)
        run = delete(keys.import_run(imported.account_id, imported.id))
        key = keys.import_removal(removal.account_id, removal.import_id)
        self._table.transact(gone, run, put(to_item(key, "import_removal", removal, due=keys.IMPORTS)))


class DynamoUnsettledImports:
    def __init__(self, table: Table) -> None:
        self._table = table

    def removal(self, account_id: str, import_id: str) -> ImportRemoval | None:
        item = self._table.get(keys.import_removal(account_id, import_id))
        return None if item is None else from_item(item, ImportRemoval)

    def remove_rejections(self, removal: ImportRemoval, most: int) -> bool:
        parts = self._table.query(keys.all_import_rejections(removal.account_id, removal.import_id))
        wanted = islice(parts, most)
        while some := list(islice(wanted, _REMOVED_TOGETHER)):
            self._table.transact(*(delete(Key(part["pk"], part["sk"])) for part in some))
        return next(parts, None) is None

    def finish(self, removal: ImportRemoval) -> None:
        self._table.transact(delete(keys.import_removal(removal.account_id, removal.import_id)))

    def due(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Those that were due first, first."""
        for item in due_items(self._table, keys.IMPORTS, as_of):
            yield item["pk"], keys.import_id_of(Key(item["pk"], item["sk"]))


class DynamoRowMarks:
    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, account_id: str, kind: ImportKind, subjects: Collection[str]) -> Mapping[str, RowMark]:
        items = self._table.get_all(keys.import_row(account_id, kind, subject) for subject in subjects)
        return {item["subject"]: from_item(item, RowMark) for item in items.values()}

    def note(self, mark: RowMark, before: RowMark | None, run: int) -> AbstractContextManager[Note]:
        return noting(ImportedRow(mark, before, run))

    def put(self, mark: RowMark, before: RowMark | None, run: int) -> None:
        with self.note(mark, before, run):
            self._table.transact()

    def together(self, account_id: str, product_ids: Collection[str] = ()) -> AbstractContextManager[None]:
        foreseen: list[Key] = [keys.account(account_id)]
        for product_id in product_ids:
            foreseen += [keys.product(account_id, product_id), keys.product_version(account_id, product_id)]
        return self._table.together(foreseen)


def _item(imported: Import) -> Item:
    item = to_item(keys.import_(imported.account_id, imported.id), "import", imported)
    if imported.due_at is not None:
        item["due"] = keys.IMPORTS
    return item


def _run(imported: Import) -> Item:
    return {"type": "import_run", "account_id": imported.account_id, "import_id": imported.id, "run": imported.run}


def _rejected(imported: Import, rejections: Sequence[RejectedRow]) -> Iterator[Write]:
    before = imported.rejected_count - len(rejections)
    for part in parts_of(rejections, _REJECTIONS_IN_ITEM):
        item = {
            **keys.import_rejections(imported.account_id, imported.id, before)._asdict(),
            "type": "import_rejections",
            "account_id": imported.account_id,
            "import_id": imported.id,
            "rejections": [members(one) for one in part],
        }
        if before >= SHOWN_REJECTIONS:
            item["expires_at"] = int((imported.updated_at + KEPT_FOR).timestamp())
        yield put(item)
        before += len(part)
