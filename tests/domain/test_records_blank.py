"""Lines with nothing in them: no records, stepped over many at once, and the end of a file that has too many of them."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records import START, BadRecord, ContentType, Cursor, Gap, Record, read_records, record, table, text

CSV: ContentType = "text/csv"
LINES: ContentType = "application/x-ndjson"
MOST = 240
REASON = f"more than {MOST} lines in succession have nothing in them"

SHAPES = [
    (CSV, b"a,b\n1,2\n", b",\n", b"3,4\n"),
    (CSV, b"a\tb\r1\t2\r", b"\t \r", b"3\t4\r"),
    (CSV, b"a,b\n1,2\n", b"\n", b"3,4\n"),
    (CSV, b"a,b\r\n1,2\r\n", b"\r\n", b"3,4\r\n"),
    (CSV, b"a,b\n1,2\n", b'"",""\n', b"3,4\n"),
    (CSV, b"a,b\n1,2\n", b'"\n"\n', b"3,4\n"),
    (CSV, b"a,b\n1,2\n", b'"\n\n\r\n"\n', b"3,4\n"),
    (CSV, b"a,b\n1,2\n", b'"\n","\n"\n', b"3,4\n"),
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


@contextmanager
def no_more_than(most: int, gap: int) -> Iterator[None]:
    """Lines with nothing in them, and after how many of them reading says how far it is."""
    with patch.object(record, "MAX_BLANK_LINES", most), patch.object(record, "GAP_LINES", gap):
        yield


def height_of(blank: bytes) -> int:
    return len(re.findall("\r\n|\r|\n", blank.decode("utf-16-le" if b"\0" in blank else "utf-8")))


@pytest.mark.parametrize(("content_type", "head", "blank", "tail"), SHAPES)
def test_as_many_lines_with_nothing_in_them_as_may_be_are_stepped_over(
    content_type: ContentType, head: bytes, blank: bytes, tail: bytes
) -> None:
    with no_more_than(MOST, 10):
        before, after = records(content_type, head + blank * (MOST // height_of(blank)) + tail)[0]

    assert after.line == before.line + 1 + MOST
    assert after.after.blank == 0


@pytest.mark.parametrize(("content_type", "head", "blank", "tail"), SHAPES)
def test_more_are_the_end_wherever_reading_goes_on(content_type: ContentType, head: bytes, blank: bytes, tail: bytes) -> None:
    content = head + blank * (MOST // height_of(blank) + 1) + tail

    with no_more_than(MOST, 10), patch.object(text, "BLOCK_BYTES", 32):
        found, reason = read(content_type, content)

        assert reason == REASON
        assert len([one for one in found if isinstance(one, Record)]) == 1
        gaps = [one for one in found if isinstance(one, Gap)]
        assert len(gaps) > 5
        for gap in (gaps[0], gaps[3], gaps[-1]):
            cursor = Cursor.of(json.loads(json.dumps(gap.after.plain())))
            assert cursor == gap.after
            assert cursor.blank > 0
            assert records(content_type, content[cursor.offset :], cursor) == ([], REASON)


def test_as_many_may_be_as_a_spreadsheet_has_rows() -> None:
    most = b"a,b\n1,2\n" + b",\n" * 1024 * 1024

    assert [one.line for one in records(CSV, most + b"3,4\n")[0]] == [2, 3 + 1024 * 1024]
    assert records(CSV, most + b",\n3,4\n")[1] == "more than 1,048,576 lines in succession have nothing in them"


@pytest.mark.parametrize("heights", [(1_000,), (1_001,), (500, 500), (501, 501), (2,) * 999, (2,) * 1_000])
def test_a_row_with_nothing_in_it_may_have_as_many_lines_as_any(heights: tuple[int, ...]) -> None:
    row = ",".join('"' + "\n" * (height - 1) + '"' for height in heights)
    too_high = sum(height - 1 for height in heights) >= 1_000

    for above in (0, 16_250):  # within a block, and where its end cuts the row
        found = records(CSV, b"a,b\n" + b"x,y\n" * above + row.encode() + b"\n")[0]
        assert any(isinstance(one, BadRecord) for one in found) == too_high


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
    with no_more_than(most, 2):
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
                ended = ""
                try:
                    again.extend(read_records(CSV, [chunk for chunk in rest if chunk], cursor))
                except Unreadable as fault:
                    ended = fault.detail
                assert [one for one in again if not isinstance(one, Gap)] == [
                    one for one in found[index + 1 :] if not isinstance(one, Gap)
                ]
                assert ended == reason
