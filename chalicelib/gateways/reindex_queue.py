"""Asks for a search index to be made anew, by a message to SQS."""

from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.search import StaleIndex
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsReindexQueue:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._sqs = sqs
        self._name = name

    def ask_for(self, stale: StaleIndex) -> None:
        with calling("the reindex queue"):
            url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
            self._sqs.send_message(QueueUrl=url, MessageBody=to_json(stale))
