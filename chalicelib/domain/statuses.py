"""How far an invoice and its delivery have come."""

from enum import StrEnum


class InvoiceStatus(StrEnum):
    ISSUED = "issued"
    PAID = "paid"
    CREDITED = "credited"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
