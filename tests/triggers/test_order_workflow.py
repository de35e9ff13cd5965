"""An order that was placed gets its workflow, once; and the workflow's steps are functions of their own."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

import app as daybook
from chalicelib.domain.errors import OutOfStock, Unavailable
from chalicelib.domain.orders import OrderJob
from chalicelib.usecases import invoices, order_steps
from tests.triggers.documents import document, failed, scheduled, sqs
from tests.wired import MemoryWired

STEPS = [function.name for function in daybook.app.pure_lambda_functions]
GIVEN = {"account_id": "acc_1", "order_id": "ord_1", "error": "OutOfStock", "news": "out_of_stock"}


def placed(order_id: str = "ord_1") -> dict[str, Any]:
    event: dict[str, Any] = document("order-placed")
    return event | {"detail": event["detail"] | {"id": order_id}}


# Starting


def test_an_order_that_was_placed_gets_its_workflow(wired: MemoryWired) -> None:
    assert daybook.on_order_placed(sqs(placed("ord_1"), placed("ord_2")), None) == failed()

    assert wired.order_workflow.started == [("acc_1", "ord_1"), ("acc_1", "ord_2")]


def test_an_order_that_is_told_five_times_gets_one_workflow(wired: MemoryWired) -> None:
    for _ in range(2):
        assert daybook.on_order_placed(sqs(*[placed()] * 3), None) == failed()

    assert wired.order_workflow.started == [("acc_1", "ord_1")]


def test_of_a_batch_only_what_did_not_start_comes_again(wired: MemoryWired) -> None:
    wired.order_workflow.failures = [None, Unavailable()]

    assert daybook.on_order_placed(sqs(placed("ord_1"), placed("ord_2"), placed("ord_3")), None) == failed("message-1")

    assert wired.order_workflow.started == [("acc_1", "ord_1"), ("acc_1", "ord_3")]


@pytest.mark.parametrize(
    "body", ["", "no JSON", "[]", {}, {"detail": {"id": "ord_1"}}, {"detail": {"account_id": 1, "id": "o"}}]
)
def test_a_message_that_cannot_be_read_comes_again_alone(body: object, wired: MemoryWired) -> None:
    assert daybook.on_order_placed(sqs(body, placed()), None) == failed("message-0")

    assert wired.order_workflow.started == [("acc_1", "ord_1")]


# Steps


@pytest.mark.parametrize("step", STEPS)
def test_each_function_does_its_own_step_on_the_order_that_it_is_handed(
    step: str, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, tuple[object, ...], object]] = []

    def noting(name: str) -> Any:
        return lambda *given, shop: done.append((name, given, shop))

    for name in STEPS:
        monkeypatch.setattr(order_steps, name, noting(name))

    assert getattr(daybook, step)(GIVEN, None) is None

    job = OrderJob(account_id="acc_1", order_id="ord_1", error="OutOfStock")
    assert done == [(step, (job, "out_of_stock") if step == "notify_customer" else (job,), wired)]


def test_on_the_way_there_nothing_has_failed_yet(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[OrderJob] = []
    monkeypatch.setattr(order_steps, "validate_order", lambda job, **_: jobs.append(job))

    daybook.validate_order({"account_id": "acc_1", "order_id": "ord_1"}, None)

    assert jobs == [OrderJob(account_id="acc_1", order_id="ord_1", error="")]


@pytest.mark.parametrize(
    "given", [{}, {"account_id": "acc_1"}, {"account_id": "acc_1", "order_id": None}, GIVEN | {"news": "x"}]
)
def test_a_step_that_is_not_handed_what_it_needs_fails(given: dict[str, object], wired: MemoryWired) -> None:
    with pytest.raises(msgspec.ValidationError):
        daybook.notify_customer(given, None)


def test_what_a_step_raises_leaves_it_as_it_is(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutOfStock

    monkeypatch.setattr(order_steps, "reserve_inventory", fail)

    with pytest.raises(OutOfStock):  # Lambda tells its caller the name of the class
        daybook.reserve_inventory(GIVEN, None)


def test_a_step_writes_its_line_into_the_log(
    wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(job: OrderJob, **_: object) -> None:
        raise OutOfStock(f"none left for {job.order_id}")

    monkeypatch.setattr(order_steps, "reserve_inventory", fail)
    monkeypatch.setattr(order_steps, "validate_order", lambda *_, **__: None)

    daybook.validate_order(GIVEN, None)
    with pytest.raises(OutOfStock):
        daybook.reserve_inventory(GIVEN, None)

    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (good["level"], good["message"], good["status"], good["failures"]) == ("INFO", "event", "done", 0)
    assert (bad["level"], bad["message"], bad["status"]) == ("ERROR", "event", "failed")
    assert bad["error"][0]["type"] == "OutOfStock"
    assert "ord_1" not in json.dumps(bad), "nothing that was handed over"


# The night


def test_the_night_gives_back_what_nobody_came_back_for_even_if_it_cannot_ask_for_invoices(
    wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[tuple[datetime, object]] = []

    def fails(*_: object, **__: object) -> None:
        raise Unavailable

    monkeypatch.setattr(order_steps, "release_expired", lambda as_of, reservations: swept.append((as_of, reservations)))
    monkeypatch.setattr(invoices, "ask_for_due_invoices", fails)

    with pytest.raises(Unavailable):
        daybook.nightly(scheduled("2026-11-20T02:00:00Z"), None)

    assert swept == [(datetime(2026, 11, 20, 2, tzinfo=UTC), wired.store.reservations)]
