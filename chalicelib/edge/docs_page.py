"""The API's description as one page for people: plain HTML, no script, nothing loaded from anywhere."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html import escape
from typing import Any

from chalicelib.domain.errors import DaybookError
from chalicelib.edge.application import Application
from chalicelib.edge.openapi import all_refusals, describe, refusals_of
from chalicelib.edge.problems import status_of
from chalicelib.edge.responses import Text

Node = Mapping[str, Any]
_FEW = 12
"""So many values of a closed set are shown at once."""
_STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #8881; --dim: #595959; --link: #0b57d0; --ground: #fff; --ink: #1a1a1a;
  --get: #0b6b3a; --post: #0b57d0; --put: #7a4d00; --patch: #6b3fa0; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --dim: #a8a8a8; --link: #8ab4f8; --ground: #16181b; --ink: #e6e6e6;
  --get: #6dd58c; --post: #8ab4f8; --put: #f2bf63; --patch: #c9a7f5; --delete: #f2b8b5; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
code, .method, .path { font-family: ui-monospace, "Cascadia Code", "DejaVu Sans Mono", monospace; font-size: .9em; }
code { background: var(--soft); border-radius: .25em; padding: .1em .3em; overflow-wrap: anywhere; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99em; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: .5rem; z-index: 1; }
nav { padding: 1rem; border-bottom: 1px solid var(--line); }
nav ul { list-style: none; margin: 0; padding: 0 0 .5rem; }
nav li { padding: .15rem 0; overflow-wrap: anywhere; }
nav h2 { font-size: .85rem; margin: .75rem 0 .15rem; padding: 0; border: 0; }
nav a { text-decoration: none; color: inherit; }
nav a:hover { text-decoration: underline; }
main { padding: 1rem; max-width: 60rem; }
h1 { margin: 0 0 .5rem; line-height: 1.2; }
h2 { margin: 3rem 0 1rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line); }
h3 { margin: 0 0 .5rem; font-size: 1.1rem; overflow-wrap: anywhere; }
h4 { margin: 1rem 0 .25rem; font-size: .95rem; }
section section { padding: 1rem; margin: 0 0 1rem; border: 1px solid var(--line); border-radius: .5rem; }
section section:target { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
.method { font-weight: 700; display: inline-block; min-width: 4.2em; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
.patch { color: var(--patch); } .delete { color: var(--delete); }
.dim { color: var(--dim); font-size: .9em; }
p { margin: .25rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
tbody th { width: 12rem; }
thead th { color: var(--dim); font-size: .85rem; border: 0; }
summary { cursor: pointer; }
@media (max-width: 40rem) {
  thead { position: absolute; left: -99em; }
  tr { display: block; border-top: 1px solid var(--line); padding: .35rem 0; }
  tbody th, td { display: block; width: auto; border: 0; padding: .1rem 0; white-space: normal; }
}
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 20rem 1fr; }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border-bottom: 0; border-right: 1px solid var(--line); }
  main { padding: 2rem 3rem; }
}
@media print { nav { display: none; } body { display: block; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Nothing may load or run, but this one style sheet."""


@lru_cache(maxsize=1)
def page_of(app: Application) -> Text:
    """The page, made once."""
    page = _Page(app)
    return Text("\n".join(page.lines()), {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


class _Page:
    """Writes the page from the document, and the problems from the errors themselves."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._document = describe(app)
        self._components: Node = self._document["components"]
        self._everywhere = self._common_headers()

    def lines(self) -> Iterator[str]:
        info = self._document["info"]
        title = f"{info['title']} API {info['version']}"
        yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
        yield '<a class="skip" href="#content">To the content</a>'
        yield from self._contents()
        yield f'<main id="content">\n<h1>{escape(title)}</h1>'
        yield f'<p>{escape(info["license"]["name"])}. For programs: <a href="openapi.json">openapi.json</a>'
        yield f"(OpenAPI {self._document['openapi']}).</p>\n<h2>Every answer</h2>"
        every = ((name, self._components["headers"][name]) for name in self._everywhere)
        yield from _table(("Header", "What"), ((_code(name), _prose(header["description"])) for name, header in every))
        for tag in self._tags():
            yield f'<section aria-labelledby="tag-{tag}">\n<h2 id="tag-{tag}">{escape(tag)}</h2>'
            for path, method, operation in self._operations(tag):
                yield from self._operation(path, method, operation)
            yield "</section>"
        yield from self._schemas()
        yield from self._problems()
        yield "</main>\n</body>\n</html>"

    def _tags(self) -> list[str]:
        return [tag["name"] for tag in self._document["tags"]]

    def _operations(self, tag: str) -> Iterator[tuple[str, str, Node]]:
        for path, item in self._document["paths"].items():
            for method, operation in item.items():
                if tag in operation["tags"]:
                    yield path, method, operation

    def _contents(self) -> Iterator[str]:
        yield '<nav aria-label="Contents">'
        for tag in self._tags():
            yield f"<h2>{escape(tag)}</h2>\n<ul>"
            for path, method, operation in self._operations(tag):
                yield f'<li><a href="#operation-{operation["operationId"]}">{_method_and_path(method, path)}</a></li>'
            yield "</ul>"
        yield '<h2>Reference</h2>\n<ul>\n<li><a href="#schemas">Schemas</a></li>'
        yield '<li><a href="#problems">Problems</a></li>\n</ul>\n</nav>'

    def _operation(self, path: str, method: str, operation: Node) -> Iterator[str]:
        anchor = f"operation-{operation['operationId']}"
        access = "Public." if operation.get("security") == [] else "Needs a token."
        yield f'<section id="{anchor}" aria-labelledby="{anchor}-title">'
        yield f'<h3 id="{anchor}-title">{_method_and_path(method, path)}</h3>'
        yield f'<p>{_prose(operation["summary"])} <span class="dim">{access}</span></p>'
        if "parameters" in operation:
            yield "<h4>Parameters</h4>"
            yield from _table(("Name", "In", "Value"), map(self._parameter, operation["parameters"]))
        if "requestBody" in operation:
            yield "<h4>Body</h4>"
            yield f"<p>{self._content(operation['requestBody'])}</p>"
        yield "<h4>Answers</h4>"
        yield from _table(("Status", "What", "Headers"), map(self._answer, *zip(*operation["responses"].items(), strict=True)))
        yield "</section>"

    def _parameter(self, parameter: Node) -> tuple[str, str, str]:
        needed = "" if parameter["required"] else ' <span class="dim">optional</span>'
        example = f", such as {_code(parameter['example'])}" if "example" in parameter else ""
        described = f"<br>{_prose(parameter['description'])}" if "description" in parameter else ""
        name = _code(parameter["name"]) + needed
        return name, parameter["in"], self._kind(parameter["schema"]) + example + described

    def _content(self, holder: Node) -> str:
        kinds = (
            f"{self._kind(media['schema'])} as {_code(media_type)}" for media_type, media in holder.get("content", {}).items()
        )
        return ", ".join(kinds)

    def _answer(self, status: str, answer: Node) -> tuple[str, str, str]:
        told = self._resolved(answer)
        headers = ", ".join(_code(name) for name in told["headers"] if name not in self._everywhere)
        if status >= "400":
            codes = next(iter(told["content"].values()))["schema"]["properties"]["code"]["enum"]
            what = "<br>".join(f'<a href="#{code}"><code>{code}</code></a>' for code in codes)
        else:
            what = ": ".join(filter(None, (escape(told["description"]), self._content(told))))
        return status, what, headers

    def _common_headers(self) -> list[str]:
        """Those that every answer has: they are told once."""
        operations = [operation for item in self._document["paths"].values() for operation in item.values()]
        answers = [self._resolved(answer) for operation in operations for answer in operation["responses"].values()]
        return [name for name in self._components["headers"] if all(name in answer["headers"] for answer in answers)]

    def _resolved(self, node: Node) -> Node:
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        resolved: Node = self._components[kind][name]
        return resolved

    def _kind(self, schema: Node) -> str:
        """What values a schema takes, in a few words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f'<a href="#schema-{name}">{name}</a>'
        if "anyOf" in schema:
            kinds = " or ".join(self._kind(each) for each in schema["anyOf"])
            return kinds + _default(schema)
        if "enum" in schema:
            return _one_of(schema["enum"]) + _default(schema)
        if schema.get("type") == "array":
            return f"list of {self._kind(schema['items'])}"
        if "properties" in schema:
            return "object of " + ", ".join(map(_code, schema["properties"]))
        return _plain_kind(schema) + _bounds(schema) + _default(schema)

    def _schemas(self) -> Iterator[str]:
        yield '<section aria-labelledby="schemas">\n<h2 id="schemas">Schemas</h2>'
        for name, schema in self._components["schemas"].items():
            yield f'<section id="schema-{name}" aria-labelledby="schema-{name}-title">'
            yield f'<h3 id="schema-{name}-title">{name}</h3>'
            if "description" in schema:
                yield f"<p>{_prose(schema['description'])}</p>"
            if "properties" in schema:
                yield from _table(("Member", "Value"), self._members(schema))
            else:
                yield f"<p>{self._kind(schema)}</p>"
            yield "</section>"
        yield "</section>"

    def _members(self, schema: Node) -> Iterator[tuple[str, str]]:
        for name, member in schema["properties"].items():
            needed = "" if name in schema["required"] else ' <span class="dim">optional</span>'
            yield _code(name) + needed, self._kind(member)

    def _problems(self) -> Iterator[str]:
        yield '<section aria-labelledby="problems">\n<h2 id="problems">Problems</h2>'
        yield '<p>Every refusal is a <a href="#schema-Problem">Problem</a>; its <code>type</code> leads here.</p>'
        every: list[type[DaybookError]] = [DaybookError, *all_refusals()]
        for refusal in every:
            yield f'<section id="{refusal.code}" aria-labelledby="{refusal.code}-title">'
            yield f'<h3 id="{refusal.code}-title"><code>{refusal.code}</code> {_status(refusal)}</h3>'
            yield f"<p>{_prose(refusal.title())}</p>"
            operations = ", ".join(self._answered_by(refusal))
            yield f'<p class="dim">Answered by {operations}.</p>' if operations else ""
            yield "</section>"
        yield "</section>"

    def _answered_by(self, refusal: type[DaybookError]) -> Iterable[str]:
        answering = [each.view.__name__ for each in self._app.endpoints if refusal in refusals_of(each)]
        if len(answering) == len(self._app.endpoints):
            return ["every operation"]
        return [f'<a href="#operation-{name}">{name}</a>' for name in answering]


def _method_and_path(method: str, path: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span> <span class="path">{escape(path)}</span>'


def _status(refusal: type[DaybookError]) -> str:
    return "4xx" if refusal is DaybookError else str(status_of(refusal))


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _prose(text: str) -> str:
    """Text of a docstring: what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(" ".join(text.split())))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield '<div class="wide"><table>\n<thead><tr>' + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead>"
    yield "<tbody>"
    for row in rows:
        first, *others = row
        yield f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
    yield "</tbody></table></div>"


def _plain_kind(schema: Node) -> str:
    kinds = schema.get("type", "anything")
    name = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return f"{name} ({schema['format']})" if "format" in schema else name


_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "to {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "const": "always {}",
}


def _bounds(schema: Node) -> str:
    told = [
        words.format(f"{schema[name]:.15g}") for name, words in _BOUNDS.items() if isinstance(schema.get(name), int | float)
    ]
    pattern = f", like {_code(schema['pattern'])}" if "pattern" in schema else ""
    return "".join(f", {each}" for each in told) + pattern


def _default(schema: Node) -> str:
    value = schema.get("default")
    return "" if value is None or value == "" else f", else {_code(str(value).lower())}"


def _one_of(values: list[str]) -> str:
    all_of_them = " ".join(_code(str(value)) for value in values)
    if len(values) <= _FEW:
        return all_of_them
    return f"<details><summary>one of {len(values)}</summary>{all_of_them}</details>"
