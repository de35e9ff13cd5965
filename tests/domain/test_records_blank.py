"""Rows with nothing in them: no records, stepped over many at once, and the end of a file that has too many of them."""

import json
import re
import sys
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records import START, BadRecord, ContentType, Cursor, Gap, Record, read_records, record, table, text

CSV: ContentType = "text/csv"
LINES: ContentType = "application/x-ndjson"
MOST = 1024 * 1024
REASON = "more than 1,048,576 rows in succession have nothing in them"

SHAPES = [
    (CSV, b"a,b\n1,2\n", b",\n", b"3,4\n"),
    (CSV, b"a\tb\r1\t2\r", b"\t \r", b"3\t4\r"),
    (CSV, b"a,b\n1,2\n", b"\n", b"3,4\n"),
    (CSV, b"a,b\r\n1,2\r\n", b"\r\n", b"3,4\r\n"),
    (CSV, b"a,b\n1,2\n", b'"",""\n', b"3,4\n"),
    (CSV, b"a,b\n1,2\n", b'"\n"\n', b"3,4\n"),
    (CSV, b"a|b\n1|2\n", b'"\r"|" "\n', b"3|4\n"),
    (CSV, "a;b\nä;2\n".encode(), "\u2003;\n".encode(), b"3;4\n"),
    (CSV, "\ufeffa,b\n1,2\n".encode("utf-16-le"), ",\n".encode("utf-16-le"), "3,4\n".encode("utf-16-le")),
    (LINES, b"{}\n", b"\n", b"{}\n"),
    (LINES, b"{}\n", b" \t\r\n", b"{}\n"),
]


def read(content_type: ContentType, content: bytes, cursor: Cursor = START) -> tuple[list[Record | BadRecord | Gap], str]:
    """What is read, and what the file is refused for after that."""
    found: list[Record | BadRecord | Gap] = []
    try:
        found.extend(read_records(content_type, [content], cursor))
    except Unreadable as fault:
        return found, fault.detail
    return found, ""


def records(content_type: ContentType, content: bytes, cursor: Cursor = START) -> tuple[list[Record | BadRecord], str]:
    found, reason = read(content_type, content, cursor)
    return [one for one in found if not isinstance(one, Gap)], reason


@pytest.mark.parametrize(("content_type", "head", "blank", "tail"), SHAPES)
def test_as_many_rows_with_nothing_in_them_as_a_spreadsheet_has_are_stepped_over(
    content_type: ContentType, head: bytes, blank: bytes, tail: bytes
) -> None:
    before, after = records(content_type, head + blank * MOST + tail)[0]

    text_of_one = blank.decode("utf-16-le" if b"\0" in blank else "utf-8")
    assert after.line == before.line + 1 + MOST * len(re.findall("\r\n|\r|\n", text_of_one))
    assert after.after.blank == 0


@pytest.mark.parametrize(("content_type", "head", "blank", "tail"), SHAPES)
def test_one_more_is_the_end_wherever_reading_goes_on(
    content_type: ContentType, head: bytes, blank: bytes, tail: bytes
) -> None:
    content = head + blank * (MOST + 1) + tail

    found, reason = read(content_type, content)

    assert reason == REASON
    assert len([one for one in found if isinstance(one, Record)]) == 1
    gaps = [one for one in found if isinstance(one, Gap)]
    assert len(gaps) > 10
    for gap in (gaps[0], gaps[7], gaps[-1]):
        cursor = Cursor.of(json.loads(json.dumps(gap.after.plain())))
        assert cursor == gap.after
        assert cursor.blank > 0
        assert records(content_type, content[cursor.offset :], cursor) == ([], REASON)


def test_a_cursor_of_before_they_were_counted_begins_to_count() -> None:
    gap = next(one for one in read(CSV, b"a\n" + b"\n" * 200_000)[0] if isinstance(one, Gap))
    old = {name: value for name, value in gap.after.plain().items() if name != "blank"}

    assert records(CSV, b"\n" * MOST + b"1\n", Cursor.of(old))[1] == ""
    assert records(CSV, b"\n" * (MOST + 1) + b"1\n", Cursor.of(old))[1] == REASON


def test_what_is_stepped_over_is_all_that_a_cell_may_be_without_anything_in_it() -> None:
    spaces = {sign for sign in map(chr, range(sys.maxunicode + 1)) if sign.isspace()}

    assert set(table._SPACES) == spaces - {"\r", "\n"}


NOTHING = re.compile("(?!)")
signs = some.text(some.sampled_from('",,\n\n\n\r  \ta;'), max_size=60)
empty_rows = some.lists(some.sampled_from(["\n", ",\n", " ,\r\n", '""\n', '"\n"\n', '"","\r\n"\r\n', '" ", \n']), max_size=12)
files = some.lists(some.one_of(signs, empty_rows.map("".join), some.sampled_from(['"', "1,2\n", '"x\n', '""""\n'])), max_size=8)


@settings(max_examples=400, deadline=None)
@given(content=files.map("".join), delimiter=some.sampled_from(",;\t|"), most=some.integers(2, 12), data=some.data())
@example(content='"\n\n\n\n"\n\n\n"",""\n', delimiter=",", most=3, data=None)
def test_stepping_over_many_at_once_changes_nothing(
    content: str, delimiter: str, most: int, data: some.DataObject | None
) -> None:
    whole = f"a{delimiter}b\n{content.replace(',', delimiter)}".encode()
    with patch.object(record, "MAX_BLANK_ROWS", most), patch.object(record, "GAP_LINES", 2):
        with patch.object(table, "_blank_rows", lambda _: NOTHING), patch.object(table, "_blank_lines", lambda _: NOTHING):
            one_by_one = records(CSV, whole)
        found, reason = read(CSV, whole)
        assert ([one for one in found if not isinstance(one, Gap)], reason) == one_by_one

        cuts = sorted((data.draw(some.sets(some.integers(0, len(whole)), max_size=5)) if data else set()) | {0, len(whole)})
        with patch.object(text, "BLOCK_BYTES", data.draw(some.integers(1, 20)) if data else 3):
            for index, one in enumerate(found):
                cursor = one.after
                rest = [whole[max(a, cursor.offset) : max(b, cursor.offset)] for a, b in pairwise(cuts)]
                again: list[Record | BadRecord | Gap] = []
                told = ""
                try:
                    again.extend(read_records(CSV, [chunk for chunk in rest if chunk], cursor))
                except Unreadable as fault:
                    told = fault.detail
                assert [one for one in again if not isinstance(one, Gap)] == [
                    one for one in found[index + 1 :] if not isinstance(one, Gap)
                ]
                assert told == reason
