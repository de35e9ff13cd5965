"""Rounding worked out a second time, in fractions, to check the domain's against."""

from decimal import Decimal
from fractions import Fraction


def half_up(number: Fraction, decimals: int) -> Decimal:
    """Halves go away from zero."""
    scaled = abs(number) * 10**decimals
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(units if number >= 0 else -units).scaleb(-decimals)
