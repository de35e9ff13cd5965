"""Clients: whom the account works for, at which rate, and on which day they are invoiced."""

from typing import Any

import pytest

from tests.http.api import Api, client_body, made
from tests.wired import MemoryWired


def test_a_new_client_is_answered_whole(api: Api) -> None:
    client = made(
        api.post(
            "/v1/clients",
            client_body(
                description="Engines", address="Dorset Street 1\nLondon", country="GB", vat_id="GB123456789", tax_rate=20,
                invoice_day=31, payment_terms_days=30,
            ),
        )
    )  # fmt: skip

    assert client == {
        "id": client["id"],
        "name": "Babbage & Co",
        "description": "Engines",
        "email": "charles@example.com",
        "address": "Dorset Street 1\nLondon",
        "country": "GB",
        "vat_id": "GB123456789",
        "rate": 95,
        "rate_valid_from": None,
        "rates": [{"rate": 95, "valid_from": None}],
        "currency": "EUR",
        "tax_rate": 20,
        "reverse_charge": False,
        "invoice_day": 31,
        "payment_terms_days": 30,
        "next_invoice_on": "2026-11-30",
        "invoiced_through": None,
        "archived": False,
        "created_at": "2026-11-20T09:30:00Z",
        "updated_at": "2026-11-20T09:30:00Z",
    }
    assert client["id"].startswith("cli_")
    assert api.get(f"/v1/clients/{client['id']}").json == client


def test_put_replaces_a_client_and_patch_changes_what_it_names(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client(description="Engines", invoice_day=5)
    wired.clock.advance(hours=1)

    patched = api.patch(f"/v1/clients/{client_id}", {"email": None, "payment_terms_days": 7}).json
    assert (patched["email"], patched["payment_terms_days"], patched["description"]) == (None, 7, "Engines")
    assert patched["updated_at"] == "2026-11-20T10:30:00Z"

    replaced = api.put(f"/v1/clients/{client_id}", client_body(name="Babbage Ltd")).json
    assert (replaced["name"], replaced["description"], replaced["invoice_day"]) == ("Babbage Ltd", "", None)
    assert (replaced["next_invoice_on"], replaced["payment_terms_days"]) == (None, None)
    assert api.get(f"/v1/clients/{client_id}").json == replaced


def test_a_new_rate_holds_from_its_day(api: Api) -> None:
    client_id = api.add_client(rate=80)

    changed = api.patch(f"/v1/clients/{client_id}", {"rate": 95, "rate_valid_from": "2027-03-01"}).json

    assert (changed["rate"], changed["rate_valid_from"]) == (95, "2027-03-01")
    assert changed["rates"] == [{"rate": 80, "valid_from": None}, {"rate": 95, "valid_from": "2027-03-01"}]


def test_a_client_without_work_is_deleted_and_answered_as_it_last_was(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()
    last = api.get(f"/v1/clients/{client_id}").json

    answer = api.delete(f"/v1/clients/{client_id}")

    assert (answer.status, answer.json) == (200, last)
    assert api.get(f"/v1/clients/{client_id}").status == 404
    assert api.delete(f"/v1/clients/{client_id}").status == 404
    assert wired.state()["clients"] == {}


def test_a_client_with_work_is_archived(api: Api) -> None:
    client_id = api.add_client(invoice_day=31)
    api.log(client_id, "2026-11-02")

    answer = api.delete(f"/v1/clients/{client_id}")

    assert (answer.status, answer.json["archived"], answer.json["next_invoice_on"]) == (200, True, None)
    assert api.get(f"/v1/clients/{client_id}").json == answer.json
    assert api.delete(f"/v1/clients/{client_id}").json == answer.json


def test_an_archived_client_takes_no_work_nor_timer(api: Api) -> None:
    client_id = api.add_client()
    entry_id = api.log(client_id, "2026-11-02")
    api.delete(f"/v1/clients/{client_id}")

    work = {"client_id": client_id, "date": "2026-11-03", "minutes": 5}
    for answer in (
        api.post("/v1/work", work),
        api.put(f"/v1/work/{entry_id}", work),
        api.post("/v1/timer", {"client_id": client_id}),
    ):
        assert (answer.status, answer.code) == (409, "client_archived")


def test_the_currency_is_fixed_once_there_is_work(api: Api) -> None:
    client_id = api.add_client()
    assert api.patch(f"/v1/clients/{client_id}", {"currency": "USD"}).status == 200
    api.log(client_id, "2026-11-02")

    answer = api.patch(f"/v1/clients/{client_id}", {"currency": "EUR"})

    assert (answer.status, answer.code) == (409, "client_currency_fixed")
    assert api.get(f"/v1/clients/{client_id}").json["currency"] == "USD"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ...}, "/name"),
        ({"rate": ...}, "/rate"),
        ({"currency": ...}, "/currency"),
        ({"rate": -1}, "/rate"),
        ({"rate": "NaN"}, "/rate"),
        ({"rate": "Infinity"}, "/rate"),
        ({"rate": "1_000"}, "/rate"),
        ({"rate": " 95"}, "/rate"),
        ({"rate": "９５"}, "/rate"),
        ({"rate": "+95"}, "/rate"),
        ({"rate": "1,5"}, "/rate"),
        ({"rate": None}, "/rate"),
        ({"rate": True}, "/rate"),
        ({"rate": []}, "/rate"),
        ({"invoice_day": 0}, "/invoice_day"),
        ({"invoice_day": 32}, "/invoice_day"),
        ({"invoice_day": "31"}, "/invoice_day"),
        ({"invoice_day": 1.5}, "/invoice_day"),
        ({"tax_rate": 100.1}, "/tax_rate"),
        ({"rate_valid_from": "2026-02-30"}, "/rate_valid_from"),
        ({"rate_valid_from": "0001-01-01"}, "/rate_valid_from"),
        ({"rate_valid_from": "9999-12-31"}, "/rate_valid_from"),
        ({"reverse_charge": True}, "/vat_id"),
        ({"reverse_charge": True, "vat_id": "DE1"}, "/reverse_charge"),
        ({"reverse_charge": True, "vat_id": " "}, "/vat_id"),
        ({"rate": -0.0}, "/rate"),
        ({"reverse_charge": True, "vat_id": "DE1", "tax_rate": 19}, "/tax_rate"),
        ({"country": "XX"}, "/country"),
        ({"email": "x"}, "/email"),
        ({"colour": "red"}, "/colour"),
        ({"account_id": "acc_1"}, "/account_id"),
        ({"id": "cli_1"}, "/id"),
    ],
)
def test_a_client_that_breaks_a_rule_is_refused_with_the_place(
    api: Api, wired: MemoryWired, changes: dict[str, Any], pointer: str
) -> None:
    client_id = api.add_client()
    before = wired.state()

    for answer in (
        api.post("/v1/clients", client_body(**changes)),
        api.put(f"/v1/clients/{client_id}", client_body(**changes)),
    ):
        assert (answer.status, answer.pointers) == (422, [pointer])
    assert wired.state() == before


def test_clients_are_listed_newest_first_a_page_at_a_time(api: Api) -> None:
    made_ids = [api.add_client(name=f"Client {number}") for number in range(5)]

    seen: list[str] = []
    query = "?limit=2"
    sizes = []
    while True:
        answer = api.get(f"/v1/clients{query}")
        sizes.append(len(answer.json["clients"]))
        seen += [client["id"] for client in answer.json["clients"]]
        if "next" not in answer.json:
            break
        query = f"?limit=2&next={answer.json['next']}"
        assert answer.headers["Link"] == f'<{query}>; rel="next"'

    assert (sizes, seen) == ([2, 2, 1], list(reversed(made_ids)))
    assert "Link" not in answer.headers


def test_an_empty_list_has_no_next_page(api: Api) -> None:
    answer = api.get("/v1/clients")

    assert (answer.status, answer.json) == (200, {"clients": []})
    assert "Link" not in answer.headers


def test_a_page_holds_20_unless_the_caller_says_otherwise(api: Api) -> None:
    for _ in range(21):
        api.add_client()

    assert len(api.get("/v1/clients").json["clients"]) == 20
    assert len(api.get("/v1/clients?limit=100").json["clients"]) == 21
    assert "next" not in api.get("/v1/clients?limit=21").json
