"""Records a scenario, then runs it again in a forked process for every call and every fault.

A fork is the snapshot: the set-up is done once, and each run begins with exactly its memory, MiniStack's included.
"""

import gc
import os
import pickle
import selectors
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from tests.consistency import Broken
from tests.faults import invariants
from tests.faults.cloud import CROWD, INSTANCES, Cloud
from tests.faults.functions import Patch
from tests.faults.outages import OUTAGES
from tests.faults.plane import Fault
from tests.faults.pump import INDEXER
from tests.faults.world import Scenario, World

RUN_SECONDS: Final = 120
LONG_PAUSE_SECONDS: Final = 3600
"""Where it takes hours until the stream's reader gives up, it need not try every minute."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Report:
    """How one run ended: the calls that it made, as function and call; those that were struck; and what did not hold."""

    calls: tuple[tuple[str, str], ...]
    struck: tuple[int, ...]
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: strikes by call number, how the client behaves, and how everything is delivered (a name for the report)."""

    strikes: Mapping[int, Fault] = field(default_factory=dict)
    patient: bool = True
    delivery: str = ""
    deliver: Callable[[World], None] | None = None

    def describe(self, calls: Sequence[tuple[str, str]] = ()) -> str:
        """`calls` are those that the run made, as far as they are known."""
        names = {number: f" ({' '.join(calls[number])})" for number in self.strikes if number < len(calls)}
        struck = [f"{fault} at {number}{names.get(number, '')}" for number, fault in sorted(self.strikes.items())]
        return ", ".join([*struck, *([] if self.patient else ["who does not ask again"]), *filter(None, [self.delivery])])

    def check_aim(self, report: "Report", recorded: Sequence[tuple[str, str]]) -> "Report":
        """Up to where it strikes a run makes the calls that were recorded, else it is not what it says it is."""
        up_to = min(self.strikes, default=-1) + 1
        if self.deliver is not None or report.broken or report.calls[:up_to] == tuple(recorded[:up_to]):
            return report
        missed = Broken("the fault strikes", f"up to {up_to - 1} the run made other calls than the one recorded")
        return replace(report, broken=(missed,))


class Stage:
    """A scenario, set up and waiting; each `run` begins there."""

    def __init__(self, cloud: Cloud, scenario: Scenario) -> None:
        self._cloud = cloud
        self.scenario = scenario
        self.world = World(cloud)

    def set_up(self) -> None:
        self._cloud.pump.only_read_by(self.scenario.readers)
        if self.scenario.patch is not None:
            self._cloud.functions.patches.append(self.scenario.patch)
        with self._cloud.functions.with_disks():
            self.scenario.set_up(self.world)
            self._cloud.pump.run_dry()
        if INDEXER in self.scenario.readers:
            self._cloud.functions.prepare_judge()
        self.renew()

    def renew(self, *patches: Patch) -> None:
        """Imports the application anew, and lets it be changed whenever that happens from now on."""
        self._cloud.functions.patches.extend(patches)
        instances = CROWD if self.scenario.crowd else INSTANCES
        self._cloud.functions.prepare({name: instances[name] for name in instances if name in self.scenario.functions})
        # What is here now stays; looking through all of it again and again is half the time of a run.
        gc.collect()
        gc.freeze()
        gc.disable()

    def run(self, plan: Plan) -> Report:
        """In a process of its own, please: nothing of it is undone."""
        with self._cloud.functions.with_disks():
            return self._run(plan)

    def run_without(self, outage: str) -> Report:
        """The same, while something is out of order for good: what must hold nevertheless."""
        cloud, out = self._cloud, OUTAGES[outage]
        with cloud.functions.with_disks():
            known = cloud.pump.records_told()
            cloud.plane.arm({})
            cloud.plane.out_of_order = out.strikes
            cloud.pump.longest_stream_pause = LONG_PAUSE_SECONDS
            self.scenario.act(self.world)
            calls = tuple((call.invocation.function, call.name) for call in cloud.plane.calls)
            struck = tuple(call.number for call in cloud.plane.struck)
            return Report(calls, struck, tuple(out.check(cloud, known)))

    def _run(self, plan: Plan) -> Report:
        cloud, world = self._cloud, self.world
        world.be(patient=plan.patient)
        if plan.deliver is not None:
            plan.deliver(world)
        cloud.plane.arm(plan.strikes)
        broken = []
        try:
            self.scenario.act(world)
            calls = tuple((call.invocation.function, call.name) for call in cloud.plane.calls)
            struck = tuple(call.number for call in cloud.plane.struck)
            broken += world.broken
            cloud.plane.disarm()
            broken += invariants.check(cloud)
            known = cloud.pump.records_told()
            broken += self.scenario.expect(world)
            if cloud.pump.records_told() != known:
                broken += invariants.check(cloud)
        except AssertionError as error:
            calls, struck = (), ()
            broken.append(Broken("the run comes to its end", f"{type(error).__name__}: {error}"))
        missed = set(plan.strikes) - set(struck)
        if missed and not broken:
            broken.append(Broken("the fault strikes", f"{sorted(missed)}: the run made other calls than the one recorded"))
        return Report(calls, struck, tuple(dict.fromkeys(broken)))


def stage(cloud: Cloud, scenario: Scenario) -> Stage:
    """Only one for a process: the cloud is MiniStack's module state."""
    made = Stage(cloud, scenario)
    made.set_up()
    return made


class Died(Exception):
    """A run ended in a way that is the harness's fault, or took too long."""


def in_processes(
    tasks: Iterable[tuple[Any, Callable[[], Result]]], jobs: int, *, seconds: float | None = RUN_SECONDS
) -> Iterator[tuple[Any, Result]]:
    """Each task in a fork of this process, so many at a time; its name and result as they come in.

    Raises: Died, also if a task takes longer than so many seconds.
    """
    waiting = iter(tasks)
    running: dict[int, tuple[Any, int, float, bytearray]] = {}
    selector = selectors.DefaultSelector()
    try:
        while True:
            while len(running) < jobs and (task := next(waiting, None)) is not None:
                name, do = task
                pid, reader = _fork(do)
                running[reader] = (name, pid, time.monotonic(), bytearray())
                selector.register(reader, selectors.EVENT_READ)
            if not running:
                return
            for key, _ in selector.select(timeout=1):
                name, pid, _, received = running[key.fd]
                chunk = os.read(key.fd, 1 << 16)
                received.extend(chunk)
                if chunk:
                    continue
                selector.unregister(key.fd)
                os.close(key.fd)
                os.waitpid(pid, 0)
                del running[key.fd]
                yield name, _result(name, bytes(received))
            for name, _, started, _ in running.values():
                if seconds is not None and time.monotonic() - started > seconds:
                    raise Died(f"{name} takes more than {seconds} s")
    finally:
        for _, pid, _, _ in running.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        selector.close()


def _fork(do: Callable[[], Any]) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        try:
            told = pickle.dumps((True, do()))
        except BaseException:  # noqa: BLE001  the process that asked is told
            told = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
        status = 0
    finally:
        os._exit(status)


def _result(name: Any, received: bytes) -> Any:
    if not received:
        raise Died(f"{name} ended without a word")
    well, told = pickle.loads(received)  # noqa: S301  from our own child
    if not well:
        raise Died(f"{name}:\n{told}")
    return told
