"""Which runs a scenario gets."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.faults.campaign import Plan
from tests.faults.deliveries import again_and_again, at_once
from tests.faults.plane import ANYWHERE, Fault, faults_of
from tests.faults.scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """`faults_each`: of those that can befall a call, None for all; how many seeds of the other kinds of delivery."""

    faults_each: int | None
    repetitions: int
    interleavings: int


THOROUGH = Extent(faults_each=None, repetitions=40, interleavings=120)
QUICK = Extent(faults_each=1, repetitions=2, interleavings=4)


def plans_for(scenario: Scenario, calls: Sequence[str], extent: Extent) -> Iterator[Plan]:
    """Every call with its faults, each with a client that asks again and with one that does not; then the deliveries.

    Every other seed of those brings a fault besides, somewhere.
    """
    for number, name in enumerate(calls):
        for place, fault in enumerate(_chosen(number, name, extent)):
            if extent.faults_each is None:
                yield from (Plan({number: fault}, patient=patient) for patient in ((True, False) if scenario.asks else (True,)))
            else:
                yield Plan({number: fault}, patient=not scenario.asks or (number + place) % 2 == 0)
    for seed in range(extent.repetitions):
        yield Plan(_one_strike(seed, calls), delivery=f"told again and again, seed {seed}", deliver=again_and_again(seed))
    for seed in range(extent.interleavings):
        yield Plan(_one_strike(seed, calls), delivery=f"all at once, seed {seed}", deliver=at_once(seed))


def _chosen(number: int, name: str, extent: Extent) -> Sequence[Fault]:
    """The quick run takes them in turn, so that each kind of call meets each kind of fault somewhere."""
    faults = faults_of(name)
    if extent.faults_each is None:
        return faults
    start = number * extent.faults_each % len(faults)
    return [*faults[start:], *faults[:start]][: extent.faults_each]


def _one_strike(seed: int, calls: Sequence[str]) -> dict[int, Fault]:
    if seed % 2 == 0:
        return {}
    numbers = random.Random(f"strike {seed}")  # noqa: S311
    return {numbers.randrange(len(calls)): numbers.choice(ANYWHERE)}
