"""What is mailed: the document to the client, and to the owner the news that it did not arrive."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message. The service is the sender, `sender_name` what the reader sees; answers go to `reply_to`.

    `message_id` is the same whenever the same mail is sent; `tags` come back with what the mail service tells of it later.
    """

    message_id: str
    sender_name: str
    reply_to: str
    to: str
    subject: str
    text: str
    attachment: Attachment | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceAnnounced:
    """An invoice was issued and is to be mailed."""

    account_id: str
    invoice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteAnnounced:
    """An invoice was credited; the credit note is to be mailed."""

    account_id: str
    note_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """The mail service's word that a mail will never arrive. `document_id` is an invoice or a credit note."""

    account_id: str
    document_id: str
    message_id: str
    recipient: str
    reason: str


Announcement = InvoiceAnnounced | CreditNoteAnnounced | Bounce
"""What the deliveries queue tells of."""
