"""What is due: one sparse index for all that is looked after at a time, each kind in a partition of its own."""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.repositories import keys
from chalicelib.repositories.items import Item
from chalicelib.repositories.table import Table


def due_items(table: Table, partition: str, as_of: datetime) -> Iterator[Item]:
    """Those of that instant or before; those that wait longest first."""
    return table.query_index(keys.DUE_INDEX, "#due = :due AND #due_at <= :as_of", due=partition, as_of=keys.instant(as_of))
