from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.search import StaleIndex
from chalicelib.edge.batches import reader_of
from chalicelib.gateways.reindex_queue import SqsReindexQueue

NAME = "daybook-test-reindex"
STALE = StaleIndex(account_id="acc_1")


def test_a_stale_index_becomes_a_message_that_its_reader_understands(aws: Callable[..., Any]) -> None:
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]

    SqsReindexQueue(sqs, NAME).ask_for(STALE)

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert reader_of(StaleIndex)(message["Body"]) == STALE


def test_a_queue_that_does_not_take_the_message_is_unavailable(aws: Callable[..., Any]) -> None:
    with pytest.raises(Unavailable):
        SqsReindexQueue(aws("sqs"), NAME).ask_for(STALE)


def test_the_queue_is_looked_up_once(scripted: Callable[[str], tuple[Any, Stubber]]) -> None:
    client, aws = scripted("sqs")
    aws.add_response("get_queue_url", {"QueueUrl": f"https://sqs/{NAME}"}, {"QueueName": NAME})
    for _ in range(2):
        aws.add_response("send_message", {}, {"QueueUrl": f"https://sqs/{NAME}", "MessageBody": '{"account_id":"acc_1"}'})
    queue = SqsReindexQueue(client, NAME)

    queue.ask_for(STALE)
    queue.ask_for(STALE)
