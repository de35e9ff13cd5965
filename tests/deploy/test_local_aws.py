"""The local AWS does what AWS does, where the application relies on it. With small functions, not with the application."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from operations.deploy import Account, Deployment, DeploymentFailed, change_stack, deploy, stack_outputs, stack_parameters
from operations.local_aws import LocalAws, LocalAwsFailed, running
from operations.mail_sink import LOOPBACK
from operations.package import Package
from operations.project import ROOT

T = TypeVar("T")
PATIENCE_SECONDS = 120
TIMEOUT_SECONDS = 30
ROLE = "arn:aws:iam::000000000000:role/any"
READER = """
import os

def handler(event, context):
    keys = [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
    print("batch", *keys)
    for record, key in zip(event["Records"], keys):
        if key.startswith("raise"):
            raise ValueError(key)
        if key.startswith("report"):
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def session(aws: LocalAws) -> boto3.Session:
    return boto3.Session(botocore_session=aws.session())


@pytest.fixture(scope="module")
def deployment(aws: LocalAws, session: boto3.Session, packaged: Package) -> Deployment:
    return deploy(packaged, Account.of(session, aws.endpoint))


def wait_for(what: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not come within {PATIENCE_SECONDS} s")


def code(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("probe.py", source)
    return packed.getvalue()


class Stream:
    """A table whose changes one small function reads, in batches of up to ten."""

    def __init__(self, aws: LocalAws, session: boto3.Session, name: str, *patterns: Any) -> None:
        """`patterns` of the records that the function is to see; all if there are none."""
        self.name = name
        self.dynamodb = session.client("dynamodb", endpoint_url=aws.endpoint)
        self.sqs = session.client("sqs", endpoint_url=aws.endpoint)
        self.logs = session.client("logs", endpoint_url=aws.endpoint)
        functions = session.client("lambda", endpoint_url=aws.endpoint)
        table = self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )["TableDescription"]
        self.given_up = self.sqs.create_queue(QueueName=f"{name}-given-up")["QueueUrl"]
        functions.create_function(
            FunctionName=name, Runtime="python3.11", Handler="probe.handler", Role=ROLE, Code={"ZipFile": code(READER)}
        )
        self._source: Any = {
            "FunctionName": name,
            "EventSourceArn": table["LatestStreamArn"],
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 10,
            "MaximumRetryAttempts": 2,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{aws.region}:{aws.account}:{name}-given-up"}},
        }
        if patterns:
            self._source["FilterCriteria"] = {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}
        self._functions = functions

    def put(self, *keys: str) -> None:
        for key in keys:
            self.dynamodb.put_item(TableName=self.name, Item={"pk": {"S": key}})

    def read(self) -> None:
        self._functions.create_event_source_mapping(**self._source)

    def batches(self) -> list[list[str]]:
        try:
            events = self.logs.filter_log_events(logGroupName=f"/aws/lambda/{self.name}")["events"]
        except self.logs.exceptions.ResourceNotFoundException:  # not called yet
            return []
        lines = [line for event in events for line in event["message"].splitlines()]
        return [line.split()[1:] for line in lines if line.startswith("batch ")]

    def given_up_on(self) -> list[dict[str, Any]]:
        messages = self.sqs.receive_message(QueueUrl=self.given_up, VisibilityTimeout=0).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


def test_after_a_partial_failure_only_the_failed_record_and_those_behind_it_come_again(
    aws: LocalAws, session: boto3.Session
) -> None:
    stream = Stream(aws, session, "partial")
    stream.put("a", "b", "report-1", "c")
    stream.read()
    [told] = wait_for(stream.given_up_on)
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["DDBStreamBatchInfo"]["batchSize"] == 2
    first, *again = stream.batches()
    assert first == ["a", "b", "report-1", "c"]
    assert again == [["report-1", "c"]] * 3  # once, and two retries


def test_a_batch_whose_function_fails_is_halved_until_only_what_fails_is_given_up(
    aws: LocalAws, session: boto3.Session
) -> None:
    stream = Stream(aws, session, "halved")
    stream.put("a", "b", "c", "raise-1", "d", "e")
    stream.read()
    [told] = wait_for(stream.given_up_on)
    assert told["DDBStreamBatchInfo"]["batchSize"] == 1
    wait_for(lambda: stream.batches()[-1][-1] == "e")
    done = [key for batch in stream.batches() if "raise-1" not in batch for key in batch]
    assert done == ["a", "b", "c", "d", "e"]
    assert stream.batches().count(["raise-1"]) == 3


def test_what_the_filter_of_a_stream_leaves_out_is_passed_over(aws: LocalAws, session: boto3.Session) -> None:
    patterns = [{"dynamodb": {"Keys": {"pk": {"S": [{"prefix": prefix}]}}}} for prefix in ("told", "report")]
    stream = Stream(aws, session, "filtered", *patterns)
    stream.put("quiet-1", "told-1", "quiet-2", "told-2", "quiet-3", "report-1", "quiet-4", "told-3", "quiet-5")
    stream.read()
    wait_for(stream.given_up_on)
    stream.put("quiet-6", "told-4")
    wait_for(lambda: stream.batches()[-1] == ["told-4"])
    first, *again = stream.batches()
    assert first == ["told-1", "told-2", "report-1", "told-3"]
    assert again == [["report-1", "told-3"]] * 3 + [["told-4"]]


def test_a_named_version_is_read_from_any_byte_on_and_under_the_headers_of_its_link(
    aws: LocalAws, session: boto3.Session
) -> None:
    s3 = session.client("s3", endpoint_url=aws.endpoint, config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="versions", Key="a", Body=b"0123456789")["VersionId"]
    first: Any = {"Bucket": "versions", "Key": "a", "VersionId": version}
    s3.put_object(Bucket="versions", Key="a", Body=b"later")

    rest = s3.get_object(**first, Range="bytes=4-")
    disposition = "attachment; filename*=UTF-8''%C3%BC.txt"
    link = s3.generate_presigned_url("get_object", {**first, "ResponseContentDisposition": disposition})

    assert (rest["Body"].read(), rest["ContentRange"], rest["ContentLength"]) == (b"456789", "bytes 4-9/10", 6)
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(**first, Range="bytes=10-")
    linked = requests.get(link, timeout=TIMEOUT_SECONDS)
    assert (linked.content, linked.headers["Content-Disposition"]) == (b"0123456789", disposition)


def test_a_policy_may_ask_for_the_sender_of_a_mail() -> None:
    with running(enforce_policies=True) as strict:
        root = boto3.Session(botocore_session=strict.session())
        iam = root.client("iam", endpoint_url=strict.endpoint)
        iam.create_user(UserName="mailer")
        statement = {
            "Effect": "Allow",
            "Action": ["ses:SendRawEmail"],
            "Resource": ["*"],
            "Condition": {"StringEquals": {"ses:FromAddress": "right@daybook.example"}},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="mailer", PolicyName="mail", PolicyDocument=document)
        key = iam.create_access_key(UserName="mailer")["AccessKey"]
        mailer = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=strict.region)
        ses = mailer.client("ses", endpoint_url=strict.endpoint)
        for address in ("right@daybook.example", "wrong@daybook.example"):
            root.client("ses", endpoint_url=strict.endpoint).verify_email_identity(EmailAddress=address)

        def send(address: str) -> None:
            raw = f"From: =?utf-8?q?Mara?= <{address}>\r\nTo: to@daybook.example\r\nSubject: Hours\r\n\r\nend\r\n"
            ses.send_raw_email(Source=address, Destinations=["to@daybook.example"], RawMessage={"Data": raw.encode()})

        send("right@daybook.example")
        with pytest.raises(ClientError, match="AccessDenied"):
            send("wrong@daybook.example")


def test_a_functions_error_carries_the_name_of_its_exception(aws: LocalAws, session: boto3.Session) -> None:
    functions = session.client("lambda", endpoint_url=aws.endpoint)
    source = "class OutOfStock(Exception):\n    pass\n\ndef handler(event, context):\n    raise OutOfStock('none left')\n"
    functions.create_function(
        FunctionName="failing", Runtime="python3.11", Handler="probe.handler", Role=ROLE, Code={"ZipFile": code(source)}
    )
    answer = functions.invoke(FunctionName="failing")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "OutOfStock"


def test_an_execution_is_started_once_as_long_as_it_runs_and_its_name_is_used_up_when_it_has_ended(
    aws: LocalAws, session: boto3.Session
) -> None:
    stepfunctions = session.client("stepfunctions", endpoint_url=aws.endpoint)
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
    machine = stepfunctions.create_state_machine(name="waiting", definition=json.dumps(waiting), roleArn=ROLE)[
        "stateMachineArn"
    ]

    def start(**given: str) -> str:
        started = stepfunctions.start_execution(stateMachineArn=machine, name="once", input=json.dumps(given))
        return str(started["executionArn"])

    execution = start(order="1")
    assert start(order="1") == execution
    with pytest.raises(stepfunctions.exceptions.ExecutionAlreadyExists):
        start(order="2")
    stepfunctions.stop_execution(executionArn=execution)
    with pytest.raises(stepfunctions.exceptions.ExecutionAlreadyExists):
        start(order="1")


def test_functions_see_nothing_of_the_environment_that_the_local_aws_runs_in(
    aws: LocalAws, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "import importlib.util, os\n\n"
        "def handler(event, context):\n"
        "    found = [name for name in ('pytest', 'moto', 'chalice', 'reportlab') if importlib.util.find_spec(name)]\n"
        "    return {'modules': found, 'endpoint': os.environ['AWS_ENDPOINT_URL'], 'python': os.environ.get('PYTHONPATH')}\n"
    )
    functions = session.client("lambda", endpoint_url=aws.endpoint)
    functions.create_function(
        FunctionName="looking", Runtime="python3.11", Handler="probe.handler", Role=ROLE, Code={"ZipFile": code(source)}
    )
    seen = json.loads(functions.invoke(FunctionName="looking")["Payload"].read())
    assert seen == {"modules": [], "endpoint": aws.endpoint, "python": None}


def test_a_second_deployment_of_the_same_package_changes_nothing(
    aws: LocalAws, session: boto3.Session, packaged: Package, deployment: Deployment
) -> None:
    again = deploy(packaged, Account.of(session, aws.endpoint))
    assert deployment.changed
    assert not again.changed
    assert again.api_url == deployment.api_url


def test_a_changed_api_keeps_its_address(
    aws: LocalAws, session: boto3.Session, packaged: Package, deployment: Deployment, tmp_path: Path
) -> None:
    template = json.loads(packaged.template.read_text())
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    paths["/ping"] = paths["/health"]
    changed = Package("local", tmp_path)
    changed.template.write_text(json.dumps(template))
    changed.zip.write_bytes(packaged.zip.read_bytes())
    assert not routed(deployment, "/ping")
    account = Account.of(session, aws.endpoint)
    after = deploy(changed, account)
    assert after.changed
    assert after.api_url == deployment.api_url
    assert routed(deployment, "/ping")
    assert deploy(packaged, account).changed
    assert not routed(deployment, "/ping")


def routed(deployment: Deployment, path: str) -> bool:
    """API Gateway names the type of what it refuses by itself; the application does not."""
    return "x-amzn-ErrorType" not in requests.get(deployment.api_url + path, timeout=TIMEOUT_SECONDS).headers


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "problem"),
    [
        ("GET", "/nowhere", None, 404, "not_found"),
        ("GET", "/nowhere", "Bearer wrong", 404, "not_found"),
        ("GET", "/v1/clients", None, 401, "unauthenticated"),
        ("GET", "/v1/clients", "Bearer wrong", 401, "unauthenticated"),
        ("PATCH", "/v1/clients", None, 405, "method_not_allowed"),
    ],
)
def test_the_gateway_refuses_with_problem_documents(
    method: str, path: str, token: str | None, status: int, problem: str, deployment: Deployment
) -> None:
    headers = {"Authorization": token} if token else {}
    answer = requests.request(method, deployment.api_url + path, headers=headers, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["code"], said["instance"]) == (status, problem, f"/api{path}")
    assert said["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_api_is_served_under_one_stage_only(aws: LocalAws, session: boto3.Session, deployment: Deployment) -> None:
    gateway = session.client("apigateway", endpoint_url=aws.endpoint)
    stages = gateway.get_stages(restApiId=deployment.outputs["RestAPIId"])["item"]
    assert [stage["stageName"] for stage in stages] == ["api"]


def test_a_preflight_is_answered_without_a_token(deployment: Deployment) -> None:
    answer = requests.options(deployment.api_url + "/v1/clients", timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_a_template_that_cannot_be_is_told_with_the_resource_that_fails(aws: LocalAws, session: boto3.Session) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "taken-by-another-stack"}}
    broken = {"Resources": {"First": bucket, "Second": bucket | {"DependsOn": "First"}}}
    cloudformation = session.client("cloudformation", endpoint_url=aws.endpoint)
    with pytest.raises(DeploymentFailed, match=r"Second: .*taken-by-another-stack"):
        change_stack(cloudformation, "broken", {"TemplateBody": json.dumps(broken)}, [])


def mail_stack(stage: str, default_sender: str) -> dict[str, Any]:
    """A stack that makes little of its parameters."""
    return {
        "Parameters": {
            "Stage": {"Type": "String", "Default": stage},
            "MailSender": {"Type": "String", "Default": default_sender},
        },
        "Resources": {
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"Tags": [{"Key": "sender", "Value": {"Ref": "MailSender"}}]},
            }
        },
        "Outputs": {"Sender": {"Value": {"Ref": "MailSender"}}},
    }


def test_a_sender_that_is_not_given_again_is_kept(aws: LocalAws, session: boto3.Session) -> None:
    cloudformation = session.client("cloudformation", endpoint_url=aws.endpoint)

    def sender_after(template: dict[str, Any], given: dict[str, str]) -> str:
        parameters = stack_parameters(cloudformation, "sending", template, given)
        change_stack(cloudformation, "sending", {"TemplateBody": json.dumps(template)}, parameters)
        return stack_outputs(cloudformation, "sending")["Sender"]

    template = mail_stack("prod", "invoices@daybook.example")
    assert sender_after(template, {"MailSender": "mara@business.test"}) == "mara@business.test"
    template["Parameters"]["Added"] = {"Type": "String", "Default": "new"}
    template["Outputs"]["Added"] = {"Value": {"Ref": "Added"}}
    assert sender_after(template, {}) == "mara@business.test"
    assert sender_after(template, {"MailSender": "office@business.test"}) == "office@business.test"
    del template["Parameters"]["Added"], template["Outputs"]["Added"]
    assert sender_after(template, {}) == "office@business.test"


@pytest.mark.parametrize("sender", ["invoices@daybook.example", "Invoices@Daybook.EXAMPLE.", "Daybook <a@b.example>"])
def test_only_locally_is_mail_sent_from_an_address_that_nobody_can_have(
    sender: str, aws: LocalAws, session: boto3.Session
) -> None:
    cloudformation = session.client("cloudformation", endpoint_url=aws.endpoint)
    with pytest.raises(DeploymentFailed, match="MAIL_SENDER"):
        stack_parameters(cloudformation, "new", mail_stack("dev", sender), {})
    with pytest.raises(DeploymentFailed, match="MAIL_SENDER"):
        stack_parameters(cloudformation, "new", mail_stack("dev", "mara@business.test"), {"MailSender": sender})
    assert stack_parameters(cloudformation, "new", mail_stack("local", sender), {}) == []


def test_a_taken_port_is_told_before_anything_starts() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalAwsFailed, match=f"Port {port} of 127.0.0.1 cannot be used"), running(port=port):
            pass


def test_a_missing_installation_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCAL_AWS_PYTHON", str(tmp_path / "python"))
    with pytest.raises(LocalAwsFailed, match="make setup"), running():
        pass


def test_mail_is_kept_as_it_came(aws: LocalAws, session: boto3.Session) -> None:
    ses = session.client("ses", endpoint_url=aws.endpoint)
    ses.verify_email_identity(EmailAddress="from@daybook.example")
    sent = b"From: from@daybook.example\r\nTo: to@daybook.example\r\nSubject: Hours\r\n\r\n.leading dot\r\nend\r\n"
    ses.send_raw_email(Source="from@daybook.example", Destinations=["to@daybook.example"], RawMessage={"Data": sent})
    [kept] = wait_for(lambda: list(aws.mail.glob("*.eml")))
    assert kept.read_bytes().partition(b"\r\n")[2] == sent  # SES puts its own Message-ID before it


def test_what_is_stored_is_found_again_after_a_restart(tmp_path: Path) -> None:
    for start in ("first", "second"):
        with running(data=tmp_path / "data") as local:
            own = boto3.Session(botocore_session=local.session())
            dynamodb = own.client("dynamodb", endpoint_url=local.endpoint)
            if start == "first":
                dynamodb.create_table(
                    TableName="kept",
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                )
                dynamodb.put_item(TableName="kept", Item={"pk": {"S": "here"}})
            else:
                assert dynamodb.scan(TableName="kept")["Items"] == [{"pk": {"S": "here"}}]


def test_a_stream_is_read_on_after_a_restart(tmp_path: Path) -> None:
    def started_session(local: LocalAws) -> boto3.Session:
        return boto3.Session(botocore_session=local.session())

    with running(data=tmp_path / "data") as local:
        stream = Stream(local, started_session(local), "outlives")
        stream.put("a", "b", "c")
        stream.read()
        wait_for(lambda: stream.batches() == [["a", "b", "c"]])
        stream.put("d")
    with running(data=tmp_path / "data") as local:
        session = started_session(local)
        stream.dynamodb = session.client("dynamodb", endpoint_url=local.endpoint)
        stream.logs = session.client("logs", endpoint_url=local.endpoint)
        stream.put("e")
        wait_for(lambda: {"d", "e"} <= {key for batch in stream.batches() for key in batch})


def test_the_local_aws_ends_even_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    starter = (
        "import os, sys\n"
        "from operations.local_aws import running\n"
        "with running() as local:\n"
        "    print(local.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    started = subprocess.run(
        [sys.executable, "-c", starter],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == -signal.SIGKILL
    wait_for(lambda: not is_running(int(started.stdout)))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
