"""The workflow of orders, as its definition says it: what is retried, what is caught, and where each failure leads."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from statelint.linter import Linter

import app as daybook
from chalicelib.domain import errors
from chalicelib.domain.orders import RESERVED_FOR
from operations.project import ROOT, chalice_config
from tests.state_machine import ServiceError, delays, matches, run

Json = dict[str, Any]

FILE = ROOT / ".chalice" / "order_workflow.asl.json"
DEFINITION: Json = json.loads(FILE.read_text())
STATES: Json = DEFINITION["States"]
TASKS: Json = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
OF_LAMBDA = {
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.Timeout",
}
"""What may heal, by the names that Lambda and Step Functions give it: docs.aws.amazon.com/step-functions/latest/dg/
bp-lambda-serviceexception.html, which also says that a function's own timeout is told as Sandbox.Timedout or Lambda.Unknown."""
THROTTLED = ["Lambda.TooManyRequestsException"]
TRANSIENT = {"Unavailable", "Contended"} | OF_LAMBDA
ASKS_THE_PROCESSOR = {"ProcessPayment", "RefundPayment"}
UNDOING = {"VoidShipment", "RefundPayment", "ReleaseInventory", "OrderFailed", "OrderConfirmed", "CompensationFailed"}
"""Also what must be noted at the end: after these only a person can help."""
FORWARD = ("ValidateOrder", "ReserveInventory", "ProcessPayment", "CreateShipment", "SendConfirmation", "OrderConfirmed")
GIVE_BACK = ("RefundPayment", "ReleaseInventory", "ChooseNews")
PATHS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ValidateOrder": {
        "ValidationError": ("NotifyValidationFailed", "OrderFailed"),
        "CancelRequested": ("OrderFailed",),
        "States.Timeout": ("OrderFailed",),
        "NotFound": ("OrderFailed",),
        "OutOfTurn": ("OrderFailed",),
    },
    "ReserveInventory": {
        "OutOfStock": ("NotifyOutOfStock", "OrderFailed"),
        "ValidationError": ("NotifyValidationFailed", "OrderFailed"),
        "CancelRequested": ("ReleaseInventory", "ChooseNews", "OrderFailed"),
        "OutOfTurn": ("ReleaseInventory", "ChooseNews", "OrderFailed"),
        "States.Timeout": ("ReleaseInventory", "ChooseNews", "OrderFailed"),
    },
    "ProcessPayment": {
        "PaymentDeclined": ("PaymentRefused", *GIVE_BACK, "NotifyPaymentFailed", "OrderFailed"),
        "InsufficientFunds": ("PaymentRefused", *GIVE_BACK, "NotifyPaymentFailed", "OrderFailed"),
        "ReservationExpired": ("ReservationLost", *GIVE_BACK, "NotifyOutOfStock", "OrderFailed"),
        "CancelRequested": (*GIVE_BACK, "OrderFailed"),
        "PaymentGatewayError": ("PaymentUnclear", *GIVE_BACK, "NotifyPaymentFailed", "OrderFailed"),
        "OutOfTurn": ("PaymentUnclear", *GIVE_BACK, "NotifyPaymentFailed", "OrderFailed"),
        "States.Timeout": ("PaymentUnclear", *GIVE_BACK, "NotifyPaymentFailed", "OrderFailed"),
        "Runtime.ExitError": ("PaymentUnclear", *GIVE_BACK, "NotifyPaymentFailed", "OrderFailed"),
    },
    "CreateShipment": {
        "CancelRequested": (*GIVE_BACK, "OrderFailed"),
        "ShippingError": ("ShippingFailed", "VoidShipment", *GIVE_BACK, "NotifyShippingFailed", "OrderFailed"),
        "OutOfTurn": ("ShippingFailed", "VoidShipment", *GIVE_BACK, "NotifyShippingFailed", "OrderFailed"),
        "Unavailable": ("ShippingFailed", "VoidShipment", *GIVE_BACK, "NotifyShippingFailed", "OrderFailed"),
        "States.Timeout": ("ShippingFailed", "VoidShipment", *GIVE_BACK, "NotifyShippingFailed", "OrderFailed"),
    },
    "SendConfirmation": {
        "OutOfTurn": ("OrderConfirmed", "Confirmed"),
        "Unavailable": ("OrderConfirmed", "Confirmed"),
        "ValueError": ("OrderConfirmed", "Confirmed"),
    },
    "OrderConfirmed": {
        "OutOfTurn": ("NotConfirmed",),
        "Unavailable": ("NotConfirmed",),
        "ValueError": ("NotConfirmed",),
    },
}
"""What follows on a state that fails so, retries and all."""


def function_of(state: str) -> str:
    """The use case of a task, which is also the name of its function in app.py: ${ValidateOrder} -> validate_order."""
    placeholder = re.fullmatch(r"\$\{(\w+)\}", TASKS[state]["Resource"])
    assert placeholder is not None, state
    return re.sub(r"(?<!^)(?=[A-Z])", "_", placeholder[1]).lower()


def clauses(which: str, states: Mapping[str, Json] = TASKS) -> Iterator[tuple[str, Json]]:
    for name, state in states.items():
        for clause in state[which]:
            yield name, clause


def walk(failing: Mapping[str, str]) -> tuple[str, tuple[str, ...], list[tuple[str, Json]]]:
    """Status and states of an execution in which those states fail, however often they are tried; and what each task was
    handed at its first try."""
    handed: list[tuple[str, Json]] = []
    by_resource: dict[str, list[str]] = {}
    for name, task in TASKS.items():
        by_resource.setdefault(task["Resource"], []).append(name)

    def invoke(resource: str, payload: Json) -> None:
        names = by_resource[resource]
        told = [name for name in names if payload.get("news") == TASKS[name].get("Parameters", {}).get("news")]
        name = told[0] if len(names) > 1 else names[0]
        if not handed or handed[-1][0] != name:
            handed.append((name, payload))
        if name in failing:
            raise ServiceError(failing[name])

    execution = run(DEFINITION, {"account_id": "acc_1", "order_id": "ord_1"}, invoke)
    return execution.status, execution.states, handed


def raised_by_use_cases() -> dict[str, set[str]]:
    """What each step says that it raises."""
    tree = ast.parse(Path(ROOT, "chalicelib/usecases/order_steps.py").read_text())
    said = {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name: set(re.findall(r"\w+", text.partition("Raises:")[2].split(".")[0])) for name, text in said.items()}


# Errors


def test_every_error_is_one_of_the_services_or_a_class_of_ours() -> None:
    for which in ("Retry", "Catch"):
        for state, clause in clauses(which):
            for name in clause["ErrorEquals"]:
                ours = getattr(errors, name, None)
                known = name in OF_LAMBDA | {"States.ALL", *THROTTLED} or (
                    isinstance(ours, type) and issubclass(ours, errors.DaybookError)
                )
                assert known, (state, name)


def test_only_what_may_heal_is_retried() -> None:
    for state, task in TASKS.items():
        throttled, transient = task["Retry"]
        ours = {"PaymentGatewayError"} if state in ASKS_THE_PROCESSOR else set()
        assert throttled["ErrorEquals"] == THROTTLED, state
        assert set(transient["ErrorEquals"]) == TRANSIENT | ours, state


def test_every_task_is_retried_with_growing_pauses_and_undoing_at_least_three_times() -> None:
    for state, retrier in clauses("Retry"):
        pauses = delays(retrier)
        assert len(pauses) >= 3, state
        assert pauses == sorted(pauses), state
        assert pauses[0] < pauses[1] < pauses[2], state
    patience = {state: sum(delays(task["Retry"][1])) for state, task in TASKS.items()}
    forward = max(patience[state] for state in patience.keys() - UNDOING)
    assert all(patience[state] > 5 * forward for state in UNDOING), "a person is asked last"


def test_who_is_throttled_waits_longer_and_all_at_different_times() -> None:
    for state, task in TASKS.items():
        throttled, transient = task["Retry"]
        assert throttled["JitterStrategy"] == "FULL", state
        assert delays(throttled)[0] >= delays(transient)[0], state
        assert sum(delays(throttled)) > 2 * sum(delays(transient)) or state == "OrderConfirmed", state


def test_every_task_catches_everything_and_last() -> None:
    for name, task in TASKS.items():
        *before, last = task["Catch"]
        assert last["ErrorEquals"] == ["States.ALL"], name
        assert all("States.ALL" not in catcher["ErrorEquals"] for catcher in before), name


def test_where_each_error_of_a_step_leads_is_written_down_here() -> None:
    raised = raised_by_use_cases()
    for state, failures in PATHS.items():
        assert raised[function_of(state)] <= failures.keys(), state
    assert raised["process_payment"] >= {"PaymentDeclined", "PaymentGatewayError"}, "the docstrings are read"


def test_an_error_that_is_caught_by_name_is_one_that_the_step_raises() -> None:
    raised = raised_by_use_cases()
    for state, catcher in clauses("Catch"):
        assert set(catcher["ErrorEquals"]) - {"States.ALL"} <= raised[function_of(state)], state


# Time


@cache
def longest(state: str) -> float:
    """Seconds until an execution ends that enters the state, if everything takes as long and fails as often as it may."""
    return spent_in(state) + max((longest(following) for following in after(state)), default=0.0)


def spent_in(name: str) -> float:
    state = STATES[name]
    if state["Type"] != "Task":
        return 0.0
    throttled, transient = map(delays, state["Retry"])  # what is throttled is refused at once
    return float(state["TimeoutSeconds"] * (1 + len(transient)) + sum(transient) + sum(throttled))


def after(name: str) -> list[str]:
    state = STATES[name]
    following = [clause["Next"] for clause in [*state.get("Catch", []), *state.get("Choices", [])]]
    return following + [state[field] for field in ("Next", "Default") if field in state]


def test_a_task_that_is_given_up_has_ended() -> None:
    for name, task in TASKS.items():
        allowed = chalice_config()["lambda_functions"][function_of(name)]["lambda_timeout"]
        assert task["TimeoutSeconds"] >= allowed + 10, f"{name}: its function may begin late, and would go on unseen"


def test_the_units_are_reserved_for_longer_than_reserving_and_paying_can_take() -> None:
    assert timedelta(seconds=spent_in("ReserveInventory") + spent_in("ProcessPayment")) < RESERVED_FOR


def test_an_execution_has_time_for_the_longest_way_back() -> None:
    assert longest(DEFINITION["StartAt"]) < DEFINITION["TimeoutSeconds"] < timedelta(days=1).total_seconds()


# Paths


def test_every_path_ends_and_every_state_can_be_reached() -> None:
    reached: set[str] = set()

    def follow(name: str, before: tuple[str, ...]) -> None:
        assert name not in before, f"a loop: {before} -> {name}"
        reached.add(name)
        state = STATES[name]
        ends = state["Type"] in {"Succeed", "Fail"} or state.get("End") is True
        assert ends != bool(state.get("Next") or state.get("Default")), name
        for following in after(name):
            follow(following, (*before, name))

    follow(DEFINITION["StartAt"], ())
    assert reached == STATES.keys()


def test_all_goes_well() -> None:
    status, states, handed = walk({})
    assert (status, states) == ("SUCCEEDED", (*FORWARD, "Confirmed"))
    assert [payload for _, payload in handed] == [{"account_id": "acc_1", "order_id": "ord_1"}] * len(FORWARD)


@pytest.mark.parametrize(("state", "error"), [(state, error) for state, known in PATHS.items() for error in known])
def test_a_failure_leads_where_it_should(state: str, error: str) -> None:
    status, states, handed = walk({state: error})
    assert states == (*FORWARD[: FORWARD.index(state) + 1], *PATHS[state][error])
    assert status == ("FAILED" if states[-1] == "NotConfirmed" else "SUCCEEDED")
    for name, payload in handed:
        given = payload["given"] if name.startswith("Notify") else payload
        assert (given["account_id"], given["order_id"]) == ("acc_1", "ord_1"), name
        if name not in FORWARD:
            assert given["caught"]["Error"] == error, name


BACK = ("VoidShipment", "RefundPayment", "ReleaseInventory")
ALL_THE_WAY_BACK = ("ShippingFailed", *BACK, "ChooseNews", "NotifyShippingFailed", "OrderFailed")


def failures_in(payload: Json) -> dict[str, str]:
    given = payload.get("given", payload)
    return {name: given[name]["Error"] for name in (*BACK, "NotifyCustomer", "OrderFailed") if name in given}


@pytest.mark.parametrize("failing", [BACK[:1], BACK[1:2], BACK[2:], BACK])
@pytest.mark.parametrize("error", ["PaymentGatewayError", "NotUndone", "States.Timeout", "KeyError"])
def test_a_step_back_that_fails_stops_none_of_those_after_it(failing: tuple[str, ...], error: str) -> None:
    status, states, handed = walk({"CreateShipment": "ShippingError", **dict.fromkeys(failing, error)})
    assert (status, states) == ("SUCCEEDED", (*FORWARD[:4], *ALL_THE_WAY_BACK))
    for at, (name, payload) in enumerate(handed):
        before = {step: error for step, _ in handed[:at] if step in failing}
        assert failures_in(payload) == before, f"{name} is told of what was not done before it"
    assert handed[-1][1]["caught"]["Error"] == "ShippingError", "and still why it goes back"


def test_what_is_not_undone_is_for_a_person() -> None:
    status, states, handed = walk(
        {"CreateShipment": "ShippingError", "RefundPayment": "PaymentGatewayError", "OrderFailed": "NotUndone"}
    )
    assert (status, states) == ("FAILED", (*FORWARD[:4], *ALL_THE_WAY_BACK, "CompensationFailed", "GivenUp"))
    assert failures_in(handed[-1][1]) == {"RefundPayment": "PaymentGatewayError", "OrderFailed": "NotUndone"}


def test_an_order_that_cannot_even_be_given_up_ends_as_a_failed_execution() -> None:
    failing = dict.fromkeys(("ValidateOrder", "OrderFailed", "CompensationFailed"), "Unavailable")
    status, states, _ = walk(failing)
    assert (status, states[-2:]) == ("FAILED", ("CompensationFailed", "GivenUp"))


@pytest.mark.parametrize(
    ("state", "error", "news"),
    [
        ("ValidateOrder", "ValidationError", "NotifyValidationFailed"),
        ("ReserveInventory", "OutOfStock", "NotifyOutOfStock"),
        ("ProcessPayment", "PaymentDeclined", "NotifyPaymentFailed"),
        ("CreateShipment", "ShippingError", "NotifyShippingFailed"),
    ],
)
def test_news_that_cannot_be_told_hide_nothing_of_what_failed_and_are_noted_as_lost(state: str, error: str, news: str) -> None:
    status, states, handed = walk({state: error, news: "Unavailable"})
    assert (status, states[-2:]) == ("SUCCEEDED", (news, "OrderFailed"))
    assert handed[-1][1]["caught"]["Error"] == error
    assert failures_in(handed[-1][1]) == {"NotifyCustomer": "Unavailable"}


def test_a_confirmation_that_is_lost_is_noted_as_lost() -> None:
    _, states, handed = walk({"SendConfirmation": "Unavailable"})
    assert states == (*FORWARD, "Confirmed")
    assert handed[-1][1]["SendConfirmation"]["Error"] == "Unavailable"


def test_what_heals_after_two_tries_changes_no_path() -> None:
    tries = 0

    def invoke(resource: str, payload: Json) -> None:
        nonlocal tries
        if resource == TASKS["ProcessPayment"]["Resource"]:
            tries += 1
            if tries < 3:
                raise errors.PaymentGatewayError

    execution = run(DEFINITION, {"account_id": "acc_1", "order_id": "ord_1"}, invoke)
    assert (execution.states, execution.waits, tries) == ((*FORWARD, "Confirmed"), (2, 4), 3)


# Functions


def test_every_step_of_the_application_is_called_and_nothing_else() -> None:
    steps = {function.name for function in daybook.app.pure_lambda_functions}
    assert {function_of(state) for state in TASKS} == steps
    assert len(steps) == 12
    assert {function.handler_string for function in daybook.app.pure_lambda_functions} == {f"app.{step}" for step in steps}
    assert all(hasattr(daybook, step) for step in steps), "Lambda looks for it there"


def test_the_definition_is_well_formed() -> None:
    filled = re.sub(r"\$\{(\w+)\}", r"arn:aws:lambda:eu-central-1:123456789012:function:\1", FILE.read_text())
    assert Linter.validate(filled) == []
    assert Linter.validate(filled.replace('"Next": "ReserveInventory"', '"Next": "Nowhere"')) != []


def test_every_state_says_what_it_is_for() -> None:
    assert [name for name, state in STATES.items() if not state.get("Comment")] == []


@pytest.mark.parametrize("wrong", ["States.Timeout", "Lambda.Unknown"])
def test_a_wildcard_of_failed_tasks_has_no_timeouts(wrong: str) -> None:
    assert matches(["States.TaskFailed"], wrong) == (wrong != "States.Timeout")
