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
from tests.faults.plane import Fault
from tests.faults.planning import QUICK, THOROUGH, Extent, plans_for
from tests.faults.planted_bugs import BUGS, Bug
from tests.faults.scenarios import SCENARIOS, START, Scenario

SHOWN_FAILURES = 20


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


def try_scenario(cloud: Cloud, scenario: Scenario, extent: Extent, jobs: int) -> Tally:
    """Wants a process of its own."""
    started = time.monotonic()
    tally = Tally(scenario.name)
    set_up = stage(cloud, scenario)
    recorded = _record(set_up)
    tally.points, tally.runs = len(recorded.calls), 1
    if recorded.broken:
        tally.failures.append(("nothing at all", recorded.broken))
        return tally
    plans = list(plans_for(scenario, recorded.calls, extent))
    tasks = ((plan.describe(recorded.calls), partial(set_up.run, plan)) for plan in plans)
    for name, report in in_processes(tasks, jobs):
        tally.runs += 1
        if sys.stderr.isatty():
            print(f"\r{scenario.name:<12}{tally.runs:>5} of {len(plans) + 1} runs ", end="", file=sys.stderr, flush=True)
        if report.broken:
            tally.failures.append((name, report.broken))
    tally.seconds = time.monotonic() - started
    return tally


def _record(set_up: Stage) -> Report:
    ((_, recorded),) = in_processes([("the recording", partial(set_up.run, Plan()))], 1)
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


def hunt_all(cloud: Cloud, scenario: Scenario, jobs: int) -> list[Hunt]:
    """Every bug that this scenario is to find. Wants a process of its own."""
    set_up = stage(cloud, scenario)
    tasks = ((bug.name, partial(hunt, set_up, bug, jobs)) for bug in BUGS if bug.scenario == scenario.name)
    return [found for _, found in in_processes(tasks, 1, seconds=None)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one fault for each call, a few seeds of the other deliveries")
    parser.add_argument("--scenario", action="append", choices=[it.name for it in SCENARIOS], help="this one only")
    parser.add_argument("--planted", action="store_true", help="plant the bugs instead, and see each of them caught")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--only", metavar="NUMBER:FAULT", help="one run and its calls, such as “17: crash after”")
    parser.add_argument("--log", action="store_true", help="show what the application logs")
    asked = parser.parse_args(arguments)
    if not asked.log:
        logging.disable(logging.CRITICAL)
    chosen = [scenario for scenario in SCENARIOS if asked.scenario is None or scenario.name in asked.scenario]
    cloud = Cloud(START)
    if asked.only is not None:
        return _run_one(cloud, chosen[0], asked.only)
    if asked.planted:
        return 0 if _plant(cloud, chosen, asked.jobs) else 1
    tallies = list(_campaign(cloud, chosen, QUICK if asked.quick else THOROUGH, asked.jobs))
    points, runs = sum(tally.points for tally in tallies), sum(tally.runs for tally in tallies)
    failures = sum(len(tally.failures) for tally in tallies)
    print(f"{points} points, {runs} runs, {failures} failures")
    return 1 if failures else 0


def _run_one(cloud: Cloud, scenario: Scenario, only: str) -> int:
    number, _, fault = only.partition(":")
    report = stage(cloud, scenario).run(Plan({int(number): Fault(fault.strip())}))
    for place, (function, call) in enumerate(report.calls):
        print(f"{place:>5} {function} {call}{' <- ' + fault.strip() if place in report.struck else ''}")
    for one in report.broken:
        print(f"{one.rule}: {one.what}")
    return 1 if report.broken else 0


def _campaign(cloud: Cloud, scenarios: Sequence[Scenario], extent: Extent, jobs: int) -> Iterator[Tally]:
    tasks = ((scenario.name, partial(try_scenario, cloud, scenario, extent, jobs)) for scenario in scenarios)
    for _, tally in in_processes(tasks, 1, seconds=None):
        tally.show()
        yield tally


def _plant(cloud: Cloud, scenarios: Sequence[Scenario], jobs: int) -> bool:
    hunted = [scenario for scenario in scenarios if any(bug.scenario == scenario.name for bug in BUGS)]
    tasks = ((scenario.name, partial(hunt_all, cloud, scenario, jobs)) for scenario in hunted)
    escaped = 0
    for name, found in in_processes(tasks, 1, seconds=None):
        for one in found:
            ending = f"NOT CAUGHT in {one.runs} runs" if one.rule is None else f"caught in run {one.runs}: {one.rule}"
            print(f"{name:<8} {one.bug}: {ending}", flush=True)
            escaped += one.rule is None
    print(f"{escaped} of {sum(bug.scenario in {it.name for it in hunted} for bug in BUGS)} planted bugs escaped")
    return not escaped


if __name__ == "__main__":
    sys.exit(main())
