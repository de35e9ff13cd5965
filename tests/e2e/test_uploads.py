"""What people upload reaches its function, in the deployed application, and what was given up on can be put back."""

import json
import os
from datetime import UTC, datetime
from typing import Any, Final

import boto3
import pytest
import requests
from botocore.config import Config

from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, make_id
from operations.deploy import Account
from operations.redrive import redrive
from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

FUNCTIONS: Final = {"uploads": "OnUpload", "incoming": "OnIncoming"}
PREFIXES: Final[dict[str, Prefix]] = {"uploads": "img", "incoming": "imp"}


def an_id(prefix: Prefix) -> str:
    return make_id(prefix, datetime.now(UTC), os.urandom(ENTROPY_BYTES))


def key_without_item(folder: str) -> str:
    return f"{folder}/{an_id('acc')}/{an_id(PREFIXES[folder])}/naïve + file (1).jpg"


def upload(deployed: Deployed, key: str) -> None:
    """As a browser does with a form that the API has signed."""
    session = boto3.Session(botocore_session=deployed.aws.session())
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = session.client("s3", endpoint_url=deployed.aws.endpoint, config=config)
    form = s3.generate_presigned_post(deployed.deployment.outputs["FilesBucketName"], key)
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"content"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize("folder", FUNCTIONS)
def test_what_is_uploaded_by_a_form_reaches_the_function_of_its_folder(folder: str, deployed: Deployed) -> None:
    before = {function: len(deployed.events_of(function)) for function in FUNCTIONS.values()}
    upload(deployed, key_without_item(folder))

    [event] = deployed.wait_for(lambda: deployed.events_of(FUNCTIONS[folder])[before[FUNCTIONS[folder]] :] or None)
    assert (event["status"], event["records"], event["failures"]) == ("done", 1, 0)
    [other] = set(FUNCTIONS.values()) - {FUNCTIONS[folder]}
    assert len(deployed.events_of(other)) == before[other]


def given_up(deployed: Deployed) -> list[dict[str, Any]]:
    sqs, url = deployed.client("sqs"), deployed.deployment.outputs["UploadsDeadLettersUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_an_event_that_fails_three_times_is_kept_and_handed_over_again(deployed: Deployed) -> None:
    # The second has a key that none of ours can read: no retry helps, until somebody mends what reads it.
    broken = {"Records": [{"s3": {"bucket": {"name": "files"}, "object": {"key": key}}} for key in ("uploads/nobody's", 7)]}
    function = deployed.function("OnUpload")
    deployed.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(broken))
    [kept] = deployed.wait_for(lambda: given_up(deployed) or None)
    assert kept["requestPayload"] == broken
    tries = [event["status"] for event in deployed.events_of("OnUpload")]
    assert tries[-3:] == ["failed"] * 3

    aws = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)
    [outcome] = redrive("local", aws, "uploads")

    assert (outcome.queue, outcome.said, outcome.failed) == ("daybook-local-uploads-dlq", f"1 handed to {function}", False)
    deployed.wait_for(lambda: len(deployed.events_of("OnUpload")) > len(tries) or None)
    [again] = deployed.wait_for(lambda: given_up(deployed) or None)
    assert again["requestPayload"] == broken
    deployed.client("sqs").purge_queue(QueueUrl=deployed.deployment.outputs["UploadsDeadLettersUrl"])
