"""Money is Decimal with the currency's own number of decimals, rounded half up, away from zero.

Python's `round` and Decimal's default round half to even, which is wrong on an invoice: 1460.50 x 25 % is 365.13, not 365.12.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from chalicelib.domain.errors import FieldError, Invalid

MAX_SIGNIFICANT_DIGITS = 20
EXPONENT_BOUND = 20
EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
"""All digits of whatever is added up or multiplied here."""
_SECONDS_PER_HOUR = 3600

# ISO 4217, list one, active currencies by minor units (as of 2026-01-01); funds, metals and test codes are left out.
_WITHOUT_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_WITH_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_WITH_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE "
    "CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
    "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY "
    "TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
MINOR_UNITS = {
    code: decimals
    for decimals, codes in ((0, _WITHOUT_DECIMALS), (2, _WITH_TWO_DECIMALS), (3, _WITH_THREE_DECIMALS))
    for code in codes.split()
}
"""Number of decimals by ISO 4217 code."""


def check_currency(code: str, pointer: str = "/currency") -> str:
    """Raises: Invalid if `code` is no active ISO 4217 currency."""
    if code not in MINOR_UNITS:
        raise Invalid(FieldError(pointer, "is not an active ISO 4217 currency code"))
    return code


def check_exact(number: Decimal, pointer: str) -> Decimal:
    """The number as it came, if it is finite and has at most 20 significant digits.

    Raises: Invalid if it is NaN, infinite, too long, or so large or small that nobody means it.
    """
    if not number.is_finite():
        raise Invalid(FieldError(pointer, "must be a finite number"))
    _, digits, exponent = number.as_tuple()
    if len(digits) > MAX_SIGNIFICANT_DIGITS:
        raise Invalid(FieldError(pointer, f"must have at most {MAX_SIGNIFICANT_DIGITS} significant digits"))
    if not isinstance(exponent, int) or abs(exponent) > EXPONENT_BOUND or abs(number.adjusted()) > EXPONENT_BOUND:
        raise Invalid(FieldError(pointer, f"must be between 1e-{EXPONENT_BOUND} and 1e{EXPONENT_BOUND}"))
    return number


def check_amount(number: Decimal, currency: str, pointer: str) -> Decimal:
    """An amount of money with no more decimals than the currency has, written with all of them.

    Raises: Invalid as `check_exact`, or if it has more decimals.
    """
    rounded = round_money(check_exact(number, pointer), currency)
    if rounded != number:
        raise Invalid(FieldError(pointer, f"must have at most {MINOR_UNITS[currency]} decimals in {currency}"))
    return rounded


def round_money(amount: Decimal, currency: str) -> Decimal:
    """To the currency's decimals, half up away from zero."""
    with localcontext(EXACT):
        return amount.quantize(Decimal(1).scaleb(-MINOR_UNITS[currency])) + 0


def time_amount(duration_seconds: int, hourly_rate: Decimal, currency: str) -> Decimal:
    """seconds x rate / 3600, rounded once: no detour over rounded hours."""
    with localcontext(EXACT):
        return round_money(duration_seconds * hourly_rate / _SECONDS_PER_HOUR, currency)


def quantity_amount(quantity: int, unit_price: Decimal, currency: str) -> Decimal:
    """quantity x price, rounded once."""
    with localcontext(EXACT):
        return round_money(quantity * unit_price, currency)


def percentage(amount: Decimal, percent: Decimal, currency: str) -> Decimal:
    """`percent` per cent of `amount`, rounded to the currency."""
    with localcontext(EXACT):
        return round_money(amount * percent / 100, currency)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """With all digits, of however large amounts; Decimal's default context keeps 28."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))


def negated(amount: Decimal) -> Decimal:
    """With all digits; nothing stays nothing, without a sign."""
    return amount.copy_negate() if amount else amount
