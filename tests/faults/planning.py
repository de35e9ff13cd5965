"""Which runs a scenario gets."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.campaign import Plan
from tests.faults.deliveries import AGAIN, AT_ONCE, DELIVERIES, OF_THE_INDEX
from tests.faults.plane import ANYWHERE, Fault, faults_of
from tests.faults.pump import INDEXER
from tests.faults.world import Scenario

AT_THE_API = ("api_handler", "authorize")
Calls = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many calls of a scenario are struck, None for all, each with all faults or one of them in turn; how many seeds.

    `mishaps` are the seeds for each kind of them, where there is an index.
    """

    calls: int | None
    all_faults: bool
    repetitions: int
    interleavings: int
    mishaps: int


THOROUGH = Extent(calls=None, all_faults=True, repetitions=20, interleavings=40, mishaps=20)
QUICK = Extent(calls=6, all_faults=False, repetitions=1, interleavings=1, mishaps=1)


def plans_for(scenario: Scenario, recorded: Mapping[bool, Calls], extent: Extent) -> Iterator[Plan]:
    """Calls with their faults, at the API with a client that asks again and with one that does not; then the deliveries.

    `recorded` are the calls without any fault: of the patient client, and of the other one where somebody asks. They need not
    be the same. Every other seed of the deliveries brings a fault besides, somewhere.
    """
    if scenario.in_turn:
        yield from _all_strikes(recorded) if extent.all_faults else _some_strikes(recorded, extent)
    seeds = {AGAIN: scenario.seeds * extent.repetitions, AT_ONCE: scenario.seeds * extent.interleavings}
    if INDEXER in scenario.readers:
        seeds |= dict.fromkeys(OF_THE_INDEX, extent.mishaps)
    for name, count in seeds.items():
        for seed in range(count):
            yield Plan(_one_strike(seed, recorded[True]), delivery=f"{name}, seed {seed}", deliver=DELIVERIES[name](seed))


def _spread(count: int, wanted: int | None) -> Sequence[int]:
    if wanted is None or wanted >= count:
        return range(count)
    return [place * count // wanted for place in range(wanted)]


def _all_strikes(recorded: Mapping[bool, Calls]) -> Iterator[Plan]:
    for patient, calls in recorded.items():
        for number, (function, call) in enumerate(calls):
            if patient or function in AT_THE_API:
                yield from (Plan({number: fault}, patient=patient) for fault in faults_of(call))


def _some_strikes(recorded: Mapping[bool, Calls], extent: Extent) -> Iterator[Plan]:
    """Each call with one fault, now by the one client and now by the other."""
    for number in _spread(len(recorded[True]), extent.calls):
        function, call = recorded[True][number]
        faults = faults_of(call)
        asked = function in AT_THE_API and list(recorded.get(False, ())[number : number + 1]) == [(function, call)]
        yield Plan({number: faults[number % len(faults)]}, patient=not asked or number // len(faults) % 2 == 0)


def _one_strike(seed: int, calls: Calls) -> dict[int, Fault]:
    if seed % 2 == 0:
        return {}
    numbers = random.Random(f"strike {seed}")  # noqa: S311
    return {numbers.randrange(len(calls)): numbers.choice(ANYWHERE)}
