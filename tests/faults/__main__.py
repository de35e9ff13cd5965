"""python -m tests.faults: every AWS call of every scenario, every fault. Ends with 1 if anything did not hold."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from tests.consistency import Broken
from tests.faults.campaign import Plan, Report, Stage, in_processes, stage
from tests.faults.cloud import Cloud
from tests.faults.deliveries import DELIVERIES
from tests.faults.outages import OUTAGES
from tests.faults.plane import Fault
from tests.faults.planning import QUICK, THOROUGH, Extent, plans_for
from tests.faults.planted_bugs import BUGS, Bug
from tests.faults.scenarios import SCENARIOS, scenario_called
from tests.faults.world import START, Scenario

SHOWN_FAILURES = 20
EVERY_CALL = range(1_000_000)
OUTAGES_IN = "catalogue"
"""The scenario in which each thing is out of order in turn."""


@dataclass(slots=True)
class Tally:
    """What a scenario's runs came to."""

    name: str
    points: int = 0
    runs: int = 0
    failures: list[tuple[str, tuple[Broken, ...]]] = field(default_factory=list)
    seconds: float = 0

    def show(self) -> None:
        print(
            f"{self.name:<12}{self.points:>5} points{self.runs:>7} runs{len(self.failures):>5} failures{self.seconds:>7.0f} s",
            flush=True,
        )
        for plan, broken in self.failures[:SHOWN_FAILURES]:
            print(f"    {plan}")
            for one in broken:
                print(f"        {one.rule}: {one.what}")
        if len(self.failures) > SHOWN_FAILURES:
            print(f"    and {len(self.failures) - SHOWN_FAILURES} more")


def try_scenario(cloud: Cloud, scenario: Scenario, extent: Extent, jobs: int, struck: range = EVERY_CALL) -> Tally:
    """Wants a process of its own."""
    started = time.monotonic()
    tally = Tally(scenario.name)
    set_up = stage(cloud, scenario)
    recorded = {patient: _record(set_up, patient=patient) for patient in ((True, False) if scenario.asks else (True,))}
    tally.points, tally.runs = len(recorded[True].calls), len(recorded)
    for patient, report in recorded.items():
        if report.broken:
            tally.failures.append((Plan(patient=patient).describe() or "nothing at all", report.broken))
    if tally.failures:
        return tally
    plans = list(plans_for(scenario, {patient: report.calls for patient, report in recorded.items()}, extent))
    plans = [plan for plan in plans if min(plan.strikes, default=0) in struck]
    for plan, ended in in_processes(((plan, partial(set_up.run, plan)) for plan in plans), jobs):
        report = plan.check_aim(ended, recorded[plan.patient].calls)
        tally.runs += 1
        if sys.stderr.isatty():
            print(f"\r{scenario.name:<12}{tally.runs:>5} of {len(plans)} runs ", end="", file=sys.stderr, flush=True)
        if report.broken:
            tally.failures.append((plan.describe(report.calls), report.broken))
    tally.seconds = time.monotonic() - started
    return tally


def _record(set_up: Stage, *, patient: bool = True) -> Report:
    ((_, recorded),) = in_processes([("the recording", partial(set_up.run, Plan(patient=patient)))], 1)
    return recorded


@dataclass(frozen=True, slots=True)
class Hunt:
    """How long it took to find a planted bug, and by which broken rule; none if it was not found."""

    bug: str
    runs: int
    rule: str | None


def hunt(set_up: Stage, bug: Bug, jobs: int) -> Hunt:
    """Wants a process of its own: the bug stays in."""
    set_up.renew(bug.patch)
    recorded = _record(set_up)
    tasks = ((plan.describe(recorded.calls), partial(set_up.run, plan)) for plan in bug.plans(recorded.calls))
    runs = 0
    for report in chain([recorded], (report for _, report in in_processes(tasks, jobs))):
        runs += 1
        for broken in report.broken:
            if broken.rule in bug.breaks:
                return Hunt(bug.name, runs, broken.rule)
    return Hunt(bug.name, runs, None)


def hunt_all(cloud: Cloud, scenario: Scenario, bugs: Sequence[Bug], jobs: int) -> list[Hunt]:
    """All of these, which this scenario is to find. Wants a process of its own."""
    set_up = stage(cloud, scenario)
    tasks = ((bug.name, partial(hunt, set_up, bug, jobs)) for bug in bugs)
    return [found for _, found in in_processes(tasks, 1, seconds=None)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a few calls with one fault each, a few seeds; of the bugs one of each scenario"
    )
    parser.add_argument("--scenario", action="append", choices=[it.name for it in SCENARIOS], help="this one only")
    parser.add_argument("--planted", action="store_true", help="plant the bugs instead, and see each of them caught")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--outages", action="store_true", help="let the index, and then the bus, be out of order for good")
    parser.add_argument("--only", metavar="NUMBER:FAULT", help="one run and its calls, such as “17: crash after”")
    parser.add_argument("--begin", type=int, default=0, metavar="NUMBER", help="strike no call before that one")
    parser.add_argument("--end", type=int, default=EVERY_CALL.stop, metavar="NUMBER", help="nor that one or any after it")
    parser.add_argument("--impatient", action="store_true", help="in that run, who does not ask again")
    parser.add_argument("--delivery", metavar="NAME", help="that run, or one, told such as “all at once, seed 3”")
    parser.add_argument("--log", action="store_true", help="show what the application logs")
    asked = parser.parse_args(arguments)
    if not asked.log:
        logging.disable(logging.CRITICAL)
    chosen = [scenario for scenario in SCENARIOS if asked.scenario is None or scenario.name in asked.scenario]
    cloud = Cloud(START)
    if asked.only is not None or asked.delivery is not None:
        return _run_one(cloud, chosen[0], _plan(asked.only, asked.delivery, patient=not asked.impatient))
    if asked.outages:
        return 0 if _have_outages(cloud) else 1
    if asked.planted:
        return 0 if _plant(cloud, chosen, asked.jobs, quick=asked.quick) else 1
    tallies = list(_campaign(cloud, chosen, QUICK if asked.quick else THOROUGH, asked.jobs, range(asked.begin, asked.end)))
    points, runs = sum(tally.points for tally in tallies), sum(tally.runs for tally in tallies)
    failures = sum(len(tally.failures) for tally in tallies)
    print(f"{points} points, {runs} runs, {failures} failures")
    return 1 if failures else 0


def _plan(only: str | None, delivery: str | None, *, patient: bool) -> Plan:
    """What `Plan.describe` has said, read again."""
    strikes: dict[int, Fault] = {}
    if only is not None:
        number, _, fault = only.partition(":")
        strikes[int(number)] = Fault(fault.strip())
    if delivery is None:
        return Plan(strikes, patient=patient)
    name, _, seed = delivery.rpartition(", seed ")
    return Plan(strikes, patient=patient, delivery=delivery, deliver=DELIVERIES[name](int(seed)))


def _have_outages(cloud: Cloud) -> bool:
    ((_, held),) = in_processes([(OUTAGES_IN, partial(_each_outage, cloud))], 1, seconds=None)
    return all(held)


def _each_outage(cloud: Cloud) -> list[bool]:
    """Whether each one changed nothing but what it must. Wants a process of its own."""
    set_up = stage(cloud, scenario_called(OUTAGES_IN))
    held = []
    for outage, report in in_processes(((name, partial(set_up.run_without, name)) for name in OUTAGES), 1):
        held.append(not report.broken)
        ending = "held" if held[-1] else "DID NOT HOLD"
        print(f"the {outage} out of order: {len(report.struck)} calls failed, all else {ending}")
        for one in report.broken:
            print(f"    {one.rule}: {one.what}", flush=True)
    return held


def _run_one(cloud: Cloud, scenario: Scenario, plan: Plan) -> int:
    report = stage(cloud, scenario).run(plan)
    for place, (function, call) in enumerate(report.calls):
        print(f"{place:>5} {function} {call}{' <- struck' if place in report.struck else ''}")
    for one in report.broken:
        print(f"{one.rule}: {one.what}")
    return 1 if report.broken else 0


def _campaign(cloud: Cloud, scenarios: Sequence[Scenario], extent: Extent, jobs: int, struck: range) -> Iterator[Tally]:
    tasks = ((scenario.name, partial(try_scenario, cloud, scenario, extent, jobs, struck)) for scenario in scenarios)
    for _, tally in in_processes(tasks, 1, seconds=None):
        tally.show()
        yield tally


def _plant(cloud: Cloud, scenarios: Sequence[Scenario], jobs: int, *, quick: bool) -> bool:
    """`quick` plants the first of each scenario."""
    of_scenario = {scenario: [bug for bug in BUGS if bug.scenario == scenario.name] for scenario in scenarios}
    hunted = {scenario: bugs[:1] if quick else bugs for scenario, bugs in of_scenario.items() if bugs}
    tasks = ((scenario.name, partial(hunt_all, cloud, scenario, bugs, jobs)) for scenario, bugs in hunted.items())
    escaped = 0
    for name, found in in_processes(tasks, 1, seconds=None):
        for one in found:
            ending = f"NOT CAUGHT in {one.runs} runs" if one.rule is None else f"caught in run {one.runs}: {one.rule}"
            print(f"{name:<8} {one.bug}: {ending}", flush=True)
            escaped += one.rule is None
    print(f"{escaped} of {sum(map(len, hunted.values()))} planted bugs escaped")
    return not escaped


if __name__ == "__main__":
    sys.exit(main())
