"""What nobody came back for: each thing on its own, within the time there is."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.usecases import images, imports, nights, order_steps
from chalicelib.usecases.sweeps import InTime, each
from tests.builders import NOW
from tests.wired import MemoryWired

SWEEPS = {
    "release_expired": order_steps,
    "look_after_orders": order_steps,
    "look_after_images": images,
    "look_after_imports": imports,
}
"""In their order."""


def test_one_that_fails_stops_none_of_the_others_and_is_told_of_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    def work(one: int) -> int:
        done.append(one)
        if one in (1, 3):
            raise KeyError(one)
        return 1

    done: list[int] = []
    with pytest.raises(Unavailable) as told:
        each([1, 2, 3, 4], work, "is broken")

    assert done == [1, 2, 3, 4]
    assert isinstance(told.value.__cause__, KeyError)
    assert [record.getMessage() for record in caplog.records] == ["1 is broken", "3 is broken"]
    assert each([2, 4], work, "is broken") == 2


def test_what_there_is_no_time_for_is_not_begun_and_said(caplog: pytest.LogCaptureFixture) -> None:
    def work(one: int) -> int:
        done.append(one)
        return 1

    caplog.set_level(logging.WARNING)
    done: list[int] = []

    assert each([1, 2, 3, 4], work, "", lambda: len(done) < 2) == 2

    assert done == [1, 2]
    assert "goes on with 3" in caplog.text


def doing(name: str, done: list[str], what: Callable[[InTime], int]) -> Any:
    def do(as_of: object, *, in_time: InTime, **_: object) -> int:
        assert as_of == NOW
        done.append(name)
        return what(in_time)

    return do


@pytest.mark.parametrize("failing", SWEEPS)
def test_a_sweep_that_fails_stops_none_of_the_others(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def fail(_: InTime) -> int:
        raise RuntimeError

    done: list[str] = []
    for name, module in SWEEPS.items():
        monkeypatch.setattr(module, name, doing(name, done, fail if name == failing else lambda _: 1))

    with pytest.raises(Unavailable):
        nights.tidy(NOW, remaining=lambda: 300.0, desk=wired)

    assert done == list(SWEEPS)


def test_each_sweep_has_its_share_of_the_time_and_all_end_before_the_function_does(
    wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, spent, done = 300.0, dict[str, float](), list[str]()

    def endless(in_time: InTime) -> int:
        nonlocal left
        began = left
        while in_time():
            left -= 1
        spent[done[-1]] = began - left
        return 0

    for name, module in SWEEPS.items():
        monkeypatch.setattr(module, name, doing(name, done, (lambda _: 0) if name == "release_expired" else endless))

    nights.tidy(NOW, remaining=lambda: left, desk=wired)

    assert spent == dict.fromkeys(list(SWEEPS)[1:], 80.0), "what the first has left is shared by the others"
    assert left == nights.SPARE_SECONDS


def test_a_function_that_is_about_to_end_begins_nothing(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name, module in SWEEPS.items():
        monkeypatch.setattr(module, name, doing(name, done, lambda in_time: in_time()))

    assert nights.tidy(NOW, remaining=lambda: 30.0, desk=wired) == 0
