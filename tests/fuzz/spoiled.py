"""Requests made by chance: good ones, and good ones of which one part or several were spoiled."""

import base64
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.edge.application import Endpoint
from tests.fuzz.world import Sent, Tenant
from tests.http.examples import ENDPOINTS, NEVER
from tests.http.test_bad_input import HALF_PAIRS, MALFORMED, ODD, ODD_SEGMENTS

ALPHABETS = (
    "abcXYZ019 _-.,:;/",
    "\x00\x01\x08\t\n\r\x1b\x1f\x7f",
    "%25%00+&=?#[]{}|\\^`\"'<>",
    "äöüßéñçøł",
    "你好日本語한국어",
    "שלוםمرحبا\u202e\u200f\u2066",
    "😀👩‍💻🏳️‍🌈\U0010ffff",
    "\u2028\u2029\ufeff\ufffe\x85\u00a0\u200b",
    "\ud800\udbff\udc00\udfff",
    "0123456789eE+-.",
)
LENGTHS = (0, 1, 2, 3, 8, 26, 30, 34, 35, 64, 65, 200, 201, 254, 255, 500, 501, 3_000)
NUMERALS = (
    *("NaN", "Infinity", "-Infinity", "-0", "00", "1.", ".5", "+1", "1e400", "-1e400", "0x1F", "1_0", "9" * 400),
    *("0." + "1" * 400, "1e-400", "99999999999999999999", "1E5", "-", "1e999999999"),
)
CONTENT_TYPES = (
    *("", "application/json; charset=utf-16", "application/jsonx", "text/html", 'APPLICATION/JSON ;x="', "json/application"),
    *("application/vnd.a+json", "application/json\x00", "application/json, text/plain", "\u0130", "*/*", "x" * 5_000),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "", "PROPFIND", "😀")
ODD_HEADERS = (
    *("Idempotency-Key", "If-Match", "If-None-Match", "Cookie", "Origin", "Accept", "X-Forwarded-For", "Transfer-Encoding"),
    *("Content-Length", "Content-Encoding", "X-HTTP-Method-Override", "Host", "Range", "__proto__", ""),
)
QUERY_NAMES = ("limit", "next", "client_id", "from", "to", "billed", "status", "allow_overlap", "q", "__class__", "limit[]", "")
QUERY_VALUES = (
    "",
    "null",
    "true",
    "TRUE",
    "1",
    "0",
    "-1",
    "1e2",
    "2026-02-30",
    "2026-11-19",
    "issued",
    "=",
    "AAAAAAAAAAAAAAAA",
    "None",
)


class Spoiler:
    """Makes requests of one tenant; the same chance makes the same ones."""

    def __init__(self, chance: random.Random, tenant: Tenant) -> None:
        self.chance = chance
        self.tenant = tenant

    def request(self) -> Sent:
        endpoint = self.chance.choice(ENDPOINTS)
        sent, example = self.tenant.good(endpoint)
        if example is not None:
            sent.body = json.dumps(example)
        spoils = self._spoils(endpoint, example)
        for spoil in self.chance.sample(spoils, k=min(self.chance.choice((0, 1, 1, 1, 1, 1, 2, 3)), len(spoils))):
            spoil(sent)
        return sent

    def _spoils(self, endpoint: Endpoint, example: Mapping[str, Any] | None) -> Sequence[Callable[[Sent], None]]:
        """What can be done to a request of this route, likely things several times."""
        spoils: list[Callable[[Sent], None]] = [self.headers, self.query, self.query, self.method, self.authorizer]
        if endpoint.path_parameters:
            spoils += [self.path] * 2
        if example is not None:
            spoils += [lambda sent: self.members(sent, endpoint, example)] * 12
            spoils += [self.json_text] * 3 + [self.content_type, self.in_base64, self.known_broken, self.large]
        return spoils

    # What is sent

    def members(self, sent: Sent, endpoint: Endpoint, example: Mapping[str, Any]) -> None:
        """The example with some members odd, gone, renamed, or the ones that it does not have."""
        body: dict[str, Any] = dict(example)
        names = list(endpoint.body.__struct_encode_fields__) if endpoint.body else []
        for _ in range(self.chance.choice((1, 1, 1, 2, 3, 8))):
            match self.chance.randrange(8):
                case 0:
                    body.pop(self.chance.choice(names), None)
                case 1:
                    body[self.text()] = self.value()
                case _:
                    body[self.chance.choice(names)] = self.value()
        sent.body = json.dumps(body, ensure_ascii=self.chance.random() < 0.7)

    def json_text(self, sent: Sent) -> None:
        """The body's text damaged in some places."""
        text = sent.body or "{}"
        for _ in range(self.chance.choice((1, 1, 2, 5))):
            text = self._damaged(text)
        sent.body = text

    def _damaged(self, text: str) -> str:
        place = self.chance.randrange(len(text) + 1)
        end = min(len(text), place + self.chance.choice((1, 1, 2, 10)))
        match self.chance.randrange(9):
            case 0:
                return text[:place]
            case 1:
                return text[place:]
            case 2:
                return text[:place] + text[end:]
            case 3:
                return text[:place] + self.text(short=True) + text[place:]
            case 4:
                return text[:place] + self.chance.choice(NUMERALS) + text[end:]
            case 5:
                return text[:place] + self.chance.choice('{}[],:"\\0tfn/ ') + text[end:]
            case 6:
                return text.replace(
                    ": ", ": " + self.chance.choice((*NUMERALS, "[[", "{", '"\\ud800', "\\u0000", "tru", "//")), 1
                )
            case 7:
                inside = text.strip("{}")
                return "{" + inside + ", " + inside + "}"
            case _:
                return text + self.chance.choice((text, "\x00", ",", "}", "null", " ", "\ufeff"))

    def known_broken(self, sent: Sent) -> None:
        """Bytes that are no JSON, as API Gateway hands on what is no text."""
        content = self.chance.choice((*MALFORMED.values(), *HALF_PAIRS, b"\xef\xbb\xbf{}", b"null", b'"x"', b"[]", b"0"))
        match self.chance.randrange(3):
            case 0:
                sent.body, sent.in_base64 = base64.b64encode(content).decode(), True
            case 1:
                encoding = self.chance.choice(("utf-16", "utf-16-le", "utf-32", "cp500"))
                sent.body = base64.b64encode((sent.body or "{}").encode(encoding, "replace")).decode()
                sent.in_base64 = True
            case _:
                sent.body, sent.in_base64 = content.decode("utf-8", "surrogateescape"), False

    def in_base64(self, sent: Sent) -> None:
        """In base64, as it should be or not quite; or gone."""
        sent.in_base64 = self.chance.random() < 0.8
        match self.chance.randrange(5):
            case 0:
                sent.body = base64.b64encode((sent.body or "").encode("utf-8", "replace")).decode()
            case 1:
                sent.body = base64.b64encode(self.chance.randbytes(self.chance.choice((1, 7, 100)))).decode()[:-1]
            case 2:
                sent.body = self.text()
            case 3:
                sent.body = None
            case _:
                sent.body = ""

    def large(self, sent: Sent) -> None:
        sent.body = '{"name": "' + "x" * self.chance.choice((100_000, 1_048_564, 1_048_565, 1_100_000)) + '"}'
        sent.in_base64 = False

    # Round about it

    def path(self, sent: Sent) -> None:
        """Another id: odd, of another kind, nobody's, or one's own with a mistake in it."""
        name = self.chance.choice(list(sent.path))
        good = sent.path[name]
        place = self.chance.randrange(len(good) + 1)
        others = (*ODD_SEGMENTS, *NEVER.values(), *self.tenant.inhabitant.ids.values(), self.tenant.inhabitant.api.account_id)
        sent.path[name] = self.chance.choice(
            (
                self.chance.choice(others),
                self.text(),
                good[:place],
                good[:place] + self.chance.choice(self.chance.choice(ALPHABETS)) + good[place + 1 :],
                good.swapcase(),
                good + self.text(short=True),
                self.chance.choice(QUERY_VALUES) or "x",
            )
        )

    def query(self, sent: Sent) -> None:
        for _ in range(self.chance.choice((1, 1, 2, 3, 60))):
            name = self.chance.choice(QUERY_NAMES) if self.chance.random() < 0.85 else self.text()
            value = self.chance.choice(QUERY_VALUES) if self.chance.random() < 0.6 else self.text()
            sent.query += [(name, value)] * self.chance.choice((1, 1, 1, 1, 2))

    def headers(self, sent: Sent) -> None:
        for _ in range(self.chance.choice((1, 2, 5, 60))):
            name = self.chance.choice(ODD_HEADERS) if self.chance.random() < 0.8 else self.text(short=True)
            value = self.text() if self.chance.random() < 0.95 else "x" * 20_000
            sent.headers += [(name, value)] * self.chance.choice((1, 1, 2))
        if self.chance.random() < 0.1:
            sent.headers.clear()

    def content_type(self, sent: Sent) -> None:
        sent.headers = [(name, value) for name, value in sent.headers if name != "Content-Type"]
        for _ in range(self.chance.choice((0, 1, 1, 2))):
            name = self.chance.choice(("Content-Type", "content-type", "CONTENT-TYPE"))
            sent.headers.append((name, self.chance.choice(CONTENT_TYPES) if self.chance.random() < 0.8 else self.text()))

    def method(self, sent: Sent) -> None:
        if self.chance.random() < 0.2:
            sent.resource = self.chance.choice(("/v2/clients", "/{proxy+}", "", "/v1", "/v1/clients/", "/%00", "/😀"))
        sent.method = self.chance.choice(METHODS)

    def authorizer(self, sent: Sent) -> None:
        """What no authorizer of ours says."""
        odd: Any = self.chance.choice((None, 5, "", "x", [], {}, {"a": 1}, True, self.text(), "acc_1", "../x", 1e300))
        match self.chance.randrange(3):
            case 0:
                sent.authorizer = odd
            case 1:
                sent.authorizer = dict(self.tenant.authorizer)
                sent.authorizer.pop(self.chance.choice(list(sent.authorizer)))
            case _:
                sent.authorizer = {
                    **self.tenant.authorizer,
                    self.chance.choice(("account_id", "user_id", "email", "roles")): odd,
                }

    # Chance

    def text(self, *, short: bool = False) -> str:
        if self.chance.random() < 0.1:
            return self.chance.choice(ODD_SEGMENTS)
        length = self.chance.choice(LENGTHS[:6] if short else LENGTHS)
        if self.chance.random() < 0.3:
            return "".join(self.chance.choice(self.chance.choice(ALPHABETS)) for _ in range(min(length, 300)))
        return "".join(self.chance.choices(self.chance.choice(ALPHABETS), k=length))

    def value(self, depth: int = 0) -> Any:
        """Any JSON."""
        match self.chance.randrange(10):
            case 0 | 1 | 2 | 3:
                return self.chance.choice(list(ODD.values()))
            case 4 | 5:
                return self.text()
            case 6:
                return self.chance.choice((0, 1, -1, 12.5, 1e22, 10**30, 2**63, -(2**63), 0.1 + 0.2, 5e-324, 1e308))
            case 7:
                return self.chance.choice(
                    (None, True, False, "2026-11-19", "2026-11-19T09:00:00Z", "2026-11-19T25:61:00Z", "EUR", "AT")
                )
            case 8 if depth < 4:
                return [self.value(depth + 1) for _ in range(self.chance.randrange(4))]
            case 9 if depth < 4:
                return {self.text(short=True): self.value(depth + 1) for _ in range(self.chance.randrange(4))}
        return self.chance.choice((*NEVER.values(), *self.tenant.inhabitant.ids.values()))
