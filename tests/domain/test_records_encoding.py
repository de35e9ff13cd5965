"""The encoding of a table without a mark: told from where it first shows, however late, wherever reading begins."""

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records import START, BadRecord, Cursor, Gap, Record, read_records, text

KIB = 1024


def read(chunks: Iterable[bytes], cursor: Cursor = START) -> list[Record | BadRecord]:
    return [one for one in read_records("text/csv", chunks, cursor) if not isinstance(one, Gap)]


def kept(cursor: Cursor) -> Cursor:
    return Cursor.of(json.loads(json.dumps(cursor.plain())))


def table(place: int, rest: bytes) -> bytes:
    """Plain rows of English letters up to `place`, and there the rest."""
    head = b"a,b\n"
    rows, filler = divmod(place - len(head), 8)
    return head + b"abcde,1\n" * rows + b"x" * filler + rest


PLACES = [4, 5, 64 * KIB - 2, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 1, 300 * KIB + 3]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("place", PLACES)
def test_an_umlaut_however_late_is_read_in_the_files_encoding(place: int, encoding: str) -> None:
    content = table(place, "ü€é,2\nplain,3\nJürgen,£4\n".encode(encoding))

    records = read([content])

    assert not [one for one in records if isinstance(one, BadRecord)]
    *_, first, _, last = records
    assert isinstance(first.values, dict)  # type: ignore[union-attr]
    assert first.values["a"].endswith("ü€é")  # type: ignore[union-attr]
    assert last.values == {"a": "Jürgen", "b": "£4"}  # type: ignore[union-attr]
    assert last.after.encoding == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("place", PLACES)
def test_reading_goes_on_from_before_and_behind_the_first_umlaut_with_the_same_records(place: int, encoding: str) -> None:
    content = table(place, ("ü€é,2\nplain and as long as a name may be,3\n" * 2_000 + "Jürgen,£4\n").encode(encoding))
    whole = read([content])

    for index in {0, len(whole) // 7, len(whole) // 2, len(whole) - 2_002, len(whole) - 2_001, len(whole) - 2} - {-1}:
        cursor = kept(whole[index].after)
        assert read([content[cursor.offset :]], cursor) == whole[index + 1 :]


def test_the_encoding_is_not_told_before_the_first_umlaut() -> None:
    content = b"a,b\nplain,1\n" + "ü,2\nplain,3\n".encode("cp1252")

    assert [one.after.encoding for one in read([content])] == ["ascii", "cp1252", "cp1252"]


def test_a_file_of_english_letters_alone_is_read_without_its_encoding_being_told() -> None:
    assert [one.after.encoding for one in read([table(200 * KIB, b",1\n")])][-1] == "ascii"


def test_what_utf_8_is_told_by_ends_64_kib_behind_the_first_umlaut() -> None:
    near = "é,1\n".encode("cp1252") + b"x,1\n" * 10_000 + "日本語,2\n".encode()
    far = "é,1\n".encode("cp1252") + b"x,1\n" * 20_000 + "日本語,2\n".encode()

    assert [one.line for one in read([table(100 * KIB, near)]) if isinstance(one, BadRecord)] == [12_801]
    assert not [one for one in read([table(100 * KIB, far)]) if isinstance(one, BadRecord)]


@pytest.mark.parametrize("cut", range(5))
def test_a_character_that_the_window_cuts_is_no_fault(cut: int) -> None:
    first = "ü"
    content = "a,b\n" + first + "x" * (64 * KIB - 2 - cut) + "😀,1\n"

    assert read([content.encode()])[0].after.encoding == "utf-8"


def test_no_more_than_the_window_is_read_ahead() -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        yield table(64 * KIB - 1, b"")
        while True:
            taken += 1
            yield b"\xfc,1\n" * (16 * KIB // 4)

    assert isinstance(next(read_records("text/csv", chunks())), Record)
    assert taken <= 12


cells = some.text(some.sampled_from("ab1 üß€日😀"), max_size=6)
pieces = some.one_of(
    cells.map(str.encode),
    some.text(some.sampled_from("ab1 üß€"), max_size=6).map(lambda cell: cell.encode("cp1252")),
    some.binary(max_size=4),
    some.sampled_from([b"\n", b"\r\n", b",", b'"', b"\xc3", b"\xf0\x9f", b"plain,1\n" * 5]),
)


@settings(max_examples=300, deadline=None)
@given(data=some.data())
def test_the_same_records_come_however_the_file_is_cut_and_taken_up_again(data: some.DataObject) -> None:
    rows = some.lists(some.one_of(some.just(b"plain,1\n"), some.tuples(pieces, pieces).map(lambda two: b",".join(two) + b"\n")))
    content = b"a,b\n" + b"".join(data.draw(rows)) + b"".join(data.draw(some.lists(pieces, max_size=4)))
    with patch.object(text, "WINDOW_BYTES", data.draw(some.integers(1, 40))):
        try:
            whole = read([content])
        except Unreadable:
            return

        cuts = sorted(data.draw(some.sets(some.integers(0, len(content)), max_size=8)) | {0, len(content)})
        assert read(content[a:b] for a, b in pairwise(cuts)) == whole

        with patch.object(text, "BLOCK_BYTES", data.draw(some.integers(1, 9))):
            for index, one in enumerate(whole):
                cursor = kept(one.after)
                assert read([content[cursor.offset :]], cursor) == whole[index + 1 :]


@settings(max_examples=150, deadline=None)
@given(
    plain=some.integers(0, 40),
    rows=some.lists(some.text(some.sampled_from("üß€ÄÖ"), min_size=1, max_size=4)),
    encoding=some.sampled_from(["utf-8", "cp1252"]),
    size=some.integers(1, 9),
    window=some.integers(1, 40),
)
def test_whatever_is_written_in_one_encoding_comes_back(
    plain: int, rows: list[str], encoding: str, size: int, window: int
) -> None:
    written = [*["plain"] * plain, *(f"{row}x" for row in rows)]
    content = "".join(f"{row},1\n" for row in ["a", *written]).encode(encoding).replace(b"a,1", b"a,b", 1)

    with patch.object(text, "WINDOW_BYTES", window):
        whole = read([content])
        with patch.object(text, "BLOCK_BYTES", size):
            again = [*whole[:1], *(read([content[whole[0].after.offset :]], kept(whole[0].after)) if whole else [])]

    assert [one.values["a"] for one in whole] == written  # type: ignore[union-attr, call-overload]
    assert again == whole
