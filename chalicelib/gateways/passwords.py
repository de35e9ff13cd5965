"""Argon2id with the least that OWASP asks for: 19 MiB, two passes, one lane (Password Storage Cheat Sheet)."""

import base64
import secrets

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

_MEMORY_KIB = 19_456
_PASSES = 2
_LANES = 1
_SALT_BYTES = 16
_HASH_BYTES = 32


class Argon2Passwords:
    """Import this module only where passwords are checked: argon2 costs every other cold start."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(
            time_cost=_PASSES,
            memory_cost=_MEMORY_KIB,
            parallelism=_LANES,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )
        self._nobodys_hash = _hash_of_no_password()

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def matches(self, password: str, password_hash: str | None) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobodys_hash, password)
        except VerifyMismatchError:
            return False
        return password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)


def _hash_of_no_password() -> str:
    """A well-formed hash with today's parameters and random content; making it costs nothing, checking against it the usual."""
    salt, content = (_base64(secrets.token_bytes(size)) for size in (_SALT_BYTES, _HASH_BYTES))
    return f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${salt}${content}"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
