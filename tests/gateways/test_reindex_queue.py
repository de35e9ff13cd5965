from collections.abc import Callable
from typing import Any

import pytest

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
