"""A payment processor that moves no money and does what the payment method says; every other method is good.

declined              is refused for ever
insufficient_funds    is refused for ever
gateway_error         never gives a clear answer, and nothing is captured
gateway_error_twice   the same, until it has been tried twice
answer_lost           is captured, and the first answer gets lost
refund_error          is captured, and can never be given back

Its books are what a processor knows: facts by the payment's key, of which none is ever taken back. `payment_id` and `amount`
say that it was captured, `refunded` that it was given back, `closed` that nothing will be captured any more.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from chalicelib.domain.errors import Contended, InsufficientFunds, PaymentDeclined, PaymentGatewayError, Unavailable
from chalicelib.domain.orders import Receipt, StepKey
from chalicelib.ports import Books

_FAILURES_OF_TWICE = 2
_CALLED_OFF = "The payment has been called off."


class SandboxPayments:
    def __init__(self, books: Books) -> None:
        self._books = books

    def capture(self, key: StepKey, amount: Decimal, currency: str, method: str) -> Receipt:
        with _as_from_afar():
            known = self._books.read(key)
            if "closed" in known:
                raise PaymentDeclined(_CALLED_OFF)
            if "payment_id" in known:
                return Receipt(payment_id=known["payment_id"])
            self._fail(key, method, known)
            captured = {"payment_id": _payment_id(key), "amount": str(amount), "currency": currency, "method": method}
            if self._books.note(key, captured, unless=("payment_id", "closed")):
                if method == "answer_lost":
                    raise PaymentGatewayError
            elif "closed" in self._books.read(key):
                raise PaymentDeclined(_CALLED_OFF)
            return Receipt(payment_id=captured["payment_id"])

    def undo(self, key: StepKey) -> Receipt | None:
        with _as_from_afar():
            self._books.note(key, {"closed": "yes"}, unless=("closed",))
            known = self._books.read(key)
            if "payment_id" not in known:
                return None
            if known["method"] == "refund_error":
                raise PaymentGatewayError
            self._books.note(key, {"refunded": "yes"}, unless=("refunded",))
            return Receipt(payment_id=known["payment_id"])

    def _fail(self, key: StepKey, method: str, known: Mapping[str, str]) -> None:
        match method:
            case "declined":
                raise PaymentDeclined
            case "insufficient_funds":
                raise InsufficientFunds
            case "gateway_error":
                raise PaymentGatewayError
            case "gateway_error_twice":
                failures = sum(name.startswith("failure_") for name in known)
                if failures < _FAILURES_OF_TWICE:
                    this_one = f"failure_{failures + 1}"
                    self._books.note(key, {this_one: "yes"}, unless=(this_one,))
                    raise PaymentGatewayError


def _payment_id(key: StepKey) -> str:
    return f"sandbox_{hashlib.sha256(str(key).encode()).hexdigest()[:24]}"


@contextmanager
def _as_from_afar() -> Iterator[None]:
    """Books that do not answer are a processor that does not."""
    try:
        yield
    except (Unavailable, Contended) as error:
        raise PaymentGatewayError from error
