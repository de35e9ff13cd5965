import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.orders import PaymentStatus
from chalicelib.gateways.attention import SqsAttention
from tests.builders import an_order

Scripted = Callable[[str], tuple[Any, Stubber]]
NAME = "daybook-test-orders-attention"


def test_a_person_is_told_which_order_how_far_it_came_and_what_failed(aws: Callable[..., Any]) -> None:
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    order = replace(an_order(), payment_status=PaymentStatus.CAPTURED, failure="shipping_failed")

    SqsAttention(sqs, NAME).ask_for(order, "PaymentGatewayError")

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    told = json.loads(message["Body"])
    history = told.pop("history")
    assert told == {
        "account_id": "acc_1",
        "order_id": "ord_1",
        "detail": "PaymentGatewayError",
        "failure": "shipping_failed",
        "payment_status": "captured",
        "fulfillment_status": "not_fulfilled",
    }
    assert [entry["step"] for entry in history] == ["PlaceOrder"]


def test_nothing_of_the_customer_is_on_the_queue(aws: Callable[..., Any]) -> None:
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    order = an_order()
    assert order.shipping_address is not None

    SqsAttention(sqs, NAME).ask_for(order, "Unavailable")

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    for private in (order.customer_id, order.payment_method, order.shipping_address.street, order.shipping_address.name):
        assert private not in message["Body"]


def test_a_queue_that_does_not_take_it_is_unavailable(scripted: Scripted) -> None:
    client, aws = scripted("sqs")
    aws.add_response("get_queue_url", {"QueueUrl": f"https://sqs/{NAME}"}, {"QueueName": NAME})
    for code in ("ServiceUnavailable", "ServiceUnavailable"):
        aws.add_client_error("send_message", code, http_status_code=503)
    attention = SqsAttention(client, NAME)

    for _ in range(2):
        with pytest.raises(Unavailable):
            attention.ask_for(an_order(), "Unavailable")
