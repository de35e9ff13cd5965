"""What a queue gets that has subscribed to the topic of orders."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, get_args

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.orders import News, Order, OrderItem, Shipment
from chalicelib.gateways.customers import SnsCustomers
from tests.builders import NOW

TOPIC = "daybook-test-orders"
ORDER = Order(
    account_id="acc_1",
    id="ord_1",
    customer_id="Kündin 17",
    items=(
        OrderItem(product_id="MUG", name="Becher “groß”", quantity=2, unit_price=Decimal("9.50"), amount=Decimal("19.00")),
        OrderItem(product_id="BOX", name="Box", quantity=1, unit_price=Decimal("0.30"), amount=Decimal("0.30")),
    ),
    total_amount=Decimal("19.30"),
    currency="EUR",
    payment_method="card",
    shipment=Shipment(carrier="Northway Post", tracking_number="SB000000000017", estimated_delivery=date(2026, 11, 24)),
    created_at=NOW,
    updated_at=NOW,
)


class Subscriber:
    """A queue and all that came to it."""

    def __init__(self, aws: Callable[..., Any], **attributes: str) -> None:
        self._sqs, sns = aws("sqs"), aws("sns")
        self.topic = sns.create_topic(Name=TOPIC)["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        self.customers = SnsCustomers(sns, self.topic)

    def got(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_the_body_is_all_that_a_subscriber_needs(aws: Callable[..., Any]) -> None:
    subscriber = Subscriber(aws)

    subscriber.customers.tell(ORDER, "order_confirmed")

    [message] = subscriber.got()
    assert json.loads(message["Message"], parse_float=Decimal) == {
        "type": "order_confirmed",
        "account_id": "acc_1",
        "order_id": "ord_1",
        "customer_id": "Kündin 17",
        "status": "CONFIRMED",
        "failure": None,
        "total_amount": Decimal("19.30"),
        "currency": "EUR",
        "items": [
            {
                "product_id": "MUG",
                "name": "Becher “groß”",
                "quantity": 2,
                "unit_price": Decimal("9.50"),
                "amount": Decimal("19.00"),
            },
            {"product_id": "BOX", "name": "Box", "quantity": 1, "unit_price": Decimal("0.30"), "amount": Decimal("0.30")},
        ],
        "shipment": {"carrier": "Northway Post", "tracking_number": "SB000000000017", "estimated_delivery": "2026-11-24"},
    }


@pytest.mark.parametrize("news", get_args(News))
def test_the_attributes_say_what_it_is_and_whose(aws: Callable[..., Any], news: News) -> None:
    subscriber = Subscriber(aws)

    subscriber.customers.tell(ORDER, news)

    [message] = subscriber.got()
    assert message["MessageAttributes"] == {
        "type": {"Type": "String", "Value": news},
        "account_id": {"Type": "String", "Value": "acc_1"},
        "customer_id": {"Type": "String", "Value": "Kündin 17"},
    }


def test_a_subscriber_that_asks_for_one_kind_of_news_gets_no_other(aws: Callable[..., Any]) -> None:
    subscriber = Subscriber(aws, FilterPolicy=json.dumps({"type": ["out_of_stock"]}))

    subscriber.customers.tell(ORDER, "order_confirmed")
    subscriber.customers.tell(ORDER, "out_of_stock")

    assert [json.loads(message["Message"])["type"] for message in subscriber.got()] == ["out_of_stock"]


@pytest.mark.parametrize(("cancel_requested", "status"), [(False, "FAILED"), (True, "CANCELED")])
def test_who_hears_of_a_failure_hears_how_the_order_ends_and_why(
    aws: Callable[..., Any], *, cancel_requested: bool, status: str
) -> None:
    subscriber = Subscriber(aws)
    order = replace(ORDER, cancel_requested=cancel_requested, failure="payment_declined", shipment=None)

    subscriber.customers.tell(order, "payment_failed")

    [message] = subscriber.got()
    body = json.loads(message["Message"])
    assert (body["status"], body["failure"], body["shipment"]) == (status, "payment_declined", None)


def test_a_topic_that_is_not_there_is_a_service_that_does_not_answer(aws: Callable[..., Any]) -> None:
    customers = SnsCustomers(aws("sns"), "arn:aws:sns:eu-central-1:123456789012:nowhere")

    with pytest.raises(Unavailable):
        customers.tell(ORDER, "order_confirmed")
