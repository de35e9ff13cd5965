"""SQS batches: each message on its own, and only those that failed come again."""

import logging
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import msgspec
from chalice.app import SQSEvent, SQSRecord

T = TypeVar("T")
_log = logging.getLogger("daybook")


class BatchItemFailure(TypedDict):
    itemIdentifier: str


class BatchAnswer(TypedDict):
    """What Lambda wants back where ReportBatchItemFailures is set; without it every failure would be lost."""

    batchItemFailures: list[BatchItemFailure]


def failed(*identifiers: str) -> BatchAnswer:
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}


def reader_of(message_type: type[T]) -> Callable[[str], T]:
    """Reads a message whose body is the JSON of one domain type."""
    decoder = msgspec.json.Decoder(message_type)
    return decoder.decode


def each_message(event: SQSEvent, read: Callable[[str], T], handle: Callable[[T], Any]) -> BatchAnswer:
    """Reads and handles each message; what raises comes again, and at last goes to the dead-letter queue."""
    return each_record(event, lambda record: handle(read(record.body)))


def each_record(event: SQSEvent, handle: Callable[[SQSRecord], Any]) -> BatchAnswer:
    failures: list[str] = []
    for record in event:
        message_id = record.to_dict()["messageId"]
        try:
            handle(record)
        except Exception:  # noqa: BLE001  the batch boundary
            _log.exception("message %s failed", message_id)
            failures.append(message_id)
    return failed(*failures)
