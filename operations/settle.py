"""Brings one order to its end that its workflow could not bring there, by calling the steps of its way back once more."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import DaybookError
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.orders import UNDOING, Order, Step, WorkflowStatus
from chalicelib.repositories.orders import DynamoOrders
from chalicelib.repositories.table import Table
from operations.deploy import Account
from operations.project import stages

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_stepfunctions import SFNClient

Call = Callable[[Step, Mapping[str, Any]], str]
"""Calls a step's function with the workflow's state; the class of its error, empty if it has none."""


class NotToBeSettled(Exception):
    """Says why."""


def settle(order: Order, call: Call) -> Iterator[tuple[Step, str]]:
    """Each step as it was called, and the class of its error. What fails stops none of those after it."""
    state: dict[str, Any] = {"account_id": order.account_id, "order_id": order.id}
    if order.only_to_be_confirmed:
        yield "OrderConfirmed", call("OrderConfirmed", state)
        return
    state["caught"] = {"Error": "WorkflowEnded"}  # of an order that goes back already, it knows why
    for step in (*UNDOING, "OrderFailed"):
        error = call(step, state)
        if error:
            state[step] = {"Error": error}
        yield step, error


class Workflow:
    """The deployed one: it knows its steps' functions, however they were deployed. Raises: NotToBeSettled if there is none."""

    def __init__(self, stepfunctions: "SFNClient", functions: "LambdaClient", name: str) -> None:
        self._stepfunctions = stepfunctions
        self._functions = functions
        pages = stepfunctions.get_paginator("list_state_machines").paginate()
        arns = [each["stateMachineArn"] for page in pages for each in page["stateMachines"] if each["name"] == name]
        if not arns:
            raise NotToBeSettled(f"cannot be settled: there is no workflow {name} here")
        self._arn = arns[0]
        self._states = json.loads(stepfunctions.describe_state_machine(stateMachineArn=self._arn)["definition"])["States"]

    def status_of(self, order: Order) -> str:
        """Of the order's execution, as Step Functions has it; empty if it has none."""
        execution = f"{self._arn.replace(':stateMachine:', ':execution:')}:{order.id}"
        with suppress(self._stepfunctions.exceptions.ExecutionDoesNotExist):
            return str(self._stepfunctions.describe_execution(executionArn=execution)["status"])
        return ""

    def call(self, step: Step, state: Mapping[str, Any]) -> str:
        answer = self._functions.invoke(FunctionName=self._states[step]["Resource"], Payload=json.dumps(state))
        failed = answer.get("FunctionError")
        return str(json.loads(answer["Payload"].read()).get("errorType", failed)) if failed else ""


def settle_order(stage: str, aws: Account, account_id: str, order_id: str) -> Iterator[tuple[Step, str]]:
    """As `settle`. Raises: NotFound, NotToBeSettled."""
    stepfunctions = aws.session.client("stepfunctions", endpoint_url=aws.endpoint)
    functions = aws.session.client("lambda", endpoint_url=aws.endpoint)
    workflow = Workflow(stepfunctions, functions, f"daybook-{stage}-orders")
    order = find_order(stage, aws, account_id, order_id)
    if order.settled:
        raise NotToBeSettled("is at its end")
    if order.workflow_status is WorkflowStatus.HELD:
        raise NotToBeSettled("is held")
    if order.under_way:
        match workflow.status_of(order):
            case "":
                raise NotToBeSettled("has no workflow yet, and gets it tonight")
            case "RUNNING":
                raise NotToBeSettled("goes on: its workflow runs")
    return settle(order, workflow.call)


def find_order(stage: str, aws: Account, account_id: str, order_id: str) -> Order:
    """Raises: NotFound."""
    dynamodb = aws.session.client("dynamodb", endpoint_url=aws.endpoint)
    return DynamoOrders(Table(dynamodb, f"daybook-{stage}")).get(account_id, order_id)


def main() -> None:
    parser = argparse.ArgumentParser(prog="settle", description="Bring an order to its end that its workflow could not.")
    parser.add_argument("--stage", required=True, choices=stages())
    parser.add_argument("--account", required=True, help="id of the order's account")
    parser.add_argument("--order", required=True, help="id of the order")
    parser.add_argument("--endpoint", help="address of a local AWS; AWS itself if left out and AWS_ENDPOINT_URL is not set")
    arguments = parser.parse_args()
    stage, account_id, order_id = arguments.stage, arguments.account, arguments.order
    if not is_id("acc", account_id) or not is_id("ord", order_id):
        sys.exit(f"{account_id}, {order_id}: these are not the ids of an account and an order.")
    try:
        aws = Account.of(boto3.Session(), arguments.endpoint)
        for step, error in settle_order(stage, aws, account_id, order_id):
            print(f"{step:18}{error or 'done'}", flush=True)
        order = find_order(stage, aws, account_id, order_id)
    except NotToBeSettled as reason:
        sys.exit(f"{order_id} {reason}.")
    except DaybookError as problem:
        sys.exit(f"{account_id}, {order_id}: {problem.detail}")
    except (BotoCoreError, ClientError) as fault:
        sys.exit(str(fault))
    print(f"{order.id} is {order.status}, {order.workflow_status}, {order.payment_status}, {order.fulfillment_status}.")
    if not order.settled:
        sys.exit("It is not settled yet.")


if __name__ == "__main__":
    main()
