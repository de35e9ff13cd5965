"""The packaged application, deployed into a local AWS of its own that enforces every function's policy."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
import requests

from operations.deploy import Account, Deployment, deploy
from operations.local_aws import LocalAws, running
from operations.package import package

TIMEOUT_SECONDS = 30
PATIENCE_SECONDS = 180
T = TypeVar("T")


@dataclass(frozen=True)
class Deployed:
    """Everything that somebody outside has: the API's address, and the AWS account that it stands in."""

    aws: LocalAws
    deployment: Deployment

    @property
    def url(self) -> str:
        return self.deployment.api_url

    def client(self, service: str) -> Any:
        session = boto3.Session(botocore_session=self.aws.session())
        return session.client(service, endpoint_url=self.aws.endpoint)  # type: ignore[call-overload]

    def function(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(
            StackName=self.deployment.stack, LogicalResourceId=logical_id
        )
        name: str = found["StackResourceDetail"]["PhysicalResourceId"]
        return name

    def wait_for(self, what: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
        """What comes in the end; if it does not, what the functions said instead."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = what()
            if found is not None:
                return found
            time.sleep(0.2)
        raise AssertionError(f"did not come within {seconds} s; the functions' logs end:\n{self.said()}")

    def said(self) -> str:
        logs = self.client("logs")
        said = [
            event["message"]
            for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/daybook-")["logGroups"]
            for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"][-60:]
        ]
        return "\n".join(line for line in said if not line.startswith(("START", "END", "REPORT")))

    def events_of(self, function: str) -> list[dict[str, Any]]:
        """What the function has written of each event that it was called with."""
        group = f"/aws/lambda/{self.function(function)}"
        told = self.client("logs").filter_log_events(logGroupName=group)["events"]
        lines = [line for event in told for line in event["message"].splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line.get("message") == "event"]

    def run_night(self, at: datetime, function: str = "Nightly") -> None:
        """As its schedule does: at 02:00 UTC for the invoices, half an hour later to tidy."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "account": self.aws.account,
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": self.aws.region,
            "resources": [],
            "detail": {},
        }
        answer = self.client("lambda").invoke(FunctionName=self.function(function), Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()


class Person:
    """Somebody with a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """The JSON of an answer with that status; for a redirect, where it leads."""
        answer = self.send(method, path, body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.headers["Location"] if answer.is_redirect else answer.json()

    def send(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> requests.Response:
        return requests.request(
            method,
            self.url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )


class User(Person):
    """The owner of a new account."""

    def __init__(self, url: str, **account: str) -> None:
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.password = "a password of some length"
        form = {"name": "Mara Lindström", "currency": "EUR", "time_zone": "Europe/Vienna", "country": "AT"}
        opened = requests.post(
            url + "/v1/accounts",
            json={**form, "email": self.email, "password": self.password, **account},
            timeout=TIMEOUT_SECONDS,
        )
        assert opened.status_code == 201, opened.text
        super().__init__(url, opened.json()["access_token"])
        self.account_id: str = opened.json()["account"]["id"]


def upload(form: Mapping[str, Any], content: bytes, **changed: str) -> requests.Response:
    """As a browser does with a form that the API has signed; `changed` are fields that are not as it was signed."""
    fields = {**form["fields"], **changed}
    return requests.post(form["url"], data=fields, files={"file": ("C:\\fakepath\\x", content)}, timeout=TIMEOUT_SECONDS)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder: Path = tmp_path_factory.mktemp("end-to-end")
    made = package("local", folder / "package")
    with running(mail=folder / "mail", log=folder / "local-aws.log", enforce_policies=True, workflow_pauses=0.02) as aws:
        account = Account.of(boto3.Session(botocore_session=aws.session()), aws.endpoint)
        yield Deployed(aws, deploy(made, account))
