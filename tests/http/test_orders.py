"""Orders as people place, change, submit and cancel them; what becomes of them is the workflow's."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.orders import MAX_LINES, MAX_PRODUCTS, OrderStatus, WorkflowStatus
from chalicelib.gateways.payment_rules import StripeRules
from tests.http.api import Api, made, order_body, product_body
from tests.wired import MemoryWired


@pytest.fixture
def shop(api: Api) -> Api:
    """An account that sells a lantern for 12.50, ten of them, and wire at 0.3333 by the metre, uncounted."""
    made(api.put("/v1/products/lantern", product_body(name="Lantern", price="12.50", stock=10)))
    made(api.put("/v1/products/wire", product_body(name="Wire", price="0.3333")))
    return api


def place(api: Api, product_id: str = "lantern", quantity: int = 1, **changes: Any) -> dict[str, Any]:
    return made(api.post("/v1/orders", order_body(product_id, quantity, **changes)))


def test_an_order_is_placed_at_todays_prices(shop: Api) -> None:
    answer = shop.post(
        "/v1/orders",
        order_body(
            "lantern", items=[{"product_id": "lantern", "quantity": 2}, {"product_id": "wire", "quantity": 7}], hold=True
        ),
    )

    order = made(answer)
    assert answer.headers["Location"] == f"orders/{order['order_id']}"
    assert order["items"] == [
        {"product_id": "lantern", "name": "Lantern", "quantity": 2, "unit_price": Decimal("12.50"), "amount": Decimal("25.00")},
        {"product_id": "wire", "name": "Wire", "quantity": 7, "unit_price": Decimal("0.3333"), "amount": Decimal("2.33")},
    ]
    assert (order["total_amount"], order["currency"]) == (Decimal("27.33"), "EUR")
    statuses = ("status", "payment_status", "fulfillment_status", "workflow_status")
    assert [order[name] for name in statuses] == ["PENDING", "not_paid", "not_fulfilled", "held"]
    assert [(entry["step"], entry["outcome"]) for entry in order["history"]] == [("PlaceOrder", "done")]
    assert shop.get(f"/v1/orders/{order['order_id']}").json == order


def test_the_short_form_orders_one_product(shop: Api) -> None:
    order = made(
        shop.post("/v1/orders", {"customer_id": "CUST001", "product_id": "lantern", "quantity": 2, "total_amount": 25.0})
    )

    assert [(item["product_id"], item["quantity"]) for item in order["items"]] == [("lantern", 2)]
    assert (order["total_amount"], order["workflow_status"], order["shipping_address"]) == (Decimal("25.00"), "running", None)


@pytest.mark.parametrize(
    "body",
    [
        {"customer_id": "CUST001"},
        {"customer_id": "CUST001", "product_id": "lantern"},
        {"customer_id": "CUST001", "quantity": 1},
        {"customer_id": "CUST001", "product_id": "lantern", "quantity": 1, "items": [{"product_id": "wire", "quantity": 1}]},
    ],
)
def test_an_order_has_one_form_and_not_the_other(shop: Api, body: dict[str, Any]) -> None:
    answer = shop.post("/v1/orders", body)

    assert (answer.status, answer.pointers) == (422, [""])


@pytest.mark.parametrize("total", [24.99, 25.01, 0, "1e20"])
def test_a_total_that_does_not_come_out_is_refused(shop: Api, total: object) -> None:
    answer = shop.post("/v1/orders", order_body("lantern", 2, total_amount=total))

    assert (answer.status, answer.code) == (422, "total_mismatch")
    assert shop.get("/v1/orders").json == {"orders": []}


@pytest.mark.parametrize("total", [25, "25.0", "25.000"])
def test_a_total_is_a_number_however_it_is_written(shop: Api, total: object) -> None:
    assert place(shop, quantity=2, total_amount=total)["total_amount"] == 25


def test_what_is_not_there_cannot_be_ordered(shop: Api) -> None:
    answer = shop.post("/v1/orders", order_body("lamp"))

    assert (answer.status, answer.code) == (404, "not_found")


def test_another_accounts_product_is_ordered_like_one_that_never_was(shop: Api, wired: MemoryWired) -> None:
    eve = Api().signed_up("eve@example.com")
    path = f"/v1/orders/{place(_with_own_lamp(eve), 'lamp', hold=True)['order_id']}"
    before = wired.state()

    for items in ([{"product_id": "lantern", "quantity": 1}], [{"product_id": "never-was", "quantity": 1}]):
        for answer in (eve.post("/v1/orders", order_body("", items=items)), eve.put(path, order_body("", items=items))):
            assert (answer.status, answer.code, answer.json["detail"]) == (
                404,
                "not_found",
                "There is no such thing in this account.",
            )
    assert wired.state() == before


def _with_own_lamp(api: Api) -> Api:
    made(api.put("/v1/products/lamp", product_body(name="Lamp")))
    return api


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"customer_id": ""}, "/customer_id"),
        ({"customer_id": "x" * 65}, "/customer_id"),
        ({"items": []}, "/items"),
        ({"items": [{"product_id": "lantern", "quantity": 0}]}, "/items/0/quantity"),
        ({"items": [{"product_id": "lantern", "quantity": 1.5}]}, "/items/0/quantity"),
        ({"items": [{"product_id": "lantern", "quantity": 1}, {"product_id": "wire"}]}, "/items/1/quantity"),
        ({"items": [{"product_id": "lantern", "quantity": 1}] * 51}, "/items"),
        ({"shipping_address": {"name": "Nobody"}}, "/shipping_address/street"),
        ({"shipping_address": {"name": "Nobody", "planet": "Mars"}}, "/shipping_address/planet"),
        ({"total_amount": -1}, "/total_amount"),
        ({"payment_method": ""}, "/payment_method"),
        ({"payment_method": "4242 4242 4242 4242"}, "/payment_method"),
        ({"payment_method": "card 4222222222222"}, "/payment_method"),
        ({"status": "CONFIRMED"}, "/status"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_place(shop: Api, changes: dict[str, Any], pointer: str) -> None:
    answer = shop.post("/v1/orders", order_body("lantern", **changes))

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_what_the_processor_cannot_be_asked_for_is_refused_before_it_is_placed(shop: Api, wired: MemoryWired) -> None:
    wired.payment_rules = StripeRules()
    made(shop.put("/v1/products/pearl", product_body(name="Pearl", price="9999999999.99")))
    short = {"customer_id": "CUST001", "product_id": "lantern", "quantity": 1}
    held = place(shop, hold=True, payment_method="pm_1N3T00LkdIwHu7ixt44h1F8k")

    refused = [
        shop.post("/v1/orders", short),
        shop.post("/v1/orders", order_body("lantern", payment_method="declined")),
        shop.post("/v1/orders", order_body("pearl", 2, payment_method="pm_card_visa")),
        shop.put(f"/v1/orders/{held['order_id']}", order_body("lantern")),
    ]

    assert [(answer.status, answer.pointers) for answer in refused] == [
        (422, ["/payment_method"]),
        (422, ["/payment_method"]),
        (422, ["/total_amount"]),
        (422, ["/payment_method"]),
    ]
    assert shop.get("/v1/orders").json["orders"] == [held]
    made(shop.post("/v1/orders", short | {"payment_method": "pm_card_visa"}))


def test_a_price_that_changes_later_changes_no_order(shop: Api) -> None:
    order_id = place(shop)["order_id"]
    shop.put("/v1/products/lantern", product_body(price=99))

    assert shop.get(f"/v1/orders/{order_id}").json["total_amount"] == Decimal("12.50")


def test_orders_are_listed_newest_first_a_page_at_a_time(shop: Api, wired: MemoryWired) -> None:
    placed = []
    for _ in range(3):
        wired.clock.advance(minutes=1)
        placed.append(place(shop)["order_id"])

    first = shop.get("/v1/orders?limit=2").json
    rest = shop.get(f"/v1/orders?limit=2&next={first['next']}").json

    assert [order["order_id"] for order in (*first["orders"], *rest["orders"])] == placed[::-1]


def test_orders_are_listed_by_customer_and_statuses(shop: Api, wired: MemoryWired) -> None:
    held = place(shop, hold=True)["order_id"]
    canceled = place(shop, hold=True, customer_id="Ada & Co")["order_id"]
    shop.post(f"/v1/orders/{canceled}/cancel")
    stuck = place(shop, customer_id="Ada & Co")["order_id"]
    order = wired.store.orders.get(shop.account_id, stuck)
    wired.store.orders.save(
        replace(order, status=OrderStatus.FAILED, workflow_status=WorkflowStatus.COMPENSATION_FAILED, version=order.version + 1)
    )

    for query, expected in {
        "status=PENDING": {held},
        "status=CANCELED": {canceled},
        "status=FAILED": {stuck},
        "status=CONFIRMED": set(),
        "customer_id=Ada%20%26%20Co": {canceled, stuck},
        "customer_id=Ada%20%26%20Co&status=FAILED": {stuck},
        "customer_id=nobody": set(),
        "workflow_status=compensation_failed": {stuck},
        "workflow_status=held&status=CANCELED": set(),
    }.items():
        assert {order["order_id"] for order in shop.get(f"/v1/orders?{query}").json["orders"]} == expected, query


@pytest.mark.parametrize("character", ["n", '"', "ж", "\U0001f600"])
def test_no_page_of_orders_is_more_than_lambda_can_answer(api: Api, wired: MemoryWired, character: str) -> None:
    """Lambda's runtime writes the body as a text within JSON, what is beyond ASCII as `\\u0436`; at most 6 MB of it."""
    product_ids = [f"{'p' * 60}{number:02}" for number in range(MAX_PRODUCTS)]
    for product_id in product_ids:
        made(api.put(f"/v1/products/{product_id}", product_body(name=character * 200, price="1234567.1234")))
    items = [{"product_id": product_ids[line % MAX_PRODUCTS], "quantity": 1_000_000} for line in range(MAX_LINES)]
    order_id = made(api.post("/v1/orders", order_body("", items=items, customer_id=character * 64)))["order_id"]
    order = wired.store.orders.get(api.account_id, order_id)
    for _ in range(99):
        wired.store.orders.add(replace(order, id=wired.ids.new("ord", wired.clock.now())))

    listed: list[str] = []
    path = "/v1/orders?limit=100"
    while path:
        answer = api.get(path)
        assert len(json.dumps({"body": answer.body.decode()})) < 6_000_000
        listed += [each["order_id"] for each in answer.json["orders"]]
        path = f"/v1/orders?limit=100&next={answer.json['next']}" if "next" in answer.json else ""

    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) == 100


def test_a_list_of_some_orders_goes_on_with_those(shop: Api, wired: MemoryWired) -> None:
    for number in range(4):
        wired.clock.advance(minutes=1)
        place(shop, customer_id=f"CUST{number % 2}")

    first = shop.get("/v1/orders?limit=1&customer_id=CUST0")
    assert "customer_id=CUST0" in first.headers["Link"]
    second = shop.get(f"/v1/orders?limit=1&customer_id=CUST0&next={first.json['next']}")

    assert [answer.json["orders"][0]["customer_id"] for answer in (first, second)] == ["CUST0", "CUST0"]
    assert "next" not in second.json


@pytest.mark.parametrize("query", ["status=paid", "status=pending", "workflow_status=DONE", "status=", "payment_status=failed"])
def test_orders_are_not_listed_by_what_they_never_are(shop: Api, query: str) -> None:
    answer = shop.get(f"/v1/orders?{query}")

    assert (answer.status, answer.pointers) == (422, [f"/{query.partition('=')[0]}"])


def test_an_order_that_is_held_can_be_changed_and_then_submitted(shop: Api) -> None:
    order_id = place(shop, hold=True)["order_id"]
    path = f"/v1/orders/{order_id}"

    changed = shop.put(path, order_body("wire", 3, payment_method="other", shipping_address=None))
    assert (changed.status, changed.json["total_amount"], changed.json["payment_method"]) == (200, Decimal("1.00"), "other")
    submitted = shop.post(f"{path}/submit")
    assert (submitted.status, submitted.json["workflow_status"]) == (200, "running")
    assert shop.post(f"{path}/submit").body == submitted.body
    assert [entry["step"] for entry in submitted.json["history"]] == ["PlaceOrder", "EditOrder", "SubmitOrder"]

    refused = shop.put(path, order_body("lantern"))
    assert (refused.status, refused.code) == (409, "order_in_progress")


def test_nobody_submits_an_order_with_other_prices_than_they_have_seen(shop: Api) -> None:
    path = f"/v1/orders/{place(shop, hold=True)['order_id']}"
    seen = {"If-Match": shop.get(path).headers["ETag"]}
    shop.put(path, order_body("lantern", 9))

    refused = shop.call("POST", f"{path}/submit", headers=seen)

    assert (refused.status, refused.code) == (412, "precondition_failed")
    assert shop.get(path).json["workflow_status"] == "held"
    seen = {"If-Match": shop.get(path).headers["ETag"]}
    assert shop.call("POST", f"{path}/submit", headers=seen).json["workflow_status"] == "running"
    assert shop.call("POST", f"{path}/cancel", headers=seen).code == "precondition_failed"


def test_an_order_that_is_held_is_canceled_at_once(shop: Api) -> None:
    path = f"/v1/orders/{place(shop, hold=True)['order_id']}"

    canceled = shop.post(f"{path}/cancel")

    assert (canceled.status, canceled.json["status"], canceled.json["fulfillment_status"]) == (200, "CANCELED", "canceled")
    assert shop.post(f"{path}/cancel").body == canceled.body
    refused = shop.post(f"{path}/submit")
    assert (refused.status, refused.code) == (409, "order_in_progress")


def test_an_order_that_runs_is_canceled_by_its_workflow(shop: Api) -> None:
    path = f"/v1/orders/{place(shop)['order_id']}"

    canceled = shop.post(f"{path}/cancel")

    assert (canceled.status, canceled.json["status"]) == (200, "PENDING")
    assert [entry["step"] for entry in canceled.json["history"]] == ["PlaceOrder", "CancelOrder"]


def test_an_account_without_products_takes_no_orders(api: Api) -> None:
    assert api.post("/v1/orders", order_body("lantern")).status == 404
