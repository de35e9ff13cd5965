"""The messages that we send ourselves: what a queue of ours holds is the JSON of one domain type."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from chalice.app import SQSEvent, SQSRecord

from chalicelib.edge.batches import BatchAnswer, each_message, each_record, reader_of

if TYPE_CHECKING:
    from chalicelib.domain.imports import ImportJob
    from chalicelib.domain.reports import InvoiceDue
    from chalicelib.domain.search import StaleIndex


def each_invoice_due(event: SQSEvent, handle: Callable[["InvoiceDue"], None]) -> BatchAnswer:
    from chalicelib.domain.reports import InvoiceDue

    return each_message(event, reader_of(InvoiceDue), handle)


def each_stale_index(event: SQSEvent, handle: Callable[["StaleIndex"], None]) -> BatchAnswer:
    from chalicelib.domain.search import StaleIndex

    return each_message(event, reader_of(StaleIndex), handle)


def each_import_job(event: SQSEvent, handle: Callable[["ImportJob", Callable[[], float], int], None]) -> BatchAnswer:
    """Hands over each with what says how many seconds are left, and how many times it has been tried, this time counted."""
    from chalicelib.domain.imports import ImportJob

    read, context = reader_of(ImportJob), cast("Any", event.context)

    def handle_record(record: SQSRecord) -> None:
        tries = int(record.to_dict()["attributes"]["ApproximateReceiveCount"])
        handle(read(record.body), lambda: context.get_remaining_time_in_millis() / 1000, tries)

    return each_record(event, handle_record)
