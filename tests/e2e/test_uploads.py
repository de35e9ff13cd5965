"""What people upload reaches its function, in the deployed application, and what was given up on can be put back."""

import json
import os
import uuid
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


def events_of(deployed: Deployed, function: str) -> list[dict[str, Any]]:
    """What the function has written of each event that it was called with."""
    group = f"/aws/lambda/{deployed.function(function)}"
    told = deployed.client("logs").filter_log_events(logGroupName=group)["events"]
    lines = [line for event in told for line in event["message"].splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line.get("message") == "event"]


def versions(deployed: Deployed, key: str) -> list[str]:
    asked = deployed.client("s3").list_object_versions(Bucket=deployed.deployment.outputs["FilesBucketName"], Prefix=key)
    return [version["VersionId"] for version in (*asked.get("Versions", []), *asked.get("DeleteMarkers", []))]


@pytest.mark.parametrize("folder", PREFIXES)
def test_what_is_uploaded_by_a_form_reaches_its_function_which_removes_what_belongs_to_nothing(
    folder: str, deployed: Deployed
) -> None:
    key, other = key_without_item(folder), f"elsewhere/{uuid.uuid4()}"
    for one in (other, key):
        upload(deployed, one)

    deployed.wait_for(lambda: True if versions(deployed, key) == [] else None)
    assert len(versions(deployed, other)) == 1


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
    tries = [event["status"] for event in events_of(deployed, "OnUpload")]
    assert tries[-3:] == ["failed"] * 3

    aws = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)
    [outcome] = redrive("local", aws, "uploads")

    assert (outcome.queue, outcome.said, outcome.failed) == ("daybook-local-uploads-dlq", f"1 handed to {function}", False)
    deployed.wait_for(lambda: len(events_of(deployed, "OnUpload")) > len(tries) or None)
    [again] = deployed.wait_for(lambda: given_up(deployed) or None)
    assert again["requestPayload"] == broken
    deployed.client("sqs").purge_queue(QueueUrl=deployed.deployment.outputs["UploadsDeadLettersUrl"])
