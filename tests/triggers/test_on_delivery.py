"""Documents are mailed once, however often they are announced, and the owner hears of one that bounces, once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.deliveries import Mail
from chalicelib.domain.errors import MailRefused, Unavailable
from chalicelib.domain.invoices import Delivery, DeliveryStatus, Invoice
from chalicelib.usecases import invoices
from chalicelib.usecases.deliveries import CLAIM
from tests.builders import a_caller
from tests.triggers.conftest import AddClient
from tests.triggers.documents import bounced_event, credited_event, document, failed, issued_event, rejected_event, sqs
from tests.wired import MemoryWired


def delivery(wired: MemoryWired, invoice: Invoice) -> Delivery:
    return wired.store.invoices.get(invoice.account_id, invoice.id).delivery


def announce(invoice: Invoice) -> dict[str, Any]:
    return issued_event(invoice.account_id, invoice.id)


@pytest.fixture
def sent(wired: MemoryWired, issued: Invoice) -> Invoice:
    """An invoice that was mailed as `mail-1`."""
    assert daybook.on_delivery(sqs(announce(issued)), None) == failed()
    return wired.store.invoices.get(issued.account_id, issued.id)


def test_an_issued_invoice_is_mailed_with_its_pdf(wired: MemoryWired, issued: Invoice) -> None:
    assert daybook.on_delivery(sqs(announce(issued)), None) == failed()

    (mail,) = wired.mailer.sent
    assert (mail.to, mail.reply_to, mail.sender_name) == ("charles@example.com", "ada@example.com", "Ada Lovelace e.U.")
    assert mail.subject == "Invoice RE-2026-0001 from Ada Lovelace e.U."
    assert mail.message_id == issued.id
    assert "114.00 EUR" in mail.text
    assert mail.attachment is not None
    assert (mail.attachment.filename, mail.attachment.content_type) == ("RE-2026-0001.pdf", "application/pdf")
    assert mail.attachment.content == wired.documents.find("acc_1", issued.id)
    assert mail.tags == {"account": "acc_1", "document": issued.id}
    assert delivery(wired, issued) == Delivery(
        status=DeliveryStatus.SENT, recipient="charles@example.com", message_id="mail-1", sent_at=wired.clock.now()
    )


def test_an_announcement_that_comes_five_times_is_mailed_once(wired: MemoryWired, issued: Invoice) -> None:
    assert daybook.on_delivery(sqs(*[announce(issued)] * 3), None) == failed()
    wired.clock.advance(days=4)
    assert daybook.on_delivery(sqs(*[announce(issued)] * 2), None) == failed()

    assert len(wired.mailer.sent) == 1
    assert wired.printer.printed == 1


def test_a_failed_mail_is_noted_and_sent_again_with_the_same_bytes(wired: MemoryWired, issued: Invoice) -> None:
    wired.mailer.failures = [Unavailable("the mail service does not answer"), MailRefused("the address is suppressed")]

    assert daybook.on_delivery(sqs(announce(issued)), None) == failed("message-0")
    first = wired.documents.find("acc_1", issued.id)
    assert (delivery(wired, issued).status, delivery(wired, issued).reason) == (
        DeliveryStatus.FAILED,
        "the mail service does not answer",
    )
    assert daybook.on_delivery(sqs(announce(issued)), None) == failed("message-0")
    assert delivery(wired, issued).reason == "the address is suppressed"
    assert daybook.on_delivery(sqs(announce(issued)), None) == failed()

    (mail,) = wired.mailer.sent
    assert mail.attachment is not None
    assert mail.attachment.content == first
    assert (delivery(wired, issued).status, delivery(wired, issued).reason) == (DeliveryStatus.SENT, None)
    after = wired.store.invoices.get("acc_1", issued.id)
    assert (after.number, after.total) == (issued.number, issued.total)


def test_whoever_hears_while_another_sends_stands_back(wired: MemoryWired, issued: Invoice) -> None:
    """The first crashes after the mail service's yes; the second comes at once, then late."""

    class Crash(BaseException):
        pass

    class Crashing:
        def __init__(self) -> None:
            self.sent: list[Mail] = []

        def send(self, mail: Mail) -> str:
            self.sent.append(mail)
            raise Crash

    real, wired.mailer = wired.mailer, Crashing()  # type: ignore[assignment]
    with pytest.raises(Crash):
        daybook.on_delivery(sqs(announce(issued)), None)
    wired.mailer = real

    assert daybook.on_delivery(sqs(announce(issued)), None) == failed("message-0")
    assert real.sent == []
    wired.clock.advance(seconds=CLAIM.total_seconds())
    assert daybook.on_delivery(sqs(announce(issued)), None) == failed()
    assert len(real.sent) == 1
    assert timedelta(seconds=120) < CLAIM, "the function may run that long"


def test_a_payment_that_is_recorded_meanwhile_delays_no_mail(
    wired: MemoryWired, issued: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It falls between the look at the invoice and the claim; a message that fails comes again only minutes later."""
    invoices = wired.store.invoices
    get = invoices.get
    seen: list[Invoice] = []

    def get_and_pay(account_id: str, invoice_id: str) -> Invoice:
        invoice = get(account_id, invoice_id)
        if not seen:
            seen.append(invoice)
            invoices.save(replace(invoice, version=invoice.version + 1))
        return invoice

    monkeypatch.setattr(invoices, "get", get_and_pay)

    assert daybook.on_delivery(sqs(issued_event("acc_1", issued.id)), None) == failed()
    assert len(wired.mailer.sent) == 1


def test_a_client_without_an_address_gets_no_mail_but_the_pdf_is_kept(wired: MemoryWired, add_client: AddClient) -> None:
    client = add_client()
    wired.store.clients.save(replace(client, email=None, version=client.version + 1))
    caller = a_caller()
    invoice = invoices.issue_invoice(caller, client.id, date(2026, 11, 20), books=wired).invoice

    assert daybook.on_delivery(sqs(announce(invoice)), None) == failed()

    assert wired.mailer.sent == []
    assert delivery(wired, invoice).reason == "the client has no e-mail address"
    assert wired.documents.find("acc_1", invoice.id) is not None


def test_a_credit_note_is_mailed_with_its_own_pdf(wired: MemoryWired, sent: Invoice) -> None:
    note = invoices.credit_invoice(a_caller(), sent.id, "Wrong rate", books=wired)

    for _ in range(2):
        assert daybook.on_delivery(sqs(credited_event("acc_1", sent.id, note.id)), None) == failed()

    _, mail = wired.mailer.sent
    assert mail.subject == "Credit note CN2026-0001 from Ada Lovelace e.U."
    assert "Wrong rate" in mail.text
    assert mail.attachment is not None
    assert mail.attachment.content == wired.documents.find("acc_1", note.id) != wired.documents.find("acc_1", sent.id)
    kept = wired.store.credit_notes.get("acc_1", note.id)
    assert (kept.delivery.status, kept.delivery.message_id) == (DeliveryStatus.SENT, "mail-2")
    assert wired.store.invoices.get("acc_1", sent.id).delivery.status is DeliveryStatus.SENT


def test_the_credit_note_may_come_before_its_invoice(wired: MemoryWired, issued: Invoice) -> None:
    note = invoices.credit_invoice(a_caller(), issued.id, "Wrong rate", books=wired)

    assert daybook.on_delivery(sqs(credited_event("acc_1", issued.id, note.id), announce(issued)), None) == failed()

    assert [mail.message_id for mail in wired.mailer.sent] == [note.id, issued.id]


def test_a_hard_bounce_told_twice_is_noted_and_told_to_the_owner_once(wired: MemoryWired, sent: Invoice) -> None:
    bounce = bounced_event("acc_1", sent.id)

    assert daybook.on_delivery(sqs(bounce, bounce), None) == failed()
    wired.clock.advance(days=1)
    assert daybook.on_delivery(sqs(bounce), None) == failed()

    noted = delivery(wired, sent)
    assert (noted.status, noted.reason) == (DeliveryStatus.FAILED, "smtp; 550 5.1.1 user unknown")
    assert (noted.recipient, noted.message_id, noted.claimed_until) == ("charles@example.com", "mail-1", None)
    _, told = wired.mailer.sent
    assert (told.to, told.attachment) == ("ada@example.com", None)
    assert told.subject == "RE-2026-0001 could not be delivered"
    assert "charles@example.com" in told.text
    assert "550 5.1.1 user unknown" in told.text


def test_a_mail_that_the_service_took_and_then_did_not_send_is_told_to_the_owner(wired: MemoryWired, sent: Invoice) -> None:
    assert daybook.on_delivery(sqs(rejected_event("acc_1", sent.id)), None) == failed()

    noted = delivery(wired, sent)
    assert (noted.status, noted.reason) == (DeliveryStatus.FAILED, "the mail service did not send it: Bad content")
    assert "charles@example.com" in wired.mailer.sent[-1].text


def test_two_who_hear_of_one_bounce_at_once_tell_the_owner_once(wired: MemoryWired, sent: Invoice) -> None:
    """The second comes while the first is at the mail service."""
    bounce = bounced_event("acc_1", sent.id)
    second: list[Any] = []
    real = wired.mailer.send

    def send(mail: Mail) -> str:
        second.append(daybook.on_delivery(sqs(bounce), None))
        return real(mail)

    wired.mailer.send = send  # type: ignore[method-assign]
    assert daybook.on_delivery(sqs(bounce), None) == failed()

    assert second == [failed("message-0")]
    assert [mail.to for mail in wired.mailer.sent] == ["charles@example.com", "ada@example.com"]


def test_an_owner_who_could_not_be_told_is_told_when_the_bounce_comes_again(wired: MemoryWired, sent: Invoice) -> None:
    bounce = bounced_event("acc_1", sent.id)
    wired.mailer.failures = [Unavailable()]

    assert daybook.on_delivery(sqs(bounce), None) == failed("message-0")
    assert delivery(wired, sent).status is DeliveryStatus.FAILED
    wired.clock.advance(seconds=CLAIM.total_seconds())
    assert daybook.on_delivery(sqs(bounce), None) == failed()

    assert [mail.to for mail in wired.mailer.sent] == ["charles@example.com", "ada@example.com"]


def test_a_bounce_that_is_faster_than_our_own_note_is_not_lost(wired: MemoryWired, issued: Invoice) -> None:
    early: list[Any] = []
    real = wired.mailer.send

    def send(mail: Mail) -> str:
        message_id = real(mail)
        early.append(daybook.on_delivery(sqs(bounced_event("acc_1", issued.id, message_id)), None))
        return message_id

    wired.mailer.send = send  # type: ignore[method-assign]
    assert daybook.on_delivery(sqs(announce(issued)), None) == failed()
    wired.mailer.send = real  # type: ignore[method-assign]

    assert early == [failed("message-0")]
    assert daybook.on_delivery(sqs(bounced_event("acc_1", issued.id)), None) == failed()
    assert delivery(wired, issued).status is DeliveryStatus.FAILED
    assert len(wired.mailer.sent) == 2


def test_the_announcement_after_the_bounce_does_not_send_again(wired: MemoryWired, sent: Invoice) -> None:
    daybook.on_delivery(sqs(bounced_event("acc_1", sent.id)), None)

    assert daybook.on_delivery(sqs(announce(sent)), None) == failed()
    assert [mail.to for mail in wired.mailer.sent] == ["charles@example.com", "ada@example.com"]


def _nobodys_concern(sent: Invoice) -> Iterator[Any]:
    yield bounced_event("acc_1", sent.id, bounce_type="Transient")
    yield bounced_event("acc_1", sent.id, bounce_type="Undetermined")
    yield bounced_event("acc_1", sent.id, message_id="mail-of-another")
    yield bounced_event("acc_2", sent.id)
    yield bounced_event("acc_1", "inv_01J00000000000000000000000")
    yield bounced_event("acc_1", "nonsense")
    yield bounced_event("", "")
    untagged = bounced_event("acc_1", sent.id)
    del untagged["detail"]["mail"]["tags"]
    yield untagged
    for detail_type in ("InvoicePaid", "ClientCreated", "SomethingNew"):
        yield announce(sent) | {"detail-type": detail_type}
    yield bounced_event("acc_1", sent.id) | {"detail-type": "Email Delivered"}
    yield announce(sent) | {"source": "somebody.else"}
    yield document("scheduled")


def test_what_is_no_concern_of_deliveries_is_acknowledged(wired: MemoryWired, sent: Invoice) -> None:
    before = wired.state()

    for event in _nobodys_concern(sent):
        assert daybook.on_delivery(sqs(event), None) == failed(), event
    assert wired.state() == before


UNREADABLE: list[object] = [
    "",
    "no JSON",
    "[]",
    {},
    {"source": "daybook", "detail-type": "InvoiceIssued"},
    {"source": "daybook", "detail-type": "InvoiceIssued", "detail": {"id": "inv_1"}},
    {"source": "daybook", "detail-type": "InvoiceIssued", "detail": {"account_id": 1, "id": "inv_1"}},
    {"source": "daybook", "detail-type": "InvoiceCredited", "detail": {"account_id": "acc_1", "id": "inv_1", "new": {}}},
    {"source": "aws.ses", "detail-type": "Email Bounced", "detail": {}},
    issued_event("acc_1", "inv_01J00000000000000000000000"),
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: str(body)[-40:])
def test_what_cannot_be_read_or_found_comes_again_alone(wired: MemoryWired, issued: Invoice, body: object) -> None:
    assert daybook.on_delivery(sqs(body, announce(issued), body), None) == failed("message-0", "message-2")

    assert len(wired.mailer.sent) == 1


def test_a_bounce_without_a_diagnosis_has_a_reason_all_the_same(wired: MemoryWired, sent: Invoice) -> None:
    bounce = bounced_event("acc_1", sent.id)
    bounce["detail"]["bounce"]["bouncedRecipients"] = [{"emailAddress": "charles@example.com"}]

    assert daybook.on_delivery(sqs(json.dumps(bounce)), None) == failed()
    assert delivery(wired, sent).reason == "the address does not exist or refuses mail"
