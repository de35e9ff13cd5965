import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.domain.errors import Unavailable
from chalicelib.gateways.order_workflow import StepFunctionsWorkflow

Scripted = Callable[[str], tuple[Any, Stubber]]
ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:daybook-test-orders"
REQUEST = {"stateMachineArn": ARN, "name": "ord_1", "input": '{"account_id":"acc_1","order_id":"ord_1"}'}


def machine(stepfunctions: Any) -> str:
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    made = stepfunctions.create_state_machine(
        name="daybook-test-orders", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
    )
    return str(made["stateMachineArn"])


def test_an_execution_has_the_orders_id_for_its_name_and_is_given_account_and_order(aws: Callable[..., Any]) -> None:
    stepfunctions = aws("stepfunctions")
    arn = machine(stepfunctions)

    assert StepFunctionsWorkflow(stepfunctions, arn).start("acc_1", "ord_1")

    [execution] = stepfunctions.list_executions(stateMachineArn=arn)["executions"]
    described = stepfunctions.describe_execution(executionArn=execution["executionArn"])
    assert described["name"] == "ord_1"
    assert json.loads(described["input"]) == {"account_id": "acc_1", "order_id": "ord_1"}


def test_an_order_has_one_execution_however_often_it_is_started(aws: Callable[..., Any]) -> None:
    stepfunctions = aws("stepfunctions")
    workflow = StepFunctionsWorkflow(stepfunctions, machine(stepfunctions))

    for order_id in ("ord_1", "ord_2", "ord_1", "ord_1"):
        workflow.start("acc_1", order_id)

    [arn] = [one["stateMachineArn"] for one in stepfunctions.list_state_machines()["stateMachines"]]
    executions = stepfunctions.list_executions(stateMachineArn=arn)["executions"]
    assert sorted(execution["name"] for execution in executions) == ["ord_1", "ord_2"]


def test_a_workflow_that_has_ended_is_not_started_again(scripted: Scripted) -> None:
    client, aws = scripted("stepfunctions")
    aws.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=REQUEST, http_status_code=400)

    assert not StepFunctionsWorkflow(client, ARN).start("acc_1", "ord_1")


@pytest.mark.parametrize(
    "code", ["ExecutionLimitExceeded", "StateMachineDoesNotExist", "ThrottlingException", "InternalFailure"]
)
def test_a_workflow_that_does_not_start_is_unavailable(code: str, scripted: Scripted) -> None:
    client, aws = scripted("stepfunctions")
    aws.add_client_error("start_execution", code, expected_params=REQUEST)

    with pytest.raises(Unavailable):
        StepFunctionsWorkflow(client, ARN).start("acc_1", "ord_1")
