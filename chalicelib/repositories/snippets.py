"""What was found, in its own words: a piece of HTML with the hits marked."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from chalicelib.domain.search import SearchDocument
from chalicelib.repositories.folding import Word, words_of

_WORDS = 24
_WORDS_BEFORE_THE_HIT = 6
_LONGEST_HIT = _WORDS - _WORDS_BEFORE_THE_HIT
"""More of a phrase is neither shown nor asked for."""
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]")


class Wanted(NamedTuple):
    """Folded words that follow each other; unless `whole`, the last one may go on."""

    words: tuple[str, ...]
    whole: bool


@dataclass(slots=True)
class _Wanted:
    """What may come after some words, of all that is wanted at once: a place costs the same however much begins like it."""

    ends: bool = False
    """Something that is wanted is complete here."""
    then: dict[str, "_Wanted"] = field(default_factory=dict)
    beginnings: tuple[str, ...] = ()
    """Whatever word begins with one of them completes something."""

    def add(self, wanted: Wanted) -> None:
        after = self
        words = wanted.words[:_LONGEST_HIT]
        for word in words if wanted.whole else words[:-1]:
            after = after.then.setdefault(word, _Wanted())
        if wanted.whole:
            after.ends = True
        else:
            after.beginnings += words[-1:]

    def longest(self, words: Sequence[Word], place: int, end: int) -> int:
        """How many words from that place on, and before `end`, are one that is wanted; 0 for none."""
        after, length = self, 0
        for at in range(place, end):
            folded = words[at].folded
            if folded.startswith(after.beginnings):
                length = at + 1 - place
            following = after.then.get(folded)
            if following is None:
                break
            after = following
            if after.ends:
                length = at + 1 - place
        return length


class _Text:
    """A text whose words are read no further than they are asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[Word] = []
        self._coming = words_of(text)

    def reaches(self, count: int) -> bool:
        """Whether it has so many words: they are in `words` then."""
        self.words.extend(islice(self._coming, max(0, count - len(self.words))))
        return len(self.words) >= count

    def first_hit(self, wanted: _Wanted) -> int | None:
        place = 0
        while self.reaches(place + 1):
            self.reaches(place + _LONGEST_HIT)
            if wanted.longest(self.words, place, min(len(self.words), place + _LONGEST_HIT)):
                return place
            place += 1
        return None


class _Window(NamedTuple):
    """The words of a text that are shown: those from `first` on and before `last`, and the characters that they take."""

    first: int
    last: int
    start: int
    end: int


def snippet(document: SearchDocument, wanted: Sequence[Wanted]) -> str:
    """From the text if there is a hit in it, else from the title."""
    all_of_them = _Wanted()
    for each in wanted:
        all_of_them.add(each)
    for text in (_Text(document.text), _Text(document.title)):
        hit = text.first_hit(all_of_them)
        if hit is not None:
            return _marked(text, hit, all_of_them)
    return _marked(_Text(document.title), 0, _Wanted())


def _window(text: _Text, hit: int) -> _Window:
    first = max(0, hit - _WORDS_BEFORE_THE_HIT) if text.reaches(_WORDS + 1) else 0
    text.reaches(first + _WORDS)
    last = min(first + _WORDS, len(text.words))
    while text.reaches(last + 1) and text.words[last].start == text.words[last - 1].start:  # one word there, several folded
        last += 1
    start = text.words[first].start if first else 0
    return _Window(first, last, start, text.words[last - 1].end if text.reaches(last + 1) else len(text.text))


def _hits(text: _Text, window: _Window, wanted: _Wanted) -> Iterator[range]:
    """Places of words, those that overlap as one."""
    hit = range(0)
    for place in range(window.first, window.last):
        length = wanted.longest(text.words, place, window.last)
        if length and place < hit.stop:
            hit = range(hit.start, max(hit.stop, place + length))
        elif length:
            yield hit
            hit = range(place, place + length)
    yield hit


def _marked(text: _Text, hit: int, wanted: _Wanted) -> str:
    window = _window(text, hit)
    pieces, at = ["…" if window.start else ""], window.start
    for each in filter(None, _hits(text, window, wanted)):
        opens, closes = text.words[each.start].start, text.words[each.stop - 1].end
        if opens < at:  # the same characters as the hit before
            continue
        pieces += [_plain(text.text[at:opens]), f"<mark>{_plain(text.text[opens:closes])}</mark>"]
        at = closes
    return "".join([*pieces, _plain(text.text[at : window.end]), "…" if window.end < len(text.text) else ""]).strip()


def _plain(text: str) -> str:
    return html.escape(_BLANKS.sub(" ", text))
