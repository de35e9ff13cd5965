"""API Gateway's own refusals. Chalice's local gateway has others: here they are those that the template declares."""

import json
from collections.abc import Mapping
from pathlib import Path

_TEMPLATE = json.loads((Path(__file__).parents[2] / ".chalice" / "resources.json").read_text())
RESPONSES: dict[str, dict[str, object]] = _TEMPLATE["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
    "x-amazon-apigateway-gateway-responses"
]
_KINDS = {401: "UNAUTHORIZED", 403: "MISSING_AUTHENTICATION_TOKEN"}
"""What stands in the template for what the local gateway answers itself: without a token, and where there is no route."""


def as_deployed(status: int, headers: Mapping[str, str], body: bytes, path: str) -> tuple[int, dict[str, str], bytes]:
    """The answer as API Gateway gives it where the local gateway did not ask the application."""
    if "x-amzn-ErrorType" not in headers:
        return status, dict(headers), body
    known = {"requestId": headers["x-amzn-RequestId"], "path": path}
    declared = json.loads(json.dumps(RESPONSES[_KINDS[status]]))
    written = {
        name.removeprefix("gatewayresponse.header."): known.get(value.removeprefix("context."), value.strip("'"))
        for name, value in declared["responseParameters"].items()
    }
    text = declared["responseTemplates"]["application/json"]
    for name, value in known.items():
        text = text.replace(f"$context.{name}", json.dumps(value)[1:-1])
    return int(declared["statusCode"]), written, text.encode()
