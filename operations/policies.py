"""Narrows the functions' policies to one account, region and stage, and mail to one sender.

The files in .chalice are plain policies, as `chalice deploy` reads them, so they name no account and no stage:
`arn:aws:sqs:*:*:daybook-*-invoicing`. In a template the same resource can be said exactly.
"""

from typing import Any, Final

ANYWHERE: Final = "arn:aws:{service}:*:*:"
HERE: Final = "arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:"
ANY_STAGE: Final = "daybook-*"
THIS_STAGE: Final = {
    "s3": "daybook-${Stage}-${AWS::AccountId}",
    # Functions are called daybook-<stage>-<something>, by `chalice deploy` the API's only daybook-<stage>.
    "logs": "daybook-${Stage}*",
}


# SES asks for the identity that was verified, which may be the sender's whole domain: `identity/*` allows every sender.
THIS_SENDER: Final = {"StringEquals": {"ses:FromAddress": {"Ref": "MailSender"}}}


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The policy with every resource said by Fn::Sub, for a template that has the parameters Stage and MailSender."""
    return document | {"Statement": [narrowed_statement(statement) for statement in document["Statement"]]}


def narrowed_statement(statement: dict[str, Any]) -> dict[str, Any]:
    narrow = statement | {"Resource": [{"Fn::Sub": narrowed_resource(arn)} for arn in statement["Resource"]]}
    if any(action.startswith("ses:") for action in statement["Action"]):
        narrow["Condition"] = statement.get("Condition", {}) | THIS_SENDER
    return narrow


def narrowed_resource(arn: str) -> str:
    service = arn.split(":")[2]
    exact = arn.replace(ANYWHERE.format(service=service), HERE.format(service=service))
    exact = exact.replace("arn:aws:", "arn:${AWS::Partition}:")
    return exact.replace(ANY_STAGE, THIS_STAGE.get(service, "daybook-${Stage}"), 1)
