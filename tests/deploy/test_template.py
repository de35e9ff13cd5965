"""The one CloudFormation template: what is in it, and what each part may do."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, get_args

import airspeed
import pytest

from chalicelib.domain.errors import DaybookError, Malformed, NotFound, Unauthenticated, Unavailable
from chalicelib.domain.imports import REPORT_KEPT_FOR
from chalicelib.domain.kinds import ItemType, SearchType
from chalicelib.edge import problems
from chalicelib.edge.tokens import Tokens
from operations.package import Package, allow_origins, allow_uploads
from operations.project import ROOT, chalice_config, stage_environment, stages
from tests.builders import a_user
from tests.fakes import MemoryTokenKeys

Json = dict[str, Any]

FUNCTIONS = {
    "APIHandler": "api_handler",
    "Authorize": "authorize",
    "Nightly": "nightly",
    "Tidy": "tidy",
    "OnInvoiceDue": "on_invoice_due",
    "OnChange": "on_change",
    "OnSearchableChange": "on_searchable_change",
    "OnStaleIndex": "on_stale_index",
    "OnDelivery": "on_delivery",
    "OnOrderPlaced": "on_order_placed",
    "OnUpload": "on_upload",
    "OnIncoming": "on_incoming",
    "OnImport": "on_import",
}
STEPS = {
    "ValidateOrder": "validate_order",
    "ReserveInventory": "reserve_inventory",
    "ProcessPayment": "process_payment",
    "CreateShipment": "create_shipment",
    "SendConfirmation": "send_confirmation",
    "ConfirmOrder": "confirm_order",
    "VoidShipment": "void_shipment",
    "RefundPayment": "refund_payment",
    "ReleaseInventory": "release_inventory",
    "NotifyCustomer": "notify_customer",
    "FailOrder": "fail_order",
    "GiveUpOrder": "give_up_order",
}
"""Of the workflow of orders."""
FUNCTIONS |= STEPS
DEAD_LETTERS = {
    "InvoicingQueue": "InvoicingDeadLetters",
    "DeliveriesQueue": "DeliveriesDeadLetters",
    "ReindexQueue": "ReindexDeadLetters",
    "OrdersQueue": "OrdersDeadLetters",
    "ImportsQueue": "ImportsDeadLetters",
}
TRIES = {"InvoicingQueue": 5, "DeliveriesQueue": 10, "ReindexQueue": 5, "OrdersQueue": 10, "ImportsQueue": 3}
READERS = {"OnChange": "ChangesDeadLetters", "OnSearchableChange": "SearchDeadLetters"}
"""Of the stream, with the queue of what each gives up."""
CONSUMERS = {
    "InvoicingQueue": "OnInvoiceDue",
    "DeliveriesQueue": "OnDelivery",
    "ReindexQueue": "OnStaleIndex",
    "OrdersQueue": "OnOrderPlaced",
    "ImportsQueue": "OnImport",
}
AT_ONCE = {"InvoicingQueue": 5, "DeliveriesQueue": 5, "ReindexQueue": 2, "OrdersQueue": 5, "ImportsQueue": 5}
LANDED = {"OnUpload": "uploads/", "OnIncoming": "incoming/"}
"""Whom S3 calls for what lands under which prefix."""
RULES = {
    "DeliveriesQueue": ["InvoiceEventsRule", "UndeliveredMailRule"],
    "OrdersQueue": ["PlacedOrdersRule"],
    "OrdersAttention": ["BrokenWorkflowsRule"],
}
"""Who sends to which queue."""
OWN_ARNS = {
    "OnOrderPlaced": {"DAYBOOK_ORDER_WORKFLOW": {"Ref": "OrderWorkflow"}},
    "Tidy": {"DAYBOOK_ORDER_WORKFLOW": {"Ref": "OrderWorkflow"}},
    "SendConfirmation": {"DAYBOOK_ORDERS_TOPIC": {"Ref": "OrdersTopic"}},
    "NotifyCustomer": {"DAYBOOK_ORDERS_TOPIC": {"Ref": "OrdersTopic"}},
}
PUBLIC = {
    *(("/", "get"), ("/health", "get"), ("/openapi.json", "get"), ("/docs", "get")),
    *(("/v1/accounts", "post"), ("/v1/tokens", "post")),
}
ANY_METHOD = "x-amazon-apigateway-any-method"


def of_type(resources: Json, kind: str) -> Json:
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def event_sources(resources: Json) -> Iterator[tuple[str, Json]]:
    for name in FUNCTIONS:
        for event in resources[name]["Properties"].get("Events", {}).values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                yield name, event["Properties"]


def statements(resources: Json) -> Iterator[tuple[str, Json]]:
    """What the functions may."""
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        if name != "OrderWorkflowRole":
            for policy in role["Properties"]["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield name, statement


def attribute(name: str, which: str = "Arn") -> Json:
    return {"Fn::GetAtt": [name, which]}


def gateway_responses(resources: Json) -> Json:
    found: Json = resources["RestAPI"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    return found


def test_the_template_holds_everything_that_the_application_stands_on(resources: Json) -> None:
    counted = Counter(resource["Type"] for resource in resources.values())
    assert counted == {
        "AWS::Serverless::Function": 25,
        "AWS::IAM::Role": 26,
        "AWS::Logs::LogGroup": 26,
        "AWS::Serverless::Api": 1,
        "AWS::Lambda::Permission": 2,
        "AWS::DynamoDB::Table": 2,
        "AWS::S3::Bucket": 3,
        "AWS::S3::BucketPolicy": 3,
        "AWS::SQS::Queue": 15,
        "AWS::SQS::QueuePolicy": 4,
        "AWS::Events::EventBus": 1,
        "AWS::Events::Rule": 4,
        "AWS::SNS::Topic": 2,
        "AWS::SNS::TopicPolicy": 2,
        "AWS::SNS::Subscription": 1,
        "AWS::KMS::Key": 1,
        "AWS::CloudWatch::Alarm": 15,
        "AWS::CloudWatch::Dashboard": 1,
        "AWS::StepFunctions::StateMachine": 1,
        "AWS::SecretsManager::Secret": 1,
        "AWS::SES::ConfigurationSet": 1,
        "AWS::SES::ConfigurationSetEventDestination": 1,
    }


def test_the_template_passes_cfn_lint(packaged: Package) -> None:
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--template", str(packaged.template)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout + checked.stderr


# Functions


def test_every_function_has_a_role_of_its_own(resources: Json) -> None:
    roles = [resources[name]["Properties"]["Role"]["Fn::GetAtt"][0] for name in FUNCTIONS]
    assert {*roles, "OrderWorkflowRole"} == set(of_type(resources, "AWS::IAM::Role"))
    assert len(set(roles)) == len(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_logs_into_a_group_that_forgets(name: str, resources: Json) -> None:
    groups = [group["Properties"] for group in of_type(resources, "AWS::Logs::LogGroup").values()]
    [own] = [group for group in groups if group["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{{name}}}"}]
    assert own["RetentionInDays"] > 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_get_the_names_of_their_resources_from_the_stack_and_their_limits_from_the_stage(
    name: str, resources: Json
) -> None:
    settings = ("_PER_MINUTE", "_ATTEMPTS", "_PAYMENTS")
    limits = {name: value for name, value in stage_environment("local").items() if name.endswith(settings)}
    assert len(limits) == 4
    assert resources[name]["Properties"]["Environment"]["Variables"] == limits | OWN_ARNS.get(name, {}) | {
        "DAYBOOK_STAGE": {"Ref": "Stage"},
        "DAYBOOK_BUCKET": {"Ref": "DocumentsBucket"},
        "DAYBOOK_MAIL_SENDER": {"Ref": "MailSender"},
    }


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("APIHandler", 29),
        ("Authorize", 10),
        ("Nightly", 300),
        ("Tidy", 300),
        ("OnInvoiceDue", 60),
        ("OnChange", 60),
        ("OnSearchableChange", 300),
        ("OnStaleIndex", 300),
        ("OnDelivery", 120),
        ("OnOrderPlaced", 30),
        ("OnUpload", 60),
        ("OnIncoming", 30),
        ("OnImport", 180),
        *((step, 30) for step in STEPS),
    ],
)
def test_functions_give_up_in_time(name: str, seconds: int, resources: Json) -> None:
    assert resources[name]["Properties"]["Timeout"] == seconds


def test_functions_on_aws_run_on_arm(template: Json) -> None:
    configured = chalice_config()["stages"]
    assert {stage: configured[stage]["lambda_architecture"] for stage in ("dev", "prod")} == {"dev": "arm64", "prod": "arm64"}
    assert template["Parameters"]["Stage"]["Default"] == "local"


# Permissions


def test_no_policy_allows_every_action_or_every_resource(resources: Json) -> None:
    for role, statement in statements(resources):
        assert statement["Effect"] == "Allow", role
        assert all("*" not in action for action in statement["Action"]), role
        assert all(resource != "*" for resource in statement["Resource"]), role


def test_policies_are_for_this_stage_of_this_account_in_this_region_only(resources: Json) -> None:
    for role, statement in statements(resources):
        for resource in statement["Resource"]:
            arn = resource["Fn::Sub"]
            assert arn.startswith("arn:${AWS::Partition}:"), (role, arn)
            service, rest = arn.removeprefix("arn:${AWS::Partition}:").split(":", 1)
            assert rest.startswith("::" if service == "s3" else "${AWS::Region}:${AWS::AccountId}:"), (role, arn)
            # SES knows an address by itself or by its domain, whichever was verified.
            assert "daybook-${Stage}" in rest or (service, rest.rpartition(":")[2]) == ("ses", "identity/*"), (role, arn)


GIVING_UP = {"OnChangeRole", "OnSearchableChangeRole", "OnUploadRole", "OnIncomingRole"}
"""Those that have a queue for what they give up."""
GOING_ON = {"OnIncomingRole", "OnImportRole", "TidyRole"}
"""Those that ask for an import to be worked off, or on."""


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("secretsmanager:GetSecretValue", {"ApiHandlerRole", "AuthorizeRole", "ProcessPaymentRole", "RefundPaymentRole"}),
        ("ses:SendRawEmail", {"OnDeliveryRole"}),
        ("events:PutEvents", {"OnChangeRole"}),
        ("sqs:ReceiveMessage", {"OnInvoiceDueRole", "OnDeliveryRole", "OnStaleIndexRole", "OnOrderPlacedRole", "OnImportRole"}),
        ("sqs:SendMessage", {"NightlyRole", "GiveUpOrderRole", *GIVING_UP, *GOING_ON}),
        ("sns:Publish", {"SendConfirmationRole", "NotifyCustomerRole"}),
        ("states:StartExecution", {"OnOrderPlacedRole", "TidyRole"}),
        ("lambda:InvokeFunction", set()),
        ("dynamodb:GetRecords", {"OnChangeRole", "OnSearchableChangeRole"}),
        (
            "dynamodb:DeleteItem",
            {"ApiHandlerRole", "TidyRole", "ReleaseInventoryRole", "FailOrderRole", "ConfirmOrderRole", "OnImportRole"},
        ),
        ("dynamodb:Scan", set()),
        ("dynamodb:ConditionCheckItem", {"ApiHandlerRole", "ReserveInventoryRole", "OnImportRole"}),
        ("s3:DeleteObject", {"ApiHandlerRole", "TidyRole", "OnUploadRole", "OnIncomingRole", "OnImportRole"}),
    ],
)
def test_only_those_who_need_it_may(action: str, allowed: set[str], resources: Json) -> None:
    assert {role for role, statement in statements(resources) if action in statement["Action"]} == allowed


def test_only_requests_reach_the_ephemeral_table(resources: Json) -> None:
    table = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/daybook-${Stage}-ephemeral"
    reaching = {role: statement for role, statement in statements(resources) if {"Fn::Sub": table} in statement["Resource"]}
    assert reaching.keys() == {"ApiHandlerRole"}
    assert "dynamodb:Query" not in reaching["ApiHandlerRole"]["Action"]


READ = {"s3:GetObject", "s3:GetObjectVersion"}
REMOVE = {"s3:DeleteObject", "s3:DeleteObjectVersion"}
OBJECTS = {
    "ApiHandlerRole": {
        "/documents/*": {"s3:GetObject", "s3:PutObject"},
        "-search/search/*": {"s3:GetObject"},
        "-files/uploads/*": {"s3:PutObject"} | REMOVE,
        "-files/incoming/*": {"s3:PutObject"} | REMOVE,
        "-files/thumbnails/*": READ | REMOVE,
        "-files/reports/*": READ | REMOVE,
    },
    "OnDeliveryRole": {"/documents/*": {"s3:GetObject", "s3:PutObject"}},
    "OnSearchableChangeRole": {"-search/search/*": {"s3:GetObject", "s3:PutObject"}},
    "OnStaleIndexRole": {"-search/search/*": {"s3:GetObject", "s3:PutObject"}},
    "OnUploadRole": {"-files/uploads/*": READ | REMOVE, "-files/thumbnails/*": {"s3:GetObject", "s3:PutObject"} | REMOVE},
    "OnIncomingRole": {"-files/incoming/*": {"s3:GetObject"} | REMOVE},
    "OnImportRole": {"-files/incoming/*": READ, "-files/reports/*": {"s3:GetObject", "s3:PutObject"} | REMOVE},
    "TidyRole": {
        "-files/uploads/*": {"s3:GetObject"} | REMOVE,
        "-files/thumbnails/*": REMOVE,
        "-files/incoming/*": {"s3:GetObject"} | REMOVE,
        "-files/reports/*": REMOVE,
    },
}
"""Which functions reach which objects, by the rest of the bucket's name and the first part of their keys."""
LISTED = {
    "ApiHandlerRole": {"", "-search", "-files"},
    "OnDeliveryRole": {""},
    "OnSearchableChangeRole": {"-search"},
    "OnStaleIndexRole": {"-search"},
    "OnUploadRole": {"-files"},
    "OnIncomingRole": {"-files"},
    "OnImportRole": {"-files"},
    "TidyRole": {"-files"},
}
"""Who may list which bucket: without it S3 answers 403 where there is no such object; and all versions are to be removed."""


def test_functions_reach_only_the_objects_that_they_work_with(resources: Json) -> None:
    bucket = "arn:${AWS::Partition}:s3:::daybook-${Stage}-${AWS::AccountId}"
    reached: dict[str, dict[str, set[str]]] = {}
    listed: dict[str, set[str]] = {}
    for role, statement in statements(resources):
        actions = {action for action in statement["Action"] if action.startswith("s3:")}
        for resource in statement["Resource"] if actions else ():
            rest = resource["Fn::Sub"].removeprefix(bucket)
            if actions <= {"s3:ListBucket", "s3:ListBucketVersions"}:
                listed.setdefault(role, set()).add(rest)
            else:
                reached.setdefault(role, {}).setdefault(rest, set()).update(actions)
    assert reached == OBJECTS
    assert listed == LISTED
    assert all({key.partition("/")[0] for key in reached[role]} == listed[role] for role in reached)


def test_mail_is_sent_only_from_the_stacks_sender(resources: Json) -> None:
    [mail] = [statement for _, statement in statements(resources) if "ses:SendRawEmail" in statement["Action"]]
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailSender"}}}


def test_every_policy_file_belongs_to_a_function(resources: Json) -> None:
    files = {settings["iam_policy_file"] for settings in chalice_config()["lambda_functions"].values()}
    assert files == {f"policy-{name}.json" for name in FUNCTIONS.values()}
    assert chalice_config()["autogen_policy"] is False
    assert resources


# Queues, stream and bus


def test_every_event_source_reports_which_of_its_items_failed(resources: Json) -> None:
    sources = list(event_sources(resources))
    assert sorted(name for name, _ in sources) == [
        "OnChange",
        "OnDelivery",
        "OnImport",
        "OnInvoiceDue",
        "OnOrderPlaced",
        "OnSearchableChange",
        "OnStaleIndex",
    ]
    for name, source in sources:
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def reader(name: str, resources: Json) -> Json:
    [stream] = [source for function, source in event_sources(resources) if function == name]
    return stream


@pytest.mark.parametrize("name", READERS)
def test_the_stream_is_read_from_its_beginning_and_gives_up_on_no_more_than_what_fails(name: str, resources: Json) -> None:
    stream = reader(name, resources)
    assert stream["Stream"] == attribute("Table", "StreamArn")
    assert stream["StartingPosition"] == "TRIM_HORIZON"
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["DestinationConfig"]["OnFailure"] == {"Type": "SQS", "Destination": attribute(READERS[name])}


def test_a_stream_has_room_for_two_readers(resources: Json) -> None:
    # docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: more are throttled
    reading = [name for name, source in event_sources(resources) if source.get("Stream") == attribute("Table", "StreamArn")]
    assert sorted(reading) == sorted(READERS)


@pytest.mark.parametrize("name", READERS)
def test_the_stream_outlasts_hours_without_a_service_and_leaves_time_to_read_what_was_given_up(
    name: str, resources: Json
) -> None:
    stream = reader(name, resources)
    hour = 3600
    kept_in_a_stream = 24 * hour
    given_up_after = stream["MaximumRecordAgeInSeconds"]
    assert 4 * hour <= given_up_after <= kept_in_a_stream / 2
    fastest_retry_seconds = 3  # the age must decide, not the number of tries, and 10,000 is the most that Lambda takes
    assert given_up_after / fastest_retry_seconds <= stream["MaximumRetryAttempts"] <= 10_000


def told(image: Mapping[str, str], event_name: str, patterns: list[Json]) -> bool:
    """Whether a record gets past the filters, for the two operators that they use: equality and presence."""

    def passes(record: Any, pattern: Json) -> bool:
        return all(
            name in record and (passes(record[name], part) if isinstance(part, dict) else record[name] in part)
            for name, part in pattern.items()
        )

    images = {"INSERT": ("NewImage",), "MODIFY": ("NewImage", "OldImage"), "REMOVE": ("OldImage",)}[event_name]
    marshalled = {name: {"S": value} for name, value in image.items()}
    record = {"eventName": event_name, "dynamodb": dict.fromkeys(images, marshalled)}
    return any(passes(record, pattern) for pattern in patterns)


@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize(("name", "kinds"), [("OnChange", get_args(ItemType)), ("OnSearchableChange", get_args(SearchType))])
def test_the_stream_wakes_a_reader_only_for_what_concerns_it(
    name: str, kinds: tuple[str, ...], event_name: str, resources: Json
) -> None:
    patterns = [json.loads(one["Pattern"]) for one in reader(name, resources)["FilterCriteria"]["Filters"]]
    others = {
        "sign_in",
        "lines",
        "workday",
        "calendar",
        "report",
        "stock_change",
        "product_version",
        "books",
        "image_removal",
        "import_removal",
        "import_run",
        "import_row",
        "import_rejections",
        *get_args(ItemType),
    }
    for kind in kinds:
        assert told({"type": kind, "id": "x"}, event_name, patterns), kind
    for kind in others - set(kinds):
        assert not told({"type": kind}, event_name, patterns), kind
    assert not told({"pk": "x"}, event_name, patterns)


def test_what_is_ephemeral_expires_by_itself_and_wakes_no_function(resources: Json) -> None:
    table = resources["EphemeralTable"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table.keys().isdisjoint({"StreamSpecification", "PointInTimeRecoverySpecification", "GlobalSecondaryIndexes"})


@pytest.mark.parametrize("queue", DEAD_LETTERS)
def test_a_message_that_keeps_failing_is_kept_longer_in_the_dead_letter_queue(queue: str, resources: Json) -> None:
    live, dead = resources[queue]["Properties"], resources[DEAD_LETTERS[queue]]["Properties"]
    assert live["RedrivePolicy"] == {"deadLetterTargetArn": attribute(DEAD_LETTERS[queue]), "maxReceiveCount": TRIES[queue]}
    assert dead["MessageRetentionPeriod"] > live["MessageRetentionPeriod"]


@pytest.mark.parametrize("queue", CONSUMERS)
def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_take(queue: str, resources: Json) -> None:
    timeout = resources[CONSUMERS[queue]]["Properties"]["Timeout"]
    assert resources[queue]["Properties"]["VisibilityTimeout"] >= 6 * timeout


@pytest.mark.parametrize("queue", CONSUMERS)
def test_a_full_queue_does_not_take_all_the_accounts_functions(queue: str, resources: Json) -> None:
    [source] = [source for name, source in event_sources(resources) if name == CONSUMERS[queue]]
    assert source["ScalingConfig"] == {"MaximumConcurrency": AT_ONCE[queue]}


@pytest.mark.parametrize("queue", CONSUMERS)
def test_functions_read_the_queue_that_the_stack_makes_and_wait_for_it(queue: str, resources: Json) -> None:
    consumer = resources[CONSUMERS[queue]]
    [source] = [source for name, source in event_sources(resources) if name == CONSUMERS[queue]]
    made = resources[queue]["Properties"]["QueueName"]["Fn::Sub"].replace("${Stage}", "local")
    assert source["Queue"]["Fn::Sub"].endswith(f":{made}")
    assert consumer["DependsOn"] == [queue]


@pytest.mark.parametrize(
    ("rule", "source", "detail_types"),
    [
        ("InvoiceEventsRule", "daybook", ["InvoiceIssued", "InvoiceCredited"]),
        ("UndeliveredMailRule", "aws.ses", ["Email Bounced", "Email Rejected"]),
    ],
)
def test_what_concerns_a_delivery_goes_to_the_deliveries_queue(
    rule: str, source: str, detail_types: list[str], resources: Json
) -> None:
    properties = resources[rule]["Properties"]
    assert properties["EventPattern"]["source"] == [source]
    assert properties["EventPattern"]["detail-type"] == detail_types
    [target] = properties["Targets"]
    assert target["Arn"] == attribute("DeliveriesQueue")
    # Not the queue's own dead letters, which the function failed on: these the function never saw.
    assert target["DeadLetterConfig"] == {"Arn": attribute("EventsDeadLetters")}


@pytest.mark.parametrize(
    ("queue", "rules"), [*RULES.items(), ("EventsDeadLetters", [rule for rules in RULES.values() for rule in rules])]
)
def test_only_its_rules_may_send_to_a_queue_and_all_of_them_to_the_one_of_events_that_could_not_get_there(
    queue: str, rules: list[str], resources: Json
) -> None:
    policy = resources[f"{queue}Policy"]["Properties"]
    assert policy["Queues"] == [{"Ref": queue}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"] == attribute(queue)
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": [attribute(rule) for rule in rules]}}


@pytest.mark.parametrize("queue", RULES)
def test_what_cannot_get_to_its_queue_is_kept_elsewhere(queue: str, resources: Json) -> None:
    for rule in RULES[queue]:
        [target] = resources[rule]["Properties"]["Targets"]
        assert (target["Arn"], target["DeadLetterConfig"]) == (attribute(queue), {"Arn": attribute("EventsDeadLetters")})


def test_mail_that_bounced_or_was_rejected_is_told_to_the_default_bus_with_the_configuration_set_that_sent_it(
    resources: Json,
) -> None:
    destination = resources["MailEvents"]["Properties"]["EventDestination"]
    assert destination["MatchingEventTypes"] == ["bounce", "reject"]
    assert destination["EventBridgeDestination"]["EventBusArn"]["Fn::Sub"].endswith(":event-bus/default")
    tags = resources["UndeliveredMailRule"]["Properties"]["EventPattern"]["detail"]["mail"]["tags"]
    assert tags == {"ses:configuration-set": [{"Ref": "MailConfiguration"}]}


# What lands in S3


@pytest.mark.parametrize("name", LANDED)
def test_s3_calls_a_function_for_what_lands_under_its_prefix(name: str, resources: Json) -> None:
    [event] = resources[name]["Properties"]["Events"].values()
    assert event["Type"] == "S3"
    assert event["Properties"] == {
        "Bucket": {"Ref": "FilesBucket"},
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": LANDED[name]}]}},
    }


def test_nothing_that_a_function_writes_calls_one_of_those_that_s3_calls(resources: Json) -> None:
    # The API's forms are how what is to call them gets there.
    written = {
        key.removeprefix("-files/").removesuffix("*")
        for role, objects in OBJECTS.items()
        if role != "ApiHandlerRole"
        for key, actions in objects.items()
        if "s3:PutObject" in actions and key.startswith("-files/")
    }
    assert written == {"thumbnails/", "reports/"}
    assert not [prefix for prefix in LANDED.values() for folder in written if folder.startswith(prefix)]


@pytest.mark.parametrize("name", LANDED)
def test_an_event_of_s3_that_failed_three_times_is_kept_for_two_weeks(name: str, resources: Json) -> None:
    after = resources[name]["Properties"]["EventInvokeConfig"]
    assert (after["MaximumRetryAttempts"], after["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)
    assert after["DestinationConfig"] == {"OnFailure": {"Type": "SQS", "Destination": attribute("UploadsDeadLetters")}}
    queue = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:daybook-${Stage}-uploads-dlq"
    allowed = [
        statement
        for role, statement in statements(resources)
        if role == f"{name}Role" and {"Fn::Sub": queue} in statement["Resource"]
    ]
    assert [statement["Action"] for statement in allowed] == [["sqs:SendMessage"]]
    assert resources["UploadsDeadLetters"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def references_to(name: str, part: Any) -> bool:
    match part:
        case {"Ref": str(other)}:
            return other == name
        case {"Fn::GetAtt": [str(other), *_]}:
            return other == name
        case {"Fn::Sub": str(text)}:
            return f"${{{name}}}" in text or f"${{{name}." in text
        case dict():
            return any(references_to(name, value) for value in part.values())
        case list():
            return any(references_to(name, value) for value in part)
    return False


def test_no_function_waits_for_the_bucket_that_waits_for_its_functions(resources: Json) -> None:
    waiting = [name for name, part in resources.items() if references_to("FilesBucket", part)]
    assert sorted(waiting) == ["FilesBucketPolicy", *sorted(LANDED)]
    for name in LANDED:
        rest = {key: part for key, part in resources[name]["Properties"].items() if key != "Events"}
        assert not references_to("FilesBucket", rest)


# Imports


def test_imports_of_one_account_go_in_order_and_no_more_than_five_at_a_time(resources: Json) -> None:
    queue, dead = (resources[name]["Properties"] for name in ("ImportsQueue", "ImportsDeadLetters"))
    assert queue["FifoQueue"] is dead["FifoQueue"] is True
    # An id for deduplication is given with each message; from the content alone the part after the first would be one too.
    assert "ContentBasedDeduplication" not in queue
    assert all(properties["QueueName"]["Fn::Sub"].endswith(".fifo") for properties in (queue, dead))
    function = resources["OnImport"]["Properties"]
    [source] = [source for name, source in event_sources(resources) if name == "OnImport"]
    assert source["BatchSize"] == 1
    # Lambda counts what it cannot start as a try of the message, so the queue must not ask for more than is reserved.
    assert function["ReservedConcurrentExecutions"] >= source["ScalingConfig"]["MaximumConcurrency"] == 5


def test_whoever_posts_files_in_a_loop_takes_no_more_than_a_share_of_the_functions_at_once(resources: Json) -> None:
    reserved = {
        name: properties["Properties"]["ReservedConcurrentExecutions"]
        for name, properties in resources.items()
        if "ReservedConcurrentExecutions" in properties.get("Properties", {})
    }
    assert reserved == {"OnUpload": 10, "OnIncoming": 5, "OnImport": 5}
    assert reserved.keys() >= LANDED.keys()


def test_images_get_a_whole_processor(resources: Json) -> None:
    # docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: 1,769 MB are one; up to there an image costs the same,
    # since the function's time falls as its share grows, and decoding one image uses no second processor.
    assert resources["OnUpload"]["Properties"]["MemorySize"] == 1769


# The workflow of orders


def test_an_order_that_was_placed_goes_to_the_orders_queue(resources: Json) -> None:
    rule = resources["PlacedOrdersRule"]["Properties"]
    assert rule["EventPattern"] == {"source": ["daybook"], "detail-type": ["OrderPlaced"]}
    assert rule["EventBusName"] == {"Ref": "EventBus"}


def test_an_execution_that_ended_badly_is_told_where_a_person_looks_for_two_weeks(resources: Json) -> None:
    rule = resources["BrokenWorkflowsRule"]["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": [{"Ref": "OrderWorkflow"}]},
    }
    assert "EventBusName" not in rule, "Step Functions tells the default bus"
    assert resources["OrdersAttention"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_definition_stands_in_the_template_with_the_functions_that_the_stack_makes(resources: Json) -> None:
    machine = resources["OrderWorkflow"]["Properties"]
    assert machine["StateMachineName"] == {"Fn::Sub": "daybook-${Stage}-orders"}
    assert machine["StateMachineType"] == "STANDARD"
    assert "DefinitionS3Location" not in machine
    assert json.loads(machine["DefinitionString"]) == json.loads((ROOT / ".chalice" / "order_workflow.asl.json").read_text())
    assert machine["DefinitionSubstitutions"] == {step: attribute(step) for step in STEPS}
    assert set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"])) == STEPS.keys()


def test_the_workflow_may_call_its_functions_and_write_its_log(resources: Json) -> None:
    role = resources["OrderWorkflowRole"]["Properties"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    [policy] = role["Policies"]
    calling, logging = policy["PolicyDocument"]["Statement"]
    assert (calling["Action"], calling["Resource"]) == (["lambda:InvokeFunction"], [attribute(step) for step in STEPS])
    # docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html: log delivery knows no narrower resource
    assert logging["Resource"] == ["*"]
    assert all(action.startswith("logs:") for action in logging["Action"])


def test_the_workflows_log_says_what_failed_and_nothing_of_what_was_handed_over(resources: Json) -> None:
    logging = resources["OrderWorkflow"]["Properties"]["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
    [destination] = logging["Destinations"]
    assert destination == {"CloudWatchLogsLogGroup": {"LogGroupArn": attribute("OrderWorkflowLogs")}}
    assert resources["OrderWorkflowLogs"]["Properties"]["RetentionInDays"]


@pytest.mark.parametrize(("name", "minute"), [("Nightly", 0), ("Tidy", 30)])
def test_the_night_comes_at_two_utc_and_tidies_half_an_hour_later(name: str, minute: int, resources: Json) -> None:
    [event] = resources[name]["Properties"]["Events"].values()
    assert event == {"Type": "Schedule", "Properties": {"Schedule": f"cron({minute} 2 * * ? *)"}}


# What is kept


def test_the_table_streams_both_images_forgets_what_expires_and_can_be_restored(resources: Json) -> None:
    table = resources["Table"]["Properties"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    [index] = table["GlobalSecondaryIndexes"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["due", "due_at"]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_only_in_prod_is_the_table_protected_from_deletion(template: Json) -> None:
    table = template["Resources"]["Table"]["Properties"]
    assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsProd", True, False]}
    assert template["Conditions"]["IsProd"] == {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}


@pytest.mark.parametrize("name", ["DocumentsBucket", "SearchBucket", "FilesBucket"])
def test_a_bucket_is_private_encrypted_and_reached_by_tls_only(name: str, template: Json) -> None:
    bucket = template["Resources"][name]["Properties"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]
    policy = template["Resources"][f"{name}Policy"]
    [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert template["Conditions"][policy["Condition"]] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "local"]}]}


def test_what_customers_are_told_is_encrypted_and_reached_by_tls_only(template: Json) -> None:
    assert template["Resources"]["OrdersTopic"]["Properties"]["KmsMasterKeyId"] == "alias/aws/sns"
    policy = template["Resources"]["OrdersTopicPolicy"]
    assert policy["Properties"]["Topics"] == [{"Ref": "OrdersTopic"}]
    [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sns:Publish")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy["Condition"] == "HasTls"


def test_documents_keep_their_versions_and_never_expire_and_indexes_which_can_be_remade_have_none(resources: Json) -> None:
    documents, search = (resources[name]["Properties"] for name in ("DocumentsBucket", "SearchBucket"))
    assert documents["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "VersioningConfiguration" not in search
    for bucket in (documents, search):
        assert not [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if any("Expiration" in name for name in rule)]


def test_uploads_keep_an_old_version_for_a_week_imports_for_a_month_and_thumbnails_stay_for_good(resources: Json) -> None:
    """Of a thumbnail or a report the version that its item names need not be the newest, nor of an import the pinned one.

    What expires stays as an older version first; one that was replaced is needed as long as its message may be a dead letter.
    """
    kept = REPORT_KEPT_FOR.days
    dead_letters = resources["ImportsDeadLetters"]["Properties"]["MessageRetentionPeriod"] // 86_400
    older = dead_letters + 1
    files = resources["FilesBucket"]["Properties"]
    assert files["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {rule.pop("Id"): rule for rule in deepcopy(files["LifecycleConfiguration"]["Rules"])}
    assert all(rule.pop("Status") == "Enabled" for rule in rules.values())
    assert rules == {
        "unfinished-uploads": {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        "uploads": {"Prefix": "uploads/", **old_versions(7), "ExpiredObjectDeleteMarker": True},
        "incoming": {"Prefix": "incoming/", **old_versions(older), "ExpirationInDays": 30 - older},
        "reports": {"Prefix": "reports/", **old_versions(older), "ExpirationInDays": kept - older},
    }


def old_versions(days: int) -> Json:
    return {"NoncurrentVersionExpiration": {"NoncurrentDays": days}}


@pytest.mark.parametrize("listed", ["*", "https://daybook.example", "https://daybook.example, http://localhost:5173"])
def test_pages_that_may_call_the_api_may_upload_files(listed: str, template: Json) -> None:
    changed = deepcopy(template)
    [rule] = changed["Resources"]["FilesBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert {"POST", "GET"} <= set(rule["AllowedMethods"])
    assert rule["AllowedOrigins"] == ["*"]
    allow_uploads(changed, listed)
    assert rule["AllowedOrigins"] == listed.split(", ")


def test_a_page_of_any_origin_may_follow_the_link_to_a_document(resources: Json) -> None:
    # A redirect to another origin makes the page's own `null`, so no narrower origin would match.
    [rule] = resources["DocumentsBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["GET"], ["*"])


def test_the_token_key_is_made_by_aws_and_long_enough_for_hs256(resources: Json) -> None:
    secret = resources["TokenKey"]["Properties"]
    assert "SecretString" not in secret
    assert secret["GenerateSecretString"]["PasswordLength"] >= 32  # RFC 7518, 3.2: as long as the hash


# The API


def test_the_api_has_one_stage(resources: Json) -> None:
    # Without this SAM makes a second one, called Stage, that is as public.
    assert resources["RestAPI"]["Properties"]["OpenApiVersion"] == "2.0"
    assert resources["RestAPI"]["Properties"]["DefinitionBody"]["swagger"] == "2.0"


def test_every_route_but_the_public_ones_asks_for_a_token(resources: Json) -> None:
    paths = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    open_routes = {
        (path, method)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" not in operation and method not in {"options", ANY_METHOD}
    }
    assert open_routes == PUBLIC


def test_only_what_looks_like_a_token_reaches_the_authorizer(resources: Json) -> None:
    [definition] = resources["RestAPI"]["Properties"]["DefinitionBody"]["securityDefinitions"].values()
    authorizer = definition["x-amazon-apigateway-authorizer"]
    assert (authorizer["type"], authorizer["authorizerResultTtlInSeconds"]) == ("token", 60)
    expression = re.compile(authorizer["identityValidationExpression"])
    token = Tokens(keys=MemoryTokenKeys, issuer="daybook-test", lifetime_seconds=60).issue(a_user()).access_token
    for scheme in ("Bearer ", "bearer ", "BEARER  "):
        assert expression.fullmatch(scheme + token)
    for other in ("Bearer", "Bearer ", "Bearer garbage", "Basic YTpi", token, f"Token {token}", f"Bearer x {token}"):
        assert expression.search(other) is None, other


def test_every_path_answers_preflights_and_sends_other_methods_to_the_application(resources: Json) -> None:
    for path, methods in resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"].items():
        assert methods["options"]["x-amazon-apigateway-integration"]["type"] == "mock", path
        assert methods[ANY_METHOD]["x-amazon-apigateway-integration"]["type"] == "aws_proxy", path
        assert "security" not in methods[ANY_METHOD], path


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("UNAUTHORIZED", Unauthenticated),
        ("ACCESS_DENIED", Unauthenticated),
        ("MISSING_AUTHENTICATION_TOKEN", NotFound),
        ("RESOURCE_NOT_FOUND", NotFound),
        ("INVALID_SIGNATURE", NotFound),
        ("EXPIRED_TOKEN", NotFound),
        ("REQUEST_TOO_LARGE", problems.TooLarge),
        ("UNSUPPORTED_MEDIA_TYPE", problems.UnsupportedMediaType),
        ("BAD_REQUEST_BODY", Malformed),
        ("BAD_REQUEST_PARAMETERS", Malformed),
        ("AUTHORIZER_FAILURE", Unavailable),
        ("INTEGRATION_FAILURE", Unavailable),
        ("INTEGRATION_TIMEOUT", Unavailable),
        ("DEFAULT_5XX", problems.Unexpected),
    ],
)
def test_api_gateway_refuses_in_the_applications_words(kind: str, refusal: type[DaybookError], resources: Json) -> None:
    response = gateway_responses(resources)[kind]
    said = json.loads(response["responseTemplates"]["application/json"])
    own = problems.problem_of(refusal(), instance="$context.path", request_id="$context.requestId", stage="/$context.stage")
    assert said == {name: getattr(own, name) for name in said}
    assert set(said) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert response["statusCode"] == str(own.status)


def test_refusals_that_nothing_else_names_keep_their_status(resources: Json) -> None:
    response = gateway_responses(resources)["DEFAULT_4XX"]
    assert "statusCode" not in response
    said = json.loads(response["responseTemplates"]["application/json"])
    assert "status" not in said  # API Gateway has no variable for it, and to guess would be to lie
    assert said["code"] == DaybookError.code
    assert {"type", "title", "detail", "instance", "code", "request_id"} == set(said)


def test_too_many_requests_are_refused_with_429(resources: Json) -> None:
    for kind in ("THROTTLED", "QUOTA_EXCEEDED"):
        response = gateway_responses(resources)[kind]
        said = json.loads(response["responseTemplates"]["application/json"])
        assert (response["statusCode"], said["status"], said["code"]) == ("429", 429, "too_many_requests")


def overridden_origin(template: str, headers: Mapping[str, str]) -> str | None:
    """What the template has API Gateway answer instead of the mapped header, run by an engine of AWS's dialect of Velocity."""
    sent = SimpleNamespace(params=lambda name: headers.get(name, ""))
    context: Json = {"responseOverride": {"header": {}}}
    assert airspeed.Template(template).merge({"input": sent, "context": context}).strip() == ""
    origin: str | None = context["responseOverride"]["header"].get("Access-Control-Allow-Origin")
    return origin


ORIGINS = ["https://daybook.example", "http://localhost:5173"]


def test_a_preflight_names_the_origin_that_asks_if_it_is_one_of_several(template: Json) -> None:
    changed = deepcopy(template)
    allow_origins(changed, ", ".join(ORIGINS))
    for path in changed["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values():
        [answer] = path["options"]["x-amazon-apigateway-integration"]["responses"].values()
        assert answer["responseParameters"]["method.response.header.Vary"] == "'Origin'"
        assert {f"method.response.header.{name}" for name in path["options"]["responses"]["200"]["headers"]} == set(
            answer["responseParameters"]
        )
        said = answer["responseTemplates"]["application/json"]
        assert answer["responseParameters"]["method.response.header.Access-Control-Allow-Origin"] == f"'{ORIGINS[0]}'"
        for header in ("Origin", "origin"):
            assert [overridden_origin(said, {header: origin}) for origin in ORIGINS] == ORIGINS
            for other in ("https://evil.example", f"{ORIGINS[0]}.evil.example", "null", "*", ""):
                assert overridden_origin(said, {header: other}) is None
        assert overridden_origin(said, {}) is None
    for response in gateway_responses(changed["Resources"]).values():
        assert response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"


@pytest.mark.parametrize("origin", ["*", ORIGINS[0]])
def test_where_one_origin_is_allowed_all_answers_name_it(template: Json, origin: str) -> None:
    changed = deepcopy(template)
    allow_origins(changed, origin)
    for path in changed["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values():
        [answer] = path["options"]["x-amazon-apigateway-integration"]["responses"].values()
        assert "responseTemplates" not in answer
    for response in gateway_responses(changed["Resources"]).values():
        assert response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == f"'{origin}'"


def test_preflights_allow_every_header_that_is_read_and_are_kept_for_ten_minutes(resources: Json) -> None:
    for path in resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values():
        [answer] = path["options"]["x-amazon-apigateway-integration"]["responses"].values()
        said = {name.rpartition(".")[2]: value.strip("'") for name, value in answer["responseParameters"].items()}
        allowed = set(said["Access-Control-Allow-Headers"].split(","))
        assert {"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"} <= allowed
        assert said["Access-Control-Max-Age"] == "600"
        assert "Access-Control-Allow-Credentials" not in said


# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
KINDS_OF_GATEWAY_RESPONSES = {
    "ACCESS_DENIED": 403,
    "API_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 504,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_API_KEY": 403,
    "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "WAF_FILTERED": 403,
}
"""Each with the status that API Gateway gives it if nobody says otherwise."""


@pytest.mark.parametrize("kind", KINDS_OF_GATEWAY_RESPONSES)
def test_every_refusal_of_api_gateway_is_a_problem_document_of_its_status(kind: str, resources: Json) -> None:
    family = "DEFAULT_5XX" if KINDS_OF_GATEWAY_RESPONSES[kind] >= 500 else "DEFAULT_4XX"
    responses = gateway_responses(resources)
    response = responses[kind if kind in responses else family]
    said = json.loads(response["responseTemplates"]["application/json"])
    assert said.get("status") == (int(response["statusCode"]) if "statusCode" in response else None)
    assert said["type"] == f"/$context.stage/docs#{said['code']}"


def test_no_gateway_response_is_of_a_kind_that_there_is_not(resources: Json) -> None:
    assert set(gateway_responses(resources)) <= {*KINDS_OF_GATEWAY_RESPONSES, "DEFAULT_4XX", "DEFAULT_5XX"}


def test_who_is_throttled_is_told_when_to_come_again(resources: Json) -> None:
    headers = gateway_responses(resources)["THROTTLED"]["responseParameters"]
    assert headers["gatewayresponse.header.Retry-After"] == "'1'"
    assert "Retry-After" in headers["gatewayresponse.header.Access-Control-Expose-Headers"]


def test_what_api_gateway_refuses_a_browser_may_read(resources: Json) -> None:
    for kind, response in gateway_responses(resources).items():
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == f"'{problems.MEDIA_TYPE}'", kind
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'", kind
        assert headers["gatewayresponse.header.X-Request-Id"] == "context.requestId", kind
        challenge = headers.get("gatewayresponse.header.WWW-Authenticate")
        assert challenge == ("'Bearer'" if response.get("statusCode") == "401" else None), kind


# Stages


def test_a_package_is_for_the_stage_that_it_was_made_for(template: Json) -> None:
    assert template["Parameters"]["Stage"]["AllowedValues"] == ["local"]
    assert template["Parameters"]["MailSender"]["Default"] == stage_environment("local")["DAYBOOK_MAIL_SENDER"]


def test_the_stages_are_local_dev_and_prod() -> None:
    assert stages() == ["dev", "local", "prod"]
    for stage in stages():
        assert stage_environment(stage)["DAYBOOK_STAGE"] == stage
