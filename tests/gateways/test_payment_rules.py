"""What Stripe can be asked for, and in which units; the sandbox takes all."""

from decimal import Decimal

import pytest

from chalicelib.domain.errors import Invalid
from chalicelib.gateways.payment_rules import SandboxRules, StripeRules, stripe_units

CARD = "pm_1N3T00LkdIwHu7ixt44h1F8k"


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("10.00", "USD", 1000),
        ("0.50", "EUR", 50),
        ("500", "JPY", 500),
        ("5", "ISK", 500),
        ("5", "UGX", 500),
        ("10.00", "MGA", 10),
        ("1240", "XOF", 1240),
        ("5.120", "KWD", 5120),
        ("9999999999.99", "IDR", 999_999_999_999),
    ],
)
def test_an_amount_is_in_the_units_that_stripe_wants(amount: str, currency: str, units: int) -> None:
    assert stripe_units(Decimal(amount), currency) == units


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("3.704", "KWD", "is 3.704 KWD, which is paid in steps of 0.010"),
        ("10.20", "MGA", "is 10.20 MGA, which is paid in steps of 1"),
        ("10.001", "TND", "is 10.001 TND, which is paid in steps of 0.010"),
        ("10000000000.00", "EUR", "is 10000000000.00 EUR, more than can be paid at once"),
        ("2.5E+22", "JPY", "is 25000000000000000000000 JPY, more than can be paid at once"),
    ],
)
def test_an_order_that_comes_to_what_stripe_cannot_take_is_refused(amount: str, currency: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        StripeRules().check(Decimal(amount), currency, CARD)

    assert refused.value.errors == (("/total_amount", said),)


@pytest.mark.parametrize("method", ["card", "pm_", "PM_1N3T", "pm_1N3T 00", " pm_1N3T", "tok_visa", "pm_1N3T\n", ""])
def test_what_is_no_payment_method_of_stripes_is_refused(method: str) -> None:
    with pytest.raises(Invalid) as refused:
        StripeRules().check(Decimal("19.00"), "EUR", method)

    assert [error.pointer for error in refused.value.errors] == ["/payment_method"]


@pytest.mark.parametrize("method", [CARD, "pm_card_visa"])
def test_a_payment_method_of_stripes_is_taken(method: str) -> None:
    StripeRules().check(Decimal("19.00"), "EUR", method)


def test_what_costs_nothing_needs_no_payment_method() -> None:
    StripeRules().check(Decimal("0.00"), "EUR", "card")


@pytest.mark.parametrize(("amount", "currency", "method"), [("3.704", "KWD", "card"), ("2.5E+22", "JPY", "declined")])
def test_the_sandbox_takes_all(amount: str, currency: str, method: str) -> None:
    SandboxRules().check(Decimal(amount), currency, method)
