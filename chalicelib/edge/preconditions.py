"""Conditional requests (RFC 9110, 13): the entity tag is a digest of what GET shows, so that equal tags are equal bytes.

Where that has links in it, which are others each time, the tag begins with a digest of all the rest: that is what If-Match asks
about, for whoever changes a thing that has stayed as they saw it. If-None-Match asks about the whole tag: links that are known
may be of no use any more.
"""

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from chalicelib.domain.errors import PreconditionFailed

_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_DIGEST_BYTES = 16
_TAG_WITH_LINKS = r'"([0-9a-f]{32})\.[0-9a-f]{32}"'


def entity_tag(lasting: bytes, shown: bytes | None = None) -> str:
    """Of what is shown; with the digest of what lasts of it before it, if that is not the same."""
    parts = (lasting,) if shown is None or shown == lasting else (lasting, shown)
    return f'"{".".join(hashlib.sha256(part).hexdigest()[: 2 * _DIGEST_BYTES] for part in parts)}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has what the tag stands for: weak comparison, as for a GET (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in {f'"{value}"' for _, value in re.findall(_TAG, if_none_match)}


class IfMatch(NamedTuple):
    """What the caller says that the resource is, and is not; `show` is what lasts of what GET would show of it."""

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
        if self.if_none_match is not None and is_known(_lasting(self.if_none_match), entity_tag(self.show(thing))):
            raise PreconditionFailed
        if self.header is None or self.header.strip() == "*":
            return
        strong = {f'"{value}"' for weak, value in re.findall(_TAG, _lasting(self.header)) if not weak}
        if entity_tag(self.show(thing)) not in strong:
            raise PreconditionFailed


def _lasting(tags: str) -> str:
    """The tags without what stands in them for links."""
    return re.sub(_TAG_WITH_LINKS, r'"\1"', tags)
