"""The messages that we send ourselves: what a queue of ours holds is the JSON of one domain type."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import SQSEvent

from chalicelib.edge.batches import BatchAnswer, each_message, reader_of

if TYPE_CHECKING:
    from chalicelib.domain.reports import InvoiceDue
    from chalicelib.domain.search import StaleIndex


def each_invoice_due(event: SQSEvent, handle: Callable[["InvoiceDue"], None]) -> BatchAnswer:
    from chalicelib.domain.reports import InvoiceDue

    return each_message(event, reader_of(InvoiceDue), handle)


def each_stale_index(event: SQSEvent, handle: Callable[["StaleIndex"], None]) -> BatchAnswer:
    from chalicelib.domain.search import StaleIndex

    return each_message(event, reader_of(StaleIndex), handle)
