import string
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, derived_id, is_id, make_id
from tests.domain.strategies import instants

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
AT = datetime(2026, 1, 10, 9, 30, tzinfo=UTC)

prefixes: some.SearchStrategy[Prefix] = some.sampled_from(get_args(Prefix))
all_times = instants(1970, 2199)
entropies = some.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


def test_an_id_is_a_ulid_behind_the_name_of_its_kind() -> None:
    at = datetime(2016, 7, 30, 22, 36, 16, 385_000, tzinfo=UTC)  # 1469918176385, the example of github.com/ulid/javascript

    assert make_id("inv", at, bytes(10)) == "inv_01ARYZ6S410000000000000000"
    assert make_id("inv", at, b"\xff" * 10) == "inv_01ARYZ6S41ZZZZZZZZZZZZZZZZ"


@given(prefixes, some.lists(some.tuples(all_times, entropies), min_size=2, max_size=2))
def test_ids_sort_by_their_time_to_the_millisecond(prefix: Prefix, made: list[tuple[datetime, bytes]]) -> None:
    (earlier, one), (later, other) = sorted(made)

    if later - earlier >= timedelta(milliseconds=1):
        assert make_id(prefix, earlier, one) < make_id(prefix, later, other)
    else:
        assert make_id(prefix, earlier, one)[:13] <= make_id(prefix, later, other)[:13]


@given(all_times, entropies, entropies)
def test_ids_of_one_instant_differ_as_their_entropy_does(at: datetime, one: bytes, other: bytes) -> None:
    assert (make_id("wrk", at, one) == make_id("wrk", at, other)) == (one == other)
    assert (make_id("wrk", at, one) < make_id("wrk", at, other)) == (one < other)


@given(prefixes, prefixes, all_times, entropies)
def test_an_id_is_one_of_its_own_kind_only(prefix: Prefix, other: Prefix, at: datetime, entropy: bytes) -> None:
    assert is_id(other, make_id(prefix, at, entropy)) == (other == prefix)


@given(prefixes, some.text(max_size=40))
def test_text_is_no_id(prefix: Prefix, text: str) -> None:
    assert not is_id(prefix, text)


@given(prefixes, all_times, entropies, some.integers(0, 29), some.characters())
def test_an_id_with_a_wrong_character_is_none(prefix: Prefix, at: datetime, entropy: bytes, place: int, character: str) -> None:
    made = make_id(prefix, at, entropy)
    spoilt = made[:place] + character + made[place + 1 :]
    head, body = f"{prefix}_", spoilt[4:]

    assert is_id(prefix, spoilt) == (spoilt[:4] == head and set(body) <= set(CROCKFORD) and body[0] in "01234567")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inv_",
        "inv_01ARYZ6S43000000000000000",
        "inv_01ARYZ6S4300000000000000000",
        "inv_01aryz6s430000000000000000",
        "INV_01ARYZ6S430000000000000000",
        "inv_81ARYZ6S430000000000000000",
        "inv_01ARYZ6S43000000000000000I",
        "inv_01ARYZ6S43000000000000000L",
        "inv_01ARYZ6S43000000000000000O",
        "inv_01ARYZ6S43000000000000000U",
        "inv_01ARYZ6S430000000000000000\n",
        " inv_01ARYZ6S430000000000000000",
        "inv_01ARYZ6S43000000000000000#",
        "inv_01ARYZ6S43٠000000000000000",
        "inv-01ARYZ6S430000000000000000",
        "inv_" + "0" * 3_000,
        "cli_01ARYZ6S430000000000000000",
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert not is_id("inv", text)


@pytest.mark.parametrize("length", [0, ENTROPY_BYTES - 1, ENTROPY_BYTES + 1])
def test_an_id_takes_80_bits_of_entropy(length: int) -> None:
    with pytest.raises(ValueError, match="entropy must be 10 bytes"):
        make_id("inv", AT, bytes(length))


@given(all_times, some.lists(some.text(string.ascii_letters + string.digits + "-_", max_size=12), max_size=4))
def test_a_derived_id_is_the_same_whoever_derives_it(at: datetime, parts: list[str]) -> None:
    assert derived_id("inv", at, *parts) == derived_id("inv", at, *parts)
    assert is_id("inv", derived_id("inv", at, *parts))


def test_derived_ids_differ_in_every_part_and_in_where_parts_are_cut() -> None:
    derived = [
        derived_id("inv", AT, "acc_1", "cli_1", "2026-01-31"),
        derived_id("inv", AT, "acc_1", "cli_1", "2026-02-28"),
        derived_id("inv", AT, "acc_1", "cli_2", "2026-01-31"),
        derived_id("inv", AT, "acc_2", "cli_1", "2026-01-31"),
        derived_id("inv", AT, "acc_1c", "li_1", "2026-01-31"),
        derived_id("inv", AT + timedelta(milliseconds=1), "acc_1", "cli_1", "2026-01-31"),
    ]

    assert len(set(derived)) == len(derived)


def test_a_zone_does_not_change_an_id() -> None:
    same = AT.astimezone()

    assert make_id("inv", same, bytes(10)) == make_id("inv", AT, bytes(10))
