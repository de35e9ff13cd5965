import pytest

from tests.builders import at
from tests.usecases.business import Business, open_business
from tests.wired import MemoryWired


@pytest.fixture
def wired() -> MemoryWired:
    """Memory, on New Year's Day of 2026; the use cases need no application."""
    in_memory = MemoryWired()
    in_memory.clock.at = at("2026-01-01T09:00:00")
    return in_memory


@pytest.fixture
def business(wired: MemoryWired) -> Business:
    return open_business(wired)
