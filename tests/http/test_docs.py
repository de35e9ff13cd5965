"""The page that shows the API's description: whole, self-contained, and the address of every problem's type."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from chalicelib.domain.errors import DaybookError
from chalicelib.edge.application import Endpoint
from tests.http.api import Api
from tests.http.described import description
from tests.http.examples import ENDPOINTS, name_of
from tests.http.gateway import RESPONSES

VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would make of it: ids, links, text and whatever would load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open += [tag] if tag not in VOID else []
        for name, value in attrs:
            self.attributes.add(name)
            self.ids += [value or ""] if name == "id" else []
            self.links += [value or ""] if name == "href" else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(visitor: Api) -> Page:
    return Page(visitor.get("/docs").body.decode())


def codes(root: type[DaybookError] = DaybookError) -> Iterator[str]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith("chalicelib."):
            yield kind.code
            yield from codes(kind)


def test_the_page_is_html_for_everybody(visitor: Api) -> None:
    answer = visitor.get("/docs")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b'<!DOCTYPE html>\n<html lang="en">')
    assert visitor.call("GET", "/docs", headers={"If-None-Match": answer.headers["ETag"]}).status == 304


def test_every_element_that_is_opened_is_closed(page: Page) -> None:
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(visitor: Api, page: Page) -> None:
    answer = visitor.get("/docs")
    style = re.findall(rb"<style>(.*?)</style>", answer.body, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(sheet).digest()).decode() for sheet in style]
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert [policy["style-src"]] == [f"'sha256-{digest}'" for digest in digests]
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "video", "audio"}
    assert not {name for name in page.attributes if name.startswith("on")} | (page.attributes & {"src", "style", "srcset"})
    assert b"url(" not in style[0]
    assert b"@import" not in style[0]
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json"}


def test_every_link_within_the_page_leads_somewhere(page: Page) -> None:
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_every_problem_is_documented_at_the_address_of_its_type(page: Page) -> None:
    ours = set(codes())
    gateways = {json.loads(str(one["responseTemplates"]["application/json"]))["code"] for one in map(_template, RESPONSES)}

    assert len(ours) > 20
    assert ours | gateways <= set(page.ids)


def _template(kind: str) -> dict[str, dict[str, str]]:
    declared: dict[str, dict[str, str]] = json.loads(json.dumps(RESPONSES[kind]))
    return declared


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_every_operation_is_shown_with_its_parameters_body_and_answers(visitor: Api, endpoint: Endpoint) -> None:
    operation = description()["paths"][endpoint.path][endpoint.method.lower()]
    html = visitor.get("/docs").body.decode()
    shown = html.partition(f'<section id="operation-{operation["operationId"]}"')[2].partition("</section>")[0]
    text = Page(f"<section{shown}</section>").text

    assert endpoint.method in text
    assert endpoint.path in text
    assert all(parameter["name"] in text for parameter in operation.get("parameters", []))
    assert endpoint.body is None or f"#schema-{endpoint.body.__name__}" in shown
    assert all(f'<th scope="row">{status}</th>' in shown for status in operation["responses"])


def test_every_schema_is_shown_with_its_members(page: Page, visitor: Api) -> None:
    html = visitor.get("/docs").body.decode()
    for name, schema in description()["components"]["schemas"].items():
        shown = html.partition(f'<section id="schema-{name}"')[2].partition("</section>")[0]
        assert all(f"<code>{member}</code>" in shown for member in schema.get("properties", {})), name
