"""What the workflow of orders hands to its steps, and how it is started."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from chalice.app import SQSEvent

from chalicelib.edge.batches import BatchAnswer, each_message

if TYPE_CHECKING:
    from chalicelib.domain.orders import News, OrderJob


class StepInput:
    """Raises: msgspec.ValidationError where it is not what the workflow's definition gives."""

    def __init__(self, event: Mapping[str, object]) -> None:
        self._event = event

    @property
    def job(self) -> "OrderJob":
        from chalicelib.domain.orders import OrderJob

        return msgspec.convert(self._event, OrderJob)

    @property
    def news(self) -> "News":
        """Of the step that tells the customer."""
        from chalicelib.domain.orders import News

        news: News = msgspec.convert(self._event.get("news"), News)
        return news


class _Placed(msgspec.Struct):
    account_id: str
    id: str


class _OrderPlaced(msgspec.Struct):
    """The event, as the bus puts it on the queue."""

    detail: _Placed


def each_order_placed(event: SQSEvent, handle: Callable[["OrderJob"], None]) -> BatchAnswer:
    return each_message(event, read_order_placed, handle)


def read_order_placed(body: str) -> "OrderJob":
    """Raises: msgspec.DecodeError for what is no such event."""
    from chalicelib.domain.orders import OrderJob

    placed = msgspec.json.decode(body, type=_OrderPlaced).detail
    return OrderJob(account_id=placed.account_id, order_id=placed.id)
