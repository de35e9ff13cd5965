"""What was found, in its own words: a piece of HTML with the hits marked."""

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.domain.search import SearchDocument
from chalicelib.repositories.folding import Word, words_of

_WORDS = 24
_WORDS_BEFORE_THE_HIT = 6
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]")


class Wanted(NamedTuple):
    """Folded words that follow each other; unless `whole`, the last one may go on."""

    words: tuple[str, ...]
    whole: bool

    def found_at(self, words: Sequence[Word], place: int) -> bool:
        there = [word.folded for word in words[place : place + len(self.words)]]
        if self.whole or len(there) < len(self.words):
            return there == list(self.words)
        return there[:-1] == list(self.words[:-1]) and there[-1].startswith(self.words[-1])


def snippet(document: SearchDocument, wanted: Sequence[Wanted]) -> str:
    """From the text if there is a hit in it, else from the title."""
    for text in (document.text, document.title):
        words = tuple(words_of(text))
        hits = _hits(words, wanted)
        if hits:
            return _marked(text, words, hits)
    return html.escape(_cut(document.title, tuple(words_of(document.title)), 0))


def _hits(words: Sequence[Word], wanted: Sequence[Wanted]) -> list[range]:
    """Places in `words`, those that overlap as one."""
    found = [
        range(place, place + len(each.words)) for place in range(len(words)) for each in wanted if each.found_at(words, place)
    ]
    hits: list[range] = []
    for hit in found:
        if hits and hit.start < hits[-1].stop:
            hits[-1] = range(hits[-1].start, max(hits[-1].stop, hit.stop))
        else:
            hits.append(hit)
    return hits


def _cut(text: str, words: Sequence[Word], first: int) -> str:
    """`_WORDS` words of the text from that one on."""
    start, end = _bounds(text, words, first)
    return ("…" if start else "") + _BLANKS.sub(" ", text[start:end]).strip() + ("…" if end < len(text) else "")


def _bounds(text: str, words: Sequence[Word], first: int) -> tuple[int, int]:
    last = first + _WORDS
    return words[first].start if first else 0, words[last - 1].end if last < len(words) else len(text)


def _marked(text: str, words: Sequence[Word], hits: Sequence[range]) -> str:
    first = max(0, hits[0].start - _WORDS_BEFORE_THE_HIT) if len(words) > _WORDS else 0
    start, end = _bounds(text, words, first)
    pieces, at = ["…" if start else ""], start
    for hit in hits:
        opens, closes = words[hit.start].start, words[hit.stop - 1].end
        if opens < at or closes > end:  # cut off, or the same characters as the hit before
            continue
        pieces += [_plain(text[at:opens]), f"<mark>{_plain(text[opens:closes])}</mark>"]
        at = closes
    return "".join([*pieces, _plain(text[at:end]), "…" if end < len(text) else ""]).strip()


def _plain(text: str) -> str:
    return html.escape(_BLANKS.sub(" ", text))
