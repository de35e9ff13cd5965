"""Cursors: where a list goes on, sealed for one account and one list.

The seal keeps slips and mix-ups out; it guards nothing. The account that is read comes from the token, never from a cursor.
"""

import base64
import binascii
import hashlib
import re

from chalicelib.domain.errors import BadCursor

_SEAL_BYTES = 9
_POSITION = r"(?a)[\w#: .~-]{1,200}"
"""Of what and how much positions are made, a product's id among them; DynamoDB has no key of more than 1,024 bytes."""


def seal(position: str, account_id: str, list_name: str) -> str:
    """The position as opaque text that is safe in a URL."""
    content = position.encode()
    return base64.urlsafe_b64encode(_digest(content, account_id, list_name) + content).decode().rstrip("=")


def unseal(cursor: str, account_id: str, list_name: str) -> str:
    """Raises: BadCursor for anything that `seal` did not make for this account and list."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = sealed[_SEAL_BYTES:].decode()
    except (binascii.Error, ValueError):
        raise BadCursor from None
    if seal(position, account_id, list_name) != cursor or re.fullmatch(_POSITION, position) is None:
        raise BadCursor
    return position


def _digest(content: bytes, account_id: str, list_name: str) -> bytes:
    return hashlib.sha256(b"\x1f".join((account_id.encode(), list_name.encode(), content))).digest()[:_SEAL_BYTES]
