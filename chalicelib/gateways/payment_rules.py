"""What payment processors can be asked for, so that an order that nobody can pay is refused before it is placed.

Nothing here asks them, and Stripe's library is not needed: orders are placed by a function that does without it.
"""

import re
from decimal import Decimal
from fractions import Fraction

from chalicelib.domain.errors import FieldError, Invalid
from chalicelib.domain.money import MINOR_UNITS

_DECIMALS = MINOR_UNITS | {"ISK": 2, "MGA": 0, "UGX": 2}
"""Where Stripe reckons otherwise than ISO 4217 (docs.stripe.com/currencies): two currencies without decimals are written with
two, always 00, and one with fifths is written without any."""
_WHOLE_ONLY = {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}
"""What an amount in Stripe's units must be a multiple of; of three decimals the last must be 0."""
_MOST_UNITS = 10**12 - 1
"""Twelve digits (docs.stripe.com/currencies, minimum and maximum charge amounts); single networks and banks take less.

The least is known to Stripe only: it is said of the currency in which Stripe pays the shop out, after the exchange.
"""
_METHOD = re.compile(r"pm_[A-Za-z0-9_]+", re.ASCII)


class SandboxRules:
    """It takes all."""

    def check(self, amount: Decimal, currency: str, method: str) -> None:
        pass


class StripeRules:
    def check(self, amount: Decimal, currency: str, method: str) -> None:
        if not amount:  # Stripe is not asked
            return
        if _METHOD.fullmatch(method) is None:
            raise Invalid(FieldError("/payment_method", "must be the id of a PaymentMethod of Stripe's, pm_..."))
        stripe_units(amount, currency)


def stripe_units(amount: Decimal, currency: str) -> int:
    """The amount as Stripe writes it. Raises: Invalid if Stripe cannot take exactly this amount."""
    decimals, multiple = _DECIMALS[currency], _WHOLE_ONLY.get(currency, 1)
    units = Fraction(amount) * 10**decimals
    if units % multiple:
        step = Decimal(multiple).scaleb(-decimals)
        raise Invalid(FieldError("/total_amount", f"is {amount:f} {currency}, which is paid in steps of {step:f}"))
    if units > _MOST_UNITS:
        raise Invalid(FieldError("/total_amount", f"is {amount:f} {currency}, more than can be paid at once"))
    return int(units)
