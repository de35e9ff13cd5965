"""Asks for an import to be worked off, or on, by a message on the FIFO queue."""

import hashlib
from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.imports import ImportJob
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsImportsQueue:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._sqs = sqs
        self._name = name

    def ask_for(self, job: ImportJob, place: str) -> None:
        """One account's files wait for each other, and for nobody else's."""
        with calling("the imports' queue"):
            self._sqs.send_message(
                QueueUrl=self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"],
                MessageBody=to_json(job),
                MessageGroupId=job.account_id,
                MessageDeduplicationId=hashlib.sha256(place.encode()).hexdigest(),
            )
