import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.reports import InvoiceDue
from chalicelib.gateways.invoicing_queue import SqsInvoicingQueue

Scripted = Callable[[str], tuple[Any, Stubber]]
NAME = "daybook-test-invoicing"
URL = f"https://sqs.eu-central-1.amazonaws.com/123456789012/{NAME}"


def due(number: int = 1) -> InvoiceDue:
    return InvoiceDue(
        account_id="acc_1",
        client_id=f"cli_{number}",
        due_on=date(2026, 10, 31),
        as_of=datetime(2026, 11, 1, 2, tzinfo=UTC),
    )


class Queue:
    """An SQS that refuses a client's message so many times."""

    def __init__(self, **refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[str] = []
        self.requests: list[int] = []
        self.looked_up = 0

    def get_queue_url(self, **request: Any) -> dict[str, str]:
        assert request == {"QueueName": NAME}
        self.looked_up += 1
        return {"QueueUrl": URL}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        assert request["QueueUrl"] == URL
        self.requests.append(len(request["Entries"]))
        successful, failed = [], []
        for entry in request["Entries"]:
            client_id = json.loads(entry["MessageBody"])["client_id"]
            if self.refusals.get(client_id, 0):
                self.refusals[client_id] -= 1
                failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
            else:
                self.taken.append(client_id)
                successful.append({"Id": entry["Id"]})
        return {"Successful": successful, "Failed": failed} if failed else {"Successful": successful}


def ask(queue: Any, count: int) -> int:
    return SqsInvoicingQueue(queue, NAME).ask_for(due(number) for number in range(count))


def test_every_invoice_becomes_one_message_that_says_what_is_due(aws: Callable[..., Any]) -> None:
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]

    assert SqsInvoicingQueue(sqs, NAME).ask_for([due(7)]) == 1
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == {
        "account_id": "acc_1",
        "client_id": "cli_7",
        "due_on": "2026-10-31",
        "as_of": "2026-11-01T02:00:00Z",
    }


def test_messages_go_out_in_tens_and_the_queue_is_looked_up_once() -> None:
    queue = Queue()

    assert ask(queue, 25) == 25
    assert queue.requests == [10, 10, 5]
    assert queue.looked_up == 1
    assert len(set(queue.taken)) == 25


def test_nothing_due_calls_nobody() -> None:
    queue = Queue()

    assert ask(queue, 0) == 0
    assert queue.requests == []


def test_a_refused_message_is_sent_once_more_and_no_other_twice() -> None:
    queue = Queue(cli_3=1)

    assert ask(queue, 10) == 10
    assert queue.requests == [10, 1]
    assert sorted(queue.taken) == sorted(f"cli_{number}" for number in range(10))


def test_a_message_refused_twice_is_told_but_holds_up_no_other() -> None:
    queue = Queue(cli_3=2)

    with pytest.raises(Unavailable, match="1 of 25"):
        ask(queue, 25)
    assert len(set(queue.taken)) == 24


def test_the_invoices_are_read_as_they_are_sent() -> None:
    queue: Any = Queue()

    def clients() -> Iterator[InvoiceDue]:
        yield from (due(number) for number in range(10))
        assert queue.requests == [10]
        yield due(10)

    assert SqsInvoicingQueue(queue, NAME).ask_for(clients()) == 11


def test_a_queue_that_is_not_there_is_unavailable(scripted: Scripted) -> None:
    client, aws = scripted("sqs")
    aws.add_client_error("get_queue_url", "AWS.SimpleQueueService.NonExistentQueue", http_status_code=400)

    with pytest.raises(Unavailable):
        ask(client, 1)


def test_a_refused_request_is_unavailable(scripted: Scripted) -> None:
    client, aws = scripted("sqs")
    aws.add_response("get_queue_url", {"QueueUrl": URL}, {"QueueName": NAME})
    aws.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)

    with pytest.raises(Unavailable):
        ask(client, 1)
