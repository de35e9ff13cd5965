"""The sandbox's own payment methods; what all processors do is in tests/contract/test_payments.py."""

from decimal import Decimal

import pytest

from chalicelib.domain.errors import Contended, PaymentDeclined, PaymentGatewayError, Unavailable
from chalicelib.domain.orders import StepKey
from chalicelib.gateways.sandbox_payments import SandboxPayments
from chalicelib.repositories.memory_books import MemoryBooks

KEY = StepKey("acc_1", "ord_01J0000000000000000000000A", "ProcessPayment")
AMOUNT = Decimal("19.30")


@pytest.fixture
def books() -> MemoryBooks:
    return MemoryBooks()


@pytest.fixture
def payments(books: MemoryBooks) -> SandboxPayments:
    return SandboxPayments(books)


def test_a_gateway_error_never_heals_and_never_charges(payments: SandboxPayments, books: MemoryBooks) -> None:
    for _ in range(10):
        with pytest.raises(PaymentGatewayError):
            payments.capture(KEY, AMOUNT, "EUR", "gateway_error")

    assert payments.undo(KEY) is None
    assert "payment_id" not in books.read(KEY)


def test_a_refund_error_is_charged_and_never_given_back(payments: SandboxPayments, books: MemoryBooks) -> None:
    payments.capture(KEY, AMOUNT, "EUR", "refund_error")

    for _ in range(5):
        with pytest.raises(PaymentGatewayError):
            payments.undo(KEY)

    assert books.read(KEY)["amount"] == str(AMOUNT)
    assert "refunded" not in books.read(KEY)
    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, AMOUNT, "EUR", "refund_error")


def test_the_errors_that_heal_are_counted_for_each_payment(payments: SandboxPayments) -> None:
    one, two = KEY, KEY._replace(order_id="ord_01J0000000000000000000000B")
    for key in (one, two):
        for _ in range(2):
            with pytest.raises(PaymentGatewayError):
                payments.capture(key, AMOUNT, "EUR", "gateway_error_twice")

    assert payments.capture(one, AMOUNT, "EUR", "gateway_error_twice") != payments.capture(
        two, AMOUNT, "EUR", "gateway_error_twice"
    )


def test_its_ledger_says_what_was_charged(payments: SandboxPayments, books: MemoryBooks) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", "card")
    payments.undo(KEY)

    assert books.read(KEY) == {
        "payment_id": receipt.payment_id,
        "amount": "19.30",
        "currency": "EUR",
        "method": "card",
        "closed": "yes",
        "refunded": "yes",
    }


@pytest.mark.parametrize("error", [Unavailable, Contended])
@pytest.mark.parametrize("failing", ["read", "note"])
def test_books_that_do_not_answer_are_a_processor_that_does_not(
    payments: SandboxPayments, books: MemoryBooks, failing: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(books, failing, fail)

    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", "card")
    with pytest.raises(PaymentGatewayError):
        payments.undo(KEY)


def test_a_capture_overtaken_by_its_undoing_charges_nothing(
    payments: SandboxPayments, books: MemoryBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = books.note

    def undo_first(key: StepKey, facts: dict[str, str], *, unless: tuple[str, ...]) -> bool:
        monkeypatch.setattr(books, "note", note)
        assert payments.undo(KEY) is None
        return note(key, facts, unless=unless)

    monkeypatch.setattr(books, "note", undo_first)

    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, AMOUNT, "EUR", "card")
    assert "payment_id" not in books.read(KEY)
