"""The nightly run asks for the invoices that are due, and the queue's function issues them."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.reports import InvoiceDue, Outcome
from chalicelib.gateways.json_text import to_json
from chalicelib.usecases import invoices
from tests.triggers.conftest import AddClient
from tests.triggers.documents import failed, scheduled, sqs
from tests.wired import MemoryWired

NIGHT = "2026-11-20T02:00:00Z"


@pytest.fixture(autouse=True)
def before_the_night(wired: MemoryWired) -> None:
    wired.clock.at = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def run(wired: MemoryWired, night: str = NIGHT) -> list[str]:
    """Runs the night; answers the messages that it put on the queue, as they lie there."""
    wired.clock.at = datetime.fromisoformat(night)
    daybook.nightly(scheduled(night), None)
    messages = [to_json(due) for due in wired.invoicing_queue.messages]
    wired.invoicing_queue.messages.clear()
    return messages


def outcomes(wired: MemoryWired, account_id: str = "acc_1", day: date = date(2026, 11, 20)) -> list[Outcome]:
    return [one.outcome for one in wired.store.reports.outcomes(account_id, day)]


def numbers(wired: MemoryWired) -> list[str]:
    return sorted(invoice.number for invoice in wired.state()["invoices"].values())


def test_the_night_asks_for_those_that_are_due_and_no_others(wired: MemoryWired, add_client: AddClient) -> None:
    add_client(1, invoice_day=20)
    add_client(2, invoice_day=21)
    add_client(3, invoice_day=None)

    messages = run(wired)

    assert [json.loads(message) for message in messages] == [
        {"account_id": "acc_1", "client_id": "cli_1", "due_on": "2026-11-20", "as_of": NIGHT}
    ]
    assert outcomes(wired) == [Outcome.DUE]


def test_the_night_is_that_of_the_event_however_late_it_comes(wired: MemoryWired, add_client: AddClient) -> None:
    add_client(1, invoice_day=20)
    add_client(2, invoice_day=21)
    wired.clock.at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    daybook.nightly(scheduled(NIGHT), None)

    assert [due.client_id for due in wired.invoicing_queue.messages] == ["cli_1"]
    assert [due.as_of for due in wired.invoicing_queue.messages] == [datetime(2026, 11, 20, 2, 0, tzinfo=UTC)]


def test_the_night_that_cannot_ask_fails_and_asks_again(wired: MemoryWired, add_client: AddClient) -> None:
    add_client()
    wired.invoicing_queue.failures = [Unavailable()]

    with pytest.raises(Unavailable):
        daybook.nightly(scheduled(NIGHT), None)

    assert len(run(wired)) == 1


def test_a_message_issues_the_invoice(wired: MemoryWired, add_client: AddClient) -> None:
    add_client()
    messages = run(wired)

    assert daybook.on_invoice_due(sqs(*messages), None) == failed()

    assert numbers(wired) == ["RE-2026-0001"]
    assert outcomes(wired) == [Outcome.ISSUED]
    assert wired.store.clients.get("acc_1", "cli_1").next_invoice_on == date(2026, 12, 20)


def test_a_message_that_comes_five_times_issues_one_invoice(wired: MemoryWired, add_client: AddClient) -> None:
    add_client()
    (message,) = run(wired)

    assert daybook.on_invoice_due(sqs(*[message] * 3), None) == failed()
    assert run(wired) == []
    assert daybook.on_invoice_due(sqs(message, message), None) == failed()

    assert numbers(wired) == ["RE-2026-0001"]
    assert outcomes(wired) == [Outcome.ISSUED]


def test_a_run_that_comes_twice_issues_one_invoice(wired: MemoryWired, add_client: AddClient) -> None:
    add_client()
    messages = run(wired) + run(wired)

    assert len(messages) == 2
    assert daybook.on_invoice_due(sqs(*messages), None) == failed()
    assert numbers(wired) == ["RE-2026-0001"]


def test_a_client_without_open_work_is_passed_over(wired: MemoryWired, add_client: AddClient) -> None:
    add_client(logged=False)

    assert daybook.on_invoice_due(sqs(*run(wired)), None) == failed()

    assert (numbers(wired), outcomes(wired)) == ([], [Outcome.NOTHING_TO_INVOICE])
    assert wired.store.clients.get("acc_1", "cli_1").next_invoice_on == date(2026, 12, 20)


def test_a_client_that_is_gone_is_no_failure(wired: MemoryWired, add_client: AddClient) -> None:
    client = add_client(logged=False)
    messages = run(wired)
    wired.store.clients.remove(client)

    assert daybook.on_invoice_due(sqs(*messages), None) == failed()
    assert numbers(wired) == []


def test_messages_in_the_wrong_order_make_good_all_missed_nights_once(wired: MemoryWired, add_client: AddClient) -> None:
    add_client()
    (november,) = run(wired)
    (december,) = run(wired, "2026-12-20T02:00:00Z")

    assert daybook.on_invoice_due(sqs(december, november), None) == failed()

    assert numbers(wired) == ["RE-2026-0001"], "one for all that was open; December had nothing of its own"
    assert wired.store.clients.get("acc_1", "cli_1").next_invoice_on == date(2027, 1, 20)


UNREADABLE: list[object] = [
    "",
    "no JSON",
    "[]",
    {},
    {"account_id": "acc_1"},
    {"account_id": "acc_1", "client_id": "cli_1", "due_on": "someday", "as_of": NIGHT},
    {"account_id": 1, "client_id": "cli_1", "due_on": "2026-11-20", "as_of": NIGHT},
    "[" * 100_000,
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: str(body)[:40])
def test_a_message_that_cannot_be_read_comes_again_alone(wired: MemoryWired, add_client: AddClient, body: object) -> None:
    add_client()
    (message,) = run(wired)

    assert daybook.on_invoice_due(sqs(body, message, body), None) == failed("message-0", "message-2")
    assert numbers(wired) == ["RE-2026-0001"]


def test_of_a_batch_that_half_fails_only_what_failed_comes_again(
    wired: MemoryWired, add_client: AddClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        add_client(number)
    messages = run(wired)
    real: Any = invoices.issue_due

    def falters(due: InvoiceDue, **ports: Any) -> None:
        if due.client_id in {"cli_2", "cli_4"}:
            raise Unavailable
        real(due, **ports)

    monkeypatch.setattr(invoices, "issue_due", falters)
    answer = daybook.on_invoice_due(sqs(*messages), None)
    assert answer == failed("message-1", "message-3")
    assert len(numbers(wired)) == 3

    monkeypatch.setattr(invoices, "issue_due", real)
    assert daybook.on_invoice_due(sqs(messages[1], messages[3]), None) == failed()
    assert len(numbers(wired)) == 5
