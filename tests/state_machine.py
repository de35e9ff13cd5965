"""Runs a definition in the Amazon States Language, as far as ours goes (states-language.net/spec.html).

What it does not know it refuses, so that a definition that grows is not run wrongly.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
Invoke = Callable[[str, Json], Json]
"""Calls a task's resource; what it raises is the task's error, by the name of its class or its `error_name`."""

_FIELDS = {
    "Task": {"Resource", "Parameters", "ResultPath", "TimeoutSeconds", "Retry", "Catch", "Next", "End"},
    "Pass": {"Result", "ResultPath", "Next"},
    "Choice": {"Choices", "Default"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
}
_RETRIER = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"}
_CATCHER = {"ErrorEquals", "ResultPath", "Next"}


class ServiceError(Exception):
    """An error of the services that no class of ours stands for, such as States.Timeout."""

    def __init__(self, error_name: str) -> None:
        super().__init__(error_name)
        self.error_name = error_name


@dataclass(frozen=True, slots=True)
class Execution:
    """`states` as they were entered; `waits` before each retry, at their longest; `error` of a failed one."""

    status: str
    states: tuple[str, ...]
    waits: tuple[float, ...]
    output: Json
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A task's resource, and what it is to be called with after a pause; of a retry the longest that there may be."""

    state: str
    resource: str
    payload: Json
    pause: float = 0


def run(definition: Mapping[str, Json], given: Json, invoke: Invoke) -> Execution:
    """Without any pause."""
    going = walk(definition, given)
    try:
        call = next(going)
        while True:
            try:
                result = invoke(call.resource, call.payload)
            except Exception as problem:  # noqa: BLE001  whatever a function raises is its step's error
                call = going.throw(problem)
            else:
                call = going.send(result)
    except StopIteration as end:
        ended: Execution = end.value
        return ended


def walk(definition: Mapping[str, Json], given: Json) -> Generator[Call, Json, Execution]:
    """From call to call: whoever walks sends in what came of each, or throws in its error."""
    states: list[str] = []
    waits: list[float] = []
    name: str | None = definition["StartAt"]
    while name is not None:
        states.append(name)
        state = definition["States"][name]
        kind = state["Type"]
        _refuse_unknown(state.keys() - {"Type", "Comment"}, _FIELDS[kind])
        if kind == "Succeed":
            break
        if kind == "Fail":
            return Execution("FAILED", tuple(states), tuple(waits), given, state["Error"])
        if kind == "Pass":
            given, name = _placed(given, state["Result"], state["ResultPath"]), state["Next"]
        elif kind == "Choice":
            name = next((rule["Next"] for rule in state["Choices"] if _holds(rule, given)), state["Default"])
        else:
            try:
                given, name = yield from _task(name, state, given, waits)
            except _Uncaught as uncaught:
                return Execution("FAILED", tuple(states), tuple(waits), given, uncaught.args[0])
    return Execution("SUCCEEDED", tuple(states), tuple(waits), given)


def matches(names: list[str], error: str) -> bool:
    """Whether an ErrorEquals has the error; the two wildcards as the specification has them."""
    return error in names or "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def delays(retrier: Mapping[str, Json]) -> list[float]:
    """Before each retry, without jitter, which only shortens them."""
    first, rate, most = retrier["IntervalSeconds"], retrier["BackoffRate"], retrier.get("MaxDelaySeconds", float("inf"))
    return [min(first * rate**done, most) for done in range(retrier["MaxAttempts"])]


class _Uncaught(Exception):
    """Ends the execution."""


def _task(
    name: str, state: Mapping[str, Json], given: Json, waits: list[float]
) -> Generator[Call, Json, tuple[Json, str | None]]:
    payload = _filled(state["Parameters"], given) if "Parameters" in state else given
    retries = [delays(retrier) for retrier in state["Retry"]]
    for clause, known in (("Retry", _RETRIER), ("Catch", _CATCHER)):
        for part in state[clause]:
            _refuse_unknown(part.keys(), known)
    pause = 0.0
    while True:
        try:
            result = yield Call(name, state["Resource"], payload, pause)
        except Exception as problem:  # whatever a function raises is its step's error
            error = getattr(problem, "error_name", type(problem).__name__)
            place = next((at for at, retrier in enumerate(state["Retry"]) if matches(retrier["ErrorEquals"], error)), None)
            if place is not None and retries[place]:
                pause = retries[place].pop(0)
                waits.append(pause)
                continue
            for catcher in state["Catch"]:
                if matches(catcher["ErrorEquals"], error):
                    return _placed(given, {"Error": error, "Cause": str(problem)}, catcher["ResultPath"]), catcher["Next"]
            raise _Uncaught(error) from problem
        return _placed(given, result, state["ResultPath"]), state.get("Next")


def _filled(template: Mapping[str, Json], given: Json) -> dict[str, Json]:
    return {name.removesuffix(".$"): _found(part, given) if name.endswith(".$") else part for name, part in template.items()}


def _found(path: str, given: Json) -> Json:
    for name in path.split(".")[1:]:  # "$" is the whole
        given = given[name]
    return given


def _placed(given: Json, result: Json, path: str | None) -> Json:
    """None keeps the input; of paths only those to a member of the whole."""
    return given if path is None else {**given, path.removeprefix("$."): result}


def _holds(rule: Mapping[str, Json], given: Json) -> bool:
    _refuse_unknown(rule.keys(), {"Variable", "IsPresent", "StringEquals", "Next"})
    name = rule["Variable"].removeprefix("$.")
    if "IsPresent" in rule:
        return bool((name in given) == rule["IsPresent"])
    return bool(given[name] == rule["StringEquals"])


def _refuse_unknown(found: Any, known: set[str]) -> None:
    unknown = set(found) - known
    if unknown:
        raise NotImplementedError(f"nobody taught these to this interpreter: {sorted(unknown)}")
