"""Where the elements of a JSON array end, however its brackets stand: as somebody finds who goes through sign after sign."""

from collections.abc import Iterator
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from chalicelib.domain.records import json_array
from chalicelib.domain.records.json_array import _elements, _Scan


def first_end(content: str) -> tuple[int | None, int, bool]:
    """Where the first element ends, how deep the content ends within it, and whether in a string."""
    depth, in_string, escaped = 0, False, False
    for place, sign in enumerate(content):
        if in_string:
            in_string = escaped or sign != '"'
            escaped = not escaped and sign == "\\"
        elif sign == '"':
            in_string = True
        elif sign in "[{":
            depth += 1
        elif depth:
            depth -= sign in "]}"
        elif sign in ",]":
            return place, 0, False
    return None, depth, in_string


def all_elements(content: str) -> Iterator[tuple[str, str, bool]]:
    """Each with the sign behind it, and whether it is open."""
    while True:
        end, depth, in_string = first_end(content)
        if end is None:
            break
        yield content[:end], content[end], False
        content = content[end + 1 :]
    is_open = in_string or depth > 0
    yield content, "", is_open
    if content.strip() and not is_open:
        yield "", "", False


dense = some.text(some.sampled_from('[]{}",\\ a\n'), max_size=40)
repeated = some.builds(
    str.__mul__,
    some.one_of(dense, some.sampled_from(["[[]]", "[a[a[a]a]a]", "[{]}", '[""', "[[]]}", "[,", "]"])),
    some.integers(1, 40),
)
contents = some.lists(
    some.one_of(dense, repeated, some.sampled_from(["[", "é[", "\udcff", '"[', '[{"a":1},{"b":[]}],'])), max_size=12
)


@settings(max_examples=500, deadline=None)
@given(
    content=contents.map("".join),
    stretches=some.sampled_from([(128, 256), (1, 2, 5), (7,), (64,)]),
    signs=some.sampled_from([1, 2, 8]),
    data=some.data(),
)
@example(content="[[]]}" * 60 + ",", stretches=(128, 256), signs=8, data=None)
@example(content="[" + '["",' * 200 + "]" * 201 + ",[", stretches=(128, 256), signs=8, data=None)
def test_elements_end_where_they_do_for_who_reads_sign_by_sign(
    content: str, stretches: tuple[int, ...], signs: int, data: some.DataObject | None
) -> None:
    cuts = sorted((data.draw(some.sets(some.integers(0, len(content)), max_size=4)) if data else set()) | {0, len(content)})
    with patch.object(json_array, "_STRETCHES", stretches), patch.object(json_array, "_DENSE_SIGNS", signs):
        pieces = iter([content[a:b] for a, b in pairwise(cuts)])
        found = [(one.text, one.sign, one.is_open) for one in _elements(pieces, len)]

        scan = _Scan()
        ends = [scan.end(content[:cut]) for cut in cuts if (first_end(content[:cut])[0] is None or cut == len(content))]

    assert found == list(all_elements(content))
    assert (ends[-1], scan.depth, scan.in_string) == first_end(content)


@pytest.mark.parametrize("unit", ["[[]]", "[{]}", "[a[a[a]a]a]", '["\\"[",[]]', "[[]]}"])
def test_what_is_dense_is_stepped_over_in_bulk(unit: str) -> None:
    """Else 20 MiB of it cost 10 seconds and not one or two."""
    content = unit * 1_000 + ","
    seen = 0

    def counted(scan: _Scan, part: str) -> bool:
        nonlocal seen
        seen += len(part)
        return ends_within(scan, part)

    ends_within = _Scan._ends_within
    with patch.object(_Scan, "_ends_within", counted):
        assert _Scan().end(content) == len(content) - 1
    assert seen > 0.95 * len(content)
