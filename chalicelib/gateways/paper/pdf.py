"""Pages of words, rules and boxes -> PDF. Lengths are points; y counts from the top of the page.

The words are set in Noto Sans, which has Latin, Greek and Cyrillic; what it lacks shows as U+FFFD, never as nothing.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from reportlab import rl_config
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

MM = 72 / 25.4
PAGE_WIDTH, PAGE_HEIGHT = 210 * MM, 297 * MM
rl_config.useA85 = 0  # pages as bytes, not as text: a quarter smaller
_FONTS = Path(__file__).parent / "fonts"
_REPLACEMENT = "\ufffd"
_ELLIPSIS = "…"

Colour = tuple[float, float, float]
"""Red, green and blue from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Style:
    """`leading` is from one line to the next."""

    font: Literal["NotoSans-Regular", "NotoSans-Bold"]
    size: float
    leading: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Words:
    """One line of printable text; `x` is its left edge, or its right one; `y` its baseline."""

    x: float
    y: float
    text: str
    style: Style
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Rule:
    x: float
    y: float
    right: float
    thickness: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle, its top left corner at `x`, `y`; covers what was put there before it."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour


Mark = Words | Rule | Box


@cache
def _font(name: str) -> TTFont:
    font = TTFont(name, _FONTS / f"{name}.ttf")
    registerFont(font)
    return font


def printable(text: str) -> str:
    """One line of what the font can show: line ends and controls become spaces; what is invisible, and could turn a figure
    round or hide in a name, goes.
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(_printable(character) for character in composed).split(" ")).strip()


@lru_cache(maxsize=4096)
def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or "\ufe00" <= character <= "\ufe0f":  # variation selectors
        return ""
    if category in {"Cc", "Zs", "Zl", "Zp"}:
        return " "
    return character if ord(character) in _font("NotoSans-Regular").face.charToGlyph else _REPLACEMENT


@lru_cache(maxsize=8192)
def _advance(font: str, character: str) -> float:
    face = _font(font).face
    return float(face.charWidths.get(ord(character), face.defaultWidth)) / 1000


def width_of(text: str, style: Style) -> float:
    return sum(_advance(style.font, character) for character in text) * style.size


def wrapped(text: str, style: Style, width: float) -> list[str]:
    """Lines of at most that width, broken between words, or within a word that has no place on a line of its own."""
    lines, line, used = [], "", 0.0
    space = width_of(" ", style)
    for word in printable(text).split():
        taken = width_of(word, style)
        if line and used + space + taken <= width:
            line, used = f"{line} {word}", used + space + taken
            continue
        if line:
            lines.append(line)
        *full, line = [word] if taken <= width else _chopped(word, style, width)
        lines += full
        used = width_of(line, style)
    return [*lines, line] if line else lines


def _chopped(word: str, style: Style, width: float) -> list[str]:
    parts, part, used = [], "", 0.0
    for character in word:
        more = _advance(style.font, character) * style.size
        if part and used + more > width:
            parts.append(part)
            part, used = "", 0.0
        part, used = part + character, used + more
    return [*parts, part]


def shortened(text: str, style: Style, width: float) -> str:
    """As much as fits one line, with an ellipsis where something is missing."""
    text = printable(text)
    if width_of(text, style) <= width:
        return text
    return _chopped(text, style, width - width_of(_ELLIPSIS, style))[0].rstrip() + _ELLIPSIS


def render(pages: Sequence[Sequence[Mark]], *, title: str, author: str, created_at: datetime) -> bytes:
    """The same pages always give the same bytes."""
    file = io.BytesIO()
    # invariant: otherwise the file's id and dates come from the clock.
    canvas = Canvas(file, pagesize=(PAGE_WIDTH, PAGE_HEIGHT), pageCompression=1, invariant=1, lang="en")
    canvas.setTitle(printable(title))
    canvas.setSubject(printable(title))
    canvas.setAuthor(printable(author))
    canvas.setCreator("Daybook")
    canvas.setDateFormatter(lambda *_: f"D:{created_at.astimezone(UTC):%Y%m%d%H%M%S}Z")
    for marks in pages:
        for mark in marks:
            _draw(canvas, mark)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _draw(canvas: Canvas, mark: Mark) -> None:
    y = PAGE_HEIGHT - mark.y
    match mark:
        case Words(x=x, text=text, style=style, align=align):
            canvas.setFillColorRGB(*style.colour)
            canvas.setFont(_font(style.font).fontName, style.size)
            (canvas.drawString if align == "left" else canvas.drawRightString)(x, y, text)
        case Rule(x=x, right=right, thickness=thickness, colour=colour):
            canvas.setStrokeColorRGB(*colour)
            canvas.setLineWidth(thickness)
            canvas.line(x, y, right, y)
        case Box(x=x, width=width, height=height, colour=colour):
            canvas.setFillColorRGB(*colour)
            canvas.rect(x, y - height, width, height, stroke=0, fill=1)
