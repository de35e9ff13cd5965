"""CSV, as RFC 4180 has it, with whatever delimiter and line ends.

The standard library's csv takes the cells apart, strictly: where a quotation mark is not rightly closed, it says so instead of
guessing. It asks for line after line until a record is whole; `_Lines` notes which, so that a record that fails costs one line,
and those after it are read once more.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records.record import GAP_LINES, MAX_RECORD_CHARACTERS, MAX_RECORD_LINES, BadRecord, Cursor, Gap, Record
from chalicelib.domain.records.text import CONTROL, Line, Text, is_whole, lines, why_not_whole

_DELIMITERS = "\t;|,"
"""The likeliest first, where two fit as well: a comma stands in prose too."""
_MAX_HEADINGS = 1_000
_MAX_HEADING_CHARACTERS = 16 * 1024
"""Together: the cursor keeps them."""
_SAMPLE_LINES = 50
_MOST_ABOVE_HEADINGS = 10_000
"""Rows with nothing in them."""


class _TooLong(Exception):
    """The record takes more lines or characters than any may."""


class _Lines:
    """What csv reads from. `taken` are the lines of the record that it is at."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._again: deque[Line] = deque()
        self.begin(MAX_RECORD_LINES)

    def begin(self, most: int) -> None:
        """The next record, of at most so many lines."""
        self.taken: list[Line] = []
        self._most = most
        self._characters = 0
        self._height = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._height >= self._most:
            raise _TooLong
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        self._characters += len(line.text or "")
        self._height += line.height
        if line.text is None or self._characters > MAX_RECORD_CHARACTERS:
            raise _TooLong
        return line.text

    def give_back_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def read_table(text: Text) -> Iterator[Record | BadRecord | Gap]:
    """Lines without anything but blanks and delimiters are no records. Raises: Unreadable."""
    cursor = text.cursor
    source = _Lines(lines(text.pieces, cursor.encoding))
    if cursor.stage == "start":
        cursor = _with_headings(source, cursor, text.sample)
    rows = csv.reader(source, delimiter=cursor.delimiter, strict=True)
    offset, line, number, unspanned_to = cursor.offset, cursor.line, cursor.number, cursor.unspanned_to
    known = (cursor.stage, cursor.encoding, cursor.delimiter, cursor.headings)
    headings = cursor.headings
    named = max((place for place, heading in enumerate(headings, 1) if heading), default=0)
    blank = 0
    while True:
        source.begin(1 if line <= unspanned_to else MAX_RECORD_LINES)
        row: list[str] = []
        reason = ""
        try:
            row = next(rows)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as fault:
            reason = _why(fault, source.taken)
            unspanned_to = max(unspanned_to, line - 1 + sum(taken.height for taken in source.taken[:-1]))
            source.give_back_but_first()
        first = line
        offset += sum(taken.size for taken in source.taken)
        line += sum(taken.height for taken in source.taken)
        if not reason:
            if not any(row) or not "".join(row).strip():
                blank += 1
                if blank % GAP_LINES == 0:
                    yield Gap(Cursor(offset, line, number, *known, unspanned_to))
                continue
            reason = _fault(row, source.taken, headings, named, cursor.encoding)
        number += 1
        after = Cursor(offset, line, number, *known, unspanned_to)
        if reason:
            yield BadRecord(number, first, "", reason, after)
        else:
            cells = dict(zip(headings, row, strict=False))
            cells.pop("", None)
            yield Record(number, first, cells, after)


def _why(fault: Exception, taken: Sequence[Line]) -> str:
    if taken[0].text is None:
        return f"the line is longer than {MAX_RECORD_CHARACTERS:,} characters"
    if "field limit" in str(fault):
        return f"a cell is longer than {csv.field_size_limit():,} characters"
    return "a quotation mark is not closed, or text follows the one that closes; within a cell in quotes it is written twice"


def _fault(row: Sequence[str], taken: Sequence[Line], headings: Sequence[str], named: int, encoding: str) -> str:
    """What is wrong with a row that csv could read; empty if nothing is."""
    if len(row) < named or any(cell.strip() for cell in row[len(headings) :]):
        return f"the row has {_cells(len(row))} where the headings have {len(headings)}"
    for line in taken:
        if not is_whole(line.text or ""):
            return why_not_whole("row", encoding)
        if "\0" in (line.text or ""):
            return "the row has a NUL character"
    return ""


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"


def _with_headings(source: _Lines, cursor: Cursor, sample: str) -> Cursor:
    """Behind the headings. Raises: Unreadable."""
    delimiter, told = _delimiter(sample, cursor.encoding)
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    if told:
        next(rows)
    try:
        row = next(row for row in islice(rows, _MOST_ABOVE_HEADINGS) if "".join(row).strip())
    except StopIteration:
        raise Unreadable("the file has no headings") from None
    except (csv.Error, _TooLong) as fault:
        raise Unreadable(f"the headings cannot be read: {_why(fault, source.taken)}") from None
    return cursor._replace(
        offset=cursor.offset + sum(line.size for line in source.taken),
        line=cursor.line + sum(line.height for line in source.taken),
        stage="records",
        delimiter=delimiter,
        headings=_checked(row),
    )


def _checked(row: Iterable[str]) -> tuple[str, ...]:
    """The headings, with single spaces. Raises: Unreadable."""
    headings = tuple(clean_heading(cell) for cell in row)
    if not any(heading.strip(_DELIMITERS) for heading in headings):
        raise Unreadable("the file has no headings")
    if any(CONTROL.search(heading) or not is_whole(heading) for heading in headings):
        raise Unreadable("the file is not text")
    if len(headings) > _MAX_HEADINGS or sum(map(len, headings)) > _MAX_HEADING_CHARACTERS:
        raise Unreadable(f"the headings are more than {_MAX_HEADINGS:,}, or longer than {_MAX_HEADING_CHARACTERS:,} characters")
    doubled = next((heading for place, heading in enumerate(headings) if heading and heading in headings[:place]), "")
    if doubled:
        raise Unreadable(f"the heading {doubled[:100]} stands over two columns")
    return headings


def clean_heading(text: str) -> str:
    """As it is compared: without blanks around it, and with one space for any within."""
    return " ".join(text.split())


def _delimiter(sample: str, encoding: str) -> tuple[str, bool]:
    """The delimiter, and whether the first line tells it, as Excel has it: `sep=;`."""
    first = list(islice(lines([sample], encoding), _SAMPLE_LINES))
    told = (first[0].text or "").strip().strip('"').lower() if first else ""
    if len(told) == 5 and told.startswith("sep=") and told[4] in _DELIMITERS:
        return told[4], True
    if (first[0].text or "").rstrip("\r\n") == "sep=\t":
        return "\t", True
    texts = [line.text or "" for line in first]
    return max(_DELIMITERS, key=lambda delimiter: _fitness(texts, delimiter)), False


def _fitness(texts: Iterable[str], delimiter: str) -> tuple[bool, int, bool]:
    """How well the delimiter explains the first two rows."""
    rows = csv.reader(texts, delimiter=delimiter, strict=True)
    counts: list[int] = []
    try:
        for row in rows:
            if "".join(row).strip():
                counts.append(len(row))
            if len(counts) == 2:
                break
    except csv.Error:
        counts = counts[:1]
    alike = len(counts) == 2 and counts[0] == counts[1]
    return alike and counts[0] > 1, counts[0] if counts else 0, alike
