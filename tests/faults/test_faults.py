"""The quick part of the campaign; `make faults` runs all of it.

In processes of their own: the harness imports the application again and again, puts itself before the wire, and forks.
"""

import subprocess
import sys

import pytest

from operations.project import ROOT
from tests.faults.planted_bugs import BUGS
from tests.faults.scenarios import SCENARIOS

MINUTES = 60


def run_harness(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.faults", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10 * MINUTES, check=False)


@pytest.mark.parametrize("scenario", [scenario.name for scenario in SCENARIOS])
def test_whatever_call_fails_nothing_is_lost_and_nothing_happens_twice(scenario: str) -> None:
    done = run_harness("--quick", "--jobs", "1", "--scenario", scenario)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def outages() -> "dict[str, str]":
    """What was said of each outage; both begin with the same set-up."""
    done = run_harness("--outages", "--jobs", "1")
    print(done.stdout, done.stderr)
    said = [line.split(" out of order: ") for line in done.stdout.splitlines() if " out of order: " in line]
    return {what.removeprefix("the "): how for what, how in said}


@pytest.mark.xdist_group("outages")
def test_while_no_index_can_be_written_every_event_is_told_and_what_is_given_up_is_in_its_own_queue(
    outages: dict[str, str],
) -> None:
    assert outages["index"].endswith("calls failed, all else held")


@pytest.mark.xdist_group("outages")
def test_while_the_bus_takes_nothing_the_index_is_right_and_what_is_given_up_is_in_its_own_queue(
    outages: dict[str, str],
) -> None:
    assert outages["bus"].endswith("calls failed, all else held")


@pytest.mark.parametrize("scenario", sorted({bug.scenario for bug in BUGS}))
def test_a_planted_bug_is_found_by_the_rule_that_it_breaks(scenario: str) -> None:
    done = run_harness("--planted", "--quick", "--jobs", "1", "--scenario", scenario)
    print(done.stdout)
    planted = next(bug.name for bug in BUGS if bug.scenario == scenario)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{planted}: caught" in done.stdout
