"""Asks for an import to be worked off, or on, by a message on the FIFO queue."""

import hashlib
from typing import TYPE_CHECKING

from chalicelib.domain.imports import ImportJob
from chalicelib.gateways.sqs_queue import SqsQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsImportsQueue:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._queue = SqsQueue(sqs, name, called="the imports' queue")

    def ask_for(self, job: ImportJob, place: str) -> None:
        """One account's files wait for each other, and for nobody else's."""
        place_id = hashlib.sha256(place.encode()).hexdigest()
        self._queue.send_in_turn(job, group=job.account_id, deduplication_id=place_id)
