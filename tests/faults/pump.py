"""Delivers events as AWS does: schedules, S3, queues, the table's stream, workflows, each with its retries, until none is left.

Which function hears what is read from the application; how often it is told again, from the queues as they were deployed and
from `.chalice/resources.json`, as is what of the stream it hears, and where what it was told in vain goes.
"""

import json
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote_plus

from tests.faults.functions import Done, Functions, Outcome
from tests.faults.virtual_time import VirtualClock
from tests.faults.workflows import Running, Workflows, function_of
from tests.state_machine import Call

ASYNC_RETRIES_SECONDS: Final = (60, 120)
"""After a failed asynchronous invocation Lambda tries twice more (Lambda developer guide, asynchronous invocation)."""
SHARDS: Final = 2
MAX_ROUNDS: Final = 2_000
ODD_BATCH: Final = 7
LATE_SECONDS: Final = (0, 0, 45, 4 * 3600)
"""After which an event of S3 may come again: it is tried for up to six hours (`MaximumEventAgeInSeconds`)."""
CALLS_AT_ONCE: Final = 3
"""Of workflows: each that runs at once with others wants an environment of its own."""
INDEXER: Final = "on_searchable_change"
"""The stream's reader that keeps the search index."""
Item = Mapping[str, Any]


class NeverDry(AssertionError):
    """There was always something more to deliver."""


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    function: str
    queue: str
    batch_size: int

    @property
    def in_order(self) -> bool:
        """FIFO: of each group only the first message is told, until it is acknowledged."""
        return self.queue.endswith(".fifo")

    def ready_at(self) -> list[float]:
        """When there is something to receive."""
        if not self.in_order:
            return [message["visible_at"] for message in _kept_messages(self.queue)]
        groups: dict[str, list[float]] = {}
        for message in _kept_messages(self.queue):
            groups.setdefault(message["group_id"], []).append(message["visible_at"])
        return [max(times) for times in groups.values()]


@dataclass(frozen=True, slots=True)
class StreamTrigger:
    """`retries` and `max_age_seconds` are of the event source mapping, -1 for no end: what is past them is given up.

    Only what fits one of the `filters` is told; `dead_letters` is the queue that hears of what was given up.
    """

    function: str
    batch_size: int
    retries: int
    max_age_seconds: int
    bisect: bool
    filters: tuple[Item, ...]
    dead_letters: str

    def hears(self, record: Item) -> bool:
        return any(_fits(record, pattern) for pattern in self.filters)

    def gives_up(self, batch: "_Batch", now: float) -> bool:
        age = now - batch.records[0]["dynamodb"]["ApproximateCreationDateTime"]
        return -1 < self.retries < batch.tries or -1 < self.max_age_seconds < age


@dataclass(frozen=True, slots=True)
class LandingTrigger:
    """`dead_letters` is the queue of the events that were tried in vain."""

    function: str
    bucket: str
    prefix: str
    dead_letters: str


@dataclass(slots=True)
class _Batch:
    records: list[Item]
    tries: int = 0


@dataclass(slots=True)
class _Shard:
    """Records of some accounts, in order; `batches` is what was read and is not done with, the first blocks all after it."""

    waiting: list[Item] = field(default_factory=list)
    batches: list[_Batch] = field(default_factory=list)
    wait_until: float = 0


@dataclass(slots=True)
class _Reader:
    """One trigger of the stream: it reads all of it by itself, however far others are. `past` is what it was told."""

    trigger: StreamTrigger
    shards: list[_Shard] = field(default_factory=lambda: [_Shard() for _ in range(SHARDS)])
    past: list[list[Item]] = field(default_factory=list)

    def take(self, record: Item) -> None:
        if self.trigger.hears(record):
            account = record["dynamodb"]["Keys"]["pk"]["S"]
            self.shards[sum(account.encode()) % SHARDS].waiting.append(record)


@dataclass(slots=True)
class _Asynchronous:
    function: str
    event: Item
    due: float
    retries: list[int]
    dead_letters: str | None = None


class Together(Protocol):
    """Runs some things, one after the other or at once; the last so many as stragglers."""

    def __call__(self, things: Sequence[Callable[[], Any]], stragglers: int = 0, /) -> Any: ...


def one_by_one(things: Sequence[Callable[[], Any]], _stragglers: int = 0) -> None:
    for thing in things:
        thing()


@dataclass(slots=True)
class Repetition:
    """Tells everything two to five times, in no order, in batches of at most `batch_size`.

    The stream stays in order. The readers that are named in `odd` get batches of a few records, and parts of them before the
    whole; and those in `late` are besides told some batches by invocations that the poller has lost sight of: it does not wait
    for them, so they end when they like, at once with others or after them.
    """

    numbers: random.Random
    batch_size: int = 10
    odd: Collection[str] = ()
    late: Collection[str] = ()

    def copies(self, things: Sequence[Any]) -> list[Any]:
        told = [thing for thing in things for _ in range(self.numbers.randint(2, 5))]
        self.numbers.shuffle(told)
        return told

    def size(self, trigger: StreamTrigger) -> int:
        return self.numbers.randint(1, ODD_BATCH) if trigger.function in self.odd else trigger.batch_size

    def tellings(self, trigger: StreamTrigger, records: list[Item]) -> list[list[Item]]:
        """The batch some times, the last time as a whole."""
        told = [records for _ in self.copies([None])]
        if trigger.function in self.odd:
            told[:-1] = [records[: self.numbers.randint(1, len(records))] for _ in told[:-1]]
        return told


class Pump:
    """`client` makes clients of the cloud's services that nobody counts."""

    def __init__(
        self,
        functions: Functions,
        clock: VirtualClock,
        client: Callable[[str], Any],
        resources: Mapping[str, Any],
        account: str,
        stage: str,
    ) -> None:
        self._functions = functions
        self._clock = clock
        self._sqs = client("sqs")
        self._account = account
        self._stage = stage
        self._asynchronous: list[_Asynchronous] = []
        self._workflows = Workflows(clock)
        self._read_up_to: str | None = None
        self._acknowledged: set[str] = set()
        self._past_messages: list[Item] = []
        self._landed: list[tuple[str, Item]] = []
        self.records: list[Item] = []
        self.lost_events: list[Item] = []
        self.repetition: Repetition | None = None
        self.together: Together = one_by_one
        self.longest_stream_pause = 60
        """Between tries of a batch, in seconds. Lambda waits longer each time; how long it does not say."""
        self.before_telling: Callable[[str, Sequence[Item], int], None] = lambda _function, _records, _telling: None
        """Called before a function is told records of the stream, with how often it was told this very batch."""
        self._find_triggers(resources, stage)
        self._watch_buckets()

    def _find_triggers(self, resources: Mapping[str, Any], stage: str) -> None:
        self.schedules: list[str] = []
        self.queues: list[QueueTrigger] = []
        self.landings: list[LandingTrigger] = []
        self._readers: list[_Reader] = []
        for source in self._functions.application().app.event_sources:
            function = source.handler_string.removeprefix("app.")
            match type(source).__name__:
                case "ScheduledEventConfig":
                    self.schedules.append(function)
                case "SQSEventConfig":
                    if source.queue.endswith(".fifo") and source.batch_size > 1:
                        raise NotImplementedError("how Lambda stops a FIFO batch at its first failure")
                    self.queues.append(QueueTrigger(function, source.queue, source.batch_size))
                case "DynamoDBEventConfig":
                    self._readers.append(_Reader(_stream_trigger(function, source.batch_size, resources, stage)))
                case "S3EventConfig":
                    queue = _failure_queue(_properties(function, resources)["EventInvokeConfig"], resources, stage)
                    self.landings.append(LandingTrigger(function, source.bucket, source.prefix, queue))
                case other:
                    raise NotImplementedError(f"the pump does not know how AWS delivers for {other}")

    def only_read_by(self, functions: Collection[str]) -> None:
        """From now on the stream has these readers, and no others. Raises: LookupError for one that it does not have."""
        missing = set(functions) - {reader.trigger.function for reader in self._readers}
        if missing:
            raise LookupError(f"{missing} read no stream")
        self._readers = [reader for reader in self._readers if reader.trigger.function in functions]

    def is_read_by(self, function: str) -> bool:
        return any(reader.trigger.function == function for reader in self._readers)

    def heard_by(self, function: str, *, since: int) -> list[Item]:
        """All records that the reader is told, or is yet to be told, but for so many of the first."""
        (trigger,) = (reader.trigger for reader in self._readers if reader.trigger.function == function)
        return [record for record in self.records[since:] if trigger.hears(record)]

    # What starts from outside

    def schedule(self, function: str, instant: datetime, *, times: int = 1) -> None:
        """EventBridge fires a schedule: an asynchronous invocation."""
        event = {
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self._account,
            "time": instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [f"arn:aws:events:us-east-1:{self._account}:rule/daybook-{function}"],
            "detail": {},
        }
        if self.repetition is not None:
            times = len(self.repetition.copies([event]))
        for _ in range(times):
            self._asynchronous.append(_Asynchronous(function, event, self._clock.seconds(), [*ASYNC_RETRIES_SECONDS]))

    def _watch_buckets(self) -> None:
        """S3 tells of what lands in the buckets, which it does only after it is there."""
        from ministack.services import s3

        def note(bucket: str, key: str, event_name: str, size: int = 0, etag: str = "", *_: Any, **more: Any) -> None:
            if event_name.startswith("s3:ObjectCreated:"):
                told = {
                    "key": quote_plus(key, safe="/"),
                    "size": size,
                    "eTag": etag.strip('"'),
                    "versionId": more.get("version_id"),
                }
                self._landed.append((bucket, {"eventName": event_name.removeprefix("s3:"), "object": told}))

        s3._fire_s3_event_async = note

    def _take_landed(self) -> None:
        landed, self._landed = self._landed, []
        events = [
            (trigger, {"Records": [_landed_record(bucket, what)]})
            for bucket, what in landed
            for trigger in self.landings
            if bucket == trigger.bucket and what["object"]["key"].startswith(trigger.prefix)
        ]
        for trigger, event in events if self.repetition is None else self.repetition.copies(events):
            due, retries = self._clock.seconds(), [*ASYNC_RETRIES_SECONDS]
            if self.repetition is not None:
                due += self.repetition.numbers.choice(LATE_SECONDS)
            self._asynchronous.append(_Asynchronous(trigger.function, event, due, retries, trigger.dead_letters))

    # Until nothing is left

    def run_dry(self) -> None:
        """Raises: NeverDry."""
        for _ in range(MAX_ROUNDS):
            if self.step():
                continue
            wake = self._next_time()
            if wake is None:
                return
            self._clock.advance_to(wake)
        raise NeverDry(f"after {MAX_ROUNDS} rounds there is still something to deliver")

    def step(self) -> bool:
        """Delivers what can be delivered now, from each source once; whether there was anything."""
        self._take_landed()
        delivered = [self.run_schedules()]
        self._read_stream()
        delivered += [self._run_readers()]
        delivered += [self._run_queue(trigger) for trigger in self.queues]
        delivered += [self.run_workflows()]
        return any(delivered)

    def _next_time(self) -> float | None:
        times = [waiting.due for waiting in self._asynchronous]
        times += [shard.wait_until for reader in self._readers for shard in reader.shards if shard.batches]
        times += [running.due for running in self._workflows.running]
        for trigger in self.queues:
            times += trigger.ready_at()
        return min(times, default=None)

    # Asynchronous invocations

    def run_schedules(self) -> bool:
        due = [waiting for waiting in self._asynchronous if waiting.due <= self._clock.seconds()]
        for waiting in due:
            self._asynchronous.remove(waiting)
        self.together([partial(self._run_once, waiting) for waiting in due])
        return bool(due)

    def _run_once(self, waiting: _Asynchronous) -> None:
        if isinstance(self._functions.invoke(waiting.function, waiting.event), Done):
            return
        if waiting.retries:
            waiting.due = self._clock.seconds() + waiting.retries.pop(0)
            self._asynchronous.append(waiting)
        elif waiting.dead_letters is None:
            self.lost_events.append(waiting.event)
        else:
            self._bury(
                waiting.dead_letters, {"requestContext": {"functionArn": waiting.function}, "requestPayload": waiting.event}
            )

    # Queues

    def _run_queue(self, trigger: QueueTrigger) -> bool:
        if not any(ready <= self._clock.seconds() for ready in trigger.ready_at()):
            return False
        url = self._sqs.get_queue_url(QueueName=trigger.queue)["QueueUrl"]
        many = self.repetition is not None or trigger.in_order
        messages = self._receive(url, 10 * trigger.batch_size if many else trigger.batch_size, in_order=trigger.in_order)
        batches = list(_batches(messages, trigger.batch_size, self.repetition))
        late = self._late_messages(trigger, messages)
        told = [partial(self._deliver, trigger, url, batch) for batch in batches]
        self.together([*told, *(partial(self._tell_messages, trigger, batch) for batch in late)], len(late))
        return bool(messages)

    def _late_messages(self, trigger: QueueTrigger, messages: Sequence[Item]) -> list[list[Item]]:
        """Of a queue in order: an invocation that the poller has lost sight of, with what its group is done with long since."""
        if self.repetition is None or not trigger.in_order or not messages:
            return []
        self._past_messages += messages
        return [[self.repetition.numbers.choice(self._past_messages)]]

    def _receive(self, url: str, count: int, *, in_order: bool) -> list[Item]:
        """Of a queue in order one by one: then each is of another group."""
        messages: list[Item] = []
        while len(messages) < count:
            at_once = 1 if in_order else min(count - len(messages), 10)
            got = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=at_once, MessageSystemAttributeNames=["All"])
            if not got.get("Messages"):
                break
            messages += got["Messages"]
        return messages

    def _deliver(self, trigger: QueueTrigger, url: str, batch: Sequence[Item]) -> None:
        failed = _failed(self._tell_messages(trigger, batch), {message["MessageId"] for message in batch})
        for message in batch:
            if message["MessageId"] not in failed:
                self._acknowledge(url, message)

    def _tell_messages(self, trigger: QueueTrigger, batch: Sequence[Item]) -> Outcome:
        records = [_queue_record(message, trigger.queue, self._account) for message in batch]
        return self._functions.invoke(trigger.function, {"Records": records})

    def _acknowledge(self, url: str, message: Item) -> None:
        if message["ReceiptHandle"] in self._acknowledged:
            return  # a copy of what was acknowledged already
        self._acknowledged.add(message["ReceiptHandle"])
        self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def dead_letters(self) -> dict[str, list[Item]]:
        """By queue, all that was given up."""
        dead: dict[str, list[Item]] = {}
        for url in self._sqs.list_queues().get("QueueUrls", []):
            name = url.rpartition("/")[2]
            if name.endswith(("-dlq", "-dlq.fifo")):
                dead[name] = _kept_messages(name)
        return dead

    def kept(self, queue: str) -> list[Item]:
        """All messages of a queue by its name in the stage."""
        return _kept_messages(f"daybook-{self._stage}-{queue}")

    # Workflows

    def run_workflows(self) -> bool:
        """The next call of each execution, where it is due. Told again, some are called twice, the last answer counts, and what
        was called before is called once more, late; a few at once where things happen at once."""
        self._workflows.take_up()
        due = self._workflows.due()
        answered: list[tuple[Running | None, Outcome]] = []

        def invoke(running: Running | None, call: Call) -> None:
            answered.append((running, self._functions.invoke(function_of(call), call.payload)))

        things = [partial(invoke, running, running.call) for running in due]
        if self.repetition is not None:
            numbers = self.repetition.numbers
            late = [partial(invoke, None, numbers.choice(running.past)) for running in due if running.past]
            things += [thing for thing in (*things, *late) if numbers.random() < 0.5]
            numbers.shuffle(things)
        for few in range(0, len(things), CALLS_AT_ONCE):
            self.together(things[few : few + CALLS_AT_ONCE])
        outcomes = dict(answered)
        for running in due:
            self._workflows.go_on(running, outcomes[running])
        return bool(due)

    # The stream

    def records_told(self) -> int:
        """How many changes there have been."""
        self._read_stream()
        return len(self.records)

    def _read_stream(self) -> None:
        for record in self._new_records():
            self.records.append(record)
            for reader in self._readers:
                reader.take(record)

    def _new_records(self) -> Iterator[Item]:
        from ministack.services import dynamodb

        for table in dynamodb._tables:
            for record in dynamodb._stream_records.get(table, []):
                number = record["dynamodb"]["SequenceNumber"]
                if self._read_up_to is None or number > self._read_up_to:
                    self._read_up_to = number
                    yield record

    def _run_readers(self) -> bool:
        """Each reader's shards; the readers do not wait for each other."""
        delivered: list[bool] = []

        def run(reader: _Reader, *, on_and_on: bool) -> None:
            for shard in reader.shards:
                while self._run_shard(shard, reader):
                    delivered.append(True)
                    if not on_and_on:
                        break

        late = {reader.trigger.function: self._late_batches(reader) for reader in self._readers}
        readers = [partial(run, reader, on_and_on=bool(late[reader.trigger.function])) for reader in self._readers]
        lost = [partial(self._tell, reader, batch, 0) for reader in self._readers for batch in late[reader.trigger.function]]
        self.together([*readers, *lost], len(lost))
        return any(delivered)

    def _late_batches(self, reader: _Reader) -> list[list[Item]]:
        """Invocations that the poller has lost sight of: of what comes next, and of what is over."""
        if self.repetition is None or reader.trigger.function not in self.repetition.late:
            return []
        coming = [
            shard.batches[0].records if shard.batches else shard.waiting[: self.repetition.size(reader.trigger)]
            for shard in reader.shards
            if shard.batches or shard.waiting
        ]
        return [*coming, self.repetition.numbers.choice(reader.past)] if coming and reader.past else coming

    def _run_shard(self, shard: _Shard, reader: _Reader) -> bool:
        trigger = reader.trigger
        if not shard.batches and shard.waiting:
            size = trigger.batch_size if self.repetition is None else self.repetition.size(trigger)
            shard.batches.append(_Batch(shard.waiting[:size]))
            del shard.waiting[:size]
        if not shard.batches or shard.wait_until > self._clock.seconds():
            return False
        batch = shard.batches.pop(0)
        tellings = [batch.records] if self.repetition is None else self.repetition.tellings(trigger, batch.records)
        for telling, records in enumerate(tellings):
            outcome = self._tell(reader, records, telling)
        reader.past.append(batch.records)
        shard.batches[:0] = self._rest(batch, outcome, trigger)
        if shard.batches and shard.batches[0].tries:
            shard.wait_until = self._clock.seconds() + min(2 ** shard.batches[0].tries, self.longest_stream_pause)
        return True

    def _tell(self, reader: _Reader, records: list[Item], telling: int) -> Outcome:
        self.before_telling(reader.trigger.function, records, telling)
        return self._functions.invoke(reader.trigger.function, {"Records": records})

    def _rest(self, batch: _Batch, outcome: Outcome, trigger: StreamTrigger) -> list[_Batch]:
        """What of the batch comes again.

        From the lowest sequence number that failed on; if that is the first, or the function failed, all of it, in halves
        where the mapping bisects. Splitting does not count as a retry (Lambda developer guide, DynamoDB event sources).
        """
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        failed = _failed(outcome, set(numbers))
        if not failed:
            return []
        place = min(numbers.index(number) for number in failed)
        if place > 0:
            return [_Batch(batch.records[place:], batch.tries)]
        half = len(batch.records) // 2
        if trigger.bisect and half:
            return [_Batch(batch.records[:half], batch.tries), _Batch(batch.records[half:], batch.tries)]
        again = _Batch(batch.records, batch.tries + 1)
        if not trigger.gives_up(again, self._clock.seconds()):
            return [again]
        self._bury_batch(batch, trigger)
        return []

    def _bury_batch(self, batch: _Batch, trigger: StreamTrigger) -> None:
        """What Lambda sends to a mapping's on-failure destination: not the records, but where in the stream they are."""
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        where = {"startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1], "batchSize": len(numbers)}
        said = {"requestContext": {"functionArn": trigger.function}, "version": "1.0", "DDBStreamBatchInfo": where}
        self._bury(trigger.dead_letters, said)

    def _bury(self, queue: str, said: Item) -> None:
        url = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(said))


def _logical_name(function: str) -> str:
    return "".join(word.capitalize() for word in function.split("_"))


def _properties(function: str, resources: Mapping[str, Any]) -> Item:
    properties: Item = resources[_logical_name(function)]["Properties"]
    return properties


def _failure_queue(config: Item, resources: Mapping[str, Any], stage: str) -> str:
    destination = config["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    name: str = resources[destination]["Properties"]["QueueName"]["Fn::Sub"]
    return name.replace("${Stage}", stage)


def _landed_record(bucket: str, what: Item) -> Item:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": what["eventName"],
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": what["object"]},
    }


def _stream_trigger(function: str, batch_size: int, resources: Mapping[str, Any], stage: str) -> StreamTrigger:
    mapping = _properties(function, resources)["Events"][f"{_logical_name(function)}DynamodbEventSource"]["Properties"]
    return StreamTrigger(
        function,
        batch_size,
        retries=mapping["MaximumRetryAttempts"],
        max_age_seconds=mapping["MaximumRecordAgeInSeconds"],
        bisect=mapping["BisectBatchOnFunctionError"],
        filters=tuple(json.loads(each["Pattern"]) for each in mapping["FilterCriteria"]["Filters"]),
        dead_letters=_failure_queue(mapping, resources, stage),
    )


def _fits(data: Any, pattern: Any) -> bool:
    """Lambda's event filtering, as far as it is used: all members of the pattern must be there, with one of the values."""
    if isinstance(pattern, list):
        return data in pattern
    return all(name in data and _fits(data[name], inner) for name, inner in pattern.items())


def _failed(outcome: Outcome, identifiers: set[str]) -> set[str]:
    """As Lambda reads the answer where ReportBatchItemFailures is set: an item it does not know fails the whole batch."""
    if not isinstance(outcome, Done):
        return identifiers
    answer = outcome.answer or {}
    named = {failure.get("itemIdentifier") for failure in answer.get("batchItemFailures") or []}
    return {str(name) for name in named} if named <= identifiers else identifiers


def _batches(messages: Sequence[Item], size: int, repetition: Repetition | None) -> Iterator[list[Item]]:
    """No message twice in one batch, as SQS would not do that either."""
    waiting = list(messages)
    if repetition is not None:
        waiting, size = repetition.copies(messages), min(size, repetition.batch_size)
    while waiting:
        batch: list[Item] = []
        rest: list[Item] = []
        for message in waiting:
            known = any(other["MessageId"] == message["MessageId"] for other in batch)
            (rest if known or len(batch) == size else batch).append(message)
        yield batch
        waiting = rest


def _queue_record(message: Item, queue: str, account: str) -> dict[str, Any]:
    attributes = message.get("Attributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {
            "ApproximateReceiveCount": attributes.get("ApproximateReceiveCount", "1"),
            "SentTimestamp": attributes.get("SentTimestamp", "0"),
            "SenderId": attributes.get("SenderId", account),
            "ApproximateFirstReceiveTimestamp": attributes.get("ApproximateFirstReceiveTimestamp", "0"),
        },
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{account}:{queue}",
        "awsRegion": "us-east-1",
    }


def _kept_messages(queue: str) -> list[Item]:
    from ministack.services import sqs

    return [message for url, kept in sqs._queues.items() if url.rpartition("/")[2] == queue for message in kept["messages"]]


def body_of(message: Item) -> Any:
    return json.loads(message["body"])
