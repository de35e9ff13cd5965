"""The whole of it: the resources as the template declares them, the functions, the clients, and the faults between them."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.loaders
import botocore.session
from botocore.handlers import BUILTIN_HANDLERS

from operations.deploy import Account
from operations.project import ROOT, stage_environment
from operations.redrive import redrive
from tests.faults.functions import Done, Functions, compile_once
from tests.faults.in_process_aws import InProcessAws
from tests.faults.plane import Plane
from tests.faults.pump import Item, Pump
from tests.faults.virtual_time import VirtualClock
from tests.faults.workflows import with_functions

STAGE: Final = "local"
ACCOUNT: Final = "0" * 12
REGION: Final = "us-east-1"
TABLE: Final = f"daybook-{STAGE}"
RETRIES_SECONDS: Final = (1, 2, 4, 8, 16, 32)
"""What a well-made client waits before it asks again."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def passes(self) -> bool:
        """Whether to ask again: a 5xx, or somebody else was at it at the same moment, oneself perhaps."""
        at_it = isinstance(self.body, dict) and self.body.get("code") in {"contended", "idempotency_in_progress"}
        return self.status >= 500 or at_it

    def expect(self, *statuses: int) -> Any:
        """The body. Raises: AssertionError for any other status."""
        assert self.status in statuses, f"HTTP {self.status}: {self.body}"
        return self.body


@dataclass(frozen=True, slots=True)
class StoredVersion:
    version_id: str
    content: bytes


@dataclass(slots=True)
class HttpClient:
    """Somebody at the API; `patient` asks again where that may help, as one does who cannot know what became of the request."""

    cloud: "Cloud"
    patient: bool = True
    token: str | None = None
    asked_again: int = field(default=0)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str = "") -> HttpAnswer:
        """`key` is an Idempotency-Key."""
        return self.ask("POST", path, body, {"Idempotency-Key": key} if key else {})

    def get(self, path: str) -> HttpAnswer:
        return self.ask("GET", path)

    def delete(self, path: str) -> HttpAnswer:
        return self.ask("DELETE", path)

    def put(self, path: str, body: Mapping[str, Any]) -> HttpAnswer:
        return self.ask("PUT", path, body)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        answer = self.cloud.serve(method, path, body, self.token, headers)
        for pause in RETRIES_SECONDS if self.patient else ():
            if not answer.passes:
                break
            self.asked_again += 1
            self.cloud.clock.advance(pause)
            answer = self.cloud.serve(method, path, body, self.token, headers)
        return answer


class Cloud:
    """One for a process: MiniStack keeps its state in its modules."""

    def __init__(self, start: datetime) -> None:
        self.clock = VirtualClock(start)
        self.clock.stop_sleeping()
        os.environ |= _function_environment()
        _read_models_once()
        compile_once()
        self.aws = InProcessAws(self.clock)
        self.plane = Plane(self.aws, self.clock)
        BUILTIN_HANDLERS.append(("before-send", self.plane.before_send))
        self._session = botocore.session.get_session()
        self._clients: dict[str, Any] = {}
        template = json.loads((ROOT / ".chalice" / "resources.json").read_text())
        self._create(template)
        self.functions = Functions(self.plane, self.clock)
        self.pump = Pump(self.functions, self.clock, self.client, template["Resources"], ACCOUNT, STAGE)
        self._bouncing = 0

    def client(self, service: str) -> Any:
        """A client of a cloud service whose calls nobody counts, as long as no function runs."""
        if service not in self._clients:
            self._clients[service] = self._session.create_client(service, region_name=REGION)
        return self._clients[service]

    def _create(self, template: Mapping[str, Any]) -> None:
        """What stands in the template beside the functions, which SAM would make."""
        made = with_functions(template, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:")
        # Nothing is measured here; and a template that is sent by itself has room for 51,200 characters.
        resources = {name: part for name, part in made if not part["Type"].startswith("AWS::CloudWatch::")}
        workflow = resources["OrderWorkflow"]["Properties"]
        workflow["Definition"] = json.loads((ROOT / ".chalice" / Path(workflow.pop("DefinitionS3Location")).name).read_text())
        stack = self.client("cloudformation")
        parameters = {"Stage": STAGE, "MailSender": os.environ["DAYBOOK_MAIL_SENDER"]}
        stack.create_stack(
            StackName="daybook",
            TemplateURL=self._publish("template.json", json.dumps({**template, "Resources": resources})),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        status = stack.describe_stacks(StackName="daybook")["Stacks"][0]["StackStatus"]
        if status != "CREATE_COMPLETE":
            raise RuntimeError(f"the resources could not be made: {status}")
        made = stack.describe_stack_resources(StackName="daybook")["StackResources"]
        ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}
        os.environ |= {"DAYBOOK_ORDER_WORKFLOW": ids["OrderWorkflow"], "DAYBOOK_ORDERS_TOPIC": ids["OrdersTopic"]}
        # The sender's address is verified by a person, once, outside of the template.
        self.client("ses").verify_email_identity(EmailAddress=os.environ["DAYBOOK_MAIL_SENDER"])

    def _publish(self, name: str, text: str) -> str:
        """Where CloudFormation finds it: a template of that length is not taken from the request."""
        s3, bucket = self.client("s3"), "deployment"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=name, Body=text.encode())
        return f"https://s3.amazonaws.com/{bucket}/{name}"

    # What one looks at

    def items(self) -> list[Item]:
        """The whole table, in attribute values."""
        from ministack.services import dynamodb

        return [item for partition in dynamodb._tables[TABLE]["items"].values() for item in partition.values()]

    def books(self) -> dict[str, dict[str, str]]:
        """By the end of its key, what the sandbox of payments knows."""
        return {
            item["sk"]["S"]: {name: str(*value.values()) for name, value in item.items()}
            for item in self.items()
            if item["type"]["S"] == "books" and "#ProcessPayment" in item["sk"]["S"]
        }

    def documents(self) -> dict[str, list[bytes]]:
        """By key, every version of a PDF that was ever stored there."""
        s3, bucket = self.client("s3"), os.environ["DAYBOOK_BUCKET"]
        stored: dict[str, list[bytes]] = {}
        for version in s3.list_object_versions(Bucket=bucket, Prefix="documents/").get("Versions", []):
            content = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
            stored.setdefault(version["Key"], []).append(content)
        return stored

    def files(self) -> dict[str, list[StoredVersion]]:
        """By key, what is in the bucket of files: the newest version first."""
        s3, stored = self.client("s3"), dict[str, list[StoredVersion]]()
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=_files_bucket()):
            for version in page.get("Versions", []):
                key, version_id = version["Key"], version["VersionId"]
                content = s3.get_object(Bucket=_files_bucket(), Key=key, VersionId=version_id)["Body"].read()
                stored.setdefault(key, []).append(StoredVersion(version_id, content))
        return stored

    def index_file(self, account_id: str) -> bytes | None:
        """What S3 has as the account's search index now; None if nothing."""
        s3 = self.client("s3")
        try:
            content: bytes = s3.get_object(Bucket=_index_bucket(), Key=_index_key(account_id))["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        return content

    # What happens to it

    def put_index_file(self, account_id: str, content: bytes | None) -> None:
        """As somebody might who has the bucket at hand; None to remove it."""
        s3, where = self.client("s3"), {"Bucket": _index_bucket(), "Key": _index_key(account_id)}
        if content is None:
            s3.delete_object(**where)
        else:
            s3.put_object(**where, Body=content)

    def upload(self, fields: Mapping[str, str], content: bytes) -> None:
        """Somebody posts a file with a form of ours, of which S3 tells."""
        self.client("s3").put_object(
            Bucket=_files_bucket(), Key=fields["key"], ContentType=fields["Content-Type"], Body=content
        )

    def redrive(self, queue: str) -> None:
        """A person puts back what was given up on, as `make redrive QUEUE=...` does."""
        aws = Account(boto3.Session(botocore_session=self._session, region_name=REGION), ACCOUNT, REGION, None)
        for outcome in redrive(STAGE, aws, queue):
            assert not outcome.failed, outcome

    def bounce(self, recipient: str, tags: Mapping[str, str], message_id: str) -> None:
        """SES tells the default bus that a mail has come back."""
        from ministack.services import eventbridge

        self._bouncing += 1
        detail = {
            "eventType": "Bounce",
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": recipient, "diagnosticCode": "smtp; 550 5.1.1 user unknown"}],
                "feedbackId": f"feedback-{self._bouncing}",
            },
            "mail": {
                "messageId": message_id,
                "tags": {"ses:configuration-set": [TABLE], **{name: [value] for name, value in tags.items()}},
            },
        }
        entry = {"Source": "aws.ses", "DetailType": "Email Bounced", "Detail": json.dumps(detail)}
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

    def serve(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        token: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """API Gateway: the authorizer, then the handler; 500 if the one fails, 502 or 504 if the other does."""
        resource, parameters = self._route(urlsplit(path).path)
        request = self._request(method, path, resource, parameters, body, headers or {})
        if token is not None:
            arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api/{STAGE}/{method}{urlsplit(path).path}"
            allowed = self.functions.invoke(
                "authorize", {"type": "TOKEN", "methodArn": arn, "authorizationToken": f"Bearer {token}"}
            )
            if not isinstance(allowed, Done):
                unauthorized = allowed.reason == "Exception: Unauthorized"
                return HttpAnswer(401 if unauthorized else 500, allowed.reason, {})
            request["requestContext"]["authorizer"] = {
                **allowed.answer["context"],
                "principalId": allowed.answer["principalId"],
            }
        outcome = self.functions.invoke("api_handler", request)
        if not isinstance(outcome, Done):
            return HttpAnswer(504 if outcome.timed_out else 502, outcome.reason, {})
        answer = outcome.answer
        text = answer.get("body") or ""
        answered = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        content = json.loads(text) if "json" in answered.get("content-type", "") else text
        return HttpAnswer(answer["statusCode"], content, answered)

    def _route(self, path: str) -> tuple[str, dict[str, str]]:
        for pattern in self.functions.application().app.routes:
            matched = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
            if matched:
                return pattern, matched.groupdict()
        raise LookupError(path)

    def _request(
        self,
        method: str,
        path: str,
        resource: str,
        parameters: dict[str, str],
        body: Mapping[str, Any] | None,
        more: Mapping[str, str],
    ) -> dict[str, Any]:
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(urlsplit(path).query):
            query.setdefault(name, []).append(value)
        headers = {"Host": "api", "Content-Type": "application/json", **more}
        return {
            "resource": resource,
            "path": urlsplit(path).path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "multiValueQueryStringParameters": query or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": method,
                "path": f"/{STAGE}{urlsplit(path).path}",
                "requestId": f"http-{len(self.plane.calls)}",
                "identity": {"sourceIp": "203.0.113.7"},
            },
        }


def _index_bucket() -> str:
    return os.environ["DAYBOOK_BUCKET"] + "-search"


def _files_bucket() -> str:
    return os.environ["DAYBOOK_BUCKET"] + "-files"


def _index_key(account_id: str) -> str:
    return f"search/v1/{account_id}.sqlite"


OF_ORDERS: Final = (
    "on_order_placed",
    "validate_order",
    "reserve_inventory",
    "process_payment",
    "create_shipment",
    "send_confirmation",
    "confirm_order",
    "void_shipment",
    "refund_payment",
    "release_inventory",
    "notify_customer",
    "fail_order",
    "give_up_order",
)
OF_FILES: Final = ("on_upload", "on_incoming", "on_import")
INSTANCES: Final = {
    "api_handler": 1,
    "authorize": 1,
    "nightly": 1,
    "tidy": 1,
    "on_invoice_due": 3,
    "on_change": 1,
    "on_searchable_change": 1,
    "on_stale_index": 1,
    "on_delivery": 3,
    **dict.fromkeys(OF_ORDERS, 1),
    "on_upload": 3,
    "on_incoming": 1,
    "on_import": 2,
}
"""Environments that are made before a run, where they are made once for all; more are made as they are needed."""
CROWD: Final = INSTANCES | {"api_handler": 4, "authorize": 4}
"""The same where many ask at once."""


def _function_environment() -> dict[str, str]:
    """That of the local stage, but no endpoint: every call ends before the wire.

    Tokens live by the system's time, and a campaign takes longer than an hour of it.
    """
    environment = {name: value for name, value in stage_environment(STAGE).items() if name != "AWS_ENDPOINT_URL"}
    return {
        **environment,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "DAYBOOK_TOKEN_LIFETIME_SECONDS": "86400",
    }


def _read_models_once() -> None:
    """A process of its own would read botocore's models again; what they say is the same."""
    loader = botocore.loaders.create_loader()

    def the_loader(search_path_string: str | None = None) -> Any:
        return loader

    botocore.session.create_loader = the_loader
