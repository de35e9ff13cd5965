"""Ways in which AWS may deliver the same events, for a plan to choose from."""

import random
from collections.abc import Callable

from tests.faults.interleaving import Interleaving
from tests.faults.pump import Repetition
from tests.faults.scenarios import World

SMALL_BATCHES = 3


def again_and_again(seed: int) -> Callable[[World], None]:
    """Every event two to five times, in no order."""

    def deliver(world: World) -> None:
        world.cloud.pump.repetition = Repetition(random.Random(seed))  # noqa: S311

    return deliver


def at_once(seed: int) -> Callable[[World], None]:
    """The same, and all batches of a queue, all schedules, and what a scenario does together, at once."""

    def deliver(world: World) -> None:
        numbers = random.Random(seed)  # noqa: S311
        world.cloud.pump.repetition = Repetition(numbers, SMALL_BATCHES)
        world.cloud.pump.together = Interleaving(world.cloud, numbers).run

    return deliver
