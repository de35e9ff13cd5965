"""Tables: columns as wide as their figures, one that takes what is left, and rows as strips."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from chalicelib.gateways.paper.pdf import MM, Rule, Style, Words, width_of, wrapped
from chalicelib.gateways.paper.strips import Strip, line
from chalicelib.gateways.paper.styles import (
    ACCENT,
    CELL,
    CELL_STRONG,
    COLUMN_HEAD,
    FIRM,
    GAP,
    HAIRLINE,
    LEFT,
    RIGHT,
    THIN,
    WIDTH,
)

_MIN_TEXT = 28 * MM
_PADDING = 2.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A word and a figure stand on one line, the figure to the right; the text takes what width is left, and wraps."""

    head: str
    kind: Literal["word", "text", "figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Exactly one column is of kind text; the cells of the others are printable as they are."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTable:
    """`head` comes first on each page; each of `rows` and `foot` has one strip for each line of its text."""

    head: Sequence[Strip]
    rows: Sequence[Sequence[Strip]]
    foot: Sequence[Strip]


def set_table(table: Table) -> SetTable:
    spans, scale = _spans(table)
    cell, strong = (replace(style, size=style.size * scale) for style in (CELL, CELL_STRONG))
    return SetTable(
        head=_head(table, spans),
        rows=[_row(table, row, spans, cell) for row in table.rows],
        foot=_row(table, table.foot, spans, strong),
    )


def _spans(table: Table) -> tuple[list[tuple[float, float]], float]:
    """Where each column begins and ends, and by how much the letters shrink where the figures are too wide for the page."""
    wanted = [
        0.0 if column.kind == "text" else _widest(table, column.head, place) for place, column in enumerate(table.columns)
    ]
    room = WIDTH - GAP * (len(table.columns) - 1)
    scale = min(1.0, (room - _MIN_TEXT) / sum(wanted))
    for_text = room - sum(wanted) * scale
    spans: list[tuple[float, float]] = []
    left = LEFT
    for column, width in zip(table.columns, wanted, strict=True):
        right = left + (for_text if column.kind == "text" else width * scale)
        spans.append((left, right))
        left = right + GAP
    return spans, scale


def _widest(table: Table, head: str, place: int) -> float:
    cells = (width_of(row[place], CELL) for row in table.rows)
    return max(width_of(head, COLUMN_HEAD), width_of(table.foot[place], CELL_STRONG), *cells)


def _head(table: Table, spans: Sequence[tuple[float, float]]) -> list[Strip]:
    columns = zip(table.columns, spans, strict=True)
    heads = line(*(_word(column.kind, column.head, span, COLUMN_HEAD) for column, span in columns))
    height = heads.height + _PADDING
    return [Strip(height, [*heads.marks, Rule(LEFT, height, RIGHT, FIRM, ACCENT)])]


def _row(table: Table, cells: Sequence[str], spans: Sequence[tuple[float, float]], style: Style) -> list[Strip]:
    first: list[Words] = []
    more: list[Words] = []
    for column, cell, span in zip(table.columns, cells, spans, strict=True):
        if column.kind == "text":
            left, right = span
            text = [Words(left, 0, part, style) for part in wrapped(cell, style, right - left)]
            first += text[:1]
            more = text[1:]
        else:
            first.append(_word(column.kind, cell, span, style))
    return _spaced([line(*first), *(line(words) for words in more)])


def _word(kind: str, cell: str, span: tuple[float, float], style: Style) -> Words:
    left, right = span
    return Words(right, 0, cell, style, "right") if kind == "figure" else Words(left, 0, cell, style)


def _spaced(strips: list[Strip]) -> list[Strip]:
    """With air above and below, and a hairline beneath."""
    first, *_ = strips
    strips[0] = Strip(first.height + _PADDING, [replace(mark, y=mark.y + _PADDING) for mark in first.marks])
    *_, last = strips
    height = last.height + _PADDING
    strips[-1] = Strip(height, [*last.marks, Rule(LEFT, height, RIGHT, THIN, HAIRLINE)])
    return strips
