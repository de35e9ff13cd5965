import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.events import Change
from chalicelib.domain.search import (
    MAX_PHRASE_WORDS,
    MAX_TERM_CHARACTERS,
    MAX_TERMS,
    SearchDocument,
    Term,
    search_change_of,
    terms_of,
)
from chalicelib.repositories.items import exactly
from tests.builders import a_client, a_product, an_entry, at
from tests.domain.builders import dated_entry, issued

AT = datetime(2026, 1, 10, 9, 30, tzinfo=UTC)


def words(*texts: str) -> tuple[Term, ...]:
    return tuple(Term(text, whole=False) for text in texts)


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("", ()),
        ("  \t\n ", ()),
        ("... ! * ( 💡", ()),
        ("heart", words("heart")),
        (" heart  holder ", words("heart", "holder")),
        ("heart\0holder", words("heart", "holder")),
        ("heart heart HEART", words("heart", "HEART")),
        ("a OR b* NOT title:c", words("a", "OR", "b*", "NOT", "title:c")),
        ('"t-light holder"', (Term("t-light holder", whole=True),)),
        ('red "t-light holder" zinc', (*words("red"), Term("t-light holder", whole=True), *words("zinc"))),
        ('red"t light"zinc', (*words("red"), Term("t light", whole=True), *words("zinc"))),
        ('"not closed', (Term("not closed", whole=True),)),
        ("“curly quotes” „unten oben“ «là»", tuple(Term(text, whole=True) for text in ("curly quotes", "unten oben", "là"))),
        ('"" " " "."', ()),
        ("x" * 10_000, words("x" * MAX_TERM_CHARACTERS)),
        ('"one  two\tthree"', (Term("one two three", whole=True),)),
        (f'"{"a " * 99}"', (Term(" ".join("a" * MAX_PHRASE_WORDS), whole=True),)),
        (f'"{"x" * 60} {"y" * 39} z"', (Term(f"{'x' * 60} {'y' * 39}", whole=True),)),
        (f'"{"x" * 60} {"y" * 40}"', (Term("x" * 60, whole=True),)),
    ],
)
def test_what_is_typed_is_words_and_phrases(typed: str, terms: tuple[Term, ...]) -> None:
    assert terms_of(typed) == terms


def test_only_so_many_terms_count() -> None:
    assert terms_of(" ".join(f"w{number}" for number in range(99))) == words(*(f"w{number}" for number in range(MAX_TERMS)))


@given(st.text())
def test_terms_are_few_short_and_have_something_to_look_for(typed: str) -> None:
    terms = terms_of(typed)

    assert len(terms) <= MAX_TERMS
    for term in terms:
        assert 0 < len(term.text) <= MAX_TERM_CHARACTERS
        assert '"' not in term.text
        assert "\0" not in term.text
        assert any(map(str.isalnum, term.text))


def a_change(item_type: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Change:
    return Change(item_type=item_type, account_id="acc_1", id="x", occurred_at=AT, old=old, new=new)


CLIENT = a_client("cli_1", name="Babbage & Co", description="Engines", address="Dorset Street 1\nLondon", vat_id="GB123456789")
INVOICE = issued(dated_entry(date(2026, 1, 5), 60)).invoice
INVOICE_TEXT = "114.00 EUR\ncharles@example.com"


@pytest.mark.parametrize(
    ("item_type", "thing", "document"),
    [
        ("client", CLIENT, ("Babbage & Co", "Engines\ncharles@example.com\nDorset Street 1\nLondon\nGB123456789")),
        ("client", a_client(email=None), ("Babbage & Co", "")),
        ("work", an_entry(description="Analytical engine"), ("Analytical engine", "")),
        ("work", an_entry(description="First line\nsecond\nthird"), ("First line", "second\nthird")),
        ("work", an_entry(description="x" * 120), ("x" * 120, "")),
        ("work", an_entry(description="x" * 121), ("x" * 120, "x")),
        ("work", an_entry(description=f"{'word ' * 23}lanterns\nof zinc"), (f"{'word ' * 23}".strip(), "lanterns of zinc")),
        ("work", an_entry(description=f"{'word ' * 23}lamps and more"), (f"{'word ' * 23}lamps", "and more")),
        ("work", an_entry(description=f"{'word/' * 23}lanterns"), ("word/" * 23, "lanterns")),
        ("invoice", INVOICE, ("RE-2026-0001 Babbage & Co", INVOICE_TEXT)),
        ("invoice", replace(INVOICE, number="INV2024-0001"), ("INV2024-0001 Babbage & Co", f"{INVOICE_TEXT}\n2024-0001")),
        ("invoice", replace(INVOICE, number="R2_2024-12345"), ("R2_2024-12345 Babbage & Co", INVOICE_TEXT)),
        ("invoice", replace(INVOICE, number="R22024-0001"), ("R22024-0001 Babbage & Co", f"{INVOICE_TEXT}\n2024-0001")),
        ("invoice", replace(INVOICE, number="2024-0001"), ("2024-0001 Babbage & Co", INVOICE_TEXT)),
        ("product", a_product(description="of zinc"), ("White hanging heart T-light holder", "85123A\nof zinc")),
        ("product", a_product(), ("White hanging heart T-light holder", "85123A")),
    ],
)
def test_every_type_is_found_by_its_own_words(item_type: str, thing: Any, document: tuple[str, str]) -> None:
    plain = exactly(thing)
    made = search_change_of(a_change(item_type, None, plain))
    gone = search_change_of(a_change(item_type, plain, None))

    assert made is not None
    assert (made.type, made.id, made.version, made.changed_at) == (item_type, thing.id, 1, AT)
    assert made.document == SearchDocument(*document)
    assert gone is not None
    assert (gone.type, gone.id, gone.version, gone.changed_at, gone.document) == (item_type, thing.id, 1, AT, None)


@given(st.text(alphabet="ab \n\t,", min_size=1, max_size=300))
def test_every_word_of_a_work_entry_is_one_of_its_document(description: str) -> None:
    made = search_change_of(a_change("work", None, exactly(an_entry(description=description))))

    assert made is not None
    assert made.document is not None
    title, text = made.document
    assert len(title) <= 120
    words = re.findall("[ab]+", description)
    assert re.findall("[ab]+", f"{title} {text}") == words or max(map(len, words)) > 120


def test_an_edit_is_found_by_its_new_words_and_version() -> None:
    old, new = exactly(a_product()), exactly(a_product(name="Lantern", version=2, updated_at=at("2026-02-01")))
    change = search_change_of(a_change("product", old, new))

    assert change is not None
    assert change.version == 2
    assert change.document is not None
    assert change.document.title == "Lantern"


@pytest.mark.parametrize("item_type", ["user", "account", "credit_note", "stock_change", "product_version", "sheet", "books"])
def test_other_things_are_not_found(item_type: str) -> None:
    assert search_change_of(a_change(item_type, None, {"id": "x", "version": 1, "name": "Lantern"})) is None


def test_a_change_of_nothing_is_none() -> None:
    assert search_change_of(a_change("client", None, None)) is None


def test_what_changes_no_word_of_a_thing_is_none() -> None:
    lantern = exactly(a_product(name="Lantern"))
    sold = {**lantern, "stock": 4, "price": Decimal(1), "version": 2}
    common: Any = {"item_type": "product", "account_id": "acc_1", "id": "85123A", "occurred_at": AT}

    assert search_change_of(Change(old=lantern, new=sold, **common)) is None
    assert search_change_of(Change(old=None, new=sold, **common)) is not None
    assert search_change_of(Change(old=sold, new=None, **common)) is not None
