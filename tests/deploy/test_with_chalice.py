"""`chalice deploy` and `chalice local`: the same application without CloudFormation for it, and without packaging."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from operations.deploy import Account, Deployment, deploy
from operations.local_aws import LocalAws, free_port, running
from operations.mail_sink import LOOPBACK
from operations.package import Package
from operations.project import ROOT
from operations.with_chalice import deploy_with_chalice, infrastructure, name_resources, references

TIMEOUT_SECONDS = 30
OUTPUTS = {
    "BucketName": "daybook-prod-1",
    "MailSender": "mara@business.test",
    "OrderWorkflowArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:daybook-prod-orders",
    "OrdersTopicArn": "arn:aws:sns:eu-central-1:123456789012:daybook-prod-orders",
}
OWNER = {
    "name": "Mara",
    "email": "mara@example.com",
    "password": "a password of some length",
    "currency": "EUR",
    "time_zone": "Europe/Vienna",
    "country": "AT",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with running(enforce_policies=True) as started:
        yield started


@pytest.fixture(scope="module")
def account(aws: LocalAws) -> Account:
    return Account.of(boto3.Session(botocore_session=aws.session()), aws.endpoint)


@pytest.fixture(scope="module")
def deployment(packaged: Package, account: Account, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return deploy_with_chalice(packaged, account, records=tmp_path_factory.mktemp("chalice") / "deployed")


def test_the_infrastructure_is_the_template_without_what_chalice_makes(template: dict[str, Any]) -> None:
    alone = infrastructure(template)
    assert "Table" in alone["Resources"]
    assert not [name for name, part in alone["Resources"].items() if "Serverless" in part["Type"]]
    assert [name for name, part in alone["Resources"].items() if "IAM" in part["Type"]] == ["OrderWorkflowRole"]
    assert [name for name, part in alone["Resources"].items() if "Logs" in part["Type"]] == ["OrderWorkflowLogs"]
    assert {"BucketName", "TableStreamArn", "ChangesDeadLettersUrl", "OrderWorkflowArn"} <= alone["Outputs"].keys()
    assert "NightlyFunction" not in alone["Outputs"]
    assert "Transform" not in alone
    named = {name.partition(".")[0] for name in references(alone["Resources"]) if not name.startswith("AWS::")}
    assert named <= alone["Resources"].keys() | alone["Parameters"].keys()


def test_the_infrastructure_knows_what_chalice_calls_the_steps(template: dict[str, Any]) -> None:
    alone = infrastructure(template)["Resources"]
    arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:daybook-${Stage}-process_payment"
    assert alone["OrderWorkflow"]["Properties"]["DefinitionSubstitutions"]["ProcessPayment"] == {"Fn::Sub": arn}
    [policy] = alone["OrderWorkflowRole"]["Properties"]["Policies"]
    assert {"Fn::Sub": arn} in policy["PolicyDocument"]["Statement"][0]["Resource"]


def test_the_dashboard_knows_what_chalice_calls_the_functions(template: dict[str, Any]) -> None:
    dashboard = infrastructure(template)["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert '"Errors","FunctionName","daybook-${Stage}-on_upload",' in dashboard
    assert '"Errors","FunctionName","daybook-${Stage}",' in dashboard  # the API's: Chalice calls it after the stage only


def test_settings_of_the_configuration_stay_but_for_those_of_aws(tmp_path: Path) -> None:
    configured = {"DAYBOOK_STAGE": "prod", "DAYBOOK_ALLOWED_ORIGINS": "https://daybook.example", "AWS_REGION": "us-east-1"}
    (tmp_path / ".chalice").mkdir()
    config = tmp_path / ".chalice" / "config.json"
    config.write_text(json.dumps({"stages": {"prod": {"environment_variables": configured}}}))
    account = Account(boto3.Session(region_name="eu-central-1"), "123456789012", "eu-central-1", None)
    name_resources(tmp_path, "prod", account, OUTPUTS)
    assert json.loads(config.read_text())["stages"]["prod"]["environment_variables"] == {
        "DAYBOOK_STAGE": "prod",
        "DAYBOOK_ALLOWED_ORIGINS": "https://daybook.example",
        "DAYBOOK_BUCKET": "daybook-prod-1",
        "DAYBOOK_MAIL_SENDER": "mara@business.test",
        "DAYBOOK_ORDER_WORKFLOW": OUTPUTS["OrderWorkflowArn"],
        "DAYBOOK_ORDERS_TOPIC": OUTPUTS["OrdersTopicArn"],
    }


def test_policies_for_chalice_say_account_region_stage_and_sender(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".chalice", tmp_path / ".chalice", ignore=shutil.ignore_patterns("deployed", "deployments"))
    account = Account(boto3.Session(region_name="eu-central-1"), "123456789012", "eu-central-1", None)
    name_resources(tmp_path, "prod", account, OUTPUTS)
    [mail] = [
        statement
        for statement in json.loads((tmp_path / ".chalice" / "policy-on_delivery.json").read_text())["Statement"]
        if "ses:SendRawEmail" in statement["Action"]
    ]
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": "mara@business.test"}}
    assert mail["Resource"] == [
        "arn:aws:ses:eu-central-1:123456789012:identity/*",
        "arn:aws:ses:eu-central-1:123456789012:configuration-set/daybook-prod",
    ]


def test_what_chalice_deployed_opens_accounts_and_refuses_as_the_packaged_one_does(deployment: Deployment) -> None:
    opened = requests.post(deployment.api_url + "/v1/accounts", json=OWNER, timeout=TIMEOUT_SECONDS)
    assert opened.status_code == 201, opened.text
    headers = {"Authorization": f"Bearer {opened.json()['access_token']}"}
    seen = requests.get(deployment.api_url + "/v1/account", headers=headers, timeout=TIMEOUT_SECONDS)
    assert seen.json()["email"] == OWNER["email"]
    refused = requests.get(deployment.api_url + "/v1/account", timeout=TIMEOUT_SECONDS)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_the_authorizer_that_chalice_made_is_asked_of_no_more_than_the_packaged_one(
    deployment: Deployment, account: Account, template: dict[str, Any]
) -> None:
    client = account.session.client("apigateway", endpoint_url=account.endpoint)
    [made] = client.get_authorizers(restApiId=deployment.outputs["RestAPIId"])["items"]
    declared = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["securityDefinitions"][made["name"]]
    expression = declared["x-amazon-apigateway-authorizer"]["identityValidationExpression"]
    assert made["identityValidationExpression"] == expression
    garbage = {"Authorization": "Bearer garbage"}
    refused = requests.get(deployment.api_url + "/v1/account", headers=garbage, timeout=TIMEOUT_SECONDS)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_event_sources_that_chalice_made_report_failures_and_give_up_as_in_the_template(
    deployment: Deployment, account: Account
) -> None:
    client = account.session.client("lambda", endpoint_url=account.endpoint)
    sources = client.list_event_source_mappings()["EventSourceMappings"]
    assert len(sources) == 7
    assert all(source["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for source in sources)
    streams = [source for source in sources if ":dynamodb:" in source["EventSourceArn"]]
    for stream in streams:
        assert stream["EventSourceArn"] == deployment.outputs["TableStreamArn"]
        assert (stream["BisectBatchOnFunctionError"], stream["MaximumRetryAttempts"]) == (True, 10_000)
        assert stream["MaximumRecordAgeInSeconds"] == 6 * 3600
        assert len(stream["FilterCriteria"]["Filters"]) == 2
    given_up = sorted(stream["DestinationConfig"]["OnFailure"]["Destination"].rpartition(":")[2] for stream in streams)
    assert given_up == ["daybook-local-changes-dlq", "daybook-local-search-dlq"]
    queues = [source for source in sources if ":sqs:" in source["EventSourceArn"]]
    assert sorted(source["ScalingConfig"]["MaximumConcurrency"] for source in queues) == [2, 5, 5, 5, 5]


def test_chalice_has_s3_call_the_functions_of_what_lands_and_their_failures_go_where_the_template_says(
    deployment: Deployment, account: Account
) -> None:
    s3 = account.s3()
    told = s3.get_bucket_notification_configuration(Bucket=deployment.outputs["FilesBucketName"])
    called = {
        one["LambdaFunctionArn"]: (one["Events"], rule["Name"].lower(), rule["Value"])
        for one in told["LambdaFunctionConfigurations"]
        for rule in one["Filter"]["Key"]["FilterRules"]
    }
    arn = f"arn:aws:lambda:{account.region}:{account.id}:function:daybook-local-"
    assert called == {
        f"{arn}{function}": (["s3:ObjectCreated:*"], "prefix", prefix)
        for function, prefix in {"on_upload": "uploads/", "on_incoming": "incoming/"}.items()
    }
    client = account.session.client("lambda", endpoint_url=account.endpoint)
    for function in called:
        after = client.get_function_event_invoke_config(FunctionName=function)
        assert (after["MaximumRetryAttempts"], after["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)
        assert after["DestinationConfig"]["OnFailure"]["Destination"].endswith(":daybook-local-uploads-dlq")
    reserved = client.get_function_concurrency(FunctionName=f"{arn}on_import")
    assert reserved["ReservedConcurrentExecutions"] == 5


def test_the_functions_are_called_as_the_dashboard_calls_them_and_so_is_the_api(
    deployment: Deployment, account: Account
) -> None:
    cloudwatch = account.session.client("cloudwatch", endpoint_url=account.endpoint)
    dashboard = json.loads(cloudwatch.get_dashboard(DashboardName="daybook-local")["DashboardBody"])
    metrics = [metric for widget in dashboard["widgets"] for metric in widget["properties"].get("metrics", [])]
    client = account.session.client("lambda", endpoint_url=account.endpoint)
    functions = client.get_paginator("list_functions").paginate().build_full_result()["Functions"]
    shown = {metric[3] for metric in metrics if metric[0] == "AWS/Lambda"}
    assert len(shown) == 12
    assert shown <= {function["FunctionName"] for function in functions}
    gateway = account.session.client("apigateway", endpoint_url=account.endpoint)
    [api] = gateway.get_rest_apis()["items"]
    assert {metric[3] for metric in metrics if metric[0] == "AWS/ApiGateway"} == {api["name"]}


def test_functions_that_chalice_made_have_narrow_policies_and_compiled_files(deployment: Deployment, account: Account) -> None:
    iam = account.session.client("iam", endpoint_url=account.endpoint)
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("daybook-local")]
    assert len([role for role in roles if "infrastructure" not in role]) == 24
    assert deployment.outputs["BucketName"] == f"daybook-local-{account.id}"
    for role in roles:
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document: Any = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for statement in (json.loads(document) if isinstance(document, str) else document)["Statement"]:
                for arn in statement["Resource"]:
                    narrow = "daybook-local" in arn or arn.endswith(":identity/*") or statement.get("Sid") == "LogDelivery"
                    assert narrow, (role, arn)


def test_the_workflow_calls_the_functions_that_chalice_made(deployment: Deployment, account: Account) -> None:
    stepfunctions = account.session.client("stepfunctions", endpoint_url=account.endpoint)
    machine = stepfunctions.describe_state_machine(stateMachineArn=deployment.outputs["OrderWorkflowArn"])
    called = {state["Resource"] for state in json.loads(machine["definition"])["States"].values() if state["Type"] == "Task"}
    client = account.session.client("lambda", endpoint_url=account.endpoint)
    functions = client.get_paginator("list_functions").paginate().build_full_result()["Functions"]
    assert len(called) == 12
    assert called <= {function["FunctionArn"] for function in functions}


@contextmanager
def chalice_local(aws: LocalAws, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "operations.serve", "--port", str(port), "--aws-port", aws.endpoint.rpartition(":")[2]]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://{LOOPBACK}:{port}"
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            try:
                requests.get(url + "/health", timeout=TIMEOUT_SECONDS)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def test_chalice_local_serves_the_same_data_as_the_deployed_api_which_takes_what_is_uploaded(
    packaged: Package, tmp_path: Path
) -> None:
    with running(log=tmp_path / "log") as aws:
        deployed = deploy(packaged, Account.of(boto3.Session(botocore_session=aws.session()), aws.endpoint))
        with chalice_local(aws, free_port()) as url:
            opened = requests.post(url + "/v1/accounts", json=OWNER, timeout=TIMEOUT_SECONDS)
            assert opened.status_code == 201, opened.text
            headers = {"Authorization": f"Bearer {opened.json()['access_token']}"}
            here = requests.get(url + "/v1/account", headers=headers, timeout=TIMEOUT_SECONDS)
            there = requests.get(deployed.api_url + "/v1/account", headers=headers, timeout=TIMEOUT_SECONDS)
            assert here.status_code == 200, here.text
            assert here.json() == there.json()
            assert requests.get(url + "/v1/account", timeout=TIMEOUT_SECONDS).status_code == 401
            plan = {"kind": "products", "filename": "list.csv", "content_type": "text/csv"}
            form = requests.post(url + "/v1/imports", json=plan, headers=headers, timeout=TIMEOUT_SECONDS).json()
            content = {"file": b"id,name,price\n71053,Lantern,3.75\n"}
            sent = requests.post(form["upload"]["url"], data=form["upload"]["fields"], files=content, timeout=TIMEOUT_SECONDS)
            assert sent.status_code == 204, sent.text
            assert is_soon(200, lambda: requests.get(url + "/v1/products/71053", headers=headers, timeout=TIMEOUT_SECONDS))


def is_soon(status: int, ask: Callable[[], requests.Response]) -> bool:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if ask().status_code == status:
            return True
        time.sleep(0.2)
    return False
