"""Brings one order to its end that its workflow could not bring there, by calling the steps of its way back once more."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import DaybookError, NotFound
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.orders import UNDOING, Order, Step
from chalicelib.repositories.orders import DynamoOrders
from chalicelib.repositories.table import Table
from operations.deploy import Account
from operations.project import stages

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_stepfunctions import SFNClient

Call = Callable[[Step, Mapping[str, Any]], str]
"""Calls a step's function with the workflow's state; the class of its error, empty if it has none."""


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
    """The deployed one: it knows its steps' functions, however they were deployed."""

    def __init__(self, stepfunctions: "SFNClient", functions: "LambdaClient", name: str) -> None:
        self._stepfunctions = stepfunctions
        self._functions = functions
        pages = stepfunctions.get_paginator("list_state_machines").paginate()
        self._arn = next(each["stateMachineArn"] for page in pages for each in page["stateMachines"] if each["name"] == name)
        self._states = json.loads(stepfunctions.describe_state_machine(stateMachineArn=self._arn)["definition"])["States"]

    def status_of(self, order: Order) -> str:
        """Of the order's execution, as Step Functions has it; empty if it has none."""
        execution = f"{self._arn.replace(':stateMachine:', ':execution:')}:{order.id}"
        try:
            return self._stepfunctions.describe_execution(executionArn=execution)["status"]
        except self._stepfunctions.exceptions.ExecutionDoesNotExist:
            return ""

    def call(self, step: Step, state: Mapping[str, Any]) -> str:
        answer = self._functions.invoke(FunctionName=self._states[step]["Resource"], Payload=json.dumps(state))
        said = json.loads(answer["Payload"].read() or "null")
        return str(said.get("errorType", answer["FunctionError"])) if "FunctionError" in answer else ""


def why_not(order: Order, workflow: Workflow) -> str:
    """Why it is not to be settled; empty if it is."""
    if order.settled:
        return "it is at its end"
    if not order.under_way:
        return "" if order.ended else "it is held"
    status = workflow.status_of(order)
    if status == "":
        return "its workflow has not begun; the night starts it"
    return "its workflow goes on" if status == "RUNNING" else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="settle", description="Bring an order to its end that its workflow could not.")
    parser.add_argument("--stage", required=True, choices=stages())
    parser.add_argument("--account", required=True, help="id of the order's account")
    parser.add_argument("--order", required=True, help="id of the order")
    parser.add_argument("--endpoint", help="address of a local AWS; AWS itself if left out and AWS_ENDPOINT_URL is not set")
    arguments = parser.parse_args()
    for kind, given in (("acc", arguments.account), ("ord", arguments.order)):
        if not is_id(kind, given):
            sys.exit(f"{given} is not an id that begins with {kind}_.")
    name = f"daybook-{arguments.stage}"
    try:
        aws = Account.of(boto3.Session(), arguments.endpoint)
        stepfunctions, functions, dynamodb = (
            aws.session.client(service, endpoint_url=aws.endpoint) for service in ("stepfunctions", "lambda", "dynamodb")
        )
        orders = DynamoOrders(Table(dynamodb, name))
        workflow = Workflow(stepfunctions, functions, f"{name}-orders")
        order = orders.get(arguments.account, arguments.order)
        if reason := why_not(order, workflow):
            sys.exit(f"{order.id} is not to be settled: {reason}.")
        for step, error in settle(order, workflow.call):
            print(f"{step:18}{error or 'done'}", flush=True)
        order = orders.get(arguments.account, arguments.order)
    except NotFound:
        sys.exit(f"{arguments.account} has no order {arguments.order}.")
    except DaybookError as problem:
        sys.exit(problem.detail)
    except (BotoCoreError, ClientError) as fault:
        sys.exit(str(fault))
    print(f"{order.id} is {order.status}, {order.workflow_status}; {order.payment_status}, {order.fulfillment_status}")
    if not order.settled:
        sys.exit("It is not settled yet.")


if __name__ == "__main__":
    main()
