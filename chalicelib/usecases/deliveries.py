"""Mailing documents: the same bytes, at least once, and the owner told when one bounces.

announced -> claimed -> printed and kept -> mailed -> noted as sent
             |                           |         a crash here: mailed again, once the claim has run out
             |                           a failure here: noted as failed, announced again by the queue
             whoever hears the same announcement meanwhile stands back
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar, assert_never

from chalicelib.domain.deliveries import Announcement, Attachment, Bounce, CreditNoteAnnounced, InvoiceAnnounced, Mail
from chalicelib.domain.errors import Contended, MailRefused, NotFound, Unavailable
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.invoices import CreditNote, Delivery, DeliveryStatus, Invoice
from chalicelib.usecases.contention import until_uncontended
from chalicelib.usecases.invoices import file_stem, invoice_document

if TYPE_CHECKING:
    from chalicelib.ports import Accounts, Clock, CreditNotes, Documents, Invoices, Mailer, Printer

CLAIM = timedelta(seconds=150)
"""Longer than the function may run, shorter than the queue waits before it announces again."""

Document = TypeVar("Document", Invoice, CreditNote)


class _Shelf(Protocol[Document]):
    """Where a kind of document and its delivery are kept."""

    def get(self, account_id: str, document_id: str, /) -> Document: ...
    def save(self, document: Document, /) -> None: ...


class PostOffice(Protocol):
    """What delivering needs at hand."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def invoices(self) -> Invoices: ...
    @property
    def credit_notes(self) -> CreditNotes: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def printer(self) -> Printer: ...
    @property
    def mailer(self) -> Mailer: ...
    @property
    def clock(self) -> Clock: ...


def deliver(announcement: Announcement, *, office: PostOffice) -> None:
    """Does what the announcement asks for, once, however often it is told.

    Raises: NotFound, Contended if another is at it, MailRefused or Unavailable if it failed (and is noted as failed).
    """
    match announcement:
        case InvoiceAnnounced():
            _send(
                office.invoices,
                announcement.account_id,
                announcement.invoice_id,
                lambda invoice: _invoice_mail(invoice, office),
                office,
            )
        case CreditNoteAnnounced():
            _send(
                office.credit_notes,
                announcement.account_id,
                announcement.note_id,
                lambda note: _credit_note_mail(note, office),
                office,
            )
        case Bounce():
            if is_id("inv", announcement.document_id):
                _bounced(office.invoices, announcement, office)
            else:
                _bounced(office.credit_notes, announcement, office)
        case _:
            assert_never(announcement)


def _send(
    shelf: _Shelf[Document],
    account_id: str,
    document_id: str,
    compose: Callable[[Document], Mail | None],
    office: PostOffice,
) -> None:
    def claim() -> Document:
        """Again if somebody else has changed the document meanwhile: they may have recorded a payment only."""
        document = shelf.get(account_id, document_id)
        if document.delivery.message_id is None and not _is_held(document, office.clock):
            _claim(shelf, document, office.clock)
        return document

    document = until_uncontended(claim)
    if document.delivery.message_id is not None:
        return
    if _is_held(document, office.clock):
        raise Contended(f"{document.id} is being delivered already")

    def note(delivery: Delivery) -> None:
        _note(shelf, account_id, document_id, lambda _: delivery)

    try:
        mail = compose(document)
        if mail is None:
            note(Delivery(status=DeliveryStatus.FAILED, reason="the client has no e-mail address"))
            return
        message_id = office.mailer.send(mail)
    except (MailRefused, Unavailable) as failure:
        note(Delivery(status=DeliveryStatus.FAILED, reason=failure.detail))
        raise
    note(Delivery(status=DeliveryStatus.SENT, recipient=mail.to, message_id=message_id, sent_at=office.clock.now()))


def _claim(shelf: _Shelf[Document], document: Document, clock: Clock) -> None:
    """Holds the delivery for a while. Raises: Contended if another holds it, or has changed the document."""
    if _is_held(document, clock):
        raise Contended(f"{document.id} is being delivered already")
    claimed = replace(document.delivery, claimed_until=clock.now() + CLAIM)
    shelf.save(replace(document, delivery=claimed, version=document.version + 1))


def _is_held(document: Document, clock: Clock) -> bool:
    """As it was read: whoever has claimed it since holds another state of it."""
    held_until = document.delivery.claimed_until
    return held_until is not None and held_until > clock.now()


def _note(shelf: _Shelf[Document], account_id: str, document_id: str, change: Callable[[Delivery], Delivery]) -> None:
    def attempt() -> None:
        document = shelf.get(account_id, document_id)
        shelf.save(replace(document, delivery=change(document.delivery), version=document.version + 1))

    until_uncontended(attempt)


def _bounced(shelf: _Shelf[Document], bounce: Bounce, office: PostOffice) -> None:
    """Notes the bounce, then tells the owner, then notes that: told again only if we crash in between.

    Raises: Contended if the mail that bounced is still being noted as sent, or another is telling the owner.
    """
    try:
        document = shelf.get(bounce.account_id, bounce.document_id)
    except NotFound:
        return  # the tags of a mail come from outside; one that fits nothing is nobody's
    delivery = document.delivery
    if delivery.message_id is None and delivery.claimed_until is not None:
        raise Contended(f"{document.id} is being delivered")
    if delivery.message_id != bounce.message_id or delivery.owner_told:
        return
    failed = replace(delivery, status=DeliveryStatus.FAILED, reason=bounce.reason)
    _claim(shelf, replace(document, delivery=failed), office.clock)
    account = office.accounts.get(bounce.account_id)
    office.mailer.send(
        Mail(
            message_id=f"{document.id}.bounce",
            sender_name="Daybook",
            reply_to=account.profile.email,
            to=account.profile.email,
            subject=f"{document.number} could not be delivered",
            text=(
                f"The mail with {document.number} to {bounce.recipient} came back:\n\n    {bounce.reason}\n\n"
                "The document itself is not changed. Correct the client's address and send the PDF to them.\n"
            ),
        )
    )
    _note(shelf, bounce.account_id, bounce.document_id, lambda _: replace(failed, claimed_until=None, owner_told=True))


def _invoice_mail(invoice: Invoice, office: PostOffice) -> Mail | None:
    """None where there is no address; the PDF is kept all the same."""
    pdf = invoice_document(invoice, invoices=office.invoices, documents=office.documents, printer=office.printer)
    lines = [
        f"Dear {invoice.buyer.name},",
        "",
        f"please find attached the invoice {invoice.number} of {invoice.issued_on}",
        f"for the period {invoice.period_from} to {invoice.period_through}.",
        "",
        f"Total: {invoice.total:,} {invoice.currency}, due on {invoice.due_on}.",
    ]
    if invoice.seller.iban:
        lines += [f"IBAN: {invoice.seller.iban}, reference: {invoice.number}"]
    return _document_mail(invoice, invoice, "Invoice", lines, pdf)


def _credit_note_mail(note: CreditNote, office: PostOffice) -> Mail | None:
    """None where there is no address; the PDF is kept all the same."""
    invoice = office.invoices.get(note.account_id, note.invoice_id)
    pdf = office.documents.find(note.account_id, note.id)
    if pdf is None:
        printed = office.printer.credit_note(note, invoice, office.invoices.lines(note.account_id, note.invoice_id))
        pdf = office.documents.keep(note.account_id, note.id, printed)
    lines = [
        f"Dear {invoice.buyer.name},",
        "",
        f"please find attached the credit note {note.number} of {note.issued_on},",
        f"which takes back the invoice {invoice.number}: {note.reason}",
        "",
        f"Total: {note.total:,} {note.currency}.",
    ]
    return _document_mail(note, invoice, "Credit note", lines, pdf)


def _document_mail(document: Invoice | CreditNote, invoice: Invoice, title: str, lines: list[str], pdf: bytes) -> Mail | None:
    if invoice.buyer.email is None:
        return None
    return Mail(
        message_id=document.id,
        sender_name=invoice.seller.name,
        reply_to=invoice.seller.email,
        to=invoice.buyer.email,
        subject=f"{title} {document.number} from {invoice.seller.name}",
        text="\n".join([*lines, "", "Kind regards", invoice.seller.name, ""]),
        attachment=Attachment(filename=f"{file_stem(document.number)}.pdf", content_type="application/pdf", content=pdf),
        tags={"account": document.account_id, "document": document.id},
    )
