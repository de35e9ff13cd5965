"""One suite for every kind of repository.

`CONTRACT_ENDPOINT=http://127.0.0.1:4566` runs it against a local AWS as well.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.domain.work import MAX_ENTRIES_ON_SHEET
from chalicelib.repositories.memory import MemoryStore
from chalicelib.repositories.table import Table
from tests.contract.stores import TABLE, DynamoStore, MakeStore, Store, create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ENDPOINT = os.environ.get("CONTRACT_ENDPOINT")
KINDS = ["memory", "dynamodb", *(["endpoint"] if ENDPOINT else [])]


@pytest.fixture(scope="module")
def moto_client() -> Iterator["DynamoDBClient"]:
    with mock_aws():
        yield get_session().create_client("dynamodb", region_name="eu-central-1")


@pytest.fixture(scope="module")
def endpoint_client() -> "DynamoDBClient":
    return get_session().create_client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=ENDPOINT,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def client(moto_client: "DynamoDBClient") -> Iterator["DynamoDBClient"]:
    """Of a DynamoDB with one empty table."""
    create_table(moto_client)
    yield moto_client
    moto_client.delete_table(TableName=TABLE)


@pytest.fixture
def client_of_endpoint(endpoint_client: "DynamoDBClient") -> Iterator["DynamoDBClient"]:
    create_table(endpoint_client)
    yield endpoint_client
    endpoint_client.delete_table(TableName=TABLE)


@pytest.fixture(params=KINDS)
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    if request.param == "memory":
        return MemoryStore
    table = Table(request.getfixturevalue("client" if request.param == "dynamodb" else "client_of_endpoint"), TABLE)

    def make(*, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET) -> Store:
        return DynamoStore(table, max_entries_on_sheet=max_entries_on_sheet)

    return make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()


@pytest.fixture
def dynamo_store(client: "DynamoDBClient") -> DynamoStore:
    return DynamoStore(Table(client, TABLE))
