"""NDJSON: one JSON value a line. What is in it is decoded by whoever knows what it should be."""

import re
from collections.abc import Iterator

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records.record import MAX_RECORD_CHARACTERS, BadRecord, Cursor, Gap, Record, checked_blank, is_gap
from chalicelib.domain.records.text import Text, is_whole, lines, why_not_whole

_BLANKS = " \t\r\n"
_BLANK_LINES = re.compile(r"(?:[ \t]*+(?:\r\n?|\n))++")


def read_lines(text: Text) -> Iterator[Record | BadRecord | Gap]:
    """Blank lines are no records. Raises: Unreadable."""
    cursor = text.cursor
    if cursor.stage == "start":
        if re.match(r"\s*\{", text.sample) is None:
            raise Unreadable("the file is not NDJSON, which has a JSON object on each line")
        cursor = cursor._replace(stage="records")
    offset, line, number, encoding = cursor.offset, cursor.line, cursor.number, cursor.encoding
    blank = cursor.blank
    for one in lines(text.pieces, text.size_of, _BLANK_LINES.match):
        offset += one.size
        first, line = line, line + one.height
        if one.text is not None and not one.text.strip(_BLANKS):
            before, blank = blank, checked_blank(blank + one.height)
            if is_gap(before, blank):
                yield Gap(Cursor(offset, line, number, "records", encoding, blank=blank))
            continue
        blank = 0
        number += 1
        after = Cursor(offset, line, number, "records", encoding)
        if one.text is None:
            yield BadRecord(number, first, "", f"the line is longer than {MAX_RECORD_CHARACTERS:,} characters", after)
        elif not is_whole(one.text):
            yield BadRecord(number, first, "", why_not_whole("line", encoding), after)
        else:
            yield Record(number, first, one.text.strip(_BLANKS).encode(), after)
