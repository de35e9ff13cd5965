"""Hypothesis searches the same examples in every normal run; `--hypothesis-profile=long` goes out on a campaign."""

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.wired import MemoryWired

settings.register_profile("normal", derandomize=True, deadline=None, max_examples=100, print_blob=True)
settings.register_profile(
    "long", deadline=None, max_examples=5_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("normal")

os.environ.setdefault("DAYBOOK_STAGE", "test")


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> "MemoryWired":
    """The application, wired to memory."""
    import app
    from tests.wired import MemoryWired

    in_memory = MemoryWired()
    monkeypatch.setattr(app, "wired", in_memory)
    return in_memory
