"""One queue of SQS: what is put on it goes there as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling
from chalicelib.domain.errors import Unavailable
from chalicelib.gateways.json_text import to_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_ENTRIES = 10
"""Of one request."""
_ATTEMPTS = 2


class SqsQueue:
    """The queue of that name, whose URL is looked up once. `called` is its name for those who hear that it does not answer."""

    def __init__(self, sqs: "SQSClient", name: str, *, called: str) -> None:
        self._sqs = sqs
        self._name = name
        self._called = called
        self._known_url: str | None = None

    def send(self, message: object) -> None:
        """Raises: Unavailable."""
        with calling(self._called):
            self._sqs.send_message(QueueUrl=self._url(), MessageBody=to_json(message))

    def send_in_turn(self, message: object, *, group: str, deduplication_id: str) -> None:
        """On a FIFO queue, behind those of its group; of one id SQS takes one message in five minutes. Raises: Unavailable."""
        with calling(self._called):
            self._sqs.send_message(
                QueueUrl=self._url(),
                MessageBody=to_json(message),
                MessageGroupId=group,
                MessageDeduplicationId=deduplication_id,
            )

    def send_all(self, messages: Iterable[object]) -> int:
        """Ten to a request, read as they are sent; returns how many.

        Raises: Unavailable; one refused message holds up no other: all are tried before the refusal is told.
        """
        count = refused = 0
        for batch in _tens(messages):
            count += len(batch)
            refused += self._send_batch(batch)
        if refused:
            raise Unavailable(f"{self._called} did not take {refused} of {count} messages")
        return count

    def _send_batch(self, batch: Sequence[object]) -> int:
        """How many were refused, again and again. Raises: Unavailable."""
        waiting = {str(place): to_json(message) for place, message in enumerate(batch)}
        for _ in range(_ATTEMPTS):
            with calling(self._called):
                answer = self._sqs.send_message_batch(
                    QueueUrl=self._url(),
                    Entries=[{"Id": place, "MessageBody": body} for place, body in waiting.items()],
                )
            for taken in answer.get("Successful", []):
                del waiting[taken["Id"]]
            if not waiting:
                break
        return len(waiting)

    def _url(self) -> str:
        if self._known_url is None:
            self._known_url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._known_url


def _tens(messages: Iterable[object]) -> Iterator[list[object]]:
    rest = iter(messages)
    while batch := list(islice(rest, MAX_ENTRIES)):
        yield batch
