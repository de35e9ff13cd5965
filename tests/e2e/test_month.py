"""The freelancer's month, from outside: requests and boto3 against the deployed application, mail and PDF read back."""

import csv
import email
import email.policy
import functools
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from fractions import Fraction
from pathlib import Path
from typing import Any

import pypdf
import pytest
import requests

from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed, User

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

MONTH = Path(__file__).parents[2] / "examples" / "work-2024-10.csv"


def cents(amount: Fraction) -> int:
    """Half up, away from zero; the amounts here are not negative."""
    return int(amount * 100 + Fraction(1, 2))


def mails(deployed: Deployed) -> Iterator[EmailMessage]:
    for path in sorted(deployed.aws.mail.glob("*.eml")):
        yield email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def mails_about(deployed: Deployed, recipient: str, subject: str) -> list[EmailMessage] | None:
    """None as long as there is none."""
    return [mail for mail in mails(deployed) if mail["To"] == recipient and subject in str(mail["Subject"])] or None


def noon(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)


def pdf_text(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


@pytest.fixture(scope="module")
def events(deployed: Deployed) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """What another system that listens to the bus hears, by account."""
    sqs, bus = deployed.client("sqs"), deployed.client("events")
    url = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name="listener", EventBusName="daybook-local", EventPattern=json.dumps({"source": ["daybook"]}))
    bus.put_targets(Rule="listener", EventBusName="daybook-local", Targets=[{"Id": "listener", "Arn": arn}])
    heard: list[dict[str, Any]] = []

    def listen(account_id: str) -> list[dict[str, Any]]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            heard.extend(json.loads(message["Body"]) for message in messages)
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in heard if event["detail"]["account_id"] == account_id]

    yield listen
    bus.remove_targets(Rule="listener", EventBusName="daybook-local", Ids=["listener"])


def test_a_month_of_work_becomes_one_invoice_in_the_clients_inbox(
    deployed: Deployed, events: Callable[[str], list[dict[str, Any]]]
) -> None:
    user = User(deployed.url)
    recipient = f"{user.account_id}@client.example"
    client = user.ask(
        "POST",
        "/v1/clients",
        {
            "name": "Müller & Söhne GmbH",
            "email": recipient,
            "rate": 95.00,
            "currency": "EUR",
            "tax_rate": 20,
            "invoice_day": 31,
        },
        status=201,
    )
    with MONTH.open(newline="", encoding="utf-8") as rows:
        month = list(csv.DictReader(rows))
    for row in month:
        user.ask("POST", "/v1/work", {"client_id": client["id"], **row}, status=201)

    deployed.run_night(noon(client["next_invoice_on"]))
    deployed.run_night(noon(client["next_invoice_on"]))

    def delivered() -> dict[str, Any] | None:
        listed: list[dict[str, Any]] = user.ask("GET", "/v1/invoices")["invoices"]
        return listed[0] if listed and listed[0]["delivery"]["status"] == "sent" else None

    summary = deployed.wait_for(delivered)
    invoice = user.ask("GET", f"/v1/invoices/{summary['id']}")

    # Worked out here from the file alone: seconds x rate / 3600, half up for each line, VAT on the sum.
    seconds = [
        int((datetime.fromisoformat(row["ended_at"]) - datetime.fromisoformat(row["started_at"])).total_seconds())
        for row in month
    ]
    amounts = [cents(Fraction(worked * 95, 3600)) for worked in seconds]
    net = sum(amounts)
    vat = cents(Fraction(net * 20, 100 * 100))
    assert len(month) == 18
    assert sum(seconds) == 17 * 3600 + 1 * 60 + 46 == invoice["duration_seconds"]
    assert sorted(cents(Fraction(str(line["amount"]))) for line in invoice["lines"]) == sorted(amounts)
    assert [cents(Fraction(str(invoice[part]))) for part in ("net", "vat", "total")] == [net, vat, net + vat]

    numbers = [listed["number"] for listed in user.ask("GET", "/v1/invoices")["invoices"]]
    assert numbers == [f"{client['next_invoice_on'][:4]}-0001"]

    pdf = requests.get(user.ask("GET", f"/v1/invoices/{invoice['id']}/pdf", status=302), timeout=TIMEOUT_SECONDS).content
    text = pdf_text(pdf)
    total = f"{(net + vat) / 100:,.2f}"
    for shown in (invoice["number"], "Müller & Söhne GmbH", "Mara Lindström", f"{net / 100:,.2f}", f"{vat / 100:,.2f}", total):
        assert shown in text

    [mail] = mails_about(deployed, recipient, invoice["number"]) or []
    [attachment] = list(mail.iter_attachments())
    assert attachment.get_content() == pdf
    assert user.email in str(mail["Reply-To"])
    body = mail.get_body(("plain",))
    assert body is not None
    assert total in body.get_content()

    def all_told() -> list[dict[str, Any]] | None:
        heard = events(user.account_id)
        return heard if "InvoiceIssued" in [event["detail-type"] for event in heard] else None

    told = [event["detail-type"] for event in deployed.wait_for(all_told)]
    assert told.index("ClientCreated") < told.index("WorkLogged") < told.index("InvoiceIssued")
    assert told.count("WorkLogged") == 18
    assert told.count("InvoiceIssued") == 1
    assert "password_hash" not in json.dumps(events(user.account_id))

    report = user.ask("GET", f"/v1/reports/{client['next_invoice_on']}")
    assert (report["invoices_due"], report["invoices_issued"], report["invoices_missed"]) == (1, 1, 0)

    # The month after, with nothing logged: no invoice, and the report says so.
    next_day = user.ask("GET", f"/v1/clients/{client['id']}")["next_invoice_on"]
    assert next_day > client["next_invoice_on"]
    deployed.run_night(noon(next_day))

    def settled() -> dict[str, Any] | None:
        found: dict[str, Any] = user.ask("GET", f"/v1/reports/{next_day}")
        return found if found["nothing_to_invoice"] else None

    assert deployed.wait_for(settled)["invoices_issued"] == 0
    assert len(user.ask("GET", "/v1/invoices")["invoices"]) == 1


def test_a_credit_note_is_mailed_and_its_hours_are_billed_again(deployed: Deployed) -> None:
    user = User(deployed.url, time_zone="Pacific/Auckland")
    recipient = f"{user.account_id}@client.example"
    client = user.ask("POST", "/v1/clients", {"name": "C", "email": recipient, "rate": 60, "currency": "EUR"}, status=201)
    day = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
    entry = user.ask("POST", "/v1/work", {"client_id": client["id"], "date": day, "minutes": 5}, status=201)
    order = {"client_id": client["id"], "through": day}
    first = user.ask("POST", "/v1/invoices", order, status=201)
    assert Fraction(str(first["total"])) == 5
    assert user.ask("DELETE", f"/v1/work/{entry['id']}", status=409)["code"] == "work_entry_billed"
    assert user.ask("POST", "/v1/invoices", order, status=409)["code"] == "nothing_to_invoice"

    note = user.ask("POST", f"/v1/invoices/{first['id']}/credit-notes", {"reason": "wrong client"}, status=201)
    assert note["number"].startswith("CN")
    second = user.ask("POST", "/v1/invoices", order, status=201)
    assert int(second["number"][-4:]) == int(first["number"][-4:]) + 1
    user.ask("POST", f"/v1/invoices/{second['id']}/payments", {"amount": 5, "paid_on": day}, status=201)
    assert user.ask("GET", f"/v1/invoices/{second['id']}")["status"] == "paid"
    for number in (first["number"], note["number"], second["number"]):
        # The credit note's number ends like an invoice's, so the number alone stands in two subjects.
        assert len(deployed.wait_for(functools.partial(mails_about, deployed, recipient, f" {number} "))) == 1


def test_refusals_of_the_gateway_are_problem_documents_too(deployed: Deployed) -> None:
    for path, headers, status in (
        ("/v1/clients", {}, 401),
        ("/v1/clients", {"Authorization": "Bearer nonsense"}, 401),
    ):
        answer = requests.get(deployed.url + path, headers=headers, timeout=TIMEOUT_SECONDS)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_another_accounts_client_is_as_one_that_never_was(deployed: Deployed) -> None:
    owner, stranger = User(deployed.url), User(deployed.url)
    client = owner.ask("POST", "/v1/clients", {"name": "C", "rate": 60, "currency": "EUR"}, status=201)
    seen = stranger.ask("GET", f"/v1/clients/{client['id']}", status=404)
    never = stranger.ask("GET", f"/v1/clients/{client['id'][:-1]}{'0' if client['id'][-1] != '0' else '1'}", status=404)
    for problem in (seen, never):
        del problem["request_id"], problem["instance"]
    assert seen == never
