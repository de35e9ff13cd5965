"""Where the words of a document stand: A4, one column, a letterhead on the first page and a running head on the others.

The head of the table comes again on each page; the last row is never parted from the totals and what is beneath them, unless
all of it is more than a page. A row breaks over two pages only if it is a long one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.gateways.paper.pdf import MM, Box, Mark, Rule, Style, Words, shortened, width_of
from chalicelib.gateways.paper.strips import Pages, Strip, height_of, label_and_value, line, paragraph, side_by_side
from chalicelib.gateways.paper.styles import (
    ACCENT,
    BODY,
    FIRM,
    FOOTER,
    GAP,
    HAIRLINE,
    LABEL,
    LEFT,
    NAME,
    RIGHT,
    SLACK,
    SMALL,
    STRONG,
    THIN,
    TINT,
    TITLE,
    TOTAL,
    WIDTH,
)
from chalicelib.gateways.paper.table import Table, set_table

_PARTIES_TOP = 52 * MM
_SECOND_COLUMN = 122 * MM
_SUMS = 105 * MM
_MAX_DETAIL_LINES = 10
_MAX_UNBROKEN_ROW = 60 * MM


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    name: str
    details: Sequence[str]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    request: str
    details: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """All words of one document; any text may be of any length."""

    title: str
    sender: Party
    recipient: Party
    facts: Sequence[tuple[str, str]]
    preface: Sequence[str] = ()
    table: Table
    sums: Sequence[tuple[str, str]]
    total: tuple[str, str]
    notes: Sequence[str] = ()
    payment: Payment | None = None
    footer: str


def typeset(paper: Paper) -> list[list[Mark]]:
    """The pages."""
    pages = Pages(_running_head(paper))
    pages.place(_letterhead(paper.sender))
    pages.skip_to(_PARTIES_TOP, at_least=GAP)
    pages.place(side_by_side(_recipient(paper.recipient), _facts(paper.facts)))
    pages.place_together([Strip(11 * MM), *paragraph(paper.title, TITLE, LEFT, WIDTH), Strip(3 * MM)])
    for text in paper.preface:
        pages.place([*paragraph(text, BODY, LEFT, WIDTH), Strip(2 * MM)])
    pages.place([Strip(3 * MM)] if paper.preface else [])
    _place_table(pages, paper)
    return _with_footers(pages.finished, paper.footer)


def _letterhead(sender: Party) -> list[Strip]:
    name = paragraph(sender.name, NAME, LEFT, _SECOND_COLUMN - LEFT - GAP)
    return side_by_side(name, _details(sender.details, LABEL, _SECOND_COLUMN, RIGHT - _SECOND_COLUMN))


def _recipient(party: Party) -> list[Strip]:
    width = _SECOND_COLUMN - LEFT - 2 * GAP
    label = paragraph(party.label, LABEL, LEFT, width)
    return [*label, *paragraph(party.name, STRONG, LEFT, width), *_details(party.details, BODY, LEFT, width)]


def _details(details: Sequence[str], style: Style, x: float, width: float) -> list[Strip]:
    """A line each; so many that they would fill the page are run together."""
    lines = details if len(details) <= _MAX_DETAIL_LINES else [", ".join(details)]
    return [strip for text in lines for strip in paragraph(text, style, x, width)]


def _facts(facts: Sequence[tuple[str, str]]) -> list[Strip]:
    return [strip for label, value in facts for strip in label_and_value(label, LABEL, value, BODY, _SECOND_COLUMN)]


def _place_table(pages: Pages, paper: Paper) -> None:
    table = set_table(paper.table)
    rows = list(table.rows)
    last = rows.pop() if rows else []
    closing = [*table.foot, *_closing(paper)]
    pages.keep_room([*table.head, *(rows[0][:1] if rows else [*last, *closing])])
    pages.place(table.head)
    pages.head = table.head
    for row in rows:
        _place_row(pages, row)
    if pages.fits_a_page([*last, *closing]):
        pages.place_together([*last, *closing])
        return
    _place_row(pages, last)
    pages.head = ()
    pages.place_together(closing)


def _place_row(pages: Pages, row: Sequence[Strip]) -> None:
    if height_of(row) <= _MAX_UNBROKEN_ROW:
        pages.place_together(row)
    else:
        pages.place(row)


def _closing(paper: Paper) -> list[Strip]:
    """Everything beneath the table's foot."""
    label, value = paper.total
    left = _left_of_sums([*paper.sums, paper.total])
    return [
        Strip(1.5 * MM),
        *(strip for sum_label, amount in paper.sums for strip in label_and_value(sum_label, BODY, amount, BODY, left)),
        Strip(2 * MM, [Rule(left, 1 * MM, RIGHT, FIRM, ACCENT)]),
        *label_and_value(label, TOTAL, value, TOTAL, left),
        Strip(6 * MM),
        *(strip for note in paper.notes for strip in paragraph(note, BODY, LEFT, WIDTH)),
        Strip(5 * MM),
        *(_payment(paper.payment) if paper.payment else []),
    ]


def _left_of_sums(sums: Sequence[tuple[str, str]]) -> float:
    """Further left than usual where the figures are enormous, so that none of them breaks."""
    widest = max(width_of(label, TOTAL) + width_of(value, TOTAL) for label, value in sums)
    return max(LEFT, min(_SUMS, RIGHT - widest - 2 * GAP))


def _payment(payment: Payment) -> list[Strip]:
    left, values = LEFT + GAP, LEFT + 42 * MM
    details = [
        strip
        for label, value in payment.details
        for strip in side_by_side([line(Words(left, 0, label, LABEL))], paragraph(value, BODY, values, RIGHT - GAP - values))
    ]
    request = paragraph(payment.request, STRONG, left, WIDTH - 2 * GAP)
    return [_tinted(strip) for strip in (Strip(3 * MM), *request, Strip(1 * MM), *details, Strip(3 * MM))]


def _tinted(strip: Strip) -> Strip:
    """On a tint that reaches into the next strip, so that no seam shows."""
    return Strip(strip.height, [Box(LEFT, 0, WIDTH, strip.height + SLACK, TINT), *strip.marks])


def _running_head(paper: Paper) -> Strip:
    title = Words(LEFT, 0, shortened(paper.title, SMALL, WIDTH / 2), SMALL)
    room = WIDTH - width_of(title.text, SMALL) - GAP
    return line(title, Words(RIGHT, 0, shortened(paper.sender.name, SMALL, room), SMALL, "right"))


def _with_footers(pages: Sequence[list[Mark]], footer: str) -> list[list[Mark]]:
    finished = []
    for number, marks in enumerate(pages, start=1):
        count = Words(RIGHT, FOOTER, f"Page {number} of {len(pages)}", SMALL, "right")
        room = WIDTH - width_of(count.text, SMALL) - GAP
        rule = Rule(LEFT, FOOTER - 4 * MM, RIGHT, THIN, HAIRLINE)
        finished.append([*marks, rule, Words(LEFT, FOOTER, shortened(footer, SMALL, room), SMALL), count])
    return finished
