"""The application as its callers see it, through Chalice's test client: API Gateway's part, the authorizer too, runs along."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalice.test import Client

import app as daybook
from tests.http import described, gateway

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, numbers with exactly their digits."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def code(self) -> str:
        """The stable code of a problem."""
        return str(self.json["code"])

    @property
    def pointers(self) -> list[str]:
        return [error["pointer"] for error in self.json["errors"]]


@dataclass(frozen=True)
class Api:
    """One caller; anonymous without a token."""

    token: str | None = None
    account_id: str = ""
    user_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    client: Client = field(default_factory=lambda: Client(daybook.app, project_dir=str(ROOT)))

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """Bytes and text go out as they are, everything else as JSON. What comes back must be what the description says."""
        if body is None:
            sent = b""
        else:
            sent = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        known = {"Content-Type": "application/json"} if body is not None else {}
        if self.token is not None:
            known["Authorization"] = f"Bearer {self.token}"
        response = self.client.http.request(method, path, headers={**known, **self.headers, **(headers or {})}, body=sent)
        status, answered, content = gateway.as_deployed(response.status_code, response.headers, response.body, path)
        answer = Answer(status=status, headers=answered, body=content)
        described.check(method, path, answer)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: object = None) -> Answer:
        return self.call("POST", path, body)

    def put(self, path: str, body: object = None) -> Answer:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: object = None) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def signed_up(self, email: str = "ada@example.com", **changes: str) -> "Api":
        """The owner of a new account."""
        opened = made(self.post("/v1/accounts", sign_up(email=email, **changes)))
        return replace(self, token=opened["access_token"], account_id=opened["account"]["id"], user_id=opened["user"]["id"])

    def signed_in(self, email: str, password: str = PASSWORD) -> "Api":
        """The user with that address, with a new token."""
        answer = self.post("/v1/tokens", {"email": email, "password": password})
        assert answer.status == 200, answer.body
        return replace(self, token=answer.json["access_token"])

    def add_user(self, email: str, role: str = "member") -> "Api":
        """A new user of the same account, signed in."""
        user = made(self.post("/v1/users", new_user(email, role=role)))
        return replace(self.signed_in(email), user_id=user["id"])

    def add_client(self, **changes: Any) -> str:
        """The id of a new client."""
        return str(made(self.post("/v1/clients", client_body(**changes)))["id"])

    def log(self, client_id: str, date: str, minutes: int = 60, **changes: Any) -> str:
        """The id of a new entry."""
        body = {"client_id": client_id, "date": date, "minutes": minutes, "description": "Engine", **changes}
        return str(made(self.post("/v1/work", body))["id"])

    def issue(self, client_id: str, through: str) -> dict[str, Any]:
        """A new invoice."""
        return made(self.post("/v1/invoices", {"client_id": client_id, "through": through}))


def made(answer: Answer) -> dict[str, Any]:
    """What a request that must succeed has made."""
    assert answer.status == 201, answer.body
    thing: dict[str, Any] = answer.json
    return thing


def sign_up(**changes: Any) -> dict[str, Any]:
    body = {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "password": PASSWORD,
        "currency": "EUR",
        "time_zone": "Europe/Vienna",
        "country": "AT",
    }
    return {name: value for name, value in (body | changes).items() if value is not ...}


def new_user(email: str, **changes: Any) -> dict[str, Any]:
    body = {"name": "Mary Somerville", "email": email, "role": "member", "password": PASSWORD}
    return {name: value for name, value in (body | changes).items() if value is not ...}


def client_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"name": "Babbage & Co", "email": "charles@example.com", "rate": 95, "currency": "EUR"}
    return {name: value for name, value in (body | changes).items() if value is not ...}


def product_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"name": "White hanging heart T-light holder", "price": 2.55}
    return {name: value for name, value in (body | changes).items() if value is not ...}


def order_body(product_id: str, quantity: int = 1, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "customer_id": "CUST001",
        "items": [{"product_id": product_id, "quantity": quantity}],
        "payment_method": "card",
        "shipping_address": {
            "name": "Charles Babbage",
            "street": "Dorset Street 1",
            "city": "London",
            "postal_code": "W1U 4EE",
            "country": "GB",
        },
    }
    return {name: value for name, value in (body | changes).items() if value is not ...}
