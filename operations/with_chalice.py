"""Deploys a stage by `chalice deploy`: for who wants Chalice to make the functions and the API, without CloudFormation.

`chalice deploy` makes functions, roles, the API, the schedule and the event sources, and nothing else. So the rest of the
template goes first, as a stack of its own, which knows what Chalice is going to call the functions. Then `chalice deploy` runs
on a copy of the application that knows the stack's names. Then what it cannot set is set: that event sources report which of
their items failed, what of the stream is read and how it is tried again, where S3's events go that failed for good, what API
Gateway does not ask the authorizer about, and the words that it refuses with.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from operations.deploy import (
    Account,
    Deployment,
    DeploymentFailed,
    artifact_bucket,
    change_stack,
    object_url,
    stack_outputs,
    stack_parameters,
    upload,
)
from operations.package import (
    CHALICE,
    Package,
    compile_files,
    dependency_layer,
    roles_of_functions,
    stage_architecture,
    stage_project,
    stage_requirements,
)
from operations.policies import narrowed
from operations.project import ROOT, chalice_config

Json = dict[str, Any]

MADE_BY_CHALICE: Final = frozenset(
    {
        "AWS::Serverless::Function",
        "AWS::Serverless::Api",
        "AWS::Lambda::Permission",
    }
)
DEPLOYED: Final = Path(".chalice") / "deployed"


def deploy_with_chalice(
    made: Package, account: Account, parameters: dict[str, str] | None = None, records: Path = ROOT / DEPLOYED
) -> Deployment:
    """`records` is where Chalice keeps what it made, to know it again the next time.

    Raises: DeploymentFailed, PackagingFailed.
    """
    template: Json = json.loads(made.template.read_text())
    stack = f"daybook-{made.stage}-infrastructure"
    changed = deploy_infrastructure(template, stack, account, parameters or {})
    outputs = stack_outputs(account.cloudformation(), stack)
    made_by_chalice = run_chalice_deploy(made.stage, account, outputs, records)
    set_event_sources(template, made_by_chalice, account, outputs)
    set_failed_events(template, made_by_chalice, account, outputs)
    api_id = made_by_chalice["rest_api"]["rest_api_id"]
    set_refusals(template, api_id, account, made.stage)
    outputs |= {"RestAPIId": api_id, "NightlyFunction": made_by_chalice["nightly"]["lambda_arn"]}
    return Deployment(stack, changed, api_address(made_by_chalice, account), outputs)


def deploy_infrastructure(template: Json, stack: str, account: Account, parameters: dict[str, str]) -> bool:
    cloudformation, s3 = account.cloudformation(), account.s3()
    given = stack_parameters(cloudformation, stack, template, parameters)
    bucket = artifact_bucket(s3, account)
    body = json.dumps(infrastructure(template), sort_keys=True).encode()
    source = {"TemplateURL": object_url(s3, bucket, upload(s3, bucket, body, "json"))}
    return change_stack(cloudformation, stack, source, given)


def infrastructure(template: Json) -> Json:
    """The template without what Chalice makes itself."""
    resources = template["Resources"]
    left_out = {name for name, part in resources.items() if part["Type"] in MADE_BY_CHALICE} | roles_of_functions(template)
    left_out |= {
        name for name, part in resources.items() if part["Type"] == "AWS::Logs::LogGroup" and references(part) & left_out
    }
    kept = {name: with_predicted_functions(part, template) for name, part in resources.items() if name not in left_out}
    outputs = {name: output for name, output in template["Outputs"].items() if left_out.isdisjoint(references(output["Value"]))}
    rest = {name: part for name, part in template.items() if name != "Transform"}
    return rest | {"Resources": kept, "Outputs": outputs}


def with_predicted_functions(part: Any, template: Json) -> Any:
    """With the ARNs and names that the functions of a template will have, as Chalice names them."""
    match part:
        case {"Fn::GetAtt": [str(name), "Arn"]} if template["Resources"][name]["Type"] == "AWS::Serverless::Function":
            prefix = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
            return {"Fn::Sub": prefix + predicted_name(template["Resources"][name])}
        case {"Fn::Sub": str(text)}:
            for name, resource in template["Resources"].items():
                if resource["Type"] == "AWS::Serverless::Function":
                    text = text.replace(f"${{{name}}}", predicted_name(resource))
            return {"Fn::Sub": text}
        case dict():
            return {name: with_predicted_functions(value, template) for name, value in part.items()}
        case list():
            return [with_predicted_functions(value, template) for value in part]
    return part


def predicted_name(function: Json) -> str:
    """The API's is called after the application and the stage only."""
    handler = function["Properties"]["Handler"].removeprefix("app.")
    return f"{chalice_config()['app_name']}-${{Stage}}" + ("" if handler == "app" else f"-{handler}")


def references(value: Any) -> set[str]:
    """The resources that a template's value names; for Fn::Sub all words in braces."""
    if isinstance(value, dict):
        found: set[str] = set().union(*(references(part) for part in value.values()))
        if "Ref" in value:
            found.add(value["Ref"])
        if "Fn::GetAtt" in value:
            found.add(value["Fn::GetAtt"][0])
        if "Fn::Sub" in value:
            found |= {word.partition("}")[0] for word in str(value["Fn::Sub"]).split("${")[1:]}
        return found
    return set().union(*(references(part) for part in value)) if isinstance(value, list) else set()


def run_chalice_deploy(stage: str, account: Account, outputs: dict[str, str], records: Path) -> dict[str, Json]:
    """What Chalice made, by its own names."""
    with tempfile.TemporaryDirectory(prefix="daybook-chalice-") as temporary:
        project = Path(temporary, "project")
        architecture = stage_architecture(stage)
        stage_project(project, stage, architecture)
        name_resources(project, stage, account, outputs)
        add_dependencies(project, dependency_layer(architecture, stage_requirements(stage), for_this_machine=stage == "local"))
        if records.exists():
            shutil.copytree(records, project / DEPLOYED)
        environment = os.environ | account_environment(account) | {"DAYBOOK_STREAM_ARN": outputs["TableStreamArn"]}
        command = [sys.executable, "-c", CHALICE, "--project-dir", str(project), "deploy", "--stage", stage]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        if (project / DEPLOYED).exists():
            shutil.copytree(project / DEPLOYED, records, dirs_exist_ok=True)
        if done.returncode:
            raise DeploymentFailed(f"`chalice deploy --stage {stage}` failed:\n{done.stdout}{done.stderr}")
    resources = json.loads((records / f"{stage}.json").read_text())["resources"]
    return {resource["name"]: resource for resource in resources}


def account_environment(account: Account) -> dict[str, str]:
    """What makes the child process speak to the same account: a session may have got its credentials anywhere."""
    found = account.session.get_credentials()
    if found is None:
        raise DeploymentFailed("There are no AWS credentials.")
    frozen = found.get_frozen_credentials()
    environment = {
        "AWS_DEFAULT_REGION": account.region,
        "AWS_REGION": account.region,
        "AWS_ACCESS_KEY_ID": str(frozen.access_key),
        "AWS_SECRET_ACCESS_KEY": str(frozen.secret_key),
    }
    if frozen.token:
        environment["AWS_SESSION_TOKEN"] = frozen.token
    if account.endpoint:
        environment["AWS_ENDPOINT_URL"] = account.endpoint
    return environment


def name_resources(project: Path, stage: str, account: Account, outputs: dict[str, str]) -> None:
    """Puts the stack's names into the configuration, and the account, region and stage into the policies."""
    config_file = project / ".chalice" / "config.json"
    config: Json = json.loads(config_file.read_text())
    configured = config["stages"][stage]["environment_variables"]
    config["stages"][stage]["environment_variables"] = {
        **{name: value for name, value in configured.items() if not name.startswith("AWS_")},
        "DAYBOOK_STAGE": stage,
        "DAYBOOK_BUCKET": outputs["BucketName"],
        "DAYBOOK_MAIL_SENDER": outputs["MailSender"],
        "DAYBOOK_ORDER_WORKFLOW": outputs["OrderWorkflowArn"],
        "DAYBOOK_ORDERS_TOPIC": outputs["OrdersTopicArn"],
    }
    config_file.write_text(json.dumps(config))
    here = {
        "${AWS::Partition}": account.session.get_partition_for_region(account.region),
        "${AWS::Region}": account.region,
        "${AWS::AccountId}": account.id,
        "${Stage}": stage,
        "${MailSender}": outputs["MailSender"],
    }
    for file in (project / ".chalice").glob("policy-*.json"):
        file.write_text(json.dumps(substituted(narrowed(json.loads(file.read_text())), here)))


def substituted(part: Any, values: dict[str, str]) -> Any:
    """A part of a template as CloudFormation reads it, with `values` for what stands in Ref and Fn::Sub."""
    match part:
        case {"Ref": name}:
            return values[f"${{{name}}}"]
        case {"Fn::Sub": str(text)}:
            for name, value in values.items():
                text = text.replace(name, value)
            return text
        case dict():
            return {name: substituted(value, values) for name, value in part.items()}
        case list():
            return [substituted(value, values) for value in part]
    return part


def add_dependencies(project: Path, layer: Path) -> None:
    """Chalice takes what is in vendor/ into the zip as it is, and so the compiled files too."""
    with zipfile.ZipFile(layer) as packed:
        packed.extractall(project / "vendor")
    compile_files(project / "chalicelib", within="chalicelib")


def set_event_sources(template: Json, made: dict[str, Json], account: Account, outputs: dict[str, str]) -> None:
    client = account.session.client("lambda", endpoint_url=account.endpoint)
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] not in {"SQS", "DynamoDB"}:
                continue
            function = made[resource["Properties"]["Handler"].removeprefix("app.")]["lambda_arn"]
            settings = {
                name: event["Properties"][name]
                for name in (
                    "FunctionResponseTypes",
                    "BisectBatchOnFunctionError",
                    "MaximumRetryAttempts",
                    "MaximumRecordAgeInSeconds",
                    "FilterCriteria",
                )
                if name in event["Properties"]
            }
            if "DestinationConfig" in event["Properties"]:
                settings["DestinationConfig"] = failure_queue(event["Properties"]["DestinationConfig"], account, outputs)
            for source in client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]:
                client.update_event_source_mapping(UUID=source["UUID"], **settings)


def set_failed_events(template: Json, made: dict[str, Json], account: Account, outputs: dict[str, str]) -> None:
    """How often S3's events are tried again, and where they go then."""
    client = account.session.client("lambda", endpoint_url=account.endpoint)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function" and "EventInvokeConfig" in resource["Properties"]:
            declared = resource["Properties"]["EventInvokeConfig"]
            client.put_function_event_invoke_config(
                FunctionName=made[resource["Properties"]["Handler"].removeprefix("app.")]["lambda_arn"],
                MaximumRetryAttempts=declared["MaximumRetryAttempts"],
                MaximumEventAgeInSeconds=declared["MaximumEventAgeInSeconds"],
                DestinationConfig=failure_queue(declared["DestinationConfig"], account, outputs),
            )


def failure_queue(declared: Json, account: Account, outputs: dict[str, str]) -> Any:
    """A destination of the template, with the ARN of the queue that the stack has made."""
    queue, _ = declared["OnFailure"]["Destination"]["Fn::GetAtt"]
    sqs = account.session.client("sqs", endpoint_url=account.endpoint)
    asked = sqs.get_queue_attributes(QueueUrl=outputs[f"{queue}Url"], AttributeNames=["QueueArn"])
    return {"OnFailure": {"Destination": asked["Attributes"]["QueueArn"]}}


def set_refusals(template: Json, api_id: str, account: Account, stage: str) -> None:
    """And the API's name, by which metrics know it: Chalice gives that of every stage the same."""
    client = account.session.client("apigateway", endpoint_url=account.endpoint)
    document = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for authorizer in client.get_authorizers(restApiId=api_id)["items"]:
        asked = document["securityDefinitions"][authorizer["name"]]["x-amazon-apigateway-authorizer"]
        client.update_authorizer(
            restApiId=api_id,
            authorizerId=authorizer["id"],
            patchOperations=[
                {
                    "op": "replace",
                    "path": "/identityValidationExpression",
                    "value": asked["identityValidationExpression"],
                }
            ],
        )
    for kind, response in document["x-amazon-apigateway-gateway-responses"].items():
        client.put_gateway_response(restApiId=api_id, responseType=kind, **response)
    client.update_rest_api(restApiId=api_id, patchOperations=[{"op": "replace", "path": "/name", "value": f"daybook-{stage}"}])
    client.create_deployment(restApiId=api_id, stageName=chalice_config()["api_gateway_stage"])


def api_address(made: dict[str, Json], account: Account) -> str:
    api = made["rest_api"]
    if account.endpoint is None:
        return str(api["rest_api_url"]).rstrip("/")
    return f"{account.endpoint}/restapis/{api['rest_api_id']}/{chalice_config()['api_gateway_stage']}/_user_request_"
