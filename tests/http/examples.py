"""For every route something to send: what the tests that hold for all routes are made from.

A route that is declared with a parameter, query or body unknown here makes those tests fail until it is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

import app as daybook
from chalicelib.edge import bodies
from chalicelib.edge.application import Endpoint
from tests.http.api import PASSWORD, Answer, Api, client_body, made, new_user, order_body, product_body, sign_up
from tests.http.test_accounts import PROFILE

Ids = Mapping[str, str]
"""By the name of the parameter or member that holds such an id."""

NEVER: Ids = {
    "user_id": "usr_01J00000000000000000000000",
    "client_id": "cli_01J00000000000000000000000",
    "entry_id": "wrk_01J00000000000000000000000",
    "invoice_id": "inv_01J00000000000000000000000",
    "product_id": "prd_01J00000000000000000000000",
    "image_id": "img_01J00000000000000000000000",
    "import_id": "imp_01J00000000000000000000000",
    "order_id": "ord_01J00000000000000000000000",
}
"""Ids that could be, but are nobody's."""
QUERIES: Mapping[str, Mapping[str, str]] = {"/v1/search": {"q": "babbage"}}
"""What a route must be asked with, by path."""
OTHER_PATH_PARAMETERS = {"day": "2026-11-19"}
BODIES: Mapping[type[msgspec.Struct], Callable[[Ids], dict[str, Any]]] = {
    bodies.NewAccount: lambda _: sign_up(email="grace@example.com"),
    bodies.Credentials: lambda _: {"email": "ada@example.com", "password": PASSWORD},
    bodies.NewProfile: lambda _: PROFILE,
    bodies.NewUser: lambda _: new_user("hedy@example.com"),
    bodies.EditedUser: lambda _: {"name": "Hedy Lamarr", "email": "hedy@example.com", "role": "admin"},
    bodies.UserPatch: lambda _: {"name": "Hedy Lamarr"},
    bodies.NewPassword: lambda _: {"current": PASSWORD, "new": PASSWORD},
    bodies.NewClient: lambda _: client_body(),
    bodies.ClientPatch: lambda _: {"name": "Babbage Ltd"},
    bodies.NewWork: lambda ids: {"client_id": ids["client_id"], "date": "2026-11-18", "minutes": 5},
    bodies.NewTimer: lambda ids: {"client_id": ids["client_id"]},
    bodies.NewInvoice: lambda ids: {"client_id": ids["client_id"], "through": "2026-11-20"},
    bodies.NewPayment: lambda _: {"amount": 1, "paid_on": "2026-11-20"},
    bodies.NewProduct: lambda _: product_body(),
    bodies.PutProduct: lambda _: product_body(price=2.95),
    bodies.NewStockChange: lambda _: {"change": -1, "reason": "Sold at the fair"},
    bodies.NewOrder: lambda ids: {"customer_id": "CUST001", "product_id": ids["product_id"], "quantity": 1},
    bodies.EditedOrder: lambda ids: {"customer_id": "CUST001", "product_id": ids["product_id"], "quantity": 2},
    bodies.NewImage: lambda _: {"filename": "Garten + Söhne 🏡.jpg", "content_type": "image/jpeg"},
    bodies.NewImport: lambda _: {"kind": "clients", "filename": "clients.csv", "content_type": "text/csv"},
    bodies.NewCreditNote: lambda _: {"reason": "Wrong rate"},
}
ENDPOINTS = daybook.app.endpoints
PROTECTED = [endpoint for endpoint in ENDPOINTS if not endpoint.public]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


@dataclass(frozen=True)
class Inhabitant:
    """The owner of an account in which every route finds what it needs; `ids` are of things that are there."""

    api: Api
    ids: Ids

    def orders(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.api.get("/v1/orders").json["orders"]
        return listed

    def send(
        self,
        endpoint: Endpoint,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """The route with its example, but for what is given."""
        values = {**OTHER_PATH_PARAMETERS, **self.ids, **(path or {})}
        address = endpoint.path.format(**{name: quote(values[name], safe="") for name, _ in endpoint.path_parameters})
        query = {**QUERIES.get(endpoint.path, {}), **(query or {})}
        if query:
            address += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        if endpoint.body is None:
            return self.api.call(endpoint.method, address, headers=headers)
        sent = body if isinstance(body, bytes) else BODIES[endpoint.body](self.ids) | dict(body or {})
        return self.api.call(endpoint.method, address, sent, headers)


def move_in(visitor: Api, email: str) -> Inhabitant:
    """Opens an account with a member, clients, work on two pages, invoices, products with stock, orders, images, imports."""
    api = visitor.signed_up(email)
    user_id = api.add_user(f"mary.{email}").user_id
    client_id = api.add_client()
    api.add_client()
    entry_id = api.log(client_id, "2026-11-02")
    for day in ("2026-10-01", "2026-10-02"):
        api.log(client_id, day)
        invoice_id = api.issue(client_id, day)["id"]
    api.log(client_id, "2026-11-03")
    for _ in range(2):
        product_id = made(api.post("/v1/products", product_body(stock=12)))["id"]
        for change in (5, -2):
            api.post(f"/v1/products/{product_id}/stock", {"change": change, "reason": "Counted anew"})
    for _ in range(2):
        order_id = made(api.post("/v1/orders", order_body(product_id, hold=True)))["order_id"]
    for _ in range(2):
        image_id = made(api.post("/v1/images", {"filename": "lantern.png", "content_type": "image/png"}))["id"]
    new_import = {"kind": "products", "filename": "products.csv", "content_type": "text/csv", "columns": {"Name": "name"}}
    for _ in range(2):
        import_id = made(api.post("/v1/imports", new_import))["id"]
    ids = {
        "user_id": user_id,
        "client_id": client_id,
        "entry_id": entry_id,
        "invoice_id": invoice_id,
        "product_id": product_id,
        "order_id": order_id,
        "image_id": image_id,
        "import_id": import_id,
    }
    return Inhabitant(api=api, ids=ids)
