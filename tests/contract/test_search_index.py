"""The full-text indexes, in memory and in S3 (moto)."""

import csv
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.session import get_session
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from benchmarks.search import documents, updates
from chalicelib.domain.errors import Contended, NotFound, Unavailable
from chalicelib.domain.search import SearchChange, SearchDocument, SearchRequest, SearchResult, search_change, terms_of
from chalicelib.ports import SearchIndex
from chalicelib.repositories import full_text, snippets
from chalicelib.repositories.folding import Word, fold, words_of
from chalicelib.repositories.full_text import TOMBSTONES_SECONDS, BrokenIndex, FullTextIndex, IndexedDocument
from chalicelib.repositories.memory_search import MemorySearchIndex
from chalicelib.repositories.search_index import S3SearchIndex
from tests.builders import NOW

BUCKET = "daybook-test-123456789012"
RETAIL = sorted((Path(__file__).parents[3] / "shared" / "data" / "retail").glob("*.csv"))
MARK, CLOSE = "<mark>", "</mark>"


class Indexes(Protocol):
    """One kind of index, and what lies in it."""

    @property
    def index(self) -> SearchIndex: ...

    def contents(self, account_id: str = "acc_1") -> list[IndexedDocument]: ...


class InMemory:
    def __init__(self) -> None:
        self.index = MemorySearchIndex()

    def contents(self, account_id: str = "acc_1") -> list[IndexedDocument]:
        return sound(self.index._indexes[account_id])


class InS3:
    def __init__(self, s3: Any, folder: Path) -> None:
        self.s3 = s3
        self.folder = folder
        self.index = self.another("cache")

    def another(self, name: str, **more: Any) -> S3SearchIndex:
        """Another function's, with a folder of its own."""
        return S3SearchIndex(self.s3, BUCKET, self.folder / name, sleep=lambda _: None, **more)

    def content(self, account_id: str = "acc_1") -> bytes:
        kept: bytes = self.s3.get_object(Bucket=BUCKET, Key=f"search/v1/{account_id}.sqlite")["Body"].read()
        return kept

    def replace(self, content: bytes, account_id: str = "acc_1") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"search/v1/{account_id}.sqlite", Body=content)

    def contents(self, account_id: str = "acc_1") -> list[IndexedDocument]:
        path = self.folder / "looked-at.sqlite"
        path.write_bytes(self.content(account_id))
        with FullTextIndex.read(path) as index:
            return sound(index)

    def copies(self, name: str = "cache") -> list[Path]:
        return sorted((self.folder / name).iterdir())


def sound(index: FullTextIndex) -> list[IndexedDocument]:
    """The documents of an index whose words are exactly those of its documents."""
    connection = index._connection
    connection.execute("CREATE VIRTUAL TABLE temp.found USING fts5vocab('main', 'words', 'instance')")
    found = sorted(connection.execute("SELECT doc, col, offset, term FROM temp.found").fetchall())
    connection.execute("DROP TABLE temp.found")
    expected = [
        (number, column, place, word)
        for number, title, text in connection.execute("SELECT number, title, text FROM documents")
        for column, value in (("title", title), ("text", text))
        for place, word in enumerate(fold(value).split())
    ]
    assert found == sorted(expected)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return list(index.documents())


@pytest.fixture(scope="module")
def s3_client() -> Iterator[Any]:
    with mock_aws():
        client: Any = get_session().create_client(
            "s3", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client._make_api_call = one_at_a_time(client._make_api_call)
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def one_at_a_time(call: Callable[..., Any]) -> Callable[..., Any]:
    """moto closes what it has of an object while another thread still reads it."""
    lock = Lock()

    def alone(*arguments: Any) -> Any:
        with lock:
            return call(*arguments)

    return alone


@pytest.fixture
def in_s3(s3_client: Any, tmp_path: Path) -> Iterator[InS3]:
    yield InS3(s3_client, tmp_path)
    for kept in s3_client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        s3_client.delete_object(Bucket=BUCKET, Key=kept["Key"])


@pytest.fixture(params=["memory", "s3"])
def indexes(request: pytest.FixtureRequest) -> Indexes:
    return InMemory() if request.param == "memory" else request.getfixturevalue("in_s3")


def put(
    thing_id: str, title: str = "", text: str = "", *, version: int = 1, hours: float = 0, kind: Any = "product"
) -> SearchChange:
    document = SearchDocument(title or thing_id, text)
    return SearchChange(type=kind, id=thing_id, version=version, changed_at=NOW + timedelta(hours=hours), document=document)


def removed(thing_id: str, *, version: int = 1, hours: float = 0) -> SearchChange:
    changed_at = NOW + timedelta(hours=hours)
    return SearchChange(type="product", id=thing_id, version=version, changed_at=changed_at, document=None)


def build(indexes: Indexes, *changes: SearchChange, account_id: str = "acc_1") -> None:
    indexes.index.rebuild(account_id, lambda: iter(changes))


def find(indexes: Indexes, typed: str, account_id: str = "acc_1", **more: Any) -> tuple[SearchResult, ...]:
    return indexes.index.search(account_id, SearchRequest(terms=terms_of(typed), **more))


def found(indexes: Indexes, typed: str, account_id: str = "acc_1", **more: Any) -> list[str]:
    return [result.id for result in find(indexes, typed, account_id, **more)]


# What is found


def test_an_account_without_an_index_finds_nothing_and_takes_no_changes(indexes: Indexes) -> None:
    assert found(indexes, "lantern") == []
    assert indexes.index.apply("acc_1", [put("1", "Lantern")]) is False
    assert found(indexes, "lantern") == []


def test_what_is_indexed_is_found_by_a_word_of_its_title_or_text(indexes: Indexes) -> None:
    build(indexes, put("1", "White lantern"), put("2", "Candle", "for a lantern"), put("3", "Candle"))

    assert found(indexes, "lantern") == ["1", "2"]


def test_changes_are_taken_up(indexes: Indexes) -> None:
    build(indexes, put("1", "Lantern"), put("2", "Candle"))

    assert indexes.index.apply("acc_1", [put("1", "Lamp", version=2), removed("2"), put("3", "Lamp shade")]) is True
    assert (found(indexes, "lamp"), found(indexes, "lantern"), found(indexes, "candle")) == (["1", "3"], [], [])


def test_an_index_made_anew_has_nothing_of_the_old_one(indexes: Indexes) -> None:
    build(indexes, put("1", "Lantern", version=9))
    build(indexes, put("2", "Lamp"))

    assert [document.id for document in indexes.contents()] == ["2"]
    assert found(indexes, "lantern") == []


def test_an_account_can_have_an_index_with_nothing_in_it(indexes: Indexes) -> None:
    build(indexes)

    assert found(indexes, "lantern") == []
    assert indexes.index.apply("acc_1", [put("1", "Lantern")]) is True
    assert found(indexes, "lantern") == ["1"]


def test_nobody_finds_what_is_another_account_s(indexes: Indexes) -> None:
    build(indexes, put("1", "Lantern"), account_id="acc_1")
    build(indexes, put("2", "Lantern"), account_id="acc_12")

    assert (found(indexes, "lantern", "acc_1"), found(indexes, "lantern", "acc_12")) == (["1"], ["2"])


@pytest.mark.parametrize("account_id", ["../acc_1", "acc_1/../acc_2", "", "acc.1", "acc_1\0"])
def test_an_id_that_leads_elsewhere_is_no_account(indexes: Indexes, account_id: str) -> None:
    build(indexes, put("1", "Lantern"))

    with pytest.raises(NotFound):
        found(indexes, "lantern", account_id)


def test_all_words_must_be_there_in_the_title_or_the_text(indexes: Indexes) -> None:
    build(indexes, put("1", "Heart", "holder"), put("2", "Heart"), put("3", "Holder"))

    assert found(indexes, "holder heart") == ["1"]


def test_a_word_may_go_on_but_not_begin_earlier(indexes: Indexes) -> None:
    build(indexes, put("1", "Lanterns"), put("2", "Magic-lantern"), put("3", "Superlantern"))

    assert found(indexes, "lant") == ["1", "2"]


def test_a_phrase_in_quotes_is_found_whole(indexes: Indexes) -> None:
    build(
        indexes,
        put("1", "Heart T-light holder"),
        put("2", "Light heart holder"),
        put("3", "T-light holders"),
        put("4", "T-light", "holder"),
    )

    assert found(indexes, '"t-light holder"') == ["1"]
    assert found(indexes, '"light hold"') == []
    assert found(indexes, "t-light hold") == ["3", "1", "4"]


def test_only_things_of_the_type_are_found_if_one_is_named(indexes: Indexes) -> None:
    build(indexes, put("1", "Heart", kind="client"), put("1", "Heart", kind="work"), put("2", "Heart"))

    assert [(each.type, each.id) for each in find(indexes, "heart", type="client")] == [("client", "1")]
    assert [each.type for each in find(indexes, "heart")] == ["client", "product", "work"]


def test_no_more_is_found_than_was_asked_for_and_the_best_is_first(indexes: Indexes) -> None:
    build(indexes, *(put(f"{number:02d}", "Candle", "lantern") for number in range(30)), put("best", "Lantern"))

    assert found(indexes, "lantern", limit=3) == ["best", "00", "01"]
    assert len(found(indexes, "lantern", limit=100)) == 31


def test_what_counts_the_same_comes_in_the_same_order_however_it_came_in(indexes: Indexes) -> None:
    changes = [put(f"{number}", "Lantern", kind=kind) for number in range(9) for kind in ("work", "client")]
    build(indexes, *changes)
    forth = [(each.type, each.id) for each in find(indexes, "lantern")]
    build(indexes, *reversed(changes))

    assert [(each.type, each.id) for each in find(indexes, "lantern")] == forth == sorted(forth)


@pytest.mark.parametrize(
    ("typed", "first", "second"),
    [
        ("heart", ("Heart decoration", ""), ("Decoration", "heart")),
        ("heart", ("Heart decoration", ""), ("Hearts decoration", "")),
        ("heart", ("Heart", ""), ("Heart of a long and winding name that goes on and on", "")),
        ("heart holder", ("Heart holder", "white"), ("Heart", "holder white")),
        ("heart", ("Card", "heart heart heart"), ("Card", "heart card card")),
        ("rare lantern", ("Rare lanterns", ""), ("Rarely lanterns", "")),
    ],
)
def test_the_better_hit_comes_first(indexes: Indexes, typed: str, first: tuple[str, str], second: tuple[str, str]) -> None:
    others = [put(f"other-{number}", "Something else", "of no interest") for number in range(20)]
    build(indexes, put("1", *second), put("2", *first), *others)

    better, worse = find(indexes, typed)
    assert (better.id, worse.id) == ("2", "1")
    assert better.score > worse.score > 0


def test_a_score_is_above_zero_even_if_everything_is_found(indexes: Indexes) -> None:
    build(indexes, *(put(f"{number}", "Lantern") for number in range(5)))

    assert all(result.score > 0 for result in find(indexes, "lantern"))


@pytest.mark.parametrize(
    ("kept", "typed"),
    [
        ("Straße", "Strasse"),
        ("Strasse", "Straße"),
        ("STRASSE", "straße"),
        ("Café", "cafe"),
        ("Cafe\u0301", "Café"),
        ("Łódź", "lodz"),
        ("Smørrebrød", "smorrebrod"),
        ("Ærø", "aero"),
        ("Đorđe", "dorde"),
        ("Œuvre", "oeuvre"),
        ("Iğdır", "igdir"),
        ("IĞDIR", "iğdır"),
        ("İstanbul", "istanbul"),
        ("Þór", "thor"),
        ("ﬁne", "fine"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"),
        ("Ёлка", "елка"),
        ("ｆｕｌｌ", "full"),
        ("كِتَاب", "كتاب"),
        ("Straßen\u00adbahn", "strassenbahn"),
        ("हिन्दी", "हिन्दी"),
        ("Việt Nam", "viet nam"),
        ("Blaue Straße 7", '"blaue strasse"'),
        ("Großglockner", "GROSSGL"),
    ],
)
def test_letters_are_found_however_they_are_written(indexes: Indexes, kept: str, typed: str) -> None:
    build(indexes, put("1", kept), put("2", "Something else"))

    assert found(indexes, typed) == ["1"]
    assert find(indexes, typed)[0].snippet.startswith(MARK)


TYPED = [
    *('"', '""', '"""', '" "', '"a', 'a"', '"a"b"', "*", "a*", "*a", "a**", "AND", "OR", "NOT", "a AND", "OR b", "NOT NOT"),
    *("NEAR(", "NEAR(a b, 3)", "title:a", "title : a", "{title text} : a", "-title:a", "^a", "a + b", "(a", "a)", "()", "a;b"),
    *("'; DROP TABLE documents; --", "%", "_", "\\", "a\\", "words", "rowid", "rank", "bm25(words)", "a:b:c", "?1", ":x", "@y"),
    *(
        "💡",
        "a💡b",
        "👩\u200d👩\u200d👧",
        "مرحبا",
        "\u202eabc",
        "שלום עולם",
        "a\0b",
        "\0",
        "\x01",
        "\t\n",
        "....",
        "½",
        "²",
        "ﷺ",
        "ª",
    ),
    *("\ud800", "a\udfff", "\u115f", "\u0301", "x" * 10_240, "x " * 5_120, '"' * 10_240, "a*" * 5_000, "( " * 5_000, "ß" * 200),
]


@pytest.mark.parametrize("typed", TYPED, ids=lambda typed: ascii(typed)[:24])
def test_whatever_is_typed_is_only_looked_for(indexes: Indexes, typed: str) -> None:
    build(indexes, put("1", "Lantern", "a b"), put("2", typed, typed))

    find(indexes, typed)
    assert found(indexes, "lantern") == ["1"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(), whole=st.text(alphabet='abß"*():^-+ \0', max_size=30))
@example(typed="", whole="")
def test_anything_typed_is_only_looked_for(typed: str, whole: str) -> None:
    index = FullTextIndex.create()
    index.apply([put("1", "Lantern"), put("2", typed, whole)])

    for text in (typed, whole):
        request = SearchRequest(terms=terms_of(text))
        results = index.search(request)
        asked = [fold(term.text) for term in request.terms]
        assert (
            not any(asked) or "2" in [result.id for result in results] or len(asked) == 16 or max(map(len, text.split())) > 99
        )
    index.close()


def test_operators_are_words_like_others(indexes: Indexes) -> None:
    build(indexes, put("1", "Bread OR butter"), put("2", "Bread"), put("3", "Near title"))

    assert found(indexes, "bread OR") == ["1"]
    assert found(indexes, "bread NOT butter") == []
    assert found(indexes, "NEAR(title") == ["3"]
    assert found(indexes, "title:bread") == []


def test_an_invoice_is_found_by_its_number_with_and_without_the_prefix(indexes: Indexes) -> None:
    plain = {"id": "inv_1", "version": 1, "total": 9, "currency": "EUR", "buyer": {"name": "Babbage"}}
    numbers = ["INV2024-0001", "RE-2024-0002", "2024-0003"]
    build(indexes, *(search_change("invoice", {**plain, "id": each, "number": each}, changed_at=NOW) for each in numbers))

    for number in numbers:
        assert found(indexes, number) == found(indexes, f'"{number[-9:]}"') == found(indexes, number[-9:]) == [number]


# Snippets


def test_a_snippet_is_of_the_text_if_it_is_found_there_else_of_the_title(indexes: Indexes) -> None:
    build(indexes, put("1", "White lantern", "A lantern of zinc"), put("2", "Red lantern", "Zinc"))

    assert {result.id: result.snippet for result in find(indexes, "lantern")} == {
        "1": "A <mark>lantern</mark> of zinc",
        "2": "Red <mark>lantern</mark>",
    }


def test_all_that_was_found_is_marked_in_its_own_letters(indexes: Indexes) -> None:
    build(indexes, put("1", "x", "Große T-Light-Halter, Lange Straße 7; T light"))

    assert find(indexes, 'strass "t light" halt')[0].snippet == (
        "Große <mark>T-Light</mark>-<mark>Halter</mark>, Lange <mark>Straße</mark> 7; <mark>T light</mark>"
    )


def test_a_snippet_of_a_long_text_is_the_words_round_the_hit(indexes: Indexes) -> None:
    words = [f"word{number}" for number in range(1_000)]
    build(indexes, put("1", "x", " ".join([*words[:500], "lantern", *words[500:]])))

    snippet = find(indexes, "lantern")[0].snippet
    assert snippet.startswith("…word494 ")
    assert "word499 <mark>lantern</mark> word500" in snippet
    assert snippet.endswith("…")
    assert len(snippet) < 300


@pytest.mark.parametrize(
    ("text", "typed", "expected"),
    [
        ("a b a b a", '"a b a"', "<mark>a b a b a</mark>"),
        ("b b a b", '"a b" b', "<mark>b</mark> <mark>b</mark> <mark>a b</mark>"),
        ("one two three", "two one t", "<mark>one</mark> <mark>two</mark> <mark>three</mark>"),
        ("t-light t-lamp", 't-l "light t"', "<mark>t-light t-lamp</mark>"),
        (" ".join("x" * 40), '"x x"', f"<mark>{' '.join('x' * 24)}</mark>…"),
        (" ".join("x" * 24), '"x x"', f"<mark>{' '.join('x' * 24)}</mark>"),
        (" ".join(["y"] * 23 + ["½", "½"]), "y 2", " ".join([*["<mark>y</mark>"] * 23, "<mark>½</mark>…"])),
    ],
)
def test_hits_that_overlap_are_one_and_end_where_the_snippet_ends(
    indexes: Indexes, text: str, typed: str, expected: str
) -> None:
    build(indexes, put("1", "title", text))

    assert find(indexes, typed)[0].snippet == expected


def test_a_text_is_read_no_further_than_a_snippet_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Word] = []

    def noting(text: str) -> Iterator[Word]:
        for word in words_of(text):
            read.append(word)
            yield word

    monkeypatch.setattr(snippets, "words_of", noting)
    wanted = [snippets.Wanted(("lantern",), whole=False)]

    assert "<mark>lantern</mark>" in snippets.snippet(SearchDocument("x", "a b lantern " + "word " * 900), wanted)
    assert len(read) < 30


def test_a_place_costs_the_same_however_many_phrases_begin_there() -> None:
    compared: list[str] = []

    class Noting(str):
        """A folded word that knows how often it was looked up."""

        __slots__ = ()

        def __hash__(self) -> int:
            compared.append(self)
            return super().__hash__()

    phrases = [snippets.Wanted((*"a" * 11, last), whole=True) for last in "bcdefghijklmnop"]
    words = snippets._Wanted()
    for phrase in phrases:
        words.add(phrase)
    text = [Word(place, place + 1, Noting("a")) for place in range(1_000)]

    assert not any(words.longest(text, place, len(text)) for place in range(len(text)))
    assert len(compared) <= 12 * len(text)


@pytest.mark.parametrize("where", ["title", "text"])
def test_nothing_in_a_snippet_is_html_but_the_marks(indexes: Indexes, where: str) -> None:
    nasty = """<script>alert("x")</script> & <mark>lantern</mark> 'y' <img src=x onerror=alert(1)>"""
    build(indexes, put("1", nasty if where == "title" else "", nasty if where == "text" else ""))

    for typed in ("lantern", "script", "alert mark", "amp", "x y"):
        for result in find(indexes, typed):
            plain = result.snippet.replace(MARK, "").replace(CLOSE, "")
            assert not set("<>\"'") & set(plain)
    assert "&lt;script&gt;" in find(indexes, "lantern")[0].snippet
    assert "&lt;mark&gt;<mark>lantern</mark>&lt;/mark&gt;" in find(indexes, "lantern")[0].snippet


@given(title=st.text(alphabet="ab<>&\"'ß ½\u0301.", max_size=40), text=st.text(alphabet="ab<>&\"' T-ß", max_size=200))
def test_a_snippet_without_its_marks_is_what_was_kept(title: str, text: str) -> None:
    index = FullTextIndex.create()
    index.apply([put("1", title, text)])
    for typed in ("a", "b a", '"a b"', "s", "1 2", "t"):
        for result in index.search(SearchRequest(terms=terms_of(typed))):
            assert MARK in result.snippet
            pieces = unescape(result.snippet.replace(MARK, "").replace(CLOSE, "")).strip("…").strip()
            assert pieces in title or pieces in text
    index.close()


# Versions


def test_late_doubled_and_reversed_records_change_nothing(indexes: Indexes) -> None:
    last = put("1", "Third", version=3)
    build(indexes, last, put("2", "Kept", version=5))
    indexes.index.apply("acc_1", [removed("2", version=5)])

    before = indexes.contents()
    for late in ([put("1", "First")], [put("1", "Late", version=3)], [removed("1", version=2)], [put("2", "Late", version=5)]):
        assert indexes.index.apply("acc_1", [*late, *reversed(late)]) is True
    assert indexes.contents() == before == [IndexedDocument("product", "1", 3, "Third", "")]


def test_a_removal_is_newer_than_the_version_that_it_removes(indexes: Indexes) -> None:
    build(indexes, put("1", version=3))
    indexes.index.apply("acc_1", [removed("1", version=3)])

    assert indexes.contents() == []


def test_what_is_made_again_under_its_old_id_is_found_again(indexes: Indexes) -> None:
    build(indexes, put("1", "Lantern", version=3))
    indexes.index.apply("acc_1", [removed("1", version=3), put("1", "Lamp", version=4)])
    indexes.index.apply("acc_1", [removed("1", version=3), put("1", "Lantern", version=3)])

    assert [(each.version, each.title) for each in indexes.contents()] == [(4, "Lamp")]


def test_what_is_long_gone_is_forgotten_and_may_begin_anew(indexes: Indexes) -> None:
    later = TOMBSTONES_SECONDS / 3600
    build(indexes, put("1", version=7))
    indexes.index.apply("acc_1", [removed("1", version=7)])

    indexes.index.apply("acc_1", [put("1", "Late", hours=later)])
    assert indexes.contents() == []
    indexes.index.apply("acc_1", [put("1", "New", hours=later + 1)])
    assert [(each.version, each.title) for each in indexes.contents()] == [(1, "New")]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[SearchChange], list[SearchChange]]:
    """All states that some things had, and the same mixed and with repeats."""
    states: list[SearchChange] = []
    for thing_id in "abc"[: draw(st.integers(1, 3))]:
        version = 0
        there = False
        for _ in range(draw(st.integers(1, 5))):
            if there and draw(st.booleans()):
                states.append(removed(thing_id, version=version, hours=len(states)))
                there = False
            else:
                version += 1
                states.append(
                    put(thing_id, draw(st.sampled_from(["Heart", "Straße", "x y x"])), version=version, hours=len(states))
                )
                there = True
    repeats = draw(st.lists(st.sampled_from(states), max_size=5))
    return states, draw(st.permutations([*states, *repeats]))


accounts = count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(history=histories(), cuts=st.lists(st.integers(0, 20), max_size=4))
def test_any_order_with_any_repeats_gives_the_index_of_the_last_states(
    indexes: Indexes, history: tuple[list[SearchChange], list[SearchChange]], cuts: list[int]
) -> None:
    states, mixed = history
    last = {state.id: state for state in states}
    account_id = f"acc_{next(accounts)}"
    build(indexes, account_id=account_id)
    edges = sorted({0, len(mixed), *(min(cut, len(mixed)) for cut in cuts)})
    for start, end in pairwise(edges):
        assert indexes.index.apply(account_id, mixed[start:end])

    assert indexes.contents(account_id) == [
        IndexedDocument("product", each.id, each.version, *each.document)
        for each in sorted(last.values(), key=lambda s: s.id)
        if each.document
    ]


def test_of_ten_who_write_at_once_all_are_found(indexes: Indexes) -> None:
    build(indexes)
    writers = [indexes.another(f"writer-{number}") if isinstance(indexes, InS3) else indexes.index for number in range(10)]

    def write(number: int) -> bool:
        return writers[number].apply("acc_1", [put(f"{number}", "Lantern")])

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(write, range(10)))
    assert found(indexes, "lantern") == [str(number) for number in range(10)]


def test_of_many_who_write_and_read_through_one_index_at_once_none_fails(indexes: Indexes) -> None:
    build(indexes, put("0", "Lantern"))

    def work(number: int) -> bool:
        assert "0" in found(indexes, "lantern", limit=100)
        return number % 5 > 0 or indexes.index.apply("acc_1", [put(f"{number}", "Lantern")])

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(work, range(40)))
    assert len(found(indexes, "lantern", limit=100)) == 8


# Files in S3


def test_what_is_no_news_is_not_written(in_s3: InS3) -> None:
    build(in_s3, put("1", "Lantern", version=2))
    before = in_s3.s3.head_object(Bucket=BUCKET, Key="search/v1/acc_1.sqlite")

    assert in_s3.index.apply("acc_1", [put("1", "Late"), put("1", "Lantern", version=2), removed("2")][:2])
    assert in_s3.s3.head_object(Bucket=BUCKET, Key="search/v1/acc_1.sqlite")["LastModified"] == before["LastModified"]
    assert calls_of(in_s3, lambda: in_s3.index.apply("acc_1", [put("1", "Late")])) == ["GetObject"]


def calls_of(in_s3: InS3, work: Any) -> list[str]:
    calls: list[str] = []

    def note(model: Any, **_: object) -> None:
        calls.append(model.name)

    in_s3.s3.meta.events.register("before-call.s3", note)
    try:
        work()
    finally:
        in_s3.s3.meta.events.unregister("before-call.s3", note)
    return calls


def test_each_search_asks_once_and_fetches_only_what_is_new(in_s3: InS3) -> None:
    build(in_s3, put("1", "Lantern"))
    reader = in_s3.another("reader")

    def search() -> None:
        assert len(reader.search("acc_1", SearchRequest(terms=terms_of("lantern")))) == 1

    assert calls_of(in_s3, search) == calls_of(in_s3, search) == ["GetObject"]
    (copy,) = in_s3.copies("reader")
    inode = copy.stat().st_ino
    search()
    assert in_s3.copies("reader")[0].stat().st_ino == inode
    in_s3.index.apply("acc_1", [put("2", "Lamp")])
    search()
    assert in_s3.copies("reader") != [copy]
    assert len(in_s3.copies("reader")) == 1


def test_a_change_is_one_read_and_one_conditional_write(in_s3: InS3) -> None:
    build(in_s3)

    assert calls_of(in_s3, lambda: in_s3.index.apply("acc_1", [put("1")])) == ["GetObject", "PutObject"]
    assert calls_of(in_s3, lambda: build(in_s3)) == ["HeadObject", "PutObject"]


SPOILED = [
    "empty",
    "half",
    "one byte short",
    "zeros",
    "text",
    "header only",
    "another database",
    "broken pages",
    "other schema",
]


def spoil(content: bytes, how: str, tmp_path: Path) -> bytes:
    if how in {"another database", "other schema"}:
        path = tmp_path / "other.sqlite"
        path.write_bytes(content if how == "other schema" else b"")
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE about (x)" if how == "another database" else "PRAGMA user_version = 99")
        connection.commit()
        connection.close()
        return path.read_bytes()
    return {
        "empty": b"",
        "half": content[: len(content) // 2],
        "one byte short": content[:-1],
        "zeros": bytes(len(content)),
        "text": b"<html>not found</html>" * 999,
        "header only": content[:4096],
        "broken pages": content[:4096] + b"\xa5" * (len(content) - 4096),
    }[how]


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_index_is_unavailable_takes_no_changes_and_is_made_anew(in_s3: InS3, how: str, tmp_path: Path) -> None:
    build(in_s3, *(put(f"{number}", "Lantern", "of zinc") for number in range(200)))
    in_s3.replace(spoil(in_s3.content(), how, tmp_path))

    with pytest.raises(Unavailable):
        found(in_s3, "lantern")
    assert in_s3.index.apply("acc_1", [put("1", "Lamp", version=2)]) is False
    build(in_s3, put("1", "Lamp", version=2))
    assert found(in_s3, "lamp") == ["1"]


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_copy_is_fetched_again(in_s3: InS3, how: str, tmp_path: Path) -> None:
    build(in_s3, *(put(f"{number:03d}", "Lantern", "of zinc") for number in range(200)))
    (copy,) = in_s3.copies()
    uses: list[Callable[[], bool]] = [
        lambda: found(in_s3, "lantern", limit=1) == ["000"],
        lambda: in_s3.index.apply("acc_1", [put("x", "Lamp")]),
    ]
    for use in uses:
        copy.write_bytes(spoil(copy.read_bytes(), how, tmp_path))
        assert use()
        (copy,) = in_s3.copies()
    assert found(in_s3, "lamp") == ["x"]
    assert len(in_s3.contents()) == 201


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_one_clear_error(tmp_path: Path, how: str) -> None:
    path = tmp_path / "index.sqlite"
    FullTextIndex.build(path, [put(f"{number}", "Lantern", "of zinc") for number in range(200)])
    path.write_bytes(spoil(path.read_bytes(), how, tmp_path))

    works: list[Callable[[FullTextIndex], object]] = [
        lambda index: index.search(SearchRequest(terms=terms_of("lantern"))),
        lambda index: list(index.documents()),
        lambda index: index.news([put("1", version=9)]),
    ]
    for work in works:
        with pytest.raises(BrokenIndex), FullTextIndex.read(path) as index:
            work(index)
    with pytest.raises(BrokenIndex), FullTextIndex.write(path) as index:
        index.apply([put("1", version=9)])


@pytest.mark.parametrize("lack", ["version", "FTS5"])
def test_an_engine_that_cannot_search_is_unavailable_and_not_a_broken_index(
    in_s3: InS3, lack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(in_s3, put("1", "Lantern"))
    (copy,) = in_s3.copies()
    if lack == "version":  # of Amazon Linux 2
        monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 7, 17))
        monkeypatch.setattr(sqlite3, "sqlite_version", "3.7.17")
    else:
        monkeypatch.setattr(full_text, "_has_full_text", lambda: False)

    works: list[Callable[[], object]] = [
        lambda: found(in_s3, "lantern"),
        lambda: in_s3.index.apply("acc_1", [put("2")]),
        lambda: build(in_s3, put("1")),
        FullTextIndex.create,
    ]
    for work in works:
        with pytest.raises(Unavailable, match=r"needs SQLite 3\.37 or later with FTS5"):
            work()
    assert in_s3.copies() == [copy]


def test_an_index_of_another_folding_is_read_but_made_anew_before_it_is_written(in_s3: InS3, tmp_path: Path) -> None:
    build(in_s3, put("1", "Lantern"))
    path = tmp_path / "old.sqlite"
    path.write_bytes(in_s3.content())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE about SET folding = 'older'")
    connection.commit()
    connection.close()
    in_s3.replace(path.read_bytes())

    assert found(in_s3, "lantern") == ["1"]
    assert in_s3.index.apply("acc_1", [put("2")]) is False


def test_a_copy_of_another_account_is_never_read(in_s3: InS3) -> None:
    build(in_s3, put("1", "Lantern"), account_id="acc_1")
    build(in_s3, put("2", "Lantern"), account_id="acc_12")
    in_s3.s3.delete_object(Bucket=BUCKET, Key="search/v1/acc_1.sqlite")

    assert found(in_s3, "lantern", "acc_1") == []
    assert found(in_s3, "lantern", "acc_12") == ["2"]
    assert in_s3.index.apply("acc_1", [put("3")]) is False


def test_the_copies_that_were_used_longest_ago_make_room(in_s3: InS3) -> None:
    for number in range(4):
        build(in_s3, put(f"{number}", "Lantern"), account_id=f"acc_{number}")
    size = len(in_s3.content("acc_0"))
    small = InS3(in_s3.s3, in_s3.folder)
    small.index = in_s3.another("small", max_cache_bytes=2 * size + size // 2)
    for number in (0, 1, 0, 2):
        assert found(small, "lantern", f"acc_{number}") == [f"{number}"]

    assert [path.name.partition(".")[0] for path in small.copies("small")] == ["acc_0", "acc_2"]


def a_folder_left_behind(folder: Path, minutes: float, size: int = 10) -> Path:
    """By an invocation that was killed so many minutes ago."""
    left = folder / f"aside-{minutes}"
    left.mkdir(parents=True)
    (left / "index.sqlite").write_bytes(bytes(size))
    at = time.time() - minutes * 60
    os.utime(left, (at, at))
    return left


def test_what_a_killed_invocation_left_behind_is_removed_once_nobody_can_be_at_it(in_s3: InS3) -> None:
    build(in_s3, put("1", "Lantern"))
    old, young = (a_folder_left_behind(in_s3.folder / "cache", minutes) for minutes in (15.5, 14.5))

    assert in_s3.index.apply("acc_1", [put("2", "Lamp")])
    assert (old.exists(), young.exists()) == (False, True)


def test_what_was_left_behind_a_moment_ago_counts(in_s3: InS3) -> None:
    for number in range(3):
        build(in_s3, put(f"{number}", "Lantern"), account_id=f"acc_{number}")
    size = len(in_s3.content("acc_0"))
    small = InS3(in_s3.s3, in_s3.folder)
    small.index = in_s3.another("small", max_cache_bytes=3 * size)
    a_folder_left_behind(in_s3.folder / "small", 1, 4 * size)
    for number in (0, 1, 2):
        assert found(small, "lantern", f"acc_{number}") == [f"{number}"]

    assert [path.name.partition(".")[0] for path in small.copies("small")] == ["acc_1", "acc_2", "aside-1"]


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("sizes", "left"), [(5, 3), (4, 2), (3, 1), (2, 0)])
def test_before_a_file_is_written_copies_make_room_for_it_and_for_making_it_small(
    in_s3: InS3, sizes: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        build(in_s3, put(f"{number}", "Lantern"), account_id=f"acc_{number}")
    size = len(in_s3.content("acc_0"))
    tight = InS3(in_s3.s3, in_s3.folder)
    tight.index = in_s3.another("tight", max_cache_bytes=100 * size)
    for number in (1, 2, 0):
        found(tight, "lantern", f"acc_{number}")
    tight.index = in_s3.another("tight", max_cache_bytes=sizes * size // 2)
    taken: list[int] = []
    write = FullTextIndex.write

    def weighing(path: Path) -> FullTextIndex:
        taken.append(bytes_in(in_s3.folder / "tight"))
        return write(path)

    monkeypatch.setattr(FullTextIndex, "write", weighing)

    assert tight.index.apply("acc_0", [put("9", "Lamp")])
    assert taken == [(left + 1) * size]
    assert taken[0] + size <= sizes * size
    assert found(tight, "lamp", "acc_0") == ["9"]


def test_before_an_index_is_made_anew_copies_make_room(in_s3: InS3) -> None:
    for number in range(2):
        build(in_s3, put(f"{number}", "Lantern"), account_id=f"acc_{number}")
    size = len(in_s3.content("acc_0"))
    tight = in_s3.another("tight", max_cache_bytes=2 * size)
    for number in (0, 1):
        tight.search(f"acc_{number}", SearchRequest(terms=terms_of("lantern")))
    a_folder_left_behind(in_s3.folder / "tight", 1, size // 2)
    before: list[str] = []

    def everything() -> Sequence[SearchChange]:
        before.extend(path.name.partition(".")[0] for path in in_s3.copies("tight"))
        return []

    tight.rebuild("acc_2", everything)
    assert [name for name in before if name.startswith("acc")] == ["acc_1"]


def test_an_index_larger_than_the_room_for_copies_is_used_all_the_same(in_s3: InS3) -> None:
    build(in_s3, put("1", "Lantern"))
    tight = in_s3.another("tight", max_cache_bytes=1)

    assert tight.apply("acc_1", [put("2", "Lantern")])
    assert len(tight.search("acc_1", SearchRequest(terms=terms_of("lantern")))) == 2
    assert len(in_s3.copies("tight")) == 1


def test_nothing_but_copies_is_left_behind(in_s3: InS3) -> None:
    build(in_s3, put("1"))
    in_s3.index.apply("acc_1", [put("2")])
    with pytest.raises(ZeroDivisionError):
        in_s3.index.rebuild("acc_1", lambda: (put(str(1 // number)) for number in (1, 0)))
    with pytest.raises(AttributeError):
        in_s3.index.apply("acc_1", [put("3"), None])  # type: ignore[list-item]

    assert [path.name.partition(".")[0] for path in in_s3.copies()] == ["acc_1"]
    assert [each.id for each in in_s3.contents()] == ["1", "2"]


def test_who_writes_while_an_index_is_made_anew_is_not_overwritten(in_s3: InS3) -> None:
    build(in_s3, put("1", "Lantern"))
    table = [put("1", "Lantern")]
    read: list[object] = []

    def everything() -> Iterator[SearchChange]:
        seen = list(table)
        read.append(len(seen))
        if len(read) == 1:
            table.append(put("2", "Lamp"))
            assert in_s3.another("other").apply("acc_1", [put("2", "Lamp")])
        yield from seen

    in_s3.index.rebuild("acc_1", everything)

    assert read == [1, 2]
    assert [each.id for each in in_s3.contents()] == ["1", "2"]


def test_who_makes_the_first_index_while_another_does_so_too_begins_again(in_s3: InS3) -> None:
    read: list[object] = []

    def everything() -> Sequence[SearchChange]:
        if not read:
            in_s3.another("other").rebuild("acc_1", lambda: [put("1")])
        read.append("read")
        return [put("2")]

    in_s3.index.rebuild("acc_1", everything)

    assert len(read) == 2
    assert [each.id for each in in_s3.contents()] == ["2"]


def refusal(code: str, status: int, operation: str = "PutObject") -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]


class Failing:
    """An S3 that fails as told before it does what it is asked; None among the failures lets one call through."""

    def __init__(self, s3: Any, operation: str, *failures: Exception | None, after: bool = False) -> None:
        self._s3, self._operation, self._failures, self._after = s3, operation, list(failures), after

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            failure = self._failures.pop(0) if name == self._operation and self._failures else None
            if failure is None or self._after:
                answer = getattr(self._s3, name)(**request)
            if failure is not None:
                raise failure
            return answer

        return call


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
@pytest.mark.parametrize("times", [1, 5])
def test_a_lost_race_is_run_again(in_s3: InS3, code: str, times: int, tmp_path: Path) -> None:
    build(in_s3)
    failing: Any = Failing(in_s3.s3, "put_object", *[refusal(code, 412)] * times)
    index = S3SearchIndex(failing, BUCKET, tmp_path / "racing", sleep=lambda _: None)

    assert index.apply("acc_1", [put("1")])
    index.rebuild("acc_1", lambda: [put("1"), put("2")])
    assert [each.id for each in in_s3.contents()] == ["1", "2"]


def test_races_lost_without_end_are_contended(in_s3: InS3, tmp_path: Path) -> None:
    build(in_s3)
    pauses: list[float] = []
    failing: Any = Failing(in_s3.s3, "put_object", *[refusal("PreconditionFailed", 412)] * 99)
    index = S3SearchIndex(failing, BUCKET, tmp_path / "racing", sleep=pauses.append)

    with pytest.raises(Contended):
        index.apply("acc_1", [put("1")])
    with pytest.raises(Contended):
        index.rebuild("acc_1", lambda: [put("1")])
    assert sum(pauses) < 12
    assert in_s3.contents() == []


def test_a_write_whose_answer_was_lost_and_that_was_sent_again_has_happened_once(in_s3: InS3, tmp_path: Path) -> None:
    build(in_s3)
    failing: Any = Failing(in_s3.s3, "put_object", refusal("PreconditionFailed", 412), after=True)
    index = S3SearchIndex(failing, BUCKET, tmp_path / "lost", sleep=lambda _: None)

    assert index.apply("acc_1", [put("1")])
    assert [each.id for each in in_s3.contents()] == ["1"]


@pytest.mark.parametrize(
    "failure", [refusal("SlowDown", 503), refusal("AccessDenied", 403), ReadTimeoutError(endpoint_url="https://s3")]
)
@pytest.mark.parametrize("operation", ["get_object", "put_object", "head_object"])
def test_an_s3_that_does_not_answer_is_unavailable(in_s3: InS3, failure: Exception, operation: str, tmp_path: Path) -> None:
    build(in_s3)
    failing: Any = Failing(in_s3.s3, operation, *[failure] * 9)
    index = S3SearchIndex(failing, BUCKET, tmp_path / "failing", sleep=lambda _: None)
    request = SearchRequest(terms=terms_of("lantern"))

    work: Callable[[], object] = {
        "head_object": lambda: index.rebuild("acc_1", lambda: [put("1")]),
        "put_object": lambda: index.apply("acc_1", [put("1")]),
        "get_object": lambda: index.search("acc_1", request),
    }[operation]
    with pytest.raises(Unavailable):
        work()


def test_a_file_that_does_not_come_to_its_end_is_unavailable_and_no_copy(in_s3: InS3, tmp_path: Path) -> None:
    class Cut:
        def get_object(self, **_: Any) -> dict[str, Any]:
            return {"Body": StreamingBody(BytesIO(b"SQLite format 3\0"), 4096), "ContentLength": 4096, "ETag": '"x"'}

    index = S3SearchIndex(Cut(), BUCKET, tmp_path / "cut")  # type: ignore[arg-type]

    with pytest.raises(Unavailable):
        index.search("acc_1", SearchRequest(terms=terms_of("lantern")))
    assert list((tmp_path / "cut").iterdir()) == []


def test_a_bucket_that_is_not_there_is_unavailable_and_not_an_absent_index(s3_client: Any, tmp_path: Path) -> None:
    index = S3SearchIndex(s3_client, "daybook-none", tmp_path)

    with pytest.raises(Unavailable):
        index.search("acc_1", SearchRequest(terms=terms_of("lantern")))
    with pytest.raises(Unavailable):
        index.rebuild("acc_1", lambda: [put("1")])


def test_a_folder_that_cannot_be_written_is_unavailable(in_s3: InS3, tmp_path: Path) -> None:
    build(in_s3)
    (tmp_path / "file").write_text("in the way")
    index = S3SearchIndex(in_s3.s3, BUCKET, tmp_path / "file")

    with pytest.raises(Unavailable):
        index.search("acc_1", SearchRequest(terms=terms_of("lantern")))
    with pytest.raises(Unavailable):
        index.apply("acc_1", [put("1")])


# The file's size


def test_a_file_does_not_grow_with_updates_of_the_same_documents(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    FullTextIndex.build(path, documents(300))
    small = path.stat().st_size
    sizes = []
    for version in range(2, 42):
        with FullTextIndex.write(path) as index:
            assert index.apply(updates(300, 100, version=version))
        sizes.append(path.stat().st_size)

    assert max(sizes) < 1.7 * small  # 2.3 times if the words of old versions stayed
    with FullTextIndex.read(path) as index:
        assert len(sound(index)) == 300


def test_a_file_shrinks_when_most_of_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    FullTextIndex.build(path, documents(1_000))
    large = path.stat().st_size
    with FullTextIndex.write(path) as index:
        index.apply([removed(f"{number:06d}") for number in range(950)])

    assert path.stat().st_size < large / 3
    with FullTextIndex.read(path) as index:
        assert len(sound(index)) == 50


@pytest.mark.parametrize("change", [removed("1"), put("1", "Edited", "Other", version=2)], ids=["removed", "edited"])
@pytest.mark.parametrize("later", [False, True], ids=["built with it", "taken up later"])
def test_words_of_what_is_gone_do_not_stay_in_the_file(tmp_path: Path, change: SearchChange, later: bool) -> None:
    path = tmp_path / "index.sqlite"
    secret = put("1", "Unspeakable", "Quisquis may read this")
    others = [put(f"x{n}", "Other", f"word{n}") for n in range(500)]
    FullTextIndex.build(path, others if later else [secret, *others])
    with FullTextIndex.write(path) as index:
        index.apply([secret, put("x1", "Another", version=2)])
    # As they were written, and as FTS5 has them: folded, and without what they share with the word before.
    words = [b"Unspeakable", b"Quisquis may read", b"nspeakable", b"uisquis"]
    assert all(word in path.read_bytes() for word in words)

    with FullTextIndex.write(path) as index:
        index.apply([change])

    assert [word for word in words if word in path.read_bytes()] == []
    with FullTextIndex.read(path) as index:
        assert "1" in [each.id for each in sound(index)] or change.document is None


def test_words_can_be_taken_out_without_end() -> None:
    index = FullTextIndex.create()
    index.apply([put("1", "Lamp", "of brass")])
    for version in range(2, 1_202):  # FTS5 alone takes an index for a broken one after 1,000
        assert index.apply([put("2", f"Lantern{version}", version=version)])

    assert sound(index)[1].title == "Lantern1201"
    assert len(index.search(SearchRequest(terms=terms_of("lan")))) == 1
    index.close()


def test_a_new_version_of_the_same_words_leaves_the_index_of_words_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    FullTextIndex.build(path, [put("1", "Lantern", "of zinc"), put("2", "Lamp")])

    def words() -> list[object]:
        with FullTextIndex.read(path) as index:
            return index._connection.execute("SELECT * FROM words_data").fetchall()

    before = words()
    with FullTextIndex.write(path) as index:
        assert index.apply([put("1", "Lantern", "of zinc", version=2)])
        assert index.news([put("1", "Lantern", version=2)]) == []
        assert sound(index)[0] == IndexedDocument("product", "1", 2, "Lantern", "of zinc")
    assert words() == before
    with FullTextIndex.write(path) as index:
        assert index.apply([put("1", "Lantern", "of brass", version=3)])
    assert words() != before


# A shop's real catalogue


@pytest.fixture
def shop(indexes: Indexes) -> Indexes:
    if not RETAIL:
        pytest.skip("the retail data is not here")
    names: dict[str, str] = {}
    for path in RETAIL:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names |= {row["StockCode"]: row["Description"].strip() or row["StockCode"] for row in csv.DictReader(file)}
    build(indexes, *(put(code, name, code) for code, name in names.items()))
    return indexes


def test_a_shopkeeper_s_first_page_is_as_expected(shop: Indexes) -> None:
    holders = find(shop, "heart holder")
    lanterns = [result.title for result in find(shop, "lantern")]
    hangers = [result.title for result in find(shop, "cream hang")]

    assert len(holders) == 10
    assert holders[0].title == "HEART T-LIGHT HOLDER"
    assert "WHITE HANGING HEART T-LIGHT HOLDER" in [result.title for result in holders]
    assert lanterns[:3] == ["WHITE LOVEBIRD LANTERN", "LANTERN CREAM GAZEBO", "WHITE METAL LANTERN"]
    assert lanterns[-1] == "CHINESE DRAGON PAPER LANTERNS"
    assert hangers == ["CREAM CUPID HEARTS COAT HANGER"]
    assert found(shop, "85123") == found(shop, "85123a") == ["85123A"]
