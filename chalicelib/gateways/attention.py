"""Asks for a person by a message on the queue where they look."""

from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.orders import Order
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsAttention:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._sqs = sqs
        self._name = name
        self._url: str | None = None

    def ask_for(self, order: Order, detail: str) -> None:
        """What has to be known to begin, and nothing of the customer's: who sees to it may look at the order."""
        told = {
            "account_id": order.account_id,
            "order_id": order.id,
            "detail": detail,
            "failure": order.failure,
            "payment_status": order.payment_status,
            "fulfillment_status": order.fulfillment_status,
            "history": order.history,
        }
        with calling("the queue of orders that need attention"):
            self._sqs.send_message(QueueUrl=self._queue_url(), MessageBody=to_json(told))

    def _queue_url(self) -> str:
        if self._url is None:
            self._url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url
