"""What the functions of images and imports ask of AWS, their policies allow, and of files and imports no more than that."""

import io
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import pytest
from moto import mock_aws
from PIL import Image

import app as daybook
from benchmarks.things import ACCOUNT_ID, an_account, an_owner, api_event
from chalicelib.domain.identifiers import make_id
from chalicelib.domain.imports import ImportJob
from chalicelib.repositories.accounts import DynamoAccounts
from chalicelib.settings import Settings
from chalicelib.usecases import import_run
from chalicelib.wiring import Wired
from tests.triggers.test_uploads import function_context, landed

CHALICE = Path(__file__).parents[2] / ".chalice"
RESOURCES = json.loads((CHALICE / "resources.json").read_text())["Resources"]
SETTINGS = Settings(stage="test", bucket="daybook-test-123456789012", mail_sender="office@daybook.example", stream_arn="")
WRITES: Final = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
"""What a transaction's writes are to IAM."""
OBJECTS: Final = {"HeadObject": "Get", "GetObject": "Get", "PutObject": "Put", "DeleteObject": "Delete"}
LITTLE_TIME: Final = 50_000
"""Milliseconds, in which an import gets no further than a part of the file."""
Right = tuple[str, str]
"""An action, and the ARN of what it is done to."""


class Rights:
    """What each function asked for, as IAM sees it; `function` is the one that runs, if one does."""

    def __init__(self) -> None:
        self.function: str | None = None
        self.asked: dict[str, set[Right]] = defaultdict(set)

    def note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        if self.function is not None:
            asked: Iterator[Right] = getattr(self, f"_{model.service_model.service_name}")(model.name, params)
            self.asked[self.function] |= set(asked)

    def _dynamodb(self, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        if operation == "TransactWriteItems":
            for write in params["TransactItems"]:
                ((kind, what),) = write.items()
                yield f"dynamodb:{WRITES[kind]}", table(what["TableName"])
        elif operation in {"BatchGetItem", "BatchWriteItem"}:
            yield from ((f"dynamodb:{operation}", table(name)) for name in params["RequestItems"])
        else:
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            yield f"dynamodb:{operation}", table(params["TableName"]) + index

    def _s3(self, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        bucket = f"arn:aws:s3:::{params['Bucket']}"
        if operation == "ListObjectVersions":
            yield "s3:ListBucketVersions", bucket
            return
        if operation == "CreateBucket":  # for botocore the address of a form, which is told where it is used
            return
        if operation == "DeleteObjects":
            for one in params["Delete"]["Objects"]:
                yield from self._s3("DeleteObject", {"Bucket": params["Bucket"], **one})
            return
        yield f"s3:{OBJECTS[operation]}Object", f"{bucket}/{params['Key']}"
        if "VersionId" in params:
            yield f"s3:{OBJECTS[operation]}ObjectVersion", f"{bucket}/{params['Key']}"
        if operation in {"HeadObject", "GetObject"} and self.function != "api_handler":  # which only signs links
            # Else S3 says 403 of what is not there.
            yield "s3:ListBucket", bucket

    def _sqs(self, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        name = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
        yield f"sqs:{operation}", f"arn:aws:sqs:us-east-1:123456789012:{name}"


def table(name: str) -> str:
    return f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}"


def statements(function: str) -> Any:
    return json.loads((CHALICE / f"policy-{function}.json").read_text())["Statement"]


def is_allowed(function: str, right: Right) -> bool:
    """`daybook-*` of a policy is the stage's own name once it is deployed; so it must not reach other resources here."""
    action, arn = right

    def fits(resource: str) -> bool:
        service = resource.split(":")[2]
        ours = SETTINGS.bucket if service == "s3" else f"daybook-{SETTINGS.stage}"
        return fnmatchcase(arn, resource.replace("daybook-*", ours, 1))

    return any(action in one["Action"] and any(map(fits, one["Resource"])) for one in statements(function))


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rights]:
    """With the application wired to AWS, as it is on AWS."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        wired = Wired(SETTINGS)
        monkeypatch.setattr(daybook, "wired", wired)
        noted = Rights()
        sqs = wired.imports_queue._queue._sqs  # type: ignore[attr-defined]
        for client, service in ((wired._dynamodb, "dynamodb"), (wired._s3, "s3"), (sqs, "sqs")):
            client.meta.events.register(f"provide-client-params.{service}", noted.note)
        make_resources(wired, sqs)
        yield noted


def make_resources(wired: Wired, sqs: Any) -> None:
    for resource, name in (("Table", SETTINGS.table), ("EphemeralTable", SETTINGS.ephemeral_table)):
        declared = RESOURCES[resource]["Properties"]
        parts = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        wired._dynamodb.create_table(TableName=name, **{part: declared[part] for part in parts if part in declared})
    wired._s3.create_bucket(Bucket=SETTINGS.files_bucket)
    wired._s3.put_bucket_versioning(Bucket=SETTINGS.files_bucket, VersioningConfiguration={"Status": "Enabled"})
    for name in (SETTINGS.imports_queue, SETTINGS.invoicing_queue):
        sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if name.endswith(".fifo") else {})
    DynamoAccounts(wired._table).add(an_account(), an_owner())


class Person:
    """Somebody who uploads, and AWS, which calls the functions."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights

    def ask(self, method: str, resource: str, body: object = None, **parameters: str) -> Any:
        event = api_event(resource, parameters, method=method, body=None if body is None else json.dumps(body))
        self.rights.function = "api_handler"
        answer = daybook.app(event, None)
        assert answer["statusCode"] < 300, answer["body"]
        return json.loads(answer["body"] or "null")

    def upload(self, key: str, content: bytes, function: str) -> None:
        self.rights.function = None
        daybook.wired._s3.put_object(Bucket=SETTINGS.files_bucket, Key=key, Body=content)
        # What the form allows whoever has it, its signer must be allowed.
        self.rights.asked["api_handler"].add(("s3:PutObject", f"arn:aws:s3:::{SETTINGS.files_bucket}/{key}"))
        self.tell_of(key, function)

    def tell_of(self, key: str, function: str) -> None:
        self.rights.function = function
        getattr(daybook, function)(landed(key), function_context(60_000))

    def leave_a_report_over_that_of(self, import_id: str) -> None:
        """As a run does that was taken over and then cut off; its message comes again."""
        self.rights.function = None
        key = f"reports/{ACCOUNT_ID}/{import_id}/rejections.csv"
        daybook.wired._s3.put_object(Bucket=SETTINGS.files_bucket, Key=key, Body=b"left")
        daybook.wired.imports_queue.ask_for(ImportJob(account_id=ACCOUNT_ID, import_id=import_id), import_id)
        self.work_off()

    def work_off(self) -> None:
        self.rights.function = None
        queue: Any = daybook.wired.imports_queue._queue  # type: ignore[attr-defined]
        sqs, queue._known_url = queue._sqs, None  # each function has to find its queue
        url = sqs.get_queue_url(QueueName=SETTINGS.imports_queue)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url).get("Messages"):
            [message] = messages
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            record = {"messageId": "1", "receiptHandle": "1", "body": message["Body"]}
            event = {"Records": [record | {"attributes": {"ApproximateReceiveCount": "1"}}]}
            self.rights.function = "on_import"
            assert daybook.on_import(event, function_context(LITTLE_TIME)) == {"batchItemFailures": []}
            self.rights.function = None

    def night(self, *, days: int) -> None:
        self.rights.function = "tidy"
        time = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
        daybook.tidy(
            {
                "time": time,
                "detail": {},
                "detail-type": "",
                "source": "",
                "account": "",
                "region": "",
                "resources": [],
                "version": "0",
                "id": "1",
            },
            function_context(300_000),
        )


def a_picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (10, 200, 30)).save(out, "JPEG")
    return out.getvalue()


ROWS = {
    "clients": "name,rate,currency\nCharles Babbage,95.00,EUR\n,1,EUR\n",
    "products": "id,name,price,currency,stock\nLAMP-1,A lamp,12.50,EUR,4\nLAMP-2,Another,minus,EUR,\n",
    "work": "client,date,minutes,description\nCharles Babbage,2026-11-02,90,Engine\nNobody,2026-11-02,60,Engine\n",
}


def keys_of_nothing() -> Iterator[tuple[str, str]]:
    now = datetime.now(UTC)
    yield f"uploads/{ACCOUNT_ID}/{make_id('img', now, bytes(10))}/photo.jpg", "on_upload"
    yield f"incoming/{ACCOUNT_ID}/{make_id('imp', now, bytes(10))}/rows.csv", "on_incoming"


def live(person: Person) -> None:
    """All that becomes of images and imports."""
    images, image = "/v1/images", "/v1/images/{image_id}"
    for content in (a_picture(), b"no picture"):
        added = person.ask("POST", images, {"filename": "photo.jpg", "content_type": "image/jpeg"})
        key = added["upload"]["fields"]["key"]
        person.upload(key, content, "on_upload")
        person.upload(key, a_picture(), "on_upload")
        person.tell_of(key, "on_upload")
        person.ask("GET", image, image_id=added["id"])
        person.ask("GET", images)
        person.ask("DELETE", image, image_id=added["id"])
    for key, function in keys_of_nothing():
        person.upload(key, b"of nothing", function)
    for kind, rows in ROWS.items():
        for _ in range(2):
            imported = person.ask("POST", "/v1/imports", {"kind": kind, "filename": "rows.csv", "content_type": "text/csv"})
            person.upload(imported["upload"]["fields"]["key"], rows.encode(), "on_incoming")
            person.work_off()
            ended = person.ask("GET", "/v1/imports/{import_id}", import_id=imported["id"])
            assert (ended["status"], ended["rejected_count"], ended["record_count"]) == ("completed", 1, 2), ended
            person.leave_a_report_over_that_of(imported["id"])
        person.ask("GET", "/v1/imports")
        person.ask("DELETE", "/v1/imports/{import_id}", import_id=imported["id"])
        person.leave_a_report_over_that_of(imported["id"])
    gone = person.ask("POST", "/v1/imports", {"kind": "work", "filename": "gone.csv", "content_type": "text/csv"})
    person.ask("DELETE", "/v1/imports/{import_id}", import_id=gone["id"])
    person.rights.function = None
    for key in (gone["upload"]["fields"]["key"], f"reports/{ACCOUNT_ID}/{gone['id']}/rejections.csv"):
        daybook.wired._s3.put_object(Bucket=SETTINGS.files_bucket, Key=key, Body=b"late")
    person.ask("POST", images, {"filename": "never.jpg", "content_type": "image/jpeg"})
    person.ask("POST", "/v1/imports", {"kind": "work", "filename": "never.csv", "content_type": "text/csv"})
    # Of these the events were lost; of the image there is a thumbnail already.
    file = person.ask("POST", "/v1/imports", {"kind": "work", "filename": "lost.csv", "content_type": "text/csv"})
    picture = person.ask("POST", images, {"filename": "lost.jpg", "content_type": "image/jpeg"})
    person.rights.function = None
    upload_key, picture_key = (one["upload"]["fields"]["key"] for one in (file, picture))
    for key in (upload_key, picture_key, picture_key.replace("uploads/", "thumbnails/100x/", 1)):
        daybook.wired._s3.put_object(Bucket=SETTINGS.files_bucket, Key=key, Body=b"client\n")
    person.night(days=2)
    person.work_off()


FUNCTIONS = ("api_handler", "on_upload", "on_incoming", "on_import", "tidy")


def test_the_functions_of_files_ask_for_what_they_may_and_may_not_more_of_the_bucket_than_they_ask(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "WINDOW", 1)
    monkeypatch.setattr(import_run, "BLOCK", 1)
    live(Person(rights))

    for function in FUNCTIONS:
        refused = sorted(right for right in rights.asked[function] if not is_allowed(function, right))
        assert refused == [], function
        actions = rights.asked[function]
        for statement in statements(function):
            for resource in statement["Resource"]:
                if "-files" in resource or "-imports" in resource:
                    pattern = resource.replace("daybook-*", SETTINGS.bucket if ":s3:" in resource else "daybook-test", 1)
                    used = {action for action, arn in actions if fnmatchcase(arn, pattern)}
                    unused = set(statement["Action"]) - used - POLLED
                    assert unused == set(), (function, resource)


POLLED = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda does in a function's name."""
