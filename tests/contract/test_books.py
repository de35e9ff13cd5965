"""Facts by key, of which none is ever taken back: in memory and in DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.domain.orders import StepKey
from chalicelib.ports import Books
from chalicelib.repositories.books import DynamoBooks
from chalicelib.repositories.memory_books import MemoryBooks
from chalicelib.repositories.table import Table
from tests.contract.stores import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = StepKey("acc_1", "ord_1", "ProcessPayment")
OTHERS = [KEY._replace(account_id="acc_2"), KEY._replace(order_id="ord_2"), KEY._replace(step="CreateShipment")]


def dynamo_books(client: "DynamoDBClient", **more: Any) -> DynamoBooks:
    return DynamoBooks(Table(client, TABLE, **more))


@pytest.fixture(params=["memory", "dynamodb"])
def books(request: pytest.FixtureRequest) -> Books:
    return MemoryBooks() if request.param == "memory" else dynamo_books(request.getfixturevalue("client"))


def test_nothing_is_known_of_a_new_key(books: Books) -> None:
    assert books.read(KEY) == {}


def test_what_is_noted_is_known_and_adds_to_what_was(books: Books) -> None:
    assert books.note(KEY, {"intent": "pi_1", "amount": "19.00"}, unless=("intent",))
    assert books.note(KEY, {"closed": "yes"}, unless=("closed",))

    assert books.read(KEY) == {"intent": "pi_1", "amount": "19.00", "closed": "yes"}
    assert [books.read(other) for other in OTHERS] == [{}, {}, {}]


@pytest.mark.parametrize("known", ["intent", "closed"])
def test_nothing_is_noted_if_one_of_those_facts_is_known(books: Books, known: str) -> None:
    books.note(KEY, {known: "before"}, unless=(known,))

    assert not books.note(KEY, {"intent": "pi_2", "amount": "1.00"}, unless=("intent", "closed"))
    assert books.read(KEY) == {known: "before"}


def test_of_twenty_at_once_one_is_first(books: Books) -> None:
    with ThreadPoolExecutor(20) as pool:
        firsts = list(pool.map(lambda who: books.note(KEY, {"intent": f"pi_{who}"}, unless=("intent",)), range(20)))

    assert firsts.count(True) == 1
    assert books.read(KEY) == {"intent": f"pi_{firsts.index(True)}"}


def test_in_dynamodb_the_facts_lie_under_their_account_and_never_expire(client: "DynamoDBClient") -> None:
    """In the table that can be restored, whose readers know nothing of their kind."""
    dynamo_books(client).note(KEY, {"intent": "pi_1"}, unless=("intent",))

    [item] = client.scan(TableName=TABLE)["Items"]
    assert item == {
        "pk": {"S": "acc_1"},
        "sk": {"S": "books#ord_1#ProcessPayment"},
        "type": {"S": "books"},
        "account_id": {"S": "acc_1"},
        "order_id": {"S": "ord_1"},
        "intent": {"S": "pi_1"},
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
        dynamo_books(client, sleep=lambda _: None).note(KEY, {"intent": "pi_1"}, unless=("intent",))
