"""Asks for invoices by messages to SQS."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib.domain.reports import InvoiceDue
from chalicelib.gateways.sqs_queue import SqsQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsInvoicingQueue:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._queue = SqsQueue(sqs, name, called="the invoicing queue")

    def ask_for(self, invoices: Iterable[InvoiceDue]) -> int:
        return self._queue.send_all(invoices)
