"""Asks for a search index to be made anew, by a message to SQS."""

from typing import TYPE_CHECKING

from chalicelib.domain.search import StaleIndex
from chalicelib.gateways.sqs_queue import SqsQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsReindexQueue:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._queue = SqsQueue(sqs, name, called="the reindex queue")

    def ask_for(self, stale: StaleIndex) -> None:
        self._queue.send(stale)
