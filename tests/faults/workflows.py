"""Step Functions: what was started there, and how far each execution has come, by its real definition."""

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.functions import Done, Outcome
from tests.faults.virtual_time import VirtualClock
from tests.state_machine import Call, Execution, ServiceError, walk


@dataclass(slots=True, eq=False)
class Running:
    """One execution; `call` is what comes next, when it is `due`, and `past` what has been called before, once each."""

    record: dict[str, Any]
    steps: Generator[Call, Any, Execution]
    call: Call
    due: float
    ends_at: float
    past: list[Call] = field(default_factory=list)


class Workflows:
    """MiniStack notes what is started and does not run it; the pump does that, call by call."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._known: set[str] = set()
        self.running: list[Running] = []

    def take_up(self) -> None:
        """What has been started since."""
        for record in executions():
            if record["executionArn"] not in self._known:
                self._known.add(record["executionArn"])
                self._begin(record)

    def due(self) -> list[Running]:
        return [each for each in self.running if each.due <= self._clock.seconds()]

    def go_on(self, running: Running, outcome: Outcome) -> None:
        """To the next call, or to the end."""
        if running.past[-1:] != [running.call]:
            running.past.append(running.call)
        try:
            if self._clock.seconds() > running.ends_at:
                self._end(running, "TIMED_OUT", "States.Timeout")
                return
            if isinstance(outcome, Done):
                running.call = running.steps.send(outcome.answer)
            else:
                running.call = running.steps.throw(ServiceError(_error_of(outcome)))
            running.due = self._clock.seconds() + running.call.pause
        except StopIteration as end:
            self._end(running, end.value.status, end.value.error)

    def _begin(self, record: dict[str, Any]) -> None:
        from ministack.services import stepfunctions

        definition = json.loads(stepfunctions._state_machines[record["stateMachineArn"]]["definition"])
        steps = walk(definition, json.loads(record["input"]))
        now = self._clock.seconds()
        self.running.append(Running(record, steps, next(steps), now, now + definition["TimeoutSeconds"]))

    def _end(self, running: Running, status: str, error: str | None) -> None:
        """As AWS tells it on the default bus."""
        from ministack.services import stepfunctions

        self.running.remove(running)
        running.record.update(status=status, stopDate=stepfunctions.now_iso(), error=error)
        stepfunctions._emit_execution_status_event(running.record)


def executions() -> list[dict[str, Any]]:
    """All that were ever started."""
    from ministack.services import stepfunctions

    return list(stepfunctions._executions.values())


def function_of(call: Call) -> str:
    return call.resource.rpartition(":")[2]


def with_functions(template: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """The resources that have a type; a function's ARN, which nobody makes here, is the prefix and its name in app.py."""
    resources = template["Resources"]

    def filled(part: Any) -> Any:
        if isinstance(part, list):
            return [filled(inner) for inner in part]
        if not isinstance(part, dict):
            return part
        name, attribute = part.get("Fn::GetAtt", ("", ""))
        if attribute == "Arn" and "Type" not in resources.get(name, {}):
            return prefix + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")
        return {key: filled(inner) for key, inner in part.items()}

    return ((name, filled(resource)) for name, resource in resources.items() if "Type" in resource)


def _error_of(outcome: Any) -> str:
    """As Step Functions may name it: of two deaths the definition retries the one and only catches the other."""
    if outcome.timed_out:
        return "Sandbox.Timedout"
    if outcome.died:
        return "Lambda.Unknown" if outcome.reason.startswith("before ") else "Runtime.ExitError"
    return str(outcome.reason.partition(":")[0])
