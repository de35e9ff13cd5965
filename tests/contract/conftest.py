"""One suite for every kind of repository.

`CONTRACT_ENDPOINT=http://127.0.0.1:4566` runs it against a local AWS as well.
"""

import copy
import os
from collections.abc import Iterator
from threading import RLock
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import get_session
from moto import mock_aws
from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table as MotoTable

from chalicelib.domain.work import MAX_ENTRIES_ON_SHEET
from chalicelib.repositories.memory import MemoryStore
from tests.contract.stores import DynamoStore, MakeStore, Store, create_tables, delete_tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ENDPOINT = os.environ.get("CONTRACT_ENDPOINT")
KINDS = ["memory", "dynamodb", *(["endpoint"] if ENDPOINT else [])]


class _CopyOnce:
    """Takes the place of `copy` in moto, which copies the whole table anew for every single write of a transaction.

    DynamoDB's transactions are all or nothing among others too; moto's are so one at a time.
    """

    def __init__(self) -> None:
        self.alone = RLock()
        self.tables: dict[str, MotoTable] = {}

    def deepcopy(self, thing: Any) -> Any:
        if not isinstance(thing, MotoTable):
            return copy.deepcopy(thing)
        if thing.name not in self.tables:
            self.tables[thing.name] = copy.deepcopy(thing)
        return self.tables[thing.name]

    def transact(self, backend: DynamoDBBackend, writes: list[dict[str, Any]]) -> None:
        with self.alone:
            self.tables = {}
            _transact(backend, writes)


_transact = DynamoDBBackend.transact_write_items


def _refuse_empty_maps(params: Any, **_: object) -> None:
    """As DynamoDB does ("ExpressionAttributeNames must not be empty"), and moto only for some operations."""
    for name, value in params.items() if isinstance(params, dict) else ():
        assert value or not name.startswith("ExpressionAttribute"), f"{name} must not be empty"
        for part in value if isinstance(value, list) else [value]:
            _refuse_empty_maps(part)


def _scramble_maps(parsed: Any, **_: object) -> None:
    """DynamoDB keeps no order of an item's attributes, nor of a map's members."""
    if isinstance(parsed, dict):
        for name, value in list(parsed.items()):
            if name in ("Item", "Attributes", "M") and isinstance(value, dict):
                parsed[name] = dict(reversed(value.items()))
            elif name in ("Items", "Responses"):
                parsed[name] = _items_scrambled(value)
            _scramble_maps(parsed[name])
    elif isinstance(parsed, list):
        for part in parsed:
            _scramble_maps(part)


def _items_scrambled(found: Any) -> Any:
    """Of a page, of a transaction, or of a batch by its tables."""
    if isinstance(found, dict):
        return {table: _items_scrambled(items) for table, items in found.items()}
    return [dict(reversed(item.items())) for item in found]


@pytest.fixture(scope="module")
def moto_client() -> Iterator["DynamoDBClient"]:
    once = _CopyOnce()
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "copy", once)
        patch.setattr(DynamoDBBackend, "transact_write_items", lambda backend, writes: once.transact(backend, writes))
        client: Any = get_session().create_client("dynamodb", region_name="eu-central-1")
        client.meta.events.register("before-parameter-build.dynamodb", _refuse_empty_maps)
        client.meta.events.register("after-call.dynamodb", _scramble_maps)
        yield client


@pytest.fixture(scope="module")
def endpoint_client() -> "DynamoDBClient":
    client: Any = get_session().create_client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=ENDPOINT,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return client  # type: ignore[no-any-return]


@pytest.fixture
def client(moto_client: "DynamoDBClient") -> Iterator["DynamoDBClient"]:
    """Of a DynamoDB with the two tables, empty."""
    create_tables(moto_client)
    yield moto_client
    delete_tables(moto_client)


@pytest.fixture
def client_of_endpoint(endpoint_client: "DynamoDBClient") -> Iterator["DynamoDBClient"]:
    create_tables(endpoint_client)
    yield endpoint_client
    delete_tables(endpoint_client)


@pytest.fixture(params=KINDS)
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    if request.param == "memory":
        return MemoryStore
    client = request.getfixturevalue("client" if request.param == "dynamodb" else "client_of_endpoint")

    def make(*, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET) -> Store:
        return DynamoStore(client, max_entries_on_sheet=max_entries_on_sheet)

    return make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()


@pytest.fixture
def dynamo_store(client: "DynamoDBClient") -> DynamoStore:
    return DynamoStore(client)
