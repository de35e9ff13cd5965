"""What was given up on is put back where it belongs, and what cannot be is left."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from operations import redrive as command
from operations.deploy import Account
from operations.local_aws import LocalAws, running
from operations.redrive import Outcome, redrive, short_name
from tests.deploy.test_local_aws import ROLE, code, wait_for

STAGE = "dev"
PREFIX = f"daybook-{STAGE}-"


@pytest.fixture(scope="module")
def local() -> Iterator[LocalAws]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def aws(local: LocalAws) -> Account:
    return Account.of(boto3.Session(botocore_session=local.session()), local.endpoint)


class Queues:
    """Those of the stage, which are gone after each test."""

    def __init__(self, aws: Account) -> None:
        self.sqs = aws.session.client("sqs", endpoint_url=aws.endpoint)
        self.aws = aws
        self.urls: dict[str, str] = {}

    def make(self, name: str, **attributes: str) -> str:
        """The queue's ARN."""
        more: Any = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        self.urls[name] = self.sqs.create_queue(QueueName=PREFIX + name, Attributes=more | attributes)["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.urls[name], AttributeNames=["QueueArn"])
        return asked["Attributes"]["QueueArn"]

    def make_pair(self, name: str) -> None:
        """A queue, and that of its dead letters."""
        base, fifo, _ = name.partition(".fifo")
        policy = {"deadLetterTargetArn": self.make(f"{base}-dlq{fifo}"), "maxReceiveCount": 1}
        self.make(name, RedrivePolicy=json.dumps(policy), VisibilityTimeout="0")

    def send(self, name: str, *bodies: str, **more: Any) -> None:
        for body in bodies:
            given: Any = {"MessageGroupId": "acc_1", "MessageDeduplicationId": body} if name.endswith(".fifo") else {}
            self.sqs.send_message(QueueUrl=self.urls[name], MessageBody=body, **given, **more)

    def give_up(self, name: str) -> None:
        """Receives each message once, in vain; the next who looks finds none."""
        while self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10).get("Messages"):
            pass

    def bodies(self, name: str) -> list[str]:
        asked = self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in asked.get("Messages", [])]


@pytest.fixture
def queues(aws: Account) -> Iterator[Queues]:
    made = Queues(aws)
    yield made
    for url in made.urls.values():
        made.sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize("name", ["invoicing", "imports.fifo"])
def test_messages_go_back_into_the_queue_that_they_came_from(name: str, queues: Queues, aws: Account) -> None:
    base, fifo, _ = name.partition(".fifo")
    queues.make_pair(name)
    queues.send(name, "first", "second")
    queues.give_up(name)
    assert queues.bodies(name) == []

    assert list(redrive(STAGE, aws)) == [Outcome(f"{PREFIX}{base}-dlq{fifo}", f"2 back into {PREFIX}{name}")]

    queues.sqs.set_queue_attributes(QueueUrl=queues.urls[name], Attributes={"VisibilityTimeout": "30"})
    asked = queues.sqs.receive_message(
        QueueUrl=queues.urls[name], MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    assert sorted(message["Body"] for message in asked["Messages"]) == ["first", "second"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in asked["Messages"]} == {"1"}
    assert list(redrive(STAGE, aws)) == []


def test_of_one_queue_only_its_own_go_back(queues: Queues, aws: Account) -> None:
    for name in ("invoicing", "deliveries"):
        queues.make_pair(name)
        queues.send(name, "message")
        queues.give_up(name)
        queues.bodies(name)

    assert [outcome.queue for outcome in redrive(STAGE, aws, "deliveries")] == [f"{PREFIX}deliveries-dlq"]
    assert [outcome.queue for outcome in redrive(STAGE, aws, f"{PREFIX}invoicing-dlq")] == [f"{PREFIX}invoicing-dlq"]


def test_sqs_moves_messages_only_out_of_queues_of_dead_letters(queues: Queues) -> None:
    arn = queues.make("changes-dlq")
    with pytest.raises(ClientError, match="Dead Letter Queue"):
        queues.sqs.start_message_move_task(SourceArn=arn)


def test_an_event_that_no_queue_took_goes_to_its_queue(queues: Queues, aws: Account) -> None:
    target = queues.make("orders")
    queues.make("events-dlq")
    why = {"TARGET_ARN": {"DataType": "String", "StringValue": target}}
    queues.send("events-dlq", "placed", MessageAttributes=why)

    assert list(redrive(STAGE, aws)) == [Outcome(f"{PREFIX}events-dlq", f"1 handed to {PREFIX}orders")]

    assert (queues.bodies("orders"), queues.bodies("events-dlq")) == (["placed"], [])


def failed_event(function: str, payload: object) -> str:
    """What Lambda sends to the destination of events that failed.

    docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-11-14T18:16:05.568Z",
            "requestContext": {
                "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
                "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{function}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorMessage": "..."},
        }
    )


def test_an_event_that_a_function_failed_on_is_handed_to_it_as_it_was(queues: Queues, aws: Account, tmp_path: Path) -> None:
    functions = aws.session.client("lambda", endpoint_url=aws.endpoint)
    # Functions are plain processes here, so this one can leave a file for each event.
    source = "def handler(event, context):\n    open(event['file'], 'x').close()\n"
    functions.create_function(
        FunctionName="taking", Runtime="python3.11", Handler="probe.handler", Role=ROLE, Code={"ZipFile": code(source)}
    )
    files = {tmp_path / f"event-{place}" for place in range(12)}
    queues.make("uploads-dlq")
    queues.send("uploads-dlq", *(failed_event("taking", {"file": str(file)}) for file in files))

    assert list(redrive(STAGE, aws)) == [Outcome(f"{PREFIX}uploads-dlq", "12 handed to taking")]

    wait_for(lambda: set(tmp_path.iterdir()) == files)
    assert queues.bodies("uploads-dlq") == []


@pytest.mark.parametrize("body", [json.dumps({"DDBStreamBatchInfo": {}, "requestContext": {}}), "no document", "[]"])
def test_what_does_not_say_where_it_belongs_stays(body: str, queues: Queues, aws: Account) -> None:
    queues.make("changes-dlq")
    queues.send("changes-dlq", body)

    [outcome] = redrive(STAGE, aws)

    assert (outcome.queue, outcome.failed) == (f"{PREFIX}changes-dlq", False)
    assert "docs/operations.md" in outcome.said
    assert queues.bodies("changes-dlq") == [body]


def test_a_queue_that_cannot_be_put_back_holds_up_no_other_and_loses_nothing(
    queues: Queues, aws: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queues.make("events-dlq")
    gone = {"TARGET_ARN": {"DataType": "String", "StringValue": "arn:aws:sqs:us-east-1:000000000000:gone"}}
    queues.send("events-dlq", "placed", MessageAttributes=gone)
    queues.make_pair("invoicing")
    queues.send("invoicing", "message")
    queues.give_up("invoicing")
    queues.bodies("invoicing")
    monkeypatch.setattr(sys, "argv", ["redrive", "--stage", STAGE])
    monkeypatch.setattr(boto3, "Session", lambda: aws.session)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint or "")

    with pytest.raises(SystemExit) as exit_code:
        command.main()

    assert exit_code.value.code == 1
    said = capsys.readouterr().out
    assert f"{PREFIX}invoicing-dlq: 1 back into {PREFIX}invoicing" in said
    assert f"{PREFIX}events-dlq: " in said
    assert queues.sqs.get_queue_attributes(
        QueueUrl=queues.urls["events-dlq"], AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("daybook-dev-imports-dlq.fifo", "imports"),
        ("daybook-dev-invoicing-dlq", "invoicing"),
        ("daybook-dev-uploads-dlq", "uploads"),
    ],
)
def test_a_queue_has_a_short_name(name: str, short: str) -> None:
    assert short_name(name, STAGE) == short
