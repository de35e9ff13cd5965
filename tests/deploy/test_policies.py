"""Policies as they stand in .chalice, and what they become in a template."""

import json
from pathlib import Path

import pytest

from operations.policies import narrowed, narrowed_resource

CHALICE = Path(__file__).parents[2] / ".chalice"
HERE = "${AWS::Region}:${AWS::AccountId}"


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        ("arn:aws:sqs:*:*:daybook-*-invoicing", f"arn:${{AWS::Partition}}:sqs:{HERE}:daybook-${{Stage}}-invoicing"),
        (
            "arn:aws:dynamodb:*:*:table/daybook-*-ephemeral",
            f"arn:${{AWS::Partition}}:dynamodb:{HERE}:table/daybook-${{Stage}}-ephemeral",
        ),
        (
            "arn:aws:dynamodb:*:*:table/daybook-*/index/due",
            f"arn:${{AWS::Partition}}:dynamodb:{HERE}:table/daybook-${{Stage}}/index/due",
        ),
        (
            "arn:aws:dynamodb:*:*:table/daybook-*/stream/*",
            f"arn:${{AWS::Partition}}:dynamodb:{HERE}:table/daybook-${{Stage}}/stream/*",
        ),
        ("arn:aws:s3:::daybook-*/documents/*", "arn:${AWS::Partition}:s3:::daybook-${Stage}-${AWS::AccountId}/documents/*"),
        (
            "arn:aws:logs:*:*:log-group:/aws/lambda/daybook-*:*",
            f"arn:${{AWS::Partition}}:logs:{HERE}:log-group:/aws/lambda/daybook-${{Stage}}*:*",
        ),
        (
            "arn:aws:secretsmanager:*:*:secret:daybook-*-token-key-??????",
            f"arn:${{AWS::Partition}}:secretsmanager:{HERE}:secret:daybook-${{Stage}}-token-key-??????",
        ),
    ],
)
def test_a_resource_is_narrowed_to_account_region_and_stage(written: str, exact: str) -> None:
    assert narrowed_resource(written) == exact


def test_mail_is_narrowed_to_the_stacks_sender_and_keeps_its_other_conditions() -> None:
    resource = ["arn:aws:ses:*:*:identity/*"]
    statement = {"Action": ["ses:SendRawEmail"], "Resource": resource, "Condition": {"Bool": {"a": "true"}}}
    [after] = narrowed({"Statement": [statement]})["Statement"]
    sender = {"ses:FromAddress": {"Ref": "MailSender"}}
    assert after["Condition"] == {"Bool": {"a": "true"}, "StringEquals": sender}


def test_narrowing_changes_nothing_but_the_resources() -> None:
    statement = {"Sid": "A", "Effect": "Allow", "Action": ["sqs:SendMessage"], "Condition": {"Bool": {"a": "true"}}}
    document = {"Version": "2012-10-17", "Statement": [statement | {"Resource": ["arn:aws:sqs:*:*:daybook-*"]}]}
    [after] = narrowed(document)["Statement"]
    assert {name: part for name, part in after.items() if name != "Resource"} == statement
    assert after["Resource"] == [{"Fn::Sub": f"arn:${{AWS::Partition}}:sqs:{HERE}:daybook-${{Stage}}"}]


def test_the_authorizer_may_read_who_stands_in_the_table_and_nothing_else() -> None:
    statements = json.loads((CHALICE / "policy-authorize.json").read_text())["Statement"]

    asked = {action: statement["Resource"] for statement in statements for action in statement["Action"]}

    assert asked["dynamodb:BatchGetItem"] == ["arn:aws:dynamodb:*:*:table/daybook-*"]
    assert set(asked) == {
        "dynamodb:BatchGetItem",
        "secretsmanager:GetSecretValue",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
