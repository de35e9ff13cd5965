"""Ids: a prefix that names the kind, 48 bits of milliseconds and 80 bits of entropy in Crockford's base 32 (as a ULID)."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Literal

Prefix = Literal["acc", "usr", "cli", "wrk", "inv", "crn", "pay", "prd", "stk", "img", "imp", "ord"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BODY = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)
ENTROPY_BYTES = 10
PRODUCT_ID = r"[A-Za-z0-9_](?:[A-Za-z0-9 ._~-]{0,62}[A-Za-z0-9._~-])?"
"""A shop's own article numbers, such as `85123A` or `BANK CHARGES`: 1 to 64 characters, case counts."""


def make_id(prefix: Prefix, at: datetime, entropy: bytes) -> str:
    """An id that sorts by `at` among its kind.

    `entropy` is 10 bytes: random for a new thing, a digest for a thing that must get the same id when it is made again.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy must be {ENTROPY_BYTES} bytes")
    number = int(at.astimezone(UTC).timestamp() * 1000) << 80 | int.from_bytes(entropy)
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def derived_id(prefix: Prefix, at: datetime, *parts: str) -> str:
    """The same id for the same time and parts, whoever computes it and however often."""
    return make_id(prefix, at, hashlib.sha256("\x1f".join(parts).encode()).digest()[:ENTROPY_BYTES])


def id_pattern(prefix: Prefix) -> str:
    """What ids of this kind look like, as a regular expression of JSON Schema."""
    return f"^{prefix}_{_BODY.pattern}$"


def is_id(prefix: Prefix, text: str) -> bool:
    """Whether `text` could be an id of this kind; what could not is not worth a read."""
    return text.startswith(f"{prefix}_") and _BODY.fullmatch(text, len(prefix) + 1) is not None
