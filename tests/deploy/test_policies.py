"""Policies as they stand in .chalice, and what they become in a template."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import in_process, orders
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


KINDS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
"""What a transaction's writes are to IAM."""


def test_the_steps_of_an_order_ask_dynamodb_for_nothing_that_their_policies_do_not_allow() -> None:
    """No local AWS looks at policies."""
    asked: dict[str, set[str]] = defaultdict(set)
    steps: list[str] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        if model.name == "TransactWriteItems":
            writes = json.loads(params["body"])["TransactItems"]
            asked[steps[-1]] |= {f"dynamodb:{KINDS[kind]}" for write in writes for kind in write}
        else:
            asked[steps[-1]].add(f"dynamodb:{model.name}")

    with in_process.running() as daybook:
        shop = orders.Shop(daybook)
        placed = [shop.place(more) for more in orders.WAYS.values()]
        daybook.table._client.meta.events.register("before-call.dynamodb", note)

        def invoke(function: str, given: dict[str, Any]) -> None:
            steps.append(function)
            daybook.step(function, given)

        for order_id in placed:
            shop.work_off(order_id, invoke)

    assert len(asked) == 11, "all but the one that gives up"
    for function, actions in asked.items():
        statements = json.loads((CHALICE / f"policy-{function}.json").read_text())["Statement"]
        allowed = {action for statement in statements for action in statement["Action"] if action.startswith("dynamodb:")}
        assert actions <= allowed, f"{function} also asks for {actions - allowed}"
