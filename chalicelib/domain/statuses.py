"""How far things have come, and of what kind they are."""

from enum import StrEnum


class InvoiceStatus(StrEnum):
    ISSUED = "issued"
    PAID = "paid"
    CREDITED = "credited"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class OrderStatus(StrEnum):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class PaymentStatus(StrEnum):
    NOT_PAID = "not_paid"
    CAPTURED = "captured"
    REFUNDED = "refunded"
    FAILED = "failed"


class FulfillmentStatus(StrEnum):
    NOT_FULFILLED = "not_fulfilled"
    SHIPPED = "shipped"
    CANCELED = "canceled"


class WorkflowStatus(StrEnum):
    HELD = "held"
    RUNNING = "running"
    DONE = "done"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    COMPENSATION_FAILED = "compensation_failed"


class ImportKind(StrEnum):
    CLIENTS = "clients"
    PRODUCTS = "products"
    WORK = "work"


class ImportStatus(StrEnum):
    """WAITING for its file; QUEUED with it."""

    WAITING = "waiting"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class ImageStatus(StrEnum):
    PENDING = "pending"
    READY = "ready"
    REJECTED = "rejected"
