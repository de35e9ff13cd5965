"""The interpreter that the fault harness runs orders' workflows with takes the states that the deployed workflow takes."""

import json
from typing import Any

import pytest

from operations.project import ROOT
from tests.e2e.conftest import Deployed, User
from tests.state_machine import ServiceError, run

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

ADDRESS = {"name": "Charles", "street": "Dorset Street 1", "city": "London", "postal_code": "W1U 4EE", "country": "GB"}


@pytest.fixture
def shop(deployed: Deployed) -> User:
    user = User(deployed.url)
    user.ask("PUT", "/v1/products/lantern", {"name": "Lantern", "price": "12.50", "stock": 20}, status=201)
    return user


def history_of(deployed: Deployed, order_id: str) -> list[dict[str, Any]]:
    """Once the execution has ended."""
    stepfunctions = deployed.client("stepfunctions")
    workflow = deployed.deployment.outputs["OrderWorkflowArn"]

    def ended() -> str | None:
        pages = stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=workflow)
        found = [each for page in pages for each in page["executions"] if each["name"] == order_id]
        return found[0]["executionArn"] if found and found[0]["status"] != "RUNNING" else None

    arn = deployed.wait_for(ended)
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


@pytest.mark.parametrize(
    ("more", "last"),
    [
        ({}, "Confirmed"),
        ({"payment_method": "gateway_error_twice"}, "Confirmed"),
        ({"payment_method": "declined"}, "OrderFailed"),
        ({"quantity": 21}, "OrderFailed"),
        ({"shipping_address": {**ADDRESS, "postal_code": "000 1"}}, "OrderFailed"),
        ({"payment_method": "refund_error", "shipping_address": {**ADDRESS, "postal_code": "000 1"}}, "GivenUp"),
    ],
    ids=["confirmed", "confirmed at the third try", "declined", "out of stock", "not served", "not undone"],
)
def test_the_interpreter_and_the_deployed_workflow_take_the_same_states(
    deployed: Deployed, shop: User, more: dict[str, Any], last: str
) -> None:
    body = {"customer_id": "CUST001", "product_id": "lantern", "quantity": 1, "shipping_address": ADDRESS}
    placed = shop.ask("POST", "/v1/orders", {**body, "payment_method": "card", **more}, status=201)
    events = history_of(deployed, placed["order_id"])
    states = tuple(event["stateEnteredEventDetails"]["name"] for event in events if event["type"].endswith("StateEntered"))
    # What became of each call, in turn: the interpreter is told the same.
    outcomes = [event for event in events if event["type"] in {"TaskSucceeded", "TaskFailed"}]
    given = json.loads(events[0]["executionStartedEventDetails"]["input"])

    def invoke(_resource: str, _payload: object) -> None:
        outcome = outcomes.pop(0)
        if outcome["type"] == "TaskFailed":
            raise ServiceError(outcome["taskFailedEventDetails"]["error"])

    definition = json.loads((ROOT / ".chalice" / "order_workflow.asl.json").read_text())
    execution = run(definition, given, invoke)

    assert execution.states == states
    assert states[-1] == last
    assert outcomes == [], "neither tries anything that the other does not"
    assert f"Execution{execution.status.capitalize()}" == events[-1]["type"]
