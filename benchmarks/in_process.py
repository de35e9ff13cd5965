"""The application in this process, over a local AWS of its own: it is given requests and records as AWS gives them."""

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import requests
from botocore.config import Config

from benchmarks.costs import Meter
from benchmarks.things import ACCOUNT_ID, an_account, an_owner, api_event
from chalicelib.domain.accounts import Account
from chalicelib.gateways.aws_clients import AwsClients
from chalicelib.repositories.accounts import DynamoAccounts
from chalicelib.repositories.search_index import S3SearchIndex
from chalicelib.repositories.table import Table
from chalicelib.settings import Settings, read_settings
from chalicelib.wiring import Wired
from operations import local_aws
from operations.project import ROOT, stage_environment

if TYPE_CHECKING:
    from chalicelib.edge.batches import BatchAnswer

STAGE: Final = "local"
NO_LIMIT: Final = "1000000"
"""Of requests in a minute: what is measured is no flood."""
PUT_AT_ONCE: Final = 25
Record = dict[str, Any]


class Daybook:
    """The functions of the application: that of the API, the steps of orders, and the stream's readers, which on AWS each have
    a /tmp of their own.

    One request or batch at a time, as in one instance of a function.
    """

    def __init__(self, aws: local_aws.LocalAws, folder: Path) -> None:
        os.environ.setdefault("DAYBOOK_STAGE", STAGE)  # which the import of the application reads
        import app

        self._app = app
        self._clients = _ClientsOf(aws)
        self._settings = _create(self._clients, _settings())
        self.wired = _Wired(self._settings, self._clients, folder / "api")
        """Of the functions of the API and of the steps."""
        self.wired_reader = _Wired(self._settings, self._clients, folder / "reader")
        """Of those that read the stream."""
        self.table = Table(self._clients.client("dynamodb"), self._settings.table)
        self._alone = Lock()
        self._stream, self._iterator = self._beginning_of_stream()

    def meter(self) -> Meter:
        """For all that the functions ask of AWS."""
        return Meter(*(self._clients.client(service) for service in ("dynamodb", "s3", "events", "sns", "stepfunctions")))

    def open_account(self, account_id: str = ACCOUNT_ID) -> Account:
        """An account whose owner makes the requests, if it is `ACCOUNT_ID`."""
        account = an_account(account_id)
        DynamoAccounts(self.table).add(account, an_owner(account_id, email=f"{account_id}@example.com"))
        return account

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """What the owner of `ACCOUNT_ID` is answered."""
        resource, parameters = self._resource_of(path)
        text = None if body is None else json.dumps(body)
        event = api_event(resource, parameters, method=method, query=query, body=text, more_headers=headers)
        with self._running(self.wired):
            answered = self._app.app(event, None)
        response = requests.Response()
        response.status_code = answered["statusCode"]
        response.headers.update(answered["headers"])
        response._content = answered["body"].encode()
        return response

    def put(self, images: Sequence[dict[str, Any]]) -> None:
        """Straight into the table."""
        for first in range(0, len(images), PUT_AT_ONCE):
            puts = [{"PutRequest": {"Item": image}} for image in images[first : first + PUT_AT_ONCE]]
            answer = self._clients.client("dynamodb").batch_write_item(RequestItems={self._settings.table: puts})
            assert not answer["UnprocessedItems"]

    def tell_bus(self, records: Sequence[Record]) -> None:
        with self._running(self.wired_reader):
            _all_taken(self._app.on_change({"Records": records}, None))

    def index(self, records: Sequence[Record]) -> None:
        with self._running(self.wired_reader):
            _all_taken(self._app.on_searchable_change({"Records": records}, None))

    def start_workflow(self, order_id: str) -> None:
        """As the bus tells of an order of `ACCOUNT_ID` that was placed."""
        body = json.dumps({"detail": {"account_id": ACCOUNT_ID, "id": order_id}})
        with self._running(self.wired):
            _all_taken(
                self._app.on_order_placed({"Records": [{"messageId": order_id, "receiptHandle": order_id, "body": body}]}, None)
            )

    def step(self, name: str, given: Mapping[str, object]) -> None:
        """One function of the workflow, given that. Raises: what it raises."""
        with self._running(self.wired):
            getattr(self._app, name)(given, None)

    def records(self) -> list[Record]:
        """What the table's stream has had since this was asked last, as Lambda hands it on."""
        found: list[Record] = []
        while True:
            told = self._clients.client("dynamodbstreams").get_records(ShardIterator=self._iterator)
            self._iterator = told["NextShardIterator"]
            if not told["Records"]:
                return found
            for record in told["Records"]:
                written = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
                data = record["dynamodb"] | {"ApproximateCreationDateTime": written}
                found.append(record | {"eventSourceARN": self._stream, "dynamodb": data})

    def _beginning_of_stream(self) -> tuple[str, str]:
        streams = self._clients.client("dynamodbstreams")
        (stream,) = streams.list_streams(TableName=self._settings.table)["Streams"]
        (shard,) = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
        beginning = streams.get_shard_iterator(
            StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        return stream["StreamArn"], beginning["ShardIterator"]

    def _resource_of(self, path: str) -> tuple[str, dict[str, str]]:
        """The route that serves the path, and what stands there for its parameters, encoded as it is."""
        for resource in self._app.app.routes:
            match = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", resource), path)
            if match:
                return resource, match.groupdict()
        raise ValueError(f"nothing is served at {path}")

    @contextmanager
    def _running(self, wired: Wired) -> Iterator[None]:
        with self._alone, contextlib.redirect_stdout(io.StringIO()):  # the log's lines
            before, self._app.wired = self._app.wired, wired
            try:
                yield
            finally:
                self._app.wired = before


class _ClientsOf(AwsClients):
    """Clients of a local AWS, one for each service."""

    def __init__(self, aws: local_aws.LocalAws) -> None:
        self._session: Any = _SessionOf(aws)
        self._made: dict[str, Any] = {}

    def client(self, service: str, **config: Any) -> Any:
        if service not in self._made:
            self._made[service] = super().client(service, **config)
        return self._made[service]


class _SessionOf:
    def __init__(self, aws: local_aws.LocalAws) -> None:
        self._session = aws.session()
        self._endpoint = aws.endpoint

    def create_client(self, service: str, *, config: Config) -> Any:
        return self._session.create_client(service, endpoint_url=self._endpoint, config=config)


class _Wired(Wired):
    """With the copies of indexes in that folder."""

    def __init__(self, settings: Settings, clients: AwsClients, folder: Path) -> None:
        super().__init__(settings)
        self._clients = clients
        self._folder = folder
        self._bucket = settings.search_bucket

    @cached_property
    def _aws(self) -> AwsClients:
        return self._clients

    @cached_property
    def search_index(self) -> S3SearchIndex:
        return S3SearchIndex(self._s3, self._bucket, self._folder)


def _settings() -> Settings:
    names = ("DAYBOOK_REQUESTS_PER_MINUTE", "DAYBOOK_PUBLIC_REQUESTS_PER_MINUTE")
    return read_settings(stage_environment(STAGE) | dict.fromkeys(names, NO_LIMIT))


def _create(clients: AwsClients, settings: Settings) -> Settings:
    """What the functions use, as the template declares it, and the settings with its ARNs.

    Of the workflow it is only what can be started: an execution ends at once, and runs no step.
    """
    resources = json.loads((ROOT / ".chalice" / "resources.json").read_text())["Resources"]
    for resource, name in (("Table", settings.table), ("EphemeralTable", settings.ephemeral_table)):
        declared = resources[resource]["Properties"]
        parts = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        shape = {part: declared[part] for part in parts if part in declared}
        if "StreamSpecification" in declared:
            shape["StreamSpecification"] = {"StreamEnabled": True, **declared["StreamSpecification"]}
        clients.client("dynamodb").create_table(TableName=name, **shape)
    clients.client("s3", s3={"addressing_style": "virtual"}, signature_version="s3v4").create_bucket(
        Bucket=settings.search_bucket
    )
    clients.client("events").create_event_bus(Name=settings.event_bus)
    topic = clients.client("sns").create_topic(Name=settings.orders_queue)["TopicArn"]
    workflow = clients.client("stepfunctions").create_state_machine(
        name=settings.orders_queue,
        definition=json.dumps({"StartAt": "Started", "States": {"Started": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::000000000000:role/nobody",
    )["stateMachineArn"]
    return settings._replace(orders_topic=topic, order_workflow=workflow)


def _all_taken(answer: "BatchAnswer") -> None:
    assert answer == {"batchItemFailures": []}, answer


@contextmanager
def running() -> Iterator[Daybook]:
    with tempfile.TemporaryDirectory(prefix="daybook-in-process-") as folder, local_aws.running() as aws:
        yield Daybook(aws, Path(folder))
