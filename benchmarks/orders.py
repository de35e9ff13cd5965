"""What an order costs on each way through its workflow, in calls of AWS, units of DynamoDB and states; then many orders.

    python -m benchmarks.orders [--orders NUMBER]

The application runs in this process, over a local AWS of its own, and its steps are called in the order that the workflow's
definition has. Who is paid and who ships are the sandbox's, so their books' units are counted too. The units are worked out as
in benchmarks/costs.py.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.costs import Cost
from benchmarks.in_process import Daybook, running
from benchmarks.things import ACCOUNT_ID
from operations.project import ROOT
from tests import state_machine

ORDERS: Final = 200
LANTERNS: Final = 3
"""Units of one of the two products of every order; one of the other."""
STOCK: Final = 1_000_000
_ADDRESS: Final = {"name": "Charles", "street": "Dorset Street 1", "city": "London", "postal_code": "W1U 4EE", "country": "GB"}
_ORDER: Final = {
    "customer_id": "CUST001",
    "items": [{"product_id": "lantern", "quantity": LANTERNS}, {"product_id": "holder", "quantity": 1}],
    "shipping_address": _ADDRESS,
    "payment_method": "card",
}
WAYS: Final[Mapping[str, dict[str, Any]]] = {
    "confirmed": {},
    "declined": {"payment_method": "declined"},
    "shipping failed": {"shipping_address": {**_ADDRESS, "postal_code": "000 1"}},
}
"""What is asked for so that an order goes this way."""
Json = dict[str, Any]


def definition() -> Json:
    workflow: Json = json.loads((ROOT / ".chalice" / "order_workflow.asl.json").read_text())
    return workflow


def walk(workflow: Json, given: Json, invoke: Callable[[str, Json], object]) -> list[str]:
    """The states that an execution enters, of which Step Functions bills each.

    `invoke` is given the function of each task and its input. Raises: what `invoke` does, if the state would be tried again.
    """
    going = state_machine.walk(workflow, given)
    try:
        call = next(going)
        while True:
            try:
                invoke(function_of(call.resource), call.payload)
            except Exception as problem:
                call = going.throw(problem)
                if call.pause:
                    raise
            else:
                call = going.send(None)
    except StopIteration as end:
        return list(end.value.states)


def function_of(resource: str) -> str:
    """${ConfirmOrder} is confirm_order."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", resource.strip("${}")).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One order's: `costs` by what was done for it, its steps by the names of their functions."""

    costs: Mapping[str, Cost]
    states: Sequence[str]
    order: Json

    @property
    def whole(self) -> Cost:
        """All of it."""
        whole = Cost()
        for cost in self.costs.values():
            whole.calls += cost.calls
            whole.read_units += cost.read_units
            whole.write_units += cost.write_units
        return whole


class Shop:
    """With two products, and indexes that know them."""

    def __init__(self, daybook: Daybook) -> None:
        self._daybook = daybook
        self._workflow = definition()
        self._meter = daybook.meter()
        daybook.open_account()
        for product_id, price in (("lantern", "12.50"), ("holder", "3.20")):
            self.ask("PUT", f"/v1/products/{product_id}", {"name": product_id.title(), "price": price, "stock": STOCK})
        daybook.index(daybook.records())

    def ask(self, method: str, path: str, body: object = None) -> Json:
        answer = self._daybook.ask(method, path, body)
        assert answer.ok, f"{answer.status_code} {answer.text}"
        thing: Json = answer.json()
        return thing

    def measure(self, more: Json) -> Way:
        """One order, from the request until the last of its changes is told and indexed, each at once."""
        costs: dict[str, Cost] = {}
        daybook = self._daybook
        with self._meter.measuring() as costs["POST"]:
            order_id = self.place(more)
        with self._meter.measuring() as costs["start"]:
            daybook.start_workflow(order_id)

        def invoke(function: str, given: Json) -> None:
            with self._meter.measuring() as costs[function]:
                daybook.step(function, given)

        states = self.work_off(order_id, invoke)
        records = daybook.records()
        with self._meter.measuring() as costs["tell the bus"]:
            daybook.tell_bus(records)
        with self._meter.measuring() as costs["index"]:
            daybook.index(records)
        return Way(costs=costs, states=states, order=self.ask("GET", f"/v1/orders/{order_id}"))

    def place(self, more: Json) -> str:
        order_id: str = self.ask("POST", "/v1/orders", _ORDER | more)["order_id"]
        return order_id

    def work_off(self, order_id: str, invoke: Callable[[str, Json], object] | None = None) -> list[str]:
        return walk(self._workflow, {"account_id": ACCOUNT_ID, "order_id": order_id}, invoke or self._daybook.step)

    def stock(self, product_id: str) -> int:
        units: int = self.ask("GET", f"/v1/products/{product_id}")["stock"]
        return units


def ways(daybook: Daybook) -> dict[str, Way]:
    shop = Shop(daybook)
    found = {name: shop.measure(more) for name, more in WAYS.items()}
    assert shop.stock("lantern") == STOCK - LANTERNS, "only the order that was confirmed has sold any"
    return found


def way_table(name: str, way: Way) -> str:
    lines = [f"{f'an order that is {name}':30}{'read units':>11}{'write units':>13}  calls"]
    for done, cost in [*way.costs.items(), ("the whole order", way.whole)]:
        calls = ", ".join(operation if count == 1 else f"{count} {operation}" for operation, count in cost.calls.items())
        lines.append(f"{done:30}{cost.read_units:11.1f}{cost.write_units:13.1f}  {calls}")
    lines.append(f"{way.whole.call_count} calls and {len(way.states)} states: {', '.join(way.states)}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedOff:
    """`cpu_seconds` are this process's own, without the local AWS."""

    orders: int
    statuses: Mapping[str, int]
    seconds: float
    cpu_seconds: float


def work_off(daybook: Daybook, orders: int) -> WorkedOff:
    """Orders that are placed already, one after the other through their steps, until all are confirmed."""
    shop = Shop(daybook)
    placed = [shop.place({}) for _ in range(orders)]
    began, cpu_began = time.perf_counter(), time.process_time()
    for order_id in placed:
        shop.work_off(order_id)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    statuses = Counter(shop.ask("GET", f"/v1/orders/{order_id}")["status"] for order_id in placed)
    assert shop.stock("lantern") == STOCK - LANTERNS * statuses["CONFIRMED"]
    return WorkedOff(orders=orders, statuses=statuses, seconds=seconds, cpu_seconds=cpu_seconds)


def worked_off_table(worked_off: WorkedOff) -> str:
    each = f"{worked_off.orders / worked_off.seconds:.1f} a second, {worked_off.cpu_seconds / worked_off.orders * 1000:.1f} ms"
    return f"{worked_off.orders} orders through their steps, {dict(worked_off.statuses)}: {each} of CPU time here for each"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=ORDERS, help=f"that are worked off ({ORDERS})")
    asked = parser.parse_args(arguments)
    with running() as daybook:
        for name, way in ways(daybook).items():
            print(way_table(name, way))
            print()
    with running() as daybook:
        print(worked_off_table(work_off(daybook, asked.orders)))


if __name__ == "__main__":
    main()
