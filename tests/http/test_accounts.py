"""Accounts, tokens and the business profile."""

from typing import Any

import jwt
import pytest

from tests.http.api import PASSWORD, Api, made, sign_up
from tests.wired import MemoryWired

PROFILE: dict[str, Any] = {
    "legal_name": "Ada Lovelace e.U.",
    "address": "Ringstraße 1\n1010 Wien",
    "country": "AT",
    "tax_id": "12 345/6789",
    "vat_id": "ATU12345678",
    "iban": "AT611904300234573201",
    "bic": "BKAUATWW",
    "email": "office@lovelace.example",
    "currency": "EUR",
    "time_zone": "Europe/Vienna",
    "default_tax_rate": 20,
    "payment_terms_days": 30,
    "invoice_prefix": "RE-",
}


def test_opening_an_account_answers_the_account_its_owner_and_a_token(visitor: Api) -> None:
    answer = visitor.post("/v1/accounts", sign_up())

    opened = made(answer)
    assert set(opened) == {"account", "user", "access_token", "token_type", "expires_in"}
    assert (opened["token_type"], opened["expires_in"]) == ("Bearer", 3600)
    assert opened["account"] == {
        "id": opened["account"]["id"],
        "name": "Ada Lovelace",
        "legal_name": "Ada Lovelace",
        "address": "",
        "country": "AT",
        "tax_id": None,
        "vat_id": None,
        "iban": None,
        "bic": None,
        "email": "ada@example.com",
        "currency": "EUR",
        "time_zone": "Europe/Vienna",
        "default_tax_rate": 0,
        "payment_terms_days": 14,
        "invoice_prefix": "",
        "created_at": "2026-11-20T09:30:00Z",
        "updated_at": "2026-11-20T09:30:00Z",
    }
    assert opened["user"] == {
        "id": opened["user"]["id"],
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "role": "owner",
        "created_at": "2026-11-20T09:30:00Z",
        "updated_at": "2026-11-20T09:30:00Z",
    }
    assert opened["account"]["id"].startswith("acc_")
    assert opened["user"]["id"].startswith("usr_")


def test_the_first_token_is_good_at_once(visitor: Api) -> None:
    owner = visitor.signed_up()

    assert owner.get("/v1/account").json["id"] == owner.account_id
    claims = jwt.decode(owner.token or "", options={"verify_signature": False})
    assert (claims["sub"], claims["account_id"], claims["roles"]) == (owner.user_id, owner.account_id, ["owner"])


def test_no_answer_holds_the_password_or_its_hash(visitor: Api, wired: MemoryWired) -> None:
    opened = visitor.post("/v1/accounts", sign_up())
    signed_in = visitor.post("/v1/tokens", {"email": "ada@example.com", "password": PASSWORD})

    for answer in (opened, signed_in):
        assert PASSWORD.encode() not in answer.body
        assert b"password" not in answer.body


def test_an_address_is_taken_once_whatever_its_case(visitor: Api, wired: MemoryWired) -> None:
    visitor.signed_up("ada@example.com")
    before = wired.state()

    answer = visitor.post("/v1/accounts", sign_up(email=" ADA@Example.com "))

    assert (answer.status, answer.code) == (409, "email_taken")
    assert wired.state() == before


def test_all_that_is_wrong_with_a_sign_up_is_told_at_once(visitor: Api, wired: MemoryWired) -> None:
    answer = visitor.post(
        "/v1/accounts", sign_up(email="ada", password="short", currency="XXX", time_zone="Mars/Olympus", country="ZZ")
    )

    assert answer.status == 422
    assert sorted(answer.pointers) == ["/country", "/currency", "/email", "/password", "/time_zone"]
    assert wired.state()["accounts"] == {}


@pytest.mark.parametrize("password", ["x" * 11, "x" * 129, "x" * 1025, ""])
def test_a_password_has_12_to_128_characters(visitor: Api, password: str) -> None:
    assert visitor.post("/v1/accounts", sign_up(password=password)).pointers == ["/password"]


def test_signing_in_answers_a_token_of_the_same_user(visitor: Api) -> None:
    owner = visitor.signed_up()

    answer = visitor.post("/v1/tokens", {"email": "Ada@EXAMPLE.com ", "password": PASSWORD})

    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in"}
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["account_id"]) == (owner.user_id, owner.account_id)


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(visitor: Api, wired: MemoryWired) -> None:
    visitor.signed_up()

    wrong = visitor.post("/v1/tokens", {"email": "ada@example.com", "password": "not the password"})
    unknown = visitor.post("/v1/tokens", {"email": "eve@example.com", "password": "not the password"})

    assert wrong.status == unknown.status == 401
    assert wrong.code == "invalid_credentials"
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert {**wrong.json, "request_id": ""} == {**unknown.json, "request_id": ""}
    assert len(wired.passwords.checked) == 2, "as much work for an address that nobody has"


@pytest.mark.parametrize("email", ["", "no address", "x" * 254, "ada@example.com\n", "😀", "a@b"])
def test_whatever_is_no_address_is_an_unknown_one(visitor: Api, email: str) -> None:
    assert visitor.post("/v1/tokens", {"email": email, "password": PASSWORD}).status == 401


def test_the_profile_is_replaced_as_a_whole(api: Api) -> None:
    answer = api.put("/v1/account", PROFILE)

    assert answer.status == 200
    assert {name: answer.json[name] for name in PROFILE} == PROFILE
    assert api.get("/v1/account").json == answer.json
    assert answer.json["name"] == "Ada Lovelace"

    bare = {name: PROFILE[name] for name in ("legal_name", "country", "email", "currency", "time_zone")}
    emptied = api.put("/v1/account", bare).json
    assert [emptied[name] for name in ("address", "tax_id", "iban", "payment_terms_days", "invoice_prefix")] == [
        "", None, None, 14, "",
    ]  # fmt: skip


def test_an_iban_may_be_written_in_groups_and_is_kept_without(api: Api) -> None:
    answer = api.put("/v1/account", PROFILE | {"iban": "at61 1904 3002 3457 3201", "bic": "bkau at ww"})

    assert (answer.json["iban"], answer.json["bic"]) == ("AT611904300234573201", "BKAUATWW")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iban", "AT611904300234573202"),
        ("bic", "BKAU"),
        ("default_tax_rate", 101),
        ("default_tax_rate", -1),
        ("default_tax_rate", 20.00001),
        ("invoice_prefix", "RE#"),
        ("invoice_prefix", "CN"),
        ("payment_terms_days", 366),
        ("payment_terms_days", -1),
        ("currency", "eur"),
        ("currency", "EUR\n"),
        ("country", "Austria"),
        ("time_zone", "CEST+1"),
        ("email", "office"),
        ("legal_name", " "),
        ("legal_name", "Ada\nLovelace"),
        ("vat_id", ""),
        ("vat_id", "ATU12345678\n"),
        ("tax_id", "<b>1</b>"),
        ("address", "Ringstraße 1\x00"),
        ("address", "x" * 501),
    ],
)
def test_a_profile_that_breaks_a_rule_changes_nothing(api: Api, wired: MemoryWired, field: str, value: object) -> None:
    api.put("/v1/account", PROFILE)
    before = wired.state()

    answer = api.put("/v1/account", PROFILE | {field: value})

    assert (answer.status, answer.pointers) == (422, [f"/{field}"])
    assert wired.state() == before


def test_all_that_is_wrong_with_a_profile_is_told_at_once(api: Api) -> None:
    answer = api.put("/v1/account", PROFILE | {"iban": "AT00", "bic": "x", "country": "ZZ", "currency": "XXX"})

    assert sorted(answer.pointers) == ["/bic", "/country", "/currency", "/iban"]


def test_a_member_that_is_left_out_is_named(api: Api) -> None:
    answer = api.put("/v1/account", {name: value for name, value in PROFILE.items() if name != "legal_name"})

    assert answer.json["errors"] == [{"pointer": "/legal_name", "detail": "Object missing required field `legal_name`"}]
