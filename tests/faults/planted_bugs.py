"""Bugs that are planted into the application, to see that the harness finds them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from tests.faults.campaign import Plan
from tests.faults.functions import Patch

@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    name: str
    scenario: str
    patch: Patch
    breaks: frozenset[str]
    def plans(self, calls): ...
BUGS=()
