"""An order that was placed gets its workflow, once; and the workflow's steps are functions of their own."""

import json
from typing import Any

import msgspec
import pytest

import app as daybook
from chalicelib.domain.errors import OutOfStock, Unavailable
from chalicelib.domain.orders import QUIET_FOR, OrderJob
from chalicelib.usecases import order_steps
from tests.builders import NOW, an_order
from tests.triggers.documents import A_WHILE, document, failed, scheduled, sqs
from tests.wired import MemoryWired

STEPS = [function.name for function in daybook.app.pure_lambda_functions]
STATE = {"account_id": "acc_1", "order_id": "ord_1", "caught": {"Error": "OutOfStock", "Cause": "{}"}, "news": "payment_failed"}
TOLD = {"given": STATE, "news": "out_of_stock"}


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

    assert getattr(daybook, step)(TOLD if step == "notify_customer" else STATE, None) is None

    job = OrderJob(account_id="acc_1", order_id="ord_1", error="OutOfStock")
    assert done == [(step, (job, "out_of_stock") if step == "notify_customer" else (job,), wired)]


def test_on_the_way_there_nothing_has_failed_yet(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[OrderJob] = []
    monkeypatch.setattr(order_steps, "validate_order", lambda job, **_: jobs.append(job))

    daybook.validate_order({"account_id": "acc_1", "order_id": "ord_1"}, None)

    assert jobs == [OrderJob(account_id="acc_1", order_id="ord_1", error="")]


def test_a_step_knows_what_could_not_be_done_before_it(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[OrderJob] = []
    monkeypatch.setattr(order_steps, "fail_order", lambda job, **_: jobs.append(job))
    passed_over = {"VoidShipment": {"Error": "Unavailable", "Cause": "..."}, "NotifyCustomer": {"Error": "States.Timeout"}}

    daybook.fail_order(STATE | passed_over, None)

    assert jobs[0].failures == {"VoidShipment": "Unavailable", "NotifyCustomer": "States.Timeout"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"given": {"account_id": "acc_1"}, "news": "out_of_stock"},
        {"given": {"account_id": "acc_1", "order_id": None}, "news": "out_of_stock"},
        {"given": STATE | {"caught": "OutOfStock"}, "news": "out_of_stock"},
        {"given": STATE | {"VoidShipment": {}}, "news": "out_of_stock"},
        {"given": "ord_1", "news": "out_of_stock"},
        {"given": STATE, "news": "x"},
        STATE | {"news": "x"},
    ],
)
def test_a_step_that_is_not_handed_what_it_needs_fails(given: dict[str, object], wired: MemoryWired) -> None:
    with pytest.raises(msgspec.ValidationError):
        daybook.notify_customer(given, None)


def test_what_a_step_raises_leaves_it_as_it_is(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutOfStock

    monkeypatch.setattr(order_steps, "reserve_inventory", fail)

    with pytest.raises(OutOfStock):  # Lambda tells its caller the name of the class
        daybook.reserve_inventory(STATE, None)


def test_a_step_writes_its_line_into_the_log(
    wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(job: OrderJob, **_: object) -> None:
        raise OutOfStock(f"none left for {job.order_id}")

    monkeypatch.setattr(order_steps, "reserve_inventory", fail)
    monkeypatch.setattr(order_steps, "validate_order", lambda *_, **__: None)

    daybook.validate_order(STATE, None)
    with pytest.raises(OutOfStock):
        daybook.reserve_inventory(STATE, None)

    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (good["level"], good["message"], good["status"], good["failures"]) == ("INFO", "event", "done", 0)
    assert (bad["level"], bad["message"], bad["status"]) == ("ERROR", "event", "failed")
    assert bad["error"][0]["type"] == "OutOfStock"
    assert "ord_1" not in json.dumps(bad), "nothing that was handed over"


# The night


def test_the_night_starts_the_workflow_of_an_order_that_has_none(wired: MemoryWired) -> None:
    wired.store.orders.add(an_order())
    wired.clock.at = NOW + QUIET_FOR

    daybook.tidy(scheduled(wired.clock.at.isoformat()), A_WHILE)

    assert wired.order_workflow.started == [("acc_1", "ord_1")]
