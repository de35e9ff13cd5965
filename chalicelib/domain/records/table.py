"""CSV, as RFC 4180 has it, with whatever delimiter and line ends.

The standard library's csv takes the cells apart, strictly: where a quotation mark is not rightly closed, it says so instead of
guessing. It asks for line after line until a record is whole; `_Lines` notes which, so that a record that fails costs one line,
and those after it are read once more.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records.record import (
    MAX_RECORD_CHARACTERS,
    MAX_RECORD_LINES,
    BadRecord,
    Cursor,
    Gap,
    Record,
    checked_blank,
    is_gap,
)
from chalicelib.domain.records.text import CONTROL, Line, Text, is_whole, lines, why_not_whole

_DELIMITERS = "\t;|,"
"""The likeliest first, where two fit as well: a comma stands in prose too."""
_MAX_HEADINGS = 1_000
_MAX_HEADING_CHARACTERS = 16 * 1024
"""Together: the cursor keeps them."""
_SAMPLE_LINES = 50
_SPACES = (
    "\t\x0b\x0c\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
"""What str.strip() takes away, but for line ends."""
_LINE_END = r"(?:\r\n?|\n)"
_LINE_ENDS = re.compile(f"{_LINE_END}++")
_MOST_ABOVE_HEADINGS = 10_000
"""Lines with nothing in them."""


class _TooLong(Exception):
    """The record takes more lines or characters than any may."""


class _Lines:
    """What csv reads from. `taken` are the lines of the record that it is at."""

    def __init__(self, text: Text, delimiter: str) -> None:
        self._blank = _blank_lines(delimiter)
        self._blank_rows = _blank_rows(delimiter)
        self._source = lines(text.pieces, text.size_of, self._nothing)
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
        if line.height > 1 and len(self.taken) == 1:
            return "\n"  # csv takes no more than one row
        if line.text is None or self._characters > MAX_RECORD_CHARACTERS:
            raise _TooLong
        return line.text

    def _nothing(self, text: str, start: int, end: int) -> re.Match[str] | None:
        """Lines that csv need not look at: within quotation marks only such as have none."""
        return (self._blank if self.taken or self._most == 1 else self._blank_rows).match(text, start, end)

    def extent(self) -> tuple[int, int]:
        """Of what is taken: bytes, and lines."""
        if len(self.taken) == 1:
            return self.taken[0].size, self.taken[0].height
        return sum(line.size for line in self.taken), sum(line.height for line in self.taken)

    def give_back_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _blank_lines(delimiter: str) -> re.Pattern[str]:
    return re.compile(f"(?:[{_SPACES}{delimiter}]*+{_LINE_END})++")


def _blank_rows(delimiter: str) -> re.Pattern[str]:
    """A cell in quotation marks may have nothing in it too, and one in a row go over lines, though not over too many."""
    spaces = _SPACES.replace(delimiter, "")
    cell = f'(?:"[{spaces}]*+"|[{spaces}]*+)'
    tall = f'"[{spaces}\r\n]{{0,{MAX_RECORD_LINES - 1}}}+"'
    delimiter = re.escape(delimiter)
    return re.compile(f"(?:(?:{cell}{delimiter})*+(?:{tall}(?:{delimiter}{cell})*+|[{spaces}]*+){_LINE_END})++")


def read_table(text: Text) -> Iterator[Record | BadRecord | Gap]:
    """Lines without anything but blanks and delimiters are no records. Raises: Unreadable."""
    cursor = text.cursor
    delimiter, declared = (cursor.delimiter, False) if cursor.stage == "records" else _delimiter(text.sample)
    source = _Lines(text, delimiter)
    if cursor.stage == "start":
        cursor = _with_headings(source, text, delimiter, declared)
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    offset, line, number, unspanned_to = cursor.offset, cursor.line, cursor.number, cursor.unspanned_to
    headings = cursor.headings
    named = max((place for place, heading in enumerate(headings, 1) if heading), default=0)
    blank = cursor.blank
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
            unspanned_to = max(unspanned_to, line + source.extent()[1] - 2)
            source.give_back_but_first()
        first = line
        size, height = source.extent()
        offset += size
        line += height
        has_nothing = not reason and not "".join(row).strip()
        before, blank = blank, checked_blank(blank + height) if has_nothing else 0
        if has_nothing and not is_gap(before, blank):
            continue
        number += not has_nothing
        encoding = text.encoding_at(offset)
        after = Cursor(offset, line, number, "records", encoding, delimiter, headings, unspanned_to, blank)
        if has_nothing:
            yield Gap(after)
        elif reason := reason or _fault(row, source.taken, headings, named, text.encoding):
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


def _with_headings(source: _Lines, text: Text, delimiter: str, declared: bool) -> Cursor:
    """Behind the headings. `declared`: the first line says the delimiter. Raises: Unreadable."""
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    offset, line = text.cursor.offset, text.cursor.line
    while True:
        source.begin(MAX_RECORD_LINES)
        try:
            row = next(rows)
        except StopIteration:
            raise Unreadable("the file has no headings") from None
        except (csv.Error, _TooLong) as fault:
            raise Unreadable(f"the headings cannot be read: {_why(fault, source.taken)}") from None
        size, height = source.extent()
        offset += size
        line += height
        if "".join(row).strip() and not (declared and line == text.cursor.line + 1):
            break
        if line > _MOST_ABOVE_HEADINGS:
            raise Unreadable("the file has no headings")
    return text.cursor._replace(
        offset=offset,
        line=line,
        stage="records",
        encoding=text.encoding_at(offset),
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


def _delimiter(sample: str) -> tuple[str, bool]:
    """The delimiter, and whether the first line declares it, as Excel has it: `sep=;`."""
    first = list(islice(lines([sample], len, _LINE_ENDS.match), _SAMPLE_LINES))
    top = first[0].text or ""
    words = top.strip().strip('"').lower()
    if len(words) == 5 and words.startswith("sep=") and words[4] in _DELIMITERS:
        return words[4], True
    if top.rstrip("\r\n") == "sep=\t":
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
