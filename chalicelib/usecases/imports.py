"""Imports."""

from collections.abc import Callable

from chalicelib.domain.files import Upload
from chalicelib.domain.imports import ImportJob


def queue_import(upload: Upload, *, desk: object) -> None:
    """Asks for what lies under the upload's key now to be worked off."""


def go_on(job: ImportJob, *, remaining: Callable[[], float], tries: int, desk: object) -> None:
    """Works rows off until the time is up. `remaining` says the seconds that are left; `tries` is 1 for the first."""
