"""A carrier that moves no parcel and does what the postal code says.

000...   is not served
999...   is never answered, nor is the question for such a shipment to be called back
"""

import hashlib
from datetime import timedelta

from chalicelib.domain.errors import ShippingError, Unavailable
from chalicelib.domain.orders import Order, Shipment, StepKey
from chalicelib.gateways.own_delivery import OwnDelivery

_CARRIERS = ("Meridian Parcel", "Northway Post", "Swift & Sons")
_NOT_SERVED = "000"
_SILENT = "999"
_FASTEST_DAYS = 2
_SLOWEST_DAYS = 5
_NO_ANSWER = "the carrier does not answer"


class SandboxCarrier(OwnDelivery):
    """All shipments of one key are one; the key says who brings it, under which number, and in how many days."""

    def ship(self, key: StepKey, order: Order) -> Shipment:
        postal_code = order.shipping_address.postal_code if order.shipping_address else ""
        if postal_code.startswith(_NOT_SERVED):
            raise ShippingError(f"The carrier does not serve {postal_code}.")
        if postal_code.startswith(_SILENT):
            self._books.note(key, {"silent": "yes"}, unless=("silent",))
            raise Unavailable(_NO_ANSWER)
        return super().ship(key, order)

    def void(self, key: StepKey) -> None:
        if "silent" in self._books.read(key):
            raise Unavailable(_NO_ANSWER)
        super().void(key)

    def _shipment(self, key: StepKey, order: Order) -> Shipment:  # noqa: ARG002
        digest = int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:8])
        days = _FASTEST_DAYS + digest % (_SLOWEST_DAYS - _FASTEST_DAYS + 1)
        return Shipment(
            carrier=_CARRIERS[digest % len(_CARRIERS)],
            tracking_number=f"SB{digest % 10**12:012d}",
            estimated_delivery=(self._clock.now() + timedelta(days=days)).date(),
        )
