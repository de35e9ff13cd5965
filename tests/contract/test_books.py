"""Facts by key, of which none is ever taken back: in memory and in DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.ports import Books
from chalicelib.repositories import keys
from chalicelib.repositories.books import KEPT_FOR, DynamoBooks
from chalicelib.repositories.memory_books import MemoryBooks
from chalicelib.repositories.table import Table
from tests.builders import NOW
from tests.contract.stores import EPHEMERAL_TABLE
from tests.fakes import FixedClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def dynamo_books(client: "DynamoDBClient", **more: Any) -> DynamoBooks:
    return DynamoBooks(Table(client, EPHEMERAL_TABLE, **more), keys.payment, FixedClock(NOW))


@pytest.fixture(params=["memory", "dynamodb"])
def books(request: pytest.FixtureRequest) -> Books:
    return MemoryBooks() if request.param == "memory" else dynamo_books(request.getfixturevalue("client"))


def test_nothing_is_known_of_a_new_key(books: Books) -> None:
    assert books.read("new") == {}


def test_what_is_noted_is_known_and_adds_to_what_was(books: Books) -> None:
    assert books.note("key", {"intent": "pi_1", "amount": "19.00"}, unless=("intent",))
    assert books.note("key", {"closed": "yes"}, unless=("closed",))

    assert books.read("key") == {"intent": "pi_1", "amount": "19.00", "closed": "yes"}
    assert books.read("other") == {}


@pytest.mark.parametrize("known", ["intent", "closed"])
def test_nothing_is_noted_if_one_of_those_facts_is_known(books: Books, known: str) -> None:
    books.note("key", {known: "before"}, unless=(known,))

    assert not books.note("key", {"intent": "pi_2", "amount": "1.00"}, unless=("intent", "closed"))
    assert books.read("key") == {known: "before"}


def test_of_twenty_at_once_one_is_first(books: Books) -> None:
    with ThreadPoolExecutor(20) as pool:
        firsts = list(pool.map(lambda who: books.note("key", {"intent": f"pi_{who}"}, unless=("intent",)), range(20)))

    assert firsts.count(True) == 1
    assert books.read("key") == {"intent": f"pi_{firsts.index(True)}"}


def test_in_dynamodb_the_facts_expire_long_after_the_last_of_them(client: "DynamoDBClient") -> None:
    dynamo_books(client).note("key", {"intent": "pi_1"}, unless=("intent",))

    [item] = client.scan(TableName=EPHEMERAL_TABLE)["Items"]
    assert item == {
        "pk": {"S": "payment#key"},
        "sk": {"S": "payment"},
        "intent": {"S": "pi_1"},
        "expires_at": {"N": str(int((NOW + KEPT_FOR).timestamp()))},
    }


@pytest.mark.parametrize(("code", "error"), [("TransactionConflict", Contended), ("ThrottlingError", Unavailable)])
def test_a_table_that_is_busy_has_not_said_no(
    client: "DynamoDBClient", code: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(**_: object) -> None:
        reasons = [{"Code": code}]
        answer: Any = {"Error": {"Code": "TransactionCanceledException", "Message": ""}, "CancellationReasons": reasons}
        raise client.exceptions.TransactionCanceledException(answer, "TransactWriteItems")

    monkeypatch.setattr(client, "transact_write_items", busy)

    with pytest.raises(error):
        dynamo_books(client, sleep=lambda _: None).note("key", {"intent": "pi_1"}, unless=("intent",))
