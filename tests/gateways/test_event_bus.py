import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.events import DomainEvent
from chalicelib.gateways.event_bus import MAX_BYTES, EventBridgeBus

Scripted = Callable[[str], tuple[Any, Stubber]]
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def an_event(number: int = 1, new: Mapping[str, object] | None = None) -> DomainEvent:
    return DomainEvent(
        detail_type="ClientUpdated",
        account_id="acc_1",
        id=f"cli_{number}",
        version=number,
        occurred_at=AT,
        old=None,
        new=new or {"name": f"Client {number}"},
    )


class Bus:
    """An EventBridge that takes what it is told to; `sent` has the ids of each request."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.refused: set[str] = set()
        self.broken_from: int | None = None

    def put_events(self, **request: Any) -> dict[str, Any]:
        if self.broken_from is not None and len(self.sent) >= self.broken_from:
            raise ReadTimeoutError(endpoint_url="https://events")
        ids = [json.loads(entry["Detail"])["id"] for entry in request["Entries"]]
        self.sent.append(ids)
        results = [{"ErrorCode": "ThrottlingException"} if made in self.refused else {"EventId": made} for made in ids]
        return {"FailedEntryCount": sum(made in self.refused for made in ids), "Entries": results}


def publish(bus: Any, count: int, **event: Any) -> frozenset[int]:
    return EventBridgeBus(bus, "daybook-test").publish([an_event(number, **event) for number in range(count)])


def test_an_event_says_what_changed_when_and_for_whom(scripted: Scripted) -> None:
    client, aws = scripted("events")
    detail = (
        '{"account_id":"acc_1","id":"cli_7","version":7,"occurred_at":"2026-11-20T09:30:00Z",'
        '"new":{"name":"Müller","rate":95.10},"old":null}'
    )
    entry = {
        "EventBusName": "daybook-test",
        "Source": "daybook",
        "DetailType": "ClientUpdated",
        "Time": AT,
        "Detail": detail,
    }
    aws.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": [entry]})

    event = an_event(7, new={"name": "Müller", "rate": Decimal("95.10")})
    assert EventBridgeBus(client, "daybook-test").publish([event]) == frozenset()


@pytest.mark.parametrize("number", ["0.1", "1234567890.0123456789", "12345678901234567890", "-0.00", "1E+3"])
def test_a_decimal_arrives_with_all_its_digits(number: str) -> None:
    class Reader(Bus):
        def put_events(self, **request: Any) -> dict[str, Any]:
            read.append(json.loads(request["Entries"][0]["Detail"], parse_float=Decimal, parse_int=Decimal)["new"]["rate"])
            return super().put_events(**request)

    read: list[Decimal] = []
    publish(Reader(), 1, new={"rate": Decimal(number)})

    assert read == [Decimal(number)]


def test_events_go_out_in_order_and_in_tens() -> None:
    bus = Bus()

    assert publish(bus, 23) == frozenset()
    assert [len(request) for request in bus.sent] == [10, 10, 3]
    assert [made for request in bus.sent for made in request] == [f"cli_{number}" for number in range(23)]


def test_nothing_to_tell_calls_nobody() -> None:
    bus = Bus()

    assert publish(bus, 0) == frozenset()
    assert bus.sent == []


def test_a_request_stays_below_the_limit_of_its_size() -> None:
    bus = Bus()
    publish(bus, 7, new={"text": "€" * (MAX_BYTES // 3 // 3)})

    assert [len(request) for request in bus.sent] == [2, 2, 2, 1]


def test_an_event_that_fills_a_request_alone_is_sent_alone() -> None:
    bus: Any = Bus()
    events = [an_event(0), an_event(1, {"text": "x" * MAX_BYTES}), an_event(2)]
    EventBridgeBus(bus, "daybook-test").publish(events)

    assert bus.sent == [["cli_0"], ["cli_1"], ["cli_2"]]


def test_a_refused_event_is_told_by_its_place() -> None:
    bus = Bus()
    bus.refused = {"cli_4", "cli_6"}

    assert publish(bus, 8) == {4, 6}


def test_after_a_refused_event_no_further_request_is_made_and_the_rest_counts_as_not_taken() -> None:
    bus = Bus()
    bus.refused = {"cli_12"}

    assert publish(bus, 23) == {12, 20, 21, 22}
    assert len(bus.sent) == 2


def test_an_answer_that_leaves_out_entries_has_not_taken_them() -> None:
    class Forgetful(Bus):
        def put_events(self, **request: Any) -> dict[str, Any]:
            return {"FailedEntryCount": 0, "Entries": super().put_events(**request)["Entries"][:2]}

    assert publish(Forgetful(), 3) == {2}


def test_a_bus_that_does_not_answer_is_unavailable() -> None:
    bus = Bus()
    bus.broken_from = 0

    with pytest.raises(Unavailable):
        publish(bus, 3)


def test_a_bus_that_breaks_off_says_how_far_it_came() -> None:
    bus = Bus()
    bus.broken_from = 1

    assert publish(bus, 12) == {10, 11}


def test_a_refused_request_is_unavailable(scripted: Scripted) -> None:
    client, aws = scripted("events")
    aws.add_client_error("put_events", "InternalException", http_status_code=500)

    with pytest.raises(Unavailable):
        EventBridgeBus(client, "daybook-test").publish([an_event()])
