"""Conditional requests (RFC 9110, 13): the entity tag is a digest of what GET shows, so that equal tags are equal bytes."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.domain.errors import PreconditionFailed

_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_DIGEST_BYTES = 16


def entity_tag(shown: bytes) -> str:
    return f'"{hashlib.sha256(shown).hexdigest()[: 2 * _DIGEST_BYTES]}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has what the tag stands for: weak comparison, as for a GET (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in {f'"{value}"' for _, value in re.findall(_TAG, if_none_match)}


@dataclass(frozen=True, slots=True)
class IfMatch:
    """What the caller says that the resource is, and is not; `show` is what GET would show of it."""

    header: str | None
    show: Callable[[object], bytes]
    if_none_match: str | None = None

    def check(self, thing: object | None) -> None:
        """To be called with what is about to be changed, each time it is read anew, or with None for what is yet to be made;
        the write must be conditional on that.

        Raises: PreconditionFailed; a weak tag never matches (RFC 9110, 13.1.1), but it may forbid (13.1.2).
        """
        if thing is None:
            if self.header is not None:
                raise PreconditionFailed
            return
        if self.if_none_match is not None and is_known(self.if_none_match, entity_tag(self.show(thing))):
            raise PreconditionFailed
        if self.header is None or self.header.strip() == "*":
            return
        strong = {f'"{value}"' for weak, value in re.findall(_TAG, self.header) if not weak}
        if entity_tag(self.show(thing)) not in strong:
            raise PreconditionFailed
