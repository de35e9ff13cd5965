"""Invoices and credit notes as issued: frozen but for payments, credit and delivery."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from chalicelib.domain.calendar import check_day
from chalicelib.domain.errors import (
    FieldError,
    Invalid,
    InvoiceCredited,
    InvoicePaid,
)
from chalicelib.domain.money import check_amount, check_exact, exact_sum, negated
from chalicelib.domain.statuses import DeliveryStatus as DeliveryStatus
from chalicelib.domain.statuses import InvoiceStatus as InvoiceStatus
from chalicelib.domain.vat import VatGroup

MAX_PAYMENTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """The business, as it was when the document was issued."""

    name: str
    address: str
    country: str
    email: str
    tax_id: str | None = None
    vat_id: str | None = None
    iban: str | None = None
    bic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """The client, as it was when the document was issued."""

    name: str
    address: str
    country: str | None = None
    email: str | None = None
    vat_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One entry. `rate` an hour, `tax_rate` in per cent, `amount` = seconds x rate / 3600, rounded once."""

    entry_id: str
    day: date
    description: str
    duration_seconds: int
    rate: Decimal
    amount: Decimal
    tax_rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetails:
    amount: Decimal
    paid_on: date
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """`id` tells a payment that was recorded already from another of the same amount."""

    id: str
    amount: Decimal
    paid_on: date
    reference: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the mail with the document fared; `message_id` is the mail service's own id for it, once it has taken the mail.

    Whoever is about to send holds the delivery until `claimed_until`, so that two who were told of the same document do not
    both send it. `owner_told` is set once the owner has been told of a bounce.
    """

    status: DeliveryStatus = DeliveryStatus.PENDING
    reason: str | None = None
    recipient: str | None = None
    message_id: str | None = None
    sent_at: datetime | None = None
    claimed_until: datetime | None = None
    owner_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An issued invoice without its lines. All but `status`, `payments`, `credit_note_*`, `delivery`, `version` is frozen.

    `issued_on` and `due_on` (of the payment) are days in the account's zone; the period's days are inclusive.
    """

    account_id: str
    id: str
    number: str
    client_id: str
    seller: Seller
    buyer: Buyer
    currency: str
    reverse_charge: bool = False
    issued_at: datetime
    issued_on: date
    due_on: date
    period_from: date
    period_through: date
    duration_seconds: int
    line_count: int
    net: Decimal
    vat: Decimal
    total: Decimal
    vat_groups: tuple[VatGroup, ...]
    months: tuple[str, ...]
    status: InvoiceStatus = InvoiceStatus.ISSUED
    payments: tuple[Payment, ...] = ()
    credit_note_id: str | None = None
    credit_note_number: str | None = None
    delivery: Delivery = field(default_factory=Delivery)
    version: int = 1

    @property
    def paid_amount(self) -> Decimal:
        return exact_sum([self.total * 0, *(payment.amount for payment in self.payments)])

    @property
    def open_amount(self) -> Decimal:
        """What is still to be paid; nothing once the invoice is credited."""
        return self.total * 0 if self.status is InvoiceStatus.CREDITED else exact_sum([self.total, negated(self.paid_amount)])

    def overdue_on(self, today: date) -> bool:
        return self.status is InvoiceStatus.ISSUED and self.open_amount > 0 and today > self.due_on


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNote:
    """Takes back one whole invoice: the same lines and parties, amounts negated."""

    account_id: str
    id: str
    number: str
    invoice_id: str
    invoice_number: str
    client_id: str
    reason: str
    issued_at: datetime
    issued_on: date
    currency: str
    net: Decimal
    vat: Decimal
    total: Decimal
    vat_groups: tuple[VatGroup, ...]
    delivery: Delivery = field(default_factory=Delivery)
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFilter:
    """Which invoices a list shows; None means no matter."""

    client_id: str | None = None
    status: InvoiceStatus | None = None


def new_payment(details: PaymentDetails, *, payment_id: str, now: datetime, today: date) -> Payment:
    """Raises: Invalid, also for a payment that is yet to come; `today` is the account's."""
    check_exact(details.amount, "/amount")
    check_day(details.paid_on, "/paid_on")
    if details.paid_on > today:
        raise Invalid(FieldError("/paid_on", f"must not be after today, {today}"))
    return Payment(id=payment_id, amount=details.amount, paid_on=details.paid_on, reference=details.reference, recorded_at=now)


def record_payment(invoice: Invoice, payment: Payment) -> Invoice:
    """The invoice with the payment; paid once nothing is open.

    Raises:
        InvoiceCredited, InvoicePaid: nothing is owed.
        Invalid: the amount is not positive, has too many decimals or is more than what is open.
    """
    if invoice.status is InvoiceStatus.CREDITED:
        raise InvoiceCredited
    if invoice.status is InvoiceStatus.PAID:
        raise InvoicePaid
    amount = check_amount(payment.amount, invoice.currency, "/amount")
    if not 0 < amount <= invoice.open_amount:
        raise Invalid(FieldError("/amount", f"must be more than 0 and at most what is open, {invoice.open_amount}"))
    if len(invoice.payments) >= MAX_PAYMENTS - 1 and amount != invoice.open_amount:
        raise Invalid(FieldError("/amount", f"must settle the invoice: it is the last of {MAX_PAYMENTS} payments"))
    paid = replace(invoice, payments=(*invoice.payments, replace(payment, amount=amount)), version=invoice.version + 1)
    return replace(paid, status=InvoiceStatus.ISSUED if paid.open_amount else InvoiceStatus.PAID)
