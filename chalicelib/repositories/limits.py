"""The counters of requests in DynamoDB, in the table whose items expire."""

from chalicelib.domain.limits import WINDOW_SECONDS, Attempts
from chalicelib.domain.users import Caller
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key
from chalicelib.repositories.table import Table

_MOST_REMEMBERED = 10_000


class DynamoLimits:
    """Remembers which windows have counted enough, and leaves them alone: who asks on and on after a refusal costs no more
    writes, and cannot keep DynamoDB so busy with one item that it no longer answers, and so get through uncounted.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._spent: dict[Key, int] = {}

    def count(self, who: Caller | str, window: int, *, enough: int) -> int:
        key = keys.requests(who, window)
        if self._spent.get(key, 0) >= enough:
            return enough
        # A minute longer than it counts, for clocks that are behind ours.
        count = self._table.count(key, expires_at=window + 2 * WINDOW_SECONDS)
        if count >= enough:
            self._remember(key, count)
        return count

    def _remember(self, key: Key, count: int) -> None:
        if len(self._spent) >= _MOST_REMEMBERED:
            self._spent.clear()
        self._spent[key] = count

    def attempts(self, whose: str) -> Attempts | None:
        item = self._table.get(keys.sign_ins(whose))
        return None if item is None else Attempts(item["number"], item["next_at"])

    def note_attempt(self, whose: str, before: Attempts | None, after: Attempts, *, forgotten_at: int) -> None:
        key = keys.sign_ins(whose)
        item = {**key._asdict(), **after._asdict(), "expires_at": forgotten_at}
        if before is None:
            self._table.replace(item, condition="attribute_not_exists(#pk)")
        else:
            condition = "#number = :number AND #next_at = :next_at"
            self._table.replace(item, condition=condition, **before._asdict())
