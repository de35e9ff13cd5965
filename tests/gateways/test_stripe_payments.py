"""Stripe when it fails, at every question that it is asked; amounts as it writes them; its key."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.errors import PaymentDeclined, PaymentGatewayError, Unavailable
from chalicelib.domain.orders import Receipt, StepKey
from chalicelib.gateways.stripe_payments import StripePayments
from chalicelib.repositories.memory_books import MemoryBooks
from tests.stripe_stand_in import (
    API_KEY,
    DECLINED,
    GOOD,
    WANTS_ANOTHER_FACTOR,
    Fault,
    StripeStandIn,
    running_stripe,
)

KEY = StepKey("acc_1", "ord_01J0000000000000000000000A", "ProcessPayment")
AMOUNT = Decimal("19.30")
SECRET = "daybook-test-stripe-key"
FAULTS: tuple[Fault, ...] = ("unreachable", "lost", "error", "error_after", "busy")


@pytest.fixture(scope="module")
def running() -> Iterator[StripeStandIn]:
    with running_stripe() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(running: StripeStandIn) -> StripeStandIn:
    running.forget()
    return running


@pytest.fixture
def secrets(aws: Callable[..., Any]) -> Any:
    client = aws("secretsmanager")
    client.create_secret(Name=SECRET, SecretString=f"{API_KEY}\n")
    return client


@pytest.fixture
def books() -> MemoryBooks:
    return MemoryBooks()


@pytest.fixture
def payments(stand_in: StripeStandIn, secrets: Any, books: MemoryBooks) -> StripePayments:
    return StripePayments(books, secrets, SECRET, address=stand_in.address)


def until_clear(ask: Callable[[], Receipt | None]) -> Receipt | None:
    """Asks again as the workflow does; as often as this must be enough."""
    for _ in range(4):
        try:
            return ask()
        except PaymentGatewayError:
            continue
    raise AssertionError("no clear answer")


def charged_and_given_back(stand_in: StripeStandIn) -> tuple[int, int]:
    charges = stand_in.charges(KEY)
    return sum(charge["amount"] for charge in charges), sum(charge["amount_refunded"] for charge in charges)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ["create", "confirm"])
def test_whatever_fails_at_a_capture_it_is_charged_once_in_the_end(
    payments: StripePayments, stand_in: StripeStandIn, action: str, fault: Fault
) -> None:
    stand_in.faults[action] = [fault, fault]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)

    receipt = until_clear(lambda: payments.capture(KEY, AMOUNT, "EUR", GOOD))

    assert receipt is not None
    assert stand_in.faults[action] == [] or fault in {"lost", "error_after"}
    assert charged_and_given_back(stand_in) == (1930, 0)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ["create", "confirm"])
def test_whatever_fails_at_a_capture_undoing_it_leaves_nothing_charged(
    payments: StripePayments, stand_in: StripeStandIn, action: str, fault: Fault
) -> None:
    stand_in.faults[action] = [fault]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)

    receipt = payments.undo(KEY)

    charged, given_back = charged_and_given_back(stand_in)
    assert given_back == charged
    assert (receipt is not None) == (charged > 0)
    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)
    assert charged_and_given_back(stand_in) == (charged, charged)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ["retrieve", "list", "refund"])
def test_whatever_fails_at_a_refund_it_is_given_back_once_in_the_end(
    payments: StripePayments, stand_in: StripeStandIn, action: str, fault: Fault
) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.faults[action] = [fault]

    assert until_clear(lambda: payments.undo(KEY)) == receipt
    assert charged_and_given_back(stand_in) == (1930, 1930)


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_fails_at_calling_off_what_was_not_charged_it_is_canceled_in_the_end(
    payments: StripePayments, stand_in: StripeStandIn, fault: Fault
) -> None:
    stand_in.faults["confirm"] = ["unreachable"]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.faults["cancel"] = [fault]

    assert until_clear(lambda: payments.undo(KEY)) is None
    assert [intent["status"] for intent in stand_in.intents(KEY)] == ["canceled"]
    assert charged_and_given_back(stand_in) == (0, 0)


def test_it_does_not_need_what_stripe_remembers_of_idempotency_keys(payments: StripePayments, stand_in: StripeStandIn) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.forget_idempotency_keys()
    assert payments.capture(KEY, AMOUNT, "EUR", GOOD) == receipt

    assert payments.undo(KEY) == receipt
    stand_in.forget_idempotency_keys()
    assert payments.undo(KEY) == receipt

    assert charged_and_given_back(stand_in) == (1930, 1930)


def test_a_card_that_was_declined_is_so_when_stripe_has_forgotten_the_key(
    payments: StripePayments, stand_in: StripeStandIn
) -> None:
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            payments.capture(KEY, AMOUNT, "EUR", DECLINED)
        stand_in.forget_idempotency_keys()

    assert charged_and_given_back(stand_in) == (0, 0)


def test_every_request_that_changes_something_has_an_idempotency_key(payments: StripePayments, stand_in: StripeStandIn) -> None:
    payments.capture(KEY, AMOUNT, "EUR", GOOD)
    payments.undo(KEY)

    assert stand_in.requests == [
        ("create", f"{KEY}-create-0"),
        ("confirm", f"{KEY}-confirm-0"),
        ("retrieve", None),
        ("list", None),
        ("refund", f"{KEY}-refund-0"),
    ]


def test_after_an_error_of_stripe_the_keys_begin_anew(payments: StripePayments, stand_in: StripeStandIn) -> None:
    stand_in.faults["confirm"] = ["error"]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)

    payments.capture(KEY, AMOUNT, "EUR", GOOD)

    assert [key for action, key in stand_in.requests if action == "confirm"] == [f"{KEY}-confirm-0", f"{KEY}-confirm-1"]


def test_a_capture_overtaken_by_its_undoing_charges_nothing(
    payments: StripePayments, stand_in: StripeStandIn, books: MemoryBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = books.note

    def undo_first(key: StepKey, facts: dict[str, str], *, unless: tuple[str, ...]) -> bool:
        if "intent" in facts:
            monkeypatch.setattr(books, "note", note)
            assert payments.undo(KEY) is None
        return note(key, facts, unless=unless)

    monkeypatch.setattr(books, "note", undo_first)

    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)
    assert charged_and_given_back(stand_in) == (0, 0)


def test_a_payment_under_way_is_clear_once_it_is_through(payments: StripePayments, stand_in: StripeStandIn) -> None:
    stand_in.faults["confirm"] = ["pending"]
    for _ in range(2):
        with pytest.raises(PaymentGatewayError):
            payments.capture(KEY, AMOUNT, "EUR", GOOD)

    stand_in.processing.clear()

    assert payments.capture(KEY, AMOUNT, "EUR", GOOD).payment_id
    assert charged_and_given_back(stand_in) == (1930, 0)


def test_a_payment_under_way_is_given_back_once_it_is_through(payments: StripePayments, stand_in: StripeStandIn) -> None:
    stand_in.faults["confirm"] = ["pending"]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)
    with pytest.raises(PaymentGatewayError):
        payments.undo(KEY)

    stand_in.processing.clear()

    assert payments.undo(KEY) is not None
    assert charged_and_given_back(stand_in) == (1930, 1930)


def test_a_payment_under_way_is_canceled_if_it_did_not_get_through(payments: StripePayments, stand_in: StripeStandIn) -> None:
    stand_in.faults["confirm"] = ["unreachable"]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.processing.update(intent["id"] for intent in stand_in.intents(KEY))
    with pytest.raises(PaymentGatewayError):
        payments.undo(KEY)

    stand_in.processing.clear()

    assert payments.undo(KEY) is None
    assert [intent["status"] for intent in stand_in.intents(KEY)] == ["canceled"]


def test_a_card_that_wants_another_factor_is_declined(payments: StripePayments, stand_in: StripeStandIn) -> None:
    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, AMOUNT, "EUR", WANTS_ANOTHER_FACTOR)

    assert payments.undo(KEY) is None
    assert [intent["status"] for intent in stand_in.intents(KEY)] == ["canceled"]


def test_a_payment_method_that_stripe_does_not_know_is_declined(payments: StripePayments, stand_in: StripeStandIn) -> None:
    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, AMOUNT, "EUR", "pm_nobody")

    assert payments.undo(KEY) is None


def test_a_key_that_was_changed_is_read_again(payments: StripePayments, stand_in: StripeStandIn, secrets: Any) -> None:
    payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.api_key = "sk_test_another"
    secrets.put_secret_value(SecretId=SECRET, SecretString="sk_test_another")

    with pytest.raises(PaymentGatewayError):
        payments.undo(KEY)

    assert payments.undo(KEY) is not None


def test_a_store_of_secrets_that_does_not_answer_is_a_processor_that_does_not(
    stand_in: StripeStandIn, aws: Callable[..., Any], books: MemoryBooks
) -> None:
    payments = StripePayments(books, aws("secretsmanager"), "nowhere", address=stand_in.address)

    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)

    assert stand_in.requests == []


def test_books_that_do_not_answer_are_a_processor_that_does_not(
    payments: StripePayments, books: MemoryBooks, stand_in: StripeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> bool:
        raise Unavailable

    monkeypatch.setattr(books, "note", silent)

    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)
    with pytest.raises(PaymentGatewayError):
        payments.undo(KEY)
    assert charged_and_given_back(stand_in) == (0, 0)


def test_a_refund_that_is_pending_is_no_refund_until_it_has_succeeded(
    payments: StripePayments, stand_in: StripeStandIn
) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.faults["refund"] = ["pending"]
    for _ in range(3):
        with pytest.raises(PaymentGatewayError):
            payments.undo(KEY)
    assert charged_and_given_back(stand_in) == (1930, 0)

    stand_in.refund_statuses.clear()

    assert payments.undo(KEY) == receipt
    assert charged_and_given_back(stand_in) == (1930, 1930)
    assert [action for action, _ in stand_in.requests].count("refund") == 1


@pytest.mark.parametrize("outcome", ["failed", "canceled"])
def test_a_refund_that_was_pending_and_failed_is_made_anew(
    payments: StripePayments, stand_in: StripeStandIn, outcome: str
) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.faults["refund"] = ["pending"]
    with pytest.raises(PaymentGatewayError):
        payments.undo(KEY)
    [refund_id] = stand_in.refund_statuses

    stand_in.refund_statuses[refund_id] = outcome

    assert payments.undo(KEY) == receipt
    assert charged_and_given_back(stand_in) == (1930, 1930)


def test_what_the_shop_gave_back_itself_in_part_is_not_given_back_again(
    payments: StripePayments, stand_in: StripeStandIn
) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", GOOD)
    stand_in.ask("POST", "/v1/refunds", {"payment_intent": receipt.payment_id, "amount": "1930"})

    assert payments.undo(KEY) == receipt
    assert "refund" not in [action for action, _ in stand_in.requests]


def test_a_payment_method_that_cannot_be_used_is_declined(payments: StripePayments, stand_in: StripeStandIn) -> None:
    stand_in.faults["confirm"] = ["unusable"]

    with pytest.raises(PaymentDeclined, match="may not be used again"):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)

    assert charged_and_given_back(stand_in) == (0, 0)


@pytest.mark.parametrize("action", ["create", "confirm"])
def test_a_fault_of_ours_says_nothing_of_the_card_and_heals_once_it_is_mended(
    payments: StripePayments, stand_in: StripeStandIn, action: str
) -> None:
    stand_in.faults[action] = ["misasked"]
    with pytest.raises(PaymentGatewayError):
        payments.capture(KEY, AMOUNT, "EUR", GOOD)

    assert payments.capture(KEY, AMOUNT, "EUR", GOOD).payment_id
    assert charged_and_given_back(stand_in) == (1930, 0)


def test_books_that_were_restored_to_before_the_payment_find_it_again_within_a_day(
    payments: StripePayments, stand_in: StripeStandIn, secrets: Any
) -> None:
    receipt = payments.capture(KEY, AMOUNT, "EUR", GOOD)

    restored = StripePayments(MemoryBooks(), secrets, SECRET, address=stand_in.address)

    assert restored.capture(KEY, AMOUNT, "EUR", GOOD) == receipt
    assert restored.undo(KEY) == receipt
    assert charged_and_given_back(stand_in) == (1930, 1930)


def test_stripe_is_told_which_account_and_which_step_a_payment_is_of(payments: StripePayments, stand_in: StripeStandIn) -> None:
    payments.capture(KEY, AMOUNT, "EUR", GOOD)

    [intent] = stand_in.intents(KEY)
    assert intent["metadata"] == {"daybook_payment": f"{KEY.order_id}-ProcessPayment", "daybook_account": "acc_1"}


@pytest.mark.parametrize(("amount", "currency"), [("5.124", "KWD"), ("25000000000000000000000.00", "EUR")])
def test_an_amount_that_stripe_cannot_take_is_declined_unasked(
    payments: StripePayments, stand_in: StripeStandIn, amount: str, currency: str
) -> None:
    with pytest.raises(PaymentDeclined):
        payments.capture(KEY, Decimal(amount), currency, GOOD)

    assert stand_in.requests == []
