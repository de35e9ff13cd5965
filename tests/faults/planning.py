"""Which runs a scenario gets."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.faults.campaign import Plan
from tests.faults.deliveries import again_and_again, at_once
from tests.faults.plane import ANYWHERE, Fault, faults_of
from tests.faults.scenarios import Scenario

AT_THE_API = ("api_handler", "authorize")
Calls = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many calls of a scenario are struck, None for all, each with all faults or one of them in turn; how many seeds."""

    calls: int | None
    all_faults: bool
    repetitions: int
    interleavings: int


THOROUGH = Extent(calls=None, all_faults=True, repetitions=20, interleavings=40)
QUICK = Extent(calls=12, all_faults=False, repetitions=1, interleavings=1)


def plans_for(scenario: Scenario, calls: Calls, extent: Extent) -> Iterator[Plan]:
    """Calls with their faults, at the API with a client that asks again and with one that does not; then the deliveries.

    Every other seed of those brings a fault besides, somewhere.
    """
    if scenario.in_turn:
        for number in _spread(len(calls), extent.calls):
            yield from _strikes(number, *calls[number], scenario, extent)
    for seed in range(scenario.seeds * extent.repetitions):
        yield Plan(_one_strike(seed, calls), delivery=f"told again and again, seed {seed}", deliver=again_and_again(seed))
    for seed in range(scenario.seeds * extent.interleavings):
        yield Plan(_one_strike(seed, calls), delivery=f"all at once, seed {seed}", deliver=at_once(seed))


def _spread(count: int, wanted: int | None) -> Sequence[int]:
    if wanted is None or wanted >= count:
        return range(count)
    return [place * count // wanted for place in range(wanted)]


def _strikes(number: int, function: str, call: str, scenario: Scenario, extent: Extent) -> Iterator[Plan]:
    asked = scenario.asks and function in AT_THE_API
    faults = faults_of(call)
    if extent.all_faults:
        clients = (True, False) if asked else (True,)
        yield from (Plan({number: fault}, patient=patient) for fault in faults for patient in clients)
    else:
        yield Plan({number: faults[number % len(faults)]}, patient=not asked or number // len(faults) % 2 == 0)


def _one_strike(seed: int, calls: Calls) -> dict[int, Fault]:
    if seed % 2 == 0:
        return {}
    numbers = random.Random(f"strike {seed}")  # noqa: S311
    return {numbers.randrange(len(calls)): numbers.choice(ANYWHERE)}
