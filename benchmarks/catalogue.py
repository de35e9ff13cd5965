"""What the catalogue costs: every request about products in calls of AWS and units of DynamoDB; then a whole shop's list.

    python -m benchmarks.catalogue [--products FILE...]

The application runs in this process, over a local AWS of its own. The units are worked out as in benchmarks/costs.py. The list
goes in as operations/catalogue.py puts it; what the search then finds is what a shopkeeper would see.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import requests

from benchmarks.costs import Cost, Meter
from benchmarks.in_process import Daybook, running
from operations.catalogue import put_products, read_products, refused
from operations.project import ROOT

PRODUCTS: Final = ROOT / "examples" / "products-2010-12.csv"
KEPT: Final = 30
"""Products, and stock changes of one of them, that are there when requests are measured: more than a page has."""
TYPED: Final = ("heart holder", "lantern", "cream hang")
SHOWN: Final = 10
INDEXED_AT_ONCE: Final = 1000
"""Records, as app.py asks for them."""


def request_costs(daybook: Daybook) -> dict[str, Cost]:
    """By what is asked for, in an account with some products."""
    meter = daybook.meter()
    daybook.open_account()
    costs: dict[str, Cost] = {}

    def measure(name: str, method: str, path: str, body: object = None, *, status: int = 200, **more: Any) -> Any:
        with meter.measuring() as costs[name]:
            answer = daybook.ask(method, path, body, **more)
        assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text}"
        return answer.json()

    kept = list(islice(read_products(PRODUCTS).items(), KEPT))
    for code, product in kept:
        _done(daybook.ask("PUT", f"/v1/products/{code}", product | {"stock": KEPT}))
    busy = f"/v1/products/{kept[0][0]}"
    for _ in range(KEPT - 1):
        _done(daybook.ask("POST", f"{busy}/stock", {"change": -1, "reason": "sold"}))
    daybook.index(daybook.records())

    new, path = {"name": "Paper star lantern", "price": "4.95", "stock": 12}, "/v1/products/STAR-1"
    measure("POST", "POST", "/v1/products", new, status=201)
    key = {"Idempotency-Key": "a star of paper"}
    keyed = measure("POST with an Idempotency-Key", "POST", "/v1/products", new, status=201, headers=key)
    again = measure("POST again with that key", "POST", "/v1/products", new, status=201, headers=key)
    assert again == keyed
    not_counted = {name: value for name, value in new.items() if name != "stock"}
    measure("PUT that makes, not counted", "PUT", "/v1/products/STAR-2", not_counted, status=201)
    measure("PUT that makes", "PUT", path, new, status=201)
    measure("PUT that replaces", "PUT", path, new | {"price": "5.25"})
    measure("PUT that changes nothing", "PUT", path, new | {"price": "5.25"})
    measure("PUT that sets another stock", "PUT", path, new | {"price": "5.25", "stock": 10})
    measure("GET", "GET", path)
    listed = measure("GET of a list of 20", "GET", "/v1/products")
    assert len(listed["products"]) == 20
    measure("stock change", "POST", f"{busy}/stock", {"change": -1, "reason": "sold"})
    changes = measure("GET of a list of 20 stock changes", "GET", f"{busy}/stock")
    assert len(changes["stock_changes"]) == 20
    measure("DELETE", "DELETE", path)
    measure("PUT under a deleted id", "PUT", path, new, status=201)

    typed = {"q": kept[0][1]["name"]}
    _done(daybook.ask("GET", "/v1/search", query=typed))
    assert measure("search, the copy at hand", "GET", "/v1/search", query=typed)["results"]
    daybook.index(daybook.records())
    found = measure("search, the index newer", "GET", "/v1/search", query={"q": "paper star"})
    assert "STAR-1" in {result["id"] for result in found["results"]}
    return costs


def _done(answer: requests.Response) -> None:
    assert answer.ok, f"{answer.status_code} {answer.text}"


def request_table(costs: Mapping[str, Cost]) -> str:
    lines = [f"{'request':36}{'read units':>11}{'write units':>13}{'received':>13}  calls"]
    for name, cost in costs.items():
        calls = ", ".join(operation if count == 1 else f"{count} {operation}" for operation, count in cost.calls.items())
        items = f" (up to {cost.transaction_items} items in a transaction)" if cost.transaction_items > 1 else ""
        lines.append(f"{name:36}{cost.read_units:11.1f}{cost.write_units:13.1f}{cost.bytes_received:11,} B  {calls}{items}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`cpu_seconds` are this process's own, without the local AWS."""

    products: int
    refusals: Mapping[str, str]
    seconds: float
    cpu_seconds: float
    cost: Cost


def load(daybook: Daybook, meter: Meter, files: Sequence[Path]) -> Loaded:
    """The shop's products through the API, and into the index as the table's stream tells of them."""
    products = read_products(*files)
    with meter.measuring() as cost:
        began, cpu_began = time.perf_counter(), time.process_time()
        answers = put_products(products, daybook.ask)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    records = daybook.records()
    for first in range(0, len(records), INDEXED_AT_ONCE):
        daybook.index(records[first : first + INDEXED_AT_ONCE])
    refusals = refused(answers.items())
    return Loaded(products=len(products), refusals=refusals, seconds=seconds, cpu_seconds=cpu_seconds, cost=cost)


def load_table(loaded: Loaded) -> str:
    taken = loaded.products - len(loaded.refusals)
    speed, cpu = loaded.products / loaded.seconds, loaded.cpu_seconds / loaded.products
    each = f"{cpu * 1000:.1f} ms of CPU time here and {loaded.cost.call_count / loaded.products:.2f} calls of AWS"
    lines = [f"{taken:,} of {loaded.products:,} products were taken, {speed:,.0f} a second, each with {each}"]
    lines += [f"  {code} was refused: {why}" for code, why in loaded.refusals.items()]
    return "\n".join(lines)


def first_page(daybook: Daybook, typed: str) -> list[dict[str, Any]]:
    answer = daybook.ask("GET", "/v1/search", query={"q": typed, "type": "product", "limit": str(SHOWN)})
    _done(answer)
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def page_table(typed: str, results: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{typed!r} finds first"]
    lines += [f"  {result['score']:8.3f}  {result['id']:<12}  {result['title']}" for result in results]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogue", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--products", type=Path, nargs="+", default=[PRODUCTS], help=f"the shop's lists ({PRODUCTS.relative_to(ROOT)})"
    )
    asked = parser.parse_args(arguments)
    with running() as daybook:
        print(request_table(request_costs(daybook)))
    with running() as daybook:
        daybook.open_account()
        print()
        print(load_table(load(daybook, daybook.meter(), asked.products)))
        for typed in TYPED:
            print(page_table(typed, first_page(daybook, typed)))


if __name__ == "__main__":
    main()
