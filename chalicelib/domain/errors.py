"""Everything that can be refused, as one tree. `code` is stable and part of the contract; the edge maps class to status."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class FieldError(NamedTuple):
    """What is wrong with one place of a body; `pointer` is an RFC 6901 JSON pointer."""

    pointer: str
    detail: str


class DaybookError(Exception):
    """The request is refused.

    Root of all that Daybook refuses on purpose; API Gateway's own refusals bear its code where they fit none other.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title())

    @classmethod
    def title(cls) -> str:
        """What is wrong with all errors of this class, in one sentence."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @property
    def detail(self) -> str:
        return str(self)


class Malformed(DaybookError):
    """The request cannot be read."""

    code = "malformed"


class BadCursor(Malformed):
    """The cursor is not one that this list gave out."""

    code = "bad_cursor"


class ProductIdsDiffer(Malformed):
    """The path names another product than the body."""

    code = "product_ids_differ"


class Invalid(DaybookError):
    """The request can be read but breaks a rule."""

    code = "invalid"

    def __init__(self, errors: Sequence[FieldError] | FieldError) -> None:
        self.errors: tuple[FieldError, ...] = (errors,) if isinstance(errors, FieldError) else tuple(errors)
        super().__init__("; ".join(f"{e.pointer}: {e.detail}" if e.pointer else e.detail for e in self.errors))


class TotalMismatch(Invalid):
    """The total is not what the items come to."""

    code = "total_mismatch"


class Unauthenticated(DaybookError):
    """No valid credentials were presented."""

    code = "unauthenticated"


class InvalidCredentials(Unauthenticated):
    """The e-mail address and password do not belong together."""

    code = "invalid_credentials"


class Forbidden(DaybookError):
    """Your role does not allow this."""

    code = "forbidden"


class IdempotencyKeyReused(DaybookError):
    """The Idempotency-Key came with another request before; each request needs a key of its own."""

    code = "idempotency_key_reused"


class NotFound(DaybookError):
    """There is no such thing in this account."""

    code = "not_found"


class Conflict(DaybookError):
    """The state of things does not allow this."""

    code = "conflict"


class EmailTaken(Conflict):
    """A user with this e-mail address exists already."""

    code = "email_taken"


class LastOwner(Conflict):
    """The account's last owner can neither go nor become something else."""

    code = "last_owner"


class ClientArchived(Conflict):
    """The client is archived; no work can be added."""

    code = "client_archived"


class ClientCurrencyFixed(Conflict):
    """The client has work or invoices; its currency cannot change any more."""

    code = "client_currency_fixed"


class WorkEntryBilled(Conflict):
    """The work entry stands on an invoice and is locked; a credit note releases it."""

    code = "work_entry_billed"


class WorkOverlaps(Conflict):
    """The time overlaps with another entry of the same user."""

    code = "work_overlaps"


class WorkSheetFull(Conflict):
    """One client's month holds no more entries."""

    code = "work_sheet_full"


class TimerRunning(Conflict):
    """A timer is running already."""

    code = "timer_running"


class NothingToInvoice(Conflict):
    """The client has no unbilled billable work through that day."""

    code = "nothing_to_invoice"


class InvoiceTooLarge(Conflict):
    """More work than one invoice can hold; invoice it in parts, with an earlier `through`."""

    code = "invoice_too_large"


class InvoiceCredited(Conflict):
    """The invoice has been credited."""

    code = "invoice_credited"


class InvoicePaid(Conflict):
    """The invoice is paid in full."""

    code = "invoice_paid"


class OutOfStock(Conflict):
    """There are fewer units in stock than are to be taken."""

    code = "out_of_stock"


class StockNotCounted(Conflict):
    """The product's stock is not counted; a PUT with a stock begins to count it."""

    code = "stock_not_counted"


class StockTooLarge(Conflict):
    """The stock would be more than can be counted."""

    code = "stock_too_large"


class OrderInProgress(Conflict):
    """The order is being worked off, or has ended; only an order that is held can be changed."""

    code = "order_in_progress"


class OrderNotCancelable(Conflict):
    """The order has been handed to the carrier, or has ended; it cannot be canceled any more."""

    code = "order_not_cancelable"


class Contended(Conflict):
    """Somebody else changed this at the same moment; try again."""

    code = "contended"


class OutOfStep(Conflict):
    """An import cannot go on from what it has read."""

    code = "out_of_step"


class RowMarked(OutOfStep):
    """Another import has just brought this row, or another of its kind."""

    code = "row_marked"


class ImportTakenOver(OutOfStep):
    """Another run has taken up this import."""

    code = "import_taken_over"


class NotTogether(OutOfStep):
    """Not all of what was to be written together can be."""

    code = "not_together"


class Unreadable(DaybookError):
    """The file as a whole cannot be read."""

    code = "unreadable"


class TooManyRequests(DaybookError):
    """More requests than are allowed at a time."""

    code = "too_many_requests"

    def __init__(self, retry_after_seconds: int = 0) -> None:
        self.retry_after_seconds = max(retry_after_seconds, 1)
        super().__init__(f"{self.title()} Come back in {retry_after_seconds} s." if retry_after_seconds else "")


class SignInLocked(TooManyRequests):
    """Too many attempts at a password, good ones included."""

    code = "sign_in_locked"


class IdempotencyInProgress(Conflict):
    """The first request with this Idempotency-Key still runs; ask again in a moment."""

    code = "idempotency_in_progress"


class PreconditionFailed(DaybookError):
    """The resource is not what If-Match says, or is what If-None-Match says; somebody has changed it."""

    code = "precondition_failed"


class Unavailable(DaybookError):
    """A service that is needed does not answer right now; nothing is known to be done."""

    code = "unavailable"


class MailRefused(DaybookError):
    """The mail service will not send this message, now or later."""

    code = "mail_refused"


class OrderFailure(DaybookError):
    """An order cannot go on. Root of what ends a step of the workflow, which knows each by the name of its class."""

    code = "order_failed"


class ValidationError(OrderFailure):
    """The order cannot be fulfilled as it was placed."""

    code = "validation_failed"


class PaymentDeclined(OrderFailure):
    """The payment was declined."""

    code = "payment_declined"


class InsufficientFunds(OrderFailure):
    """There is not enough money for the payment."""

    code = "insufficient_funds"


class PaymentGatewayError(OrderFailure):
    """The payment processor gives no clear answer; the payment may have been captured."""

    code = "payment_gateway_error"


class ReservationExpired(OrderFailure):
    """The units in stock were kept for the order no longer."""

    code = "reservation_expired"


class ShippingError(OrderFailure):
    """The carrier does not take the shipment."""

    code = "shipping_failed"


class CancelRequested(OrderFailure):
    """Somebody has canceled the order."""

    code = "canceled"


class OutOfTurn(OrderFailure):
    """The order is not that far yet, or goes back already."""

    code = "out_of_turn"


class NotUndone(OrderFailure):
    """What was done for the order is not all undone."""

    code = "not_undone"
