"""Counters of requests: the same in memory and in DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, RLock
from typing import TYPE_CHECKING, Any

import pytest
from moto.dynamodb.models import DynamoDBBackend

from chalicelib.domain.errors import Contended
from chalicelib.domain.limits import Attempts, Quotas
from chalicelib.domain.users import Caller
from chalicelib.ports import Limits
from chalicelib.repositories.limits import DynamoLimits
from chalicelib.repositories.memory_limits import MemoryLimits
from chalicelib.repositories.table import Table
from chalicelib.usecases.limits import count_request, count_sign_in
from tests.builders import a_caller, a_user
from tests.contract.conftest import KINDS
from tests.contract.stores import EPHEMERAL_TABLE
from tests.fakes import FixedClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ADA = a_caller(a_user())
EVE = a_caller(a_user("usr_2"))
STRANGER = a_caller(a_user("usr_1", account_id="acc_2"))
ADDRESS = "198.51.100.7"
WINDOW = 1_795_167_000
QUOTAS = Quotas(user_requests=10, address_requests=10, sign_in_attempts=5, sign_in_quiet_seconds=900)
CROWD = 24


@pytest.fixture(params=KINDS)
def limits(request: pytest.FixtureRequest) -> Limits:
    if request.param == "memory":
        return MemoryLimits()
    client = request.getfixturevalue("client" if request.param == "dynamodb" else "client_of_endpoint")
    return DynamoLimits(Table(client, EPHEMERAL_TABLE))


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB writes an item as a whole; moto does so only if nobody else is at it."""
    lock = RLock()
    for name in ("put_item", "update_item"):
        write = getattr(DynamoDBBackend, name)

        def alone(*arguments: Any, write: Any = write, **named: Any) -> Any:
            with lock:
                return write(*arguments, **named)

        monkeypatch.setattr(DynamoDBBackend, name, alone)


def test_requests_are_counted_for_each_user_address_and_window_alone(limits: Limits) -> None:
    assert [limits.count(ADA, WINDOW, enough=100) for _ in range(3)] == [1, 2, 3]
    others: list[tuple[Caller | str, int]] = [
        (EVE, WINDOW),
        (STRANGER, WINDOW),
        (ADDRESS, WINDOW),
        ("2001:db8::/64", WINDOW),
        (ADA, WINDOW + 60),
    ]
    assert [limits.count(who, window, enough=100) for who, window in others] == [1, 1, 1, 1, 1]
    assert limits.count(ADA, WINDOW, enough=100) == 4


def test_once_enough_are_counted_it_stays_enough(limits: Limits) -> None:
    assert [limits.count(ADA, WINDOW, enough=3) >= 3 for _ in range(6)] == [False, False, True, True, True, True]


def test_a_limit_that_is_raised_within_the_window_lets_more_through(limits: Limits) -> None:
    for _ in range(3):
        limits.count(ADA, WINDOW, enough=3)

    assert limits.count(ADA, WINDOW, enough=10) == 4


def test_attempts_are_replaced_only_as_they_were_read(limits: Limits) -> None:
    first, second = Attempts(1, WINDOW), Attempts(2, WINDOW + 5)
    assert limits.attempts(ADDRESS) is None

    limits.note_attempt(ADDRESS, None, first, forgotten_at=WINDOW + 900)
    with pytest.raises(Contended):
        limits.note_attempt(ADDRESS, None, first, forgotten_at=WINDOW + 900)
    limits.note_attempt(ADDRESS, first, second, forgotten_at=WINDOW + 905)
    with pytest.raises(Contended):
        limits.note_attempt(ADDRESS, first, Attempts(2, WINDOW + 7), forgotten_at=WINDOW + 907)

    assert limits.attempts(ADDRESS) == second
    assert limits.attempts("198.51.100.8") is None


@pytest.mark.usefixtures("one_at_a_time")
def test_of_many_requests_at_once_exactly_as_many_pass_as_are_allowed(limits: Limits) -> None:
    barrier, clock = Barrier(CROWD), FixedClock()

    def ask(_: int) -> bool:
        barrier.wait()
        return count_request(ADA, limits=limits, quotas=QUOTAS, clock=clock).refusal is None

    with ThreadPoolExecutor(CROWD) as crowd:
        assert sum(crowd.map(ask, range(CROWD))) == QUOTAS.user_requests


@pytest.mark.usefixtures("one_at_a_time")
def test_guesses_at_once_all_count_and_no_more_are_heard_than_are_free(limits: Limits) -> None:
    barrier, clock = Barrier(CROWD), FixedClock()

    def guess(_: int) -> bool:
        barrier.wait()
        return count_sign_in(ADDRESS, limits=limits, quotas=QUOTAS, clock=clock).refusal is None

    with ThreadPoolExecutor(CROWD) as crowd:
        heard = sum(crowd.map(guess, range(CROWD)))

    series = limits.attempts(ADDRESS)
    assert series is not None
    assert heard == series.number, "what was heard was counted, and nothing else"
    assert 1 <= heard <= QUOTAS.sign_in_attempts


def test_what_was_counted_another_process_counts_on(client: "DynamoDBClient") -> None:
    for number in range(1, 4):
        assert DynamoLimits(Table(client, EPHEMERAL_TABLE)).count(ADA, WINDOW, enough=2) == number


def test_what_is_counted_expires_and_is_never_of_the_main_table(client: "DynamoDBClient") -> None:
    limits = DynamoLimits(Table(client, EPHEMERAL_TABLE))
    limits.count(ADA, WINDOW, enough=3)
    limits.note_attempt(ADDRESS, None, Attempts(1, WINDOW), forgotten_at=WINDOW + 900)

    kept = {item["pk"]["S"]: item for item in client.scan(TableName=EPHEMERAL_TABLE)["Items"]}
    assert {name: item["expires_at"] for name, item in kept.items()} == {
        "requests#acc_1#usr_1": {"N": str(WINDOW + 120)},
        f"sign_ins#{ADDRESS}": {"N": str(WINDOW + 900)},
    }
