"""A clock that only the harness moves: visibility timeouts, claims, retries and sleeps take no time of ours."""

import time
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any


class VirtualClock:
    """The application's clock, the cloud's clock, and what everybody sleeps on."""

    def __init__(self, start: datetime) -> None:
        self._now = start.timestamp()

    def now(self) -> datetime:
        return datetime.fromtimestamp(int(self._now), UTC)

    def seconds(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += max(seconds, 0)

    def advance_to(self, seconds: float) -> None:
        self._now = max(self._now, seconds)

    def move_to(self, instant: datetime) -> None:
        """Raises: ValueError if that is in the past."""
        if instant.timestamp() < self._now:
            raise ValueError(f"{instant} is over: it is {self.now()}")
        self._now = instant.timestamp()

    def after(self, **duration: float) -> datetime:
        return self.now() + timedelta(**duration)

    def stop_sleeping(self) -> None:
        """From now on whoever sleeps in this process moves the clock instead."""
        setattr(time, "sleep", self.advance)  # noqa: B010  mypy knows the signature of the real one


class TimeOf:
    """Stands in for the module `time` in a module that shall live in virtual time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def time(self) -> float:
        return self._clock.seconds()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def put_into(self, *modules: ModuleType) -> None:
        for module in modules:
            if not hasattr(module, "time"):
                raise AttributeError(f"{module.__name__} has no time to replace")
            vars(module)["time"] = self
