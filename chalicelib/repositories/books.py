"""What gateways note of payments and shipments, beside the order that they are of.

They are what keeps anybody from being charged twice: they stay as long as the order does, and are restored with it.
"""

from collections.abc import Collection, Mapping

from chalicelib.domain.errors import Contended, DaybookError
from chalicelib.domain.orders import StepKey
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Write

_NO_FACTS = frozenset({*keys.Key._fields, "type", "account_id", "order_id"})


class DynamoBooks:
    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, key: StepKey) -> Mapping[str, str]:
        item = self._table.get(keys.books(key)) or {}
        return {name: value for name, value in item.items() if name not in _NO_FACTS}

    def note(self, key: StepKey, facts: Mapping[str, str], *, unless: Collection[str]) -> bool:
        there: list[bool] = []

        def refused(_kept: Item | None) -> DaybookError:
            there.append(True)
            return Contended()

        values = {"type": "books", "account_id": key.account_id, "order_id": key.order_id, **facts}
        change = Write(
            action="Update",
            target=keys.books(key)._asdict(),
            change="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            condition=" AND ".join(f"attribute_not_exists(#{name})" for name in unless),
            values=values,
            refused=refused,
        )
        try:
            self._table.transact(change)
        except Contended:  # also if too many others are at it, and then nothing is known
            if not there:
                raise
            return False
        return True
