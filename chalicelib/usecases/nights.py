"""What nobody came back for: reservations, orders, images and imports, one sweep after the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from chalicelib.usecases import images, imports, order_steps
from chalicelib.usecases.sweeps import InTime, each

SPARE_SECONDS = 60.0
"""Longer than one thing takes, with all its retries: so long before the function's end no other is begun."""


class Desk(order_steps.NightDesk, images.NightDesk, imports.NightDesk, Protocol):
    """What all of them need."""


def tidy(as_of: datetime, *, remaining: Callable[[], float], desk: Desk) -> int:
    """What all sweeps have seen to, within `remaining` seconds, of which each has its share, and what those before it left.

    Raises: Unavailable once all were made, if there was something that could not be seen to.
    """
    sweeps: dict[str, Callable[..., int]] = {
        "reservations": partial(order_steps.release_expired, reservations=desk.reservations),
        "orders": partial(order_steps.look_after_orders, desk=desk),
        "images": partial(images.look_after_images, desk=desk),
        "imports": partial(imports.look_after_imports, desk=desk),
    }
    left = dict(zip(sweeps, range(len(sweeps), 0, -1), strict=True))
    return each(sweeps, lambda name: sweeps[name](as_of, in_time=_share(remaining, left[name])), "could not be looked after")


def _share(remaining: Callable[[], float], sweeps: int) -> InTime:
    """The time of the first of so many sweeps that are still to be made."""
    now = remaining()
    end = now - max(0.0, now - SPARE_SECONDS) / sweeps
    return lambda: remaining() > end
