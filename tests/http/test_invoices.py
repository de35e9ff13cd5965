"""Invoices by hand, payments, credit notes and the nightly report."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.http.api import Api, made
from tests.http.test_accounts import PROFILE
from tests.wired import MemoryWired


@pytest.fixture
def business(api: Api) -> Api:
    """An account with a whole profile: 20 % VAT, 30 days to pay, numbers that begin with RE-."""
    api.put("/v1/account", PROFILE)
    return api


def test_an_invoice_is_issued_at_once_and_answered_whole(business: Api) -> None:
    client_id = business.add_client(rate=85, address="Dorset Street 1\nLondon", country="GB")
    entries = [business.log(client_id, f"2026-11-{day:02d}", 20) for day in (3, 4, 5)]

    answer = business.post("/v1/invoices", {"client_id": client_id, "through": "2026-11-15"})

    invoice = made(answer)
    assert invoice == {
        "id": invoice["id"],
        "number": "RE-2026-0001",
        "client_id": client_id,
        "status": "issued",
        "overdue": False,
        "currency": "EUR",
        "reverse_charge": False,
        "issued_at": "2026-11-20T09:30:00Z",
        "issued_on": "2026-11-20",
        "due_on": "2026-12-20",
        "period_from": "2026-11-03",
        "period_through": "2026-11-15",
        "duration_seconds": 3_600,
        "net": Decimal("84.99"),
        "vat": Decimal("17.00"),
        "total": Decimal("101.99"),
        "paid_amount": Decimal("0.00"),
        "open_amount": Decimal("101.99"),
        "vat_groups": [{"rate": 20, "net": Decimal("84.99"), "vat": Decimal("17.00")}],
        "seller": {
            "name": "Ada Lovelace e.U.",
            "address": "Ringstraße 1\n1010 Wien",
            "country": "AT",
            "email": "office@lovelace.example",
            "vat_id": "ATU12345678",
            "tax_id": "12 345/6789",
            "iban": "AT611904300234573201",
            "bic": "BKAUATWW",
        },
        "buyer": {
            "name": "Babbage & Co",
            "address": "Dorset Street 1\nLondon",
            "country": "GB",
            "email": "charles@example.com",
            "vat_id": None,
        },
        "payments": [],
        "credit_note_id": None,
        "credit_note_number": None,
        "delivery": {"status": "pending", "reason": None, "recipient": None, "sent_at": None},
        "lines": [
            {
                "entry_id": entry_id,
                "date": f"2026-11-{day:02d}",
                "description": "Engine",
                "duration_seconds": 1_200,
                "rate": 85,
                "amount": Decimal("28.33"),
                "tax_rate": 20,
            }
            for day, entry_id in zip((3, 4, 5), entries, strict=True)
        ],
    }
    assert b'"total":101.99,' in answer.body, "a number with exactly its digits"
    assert b'"vat":17.00,' in answer.body
    assert business.get(f"/v1/invoices/{invoice['id']}").json == invoice


def test_nothing_to_invoice_is_a_conflict(business: Api, wired: MemoryWired) -> None:
    client_id = business.add_client()
    business.log(client_id, "2026-11-10")
    business.log(client_id, "2026-11-01", billable=False)
    before = wired.state()

    answer = business.post("/v1/invoices", {"client_id": client_id, "through": "2026-11-09"})

    assert (answer.status, answer.code) == (409, "nothing_to_invoice")
    assert wired.state() == before


@pytest.mark.parametrize("through", ["2026-11-21", "9999-12-31"])
def test_the_future_is_not_invoiced(business: Api, through: str) -> None:
    client_id = business.add_client()
    business.log(client_id, "2026-11-10")

    answer = business.post("/v1/invoices", {"client_id": client_id, "through": through})

    assert (answer.status, answer.pointers) == (422, ["/through"])
    assert answer.json["detail"] == "/through: must not be after today, 2026-11-20"


def test_today_is_the_accounts_own(business: Api, wired: MemoryWired) -> None:
    wired.clock.at = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    client_id = business.add_client()
    business.log(client_id, "2026-11-21")

    assert business.issue(client_id, "2026-11-21")["issued_on"] == "2026-11-21"


@pytest.mark.parametrize("through", ["0001-01-01", "1999-12-31"])
def test_before_all_time_there_was_nothing_to_invoice(business: Api, through: str) -> None:
    client_id = business.add_client()
    business.log(client_id, "2026-11-10")

    assert business.post("/v1/invoices", {"client_id": client_id, "through": through}).code == "nothing_to_invoice"


def test_the_same_hours_are_billed_once(business: Api) -> None:
    client_id = business.add_client()
    business.log(client_id, "2026-11-10")

    assert business.post("/v1/invoices", {"client_id": client_id, "through": "2026-11-20"}).status == 201
    assert business.post("/v1/invoices", {"client_id": client_id, "through": "2026-11-20"}).code == "nothing_to_invoice"


def test_numbers_ascend_without_a_gap_past_what_was_refused(business: Api) -> None:
    client_id = business.add_client()
    numbers = []
    for day in ("2026-11-01", "2026-11-02", "2026-11-03"):
        business.post("/v1/invoices", {"client_id": client_id, "through": day})
        business.log(client_id, day)
        numbers.append(business.issue(client_id, day)["number"])

    assert numbers == ["RE-2026-0001", "RE-2026-0002", "RE-2026-0003"]


def test_invoices_are_listed_without_lines_and_filtered(business: Api) -> None:
    first, second = business.add_client(), business.add_client()
    issued = []
    for client_id in (first, second):
        business.log(client_id, "2026-11-10")
        issued.append(business.issue(client_id, "2026-11-20"))
    business.post(f"/v1/invoices/{issued[0]['id']}/payments", {"amount": 114, "paid_on": "2026-11-20"})

    listed = business.get("/v1/invoices").json["invoices"]
    assert [invoice["id"] for invoice in listed] == [issued[1]["id"], issued[0]["id"]]
    assert listed[0] == {name: value for name, value in issued[1].items() if name != "lines"}
    for query, expected in {
        f"client_id={first}": [issued[0]],
        "status=paid": [issued[0]],
        "status=issued": [issued[1]],
        "status=credited": [],
        f"status=issued&client_id={first}": [],
    }.items():
        found = business.get(f"/v1/invoices?{query}").json["invoices"]
        assert [one["id"] for one in found] == [one["id"] for one in expected], query


def test_an_unpaid_invoice_is_overdue_the_day_after_it_was_due(business: Api, wired: MemoryWired) -> None:
    client_id = business.add_client(payment_terms_days=0)
    business.log(client_id, "2026-11-10")
    invoice_id = business.issue(client_id, "2026-11-20")["id"]

    assert business.get(f"/v1/invoices/{invoice_id}").json["overdue"] is False
    wired.clock.at = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    assert business.get(f"/v1/invoices/{invoice_id}").json["overdue"] is True
    assert business.get("/v1/invoices").json["invoices"][0]["overdue"] is True


@pytest.fixture
def invoice(business: Api) -> dict[str, Any]:
    """114.00 EUR."""
    client_id = business.add_client()
    business.log(client_id, "2026-11-10")
    return business.issue(client_id, "2026-11-20")


def test_payments_settle_an_invoice(business: Api, invoice: dict[str, Any]) -> None:
    path = f"/v1/invoices/{invoice['id']}"

    part = made(business.post(f"{path}/payments", {"amount": "14.00", "paid_on": "2026-11-18", "reference": "first"}))
    assert (part["status"], part["paid_amount"], part["open_amount"]) == ("issued", 14, 100)
    rest = made(business.post(f"{path}/payments", {"amount": 100, "paid_on": "2026-11-19"}))

    assert (rest["status"], rest["open_amount"]) == ("paid", 0)
    assert [(one["amount"], one["paid_on"], one["reference"]) for one in rest["payments"]] == [
        (14, "2026-11-18", "first"),
        (100, "2026-11-19", ""),
    ]
    assert all(one["id"].startswith("pay_") for one in rest["payments"])
    assert business.get(path).json == rest
    more = business.post(f"{path}/payments", {"amount": 1, "paid_on": "2026-11-19"})
    assert (more.status, more.code) == (409, "invoice_paid")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"amount": 0}, "/amount"),
        ({"amount": -5}, "/amount"),
        ({"amount": 114.01}, "/amount"),
        ({"amount": "0.001"}, "/amount"),
        ({"amount": "NaN"}, "/amount"),
        ({"amount": "Infinity"}, "/amount"),
        ({"amount": "1_0"}, "/amount"),
        ({"amount": ...}, "/amount"),
        ({"paid_on": ...}, "/paid_on"),
        ({"paid_on": "2026-11-31"}, "/paid_on"),
        ({"paid_on": "0001-01-01"}, "/paid_on"),
        ({"paid_on": "9999-12-31"}, "/paid_on"),
        ({"reference": "a\nb"}, "/reference"),
        ({"reference": "x" * 201}, "/reference"),
        ({"currency": "EUR"}, "/currency"),
    ],
)
def test_a_payment_that_breaks_a_rule_is_refused_with_the_place(
    business: Api, wired: MemoryWired, invoice: dict[str, Any], changes: dict[str, Any], pointer: str
) -> None:
    before = wired.state()
    body = {name: value for name, value in ({"amount": 10, "paid_on": "2026-11-20"} | changes).items() if value is not ...}

    answer = business.post(f"/v1/invoices/{invoice['id']}/payments", body)

    assert (answer.status, answer.pointers) == (422, [pointer])
    assert wired.state() == before


def test_a_credit_note_takes_the_whole_invoice_back_and_releases_its_hours(business: Api, invoice: dict[str, Any]) -> None:
    answer = business.post(f"/v1/invoices/{invoice['id']}/credit-notes", {"reason": "Wrong rate"})

    note = made(answer)
    assert note == {
        "id": note["id"],
        "number": "CN2026-0001",
        "invoice_id": invoice["id"],
        "invoice_number": "RE-2026-0001",
        "client_id": invoice["client_id"],
        "reason": "Wrong rate",
        "issued_at": "2026-11-20T09:30:00Z",
        "issued_on": "2026-11-20",
        "currency": "EUR",
        "net": -95,
        "vat": -19,
        "total": -114,
        "vat_groups": [{"rate": 20, "net": -95, "vat": -19}],
        "delivery": {"status": "pending", "reason": None, "recipient": None, "sent_at": None},
    }
    credited = business.get(f"/v1/invoices/{invoice['id']}").json
    assert (credited["status"], credited["credit_note_id"], credited["open_amount"]) == ("credited", note["id"], 0)
    assert credited["credit_note_number"] == "CN2026-0001"
    assert {**credited, "status": 0, "credit_note_id": 0, "credit_note_number": 0, "open_amount": 0} == {
        **invoice, "status": 0, "credit_note_id": 0, "credit_note_number": 0, "open_amount": 0,
    }, "all else is frozen"  # fmt: skip
    assert business.issue(invoice["client_id"], "2026-11-20")["number"] == "RE-2026-0002"


def test_an_invoice_is_credited_once(business: Api, wired: MemoryWired, invoice: dict[str, Any]) -> None:
    path = f"/v1/invoices/{invoice['id']}"
    made(business.post(f"{path}/credit-notes", {"reason": "Wrong rate"}))
    before = wired.state()

    again = business.post(f"{path}/credit-notes", {"reason": "Wrong rate"})
    paid = business.post(f"{path}/payments", {"amount": 1, "paid_on": "2026-11-20"})

    assert (again.status, again.code) == (paid.status, paid.code) == (409, "invoice_credited")
    assert "CN2026-0001" in again.json["detail"]
    assert wired.state() == before


@pytest.mark.parametrize("reason", ["", "  \n", None, "x" * 501, "\x07", 5])
def test_a_credit_note_needs_a_reason(business: Api, wired: MemoryWired, invoice: dict[str, Any], reason: object) -> None:
    before = wired.state()

    answer = business.post(f"/v1/invoices/{invoice['id']}/credit-notes", {"reason": reason})

    assert (answer.status, answer.pointers) == (422, ["/reason"])
    assert wired.state() == before


def test_the_pdf_is_found_behind_a_short_lived_link(business: Api, wired: MemoryWired, invoice: dict[str, Any]) -> None:
    first = business.get(f"/v1/invoices/{invoice['id']}/pdf")
    second = business.get(f"/v1/invoices/{invoice['id']}/pdf")

    assert (first.status, first.body, first.headers["Cache-Control"]) == (302, b"", "no-store")
    assert first.headers["Location"] == wired.documents.link(business.account_id, invoice["id"], "RE-2026-0001.pdf")
    assert first.headers["X-Request-Id"]
    assert second.headers["Location"] == first.headers["Location"]
    assert wired.printer.printed == 1
    assert wired.documents.find(business.account_id, invoice["id"]) is not None


def test_a_report_of_a_day_without_due_invoices_is_empty(business: Api) -> None:
    answer = business.get("/v1/reports/2026-11-19")

    assert (answer.status, answer.json) == (
        200,
        {
            "date": "2026-11-19",
            "invoices_due": 0,
            "invoices_issued": 0,
            "nothing_to_invoice": 0,
            "invoices_missed": 0,
            "amounts": [],
            "outcomes": [],
        },
    )


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "2026-11-19T00:00:00Z", "20261119", "0000-01-01", "%00", "..%2F"])
def test_what_is_no_day_has_no_report(business: Api, day: str) -> None:
    assert business.get(f"/v1/reports/{day}").status == 404
