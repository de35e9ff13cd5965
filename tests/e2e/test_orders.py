"""Orders through the deployed workflow, from outside: what customers see, what is charged, what is in stock, who is told."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import boto3
import pytest

from operations.deploy import Account
from operations.settle import NotToBeSettled, Workflow, find_order, settle_order
from tests.e2e.conftest import Deployed, User

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

ENDED = {"CONFIRMED", "FAILED", "CANCELED"}
BOOKS = "daybook-local"
"""The table with the processor's."""
ADDRESS = {"name": "Charles", "street": "Dorset Street 1", "city": "London", "postal_code": "W1U 4EE", "country": "GB"}


@pytest.fixture(scope="module")
def news(deployed: Deployed) -> Iterator[Callable[[str], list[str]]]:
    """What an account's customers were told, in the order in which it came."""
    sqs, sns = deployed.client("sqs"), deployed.client("sns")
    url = sqs.create_queue(QueueName="customers")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = deployed.deployment.outputs["OrdersTopicArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [{**allowed, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    heard: list[dict[str, Any]] = []

    def listen(account_id: str) -> list[str]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                heard.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        told = [each["MessageAttributes"] for each in heard]
        return [each["type"]["Value"] for each in told if each["account_id"]["Value"] == account_id]

    yield listen
    sns.unsubscribe(SubscriptionArn=subscription)


@pytest.fixture
def shop(deployed: Deployed) -> User:
    user = User(deployed.url)
    user.ask("PUT", "/v1/products/lantern", {"name": "Lantern", "price": "12.50", "stock": 20}, status=201)
    return user


def place(shop: User, quantity: int = 1, *, product_id: str = "lantern", **more: Any) -> str:
    body = {"customer_id": "CUST001", "items": [{"product_id": product_id, "quantity": quantity}], "shipping_address": ADDRESS}
    order_id: str = shop.ask("POST", "/v1/orders", {**body, "payment_method": "card", **more}, status=201)["order_id"]
    return order_id


def ended(deployed: Deployed, shop: User, order_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        order: dict[str, Any] = shop.ask("GET", f"/v1/orders/{order_id}")
        return order if order["status"] in ENDED else None

    return deployed.wait_for(look)


def steps(order: dict[str, Any]) -> list[str]:
    return [
        entry["step"] if entry["outcome"] == "done" else f"{entry['step']}: {entry['detail']}" for entry in order["history"]
    ]


def stock(shop: User, product_id: str = "lantern") -> int:
    units: int = shop.ask("GET", f"/v1/products/{product_id}")["stock"]
    return units


def charges(deployed: Deployed, order_id: str) -> list[dict[str, Any]]:
    """What the sandbox's books say of the order's payment."""
    pages = deployed.client("dynamodb").get_paginator("scan").paginate(TableName=BOOKS)
    items = [item for page in pages for item in page["Items"]]
    return [item for item in items if item["sk"]["S"].startswith(f"books#{order_id}#ProcessPayment")]


def test_an_order_is_charged_shipped_confirmed_and_told(
    deployed: Deployed, shop: User, news: Callable[[str], list[str]]
) -> None:
    order = ended(deployed, shop, place(shop, 2))

    assert order["status"] == "CONFIRMED", order
    statuses = ("payment_status", "fulfillment_status", "workflow_status", "failure")
    assert [order[name] for name in statuses] == ["captured", "shipped", "done", None]
    assert steps(order) == [
        "PlaceOrder",
        "ValidateOrder",
        "ReserveInventory",
        "ProcessPayment",
        "CreateShipment",
        "SendConfirmation",
        "OrderConfirmed",
    ]
    assert order["shipment"]["tracking_number"]
    assert Decimal(str(order["total_amount"])) == 25
    assert stock(shop) == 18
    deployed.wait_for(lambda: news(shop.account_id) == ["order_confirmed"] or None)


@pytest.mark.parametrize(
    ("more", "failure", "payment", "told"),
    [
        ({"payment_method": "declined"}, "payment_declined", "failed", "payment_failed"),
        ({"payment_method": "insufficient_funds"}, "insufficient_funds", "failed", "payment_failed"),
        ({"shipping_address": {**ADDRESS, "postal_code": "000 1"}}, "shipping_failed", "refunded", "shipping_failed"),
        ({"quantity": 21}, "out_of_stock", "not_paid", "out_of_stock"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_fails_is_undone_and_told(
    deployed: Deployed,
    shop: User,
    news: Callable[[str], list[str]],
    more: dict[str, Any],
    failure: str,
    payment: str,
    told: str,
) -> None:
    order = ended(deployed, shop, place(shop, **more))

    assert (order["status"], order["workflow_status"]) == ("FAILED", "compensated"), order
    assert (order["failure"], order["payment_status"], order["fulfillment_status"]) == (failure, payment, "canceled")
    assert stock(shop) == 20
    deployed.wait_for(lambda: news(shop.account_id) == [told] or None)


def test_what_cannot_be_undone_is_never_called_a_success_and_a_person_is_asked(deployed: Deployed, shop: User) -> None:
    nowhere = {**ADDRESS, "postal_code": "000 1"}

    order = ended(deployed, shop, place(shop, payment_method="refund_error", shipping_address=nowhere))

    assert (order["status"], order["workflow_status"]) == ("FAILED", "compensation_failed"), order
    assert order["payment_status"] == "captured"
    assert steps(order)[-5:] == [
        "VoidShipment",
        "RefundPayment: payment_gateway_error",
        "ReleaseInventory",
        "NotifyCustomer",
        "CompensationFailed: RefundPayment",
    ]
    assert stock(shop) == 20, "what can be undone is"
    sqs = deployed.client("sqs")
    url = sqs.get_queue_url(QueueName="daybook-local-orders-attention")["QueueUrl"]
    asked: list[str] = []

    def is_asked_for() -> bool | None:
        asked.extend(each["Body"] for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()))
        return any(order["order_id"] in body for body in asked) or None

    assert deployed.wait_for(is_asked_for)


def test_what_could_not_be_undone_is_settled_by_a_person(deployed: Deployed, shop: User) -> None:
    """Once the processor, which refuses at first, gives back what it captured."""
    account = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)
    nowhere = {**ADDRESS, "postal_code": "000 1"}
    order_id = ended(deployed, shop, place(shop, payment_method="refund_error", shipping_address=nowhere))["order_id"]

    def settle() -> dict[str, str]:
        return dict(settle_order("local", account, shop.account_id, order_id))

    assert settle() == {
        "VoidShipment": "",
        "RefundPayment": "PaymentGatewayError",
        "ReleaseInventory": "",
        "OrderFailed": "NotUndone",
    }
    assert shop.ask("GET", f"/v1/orders/{order_id}")["workflow_status"] == "compensation_failed"
    [charge] = charges(deployed, order_id)
    deployed.client("dynamodb").update_item(
        TableName=BOOKS,
        Key={name: charge[name] for name in ("pk", "sk")},
        UpdateExpression="SET #method = :good",
        ExpressionAttributeNames={"#method": "method"},
        ExpressionAttributeValues={":good": {"S": "card"}},
    )
    assert set(settle().values()) == {""}
    order = shop.ask("GET", f"/v1/orders/{order_id}")
    assert (order["status"], order["workflow_status"], order["payment_status"]) == ("FAILED", "compensated", "refunded")
    assert stock(shop) == 20
    with pytest.raises(NotToBeSettled, match="is at its end"):
        settle()


def test_nothing_is_settled_that_goes_on_by_itself(deployed: Deployed, shop: User) -> None:
    account = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)
    held, confirmed = place(shop, hold=True), place(shop)
    ended(deployed, shop, confirmed)

    for order_id, reason in ((held, "is held"), (confirmed, "is at its end")):
        with pytest.raises(NotToBeSettled, match=reason):
            settle_order("local", account, shop.account_id, order_id)
    clients = deployed.client("stepfunctions"), deployed.client("lambda")
    workflow = Workflow(*clients, "daybook-local-orders")
    assert [workflow.status_of(find_order("local", account, shop.account_id, each)) for each in (held, confirmed)] == [
        "",
        "SUCCEEDED",
    ]


@pytest.mark.parametrize("method", ["gateway_error_twice", "answer_lost"])
def test_a_payment_that_stumbles_is_charged_once(deployed: Deployed, shop: User, method: str) -> None:
    order = ended(deployed, shop, place(shop, payment_method=method))

    assert (order["status"], order["payment_status"]) == ("CONFIRMED", "captured"), order
    assert len(charges(deployed, order["order_id"])) == 1


def test_an_order_that_is_held_waits_until_it_is_submitted(deployed: Deployed, shop: User) -> None:
    order_id = place(shop, hold=True)
    ended(deployed, shop, place(shop))  # its change came after the other's in the feed, which has passed with it
    assert shop.ask("GET", f"/v1/orders/{order_id}")["workflow_status"] == "held"

    shop.ask("POST", f"/v1/orders/{order_id}/submit")

    assert ended(deployed, shop, order_id)["status"] == "CONFIRMED"


def test_an_order_that_was_shipped_cannot_be_canceled(deployed: Deployed, shop: User) -> None:
    order_id = place(shop)
    ended(deployed, shop, order_id)

    refused = shop.send("POST", f"/v1/orders/{order_id}/cancel")

    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_cancelable")


def test_an_order_that_is_canceled_while_it_runs_ends_undone(deployed: Deployed, shop: User) -> None:
    order_id = place(shop, payment_method="gateway_error_twice")
    answer = shop.send("POST", f"/v1/orders/{order_id}/cancel")
    assert answer.status_code == 200, answer.text

    order = ended(deployed, shop, order_id)

    assert (order["status"], order["workflow_status"]) == ("CANCELED", "compensated"), order
    assert order["payment_status"] != "captured"
    assert stock(shop) == 20


def test_of_two_buyers_of_the_last_unit_one_gets_it(deployed: Deployed, shop: User) -> None:
    shop.ask("PUT", "/v1/products/last", {"name": "Last", "price": 1, "stock": 1}, status=201)

    with ThreadPoolExecutor(2) as pool:
        placed = list(pool.map(lambda _: place(shop, product_id="last"), range(2)))

    orders = [ended(deployed, shop, order_id) for order_id in placed]
    assert sorted(order["status"] for order in orders) == ["CONFIRMED", "FAILED"]
    assert stock(shop, "last") == 0


def test_fifty_orders_at_once_on_a_stock_of_twenty(deployed: Deployed, shop: User) -> None:
    with ThreadPoolExecutor(10) as pool:
        placed = list(pool.map(lambda _: place(shop), range(50)))

    orders = [ended(deployed, shop, order_id) for order_id in placed]

    assert Counter(order["status"] for order in orders) == {"CONFIRMED": 20, "FAILED": 30}
    assert Counter(order["payment_status"] for order in orders) == {"captured": 20, "not_paid": 30}
    assert stock(shop) == 0
    charged = [charge for order in orders for charge in charges(deployed, order["order_id"])]
    assert len(charged) == 20
