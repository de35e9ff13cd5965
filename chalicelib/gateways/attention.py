"""Asks for a person by a message on the queue where they look."""

from typing import TYPE_CHECKING

from chalicelib.domain.orders import Order
from chalicelib.gateways.sqs_queue import SqsQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsAttention:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._queue = SqsQueue(sqs, name, called="the queue of orders that need attention")

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
        self._queue.send(told)
