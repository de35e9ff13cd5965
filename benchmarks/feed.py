"""What the table's stream asks of its two readers: how many changes a second each sustains, and what a change costs.

    python -m benchmarks.feed [--rounds 5]

Both read in this process, over a local AWS of its own, the records that its table's stream has of products whose names change.
Every account has an index of as many products, and the reader has its copy at hand, as it has while changes keep coming.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import product
from typing import Any, Final, Literal

from benchmarks.catalogue import PRODUCTS
from benchmarks.costs import Cost, Meter
from benchmarks.in_process import Daybook, Record, running
from benchmarks.things import FOUNDED
from chalicelib.domain.identifiers import derived_id
from chalicelib.domain.products import Product
from chalicelib.domain.search import SearchChange, search_change
from chalicelib.repositories import keys
from chalicelib.repositories.items import exactly, to_image, to_item
from operations.catalogue import read_products

Reader = Literal["bus", "index"]
ROUNDS: Final = 5
SIZE: Final = 1_000
"""Products of each account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """So many changes of products, as many of each account."""

    reader: Reader
    changes: int
    accounts: int


BATCHES: Final = (
    *(Batch(reader="bus", changes=100, accounts=accounts) for accounts in (1, 10, 100)),
    Batch(reader="index", changes=1, accounts=1),
    *(Batch(reader="index", changes=100, accounts=accounts) for accounts in (1, 10, 100)),
    *(Batch(reader="index", changes=1_000, accounts=accounts) for accounts in (1, 10, 100)),
)


@dataclass(slots=True, kw_only=True)
class Read:
    """What reading one kind of batch took; `cpu_seconds` are this process's own, without the local AWS."""

    batch: Batch
    costs: list[Cost] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def calls(self) -> Counter[str]:
        """For one batch: they are the same for each."""
        first, *others = [cost.calls for cost in self.costs]
        assert all(calls == first for calls in others), self.costs
        return first

    @property
    def bytes_sent(self) -> float:
        """For a change."""
        return sum(cost.bytes_sent for cost in self.costs) / len(self.costs) / self.batch.changes

    @property
    def bytes_received(self) -> float:
        return sum(cost.bytes_received for cost in self.costs) / len(self.costs) / self.batch.changes


class Shops:
    """Accounts with the same catalogue, all of it in their indexes; in the table is what was changed."""

    def __init__(self, daybook: Daybook, *, accounts: int, size: int) -> None:
        self._daybook = daybook
        listed = list(read_products(PRODUCTS).items())
        self._catalogues = [
            [_product(account, *listed[number % len(listed)], number) for number in range(size)] for account in range(accounts)
        ]
        self._kept: set[tuple[int, int]] = set()
        for catalogue in self._catalogues:
            daybook.wired_reader.search_index.rebuild(catalogue[0].account_id, partial(_indexed, catalogue))

    def rename(self, batch: Batch) -> list[Record]:
        """What the stream tells of it, the accounts taking turns."""
        places = list(product(range(batch.changes // batch.accounts), range(batch.accounts)))
        self._put(place for place in places if place not in self._kept)
        self._kept.update(places)
        self._daybook.records()
        for number, account in places:
            before = self._catalogues[account][number]
            after = replace(before, name=f"{before.name.partition(' v')[0]} v{before.version + 1}", version=before.version + 1)
            self._catalogues[account][number] = after
        self._put(places)
        records = self._daybook.records()
        assert [record["eventName"] for record in records] == ["MODIFY"] * batch.changes
        return records

    def _put(self, places: Iterable[tuple[int, int]]) -> None:
        things = [self._catalogues[account][number] for number, account in places]
        self._daybook.put([to_image(to_item(keys.product(each.account_id, each.id), "product", each)) for each in things])


def _product(account: int, code: str, details: Mapping[str, Any], number: int) -> Product:
    return Product(
        account_id=derived_id("acc", FOUNDED, f"shop {account}"),
        id=f"{code}-{number}",
        name=details["name"],
        price=Decimal(details["price"]),
        currency="EUR",
        created_at=FOUNDED,
        updated_at=FOUNDED,
    )


def _indexed(catalogue: Iterable[Product]) -> Iterator[SearchChange]:
    return (search_change("product", exactly(each), changed_at=each.updated_at) for each in catalogue)


def read(daybook: Daybook, meter: Meter, shops: Shops, batch: Batch, rounds: int) -> Read:
    """The first round is not counted: in it, everything is loaded that is loaded once."""
    hand_over = daybook.tell_bus if batch.reader == "bus" else daybook.index
    measured = Read(batch=batch)
    hand_over(shops.rename(batch))
    for _ in range(rounds):
        records = shops.rename(batch)
        with meter.measuring() as cost:
            began, cpu_began = time.perf_counter(), time.process_time()
            hand_over(records)
            measured.cpu_seconds.append(time.process_time() - cpu_began)
            measured.seconds.append(time.perf_counter() - began)
        measured.costs.append(cost)
    return measured


def table(found: Sequence[Read]) -> str:
    head = f"{'reader':8}{'changes':>8}{'accounts':>9}{'changes/s':>11}{'CPU a change':>14}{'calls':>7}{'a change':>10}"
    lines = [f"{head}{'sent a change':>16}{'received':>11}"]
    for each in found:
        of = each.batch
        lines.append(
            f"{of.reader:8}{of.changes:8,}{of.accounts:9}{of.changes / statistics.median(each.seconds):11,.0f}"
            f"{statistics.median(each.cpu_seconds) / of.changes * 1000:11.2f} ms{each.calls.total():7}"
            f"{each.calls.total() / of.changes:10.3f}{each.bytes_sent:14,.0f} B{each.bytes_received:9,.0f} B"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each kind of batch ({ROUNDS})")
    asked = parser.parse_args(arguments)
    with running() as daybook:
        meter = daybook.meter()
        shops = Shops(daybook, accounts=max(batch.accounts for batch in BATCHES), size=SIZE)
        print(table([read(daybook, meter, shops, batch, asked.rounds) for batch in BATCHES]))


if __name__ == "__main__":
    main()
