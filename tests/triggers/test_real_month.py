"""A real month from the API to the mail and the PDF, through every function, with all that is said on the way as JSON.

The figures are worked out here with whole numbers, by none of the application's code.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pypdf
import pytest

import app as daybook
from chalicelib.gateways.event_bus import EventBridgeBus
from chalicelib.gateways.invoicing_queue import SqsInvoicingQueue
from chalicelib.gateways.printer import PdfPrinter
from tests.builders import at
from tests.http.api import Answer, Api, made
from tests.http.test_accounts import PROFILE
from tests.triggers.documents import change, failed, scheduled, sqs, stream
from tests.wired import MemoryWired

CSV = Path(__file__).parents[2] / "examples" / "work-2024-10.csv"
RATE_CENTS, VAT_PERCENT = 9_500, 20
TOLD_TABLES = ("accounts", "users", "clients", "entries", "invoices", "credit_notes")


@dataclass
class Wires:
    """SQS and EventBridge as clients: what goes over them is text."""

    messages: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def get_queue_url(self, *, QueueName: str) -> Mapping[str, str]:  # noqa: N803  AWS's names
        return {"QueueUrl": f"https://sqs.example/{QueueName}"}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> Mapping[str, Any]:  # noqa: N803, ARG002
        self.messages += [entry["MessageBody"] for entry in Entries]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def put_events(self, *, Entries: list[dict[str, Any]]) -> Mapping[str, Any]:  # noqa: N803
        self.events += [
            {
                "version": "0",
                "id": str(len(self.events)),
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "detail": json.loads(entry["Detail"], parse_float=str),
            }
            for entry in Entries
        ]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}] * len(Entries)}


@dataclass
class Month:
    """The application in October 2024, and what AWS does between its functions."""

    wired: MemoryWired
    wires: Wires
    seen: dict[str, Any] = field(default_factory=dict)

    def night(self, time: str) -> None:
        """The night, and all that follows from it until nothing is left to do."""
        self.wired.clock.at = at(time)
        daybook.nightly(scheduled(time), None)
        self.pump()

    def pump(self) -> None:
        while True:
            records = list(self._records())
            messages, self.wires.messages = self.wires.messages, []
            if not records and not messages:
                return
            assert daybook.on_change(stream(*records), None) == failed()
            assert daybook.on_invoice_due(sqs(*messages), None) == failed()
            announced = [one for one in self.wires.events if one["detail-type"] in {"InvoiceIssued", "InvoiceCredited"}]
            self.wires.events.clear()
            assert daybook.on_delivery(sqs(*announced, *announced), None) == failed()

    def _records(self) -> Iterator[dict[str, Any]]:
        """What the table's stream tells since the last time."""
        now = self.wired.tables()
        for table in TOLD_TABLES:
            before, after = self.seen.get(table, {}), now[table]
            for key in [*before, *(key for key in after if key not in before)]:
                if before.get(key) != after.get(key):
                    yield change(before.get(key), after.get(key))
        self.seen = now


@pytest.fixture
def month(wired: MemoryWired) -> Month:
    wires = Wires()
    wired.clock.at = at("2024-10-01T08:00:00")
    wired.printer = PdfPrinter()
    # The stand-ins answer just what these two gateways ask.
    wired.event_bus = cast("Any", EventBridgeBus(cast("Any", wires), "daybook-test"))
    wired.invoicing_queue = cast("Any", SqsInvoicingQueue(cast("Any", wires), "daybook-test-invoicing"))
    return Month(wired=wired, wires=wires)


def rows() -> list[dict[str, str]]:
    with CSV.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def seconds_of(row: Mapping[str, str]) -> int:
    return int((datetime.fromisoformat(row["ended_at"]) - datetime.fromisoformat(row["started_at"])).total_seconds())


def cents(amount: object) -> int:
    return int(Decimal(str(amount)) * 100)


def text_of(pdf: bytes) -> str:
    """The words of a PDF, with single spaces."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


def test_a_real_month_is_invoiced_to_the_cent_and_the_empty_one_after_it_is_not(visitor: Api, month: Month) -> None:
    wired = month.wired
    api = visitor.signed_up()
    api.put("/v1/account", PROFILE)
    client_id = api.add_client(rate="95.00", tax_rate=VAT_PERCENT, invoice_day=31)
    wired.clock.at = at("2024-10-30T20:00:00")
    for row in rows():
        made(api.post("/v1/work", {"client_id": client_id, **row}))

    month.night("2024-10-31T02:00:00Z")

    line_cents = [(seconds_of(row) * RATE_CENTS * 2 + 3_600) // 7_200 for row in rows()]
    net = sum(line_cents)
    vat = (net * VAT_PERCENT * 2 + 100) // 200
    (invoice,) = api.get("/v1/invoices").json["invoices"]
    whole = api.get(f"/v1/invoices/{invoice['id']}").json
    assert len(rows()) == 18
    assert sum(map(seconds_of, rows())) == whole["duration_seconds"] == 17 * 3_600 + 60 + 46
    assert [cents(line["amount"]) for line in whole["lines"]] == line_cents
    assert [line["description"] for line in whole["lines"]] == [row["description"] for row in rows()]
    assert [line["date"] for line in whole["lines"]] == [row["started_at"][:10] for row in rows()]
    assert (cents(whole["net"]), cents(whole["vat"]), cents(whole["total"])) == (net, vat, net + vat)
    assert (whole["number"], whole["issued_on"], whole["due_on"]) == ("RE-2024-0001", "2024-10-31", "2024-11-30")
    assert (whole["period_from"], whole["period_through"]) == ("2024-08-29", "2024-10-31")
    assert whole["delivery"] == {
        "status": "sent",
        "reason": None,
        "recipient": "charles@example.com",
        "sent_at": "2024-10-31T02:00:00Z",
    }

    _the_mail_and_the_pdf_say_the_same(api, wired, whole, line_cents)
    _the_report_says(api.get("/v1/reports/2024-10-31"), issued=1, nothing=0)
    assert api.get("/v1/work?billed=false").json == {"work": []}
    assert api.get(f"/v1/clients/{client_id}").json["next_invoice_on"] == "2024-11-30"

    month.night("2024-11-30T02:00:00Z")

    assert len(api.get("/v1/invoices").json["invoices"]) == 1
    assert len(wired.mailer.sent) == 1
    _the_report_says(api.get("/v1/reports/2024-11-30"), issued=0, nothing=1)
    assert api.get(f"/v1/clients/{client_id}").json["next_invoice_on"] == "2024-12-31", "not the 30th"
    assert api.get(f"/v1/invoices/{invoice['id']}").json == whole | {"overdue": False}


def _the_mail_and_the_pdf_say_the_same(api: Api, wired: MemoryWired, invoice: dict[str, Any], line_cents: list[int]) -> None:
    (mail,) = wired.mailer.sent
    total = f"{invoice['total']:,} EUR"
    assert mail.to == "charles@example.com"
    assert invoice["number"] in mail.subject
    assert total in mail.text
    assert mail.attachment is not None
    assert mail.attachment.content == wired.documents.find(api.account_id, invoice["id"])
    printed = text_of(mail.attachment.content)
    for said in (invoice["number"], total, "Babbage & Co", "Ringstraße 1", "17:01:46", "AT61 1904 3002 3457 3201"):
        assert said in printed, said
    for amount in (*line_cents, cents(invoice["net"]), cents(invoice["vat"])):
        assert f"{Decimal(amount) / 100:,.2f}" in printed


def _the_report_says(answer: Answer, *, issued: int, nothing: int) -> None:
    report = answer.json
    assert (report["invoices_due"], report["invoices_issued"], report["nothing_to_invoice"]) == (1, issued, nothing)
    assert report["invoices_missed"] == 0
    assert [one["outcome"] for one in report["outcomes"]] == ["issued" if issued else "nothing_to_invoice"]


def test_a_late_hour_and_a_credit_note_after_the_real_month(visitor: Api, month: Month) -> None:
    api = visitor.signed_up()
    client_id = api.add_client(rate="95.00", tax_rate=VAT_PERCENT, invoice_day=31)
    wired = month.wired
    wired.clock.at = at("2024-10-30T20:00:00")
    for row in rows():
        made(api.post("/v1/work", {"client_id": client_id, **row}))
    month.night("2024-10-31T02:00:00Z")
    (october,) = api.get("/v1/invoices").json["invoices"]

    wired.clock.at = at("2024-11-05T10:00:00")
    api.log(client_id, "2024-10-12", 30)
    note = made(api.post(f"/v1/invoices/{october['id']}/credit-notes", {"reason": "The rate was wrong"}))
    api.patch(f"/v1/clients/{client_id}", {"rate": "100.00", "rate_valid_from": "2024-08-01"})
    month.pump()
    month.night("2024-11-30T02:00:00Z")

    newer, older = api.get("/v1/invoices").json["invoices"]
    assert (older["status"], older["credit_note_number"], note["number"]) == ("credited", "CN2024-0001", "CN2024-0001")
    assert note["total"] == -older["total"]
    again = api.get(f"/v1/invoices/{newer['id']}").json
    hours = [(seconds_of(row) * 10_000 * 2 + 3_600) // 7_200 for row in rows()] + [5_000]
    assert (len(again["lines"]), cents(again["net"])) == (19, sum(hours))
    assert [mail.subject.split(" from ")[0] for mail in wired.mailer.sent] == [
        "Invoice 2024-0001", "Credit note CN2024-0001", "Invoice 2024-0002",
    ]  # fmt: skip
    assert "The rate was wrong" in text_of(wired.mailer.sent[1].attachment.content if wired.mailer.sent[1].attachment else b"")
