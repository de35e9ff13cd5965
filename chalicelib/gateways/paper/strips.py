"""Strips: what a page is put together from, top to bottom, and how they fall onto pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from chalicelib.gateways.paper.pdf import MM, Mark, Style, Words, printable, width_of, wrapped
from chalicelib.gateways.paper.styles import BOTTOM, FIRST_TOP, GAP, RIGHT, RUNNING_HEAD, SLACK, TOP

_MAX_PIECE = 90 * MM
_BASELINE = 0.78
"""Of a line's height, from its top."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Part of a page from edge to edge, never broken; its marks count y from its own top."""

    height: float
    marks: Sequence[Mark] = ()


class Pages:
    """Fills one page after the other."""

    def __init__(self, running_head: Strip) -> None:
        self.finished: list[list[Mark]] = [[]]
        self.head: Sequence[Strip] = ()
        """Comes first on each new page, under the running head."""
        self._running_head = running_head
        self._y = FIRST_TOP

    def place(self, strips: Sequence[Strip]) -> None:
        """Breaks the page between any two of them."""
        for strip in strips:
            self._make_room(strip.height)
            self._put(strip)

    def place_together(self, strips: Sequence[Strip]) -> None:
        """On one page, unless they are too long for any."""
        self.keep_room(strips)
        self.place(strips)

    def keep_room(self, strips: Sequence[Strip]) -> None:
        if self.fits_a_page(strips):
            self._make_room(height_of(strips))

    def fits_a_page(self, strips: Sequence[Strip]) -> bool:
        return height_of(strips) <= BOTTOM - TOP - height_of(self.head)

    def skip_to(self, y: float, at_least: float) -> None:
        """Down to that place of the page; where that is passed already, down by what is the least."""
        self._y = max(self._y + at_least, y)

    def _make_room(self, height: float) -> None:
        if self._y + height <= BOTTOM:
            return
        self.finished.append([])
        self._y = RUNNING_HEAD
        self._put(self._running_head)
        self._y = TOP
        for strip in self.head:
            self._put(strip)

    def _put(self, strip: Strip) -> None:
        self.finished[-1].extend(_moved(strip.marks, self._y))
        self._y += strip.height


def _moved(marks: Iterable[Mark], down: float) -> list[Mark]:
    return [replace(mark, y=mark.y + down) for mark in marks]


def height_of(strips: Iterable[Strip]) -> float:
    return sum(strip.height for strip in strips)


def line(*words: Words) -> Strip:
    """The words side by side on one line."""
    leading = max(word.style.leading for word in words)
    return Strip(leading, _moved(words, leading * _BASELINE))


def paragraph(text: str, style: Style, x: float, width: float) -> list[Strip]:
    return [line(Words(x, 0, words, style)) for words in wrapped(text, style, width)]


def side_by_side(left: Sequence[Strip], right: Sequence[Strip]) -> list[Strip]:
    """Two columns from the same top: in one piece, or line by line if they are too long for that."""
    if max(height_of(left), height_of(right)) <= _MAX_PIECE:
        left, right = [_piece(left)], [_piece(right)]
    return [
        Strip(max(one.height, other.height), [*one.marks, *other.marks])
        for one, other in zip_longest(left, right, fillvalue=Strip(0))
    ]


def _piece(strips: Sequence[Strip]) -> Strip:
    marks: list[Mark] = []
    height = 0.0
    for strip in strips:
        marks += _moved(strip.marks, height)
        height += strip.height
    return Strip(height, marks)


def label_and_value(label: str, label_style: Style, value: str, value_style: Style, x: float) -> list[Strip]:
    """The label from `x` on and the value at the right edge; what is too long for that wraps."""
    room = RIGHT - x - GAP
    label_width = min(width_of(printable(label), label_style), room - min(width_of(printable(value), value_style), room / 2))
    return side_by_side(
        paragraph(label, label_style, x, label_width + SLACK),
        [
            line(Words(RIGHT, 0, words, value_style, "right"))
            for words in wrapped(value, value_style, room - label_width + SLACK)
        ],
    )
