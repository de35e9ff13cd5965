"""A table: reading, paging, transactions, and DynamoDB's refusals as ours.

Every read is strongly consistent, so that nobody misses what they have just written; only an index cannot be read so.
Expressions are written with `#name` for an attribute and `:name` for a value; what DynamoDB wants beside them is made here.
botocore is not imported before a table is used: `import app` does without it.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.domain.errors import (
    Contended,
    DaybookError,
    IdempotencyInProgress,
    ImportTakenOver,
    NotFound,
    NotTogether,
    RowMarked,
    Unavailable,
)
from chalicelib.repositories.attempts import attempts
from chalicelib.repositories.items import Image, Item, from_image, to_attribute, to_image, to_item
from chalicelib.repositories.keys import Key, Range, import_row, import_run, keyed_request
from chalicelib.repositories.once import Effect, ImportedRow, Note, ids_by_type, next_note
from chalicelib.repositories.work_change import gravest

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_WRITES = 99
"""Items in one transaction: DynamoDB takes 100, and a keyed request's effect is noted in one."""
_MAX_TOGETHER = 100
MAX_TRANSACTION_BYTES = 4_000_000
_KEYS_AT_ONCE = 100
_ATTEMPTS = 5
_NAMES = re.compile(r"#(\w+)", re.ASCII)
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

Refused = Callable[[Item | None], DaybookError]
"""What it means that a condition does not hold, given the item as it is, None if there is none."""


def contended(kept: Item | None) -> DaybookError:
    return NotFound() if kept is None else Contended()


def always_contended(_kept: Item | None) -> DaybookError:
    return Contended()


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One item of a transaction. `names` are attributes whose names are made at run time.

    `table` is where it is written if not where the others are. Where the condition of a `decisive` one does not hold, it alone
    says why: what the others were computed from is no longer so.
    """

    action: Literal["Put", "Update", "Delete", "ConditionCheck"]
    target: Mapping[str, object]
    change: str = ""
    condition: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    refused: Refused = always_contended
    table: str | None = None
    decisive: bool = False

    @property
    def key(self) -> Key:
        return Key(str(self.target["pk"]), str(self.target["sk"]))

    def request(self, table: str) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self.table or table,
            "Item" if self.action == "Put" else "Key": to_image(self.target),
            **_placeholders(f"{self.change} {self.condition}", self.values, self.names),
        }
        if self.change:
            request["UpdateExpression"] = self.change
        if self.condition:
            request |= {"ConditionExpression": self.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        return request


def add(item: Item, refused: Refused = always_contended) -> Write:
    """Puts an item where there must be none yet."""
    return Write(action="Put", target=item, condition="attribute_not_exists(#pk)", refused=refused)


def put(item: Item, *, condition: str = "", refused: Refused = contended, **values: object) -> Write:
    return Write(action="Put", target=item, condition=condition, values=values, refused=refused)


def decisive(write: Write) -> Write:
    return replace(write, decisive=True)


def delete(key: Key, *, condition: str = "", refused: Refused = contended, **values: object) -> Write:
    return Write(action="Delete", target=key._asdict(), condition=condition, values=values, refused=refused)


def unchanged(key: Key, *, condition: str, refused: Refused = always_contended, **values: object) -> Write:
    """Writes nothing: what the others depend on."""
    return Write(action="ConditionCheck", target=key._asdict(), condition=condition, values=values, refused=refused)


def update(
    key: Key,
    change: str,
    *,
    condition: str = "",
    refused: Refused = contended,
    names: Mapping[str, str] | None = None,
    **values: object,
) -> Write:
    return Write(
        action="Update",
        target=key._asdict(),
        change=change,
        condition=condition,
        values=values,
        names=names or {},
        refused=refused,
    )


def set_members(members: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
    """An update expression that writes these attributes, and removes those that are None; and its values."""
    kept = {name: value for name, value in members.items() if value is not None}
    gone = [f"#{name}" for name in members if name not in kept]
    assignments = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
    return f"{assignments} REMOVE {', '.join(gone)}" if gone else assignments, kept


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
        gathered = _Gathered(self, {key: found.get(key) for key in wanted})
        token = _gathered.set(gathered)
        try:
            yield
            gathered.send()
        finally:
            _gathered.reset(token)

    def _gathering(self) -> "_Gathered | None":
        gathered = _gathered.get()
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
            **_placeholders(f"{condition} {where}", {"pk": within.pk, "low": within.low, "high": within.high, **values}),
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
        return self._pages({"IndexName": index, "KeyConditionExpression": condition, **_placeholders(condition, values)})

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
                        TableName=self._name, Item=to_image(item), ConditionExpression=condition, **_placeholders(condition, {})
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
                **_placeholders(change, {"expires_at": expires_at, "one": 1}),
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
                    **_placeholders(condition, values),
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
            writes = (*writes, *self._noting(note, writes))
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

    def _noting(self, note: Note, writes: Sequence[Write]) -> tuple[Write, ...]:
        match note.what:
            case Effect() as effect:
                return (self._effect_of(effect, writes),)
            case ImportedRow() as row:
                return _import_of(row)

    def _effect_of(self, effect: Effect, writes: Sequence[Write]) -> Write:
        """That these writes are the effect of a keyed request; refused if it has had one, or is somebody else's by now."""
        if self._ephemeral is None:
            raise ValueError("this table knows of no other in which the effect could be noted")
        added = (write.target for write in writes if write.action == "Put")
        return replace(
            update(
                keyed_request(effect.id),
                "SET #made = :made",
                condition="#claim = :claim AND attribute_not_exists(#made)",
                refused=lambda _: IdempotencyInProgress(),
                claim=effect.claim,
                made=ids_by_type(added),
            ),
            table=self._ephemeral,
        )


_gathered: "ContextVar[_Gathered | None]" = ContextVar("gathered", default=None)


class _Gathered:
    """Writes that wait for each other; `known` is what was read before, of what they do not touch."""

    def __init__(self, table: Table, known: dict[Key, Item | None]) -> None:
        self.table = table
        self.known = known
        self._writes: list[Write] = []
        self._touched: set[Key] = set()

    def add(self, writes: Sequence[Write]) -> None:
        new = self._not_asked_yet(writes)
        touched = {write.key for write in new}
        if len(self._writes) + len(new) > _MAX_TOGETHER or touched & self._touched:
            self.send()
            new = list(writes)
            touched = {write.key for write in new}
        self._writes += new
        self._touched |= touched
        for key in touched:
            self.known.pop(key, None)

    def _not_asked_yet(self, writes: Sequence[Write]) -> list[Write]:
        """DynamoDB refuses to look at a thing twice: what all of them depend on is asked once."""
        return [write for write in writes if write.action != "ConditionCheck" or write not in self._writes]

    def send_if_touched(self, keys: set[Key]) -> None:
        if keys & self._touched:
            self.send()

    def send(self) -> None:
        """Raises: NotTogether, Unavailable."""
        writes, self._writes, self._touched = self._writes, [], set()
        if not writes:
            return
        try:
            self.table.send(writes)
        except Unavailable:
            raise
        except DaybookError as refusal:
            raise NotTogether from refusal


def _import_of(row: ImportedRow) -> tuple[Write, Write]:
    """The row's mark, if it still is as it was read, in the import's last run. Decisive, the run above all: what came of a row
    that somebody else has written meanwhile is no reason to refuse it.
    """
    mark, before = row.mark, row.before
    key = import_row(mark.account_id, mark.kind, mark.subject)
    item = to_item(key, "import_row", mark)
    if before is None:
        marked = add(item, refused=_marked)
    else:
        condition = "#import_id = :read_import AND #numbers = :read_numbers AND #unchanged = :read_unchanged"
        read: dict[str, Any] = {"read_import": before.import_id}
        read |= {"read_numbers": list(before.numbers), "read_unchanged": list(before.unchanged)}
        marked = put(item, condition=condition, refused=_marked, **read)
    run = import_run(mark.account_id, mark.import_id)
    return decisive(unchanged(run, condition="#run = :run", refused=_taken_over, run=row.run)), decisive(marked)


def _marked(_kept: Item | None) -> DaybookError:
    return RowMarked()


def _taken_over(_kept: Item | None) -> DaybookError:
    return ImportTakenOver()


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


def _placeholders(text: str, values: Mapping[str, object], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The attributes that the expression names, and its values; DynamoDB refuses any that is not used, and an empty map."""
    known = names or {}
    named = {f"#{name}": known.get(name, name) for name in _NAMES.findall(text)}
    request: dict[str, Any] = {"ExpressionAttributeNames": named} if named else {}
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": to_attribute(value) for name, value in values.items()}
    return request
