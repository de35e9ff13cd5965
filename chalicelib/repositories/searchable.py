"""All that can be found in an account, as the table has it: in the same plain data that the stream's records bring."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from chalicelib.domain.events import Plain
from chalicelib.domain.kinds import SearchType
from chalicelib.domain.search import SearchChange, search_change
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item
from chalicelib.repositories.keys import Range
from chalicelib.repositories.stream_images import plain_item
from chalicelib.repositories.table import Table

_log = logging.getLogger("daybook")
_RANGES: Mapping[SearchType, Callable[[str], Range]] = {
    "client": keys.clients,
    "work": keys.work_entries,
    "invoice": keys.invoices,
    "product": keys.products,
    "order": keys.orders,
}


class DynamoSearchable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def everything(self, account_id: str) -> Iterator[SearchChange]:
        """An item that is not what its place says is left out, or nothing of the account could be found for its sake."""
        for item_type, range_of in _RANGES.items():
            for item in self._table.query(range_of(account_id)):
                try:
                    change = _read(item_type, item)
                except ValueError:  # its words are of its content, which no log shall have
                    _log.error("%s of %s cannot be read, nor found by the search", item["sk"], account_id)
                    continue
                yield change


def _read(item_type: SearchType, item: Item) -> SearchChange:
    """Raises: ValueError."""
    if item.get("type") != item_type:
        raise ValueError("it is of another type")
    return as_it_is(item_type, plain_item(item))


def as_it_is(item_type: str, thing: Plain) -> SearchChange:
    """An invoice is never edited: it has the instant of its issue alone."""
    return search_change(
        item_type, thing, changed_at=datetime.fromisoformat(str(thing.get("updated_at") or thing["issued_at"]))
    )
