"""What the workflow of orders hands to its steps, and how it is started."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, get_args

import msgspec
from chalice.app import SQSEvent

from chalicelib.edge.batches import BatchAnswer, each_message

if TYPE_CHECKING:
    from chalicelib.domain.orders import News, OrderJob


class _Caught(msgspec.Struct):
    """What Step Functions says of an error: the name of its class, besides others."""

    Error: str


class _Given(msgspec.Struct):
    account_id: str
    order_id: str
    caught: _Caught | None = None


class StepInput:
    """The workflow's state; beside it the news, for the step that tells the customer. A step that could not be done and was
    passed over stands in the state, with its error, under its own name.

    Raises: msgspec.ValidationError where it is not what the workflow's definition gives.
    """

    def __init__(self, event: Mapping[str, object]) -> None:
        self._event = event

    @property
    def job(self) -> "OrderJob":
        from chalicelib.domain.orders import OrderJob, Step

        state = msgspec.convert(self._event.get("given", self._event), dict[str, object])
        given = msgspec.convert(state, _Given)
        failures: dict[Step, str] = {
            step: msgspec.convert(state[step], _Caught).Error for step in get_args(Step) if step in state
        }
        error = given.caught.Error if given.caught else ""
        return OrderJob(account_id=given.account_id, order_id=given.order_id, error=error, failures=failures)

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
