"""Puts back what was given up on: dead letters into their queues, events to the functions that failed on them.

What is in a queue of dead letters says by itself how it gets back:

- messages of another queue go back into that by SQS itself (StartMessageMoveTask);
- an event of S3 that its function failed on three times is handed to that function again, as it was;
- an event that EventBridge could not put into a queue is put there.

What was given up of the table's stream names a place in the stream, not a change, and stays: docs/operations.md says what to
do.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from operations.deploy import Account
from operations.project import stages

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

ENDINGS: Final = ("-dlq", "-dlq.fifo")
PATIENCE_SECONDS: Final = 60
HIDDEN_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class DeadLetters:
    name: str
    url: str
    arn: str
    count: int
    """About so many: SQS counts approximately."""


@dataclass(frozen=True, slots=True)
class Outcome:
    queue: str
    said: str
    failed: bool = False


def redrive(stage: str, aws: Account, only: str | None = None) -> Iterator[Outcome]:
    """What became of each queue that has messages, as it is done. `only` is a queue's name, or what is left of it without
    `daybook-<stage>-` and `-dlq`.
    """
    sqs = aws.session.client("sqs", endpoint_url=aws.endpoint)
    for queue in dead_letters(sqs, stage):
        if only is not None and only not in {queue.name, short_name(queue.name, stage)}:
            continue
        if queue.count:
            try:
                yield redriven(sqs, queue, aws)
            except (BotoCoreError, ClientError) as problem:
                yield Outcome(queue.name, str(problem), failed=True)


def dead_letters(sqs: "SQSClient", stage: str) -> Iterator[DeadLetters]:
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"daybook-{stage}-"):
        for url in page.get("QueueUrls", []):
            name = url.rpartition("/")[2]
            if name.endswith(ENDINGS):
                asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "ApproximateNumberOfMessages"])
                attributes = asked["Attributes"]
                yield DeadLetters(name, url, attributes["QueueArn"], int(attributes["ApproximateNumberOfMessages"]))


def short_name(name: str, stage: str) -> str:
    """`imports` of `daybook-dev-imports-dlq.fifo`."""
    return name.removeprefix(f"daybook-{stage}-").removesuffix(".fifo").removesuffix("-dlq")


def redriven(sqs: "SQSClient", queue: DeadLetters, aws: Account) -> Outcome:
    sources = sqs.list_dead_letter_source_queues(QueueUrl=queue.url)["queueUrls"]
    if sources:
        return moved(sqs, queue, [url.rpartition("/")[2] for url in sources])
    return replayed(sqs, queue, aws)


def moved(sqs: "SQSClient", queue: DeadLetters, sources: list[str]) -> Outcome:
    """Waits until all are moved, but no longer than a minute: SQS goes on by itself."""
    back = f"back into {', '.join(sources)}"
    sqs.start_message_move_task(SourceArn=queue.arn)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        [task, *_] = sqs.list_message_move_tasks(SourceArn=queue.arn, MaxResults=1)["Results"]
        if task["Status"] == "COMPLETED":
            return Outcome(queue.name, f"{task['ApproximateNumberOfMessagesMoved']} {back}")
        if task["Status"] != "RUNNING":
            return Outcome(queue.name, f"{task['Status'].lower()}: {task.get('FailureReason', 'no reason')}", failed=True)
        time.sleep(0.5)
    return Outcome(queue.name, f"about {queue.count} are still on their way {back}")


def replayed(sqs: "SQSClient", queue: DeadLetters, aws: Account) -> Outcome:
    """Takes no more than were there at first: what fails again comes back into the queue meanwhile."""
    functions = aws.session.client("lambda", endpoint_url=aws.endpoint)
    done: dict[str, int] = {}
    left = 0
    while sum(done.values()) + left < queue.count:
        asked = sqs.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=min(10, queue.count - sum(done.values()) - left),
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=2,
            MessageAttributeNames=["All"],
        )
        messages = asked.get("Messages", [])
        if not messages:
            break
        for message in messages:
            where = hand_over(message, sqs, functions)
            if where is None:
                left += 1
                sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
                continue
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            done[where] = done.get(where, 0) + 1
        if left:  # they would come again at once
            break
    said = [f"{count} handed to {where}" for where, count in done.items()]
    if left:
        said.append("what cannot be put back by itself stays: docs/operations.md says what to do")
    return Outcome(queue.name, "; ".join(said) or "there was nothing any more")


def hand_over(message: "MessageTypeDef", sqs: "SQSClient", functions: "LambdaClient") -> str | None:
    """Who got it; None if it does not say who should."""
    attributes = message.get("MessageAttributes", {})
    if "TARGET_ARN" in attributes:
        target = attributes["TARGET_ARN"].get("StringValue", "")
        name = target.rpartition(":")[2]
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
        return name
    match read(message["Body"]):
        case {"requestContext": {"functionArn": str(function)}, "requestPayload": payload}:
            functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(payload))
            return function.partition(":function:")[2].partition(":")[0]
    return None


def read(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="redrive", description="Put back what was given up on.")
    parser.add_argument("--stage", required=True, choices=stages())
    parser.add_argument("--queue", help="the one queue, as `imports` or by its whole name; all of them if left out")
    parser.add_argument("--endpoint", help="address of a local AWS; AWS itself if left out and AWS_ENDPOINT_URL is not set")
    arguments = parser.parse_args()
    try:
        aws = Account.of(boto3.Session(), arguments.endpoint)
        outcomes = []
        for outcome in redrive(arguments.stage, aws, arguments.queue):
            outcomes.append(outcome)
            print(f"{outcome.queue}: {outcome.said}", flush=True)
    except (BotoCoreError, ClientError) as fault:
        sys.exit(str(fault))
    if not outcomes:
        print("There are no dead letters." if arguments.queue is None else f"There is nothing in {arguments.queue}.")
    if any(outcome.failed for outcome in outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
