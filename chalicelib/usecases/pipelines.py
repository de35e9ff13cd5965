"""What is measured of every file that a pipeline works off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chalicelib.ports import Clock, Metrics

_MILLISECOND = timedelta(milliseconds=1)


class Gauge(Protocol):
    @property
    def clock(self) -> Clock: ...
    @property
    def metrics(self) -> Metrics: ...


def measure(pipeline: str, work_off: Callable[[], object], *, desk: Gauge) -> None:
    """Works off one file of one record. An attempt that raises is counted as an error."""
    began = desk.clock.now()
    try:
        work_off()
    except Exception:
        desk.metrics.failed(pipeline)
        raise
    desk.metrics.worked_off(pipeline, 1, (desk.clock.now() - began) // _MILLISECOND)
