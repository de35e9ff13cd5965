"""All that can be found in an account, as the table has it: in the same plain data that the stream's records bring."""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.domain.events import Plain
from chalicelib.domain.search import SearchChange, search_change
from chalicelib.repositories import keys
from chalicelib.repositories.stream_images import plain_item
from chalicelib.repositories.table import Table

_RANGES = (
    keys.clients,
    keys.work_entries,
    keys.invoices,
    keys.products,
    keys.orders,
)


class DynamoSearchable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def everything(self, account_id: str) -> Iterator[SearchChange]:
        for range_of in _RANGES:
            for item in self._table.query(range_of(account_id)):
                yield as_it_is(item["type"], plain_item(item))


def as_it_is(item_type: str, thing: Plain) -> SearchChange:
    """An invoice is never edited: it has the instant of its issue alone."""
    return search_change(
        item_type, thing, changed_at=datetime.fromisoformat(str(thing.get("updated_at") or thing["issued_at"]))
    )
