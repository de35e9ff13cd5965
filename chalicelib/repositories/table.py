"""A table: reading, paging, transactions, and DynamoDB's refusals as ours.

Every read is strongly consistent, so that nobody misses what they have just written; only an index cannot be read so.
botocore is not imported before a table is used: `import app` does without it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chalicelib.domain.errors import Contended, DaybookError, NotFound, Unavailable
from chalicelib.repositories.attempts import attempts
from chalicelib.repositories.items import Image, Item, from_image, to_image
from chalicelib.repositories.keys import Key, Range
from chalicelib.repositories.notes import writes_of
from chalicelib.repositories.once import next_note
from chalicelib.repositories.together import Gathered, gathering
from chalicelib.repositories.work_change import gravest
from chalicelib.repositories.writes import Write, placeholders

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_WRITES = 99
"""Items in one transaction: DynamoDB takes 100, and a keyed request's effect is noted in one."""
MAX_TRANSACTION_BYTES = 4_000_000
_KEYS_AT_ONCE = 100
_ATTEMPTS = 5
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html: what a later attempt may mend.
_PASSING = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)


class Table:
    """`client` is a botocore client; it repeats what got no answer, a transaction under the same token.

    `ephemeral` is the table in which the effects of keyed requests are noted.
    """

    def __init__(
        self, client: "DynamoDBClient", name: str, *, ephemeral: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._ephemeral = ephemeral
        self._sleep = sleep

    @contextmanager
    def together(self, foreseen: Iterable[Key] = ()) -> Iterator[None]:
        """Transactions within the block, in this thread, go out together, as many at once as DynamoDB takes, in their order.

        What touches a thing that is written so, and every query, sends first what there is; what is left goes out at the end,
        unless the block raises. `foreseen` are read at once. Raises: NotTogether if any of them is refused; then those that
        went out before are written, and none of the others.
        """
        wanted = list(dict.fromkeys(foreseen))
        found = self.get_all(wanted)
        gathered = Gathered(self, self.send, {key: found.get(key) for key in wanted})
        token = gathering.set(gathered)
        try:
            yield
            gathered.send()
        finally:
            gathering.reset(token)

    def _gathering(self) -> Gathered | None:
        gathered = gathering.get()
        return gathered if gathered is not None and gathered.table is self else None

    def _send_before(self, key: Key) -> None:
        """What is written by itself comes behind what was gathered."""
        if (gathered := self._gathering()) is not None:
            gathered.send_if_touched({key})
            gathered.known.pop(key, None)

    def get(self, key: Key) -> Item | None:
        gathered = self._gathering()
        if gathered is not None:
            gathered.send_if_touched({key})
            if key in gathered.known:
                return gathered.known[key]
        with _asking():
            answer = self._client.get_item(TableName=self._name, Key=to_image(key._asdict()), ConsistentRead=True)
        return from_image(answer["Item"]) if "Item" in answer else None

    def find(self, key: Key) -> Item:
        """Raises: NotFound."""
        item = self.get(key)
        if item is None:
            raise NotFound
        return item

    def get_all(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Those that exist; what DynamoDB leaves unprocessed is asked for again."""
        if (gathered := self._gathering()) is not None:
            gathered.send()
        wanted = list(dict.fromkeys(keys))
        found: dict[Key, Item] = {}
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            for item in self._get_some([to_image(key._asdict()) for key in wanted[start : start + _KEYS_AT_ONCE]]):
                found[Key(item["pk"], item["sk"])] = item
        return found

    def _get_some(self, keys: Sequence[Image]) -> Iterator[Item]:
        left: Any = {self._name: {"Keys": keys, "ConsistentRead": True}}
        for _ in attempts(_ATTEMPTS, self._sleep):
            with _asking():
                answer = self._client.batch_get_item(RequestItems=left)
            yield from map(from_image, answer["Responses"].get(self._name, []))
            left = answer.get("UnprocessedKeys")
            if not left:
                return
        raise Unavailable

    def query(
        self,
        within: Range,
        *,
        newest_first: bool = False,
        after: str | None = None,
        where: str = "",
        page_size: int | None = None,
        **values: object,
    ) -> Iterator[Item]:
        """The items in the order of their sort keys, from behind the key `after` on, page by page as they are taken.

        `where` is applied to what was read; `page_size` is how many items to read at once.
        """
        if within.low > within.high:  # DynamoDB refuses to look there
            return iter(())
        condition = "#pk = :pk AND #sk BETWEEN :low AND :high"
        request: dict[str, Any] = {
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
            "KeyConditionExpression": condition,
            **placeholders(f"{condition} {where}", {"pk": within.pk, "low": within.low, "high": within.high, **values}),
        }
        if after is not None:
            # DynamoDB refuses to start outside of the range, where a cursor of the same list with other bounds may point.
            if (after <= within.low) if newest_first else (after >= within.high):
                return iter(())
            if within.low <= after <= within.high:
                request["ExclusiveStartKey"] = to_image({"pk": within.pk, "sk": after})
        if where:
            request["FilterExpression"] = where
        if page_size is not None:
            request["Limit"] = page_size
        return self._pages(request)

    def query_index(self, index: str, condition: str, **values: object) -> Iterator[Item]:
        """What the index holds, a moment late."""
        return self._pages({"IndexName": index, "KeyConditionExpression": condition, **placeholders(condition, values)})

    def _pages(self, request: dict[str, Any]) -> Iterator[Item]:
        if (gathered := self._gathering()) is not None:
            gathered.send()
        while True:
            with _asking():
                answer = self._client.query(TableName=self._name, **request)
            yield from map(from_image, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def add_unless_there(self, item: Item) -> None:
        """Run twice it is done once. Raises: Contended if transactions keep the item."""
        from botocore.exceptions import ClientError

        self._send_before(Key(item["pk"], item["sk"]))
        condition = "attribute_not_exists(#pk)"
        for _ in attempts(_ATTEMPTS, self._sleep):
            with _asking():
                try:
                    self._client.put_item(
                        TableName=self._name, Item=to_image(item), ConditionExpression=condition, **placeholders(condition, {})
                    )
                except ClientError as error:
                    if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                        return
                    if error.response["Error"]["Code"] != "TransactionConflictException":
                        raise
                else:
                    return
        raise Contended

    def count(self, key: Key, *, expires_at: int) -> int:
        """One more than at the last time. May count twice what got no answer and was asked again."""
        self._send_before(key)
        change = "SET #expires_at = :expires_at ADD #count :one"
        with _asking():
            answer = self._client.update_item(
                TableName=self._name,
                Key=to_image(key._asdict()),
                UpdateExpression=change,
                ReturnValues="UPDATED_NEW",
                **placeholders(change, {"expires_at": expires_at, "one": 1}),
            )
        return int(from_image(answer["Attributes"])["count"])

    def replace(self, item: Item, *, condition: str, **values: object) -> None:
        """Half of what a transaction costs; but one whose answer was lost is sent again, and then refused for its own doing.

        Raises: Contended.
        """
        from botocore.exceptions import ClientError

        self._send_before(Key(item["pk"], item["sk"]))
        with _asking():
            try:
                self._client.put_item(
                    TableName=self._name,
                    Item=to_image(item),
                    ConditionExpression=condition,
                    **placeholders(condition, values),
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    raise Contended from error
                raise

    def transact(self, *writes: Write) -> None:
        """All of them or none, also a single one: a transaction whose answer was lost can be sent again.

        Raises: what the first write that cannot be mended was refused for, unless a decisive one was refused; else Contended,
        also if others are at the items.
        """
        if len(writes) > MAX_WRITES:
            raise ValueError(f"{len(writes)} writes are more than a transaction takes")
        note = next_note()
        if note is not None:
            writes = (*writes, *writes_of(note, writes, self._ephemeral))
        gathered = self._gathering()
        if gathered is None:
            self.send(writes)
        else:
            gathered.add(writes)
        if note is not None:
            note.noted = True

    def send(self, writes: Sequence[Write]) -> None:
        """One transaction, as it is. Raises: as `transact`."""
        from botocore.exceptions import ClientError

        requests: Any = [{write.action: write.request(self._name)} for write in writes]
        given_up: DaybookError = Contended()
        for attempt in attempts(_ATTEMPTS, self._sleep):
            with _asking():
                try:
                    self._client.transact_write_items(TransactItems=requests)
                except ClientError as error:
                    attempt.throttled = not _only_collided(error, writes)
                    given_up = Unavailable() if attempt.throttled else Contended()
                else:
                    return
        raise given_up


def _only_collided(error: "ClientError", writes: Sequence[Write]) -> bool:
    """Whether it is to be tried again because it only collided with others; else because the table cannot keep up, which
    botocore does not try again where a transaction tells it among its reasons. Raises: what it was refused for.
    """
    reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", ())
    faults = [
        (write, write.refused(from_image(reason["Item"]) if reason.get("Item") else None))
        for write, reason in zip(writes, reasons, strict=False)
        if reason["Code"] == "ConditionalCheckFailed"
    ]
    if faults:
        raise gravest([fault for write, fault in faults if write.decisive] or [fault for _, fault in faults]) from error
    codes = {reason["Code"] for reason in reasons} - {"None"}
    if not codes or not codes <= _PASSING | {"TransactionConflict"}:
        raise error
    return codes == {"TransactionConflict"}


@contextmanager
def _asking() -> Iterator[None]:
    """Raises: Unavailable where DynamoDB does not answer or asks for patience; its other refusals are faults of ours."""
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    try:
        yield
    except (HTTPClientError, NoConnection) as error:
        raise Unavailable from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or error.response["Error"]["Code"] in _PASSING:
            raise Unavailable from error
        raise
