"""What gateways note of payments and shipments, in the ephemeral table."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from chalicelib.domain.errors import Contended, DaybookError
from chalicelib.ports import Clock
from chalicelib.repositories.items import Item
from chalicelib.repositories.keys import Key
from chalicelib.repositories.table import Table, Write

KEPT_FOR = timedelta(days=90)
"""Far longer than anybody asks about one payment; what is past that and still there counts no less."""


class DynamoBooks:
    """`keyed` says where the facts of a key stand."""

    def __init__(self, ephemeral: Table, keyed: Callable[[str], Key], clock: Clock) -> None:
        self._table = ephemeral
        self._keyed = keyed
        self._clock = clock

    def read(self, key: str) -> Mapping[str, str]:
        where = self._keyed(key)
        item = self._table.get(where)
        return {} if item is None else {name: value for name, value in item.items() if name not in {*Key._fields, "expires_at"}}

    def note(self, key: str, facts: Mapping[str, str], *, unless: Collection[str]) -> bool:
        there: list[bool] = []

        def refused(_kept: Item | None) -> DaybookError:
            there.append(True)
            return Contended()

        values = {**facts, "expires_at": int((self._clock.now() + KEPT_FOR).timestamp())}
        change = Write(
            action="Update",
            target=self._keyed(key)._asdict(),
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
