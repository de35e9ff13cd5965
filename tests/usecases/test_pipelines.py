"""Every file that a pipeline works off is measured, and every attempt that fails."""

import pytest

from chalicelib.usecases.pipelines import measure
from tests.wired import MemoryWired


def test_a_file_is_measured_from_when_its_work_began_until_it_is_done() -> None:
    desk = MemoryWired()
    seconds = [10.25]

    measure("images", lambda: seconds.append(11.75), desk=desk, seconds=lambda: seconds[-1])

    assert (desk.metrics.files, desk.metrics.failures) == ([("images", 1, 1500)], [])


def test_an_attempt_that_raises_is_an_error_and_no_file() -> None:
    desk = MemoryWired()

    def fail() -> None:
        raise ValueError("out of order")

    with pytest.raises(ValueError, match="out of order"):
        measure("images", fail, desk=desk)

    assert (desk.metrics.files, desk.metrics.failures) == ([], ["images"])
