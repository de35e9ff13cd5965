"""What the benchmarks ask for and are answered with: one account, its clients, and requests of its owner."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from chalicelib.domain.accounts import Account, Profile
from chalicelib.domain.clients import Client, ClientDetails, new_client
from chalicelib.domain.identifiers import derived_id
from chalicelib.domain.users import Role, User
from chalicelib.repositories import keys
from chalicelib.repositories.items import to_image, to_item

FOUNDED: Final = datetime(2026, 1, 2, 9, tzinfo=UTC)
ACCOUNT_ID: Final = derived_id("acc", FOUNDED, "ada")
USER_ID: Final = derived_id("usr", FOUNDED, "ada")
EMAIL: Final = "ada@example.com"
PAGE: Final = 20
"""Clients in one answer, if the caller says nothing else."""


def an_account(account_id: str = ACCOUNT_ID) -> Account:
    profile = Profile(
        legal_name="Ada Lovelace e.U.",
        address="Ringstraße 1\n1010 Wien",
        country="AT",
        vat_id="ATU12345678",
        iban="AT611904300234573201",
        bic="BKAUATWW",
        email=EMAIL,
        currency="EUR",
        time_zone="Europe/Vienna",
        default_tax_rate=Decimal(20),
        invoice_prefix="RE-",
    )
    return Account(id=account_id, name="Ada", profile=profile, created_at=FOUNDED, updated_at=FOUNDED)


def an_owner(account_id: str = ACCOUNT_ID, *, email: str = EMAIL) -> User:
    return User(
        account_id=account_id,
        id=USER_ID,
        name="Ada Lovelace",
        email=email,
        role=Role.OWNER,
        password_hash="",
        created_at=FOUNDED,
        updated_at=FOUNDED,
    )


def a_client(number: int = 1, *, account: Account | None = None, invoice_day: int | None = 31) -> Client:
    account = account or an_account()
    details = ClientDetails(
        name=f"Babbage & Co {number}",
        description="Analytical engines, made to order",
        email=f"charles{number}@example.com",
        address="Dorset Street 1\nLondon",
        country="AT",
        rate=Decimal("95.00"),
        currency="EUR",
        invoice_day=invoice_day,
    )
    client_id = derived_id("cli", FOUNDED, account.id, str(number))
    return new_client(details, account, client_id=client_id, now=FOUNDED)


CLIENT: Final = a_client()


def client_image(client: Client) -> dict[str, dict[str, Any]]:
    """The client as DynamoDB holds it."""
    return to_image(to_item(keys.client(client.account_id, client.id), "client", client))


def api_event(
    resource: str,
    path_parameters: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    query: Mapping[str, str] | None = None,
    body: str | None = None,
    more_headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A request as API Gateway hands it to the function, behind the authorizer; a body is JSON."""
    path = resource.format_map(path_parameters or {})
    headers = {
        "Accept": "application/json",
        "Authorization": "Bearer e30.e30.x",
        "Host": "abcdef1234.execute-api.eu-central-1.amazonaws.com",
        "User-Agent": "curl/8.5.0",
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
        **({} if body is None else {"Content-Type": "application/json"}),
        **(more_headers or {}),
    }
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query and dict(query),
        "multiValueQueryStringParameters": query and {name: [value] for name, value in query.items()},
        "pathParameters": path_parameters and dict(path_parameters),
        "stageVariables": None,
        "requestContext": {
            "authorizer": {
                "principalId": USER_ID,
                "account_id": ACCOUNT_ID,
                "user_id": USER_ID,
                "email": EMAIL,
                "roles": "owner",
            },
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/api{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "api",
            "requestTimeEpoch": 1795167000000,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "198.51.100.7", "userAgent": "curl/8.5.0"},
            "apiId": "abcdef1234",
        },
        "body": body,
        "isBase64Encoded": False,
    }
