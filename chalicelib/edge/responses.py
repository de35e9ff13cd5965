"""Writing answers: views into JSON with exact numbers, pages with a link to the next."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from chalice.app import Request, Response

from chalicelib.domain.paging import Page
from chalicelib.edge.cursors import seal
from chalicelib.edge.preconditions import entity_tag
from chalicelib.edge.views import ListView, View

SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer, unless it says otherwise itself. The last one is asked where a page loads without CORS; with it, never."""


class Document(NamedTuple):
    """Declares an answer that is a text as it stands, such as a page; the route's view returns a `Text`."""

    media_type: str


class Text(NamedTuple):
    """`headers` are those that belong to the text itself."""

    content: str
    headers: Mapping[str, str] = MappingProxyType({})


_JSON = msgspec.json.Encoder(decimal_format="number")


def shown(result: View | ListView) -> bytes:
    """JSON with Decimals as numbers that have exactly their digits."""
    return _JSON.encode(result)


def tag_of(result: View | ListView) -> str:
    lasting = result.lasting() if isinstance(result, View) else result
    return entity_tag(shown(lasting), None if lasting is result else shown(result))


def answer(result: View | ListView, status: int, **headers: str) -> Response:
    body = shown(result).decode()
    return Response(body=body, status_code=status, headers={"Content-Type": "application/json", **headers})


def not_modified(tag: str) -> Response:
    return Response(body="", status_code=304, headers={"ETag": tag})


def answer_page(page: Page[Any], list_type: type[ListView], account_id: str, request: Request) -> Response:
    """`{"<plural>": [...], "next": "<cursor>"}`, with a Link header where there is a next page.

    The link is relative to the request (RFC 8288, 3.1): the stage and the domain before our paths are API Gateway's affair.
    """
    members: dict[str, Any] = {list_type.list_name: tuple(list_type.item.of(thing) for thing in page.items)}
    if page.next is None:
        return answer(list_type(**members), 200)
    cursor = seal(page.next, account_id, list_type.list_name)
    query = urlencode({**{name: (request.query_params or {})[name] for name in request.query_params or {}}, "next": cursor})
    return answer(list_type(**members, next=cursor), 200, Link=f'<?{query}>; rel="next"')


def text(shown: Text, document: Document) -> Response:
    return Response(body=shown.content, status_code=200, headers={"Content-Type": document.media_type, **shown.headers})


def nothing() -> Response:
    return Response(body="", status_code=204)


def redirect(location: str) -> Response:
    return Response(body="", status_code=302, headers={"Location": location})
