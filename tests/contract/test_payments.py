"""What every payment processor does: the sandbox, the fake of the use cases' tests, and Stripe (a stand-in on this machine)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.domain.errors import DaybookError, InsufficientFunds, PaymentDeclined, PaymentGatewayError
from chalicelib.domain.orders import StepKey
from chalicelib.gateways.sandbox_payments import SandboxPayments
from chalicelib.gateways.stripe_payments import StripePayments
from chalicelib.ports import Books, Payments
from chalicelib.repositories.books import DynamoBooks
from chalicelib.repositories.memory_books import MemoryBooks
from chalicelib.repositories.table import Table
from tests.contract.stores import TABLE
from tests.fakes import MemoryPayments
from tests.stripe_stand_in import API_KEY, DECLINED, GOOD, INSUFFICIENT_FUNDS, StripeStandIn, running_stripe

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = StepKey("acc_1", "ord_01J0000000000000000000000A", "ProcessPayment")
OTHER = KEY._replace(order_id="ord_01J0000000000000000000000B")
AMOUNT = Decimal("1617.13")
NOTHING = Decimal(0)
SECRET = "daybook-contract-stripe-key"


class Processor(Protocol):
    """A processor, and what its own books say."""

    good: str
    declined: str
    insufficient_funds: str

    @property
    def payments(self) -> Payments: ...

    def failing_twice(self) -> str:
        """A method that gets no clear answer twice, and is good then."""

    def losing_the_answer(self) -> str:
        """A method that is charged, and whose first answer gets lost."""

    def charged(self, key: StepKey) -> Decimal:
        """All that was ever charged under the key."""

    def given_back(self, key: StepKey) -> Decimal: ...


class Sandbox:
    good, declined, insufficient_funds = "card", "declined", "insufficient_funds"

    def __init__(self, payments: Payments, books: Books) -> None:
        self.payments = payments
        self._books = books

    def failing_twice(self) -> str:
        return "gateway_error_twice"

    def losing_the_answer(self) -> str:
        return "answer_lost"

    def charged(self, key: StepKey) -> Decimal:
        return Decimal(self._books.read(key).get("amount", 0))

    def given_back(self, key: StepKey) -> Decimal:
        return self.charged(key) if "refunded" in self._books.read(key) else NOTHING


class Fake:
    """Its methods are the sandbox's."""

    good, declined, insufficient_funds = Sandbox.good, Sandbox.declined, Sandbox.insufficient_funds
    failing_twice, losing_the_answer = Sandbox.failing_twice, Sandbox.losing_the_answer

    def __init__(self, payments: MemoryPayments) -> None:
        self.payments = payments

    def charged(self, key: StepKey) -> Decimal:
        return self._moved("capture", key)

    def given_back(self, key: StepKey) -> Decimal:
        return self._moved("refund", key)

    def _moved(self, what: str, key: StepKey) -> Decimal:
        return sum((amount for moved, where, amount in self.payments.moved if (moved, where) == (what, str(key))), NOTHING)


class Stripe:
    good, declined, insufficient_funds = GOOD, DECLINED, INSUFFICIENT_FUNDS

    def __init__(self, payments: Payments, stand_in: StripeStandIn) -> None:
        self.payments = payments
        self._stand_in = stand_in

    def failing_twice(self) -> str:
        self._stand_in.faults["confirm"] = ["error", "error"]
        return GOOD

    def losing_the_answer(self) -> str:
        self._stand_in.faults["confirm"] = ["lost"]
        return GOOD

    def charged(self, key: StepKey) -> Decimal:
        return sum((Decimal(charge["amount"]) for charge in self._stand_in.charges(key)), NOTHING) / 100

    def given_back(self, key: StepKey) -> Decimal:
        return sum((Decimal(charge["amount_refunded"]) for charge in self._stand_in.charges(key)), NOTHING) / 100


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StripeStandIn]:
    with running_stripe() as running:
        yield running


@pytest.fixture
def secrets() -> Iterator[Any]:
    with mock_aws():
        client: Any = get_session().create_client("secretsmanager", region_name="eu-central-1")
        with suppress(client.exceptions.ResourceExistsException):  # of the test before: the module's AWS remembers it
            client.create_secret(Name=SECRET, SecretString=API_KEY)
        yield client


def fake(_request: pytest.FixtureRequest) -> Processor:
    return Fake(MemoryPayments())


def sandbox_in_memory(_request: pytest.FixtureRequest) -> Processor:
    books = MemoryBooks()
    return Sandbox(SandboxPayments(books), books)


def sandbox(request: pytest.FixtureRequest) -> Processor:
    books = dynamo_books(request.getfixturevalue("client"))
    return Sandbox(SandboxPayments(books), books)


def stripe(request: pytest.FixtureRequest) -> Processor:
    return _stripe(request, MemoryBooks())


def stripe_with_dynamodb(request: pytest.FixtureRequest) -> Processor:
    return _stripe(request, dynamo_books(request.getfixturevalue("client")))


def _stripe(request: pytest.FixtureRequest, books: Books) -> Processor:
    stand_in = request.getfixturevalue("stand_in")
    stand_in.forget()
    return Stripe(StripePayments(books, request.getfixturevalue("secrets"), SECRET, address=stand_in.address), stand_in)


def dynamo_books(client: "DynamoDBClient") -> DynamoBooks:
    return DynamoBooks(Table(client, TABLE))


@pytest.fixture(params=[fake, sandbox_in_memory, sandbox, stripe, stripe_with_dynamodb], ids=lambda made: made.__name__)
def processor(request: pytest.FixtureRequest) -> Processor:
    make: Callable[[pytest.FixtureRequest], Processor] = request.param
    return make(request)


def test_a_good_payment_is_charged_to_the_cent(processor: Processor) -> None:
    receipt = processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)

    assert receipt.payment_id
    assert processor.charged(KEY) == AMOUNT
    assert processor.given_back(KEY) == 0


def test_asked_again_it_is_the_same_payment_and_one_charge(processor: Processor) -> None:
    receipts = {processor.payments.capture(KEY, AMOUNT, "EUR", processor.good) for _ in range(3)}

    assert len(receipts) == 1
    assert processor.charged(KEY) == AMOUNT


def test_two_keys_are_two_payments(processor: Processor) -> None:
    receipts = {processor.payments.capture(key, AMOUNT, "EUR", processor.good) for key in (KEY, OTHER)}

    assert len(receipts) == 2
    assert (processor.charged(KEY), processor.charged(OTHER)) == (AMOUNT, AMOUNT)


def test_twenty_who_ask_at_once_are_charged_once(processor: Processor) -> None:
    def ask(_: int) -> object:
        try:
            return processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)
        except PaymentGatewayError:
            return None

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(ask, range(20)))

    assert answers - {None} == {processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)}
    assert processor.charged(KEY) == AMOUNT


@pytest.mark.parametrize(("which", "error"), [("declined", PaymentDeclined), ("insufficient_funds", InsufficientFunds)])
def test_what_is_refused_is_refused_again_and_charges_nothing(
    processor: Processor, which: str, error: type[DaybookError]
) -> None:
    for _ in range(2):
        with pytest.raises(error):
            processor.payments.capture(KEY, AMOUNT, "EUR", getattr(processor, which))

    assert processor.charged(KEY) == 0
    assert processor.payments.undo(KEY) is None


def test_after_two_unclear_answers_it_is_charged_once(processor: Processor) -> None:
    method = processor.failing_twice()
    for _ in range(2):
        with pytest.raises(PaymentGatewayError):
            processor.payments.capture(KEY, AMOUNT, "EUR", method)
    assert processor.charged(KEY) == 0

    processor.payments.capture(KEY, AMOUNT, "EUR", method)

    assert processor.charged(KEY) == AMOUNT


def test_an_answer_that_was_lost_is_given_when_asked_again(processor: Processor) -> None:
    method = processor.losing_the_answer()
    with pytest.raises(PaymentGatewayError):
        processor.payments.capture(KEY, AMOUNT, "EUR", method)
    assert processor.charged(KEY) == AMOUNT

    processor.payments.capture(KEY, AMOUNT, "EUR", method)

    assert processor.charged(KEY) == AMOUNT


def test_a_payment_whose_answer_was_lost_is_given_back(processor: Processor) -> None:
    with pytest.raises(PaymentGatewayError):
        processor.payments.capture(KEY, AMOUNT, "EUR", processor.losing_the_answer())

    assert processor.payments.undo(KEY) is not None
    assert processor.given_back(KEY) == AMOUNT


def test_undone_twice_it_is_given_back_once(processor: Processor) -> None:
    receipt = processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)

    assert [processor.payments.undo(KEY) for _ in range(3)] == [receipt] * 3
    assert (processor.charged(KEY), processor.given_back(KEY)) == (AMOUNT, AMOUNT)


def test_twenty_who_undo_at_once_give_back_once(processor: Processor) -> None:
    receipt = processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)

    def undo(_: int) -> object:
        try:
            return processor.payments.undo(KEY)
        except PaymentGatewayError:
            return None

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(undo, range(20)))

    assert answers - {None} <= {receipt}
    assert processor.payments.undo(KEY) == receipt
    assert processor.given_back(KEY) == AMOUNT


def test_undone_before_it_was_asked_for_it_is_refused_for_ever(processor: Processor) -> None:
    assert processor.payments.undo(KEY) is None

    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)
    assert processor.charged(KEY) == 0
    assert processor.payments.undo(KEY) is None


def test_what_was_given_back_is_not_captured_again(processor: Processor) -> None:
    receipt = processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)
    processor.payments.undo(KEY)

    with pytest.raises(PaymentDeclined):
        processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)

    assert processor.payments.undo(KEY) == receipt
    assert (processor.charged(KEY), processor.given_back(KEY)) == (AMOUNT, AMOUNT)


def test_undone_between_unclear_answers_it_is_never_charged(processor: Processor) -> None:
    method = processor.failing_twice()
    with pytest.raises(PaymentGatewayError):
        processor.payments.capture(KEY, AMOUNT, "EUR", method)

    assert processor.payments.undo(KEY) is None

    for _ in range(3):
        with pytest.raises(PaymentDeclined):
            processor.payments.capture(KEY, AMOUNT, "EUR", method)
    assert processor.charged(KEY) == 0


def test_of_captures_and_undoings_at_once_nothing_stays_charged(processor: Processor) -> None:
    def ask(place: int) -> None:
        with suppress(PaymentGatewayError, PaymentDeclined):
            if place % 2:
                processor.payments.undo(KEY)
            else:
                processor.payments.capture(KEY, AMOUNT, "EUR", processor.good)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, range(10)))
    processor.payments.undo(KEY)

    assert processor.charged(KEY) in {NOTHING, AMOUNT}
    assert processor.given_back(KEY) == processor.charged(KEY)


def test_an_order_that_costs_nothing_is_paid_and_can_be_undone(processor: Processor) -> None:
    receipt = processor.payments.capture(KEY, Decimal("0.00"), "EUR", processor.good)

    assert processor.payments.capture(KEY, Decimal("0.00"), "EUR", processor.good) == receipt
    assert processor.payments.undo(KEY) == receipt
    with pytest.raises(PaymentDeclined):
        processor.payments.capture(KEY, Decimal("0.00"), "EUR", processor.good)
