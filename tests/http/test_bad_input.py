"""Whatever comes in, on whatever route: 400, 413, 415 or 422 with the place of the fault, never a 500, nothing half written."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from chalicelib.edge.application import Endpoint
from chalicelib.edge.bodies import ListQuery
from chalicelib.edge.requests import MAX_BODY_BYTES, MAX_HEADER_CHARACTERS, MAX_URI_CHARACTERS
from tests.http.api import Answer, Api, client_body
from tests.http.examples import BODIES, ENDPOINTS, OTHER_PATH_PARAMETERS, QUERIES, WITH_BODY, Inhabitant, move_in, name_of
from tests.wired import MemoryWired

WITH_PATH = [endpoint for endpoint in ENDPOINTS if endpoint.path_parameters]
WITH_QUERY = [endpoint for endpoint in ENDPOINTS if endpoint.query is not None]
LISTS = [endpoint for endpoint in WITH_QUERY if issubclass(endpoint.query or object, ListQuery)]
PROBLEM = {"type", "title", "status", "detail", "instance", "code", "request_id"}


@pytest.fixture
def ada(visitor: Api) -> Inhabitant:
    return move_in(visitor, "ada@example.com")


def refused(answer: Answer, status: int, code: str, case: object = None) -> None:
    """Checks that it is a whole problem document; `case` says which of several it was."""
    assert answer.headers["Content-Type"] == "application/problem+json", (case, answer.body)
    problem = answer.json
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code), (case, problem)
    assert set(problem) - {"errors"} == PROBLEM
    assert ("errors" in problem) == (status == 422)
    assert problem["type"] == f"/docs#{code}"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    assert all(set(error) == {"pointer", "detail"} and error["detail"] for error in problem.get("errors", []))


MALFORMED = {
    "empty": b"",
    "blank": b" \r\n\t ",
    "broken": b'{"name": "Ada',
    "not JSON": b"name=Ada",
    "single quotes": b"{'name': 'Ada'}",
    "trailing comma": b'{"name": "Ada",}',
    "two values": b"{}{}",
    "comment": b"{} // none",
    "NaN": b'{"rate": NaN}',
    "Infinity": b'{"rate": -Infinity}',
    "leading zero": b'{"rate": 01}',
    "underscore": b'{"rate": 1_000}',
    "doubled key": b'{"name": "Ada", "name": "Eve"}',
    "doubled key, escaped": b'{"name": "Ada", "n\\u0061me": "Eve"}',
    "doubled unknown key": b'{"x": 1, "x": 2}',
    "raw control character": b'{"name": "A\nda"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "Latin-1": '{"name": "Größe"}'.encode("latin-1"),
    "UTF-16": '{"name": "Ada"}'.encode("utf-16"),
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "NUL": b"\x00",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "depth 100,000": b"[" * 100_000,
    "depth 100,000, closed": b"[" * 100_000 + b"]" * 100_000,
    "depth 100,000 in a member": b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects of depth 100,000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


HALF_PAIRS = [b'{"name": "\\ud800"}', b'{"name": "\\udc00\\ud800"}', b'{"\\ud800": 1}', b'{"client_id": "\\udfff"}']
"""JSON by its grammar, but no text: malformed, or invalid where the member is not known anyway."""


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_what_is_no_json_is_malformed(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for case, body in MALFORMED.items():
        refused(ada.send(endpoint, body=body), 400, "malformed", case)
    for body in HALF_PAIRS:
        answer = ada.send(endpoint, body=body)
        refused(answer, *((400, "malformed") if answer.status == 400 else (422, "invalid")), case=body)
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_json_that_is_no_object_is_invalid(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for body in (b"null", b"true", b"0", b'"text"', b"[]", b'[{"name": "Ada"}]'):
        answer = ada.send(endpoint, body=body)
        refused(answer, 422, "invalid", body)
        assert answer.pointers == [""]
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_a_body_of_1_mib_is_read_and_a_byte_more_is_too_large(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()
    largest = b'{"nonsense": "' + b"x" * (MAX_BODY_BYTES - 16) + b'"}'
    assert len(largest) == 1_048_576

    refused(ada.send(endpoint, body=largest), 422, "invalid")
    refused(ada.send(endpoint, body=largest + b" "), 413, "too_large")
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_an_unknown_member_is_named_by_its_pointer(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for name in ("nonsense", "", "a/b~c", "a`b", "x` - at `$.y", "$", "ключ", "__class__", "\n", "\x00", "😀"):
        answer = ada.send(endpoint, body={name: 1})
        refused(answer, 422, "invalid", name)
        assert answer.pointers == ["/" + name.replace("~", "~0").replace("/", "~1")]
    assert wired.state() == before


def test_a_megabyte_of_a_name_is_not_sent_back(ada: Inhabitant) -> None:
    answer = ada.api.post("/v1/clients", client_body(**{"x" * 1_000_000: 1}))

    refused(answer, 422, "invalid")
    assert len(answer.body) < 2_000


def _members() -> list[tuple[Endpoint, str]]:
    return [(one, name) for one in WITH_BODY for name in (one.body or msgspec.Struct).__struct_encode_fields__]


ODD: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "a fraction": 0.5,
    "out of every range": 10**30,
    "400 digits": 10**400,
    "minus 400 digits": -(10**400),
    "empty text": "",
    "blank text": " ",
    "NUL": "\x00",
    "a line break": "\n",
    "C1 control": "\x85",
    "line separator": "\u2028",
    "right to left": "\u202eolleh",
    "emoji": "👩‍💻" * 5,
    "long text": "x" * 100_000,
    "markup": "<script>alert(1)</script>",
    "an injection": "'; DROP TABLE clients; --",
    "a placeholder": "{0.__class__} %s ${x}",
    "number in a string": "12.50",
    "NaN in a string": "NaN",
    "a signalling NaN in a string": "sNaN",
    "infinity in a string": "-Infinity",
    "a huge exponent": "1e999999999",
    "a tiny exponent": "1e-999999999",
    "a huge exponent as number": 1e300,
    "first day": "0001-01-01",
    "last day": "9999-12-31",
    "no day": "2026-02-30",
    "instant without zone": "2026-11-19T09:00:00",
    "instant at the end of time": "9999-12-31T23:59:59-23:59",
    "instant at the start of time": "0001-01-01T00:00:00+23:59",
    "a list": [],
    "lists": [[["x"]]],
    "an object": {},
    "an object with members": {"id": "cli_1"},
}


@pytest.mark.parametrize(("endpoint", "member"), _members(), ids=lambda one: name_of(one) if isinstance(one, Endpoint) else one)
def test_an_odd_value_is_taken_as_it_is_or_refused_with_its_place(
    ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint, member: str
) -> None:
    for odd, value in ODD.items():
        before = wired.state()
        answer = ada.send(endpoint, body={member: value})
        if answer.status < 400:
            continue
        assert answer.status in {401, 404, 409, 422} or answer.code == "product_ids_differ", (odd, answer.body)
        refused(answer, answer.status, answer.code)
        if answer.status == 422:
            (pointer,) = answer.pointers
            assert pointer in ("", "/vat_id") or f"{pointer}/".startswith(f"/{member}/"), (odd, answer.json)
        assert wired.state() == before, odd


@pytest.mark.parametrize(("endpoint", "member"), _members(), ids=lambda one: name_of(one) if isinstance(one, Endpoint) else one)
def test_a_member_that_is_left_out_is_refused_or_has_a_default(
    ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint, member: str
) -> None:
    assert endpoint.body is not None
    example = BODIES[endpoint.body](ada.ids)
    required = {field.encode_name for field in msgspec.structs.fields(endpoint.body) if field.required}
    before = wired.state()

    answer = ada.send(endpoint, body=msgspec.json.encode({name: value for name, value in example.items() if name != member}))

    if member in required:
        refused(answer, 422, "invalid")
        assert answer.pointers == [f"/{member}"]
        assert wired.state() == before
    else:
        assert answer.status < 400 or answer.pointers == [""], "one of two forms lacks a half"


OTHER_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "json",
    "",
    "*/*",
)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_a_body_that_is_declared_as_something_else_is_refused(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for content_type in OTHER_TYPES:
        declared = replace(ada, api=replace(ada.api, headers={"Content-Type": content_type}))
        refused(declared.send(endpoint), 415, "unsupported_media_type", content_type)
    assert wired.state() == before


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/merge-patch+json",
        "application/json;",
    ],
)
def test_json_may_be_declared_in_several_ways(ada: Inhabitant, content_type: str) -> None:
    answer = ada.api.call("POST", "/v1/clients", client_body(), headers={"Content-Type": content_type})

    assert answer.status == 201


ODD_SEGMENTS = [
    "a/b", "..", ".", "../../etc/passwd", "cli_", "\x00", "%", "%00", "a b", "a+b", "'", '"', "<b>", "😀", "ü", "\u202e",
    "x" * 3_000, "cli_01J0000000000000000000000", "cli_01J000000000000000000000000", "CLI_01J00000000000000000000000",
    "cli_01j00000000000000000000000", "cli_81J00000000000000000000000", "cli_01J0000000000000000000000U", " ", "null", "-1",
    "inv_01J00000000000000000000000#", "client#x", "*",
]  # fmt: skip


@pytest.mark.parametrize("endpoint", WITH_PATH, ids=name_of)
def test_what_cannot_be_an_id_is_not_found(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for name, _ in endpoint.path_parameters:
        for segment in ODD_SEGMENTS:
            answer = ada.send(endpoint, path={name: segment})
            if endpoint.may_make and (answer.status == 201 or answer.pointers == ["/id"]):
                continue  # an id of the caller's own making: told where it is wrong
            refused(answer, 404, "not_found", segment)
            assert answer.json["instance"] == endpoint.path.replace(f"{{{name}}}", quote(segment, safe=""))
    assert wired.state() == before or endpoint.may_make


@pytest.mark.parametrize("escaped", ["%ff", "%C3%28", "%ED%A0%80", "%", "%zz", "%u0041", "%00%00"])
def test_a_path_that_is_badly_escaped_is_not_found(ada: Inhabitant, escaped: str) -> None:
    refused(ada.api.get(f"/v1/clients/{escaped}"), 404, "not_found")


def test_an_escaped_id_is_the_same_id(ada: Inhabitant) -> None:
    escaped = ada.ids["client_id"].replace("_", "%5F")

    assert ada.api.get(f"/v1/clients/{escaped}").json["id"] == ada.ids["client_id"]


@pytest.mark.parametrize("endpoint", WITH_QUERY, ids=name_of)
def test_an_unknown_query_parameter_is_refused(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for name in ("nonsense", "LIMIT", "a/b~c", "😀", "__class__", "limit[]"):
        answer = ada.send(endpoint, query={name: "1"})
        refused(answer, 422, "invalid", name)
        assert answer.pointers == ["/" + name.replace("~", "~0").replace("/", "~1")]
        assert answer.json["detail"].startswith(f"{answer.pointers[0]}: query parameter: ")
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", LISTS, ids=name_of)
def test_a_limit_is_1_to_100(ada: Inhabitant, endpoint: Endpoint) -> None:
    for limit in ("0", "101", "-1", "abc", "", " 5", "1.5", "+5", "5,", "9" * 400, "٥", "NaN"):
        answer = ada.send(endpoint, query={"limit": limit})
        refused(answer, 422, "invalid", limit)
        assert answer.pointers == ["/limit"]
    for limit in ("1", "100"):
        assert ada.send(endpoint, query={"limit": limit}).status == 200


CURSORS = ("", "x", "null", "=", "AAAA", "AAAAAAAAAAAAAAAA", "%00", "😀", "\x00", "a b", "cli_1", "x" * 1_024, "/w==", "____")


@pytest.mark.parametrize("endpoint", LISTS, ids=name_of)
def test_a_cursor_that_is_not_ours_is_refused(ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint) -> None:
    before = wired.state()

    for cursor in CURSORS:
        refused(ada.send(endpoint, query={"next": cursor}), 400, "bad_cursor", cursor)
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", LISTS, ids=name_of)
def test_a_cursor_that_was_changed_is_refused(ada: Inhabitant, endpoint: Endpoint) -> None:
    cursor = ada.send(endpoint, query={"limit": "1"}).json["next"]
    assert ada.send(endpoint, query={"next": cursor}).status == 200

    for changed in (
        cursor[:-1],
        cursor + "A",
        cursor + "=",
        cursor.swapcase(),
        cursor[::-1],
        ("B" if cursor[0] == "A" else "A") + cursor[1:],
    ):
        refused(ada.send(endpoint, query={"next": changed}), 400, "bad_cursor")
    refused(ada.send(endpoint, query={"next": "x" * 8_000}), 400, "bad_cursor")


def signed_in_again(inhabitant: Inhabitant) -> Inhabitant:
    """A new password ends the tokens that were there."""
    return replace(inhabitant, api=inhabitant.api.signed_in("ada@example.com"))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_an_address_of_8192_characters_is_read_and_one_more_is_too_long(
    ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint
) -> None:
    path = endpoint.path.format(**OTHER_PATH_PARAMETERS, **ada.ids)
    asked = "".join(f"{name}={value}&" for name, value in QUERIES.get(endpoint.path, {}).items())
    rest = MAX_URI_CHARACTERS - len(path) - len(asked) - len("nonsense") - len("?=")

    assert ada.send(endpoint, query={"nonsense": "x" * rest}).status != 414
    ada = signed_in_again(ada)
    before = wired.state()
    refused(ada.send(endpoint, query={"nonsense": "x" * (rest + 1)}), 414, "uri_too_long")
    refused(ada.send(endpoint, query={f"p{number}": "" for number in range(51)}), 414, "uri_too_long")
    assert wired.state() == before


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_a_body_of_more_than_a_mebibyte_is_too_large_wanted_or_not(
    ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint
) -> None:
    before = wired.state()
    path = endpoint.path.format(**OTHER_PATH_PARAMETERS, **ada.ids)

    refused(ada.api.call(endpoint.method, path, b'"' + b"x" * 1024 * 1024 + b'"   '), 413, "too_large")

    assert wired.state() == before


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_headers_of_16_kib_are_read_and_one_more_character_is_too_much(
    ada: Inhabitant, wired: MemoryWired, endpoint: Endpoint
) -> None:
    usual = len("Authorization") + len(f"Bearer {ada.api.token}")
    usual += len("Content-Type") + len("application/json") if endpoint.body else 0
    rest = MAX_HEADER_CHARACTERS - usual - len("X-A") - len("X-B") - 8_000

    def sent(length: int) -> Answer:
        headers = {"X-A": "a" * 8_000, "X-B": "b" * length}
        return replace(ada, api=replace(ada.api, headers=headers)).send(endpoint)

    assert sent(rest).status != 431
    ada = signed_in_again(ada)
    before = wired.state()
    refused(sent(rest + 1), 431, "headers_too_large")
    assert wired.state() == before


@pytest.mark.parametrize("query", ["from=null", "to=Null", "billed=null"])
def test_null_is_no_filter_that_was_left_out(ada: Inhabitant, query: str) -> None:
    refused(ada.api.get(f"/v1/work?{query}"), 422, "invalid")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/work?from=2026-02-30", "/from"),
        ("/v1/work?to=tomorrow", "/to"),
        ("/v1/work?from=2026-11-01T00:00:00Z", "/from"),
        ("/v1/work?billed=maybe", "/billed"),
        ("/v1/work?first_day=2026-11-01", "/first_day"),
        (f"/v1/work?client_id={'x' * 65}", "/client_id"),
        ("/v1/invoices?status=lost", "/status"),
        ("/v1/invoices?status=", "/status"),
        ("/v1/work?limit=5&limit=6", "/limit"),
        ("/v1/work?a%2Fb=5&a%2Fb=6", "/a~1b"),
        ("/v1/invoices?next=a&next=b", "/next"),
    ],
)
def test_a_query_parameter_that_does_not_fit_is_named(ada: Inhabitant, path: str, pointer: str) -> None:
    answer = ada.api.get(path)

    refused(answer, 422, "invalid")
    assert answer.pointers == [pointer]


@pytest.mark.parametrize(
    "query", ["allow_overlap=maybe", "allow_overlap=", "allow_overlap=true&allow_overlap=true", "overlap=true"]
)
def test_work_is_not_logged_past_a_query_that_was_not_understood(ada: Inhabitant, wired: MemoryWired, query: str) -> None:
    before = wired.state()

    refused(ada.api.post(f"/v1/work?{query}", {**ada.ids, "date": "2026-11-19", "minutes": 1}), 422, "invalid")
    assert wired.state() == before
