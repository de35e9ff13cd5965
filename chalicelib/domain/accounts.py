"""An account is one business: its profile stands on every invoice, its currency and zone rule every day and amount."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.calendar import check_time_zone
from chalicelib.domain.checks import check_country, check_email, check_pattern, check_tax_rate, raise_all
from chalicelib.domain.errors import FieldError, Invalid
from chalicelib.domain.money import check_currency

DEFAULT_PAYMENT_TERMS_DAYS = 14
CREDIT_NOTE_PREFIX = "CN"
# Texts, not patterns: most cold starts check none of them. `re` keeps what it compiled.
_BIC = r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?"
_IBAN = r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}"
_INVOICE_PREFIX = r"[A-Za-z0-9/_-]{0,12}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the account's owner can edit. `default_tax_rate` in per cent; `iban` and `bic` without spaces."""

    legal_name: str
    address: str = ""
    country: str
    tax_id: str | None = None
    vat_id: str | None = None
    iban: str | None = None
    bic: str | None = None
    email: str
    currency: str
    time_zone: str
    default_tax_rate: Decimal = Decimal(0)
    payment_terms_days: int = DEFAULT_PAYMENT_TERMS_DAYS
    invoice_prefix: str = ""

    def checked(self) -> "Profile":
        """Itself. Raises: Invalid with every field that breaks a rule."""
        raise_all(
            lambda: check_email(self.email),
            lambda: check_country(self.country),
            lambda: check_currency(self.currency),
            lambda: check_time_zone(self.time_zone),
            lambda: check_tax_rate(self.default_tax_rate, "/default_tax_rate"),
            lambda: check_iban(self.iban),
            lambda: check_pattern(self.bic, _BIC, "/bic", "is not a BIC"),
            lambda: check_invoice_prefix(self.invoice_prefix),
        )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """What opens an account: the business's name and the first user's address and password."""

    name: str
    email: str
    password: str
    currency: str
    time_zone: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`requests_per_minute` is for each of its users, where it is not the stage's; nobody but an operator sets it."""

    id: str
    name: str
    profile: Profile
    requests_per_minute: int | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime


def check_invoice_prefix(prefix: str, pointer: str = "/invoice_prefix") -> None:
    """Raises: Invalid also for the prefix of credit notes: two documents would bear one number."""
    check_pattern(prefix, _INVOICE_PREFIX, pointer, "takes at most 12 letters, digits, / _ -")
    if prefix.upper() == CREDIT_NOTE_PREFIX:
        raise Invalid(FieldError(pointer, f"must not be {CREDIT_NOTE_PREFIX}, which begins the numbers of credit notes"))


def check_iban(iban: str | None) -> None:
    """Raises: Invalid unless the check digits are right (ISO 13616, ISO 7064 mod 97-10)."""
    if iban is None:
        return
    rearranged = iban[4:] + iban[:4]
    if (
        re.fullmatch(_IBAN, iban, re.ASCII) is None
        or int("".join(str(int(character, 36)) for character in rearranged)) % 97 != 1
    ):
        raise Invalid(FieldError("/iban", "is not a valid IBAN"))
