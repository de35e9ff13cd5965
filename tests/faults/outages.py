"""What may be out of order for good, and what must hold nevertheless: the stream's readers do not wait for each other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.consistency import Broken
from tests.faults import invariants
from tests.faults.cloud import Cloud
from tests.faults.in_process_aws import Request
from tests.faults.plane import Call
from tests.faults.pump import INDEXER, body_of

AT_MOST_SECONDS: Final = 60
"""From a change until it is told. What cannot be written is tried for hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """`reader` is whose work cannot be done, `dead_letters` the queue that hears of it; only `breaks` may break."""

    strikes: Callable[[Call, Request], bool]
    reader: str
    dead_letters: str
    breaks: frozenset[str]

    def check(self, cloud: Cloud, known: int) -> Iterator[Broken]:
        """`known` is how many changes there had been before."""
        if not cloud.plane.struck:
            yield Broken("the fault strikes", "nobody was there")
        for broken in invariants.check(cloud):
            of_ours = broken.rule == "nothing is left in a dead-letter queue" and broken.what.startswith(self.dead_letters)
            if broken.rule not in self.breaks and not of_ours:
                yield broken
        dead = [body_of(message) for message in cloud.pump.dead_letters()[self.dead_letters]]
        heard = cloud.pump.heard_by(self.reader, since=known)
        if self.reader == INDEXER:
            given_up = {message["account_id"] for message in dead}
            if given_up != (accounts := {record["dynamodb"]["Keys"]["pk"]["S"] for record in heard}):
                yield Broken("what is given up is in its own queue", f"{given_up}, not {accounts}")
            yield from _told_at_once(cloud)
        elif (count := sum(message["DDBStreamBatchInfo"]["batchSize"] for message in dead)) != len(heard):
            yield Broken("what is given up is in its own queue", f"{count} of {len(heard)}")


def _told_at_once(cloud: Cloud) -> Iterator[Broken]:
    changed: dict[tuple[str, str, int], float] = {}
    for record in cloud.pump.records:
        told = invariants.told_of(record)
        if told is not None:
            changed[told] = record["dynamodb"]["ApproximateCreationDateTime"]
    for event in cloud.plane.events:
        told = (event.detail_type, event.detail["id"], event.detail["version"])
        if event.at - changed[told] > AT_MOST_SECONDS:
            yield Broken("no event waits for the index", f"{told}: {event.at - changed[told]:.0f} s")


def _of_the_index(call: Call, request: Request) -> bool:
    return call.name.startswith("s3.") and "/search/" in request.url


def _of_the_bus(call: Call, _request: Request) -> bool:
    return call.name == "eventbridge.PutEvents"


OUTAGES: Final[Mapping[str, Outage]] = {
    "index": Outage(
        strikes=_of_the_index,
        reader=INDEXER,
        dead_letters="daybook-local-reindex-dlq",
        breaks=frozenset({"the index is what the table says", "who looks for a product finds it"}),
    ),
    "bus": Outage(
        strikes=_of_the_bus,
        reader="on_change",
        dead_letters="daybook-local-changes-dlq",
        # Nobody hears of a document that is to be delivered.
        breaks=frozenset(
            {
                "every change is told",
                "every document is printed",
                "at least one mail for each document",
                "what was mailed is noted",
            }
        ),
    ),
}
