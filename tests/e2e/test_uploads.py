"""What people upload reaches its function, in the deployed application, and what was given up on can be put back."""

import io
import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3
import pytest
import requests
from botocore.config import Config

from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, make_id
from operations.deploy import Account
from operations.redrive import redrive
from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed, User

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
    tries = [event["status"] for event in deployed.events_of("OnUpload")]
    assert tries[-3:] == ["failed"] * 3

    aws = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)
    [outcome] = redrive("local", aws, "uploads")

    assert (outcome.queue, outcome.said, outcome.failed) == ("daybook-local-uploads-dlq", f"1 handed to {function}", False)
    deployed.wait_for(lambda: len(deployed.events_of("OnUpload")) > len(tries) or None)
    [again] = deployed.wait_for(lambda: given_up(deployed) or None)
    assert again["requestPayload"] == broken
    deployed.client("sqs").purge_queue(QueueUrl=deployed.deployment.outputs["UploadsDeadLettersUrl"])


# By way of the API, as people do it, with the policies of the functions enforced


@pytest.fixture(scope="module")
def user(deployed: Deployed) -> User:
    return User(deployed.url)


def send(form: dict[str, Any], content: bytes) -> None:
    """With one of the API's forms."""
    answer = requests.post(form["url"], data=form["fields"], files={"file": content}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 204, answer.text


def a_picture(width: int, height: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 40, 40)).save(out, "JPEG")
    return out.getvalue()


def settled(deployed: Deployed, user: User, path: str, *, until: set[str]) -> Any:
    def look() -> Any:
        shown = user.ask("GET", path)
        return shown if shown["status"] in until else None

    return deployed.wait_for(look)


def test_an_image_gets_thumbnails_and_goes_with_them(deployed: Deployed, user: User) -> None:
    new = {"filename": "Ladenfront & Büro.jpg", "content_type": "image/jpeg"}
    added = user.ask("POST", "/v1/images", new, status=201)
    send(added["upload"], a_picture(800, 600))
    path = f"/v1/images/{added['id']}"
    image = settled(deployed, user, path, until={"ready", "rejected"})
    assert (image["status"], image["width"], image["height"]) == ("ready", 800, 600)
    for name, thumbnail in image["thumbnails"].items():
        got = requests.get(thumbnail["url"], timeout=TIMEOUT_SECONDS)
        assert (got.status_code, got.headers["Content-Type"]) == (200, "image/jpeg"), name
    assert set(image["thumbnails"]) == {"100x", "200x", "400x", "200x200"}
    kept = [*image["thumbnails"], "uploads"]
    key = added["upload"]["fields"]["key"].partition("/")[2]
    keys = [f"thumbnails/{name}/{key}" if name != "uploads" else f"uploads/{key}" for name in kept]
    assert all(len(versions(deployed, one)) == 1 for one in keys)

    user.ask("DELETE", path)

    user.ask("GET", path, status=404)
    assert [one for one in keys if versions(deployed, one)] == []


def test_what_is_no_image_is_rejected_and_removed(deployed: Deployed, user: User) -> None:
    added = user.ask("POST", "/v1/images", {"filename": "photo.jpg", "content_type": "image/jpeg"}, status=201)
    send(added["upload"], b"PK\x03\x04 is what a zip begins with")
    image = settled(deployed, user, f"/v1/images/{added['id']}", until={"ready", "rejected"})
    assert image["status"] == "rejected"
    assert image["reason"]
    deployed.wait_for(lambda: True if versions(deployed, added["upload"]["fields"]["key"]) == [] else None)


WORK = """\
client,start_date,start_time,end_date,end_time,description
Charles Babbage,2026-11-02,09:00,2026-11-02,10:30,Engine
Nobody,2026-11-02,11:00,2026-11-02,12:00,Engine
"""
FILES = {
    "clients": "name,rate,currency\nCharles Babbage,95.00,EUR\n,1,EUR\n",
    "products": "id,name,price,currency\nLAMP-1,A lamp,12.50,EUR\nLAMP-2,Another,minus,EUR\n",
    "work": WORK,
}
"""By kind, one good row and one bad."""


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_imported_once_however_often_it_comes(kind: str, deployed: Deployed) -> None:
    user = User(deployed.url)
    if kind == "work":
        user.ask("POST", "/v1/clients", {"name": "Charles Babbage", "rate": 95, "currency": "EUR"}, status=201)

    def run() -> Any:
        new = {"kind": kind, "filename": f"{kind} 2026.csv", "content_type": "text/csv"}
        added = user.ask("POST", "/v1/imports", new, status=201)
        send(added["upload"], FILES[kind].encode())
        return settled(deployed, user, f"/v1/imports/{added['id']}", until={"completed", "failed"})

    first, second = run(), run()

    def counts(of: Any) -> list[int]:
        return [of[f"{what}_count"] for what in ("record", "added", "unchanged", "rejected")]

    assert (first["status"], counts(first)) == ("completed", [2, 1, 0, 1]), first
    assert (second["status"], counts(second)) == ("completed", [2, 0, 1, 1]), second
    report = requests.get(first["report"], timeout=TIMEOUT_SECONDS)
    assert report.status_code == 200
    assert len(report.text.strip().splitlines()) == 2
    assert len(user.ask("GET", f"/v1/{kind}")[kind]) == 1


def test_what_was_never_uploaded_ends_in_the_night_after(deployed: Deployed, user: User) -> None:
    image = user.ask("POST", "/v1/images", {"filename": "photo.jpg", "content_type": "image/jpeg"}, status=201)
    file = {"kind": "clients", "filename": "clients.csv", "content_type": "text/csv"}
    imported = user.ask("POST", "/v1/imports", file, status=201)

    deployed.run_night(datetime.now(UTC) + timedelta(hours=25), "Tidy")

    image, imported = user.ask("GET", f"/v1/images/{image['id']}"), user.ask("GET", f"/v1/imports/{imported['id']}")
    assert (image["status"], imported["status"]) == ("rejected", "failed")
    assert "never uploaded" in image["reason"]
    assert "never uploaded" in imported["reason"]
