"""The catalogue, the change feed and search of the deployed application, from outside."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
import requests

from operations.catalogue import put_products, read_products, refused
from operations.deploy import Account
from operations.reindex import reindex_accounts
from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed, User

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

EXCERPT = Path(__file__).parents[2] / "examples" / "products-2010-12.csv"
BUYERS = 20
UNITS = 8
SOON_SECONDS = 10
"""What "a moment later" may be at most, on a machine that does other things as well."""


@pytest.fixture(scope="module")
def shop(deployed: Deployed) -> User:
    return User(deployed.url)


def found(user: User, typed: str, kind: str = "") -> list[str]:
    answer = user.send("GET", f"/v1/search?q={quote(typed)}&limit=100" + (f"&type={kind}" if kind else ""))
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.json()["results"]]


def wait_until(what: Callable[[], bool], deployed: Deployed) -> None:
    deployed.wait_for(lambda: True if what() else None)


def test_a_client_that_knows_only_the_contract_is_served(deployed: Deployed, shop: User) -> None:
    """Plain requests with text as it goes over the wire: nothing of the application's own stands between."""
    url, headers = f"{deployed.url}/v1/products", {"Authorization": f"Bearer {shop.token}", "Content-Type": "application/json"}
    product_id = str(uuid.uuid4())
    body = f'{{"id": "{product_id}", "name": "Perpetual calendar", "price": 0.6645600532184904}}'

    def ask(method: str, path: str, data: str | None = None) -> requests.Response:
        return requests.request(method, url + path, headers=headers, data=data, timeout=TIMEOUT_SECONDS)

    put = ask("PUT", f"/{product_id}", body)
    assert put.status_code == 201
    assert ask("PUT", f"/{product_id}", body).status_code == 200
    got = ask("GET", f"/{product_id}")
    assert got.status_code == 200
    assert '"price":0.6645600532184904' in got.text
    assert (got.json()["id"], got.json()["name"]) == (product_id, "Perpetual calendar")
    assert product_id in [product["id"] for product in ask("GET", "").json()["products"]]
    refusals = {
        body.replace(product_id, "another"): "product ID in path does not match product ID in body",
        "": "empty request body",
        "{": "failed to parse product from request body",
    }
    for sent, words in refusals.items():
        answer = ask("PUT", f"/{product_id}", sent)
        assert (answer.status_code, answer.json()["detail"]) == (400, words)
    deleted = ask("DELETE", f"/{product_id}")
    assert (deleted.status_code, deleted.json()) == (200, got.json())
    assert ask("GET", f"/{product_id}").status_code == 404


def test_concurrent_buyers_get_what_there_is_and_no_more(shop: User) -> None:
    shop.ask("PUT", "/v1/products/rare", {"name": "Rare thing", "price": 1, "stock": UNITS}, status=201)

    with ThreadPoolExecutor(BUYERS) as pool:
        taken = list(
            pool.map(lambda _: shop.send("POST", "/v1/products/rare/stock", {"change": -1}).status_code, range(BUYERS))
        )

    assert sorted(taken) == [200] * UNITS + [409] * (BUYERS - UNITS)
    assert shop.ask("GET", "/v1/products/rare")["stock"] == 0
    changes = [change["change"] for change in shop.ask("GET", "/v1/products/rare/stock?limit=100")["stock_changes"]]
    assert changes == [-1] * UNITS + [UNITS]


def test_what_is_written_is_found_a_moment_later_and_no_longer_than_it_is_there(deployed: Deployed, shop: User) -> None:
    path = "/v1/products/candle-7"
    shop.ask("PUT", path, {"name": "Bougie parfumée à la lavande", "price": "9.50"}, status=201)
    begun = time.monotonic()
    wait_until(lambda: found(shop, "parfumee lav") == ["candle-7"], deployed)
    assert time.monotonic() - begun < SOON_SECONDS

    shop.ask("PUT", path, {"name": "Bougie à la rose", "price": "9.50"})
    wait_until(lambda: found(shop, "candle-7 rose") == ["candle-7"] and found(shop, "lavande") == [], deployed)

    shop.ask("DELETE", path)
    wait_until(lambda: found(shop, "candle-7") == [], deployed)


def test_everything_is_found_by_its_owner_and_by_nobody_else(deployed: Deployed, shop: User) -> None:
    client_id = shop.ask("POST", "/v1/clients", {"name": "Zoë Quux GmbH", "rate": 90, "currency": "EUR"}, status=201)["id"]
    entry = {"client_id": client_id, "date": "2024-10-01", "minutes": 60, "description": "Quux engine overhauled"}
    entry_id = shop.ask("POST", "/v1/work", entry, status=201)["id"]
    invoice = shop.ask("POST", "/v1/invoices", {"client_id": client_id, "through": "2024-10-31"}, status=201)
    shop.ask("PUT", "/v1/products/quux-1", {"name": "Quux", "price": 1}, status=201)

    everything = {client_id, entry_id, invoice["id"], "quux-1"}
    wait_until(lambda: set(found(shop, "quux")) == everything, deployed)
    assert found(shop, "zoe quux", "client") == [client_id]
    assert found(shop, invoice["number"]) == [invoice["id"]]
    assert found(User(deployed.url), "quux") == []


def test_a_shopkeeper_finds_what_a_customer_asks_for(deployed: Deployed, shop: User) -> None:
    products = read_products(EXCERPT)
    answers = put_products(products, shop.send)
    assert refused(answers.items()) == {}
    wait_until(lambda: all(code in found(shop, code, "product") for code in list(products)[-10:]), deployed)

    for typed in ("heart holder", "lantern", "cream hang"):
        wanted = {
            code
            for code, product in products.items()
            if all(
                any(part.startswith(word) for part in product["name"].lower().replace("-", " ").split())
                for word in typed.split()
            )
        }
        assert set(found(shop, typed, "product")) == wanted != set()


def test_an_index_that_is_lost_or_broken_is_made_again(deployed: Deployed, shop: User) -> None:
    account = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)
    s3, bucket = account.s3(), deployed.deployment.outputs["SearchBucketName"]
    key = f"search/v1/{shop.account_id}.sqlite"
    shop.ask("PUT", "/v1/products/before", {"name": "Antediluvian", "price": 1}, status=201)
    wait_until(lambda: found(shop, "antediluvian") == ["before"], deployed)

    s3.delete_object(Bucket=bucket, Key=key)
    assert found(shop, "antediluvian") == []
    shop.ask("PUT", "/v1/products/after", {"name": "Postdiluvian", "price": 1}, status=201)
    wait_until(lambda: [*found(shop, "antediluvian"), *found(shop, "postdiluvian")] == ["before", "after"], deployed)

    s3.put_object(Bucket=bucket, Key=key, Body=b"SQLite format 3\0 or so")
    answer = shop.send("GET", "/v1/search?q=antediluvian")
    assert answer.status_code == 503, deployed.said()[-3000:]
    assert list(reindex_accounts("local", account, shop.account_id)) == [(shop.account_id, "")]
    assert found(shop, "antediluvian") == ["before"]


@pytest.fixture(scope="module")
def bus(deployed: Deployed) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """What another system hears of an account's products, in the order in which it hears it."""
    sqs, events = deployed.client("sqs"), deployed.client("events")
    url = sqs.create_queue(QueueName="stocktaker.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})[
        "QueueUrl"
    ]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["daybook"], "detail-type": [{"prefix": "Product"}]}
    events.put_rule(Name="stocktaker", EventBusName="daybook-local", EventPattern=json.dumps(pattern))
    target = {"Id": "stocktaker", "Arn": arn, "SqsParameters": {"MessageGroupId": "all"}}
    events.put_targets(Rule="stocktaker", EventBusName="daybook-local", Targets=[target])
    heard: list[dict[str, Any]] = []

    def listen(account_id: str) -> list[dict[str, Any]]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                heard.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in heard if event["detail"]["account_id"] == account_id]

    yield listen
    events.remove_targets(Rule="stocktaker", EventBusName="daybook-local", Ids=["stocktaker"])


def test_other_systems_hear_of_every_change_of_a_product_in_order(
    deployed: Deployed, bus: Callable[[str], list[dict[str, Any]]]
) -> None:
    user = User(deployed.url)
    path, body = "/v1/products/told", {"name": "Told", "price": "0.6645600532184904", "stock": 5}
    user.ask("PUT", path, body, status=201)
    user.ask("POST", f"{path}/stock", {"change": -2})
    user.ask("DELETE", path)
    user.ask("PUT", path, body, status=201)

    wait_until(lambda: len(bus(user.account_id)) >= 4, deployed)

    told = [event["detail"] for event in bus(user.account_id)]
    assert [event["detail-type"] for event in bus(user.account_id)] == [
        "ProductCreated",
        "ProductUpdated",
        "ProductDeleted",
        "ProductCreated",
    ]
    assert [detail["version"] for detail in told] == [1, 2, 2, 3]
    assert [(detail["new"] or {}).get("stock") for detail in told] == [5, 3, None, 5]
    assert [(detail["old"] or {}).get("stock") for detail in told] == [None, 5, 3, None]
    assert str(told[0]["new"]["price"]) == "0.6645600532184904"
