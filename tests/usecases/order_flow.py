"""The order's workflow, by its own definition, one call at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from chalicelib.domain.errors import DaybookError
from chalicelib.domain.orders import OrderJob
from chalicelib.edge.steps import StepInput
from chalicelib.usecases import order_steps as steps
from operations.project import ROOT
from tests import state_machine
from tests.state_machine import Call

DEFINITION: Mapping[str, Any] = json.loads((ROOT / ".chalice" / "order_workflow.asl.json").read_text())


class Crash(BaseException):
    """The function died: nothing of ours catches that. Step Functions sees Lambda.Unknown, and runs the state again."""


class Execution:
    """One run of the workflow. `ended_well` is None as long as it goes on; `visited` are its calls, once each, `states` those
    that it has been in, once it has ended.
    """

    def __init__(self, job: OrderJob) -> None:
        self._walk = state_machine.walk(DEFINITION, {"account_id": job.account_id, "order_id": job.order_id})
        self._call = next(self._walk)
        self.ended_well: bool | None = None
        self.states: tuple[str, ...] = ()
        self.visited: list[Call] = []
        self.failures = 0

    @property
    def state(self) -> str:
        return self._call.state

    def step(self, shop: Any) -> None:
        """Runs the task once more: it goes on, is tried again, or its error is caught."""
        before = self._call
        if not self.visited or self.visited[-1].state != before.state:
            self.visited.append(before)
        try:
            self._call = self._go_on(shop)
        except StopIteration as end:
            self.states, self.ended_well = end.value.states, end.value.status == "SUCCEEDED"
        self.failures = self.failures + 1 if self._call.pause else 0

    def run(self, shop: Any) -> Execution:
        """To its end."""
        while self.ended_well is None:
            self.step(shop)
        return self

    def again(self, place: int, shop: Any) -> None:
        """A task that was run comes once more, late; what becomes of that, nobody waits for."""
        with suppress(DaybookError):
            work_of(self.visited[place])(shop=shop)

    def _go_on(self, shop: Any) -> Call:
        try:
            work_of(self._call)(shop=shop)
        except Crash:
            return self._walk.throw(state_machine.ServiceError("Lambda.Unknown"))
        except DaybookError as error:
            return self._walk.throw(error)
        return self._walk.send(None)


def work_of(call: Call) -> Callable[..., None]:
    return partial(run_step, call.state, call.payload)


def run_step(state: str, payload: Mapping[str, Any], *, shop: Any) -> None:
    """As app.py has it: ${FailOrder} is fail_order, and reads what it is handed from JSON."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", DEFINITION["States"][state]["Resource"].strip("${}")).lower()
    given = StepInput(json.loads(json.dumps(payload)))
    news = (given.news,) if name == "notify_customer" else ()
    getattr(steps, name)(given.job, *news, shop=shop)


class Interrupting:
    """A shop to whose ports something happens before or after some calls: they fail, die, or somebody else comes first."""

    def __init__(self, shop: Any, place: int, *, after: bool, happens: Callable[[], object], times: int = 1) -> None:
        self._shop = shop
        self._left = place
        self._after = after
        self._happens = happens
        self._times = times
        self.happened_at = ""

    def __getattr__(self, name: str) -> Any:
        port = getattr(self._shop, name)
        return port if name == "clock" else _Port(self, name, port)

    def call(self, name: str, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        due = -self._times < self._left <= 0
        self._left -= 1
        if due and not self._after:
            self.happened_at = name
            self._happens()
        answer = method(*arguments, **named)
        if due and self._after:
            self.happened_at = name
            self._happens()
        return answer


class _Port:
    def __init__(self, shop: Interrupting, name: str, port: Any) -> None:
        self._shop = shop
        self._name = name
        self._port = port

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        return lambda *arguments, **named: self._shop.call(f"{self._name}.{method}", found, arguments, named)
