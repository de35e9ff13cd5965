"""A JSON array, cut into its elements without being decoded.

An element ends at the comma or bracket that stands outside of all brackets and strings. Whether it is JSON is told by whoever
decodes it, alone; so a broken one costs no other, unless its brackets or quotation marks do not match: then it swallows what
follows. A line break within a string, which JSON does not have, breaks that element only.

Why not ijson: see docs/decisions/0020.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records.record import MAX_RECORD_CHARACTERS, BadRecord, Cursor, Record
from chalicelib.domain.records.text import Text, is_whole, why_not_whole

_STRING_REST = r'[^"\\]*+(?:\\[\s\S][^"\\]*+)*+'
_FLAT = rf'[\[{{](?:[^"{{}}\[\]]++|"{_STRING_REST}")*+[\]}}]'
_OUTSIDE = re.compile(rf'(?:[^"{{}}\[\],]++|"{_STRING_REST}"|{_FLAT})*+')
_INSIDE = re.compile(rf'(?:[^"{{}}\[\]]++|"{_STRING_REST}"|{_FLAT})*+')
"""What stands outside of, or inside brackets, as far as it has none nested in it: most elements, in one go."""
_STRING = re.compile(_STRING_REST)
_SIGN_OUTSIDE = re.compile(r'[\[{]++|\}++|["\],]')
_SIGN_INSIDE = re.compile(r'[\[{](?:[^"{}\[\]]*+[\[{])*+|[\]}]{1,4096}+|"')
"""What comes next, runs of it at once; what closes not endlessly, for only some of it may be the element's own."""
_DENSE_SIGNS = 8
_DENSE_CHARACTERS = 16 * _DENSE_SIGNS
"""So many signs within fewer characters, and no pattern is of much help."""
_STRETCHES = (128, 256)
"""Characters that are looked at in bulk: fewer at first, for the element may end soon."""
_WHOLE_STRINGS = re.compile(rf'(?:[^"]++|"{_STRING_REST}")*+')
_EACH_STRING = re.compile(rf'("{_STRING_REST}")')
_BRACE = ord("}")
_RISES = bytes({"[": 1, "{": 1, "]": 255, "}": 255, ",": 255}.get(chr(sign), 0) for sign in range(256))
"""What a sign adds to the depth, as a signed byte."""
_BLANKS = " \t\r\n"


@dataclass(slots=True)
class _Scan:
    """How far an element has been looked through."""

    place: int = 0
    depth: int = 0
    in_string: bool = False

    @property
    def is_open(self) -> bool:
        return self.in_string or self.depth > 0

    def end(self, buffer: str) -> int | None:
        """Where the comma or bracket behind the element stands; None if the buffer ends before it."""
        count, began = 0, self.place
        while True:
            if count == _DENSE_SIGNS:
                if self.place - began < _DENSE_CHARACTERS and not self.in_string:
                    self._step_over_dense(buffer)
                count, began = 0, self.place
            if self.in_string and not self._leave_string(buffer):
                return None
            plain = (_INSIDE if self.depth else _OUTSIDE).match(buffer, self.place)
            signs = _SIGN_INSIDE if self.depth else _SIGN_OUTSIDE
            found = signs.search(buffer, self.place if plain is None else plain.end())
            if found is None:
                self.place = len(buffer)
                return None
            sign, self.place = found[0], found.end()
            if sign == '"':
                self.in_string = True
            elif sign[0] in "[{":
                self.depth += sign.count("[") + sign.count("{")
            elif self.depth:
                closed = min(self.depth, len(sign))
                self.depth -= closed
                self.place = found.start() + closed
            elif sign in ",]":
                return found.start()
            count += 1

    def _step_over_dense(self, buffer: str) -> None:
        """Stretch after stretch, up to the comma or bracket behind the element, or to a string longer than a stretch."""
        for stretch in chain(_STRETCHES, repeat(_STRETCHES[-1])):
            whole = _WHOLE_STRINGS.match(buffer, self.place, self.place + stretch)
            if not whole or not whole[0] or self._ends_within(whole[0]):
                return

    def _ends_within(self, part: str) -> bool:
        """Steps over the part, or up to where the element ends in it.

        A comma closes and opens again, so that whatever falls below the ground is the end; but for a brace that closes nothing:
        behind that the ground is one lower.
        """
        parts = _EACH_STRING.split(part)
        parts[1::2] = [" " * len(string) for string in parts[1::2]]
        signs = "".join(parts).encode("ascii", "replace").replace(b",", b",[")
        depths = list(accumulate(memoryview(signs.translate(_RISES)).cast("b"), initial=self.depth))
        ground, behind = 0, 0
        try:
            while signs[(behind := depths.index(ground - 1, behind)) - 1] == _BRACE:
                ground -= 1
        except ValueError:
            self.depth = depths[-1] - ground
            self.place += len(part)
            return False
        self.depth = 0
        self.place += behind - 1 - signs.count(b",", 0, behind - 1)
        return True

    def _leave_string(self, buffer: str) -> bool:
        rest = _STRING.match(buffer, self.place)
        self.place = place = self.place if rest is None else rest.end()
        if buffer[place : place + 1] != '"':
            return False
        self.in_string = False
        self.place += 1
        return True


_MOST_SKIPPED_BYTES = 4 * 1024 * 1024
"""Of an element that is too long. What goes on for longer is taken for one that never ends: nothing behind it is read."""


class _Element(NamedTuple):
    """`text` None if it is too long. `size` in bytes, with the sign behind it: comma, bracket, or nothing at the file's end.

    `breaks` are all its lines' ends, `lead` those before it begins.
    """

    text: str | None
    sign: str
    size: int
    lead: int
    breaks: int
    is_open: bool
    endless: bool = False

    @property
    def is_last(self) -> bool:
        """Nothing follows. Behind an element that ends with the file comes one more, which says that the array does not end."""
        return self.sign == "" and (self.text is None or self.is_open or not self.text.strip(_BLANKS))


def read_array(text: Text) -> Iterator[Record | BadRecord]:
    """Raises: Unreadable."""
    cursor, pieces = text.cursor, text.pieces
    if cursor.stage == "start":
        cursor, pieces = _within(text)
    offset, line, number, stage, encoding = cursor.offset, cursor.line, cursor.number, cursor.stage, cursor.encoding
    for element in _elements(pieces, text.size_of):
        first = line + element.lead
        blank = element.text is not None and not element.text.strip(_BLANKS)
        if stage == "closed" and blank and element.sign == "":
            return
        if stage == "closed":
            after = Cursor(offset, line, number + 1, "over", encoding)
            yield BadRecord(number + 1, first, "", "the file goes on behind the end of its array", after)
            return
        offset += element.size
        line += element.breaks
        if element.sign == "]":
            stage = "closed"
            if blank and number == 0:
                continue
        number += 1
        reason = _fault(element, blank, encoding)
        after = Cursor(offset, line, number, "over" if element.is_last else stage, encoding)
        if reason:
            yield BadRecord(number, first, "", reason, after)
        else:
            yield Record(number, first, (element.text or "").strip(_BLANKS).encode(), after)


def _within(text: Text) -> tuple[Cursor, Iterator[str]]:
    """Behind the array's opening bracket. Raises: Unreadable."""
    cursor, sample = text.cursor, next(text.pieces)
    lead = sample[: len(sample) - len(sample.lstrip(_BLANKS)) + 1]
    if not lead.endswith("["):
        raise Unreadable("the file is not a JSON array; objects on lines of their own are application/x-ndjson")
    offset, line = cursor.offset + text.size_of(lead), cursor.line + lead.count("\n")
    return cursor._replace(offset=offset, line=line, stage="records"), chain([sample[len(lead) :]], text.pieces)


def _fault(element: _Element, blank: bool, encoding: str) -> str:
    if element.endless:
        return f"the element goes on for more than {_MOST_SKIPPED_BYTES:,} bytes; nothing behind that was read"
    if element.text is None:
        return f"the element is longer than {MAX_RECORD_CHARACTERS:,} characters"
    if element.sign == "" and blank:
        return "the file ends before its array does"
    if element.sign == "" and element.is_open:
        return "the file ends within this element; what follows an unclosed bracket or string cannot be told from it"
    if blank:
        return "there is no element between two commas, or before the closing bracket"
    return "" if is_whole(element.text) else why_not_whole("element", encoding)


def _elements(pieces: Iterator[str], size_of: Callable[[str], int]) -> Iterator[_Element]:
    """Holds no more than the longest element may have, and a piece."""
    buffer, start = "", 0
    while True:
        scan = _Scan(start)
        end = scan.end(buffer)
        too_long, size, lead, breaks = False, 0, 0, 0
        while end is None and (piece := next(pieces, None)) is not None:
            buffer = buffer[start:] + piece
            scan.place -= start
            start = 0
            end = scan.end(buffer)
            if end is None and (too_long or len(buffer) > MAX_RECORD_CHARACTERS):
                gone, buffer = buffer[: scan.place], buffer[scan.place :]
                lead = lead if too_long else _lead(gone)
                size += size_of(gone)
                breaks += gone.count("\n")
                scan.place = 0
                too_long = True
                if size > _MOST_SKIPPED_BYTES:
                    yield _Element(None, "", size, lead, breaks, scan.is_open, endless=True)
                    return
        text = buffer[start:end]
        sign = "" if end is None else buffer[end]
        too_long = too_long or len(text) > MAX_RECORD_CHARACTERS
        element = _Element(
            None if too_long else text,
            sign,
            size + size_of(text + sign),
            lead if size else _lead(text),
            breaks + text.count("\n"),
            scan.is_open,
        )
        yield element
        if element.is_last:
            return
        start = len(buffer) if end is None else end + 1


def _lead(text: str) -> int:
    return text.count("\n", 0, len(text) - len(text.lstrip(_BLANKS)))
