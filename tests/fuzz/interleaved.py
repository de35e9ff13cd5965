"""Two tenants in one process, turn by turn: no word of one ever stands in an answer to the other."""

import contextlib
import io
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import app as daybook
from chalicelib.edge.openapi import description_of
from tests.fuzz.world import Tenant, settle, wired_to_memory
from tests.http.examples import ENDPOINTS, WITH_BODY

TURNS = 500
"""In one world; then a new one, so that lists stay short."""
_ID = re.compile(r"(?:acc|usr|cli|wrk|inv|crn|pay|prd|ord|img|imp)_[0-9A-HJKMNP-TV-Z]{26}")
_ANYBODYS = set(_ID.findall(description_of(daybook.app).content))
"""Ids that stand in the API's description, as examples."""
_OWN_WORDS = ("name", "description", "address", "legal_name", "reference", "reason", "vat_id", "tax_id", "filename")
"""Members that take any words; all that a tenant writes there is marked."""


@dataclass
class Seat:
    """One of the two, and the words that are only theirs."""

    tenant: Tenant
    mark: str
    ids: set[str] = field(default_factory=set)
    written: int = 0

    def word(self) -> str:
        self.written += 1
        return f"{self.mark}-{self.written}"

    def others_words_in(self, text: str, other: "Seat") -> set[str]:
        return ({other.mark} if other.mark in text else set()) | (other.ids & set(_ID.findall(text)))


@dataclass
class Residue:
    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    words_seen: int = 0
    faults: list[str] = field(default_factory=list)


def run(calls: int, seed: int) -> Residue:
    """`words_seen` counts the answers in which somebody's own words stood: where there are none, nothing was tested."""
    found = Residue()
    for world in range(-(-calls // TURNS)):
        with wired_to_memory(), contextlib.redirect_stdout(io.StringIO()):
            seats = [Seat(settle(f"{mark.lower()}@example.com"), mark) for mark in ("Quokka", "Zephyr")]
            for seat in seats:
                seat.ids |= {*seat.tenant.inhabitant.ids.values(), seat.tenant.authorizer["account_id"]}
                seat.ids.add(seat.tenant.authorizer["user_id"])
            _take_turns(random.Random(f"{seed}/{world}"), seats, min(TURNS, calls - found.calls), found)
    return found


def _take_turns(chance: random.Random, seats: list[Seat], turns: int, found: Residue) -> None:
    for _ in range(turns):
        own, other = chance.sample(seats, k=2)
        answer = _ask(chance, own)
        shown = json.dumps([answer["headers"], answer["body"]])
        found.calls += 1
        found.statuses[answer["statusCode"]] += 1
        found.words_seen += own.mark in shown
        own.ids |= set(_ID.findall(shown)) - other.ids - _ANYBODYS
        if residue := own.others_words_in(shown, other):
            found.faults.append(f"{own.mark} was shown {sorted(residue)}: {shown[:2_000]}")


def _ask(chance: random.Random, seat: Seat) -> Any:
    """Mostly good requests with one's own words in them, sometimes a bad one, whose refusal may say too much."""
    endpoint = chance.choice(ENDPOINTS if chance.random() < 0.7 else WITH_BODY)
    names = endpoint.body.__struct_encode_fields__ if endpoint.body else ()
    words: dict[str, Any] = {name: seat.word() for name in names if name in _OWN_WORDS}
    if "email" in names:
        words["email"] = f"{seat.word().lower()}@example.com"
    if chance.random() < 0.1:
        words[chance.choice(names) if names else ""] = seat.word()
    sent, body = seat.tenant.good(endpoint, words)
    if body is not None:
        sent.body = json.dumps(body)
    if endpoint.query is not None and chance.random() < 0.3:
        sent.query.append((chance.choice(endpoint.query.__struct_encode_fields__), chance.choice(("1", "true", "2026-11-01"))))
    if sent.path and chance.random() < 0.1:
        sent.path = dict.fromkeys(sent.path, seat.word())
    return daybook.app(sent.event(), None)
