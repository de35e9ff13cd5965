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
_LONGEST_TITLE = 120
_TERMS = re.compile(r'"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+)')
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
    text = match["word"] if phrase is None else phrase
    return Term(text.strip()[:MAX_TERM_CHARACTERS], whole=phrase is not None)


def search_change_of(change: Change) -> SearchChange | None:
    """None for what cannot be searched for."""
    last = change.new or change.old
    if last is None or change.item_type not in get_args(SearchType):
        return None
    return search_change(change.item_type, last, changed_at=change.occurred_at, gone=change.new is None)


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
    return SearchDocument(first[:_LONGEST_TITLE], f"{first[_LONGEST_TITLE:]} {rest}".strip())


def _of_invoice(invoice: Plain) -> SearchDocument:
    buyer = invoice["buyer"]
    assert isinstance(buyer, Mapping)  # noqa: S101  for the type checker
    amount = f"{invoice['total']} {invoice['currency']}"
    return SearchDocument(f"{invoice['number']} {buyer['name']}", f"{amount}\n{_text(buyer, 'address', 'email', 'vat_id')}")


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
