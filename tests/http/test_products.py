"""The catalogue: products under the shop's own numbers, and their stock."""

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.orders import OrderJob
from chalicelib.usecases import order_steps
from tests.http.api import Api, made, order_body, product_body
from tests.wired import MemoryWired

PATH = "/v1/products/85123A"


def test_what_is_put_is_made_and_shown(api: Api) -> None:
    answer = api.put(
        PATH, {"id": "85123A", "name": "Heart", "price": 2.55, "description": "White", "stock": 6, "image_id": None}
    )

    assert answer.status == 201
    shown = api.get(PATH)
    assert shown.status == 200
    assert shown.body == answer.body
    assert shown.headers["ETag"] == answer.headers["ETag"]
    assert shown.json == {
        "id": "85123A",
        "name": "Heart",
        "price": Decimal("2.55"),
        "currency": "EUR",
        "description": "White",
        "stock": 6,
        "image_id": None,
        "created_at": "2026-11-20T09:30:00Z",
        "updated_at": "2026-11-20T09:30:00Z",
    }


def test_what_is_put_again_replaces(api: Api, wired: MemoryWired) -> None:
    api.put(PATH, product_body(description="Old", stock=6))
    wired.clock.advance(minutes=1)

    answer = api.put(PATH, product_body(name="New"))

    assert answer.status == 200
    product = answer.json
    assert (product["name"], product["description"]) == ("New", "")
    assert product["created_at"] < product["updated_at"]


@pytest.mark.parametrize(("sent", "stock"), [({}, 6), ({"stock": None}, None), ({"stock": 0}, 0)])
def test_stock_that_is_left_out_stays_and_null_is_not_counted(api: Api, sent: dict[str, Any], stock: int | None) -> None:
    api.put(PATH, product_body(stock=6))

    assert api.put(PATH, product_body(**sent)).json["stock"] == stock


def test_the_same_put_again_changes_nothing(api: Api, wired: MemoryWired) -> None:
    first = api.put(PATH, product_body(stock=6))
    wired.clock.advance(minutes=1)
    before = wired.state()

    again = api.put(PATH, product_body(stock=6))

    assert (again.status, again.body) == (200, first.body)
    assert wired.state() == before


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("0.6645600532184904", "0.6645600532184904"),
        ("1e-7", "1E-7"),
        ("100", "100"),
        ('"12.50"', "12.50"),
        ("12345678901234567890", "12345678901234567890"),
        ("0.10", "0.10"),
    ],
)
def test_a_price_comes_back_with_its_digits(api: Api, sent: str, shown: str) -> None:
    put = api.put(PATH, f'{{"name": "Heart", "price": {sent}}}')

    assert put.status == 201
    for answer in (put, api.get(PATH), api.get("/v1/products")):
        assert f'"price":{shown},'.encode() in answer.body


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "empty request body"),
        (b" \n", "empty request body"),
        (b"{", "failed to parse product from request body"),
        (b"price=1", "failed to parse product from request body"),
        (b'{"name": "Heart", "price": NaN}', "failed to parse product from request body"),
        (b'{"name": "\xff", "price": 1}', "failed to parse product from request body"),
        (b"[" * 100_000, "failed to parse product from request body"),
    ],
)
def test_a_body_that_is_no_product_is_refused_in_the_words_that_clients_know(
    api: Api, method: str, body: bytes, detail: str
) -> None:
    answer = api.call(method, PATH if method == "PUT" else "/v1/products", body)

    assert (answer.status, answer.code, answer.json["detail"]) == (400, "malformed", detail)


def test_another_id_in_the_body_than_in_the_path_is_refused(api: Api) -> None:
    answer = api.put(PATH, product_body(id="85123a"))

    assert (answer.status, answer.code) == (400, "product_ids_differ")
    assert answer.json["detail"] == "product ID in path does not match product ID in body"
    assert api.get("/v1/products").json == {"products": []}


@pytest.mark.parametrize("product_id", ["BANK CHARGES", "C2", "15056BL", "a", "x" * 64, "1.5-L_b~c", "prd_1"])
def test_an_id_is_the_shops_own(api: Api, product_id: str) -> None:
    path = f"/v1/products/{product_id.replace(' ', '%20')}"

    assert api.put(path, product_body(id=product_id)).status == 201
    assert api.get(path).json["id"] == product_id
    assert api.delete(path).json["id"] == product_id
    assert api.get(path).status == 404


@pytest.mark.parametrize(
    "product_id", [" a", "a ", "x" * 65, "a%2Fb", "a%23b", "%C3%A4", "..", "a%00", "%F0%9F%8E%81", "a%3Fb"]
)
def test_what_cannot_be_an_id_is_said_so(api: Api, product_id: str) -> None:
    path = f"/v1/products/{product_id.replace(' ', '%20')}"

    put = api.put(path, product_body())

    assert (put.status, put.pointers) == (422, ["/id"])
    assert [api.get(path).status, api.delete(path).status] == [404, 404]
    assert api.post(f"{path}/stock", {"change": 1}).status == 404


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"price": -0.01}, "/price"),
        ({"price": "1e21"}, "/price"),
        ({"price": "1" * 21}, "/price"),
        ({"price": None}, "/price"),
        ({"price": ...}, "/price"),
        ({"name": " "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"stock": -1}, "/stock"),
        ({"stock": 1.5}, "/stock"),
        ({"stock": 10**9 + 1}, "/stock"),
        ({"description": "x" * 4001}, "/description"),
        ({"colour": "white"}, "/colour"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_place(api: Api, changes: dict[str, Any], pointer: str) -> None:
    answer = api.put(PATH, product_body(**changes))

    assert (answer.status, answer.pointers) == (422, [pointer])
    assert api.get(PATH).status == 404


def test_an_image_that_is_not_there_is_not_put_on_a_product(api: Api) -> None:
    answer = api.put(PATH, product_body(image_id="img_01J00000000000000000000000"))

    assert (answer.status, answer.code) == (404, "not_found")
    assert api.get(PATH).status == 404


def test_the_system_makes_an_id_where_none_is_given(api: Api) -> None:
    answer = api.post("/v1/products", product_body(stock=3))

    product = made(answer)
    assert product["id"].startswith("prd_")
    assert answer.headers["Location"] == f"products/{product['id']}"
    assert api.get(f"/v1/products/{product['id']}").json == product


def test_products_are_listed_by_id_a_page_at_a_time(api: Api) -> None:
    ids = ["10002", "85123A", "85123a", "BANK CHARGES", "a.b"]
    for product_id in reversed(ids):
        made(api.put(f"/v1/products/{product_id.replace(' ', '%20')}", product_body()))

    listed: list[str] = []
    path = "/v1/products?limit=2"
    while path:
        page = api.get(path).json
        listed += [product["id"] for product in page["products"]]
        path = f"/v1/products?limit=2&next={page['next']}" if "next" in page else ""

    assert listed == ids


def test_delete_answers_the_product_as_it_last_was(api: Api) -> None:
    put = api.put(PATH, product_body(stock=1))

    assert api.delete(PATH).body == put.body
    assert [api.get(PATH).status, api.delete(PATH).status] == [404, 404]
    assert api.get("/v1/products").json == {"products": []}


def test_a_deleted_products_id_can_be_used_again(api: Api) -> None:
    api.put(PATH, product_body(name="First", stock=9))
    api.delete(PATH)

    assert api.put(PATH, product_body(name="Second")).status == 201
    shown = api.get(PATH).json
    assert (shown["name"], shown["stock"]) == ("Second", None)


# Stock


def test_stock_is_added_and_taken_with_a_reason(api: Api) -> None:
    api.put(PATH, product_body(stock=6))

    added = api.post(f"{PATH}/stock", {"change": 10, "reason": "Delivery 4711"})
    taken = api.post(f"{PATH}/stock", {"change": -3})

    assert [(answer.status, answer.json["stock"]) for answer in (added, taken)] == [(200, 16), (200, 13)]
    assert api.get(PATH).body == taken.body
    changes = api.get(f"{PATH}/stock").json["stock_changes"]
    assert [(change["change"], change["reason"], change["user_id"], change["order_id"]) for change in changes] == [
        (-3, "", api.user_id, None),
        (10, "Delivery 4711", api.user_id, None),
        (6, "set with the product", api.user_id, None),
    ]


def test_what_an_order_takes_and_gives_back_is_in_the_journal_under_its_id(api: Api, wired: MemoryWired) -> None:
    api.put(PATH, product_body(stock=6))
    order_id = made(api.post("/v1/orders", order_body("85123A", 4)))["order_id"]
    job = OrderJob(account_id=api.account_id, order_id=order_id)

    order_steps.validate_order(job, shop=wired)
    order_steps.reserve_inventory(job, shop=wired)
    wired.clock.advance(minutes=1)
    order_steps.release_inventory(job, shop=wired)

    changes = api.get(f"{PATH}/stock").json["stock_changes"]
    assert [(change["change"], change["reason"], change["user_id"], change["order_id"]) for change in changes] == [
        (4, "given back by an order", None, order_id),
        (-4, "reserved for an order", None, order_id),
        (6, "set with the product", api.user_id, None),
    ]


def test_what_is_noted_adds_up_to_the_stock_through_the_lives_of_an_id(api: Api) -> None:
    def noted() -> int:
        return sum(change["change"] for change in api.get(f"{PATH}/stock?limit=100").json["stock_changes"])

    for stock in (6, 2, None, 5):
        api.put(PATH, product_body(stock=stock))
        api.post(f"{PATH}/stock", {"change": -1})
        assert noted() == (api.get(PATH).json["stock"] or 0)
    api.delete(PATH)
    api.put(PATH, product_body(stock=3))
    assert noted() == 3


def test_a_cursor_of_another_products_stock_is_none_of_this_ones(api: Api) -> None:
    for path in (PATH, "/v1/products/other"):
        api.put(path, product_body(stock=1))
        api.post(f"{path}/stock", {"change": 1})
    cursor = api.get(f"{PATH}/stock?limit=1").json["next"]

    assert api.get(f"{PATH}/stock?next={cursor}").status == 200
    answer = api.get(f"/v1/products/other/stock?next={cursor}")
    assert (answer.status, answer.code) == (400, "bad_cursor")


def test_stock_never_falls_below_zero(api: Api) -> None:
    api.put(PATH, product_body(stock=2))

    answer = api.post(f"{PATH}/stock", {"change": -3})

    assert (answer.status, answer.code) == (409, "out_of_stock")
    assert api.get(PATH).json["stock"] == 2
    assert [change["change"] for change in api.get(f"{PATH}/stock").json["stock_changes"]] == [2]
    assert api.post(f"{PATH}/stock", {"change": -2}).json["stock"] == 0


def test_stock_that_nobody_counts_does_not_change(api: Api) -> None:
    api.put(PATH, product_body())

    answer = api.post(f"{PATH}/stock", {"change": 1})

    assert (answer.status, answer.code) == (409, "stock_not_counted")


def test_stock_is_counted_up_to_a_bound(api: Api) -> None:
    api.put(PATH, product_body(stock=10**9))

    answer = api.post(f"{PATH}/stock", {"change": 1})

    assert (answer.status, answer.code) == (409, "stock_too_large")


@pytest.mark.parametrize("change", [0, 1.5, "1", None, 10**9 + 1, -(10**9) - 1])
def test_a_change_is_a_whole_number_of_units(api: Api, change: object) -> None:
    api.put(PATH, product_body(stock=2))

    answer = api.post(f"{PATH}/stock", {"change": change})

    assert (answer.status, answer.pointers) == (422, ["/change"])


def test_the_stock_of_what_is_not_there_is_not_changed(api: Api) -> None:
    assert api.post(f"{PATH}/stock", {"change": 1}).status == 404
    assert api.get(f"{PATH}/stock").status == 404


def test_all_concurrent_changes_count(api: Api) -> None:
    api.put(PATH, product_body(stock=30))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post(f"{PATH}/stock", {"change": -1}).status, range(50)))

    assert sorted(answers) == [200] * 30 + [409] * 20
    assert api.get(PATH).json["stock"] == 0


def test_a_sale_while_the_name_is_edited_is_not_lost(api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sale falls between the edit's look and its write."""
    api.put(PATH, product_body(stock=5))
    get = wired.products.get
    sold: list[Any] = []

    def get_and_sell(account_id: str, product_id: str) -> Any:
        product = get(account_id, product_id)
        if not sold:
            sold.append(product)
            assert api.post(f"{PATH}/stock", {"change": -1}).status == 200
        return product

    monkeypatch.setattr(wired.products, "get", get_and_sell)

    assert api.put(PATH, product_body(name="Edited")).json["stock"] == 4


# Conditions


def test_a_product_is_made_only_if_there_is_none(api: Api) -> None:
    assert api.call("PUT", PATH, product_body(), {"If-None-Match": "*"}).status == 201

    again = api.call("PUT", PATH, product_body(name="Other"), {"If-None-Match": "*"})

    assert (again.status, again.code) == (412, "precondition_failed")
    assert api.get(PATH).json["name"] == product_body()["name"]


@pytest.mark.parametrize("tag", ["*", '"0123456789abcdef"'])
def test_what_must_be_there_is_not_made(api: Api, tag: str) -> None:
    answer = api.call("PUT", PATH, product_body(), {"If-Match": tag})

    assert (answer.status, answer.code) == (412, "precondition_failed")
    assert api.get(PATH).status == 404


def test_a_sale_makes_a_tag_stale(api: Api) -> None:
    tag = api.put(PATH, product_body(stock=5)).headers["ETag"]
    api.post(f"{PATH}/stock", {"change": -1})

    assert api.call("PUT", PATH, product_body(stock=5), {"If-Match": tag}).status == 412
    assert api.get(PATH).json["stock"] == 4


def test_an_integer_price_is_the_same_number_in_json(api: Api) -> None:
    api.put(PATH, product_body(price=100))

    assert json.loads(api.get(PATH).body)["price"] == 100
