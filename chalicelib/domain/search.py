"""Search: what can be found, in which words, and what somebody who types something looks for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast, get_args

from chalicelib.domain.events import Change, Plain
from chalicelib.domain.kinds import SearchType

MAX_TERMS = 16
"""Of what is typed, so many words and phrases count."""
MAX_TERM_CHARACTERS = 100
MAX_PHRASE_WORDS = 12
"""Also of a word that is several to the index, such as `t-light`."""
_LONGEST_TITLE = 120
_TERMS = re.compile(r'"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+)')
_UP_TO_A_BLANK = re.compile(r"(?s).+(?=\s)")
_UP_TO_A_SIGN = re.compile(r"(?s).+[!-/:-@\[-`{-~]")
_BARE_NUMBER = re.compile(r"[0-9]{4}-[0-9]+$")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_QUOTES = str.maketrans(dict.fromkeys("“”„«»", '"'))
"""Telephones put these where `"` was typed."""


class SearchDocument(NamedTuple):
    """What is found of a thing: a hit in its title counts for more than one in its text."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchChange:
    """What the index is to know of a thing from its `version` on; no `document` once the thing is gone."""

    type: SearchType
    id: str
    version: int
    changed_at: datetime
    document: SearchDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleIndex:
    """An account's index that could not be brought up to date, and is to be made anew."""

    account_id: str


class Term(NamedTuple):
    """What must be found: a word that may go on, such as `lant` in `lantern`, or, if `whole`, the very words of a phrase."""

    text: str
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """All of the terms must be found in a thing; without any, nothing is."""

    terms: tuple[Term, ...]
    type: SearchType | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """`snippet` is HTML: `<mark>` round what was found, everything else escaped. The higher the `score` the better."""

    type: SearchType
    id: str
    title: str
    snippet: str
    score: float


@dataclass(frozen=True, slots=True)
class SearchResults:
    """The best first."""

    results: tuple[SearchResult, ...]


def terms_of(typed: str) -> tuple[Term, ...]:
    """Words and "phrases in quotes", of whatever is typed; nothing in it is an operator."""
    found = (_term(match) for match in _TERMS.finditer(_CONTROLS.sub(" ", typed).translate(_QUOTES)))
    return tuple(dict.fromkeys(term for term in found if any(map(str.isalnum, term.text))))[:MAX_TERMS]


def _term(match: re.Match[str]) -> Term:
    phrase = match["phrase"]
    if phrase is None:
        return Term(match["word"][:MAX_TERM_CHARACTERS], whole=False)
    return Term(_beginning(" ".join(phrase.split()[:MAX_PHRASE_WORDS]), MAX_TERM_CHARACTERS), whole=True)


def _beginning(text: str, most: int) -> str:
    """At most so many characters of a text without blanks at its ends, and no part of a word: nobody would find the rest."""
    if len(text) <= most:
        return text
    whole = _UP_TO_A_BLANK.match(text, 0, most + 1) or _UP_TO_A_SIGN.match(text, 0, most)
    return text[:most] if whole is None else whole[0].rstrip()


def is_searchable(change: Change) -> bool:
    return change.item_type in get_args(SearchType)


def search_change_of(change: Change) -> SearchChange | None:
    """None for what cannot be searched for, and where no word of it has changed, as when a product is sold.

    To leave such a version out is safe in any order: of the others, the newest has the words of the last one.
    """
    last = change.new or change.old
    if last is None or not is_searchable(change):
        return None
    found = search_change(change.item_type, last, changed_at=change.occurred_at, gone=change.new is None)
    if change.old is None or change.new is None:
        return found
    before = search_change(change.item_type, change.old, changed_at=change.occurred_at)
    return None if before.document == found.document else found


def search_change(item_type: str, thing: Plain, *, changed_at: datetime, gone: bool = False) -> SearchChange:
    """Of a thing of a `SearchType`, as plain data."""
    kind = cast("SearchType", item_type)
    return SearchChange(
        type=kind,
        id=str(thing["id"]),
        version=int(str(thing["version"])),
        changed_at=changed_at,
        document=None if gone else _DOCUMENTS[kind](thing),
    )


def _of_client(client: Plain) -> SearchDocument:
    return SearchDocument(str(client["name"]), _text(client, "description", "email", "address", "vat_id"))


def _of_work(entry: Plain) -> SearchDocument:
    first, _, rest = str(entry["description"]).strip().partition("\n")
    title = _beginning(first.rstrip(), _LONGEST_TITLE)
    return SearchDocument(title, f"{first[len(title) :]} {rest}".strip())


def _of_invoice(invoice: Plain) -> SearchDocument:
    buyer = invoice["buyer"]
    assert isinstance(buyer, Mapping)  # noqa: S101  for the type checker
    amount = f"{invoice['total']} {invoice['currency']}"
    text = f"{amount}\n{_text(buyer, 'address', 'email', 'vat_id')}".strip()
    return SearchDocument(
        f"{invoice['number']} {buyer['name']}", "\n".join(filter(None, [text, _bare(str(invoice["number"]))]))
    )


def _bare(number: str) -> str:
    """The number as people type it, if its prefix would be part of its first word: `2024-0001` of `INV2024-0001`."""
    bare = _BARE_NUMBER.search(number)
    return bare[0] if bare is not None and number[: bare.start()][-1:].isalnum() else ""


def _of_product(product: Plain) -> SearchDocument:
    return SearchDocument(str(product["name"]), _text(product, "id", "description"))


def _of_order(order: Plain) -> SearchDocument:
    items, address = order["items"], order.get("shipping_address", {})
    assert isinstance(items, list)  # noqa: S101  for the type checker
    assert isinstance(address, Mapping)  # noqa: S101
    names = "\n".join(_text(item, "name", "product_id") for item in items)
    place = _text(address, "name", "street", "postal_code", "city", "country")
    return SearchDocument(f"Order {order['id']}", "\n".join(filter(None, (_text(order, "customer_id"), names, place))))


def _text(thing: Plain, *names: str) -> str:
    return "\n".join(str(value) for name in names if (value := thing.get(name)))


_DOCUMENTS: Mapping[SearchType, Callable[[Plain], SearchDocument]] = {
    "client": _of_client,
    "work": _of_work,
    "invoice": _of_invoice,
    "product": _of_product,
    "order": _of_order,
}
