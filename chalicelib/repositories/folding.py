"""Words as they are compared: without case, accents and the other ways in which one letter is written.

`Straße`, `STRASSE` and `strasse` are one word, so are `Łódź` and `lodz`. Letters, digits and the marks on them make words, as
in SQLite's `unicode61`; everything else stands between them.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

FOLDING = f"1 {unicodedata.unidata_version}"
"""Changes whenever the same text may fold to other words than before."""
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ĸ": "k", "ŋ": "n"} | {
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
}
"""What Unicode does not take apart, but people who lack the letter do."""
_WORD = re.compile(r"\S+")


class Word(NamedTuple):
    """A folded word and where it stands in the text that it comes from."""

    start: int
    end: int
    folded: str


class _Folding(dict[int, str]):
    """For `str.translate`: a decomposed, casefolded character -> what it counts as, a space between words."""

    def __missing__(self, point: int) -> str:
        self[point] = folded = _fold(chr(point))
        return folded


class _Outline(dict[int, str]):
    """For `str.translate`: any character -> one of the same length, a space between words."""

    def __missing__(self, point: int) -> str:
        self[point] = outline = " " if _is_between_words(chr(point)) else "x"
        return outline


def _is_between_words(character: str) -> bool:
    """Invisible signs, such as a soft hyphen, part no word."""
    category = unicodedata.category(character)
    return category[0] not in "LNM" and category not in {"Cf", "Co"}


def _fold(character: str) -> str:
    if _is_between_words(character):
        return " "
    if unicodedata.category(character) == "Cf" or _is_accent(character):
        return ""
    return _LETTERS.get(character, character)


def _is_accent(character: str) -> bool:
    """Accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic; not the vowels of Indic scripts.

    By canonical combining classes: https://www.unicode.org/reports/tr44/#Canonical_Combining_Class_Values
    """
    combining = unicodedata.combining(character)
    return 10 <= combining <= 36 or combining >= 200


_FOLDING = _Folding()
_OUTLINE = _Outline()


def fold(text: str) -> str:
    """The folded words with spaces between them."""
    # Casefolding may undo what decomposing did, and the other way round: the definition of caseless matching, Unicode D146.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return " ".join(decomposed.casefold().translate(_FOLDING).split())


def words_of(text: str) -> Iterator[Word]:
    """In the order of the text. What is one word there may fold to several, such as `½`: they stand at one place."""
    for found in _WORD.finditer(text.translate(_OUTLINE)):
        word = text[found.start() : found.end()]
        for folded in (word.lower(),) if word.isascii() else fold(word).split():
            yield Word(found.start(), found.end(), folded)
