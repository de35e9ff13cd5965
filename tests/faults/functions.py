"""Lambda: each function in an environment of its own, imported anew when the one before it died."""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from threading import local
from types import CodeType, ModuleType
from typing import Any

from operations.project import chalice_config
from tests.faults.plane import Crash, Plane, TimedOut
from tests.faults.virtual_time import VirtualClock

DEFAULT_TIMEOUT_SECONDS = 60
Patch = Callable[[Any], None]
"""Changes the freshly imported application: a planted bug."""


def compile_once() -> None:
    """What is imported anew is the same source each time: compiling it took half of that."""
    original = SourceFileLoader.get_code
    compiled = cache(lambda name, path: original(SourceFileLoader(name, path), name))

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        code: CodeType | None = compiled(name, loader.path) if _is_ours(name) else original(loader, name)
        return code

    setattr(SourceFileLoader, "get_code", get_code)  # noqa: B010  mypy would have it that methods stay


class Environment:
    """The memory of one Lambda instance: the application's modules, nobody else's; and its disk, which is /tmp to it.

    They are in `sys.modules` only while the instance runs, because the application imports more of itself as it goes.
    """

    def __init__(self, clock: VirtualClock, patches: Sequence[Patch]) -> None:
        self._modules: dict[str, ModuleType] = {}
        self.disk: Path | None = None
        self.activate()
        self.app: Any = importlib.import_module("app")
        # Before anything has looked at the clock: the property is kept once it was read.
        self.app.wired.__dict__["clock"] = clock
        self.app.wired.__dict__["metrics"] = _Unmeasured()
        for patch in patches:
            patch(self.app)
        self.deactivate()

    def activate(self) -> None:
        _remove_application()
        sys.modules.update(self._modules)
        tempfile.tempdir = None if self.disk is None else str(self.disk)

    def deactivate(self) -> None:
        tempfile.tempdir = None
        self._modules = {name: module for name, module in sys.modules.items() if _is_ours(name)}
        _remove_application()

    def make_clients(self) -> None:
        """Makes all that the application makes when first used. No call goes out, so it is still as cold as it was to AWS."""
        self.activate()
        wired = self.app.wired
        for name in dir(type(wired)):
            # The index's repository looks where its disk is as it is made; each run has disks of its own.
            if not name.startswith("_") and name not in ("read_image", "search_index"):
                getattr(wired, name)
        self.deactivate()


class _Unmeasured:
    """Metrics are lines of the log, which nobody reads here."""

    def worked_off(self, pipeline: str, records: int, milliseconds: int) -> None: ...

    def failed(self, pipeline: str) -> None: ...


def _is_ours(module: str) -> bool:
    return module == "app" or module.partition(".")[0] == "chalicelib"


def _remove_application() -> None:
    for name in [name for name in sys.modules if _is_ours(name)]:
        del sys.modules[name]


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda hands to a function beside the event."""

    function_name: str
    aws_request_id: str
    deadline: float
    clock: VirtualClock

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - self.clock.seconds()) * 1000)


@dataclass(frozen=True, slots=True)
class Done:
    """The function returned."""

    answer: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, or the process went; `timed_out` if Lambda ended it."""

    reason: str
    timed_out: bool = False
    died: bool = False


Outcome = Done | Failed


class Functions:
    """`timeouts` are those of .chalice/config.json, in seconds."""

    def __init__(self, plane: Plane, clock: VirtualClock) -> None:
        self._plane = plane
        self._clock = clock
        self._idle: dict[str, list[Environment]] = {}
        self._untouched: Environment | None = None
        self._disks: Path | None = None
        self._left_disks: dict[str, list[Path]] = {}
        self._running = local()
        self.patches: list[Patch] = []
        self.deaths = 0

    def timeout_of(self, function: str) -> int:
        config = chalice_config()["lambda_functions"].get(function, {})
        return int(config.get("lambda_timeout", DEFAULT_TIMEOUT_SECONDS))

    def prepare(self, instances: Mapping[str, int]) -> None:
        """New environments, so many of each function, and none of the old ones."""
        self._idle = {}
        for function, count in instances.items():
            for _ in range(count):
                environment = Environment(self._clock, self.patches)
                environment.make_clients()
                self._idle.setdefault(function, []).append(environment)

    @contextmanager
    def with_disks(self) -> Iterator[None]:
        """The instances have disks for so long. That of one that died is left to the next of its function, as on AWS."""
        with tempfile.TemporaryDirectory(prefix="daybook-faults-") as folder:
            self._disks, self._left_disks = Path(folder), {}
            yield
            self._disks = None

    def _disk_for(self, function: str) -> Path:
        assert self._disks is not None, "nothing is invoked but while there are disks"
        left = self._left_disks.get(function)
        return left.pop() if left else Path(tempfile.mkdtemp(dir=self._disks))

    def prepare_judge(self) -> None:
        """Makes what `judging` needs, once for all runs."""
        if self._untouched is None:
            self._untouched = Environment(self._clock, ())
            self._untouched.make_clients()

    @contextmanager
    def judging(self) -> Iterator[Any]:
        """The application as it is in its files, patched by nobody, to judge by; its calls are neither counted nor struck."""
        self.prepare_judge()
        assert self._untouched is not None
        self._untouched.disk = self._disk_for("judging")
        self._untouched.activate()
        try:
            yield self._untouched.app
        finally:
            self._untouched.deactivate()

    def application(self) -> Any:
        """Some instance of the application, to look at what it declares."""
        idle = next((environments[-1] for environments in self._idle.values() if environments), None)
        return (idle or Environment(self._clock, self.patches)).app

    def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
        idle = self._idle.setdefault(function, [])
        environment = idle.pop() if idle else Environment(self._clock, self.patches)
        if environment.disk is None:
            environment.disk = self._disk_for(function)
        environment.activate()
        self._running.environment = environment
        handler = environment.app.app if function == "api_handler" else getattr(environment.app, function)
        outcome: Outcome
        try:
            with self._plane.invocation(function, self.timeout_of(function)) as running:
                context = Context(function, f"request-{running.number}", running.deadline, self._clock)
                # Lambda knows nothing but JSON, on the way in and out.
                outcome = Done(json.loads(json.dumps(handler(json.loads(json.dumps(event)), context))))
        except Crash as crash:
            self.deaths += 1
            outcome = Failed(str(crash), timed_out=isinstance(crash, TimedOut), died=True)
        except Exception as error:  # noqa: BLE001  as Lambda does
            outcome = Failed(f"{type(error).__name__}: {error}")
        environment.deactivate()
        if isinstance(outcome, Failed) and outcome.died:
            self._left_disks.setdefault(function, []).append(environment.disk)
        else:
            idle.append(environment)
        return outcome

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """While the invocation of this thread stands still, and others may run."""
        environment: Environment = self._running.environment
        environment.deactivate()
        yield
        environment.activate()
