"""Starts orders' workflows in Step Functions, each under its order's id."""

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsWorkflow:
    def __init__(self, stepfunctions: "SFNClient", arn: str) -> None:
        self._stepfunctions = stepfunctions
        self._arn = arn

    def start(self, account_id: str, order_id: str) -> bool:
        """Of one that runs with this input Step Functions says that it was started now. A name is free again only 90 days after
        its execution has ended.
        """
        with calling("the order workflow"), suppress(self._stepfunctions.exceptions.ExecutionAlreadyExists):
            self._stepfunctions.start_execution(
                stateMachineArn=self._arn,
                name=order_id,
                input=to_json({"account_id": account_id, "order_id": order_id}),
            )
            return True
        return False
