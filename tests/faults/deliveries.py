"""Ways in which AWS may deliver the same events, for a plan to choose from."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.faults.cloud import Cloud
from tests.faults.interleaving import Interleaving
from tests.faults.pump import INDEXER, Item, Repetition
from tests.faults.world import World

SMALL_BATCHES: Final = 3
MISHAP_ONE_IN: Final = 3
Delivery = Callable[[int], Callable[[World], None]]
"""By a seed."""


def again_and_again(seed: int) -> Callable[[World], None]:
    """Every event two to five times, in no order. The index's reader gets odd batches, and old ones between them."""

    def deliver(world: World) -> None:
        pump = world.cloud.pump
        odd = (INDEXER,) if pump.is_read_by(INDEXER) else ()
        pump.repetition = Repetition(random.Random(seed), odd=odd, late=odd)  # noqa: S311

    return deliver


def at_once(seed: int) -> Callable[[World], None]:
    """The same, and all batches of a queue, all schedules, the stream's readers, and what a scenario does together, at once."""

    def deliver(world: World) -> None:
        numbers, pump = random.Random(seed), world.cloud.pump  # noqa: S311
        odd = (INDEXER,) if pump.is_read_by(INDEXER) else ()
        pump.repetition = Repetition(numbers, SMALL_BATCHES, odd=odd, late=odd)
        pump.together = Interleaving(world.cloud, numbers).run

    return deliver


def _with_mishaps(mishap: Callable[[Cloud, str, random.Random], None]) -> Delivery:
    """Something happens to an account's index file, by lot, before its changes are told."""

    def delivery(seed: int) -> Callable[[World], None]:
        def deliver(world: World) -> None:
            numbers, cloud = random.Random(seed), world.cloud  # noqa: S311

            def before_telling(function: str, records: Sequence[Item], _telling: int) -> None:
                for account_id in _accounts(records) if function == INDEXER else ():
                    if numbers.randrange(MISHAP_ONE_IN) == 0:
                        mishap(cloud, account_id, numbers)

            cloud.pump.repetition = Repetition(numbers, odd=(INDEXER,))
            cloud.pump.before_telling = before_telling

        return deliver

    return delivery


def _lose(cloud: Cloud, account_id: str, _numbers: random.Random) -> None:
    cloud.put_index_file(account_id, None)


def _break(cloud: Cloud, account_id: str, numbers: random.Random) -> None:
    """Empty, half of it, or nothing like it."""
    whole = cloud.index_file(account_id) or b""
    cloud.put_index_file(account_id, numbers.choice((b"", whole[: len(whole) // 2], b"<Error/>" * 1000)))


def older_index(seed: int) -> Callable[[World], None]:
    """Before all of a batch is told again, the index is what it was before that was told first, if no other came in between.

    No older one: a change that was told and acknowledged is not told again, and nobody could know that it is missing.
    """

    def deliver(world: World) -> None:
        numbers, cloud = random.Random(seed), world.cloud  # noqa: S311
        before: dict[str, tuple[bytes | None, set[str]]] = {}

        def before_telling(function: str, records: Sequence[Item], telling: int) -> None:
            for account_id in _accounts(records) if function == INDEXER else ():
                told = {record["dynamodb"]["SequenceNumber"] for record in records if _account(record) == account_id}
                file, last_told = before.get(account_id, (None, set()))
                if telling == 0 or not last_told <= told:
                    before[account_id] = cloud.index_file(account_id), told
                elif numbers.randrange(MISHAP_ONE_IN) == 0:
                    cloud.put_index_file(account_id, file)

        cloud.pump.repetition = Repetition(numbers, odd=(INDEXER,))
        cloud.pump.before_telling = before_telling

    return deliver


def _accounts(records: Sequence[Item]) -> list[str]:
    return sorted(set(map(_account, records)))


def _account(record: Item) -> str:
    account_id: str = record["dynamodb"]["Keys"]["pk"]["S"]
    return account_id


AGAIN: Final = "told again and again"
AT_ONCE: Final = "all at once"
OF_THE_INDEX: Final = ("the index goes missing", "the index breaks", "an older index comes back")
DELIVERIES: Final[Mapping[str, Delivery]] = {
    AGAIN: again_and_again,
    AT_ONCE: at_once,
    **dict(zip(OF_THE_INDEX, (_with_mishaps(_lose), _with_mishaps(_break), older_index), strict=True)),
}
