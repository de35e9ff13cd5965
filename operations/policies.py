"""Narrows the functions' policies to one account, region and stage.

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


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The policy with every resource said by Fn::Sub, for a template that has a parameter Stage."""
    statements = [
        statement | {"Resource": [{"Fn::Sub": narrowed_resource(arn)} for arn in statement["Resource"]]}
        for statement in document["Statement"]
    ]
    return document | {"Statement": statements}


def narrowed_resource(arn: str) -> str:
    service = arn.split(":")[2]
    exact = arn.replace(ANYWHERE.format(service=service), HERE.format(service=service))
    exact = exact.replace("arn:aws:", "arn:${AWS::Partition}:")
    return exact.replace(ANY_STAGE, THIS_STAGE.get(service, "daybook-${Stage}"), 1)
