"""Asks for invoices by SQS messages, ten to a request."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.reports import InvoiceDue
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_ENTRIES = 10
_ATTEMPTS = 2
_SERVICE = "the invoicing queue"


class SqsInvoicingQueue:
    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._sqs = sqs
        self._name = name
        self._url: str | None = None

    def ask_for(self, invoices: Iterable[InvoiceDue]) -> int:
        """One refused message holds up no other: all are tried before the refusal is told."""
        count = refused = 0
        for batch in _tens(invoices):
            count += len(batch)
            refused += self._send(batch)
        if refused:
            raise Unavailable(f"{_SERVICE} did not take {refused} of {count} messages")
        return count

    def _send(self, batch: list[InvoiceDue]) -> int:
        """How many were refused, again and again. Raises: Unavailable."""
        waiting = {str(place): to_json(due) for place, due in enumerate(batch)}
        for _ in range(_ATTEMPTS):
            with calling(_SERVICE):
                answer = self._sqs.send_message_batch(
                    QueueUrl=self._queue_url(),
                    Entries=[{"Id": place, "MessageBody": body} for place, body in waiting.items()],
                )
            for taken in answer.get("Successful", []):
                del waiting[taken["Id"]]
            if not waiting:
                break
        return len(waiting)

    def _queue_url(self) -> str:
        if self._url is None:
            self._url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url


def _tens(invoices: Iterable[InvoiceDue]) -> Iterator[list[InvoiceDue]]:
    rest = iter(invoices)
    while batch := list(islice(rest, MAX_ENTRIES)):
        yield batch
