"""Tells a shop's customers through SNS. Subscribers can filter by the message's attributes, and its body is all they need.

At least once: SNS knows no key for a standard topic. `order_id` and `type` tell a repetition.
"""

from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.orders import News, Order, OrderStatus
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


class SnsCustomers:
    """`topic` is an ARN: SNS knows topics by no other name."""

    def __init__(self, sns: "SNSClient", topic: str) -> None:
        self._sns = sns
        self._topic = topic

    def tell(self, order: Order, news: News) -> None:
        with calling("the news service"):
            self._sns.publish(
                TopicArn=self._topic,
                Message=to_json(_message(order, news)),
                MessageAttributes={
                    "type": _text(news),
                    "account_id": _text(order.account_id),
                    "customer_id": _text(order.customer_id),
                },
            )


def _message(order: Order, news: News) -> dict[str, object]:
    return {
        "type": news,
        "account_id": order.account_id,
        "order_id": order.id,
        "customer_id": order.customer_id,
        "status": _outcome(order, news),
        "failure": order.failure,
        "total_amount": order.total_amount,
        "currency": order.currency,
        "items": order.items,
        "shipment": order.shipment,
    }


def _outcome(order: Order, news: News) -> OrderStatus:
    """How the order ends, which is written only after everybody has been told."""
    if news == "order_confirmed":
        return OrderStatus.CONFIRMED
    return OrderStatus.CANCELED if order.cancel_requested else OrderStatus.FAILED


def _text(value: str) -> "MessageAttributeValueTypeDef":
    return {"DataType": "String", "StringValue": value}
