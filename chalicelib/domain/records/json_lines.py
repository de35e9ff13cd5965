"""NDJSON: one JSON value a line. What is in it is decoded by whoever knows what it should be."""

import re
from collections.abc import Iterator

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records.record import GAP_LINES, MAX_RECORD_CHARACTERS, BadRecord, Cursor, Gap, Record
from chalicelib.domain.records.text import Text, is_whole, lines, why_not_whole

_BLANKS = " \t\r\n"


def read_lines(text: Text) -> Iterator[Record | BadRecord | Gap]:
    """Blank lines are no records. Raises: Unreadable."""
    cursor = text.cursor
    if cursor.stage == "start":
        if re.match(r"\s*\{", text.sample) is None:
            raise Unreadable("the file is not NDJSON, which has a JSON object on each line")
        cursor = cursor._replace(stage="records")
    offset, line, number, encoding = cursor.offset, cursor.line, cursor.number, cursor.encoding
    blank = 0
    for one in lines(text.pieces, encoding):
        offset += one.size
        first, line = line, line + one.height
        if one.text is not None and not one.text.strip(_BLANKS):
            blank += 1
            if blank % GAP_LINES == 0:
                yield Gap(Cursor(offset, line, number, "records", encoding))
            continue
        number += 1
        after = Cursor(offset, line, number, "records", encoding)
        if one.text is None:
            yield BadRecord(number, first, "", f"the line is longer than {MAX_RECORD_CHARACTERS:,} characters", after)
        elif not is_whole(one.text):
            yield BadRecord(number, first, "", why_not_whole("line", encoding), after)
        else:
            yield Record(number, first, one.text.strip(_BLANKS).encode(), after)
