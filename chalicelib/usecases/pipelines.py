"""What is measured of every file that a pipeline works off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chalicelib.ports import Metrics


class Gauge(Protocol):
    @property
    def metrics(self) -> Metrics: ...


def measure(
    pipeline: str, work_off: Callable[[], object], *, desk: Gauge, seconds: Callable[[], float] = time.perf_counter
) -> None:
    """Works off one file of one record. An attempt that raises is counted as an error.

    `seconds` only go forward, and finely: the clock tells whole ones.
    """
    began = seconds()
    try:
        work_off()
    except Exception:
        desk.metrics.failed(pipeline)
        raise
    desk.metrics.worked_off(pipeline, 1, round((seconds() - began) * 1000))
