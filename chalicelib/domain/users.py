"""A user signs in for one account, in one role."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.checks import check_email
from chalicelib.domain.errors import FieldError, Invalid

# At least twelve characters as OWASP ASVS 4.0.3 (2.1.1) asks; an upper bound, so that nobody buys our CPU by the megabyte.
MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 128

FIRST_PASSWORD = 1
"""Passwords of a user are counted from here."""


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`password_hash` is an Argon2id PHC string and leaves the repository only for the password check.

    `password_version` counts the passwords that the user has had; a token is good for the one that it was issued under.
    """

    account_id: str
    id: str
    name: str
    email: str
    role: Role
    password_hash: str
    password_version: int = FIRST_PASSWORD
    version: int = 1
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as the authorizer found them; `requests_per_minute` is the account's own limit if it has one."""

    account_id: str
    user_id: str
    email: str
    roles: tuple[Role, ...]
    password_version: int = FIRST_PASSWORD
    requests_per_minute: int | None = None


class Bearer(NamedTuple):
    """For whom a token was issued, and under which of their passwords."""

    account_id: str
    user_id: str
    password_version: int


def sign_in_name(email: str) -> str:
    """The form under which an address is unique. Raises: Invalid if it is no address."""
    return check_email(email.strip()).lower()


def normal_password(password: str) -> str:
    """The password in NFKC, so that it is the same from every keyboard (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, pointer: str = "/password") -> str:
    """The password in its normal form. Raises: Invalid by its length."""
    normal = normal_password(password)
    if not MIN_PASSWORD_LENGTH <= len(normal) <= MAX_PASSWORD_LENGTH:
        raise Invalid(FieldError(pointer, f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters"))
    return normal
