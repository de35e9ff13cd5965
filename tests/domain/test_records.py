"""Files of records: whatever their dialect, encoding and faults, and wherever their reading is cut off."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records import START, BadRecord, ContentType, Cursor, Gap, Record, read_records, text

CSV: ContentType = "text/csv"
ARRAY: ContentType = "application/json"
LINES: ContentType = "application/x-ndjson"
FILES = Path(__file__).parents[1] / "files"
MIB = 1024 * 1024


def read(content: bytes, content_type: ContentType = CSV) -> list[Record | BadRecord]:
    return list(_records(content_type, [content]))


def _records(content_type: ContentType, chunks: Iterable[bytes], cursor: Cursor = START) -> Iterator[Record | BadRecord]:
    return (one for one in read_records(content_type, chunks, cursor) if not isinstance(one, Gap))


def values(content: bytes, content_type: ContentType = CSV) -> list[object]:
    """Each record's values, and of the bad ones the line."""
    return [one.values if isinstance(one, Record) else one.line for one in read(content, content_type)]


def cells(content: bytes) -> list[list[str] | int]:
    return [list(one.values()) if isinstance(one, dict) else one for one in values(content)]  # type: ignore[misc]


def only_bad(content: bytes, content_type: ContentType = CSV) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in read(content, content_type) if isinstance(one, BadRecord)]


def why_unreadable(content: bytes, content_type: ContentType = CSV) -> str:
    with pytest.raises(Unreadable) as refusal:
        read(content, content_type)
    return refusal.value.detail


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_a_table_is_read_in_every_encoding_with_every_delimiter_and_line_end(encoding: str, delimiter: str, end: str) -> None:
    rows = [["name", "rate (EUR)"], ["Müller & Söhne", "12,50"], [f"a{delimiter}b", "1"], [f"two{end}lines", '"']]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=end).writerows(rows)

    assert cells(written.getvalue().encode(encoding)) == rows[1:]


def test_a_big_endian_file_tells_by_its_mark() -> None:
    assert cells(b"\xfe\xff" + "a,b\nä,€".encode("utf-16-be")) == [["ä", "€"]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bom-crlf.csv", [["Ada", "95"], ["Grace", "80.50"]]),
        ("semicolons-decimal-comma-cp1252.csv", [["Käse, jung", "1,25"], ["Brot", "3,10"]]),
        ("quotes-with-newlines.csv", [["Ada", "first\r\nsecond"], ['say "hi"', "a, b"]]),
        ("utf-16le.csv", [["Größe", "1"], ["日本", "2"]]),
        ("utf-16be.csv", [["Größe", "1"], ["日本", "2"]]),
        ("ragged.csv", [["1", "2", "3"], 3, 4, ["4", "5", "6"], ["7", "8", "9"]]),
        ("blank-lines.csv", [["1", "2"], ["3", "4"]]),
        ("excel-sep.csv", [["1,5", "x"]]),
        ("nul.csv", [["1", "2"], 3, ["5", "6"]]),
        ("unclosed-quote.csv", [2, ["b", "2"], ["c", "3\n4"], ["d", "5"]]),
        ("broken-utf-8.csv", [["Ä", "1"], 3, ["Ö", "2"]]),
    ],
)
def test_a_file_with_quirks_is_read(name: str, expected: list[list[str] | int]) -> None:
    assert cells((FILES / name).read_bytes()) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\xff\xfe", "the file is empty"),
        (b" \r\n\n\t\n", "the file is empty"),
        (b";;\n", "the file has no headings"),
        (
            b"PK\x03\x04\x14\x00\x06\x00",
            "the file is a zip archive or an Excel workbook; a workbook's sheet can be saved as CSV",
        ),
        (b"\x1f\x8b\x08\x00", "the file is compressed with gzip"),
        (b"%PDF-1.7\n", "the file is a PDF"),
        (b"\x89PNG\r\n\x1a\n", "the file is a PNG image"),
        (b"\xff\xd8\xff\xe0", "the file is a JPEG image"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "the file is in UTF-32; UTF-8 can be read"),
        (b"<!DOCTYPE html><html></html>", "the file is HTML or XML"),
        (bytes(range(256)) * 20, "the file is not text"),
        (b"\x00" * 1000, "the file is not text"),
        (b"a\x00,b\n1,2\n" + b"3,4\n" * 100, "the file is not text"),
        (b"\xff\xfe\x00\xd8\x01\xd8,\x00", "the file is not text"),
        (b"a,b,a\n1,2,3\n", "the heading a stands over two columns"),
        (b"a, b ,b\n", "the heading b stands over two columns"),
        (b"x" * 2 * MIB, "the headings cannot be read: the line is longer than 1,048,576 characters"),
    ],
)
def test_a_file_that_is_no_table_is_refused_as_a_whole(content: bytes, reason: str) -> None:
    assert why_unreadable(content) == reason


def test_headings_alone_are_a_file_of_no_records() -> None:
    assert read(b"a,b\r\n") == []


def test_headings_are_trimmed_and_columns_without_one_left_out() -> None:
    assert values(b'  Start  date ,"two\nlines",,\n1,2,3,\n4,5\n') == [
        {"Start date": "1", "two lines": "2"},
        {"Start date": "4", "two lines": "5"},
    ]


def test_a_row_with_too_many_or_too_few_cells_is_bad_and_empty_ones_too_many_are_none() -> None:
    bad = only_bad(b"a,b\n1\n1,2,3\n1,2,,\n")

    assert bad == [(2, "the row has 1 cell where the headings have 2"), (3, "the row has 3 cells where the headings have 2")]


def test_a_comma_in_prose_is_no_delimiter() -> None:
    assert cells(b"Name;Price (EUR, net, each)\nBread;1,20\n") == [["Bread", "1,20"]]


@pytest.mark.parametrize("cell", ["=1+1", "+49 1234", "-5", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_cells_that_look_like_formulas_are_taken_as_they_are(cell: str) -> None:
    assert cells(f"a,b\n{cell},1\n".encode()) == [[cell, "1"]]


def test_a_quotation_mark_within_a_cell_is_a_character() -> None:
    assert cells(b'a,b\n5" pipe,1\n') == [['5" pipe', "1"]]


def test_a_quotation_mark_that_never_closes_costs_its_line_only() -> None:
    lines = [b"a,b", b'"x,1', *(b"%d,%d" % (n, n) for n in range(3_000)), b'"two\nlines",1', b'"y,1']

    bad = only_bad(b"\n".join(lines))

    assert [line for line, _ in bad] == [2, len(lines) + 1]
    assert len(read(b"\n".join(lines))) == len(lines) - 1


def test_many_quotation_marks_that_never_close_take_each_line_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"a,b\n" + b'x",",\n' * 20_000

    assert [one.line for one in read(content) if isinstance(one, BadRecord)] == list(range(2, 20_002))


def test_a_record_of_more_than_1_000_lines_is_bad() -> None:
    assert len(only_bad(b'a,b\n"' + b"\n" * 1_000 + b'",1\n2,3\n')) > 0
    assert values(b'a,b\n"' + b"x\n" * 998 + b'",1\n2,3\n')[1:] == [{"a": "2", "b": "3"}]


@pytest.mark.parametrize("content_type", [CSV, LINES])
def test_a_line_of_1_mib_can_be_read_and_one_longer_is_bad(content_type: ContentType) -> None:
    first = b"a,b\n" if content_type == CSV else b'{"a": 1}\n'
    filler = b'"' + b"x" * (MIB - 3) + b'"'

    longest = read(first + filler + b"\n1,2\n", content_type)
    longer = read(first + filler + b"x\n1,2\n", content_type)

    told = [one.reason for one in (*longest, *longer) if isinstance(one, BadRecord)]
    assert told.count("the line is longer than 1,048,576 characters") == 1
    assert isinstance(longer[-1], Record)
    assert isinstance(longest[-1], Record)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[]", []),
        (b" [ ] \r\n", []),
        (b'\xef\xbb\xbf[{"a":1}]', [b'{"a":1}']),
        ('[{"ä":"€"}]'.encode("utf-16"), ['{"ä":"€"}'.encode()]),
        (b'[{"a":1},\n {"b":[1,{"c":"]}"}]}\n]', [b'{"a":1}', b'{"b":[1,{"c":"]}"}]}']),
        (b'[{"a":"\\"]"},1,"x,y",null]', [b'{"a":"\\"]"}', b"1", b'"x,y"', b"null"]),
        (b'[{"a":1},{"b":2}', [b'{"a":1}', b'{"b":2}', 1]),
        (b'[{"a":1},{"b":', [b'{"a":1}', 1]),
        (b'[{"a":1},', [b'{"a":1}', 1]),
        (b"[", [1]),
        (b"[1,,2]", [b"1", 1, b"2"]),
        (b"[1,]", [b"1", 1]),
        (b"[1]\n[2]", [b"1", 2]),
        (b'[{"a" 1},\n{"b":2}]', [b'{"a" 1}', b'{"b":2}']),
        (b'[{"a":"x\ny"},{"b":2}]', [b'{"a":"x\ny"}', b'{"b":2}']),
        (b'[{"a":"x},{"b":2}]', [1]),
        (b'[{"a":"\xff"},{"b":2}]', [1, b'{"b":2}']),
        (b"[nonsense, {}]", [b"nonsense", b"{}"]),
        (b"[{]},{}]", [b"{]}", b"{}"]),
    ],
)
def test_an_array_is_cut_into_its_elements(content: bytes, expected: list[bytes | int]) -> None:
    assert values(content, ARRAY) == expected


def test_lines_are_counted_within_an_array() -> None:
    content = b'[\n  {"a":\n    1},\n\n  {"b": 2}, {"c": 3},\n  {"d": 4}\n]'

    assert [one.line for one in read(content, ARRAY)] == [2, 5, 5, 6]


def test_where_an_array_breaks_off_is_told() -> None:
    assert only_bad(b'[{"a":1},\n{"b":', ARRAY)[0][1].startswith("the file ends within this element")
    assert only_bad(b'[{"a":1},', ARRAY) == [(1, "the file ends before its array does")]
    assert only_bad(b"[1] 2", ARRAY) == [(1, "the file goes on behind the end of its array")]


@pytest.mark.parametrize("content", [b"{}", b'{"a":1}\n{"b":2}', b"a,b\n1,2", b'"x"', b"nul"])
def test_what_is_no_array_is_refused_as_a_whole(content: bytes) -> None:
    assert why_unreadable(content, ARRAY) == (
        "the file is not a JSON array; objects on lines of their own are application/x-ndjson"
    )


@pytest.mark.parametrize("content", [b"[]", b'[{"a":1}]', b"a,b\n1,2", b"null\n"])
def test_what_is_no_lines_of_objects_is_refused_as_a_whole(content: bytes) -> None:
    assert why_unreadable(content, LINES) == "the file is not NDJSON, which has a JSON object on each line"


def test_lines_of_json_are_handed_on_undecoded() -> None:
    content = b'{"a":1}\r\n\n {"b":2} \n{"broken\n\xff\n{"c":3}'

    assert values(content, LINES) == [b'{"a":1}', b'{"b":2}', b'{"broken', 5, b'{"c":3}']


@pytest.mark.parametrize("inner", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_depth_costs_nothing(inner: bytes) -> None:
    assert len(read(b"[" + inner + b"]", ARRAY)) == 1


def test_an_element_that_is_too_long_is_bad_and_the_next_is_read() -> None:
    content = b'[{"a":["' + b"x" * 3 * MIB + b'"]},\n{"b":2}]'

    assert values(content, ARRAY) == [1, b'{"b":2}']


some_text = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), max_size=12)
some_cells = some.one_of(some_text, some.sampled_from(['"', '""', "a,b", ";", "\t", " ", "'", "é€"]))
some_long_cells = some.one_of(some_cells, some.sampled_from(["x\ny", "x\r\ny", "\r", "\n\n\n", '"\n"']))


@settings(max_examples=150, deadline=None)
@given(data=some.data())
def test_what_csv_writes_in_any_dialect_and_encoding_comes_back(data: some.DataObject) -> None:
    encoding = data.draw(some.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    delimiter = data.draw(some.sampled_from([",", ";", "\t", "|"]))
    width = data.draw(some.integers(2, 4))
    quoting: Literal[0, 1] = data.draw(some.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    kind = some_long_cells if quoting == csv.QUOTE_ALL else some_cells  # csv quotes no line break but its own by itself
    rows = data.draw(some.lists(some.lists(kind, min_size=width, max_size=width), max_size=8))
    written = io.StringIO(newline="")
    end = data.draw(some.sampled_from(["\n", "\r\n", "\r"]))
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow([f"heading {place}" for place in range(width)])
    writer.writerows(rows)

    assert cells(written.getvalue().encode(encoding)) == [row for row in rows if "".join(row).strip()]


def test_of_a_file_that_only_looked_like_utf_8_the_reason_names_the_way_out() -> None:
    content = "name,rate\nZoë,1\n".encode() + b"Ada,1\n" * 20_000 + "Jürgen,2\nGrace,3\n".encode("cp1252")

    assert only_bad(content) == [(20_003, "the row is not all UTF-8; save the file as UTF-8 and import it again")]
    way_out = "is not all UTF-8; save the file as UTF-8 and import it again"
    assert only_bad(b'[{"a":1},{"a":"\xff"}]', ARRAY) == [(1, f"the element {way_out}")]
    assert only_bad(b'{"a":1}\n{"a":"\xff"}\n', LINES) == [(2, f"the line {way_out}")]


CONTENTS = [
    (CSV, 'a,b\r\nä,1\r\n\r\n\r\n"x\r\ny",2\n"z,3\n4,5\n6,"7"8\n9\n"""q""",1'.encode()),
    (CSV, '\ufeffa;b\nä;"1\n2"\n\n"x;y\n😀;4\n'.encode()),
    (CSV, 'a|b\r\n"ä\r\n";€\r\n😀|2\r\n"x|3\r\n'.encode("utf-16")),
    (CSV, 'a,b\n"😀,\n\n\n",2\n\n'.encode("utf-16") + b"\x00\xd8\n\x00x"),
    (CSV, b"a,b\n\xe4,\x80\n\x81,2\n3,4"),
    (ARRAY, '[{"a":"ä\\"]"},\n\n{"b":[1,{"c":"}"}]} , 12, "x\\\\", {"d":"😀\n"}, ]\n'.encode()),
    (ARRAY, b'[{"a":1},{"b":2}'),
    (ARRAY, b"[1,,{]\n}, 3]\n x"),
    (ARRAY, b"[1,\xff"),
    (ARRAY, b"[1,\xff]"),
    (ARRAY, b"[1,[\xff"),
    (ARRAY, '[{"a":"€"},\r\n{"b":2}'.encode("utf-16")),
    (LINES, '{"a":1}\r\n\n\n{"ä":"€"}\n\n{\n\r\n'.encode()),
]


@settings(max_examples=200, deadline=None)
@given(case=some.sampled_from(CONTENTS), data=some.data())
def test_wherever_reading_is_cut_and_taken_up_again_the_same_records_come(
    case: tuple[ContentType, bytes], data: some.DataObject
) -> None:
    content_type, content = case
    whole = read(content, content_type)

    cuts = sorted(data.draw(some.sets(some.integers(0, len(content)))) | {0, len(content)})
    assert list(read_records(content_type, [content[a:b] for a, b in pairwise(cuts)])) == whole

    taken: list[Record | BadRecord] = []
    cursor = START
    while True:
        rest = _records(content_type, [content[cursor.offset :]] if content[cursor.offset :] else [], cursor)
        some_more = list(islice(rest, data.draw(some.integers(1, 3))))
        if not some_more:
            break
        taken += some_more
        plain = json.loads(json.dumps(some_more[-1].after.plain()))
        cursor = Cursor.of(plain)
        assert cursor == some_more[-1].after
    assert taken == whole


@settings(max_examples=400, deadline=None)
@given(
    content=some.one_of(
        some.binary(max_size=300),
        some.text(some.sampled_from('a,;"\n\r\t |[]{}:1\\\x00ä😀'), max_size=60).map(str.encode),
        some.text(some.sampled_from('a,;"\n\r[]{}:1\\'), max_size=60).map(lambda text: text.encode("utf-16")),
    ),
    start=some.sampled_from([b"", b"a,b\n", b"[", b"{", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b'["', b'a,"']),
    content_type=some.sampled_from([CSV, ARRAY, LINES]),
)
@example(content=b"", start=b'a,"', content_type=CSV)
def test_no_bytes_raise_anything_but_unreadable(content: bytes, start: bytes, content_type: ContentType) -> None:
    try:
        records = list(_records(content_type, [start + content]))
    except Unreadable:
        return
    assert [one.number for one in records] == list(range(1, len(records) + 1))
    assert all(one.after.offset <= len(start + content) + 1 for one in records)
    for before, record in zip([None, *records], records, strict=False):
        cursor = START if before is None else before.after
        if cursor.stage != "over":
            again = read_records(content_type, [(start + content)[cursor.offset :]], cursor)
            assert next(again) == record


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("case", CONTENTS)
def test_however_much_is_decoded_at_a_time_the_same_records_come(
    case: tuple[ContentType, bytes], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content_type, content = case
    first, *rest = read(content, content_type)
    monkeypatch.setattr(text, "BLOCK_BYTES", size)

    assert list(read_records(content_type, [content[first.after.offset :]], first.after)) == rest


def blocks(piece: bytes, first: bytes, size: int) -> Iterator[bytes]:
    yield first
    block = piece * (256 * 1024 // len(piece))
    for _ in range(size // len(block)):
        yield block


@pytest.mark.parametrize(
    ("content_type", "first", "piece"),
    [
        (CSV, b"a,b,c\n", b'85123A,"WHITE ""HANGING"" HEART",2.55\r\n'),
        (ARRAY, b"[", b'{"id":"85123A","name":"WHITE HANGING HEART","price":2.55},\n'),
        (LINES, b'{"a":1}\n', b'{"id":"85123A","name":"WHITE HANGING HEART","price":2.55}\n'),
        (CSV, b"a,b\n", b"x"),
        (CSV, b"a,b\n", b'x,"'),
        (ARRAY, b"[", b"["),
        (ARRAY, b'["', b"\\"),
        (ARRAY, b"[", b" "),
        (LINES, b"{}\n" * 30_000, b"\x00"),
        (CSV, b"a,b\n" + b"plain,1\n" * 20_000, b"\xfc" * 600 + b",1\n"),
        (CSV, b"a,b\n", b'"",1\n' + b'"\n",\n' * 10_000),
    ],
)
def test_memory_does_not_grow_with_the_file(content_type: ContentType, first: bytes, piece: bytes) -> None:
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_records(content_type, blocks(piece, first, 4 * MIB)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count > 0
    assert peak < 16 * MIB


@pytest.mark.parametrize(
    ("content_type", "head", "blank", "record"),
    [(CSV, b"a,b\n", b",\n", b"1,2\n"), (CSV, b"a\n", b'"\n"\n', b"1\n"), (LINES, b"{}\n", b" \n", b"{}\n")],
)
def test_reading_says_how_far_it_is_where_there_is_no_record_for_long(
    content_type: ContentType, head: bytes, blank: bytes, record: bytes
) -> None:
    content = head + blank * (100_001 // blank.count(b"\n") + 1) + record
    read_on = list(read_records(content_type, [content]))
    gaps = [one for one in read_on if isinstance(one, Gap)]

    assert len(gaps) == 2
    rest = list(read_records(content_type, [content[gaps[-1].after.offset :]], gaps[-1].after))
    assert rest == read_on[-1:]
    assert isinstance(rest[0], Record)


def test_a_file_whose_headings_do_not_come_is_not_read_to_its_end() -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b",\n" * 10_000

    with pytest.raises(Unreadable, match="no headings"):
        next(read_records(CSV, chunks()))
    assert taken < 10


def test_an_element_that_does_not_end_is_the_last() -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        yield b'[1,"'
        while True:
            taken += 1
            yield b"x" * MIB

    first, last = read_records(ARRAY, chunks())

    assert isinstance(first, Record)
    assert isinstance(last, BadRecord)
    assert last.reason == "the element goes on for more than 4,194,304 bytes; nothing behind that was read"
    assert last.after.stage == "over"
    assert taken < 8
