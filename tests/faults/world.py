"""What scenarios are made of: a world with people in it, and what a scenario says of itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.consistency import Broken
from tests.faults.cloud import CROWD, OF_FILES, OF_ORDERS, Cloud, HttpAnswer, HttpClient
from tests.faults.functions import Patch
from tests.faults.invariants import of_kind
from tests.faults.pump import INDEXER

START: Final = datetime(2026, 1, 20, 9, 0, tzinfo=UTC)
NIGHT: Final = datetime(2026, 3, 31, 2, 0, tzinfo=UTC)
PASSWORD: Final = "a horse, a staple and a battery"
FEED: Final = "on_change"
BILLING_AT_NIGHT: Final = frozenset({"nightly", "on_invoice_due"})
MAIL: Final = frozenset({"on_delivery"})
NEITHER: Final = frozenset({"on_invoice_due", "on_delivery"})


@dataclass(frozen=True, slots=True)
class StockRequest:
    """Who changes the stock by how much, and how it went; `told` are the answers in order."""

    reason: str
    change: int
    key: str
    client: HttpClient
    told: list[HttpAnswer]


@dataclass(slots=True)
class World:
    """What the set-up made: people at the API by name, the ids of what they made, and the forms that they were given."""

    cloud: Cloud
    people: dict[str, HttpClient] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    stock: list[StockRequest] = field(default_factory=list)
    forms: dict[str, Mapping[str, str]] = field(default_factory=dict)
    patient: bool = True

    def sign_up(self, name: str, **more: Any) -> HttpClient:
        person = HttpClient(self.cloud)
        person.token = person.post("/v1/accounts", sign_up_of(name, **more)).expect(201)["access_token"]
        self.people[name] = person
        return person

    def be(self, *, patient: bool) -> None:
        self.patient = patient
        for person in self.people.values():
            person.patient = patient
            person.asked_again = 0

    def seen(self, person: HttpClient, answer: HttpAnswer, *expected: int, repeated: tuple[int, ...] = ()) -> Any:
        """The body of an answer that was to be expected, else None.

        Who asks again may be told that it has happened already. Who does not may see a 5xx, and then whatever follows from it.
        """
        if answer.status in expected:
            return answer.body
        if person.asked_again and answer.status in repeated:
            return None
        person.asked_again += 0 if self.patient else 1
        unlucky = not self.patient and (answer.passes or person.asked_again > 1)
        if not unlucky:
            self.broken.append(Broken("answers are such as a client can expect", f"HTTP {answer.status}: {answer.body}"))
        return None


_INDEXING: Final = frozenset({"on_stale_index"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`act` runs under faults and what it caused is pumped dry; `expect` looks at the end of it in peace.

    `asks`: it is driven by somebody at the API, who may be patient (asks again after a 5xx) or not.
    `seeds`: how much of it there is to draw by lot, in deliveries of other kinds; `in_turn`: whether every call is struck.
    `readers`: which functions read the stream; `idle`: which functions have nothing to do; `crowd`: many ask at once;
    `orders`: something is ordered; `files`: something is uploaded. `patch` makes little of what it takes much to see.
    """

    name: str
    set_up: Callable[[World], None]
    act: Callable[[World], None]
    expect: Callable[[World], Iterator[Broken]]
    asks: bool = True
    in_turn: bool = True
    seeds: int = 1
    readers: tuple[str, ...] = (FEED,)
    idle: frozenset[str] = frozenset()
    crowd: bool = False
    orders: bool = False
    files: bool = False
    patch: Patch | None = None

    @property
    def functions(self) -> frozenset[str]:
        """Those that have something to do."""
        unread = {FEED, INDEXER} - set(self.readers)
        unordered = frozenset() if self.orders else frozenset(OF_ORDERS)
        without_files = frozenset() if self.files else frozenset(OF_FILES)
        nothing_to_do = self.idle | unread | unordered | without_files
        return frozenset(CROWD) - nothing_to_do - (_INDEXING if INDEXER in unread else frozenset())


def sign_up_of(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "email": f"{name.lower()}@example.com",
        "password": PASSWORD,
        "currency": "EUR",
        "time_zone": "Europe/Vienna",
        "country": "AT",
        **more,
    }


def add_client(world: World, person: HttpClient, name: str, **more: Any) -> str:
    details = {"name": name, "email": f"{name.lower()}@client.example", "rate": 95, "currency": "EUR", "tax_rate": 20, **more}
    world.ids[name] = person.post("/v1/clients", details).expect(201)["id"]
    return world.ids[name]


def log(person: HttpClient, client_id: str, **details: Any) -> str:
    entry_id: str = person.post("/v1/work", {"client_id": client_id, "description": "Work", **details}).expect(201)["id"]
    return entry_id


def documents(world: World, kind: str) -> list[Mapping[str, Any]]:
    return of_kind(world.cloud.items(), kind)


def text(item: Mapping[str, Any], name: str) -> str:
    return str(item[name]["S"])


def counted(world: World, kind: str, wanted: int | tuple[int, ...]) -> Iterator[Broken]:
    found = len(documents(world, kind))
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    if found not in allowed:
        yield Broken("as many as there should be", f"{found} of the kind {kind}, not {wanted}")
