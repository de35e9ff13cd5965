"""What a PUT has made, where it might as well have replaced something."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """A thing that was not there before."""

    thing: T
