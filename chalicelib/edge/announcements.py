"""The deliveries queue: EventBridge events of our own bus and of SES, as announcements."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from chalice.app import SQSEvent

from chalicelib.domain.deliveries import Announcement, Bounce, CreditNoteAnnounced, InvoiceAnnounced
from chalicelib.edge.batches import BatchAnswer, each_message

_log = logging.getLogger("daybook")


class _Envelope(msgspec.Struct, rename="kebab"):
    """The part of an EventBridge event that says what it is."""

    source: str
    detail_type: str
    detail: msgspec.Raw


class _Issued(msgspec.Struct):
    account_id: str
    id: str


class _CreditedInvoice(msgspec.Struct):
    credit_note_id: str


class _Credited(msgspec.Struct):
    account_id: str
    new: _CreditedInvoice


class _Recipient(msgspec.Struct, rename="camel"):
    email_address: str
    diagnostic_code: str = ""


class _BounceDetail(msgspec.Struct, rename="camel"):
    bounce_type: str
    bounced_recipients: list[_Recipient]


class _ReturnedMail(msgspec.Struct, rename="camel"):
    message_id: str
    destination: list[str] = []
    tags: dict[str, list[str]] = {}


class _Bounced(msgspec.Struct):
    bounce: _BounceDetail
    mail: _ReturnedMail


class _RejectDetail(msgspec.Struct):
    reason: str = "it was taken for harmful"


class _Rejected(msgspec.Struct):
    mail: _ReturnedMail
    reject: _RejectDetail


def each_announcement(event: SQSEvent, handle: Callable[[Announcement], None]) -> BatchAnswer:
    """Handles each announcement; what is no concern of deliveries is acknowledged."""

    def handle_known(announcement: Announcement | None) -> None:
        if announcement is not None:
            handle(announcement)

    return each_message(event, read_announcement, handle_known)


def read_announcement(body: str) -> Announcement | None:
    """None for what is no concern of deliveries. Raises: msgspec.DecodeError for what is no such event."""
    envelope = msgspec.json.decode(body, type=_Envelope)
    match envelope.source, envelope.detail_type:
        case "daybook", "InvoiceIssued":
            issued = _detail(envelope, _Issued)
            return InvoiceAnnounced(account_id=issued.account_id, invoice_id=issued.id)
        case "daybook", "InvoiceCredited":
            credited = _detail(envelope, _Credited)
            return CreditNoteAnnounced(account_id=credited.account_id, note_id=credited.new.credit_note_id)
        case "aws.ses", "Email Bounced":
            return _bounce(_detail(envelope, _Bounced))
        case "aws.ses", "Email Rejected":
            rejected = _detail(envelope, _Rejected)
            reason = f"the mail service did not send it: {rejected.reject.reason}"
            return _returned(rejected.mail, ", ".join(rejected.mail.destination), reason)
    _log.warning("an event of the type %s is none that deliveries know", envelope.detail_type)
    return None


def _detail(envelope: _Envelope, detail_type: Any) -> Any:
    return msgspec.json.decode(envelope.detail, type=detail_type)


def _bounce(bounced: _Bounced) -> Bounce | None:
    """Only a permanent bounce is final; SES itself goes on trying after a transient one."""
    if bounced.bounce.bounce_type != "Permanent":
        return None
    recipients = bounced.bounce.bounced_recipients
    reasons = [recipient.diagnostic_code for recipient in recipients if recipient.diagnostic_code]
    return _returned(
        bounced.mail,
        ", ".join(recipient.email_address for recipient in recipients),
        "; ".join(reasons) or "the address does not exist or refuses mail",
    )


def _returned(mail: _ReturnedMail, recipient: str, reason: str) -> Bounce | None:
    """None for a mail that carried no document: the news of another bounce, say."""
    account, document = (mail.tags.get(tag, []) for tag in ("account", "document"))
    if not account or not document:
        return None
    return Bounce(
        account_id=account[0], document_id=document[0], message_id=mail.message_id, recipient=recipient, reason=reason
    )
