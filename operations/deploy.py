"""Puts a packaged stage into AWS, or into the local one, as one CloudFormation stack.

The zip goes, under the hash of its content, into a bucket that is made for it; the stack is created or changed through
a change set, so that an unchanged application is an unchanged stack and takes no time.
"""

import argparse
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from operations.package import Package, PackagingFailed, package
from operations.project import stages

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef
    from mypy_boto3_s3 import S3Client

WAIT_SECONDS: Final = 1800
UNCHANGED: Final = ("The submitted information didn't contain changes", "No updates are to be performed")
PYTHON_ON_AWS: Final = (3, 12)
"""The oldest runtime of Lambda that will do: before it they stand on Amazon Linux 2, whose SQLite is of 2013, without FTS5."""
NEVER_FINISHED: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_COMPLETE"})


class DeploymentFailed(Exception):
    """What went wrong, in words for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Deployment:
    stack: str
    changed: bool
    api_url: str
    outputs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """The AWS account and region that a session is for."""

    session: boto3.Session
    id: str
    region: str
    endpoint: str | None

    @classmethod
    def of(cls, session: boto3.Session, endpoint: str | None = None) -> "Account":
        sts = session.client("sts", endpoint_url=endpoint)
        return cls(session, sts.get_caller_identity()["Account"], sts.meta.region_name, local_endpoint(sts.meta.endpoint_url))

    def cloudformation(self) -> "CloudFormationClient":
        return self.session.client("cloudformation", endpoint_url=self.endpoint)

    def s3(self) -> "S3Client":
        if self.endpoint:
            config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
        else:
            config = Config(s3={"us_east_1_regional_endpoint": "regional"})  # else that region's is s3.amazonaws.com
        return self.session.client("s3", endpoint_url=self.endpoint, config=config)


def local_endpoint(url: str) -> str | None:
    """The address, if it is not one of AWS's own."""
    return None if ".amazonaws.com" in url else url


def check_python(account: Account, version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """A package is for the Python that makes it. Raises: DeploymentFailed."""
    if account.endpoint is None and version < PYTHON_ON_AWS:
        oldest = ".".join(map(str, PYTHON_ON_AWS))
        raise DeploymentFailed(
            f"For AWS, package with Python {oldest} or later: remove .venv, then `make deploy PYTHON=python3.13`."
        )


def deploy(made: Package, account: Account, parameters: dict[str, str] | None = None) -> Deployment:
    """Raises: DeploymentFailed."""
    stack = f"daybook-{made.stage}"
    cloudformation, s3 = account.cloudformation(), account.s3()
    template = json.loads(made.template.read_text())
    given = stack_parameters(cloudformation, stack, template, parameters or {})
    bucket = artifact_bucket(s3, account)
    point_at_code(template, f"s3://{bucket}/{upload(s3, bucket, made.zip.read_bytes(), 'zip')}")
    body = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    source = {"TemplateURL": object_url(s3, bucket, upload(s3, bucket, body, "json"))}
    changed = change_stack(cloudformation, stack, source, given)
    outputs = stack_outputs(cloudformation, stack)
    return Deployment(stack, changed, api_url(outputs, account), outputs)


def artifact_bucket(s3: "S3Client", account: Account) -> str:
    """The bucket for zips and templates, made on the first deployment: private, as S3 encrypts every one."""
    name = f"daybook-artifacts-{account.id}-{account.region}"
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account.id)
        return name
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    if account.region == "us-east-1":  # which is no location constraint, but the absence of one
        s3.create_bucket(Bucket=name)
    else:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": account.region})  # type: ignore[typeddict-item]
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    return name


def upload(s3: "S3Client", bucket: str, content: bytes, suffix: str) -> str:
    """The key, which is made from the content: what is there already need not go up again."""
    key = f"{hashlib.sha256(content).hexdigest()}.{suffix}"
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    return key


def object_url(s3: "S3Client", bucket: str, key: str) -> str:
    """At the region's own host: the global one redirects, for as long as a new bucket's name is not yet known everywhere."""
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def point_at_code(template: dict[str, Any], uri: str) -> None:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = uri


def stack_parameters(
    cloudformation: "CloudFormationClient", stack: str, template: dict[str, Any], given: dict[str, str]
) -> "list[ParameterTypeDef]":
    """What is given; of the rest what the stack has already keeps its value, and what is new gets its default.

    Raises: DeploymentFailed if mail would come from an address that nobody can have, but locally.
    """
    declared: dict[str, Any] = template.get("Parameters", {})
    described = stack_description(cloudformation, stack)
    former: dict[str, str] = {}
    if described is not None and described["StackStatus"] not in NEVER_FINISHED:
        told = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described.get("Parameters", [])}
        former = {name: told[name] for name in told if name in declared}
    defaults = {name: parameter["Default"] for name, parameter in declared.items() if "Default" in parameter}
    values = defaults | former | given
    if values.get("Stage") != "local" and is_reserved(values.get("MailSender", "")):
        raise DeploymentFailed(
            f"Mail of {stack} would come from {values['MailSender']}, which nobody can have. Give an address that SES has "
            "verified: make deploy MAIL_SENDER=..., or --mail-sender."
        )
    kept: list[ParameterTypeDef] = [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(former.keys() - given)]
    return kept + [{"ParameterKey": name, "ParameterValue": value} for name, value in sorted(given.items())]


def is_reserved(address: str) -> bool:
    """Whether it is in the domain that is for examples only (RFC 2606, 2)."""
    return address.rstrip(">. ").lower().endswith(".example")


def change_stack(
    cloudformation: "CloudFormationClient", stack: str, source: dict[str, str], parameters: "list[ParameterTypeDef]"
) -> bool:
    """Whether anything had to change."""
    status = stack_status(cloudformation, stack)
    if status is not None and status in NEVER_FINISHED - {"DELETE_COMPLETE", "REVIEW_IN_PROGRESS"}:
        raise DeploymentFailed(f"The stack {stack} is {status}: its first creation failed. Delete it, then deploy again.")
    kind = "CREATE" if status is None or status in NEVER_FINISHED else "UPDATE"
    change_set = f"deploy-{time.time_ns()}"
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=change_set,
        ChangeSetType=kind,  # type: ignore[arg-type]
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        **source,  # type: ignore[arg-type]
    )
    if not change_set_has_changes(cloudformation, stack, change_set):
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=change_set)
        return False
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=change_set)
    wait_for_stack(cloudformation, stack, kind)
    return True


def stack_status(cloudformation: "CloudFormationClient", stack: str) -> str | None:
    described = stack_description(cloudformation, stack)
    return None if described is None else described["StackStatus"]


def stack_description(cloudformation: "CloudFormationClient", stack: str) -> "StackTypeDef | None":
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as problem:
        if "does not exist" in problem.response["Error"]["Message"]:
            return None
        raise


def change_set_has_changes(cloudformation: "CloudFormationClient", stack: str, change_set: str) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.05
    while time.monotonic() < deadline:
        described = cloudformation.describe_change_set(StackName=stack, ChangeSetName=change_set)
        if described["Status"] == "CREATE_COMPLETE":
            return bool(described["Changes"])
        if described["Status"] == "FAILED":
            reason = described.get("StatusReason", "")
            if any(words in reason for words in UNCHANGED):
                return False
            raise DeploymentFailed(f"CloudFormation refuses the template of {stack}: {reason}")
        time.sleep(pause)
        pause = min(2 * pause, 5)
    raise DeploymentFailed(f"CloudFormation did not work out the changes of {stack} in {WAIT_SECONDS} s.")


def wait_for_stack(cloudformation: "CloudFormationClient", stack: str, kind: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.05
    while time.monotonic() < deadline:
        status = stack_status(cloudformation, stack)
        if status == f"{kind}_COMPLETE":
            return
        if status is None or (status.endswith(("_FAILED", "ROLLBACK_COMPLETE")) and "IN_PROGRESS" not in status):
            raise DeploymentFailed(f"The stack {stack} is {status}:\n{failures(cloudformation, stack)}")
        time.sleep(pause)
        pause = min(2 * pause, 5)
    raise DeploymentFailed(f"The stack {stack} is still not done after {WAIT_SECONDS} s.")


def failures(cloudformation: "CloudFormationClient", stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(
        f"  {event.get('LogicalResourceId')}: {event.get('ResourceStatusReason')}"
        for event in reversed(events)
        if event.get("ResourceStatus", "").endswith("_FAILED") and event.get("ResourceStatusReason")
    )


def stack_outputs(cloudformation: "CloudFormationClient", stack: str) -> dict[str, str]:
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def api_url(outputs: dict[str, str], account: Account) -> str:
    if account.endpoint is None:
        return outputs["EndpointURL"].rstrip("/")
    stage = outputs["EndpointURL"].rstrip("/").rpartition("/")[2]
    return f"{account.endpoint}/restapis/{outputs['RestAPIId']}/{stage}/_user_request_"


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy", description="Package a stage and put it into AWS or the local AWS.")
    parser.add_argument("--stage", required=True, choices=stages())
    parser.add_argument("--endpoint", help="address of a local AWS; AWS itself if left out and AWS_ENDPOINT_URL is not set")
    parser.add_argument(
        "--mail-sender", help="address that invoices come from (the one that the stack has; at first .chalice/config.json's)"
    )
    parser.add_argument("--alarm-mail", help="address that alarms are mailed to (the one that the stack has; at first none)")
    parser.add_argument("--with-chalice", action="store_true", help="let `chalice deploy` make the functions and the API")
    arguments = parser.parse_args()
    given = {"MailSender": arguments.mail_sender, "AlarmMail": arguments.alarm_mail}
    parameters = {name: value for name, value in given.items() if value}
    try:
        account = Account.of(boto3.Session(), arguments.endpoint)
        check_python(account)
        if arguments.with_chalice:
            from operations.with_chalice import deploy_with_chalice

            done = deploy_with_chalice(package(arguments.stage), account, parameters)
        else:
            done = deploy(package(arguments.stage), account, parameters)
    except (PackagingFailed, DeploymentFailed, BotoCoreError, ClientError, WaiterError) as problem:
        sys.exit(str(problem))
    print(f"The stack {done.stack} {'is deployed' if done.changed else 'had no changes'}.")
    for name, value in sorted(done.outputs.items()):
        print(f"  {name}: {value}")
    print(f"The API answers at {done.api_url}")


if __name__ == "__main__":
    main()
