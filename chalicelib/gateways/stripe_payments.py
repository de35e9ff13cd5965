"""Payments by Stripe. Import this module only where payments are made: Stripe's library is larger than all the rest.

A payment is a PaymentIntent, which succeeds once or never, however often it is confirmed. It is created unconfirmed, then noted
in our books under the payment's key, and only the one that is noted is confirmed; so

charged twice           cannot be: one key has one intent
charged after `undo`    cannot be: that closes the key in the books first, and then they take no intent any more; one that was
                        there before is canceled, or what it captured is given back
an answer that is lost  is asked for again: the intent says what became of it

`payment_method` is the id of a Stripe PaymentMethod that belongs to no Stripe customer, such as `pm_1N...`.

Stripe answers an Idempotency-Key with what it answered first, a 500 too, for a day at least. So after an error the keys begin
anew. That is safe because of what was said above, and because what was given back in full cannot be given back again.

Declined is what Stripe refuses of the card, or of the order: its amount, currency or payment method. All other refusals are
faults of ours or of the shop's account, which can be mended: they are no clear answer, and asked again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import stripe

from chalicelib.aws_errors import calling
from chalicelib.domain.errors import (
    Contended,
    InsufficientFunds,
    Invalid,
    OrderFailure,
    PaymentDeclined,
    PaymentGatewayError,
    Unavailable,
)
from chalicelib.domain.orders import Receipt, StepKey
from chalicelib.gateways.payment_rules import stripe_units
from chalicelib.ports import Books

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_TIMEOUTS = (2.0, 10.0)
"""Seconds to connect and to wait for an answer. A card's bank may take a while; a step has half a minute, and asks twice."""
_NOTHING_TO_PAY = "nothing_to_pay"
"""Stands for the intent of an order that costs nothing: Stripe takes no such payment."""
_CALLED_OFF = "The payment has been called off."
_OF_THE_ORDER = frozenset({"amount", "currency", "payment_method"})
"""The parameters that the order has in it: if Stripe refuses one of these, no later attempt is taken either."""
_PASSING = frozenset({409, 429})
"""Another request has the key, or is at the intent, or there are too many: the same key can be used again."""
_IN_VAIN = frozenset({"failed", "canceled"})
_Action = Literal["create", "confirm", "cancel", "refund"]


class StripePayments:
    """`address` is where Stripe is, if not where its library knows it."""

    def __init__(self, books: Books, secrets: "SecretsManagerClient", secret_id: str, *, address: str | None = None) -> None:
        self._books = books
        self._secrets = secrets
        self._secret_id = secret_id
        self._address = address
        self._client: stripe.StripeClient | None = None

    def capture(self, key: StepKey, amount: Decimal, currency: str, method: str) -> Receipt:
        try:
            units = stripe_units(amount, currency)
        except Invalid as error:
            raise PaymentDeclined(error.detail) from error
        with self._paying(key) as known:
            if "closed" in known:
                raise PaymentDeclined(_CALLED_OFF)
            intent_id = known.get("intent") or self._begin(key, known, units, currency, method)
            if intent_id == _NOTHING_TO_PAY:
                return Receipt(payment_id=intent_id)
            intent = self._confirm(key, known, intent_id)
            match intent.status:
                case "succeeded":
                    return Receipt(payment_id=intent.id)
                case "canceled":
                    raise PaymentDeclined(_CALLED_OFF)
                case "requires_payment_method" if intent.last_payment_error:
                    raise _refusal(intent.last_payment_error)
                case _:
                    raise PaymentGatewayError

    def undo(self, key: StepKey) -> Receipt | None:
        with self._paying(key, closing=True) as known:
            intent_id = known.get("intent")
            if intent_id is None:
                return None
            if intent_id == _NOTHING_TO_PAY:
                return Receipt(payment_id=intent_id)
            intent = self._stripe.v1.payment_intents.retrieve(intent_id)
            if intent.status not in {"succeeded", "canceled"}:
                intent = self._cancel(key, known, intent_id)
            match intent.status:
                case "succeeded":
                    self._refund(key, known, intent)
                    return Receipt(payment_id=intent_id)
                case "canceled":
                    return None
                case _:
                    raise PaymentGatewayError

    def _begin(self, key: StepKey, known: Mapping[str, str], units: int, currency: str, method: str) -> str:
        """The intent under which the key is paid. Whoever is first at the books says which."""
        intent_id = self._create(key, known, units, currency, method) if units else _NOTHING_TO_PAY
        if self._books.note(key, {"intent": intent_id}, unless=("intent", "closed")):
            return intent_id
        now_known = self._books.read(key)
        if "closed" in now_known:
            raise PaymentDeclined(_CALLED_OFF)
        return now_known["intent"]

    def _create(self, key: StepKey, known: Mapping[str, str], units: int, currency: str, method: str) -> str:
        intent = self._stripe.v1.payment_intents.create(
            {
                "amount": units,
                "currency": currency.lower(),
                "payment_method": method,
                "allowed_payment_method_types": ["card"],
                "metadata": {"daybook_payment": str(key), "daybook_account": key.account_id},
            },
            {"idempotency_key": _idempotency_key(key, "create", known)},
        )
        return intent.id

    def _confirm(self, key: StepKey, known: Mapping[str, str], intent_id: str) -> stripe.PaymentIntent:
        """The intent as it is afterwards."""
        intents = self._stripe.v1.payment_intents
        try:
            intent = intents.confirm(
                intent_id,
                {"error_on_requires_action": True},  # nobody is there who could be asked for another factor
                {"idempotency_key": _idempotency_key(key, "confirm", known)},
            )
        except stripe.InvalidRequestError:
            intent = intents.retrieve(intent_id)
            if intent.status == "requires_confirmation":
                raise
            return intent  # it is past that
        return intent if intent.status == "succeeded" else intents.retrieve(intent_id)

    def _cancel(self, key: StepKey, known: Mapping[str, str], intent_id: str) -> stripe.PaymentIntent:
        """The intent as it is afterwards."""
        intents = self._stripe.v1.payment_intents
        try:
            return intents.cancel(intent_id, {}, {"idempotency_key": _idempotency_key(key, "cancel", known)})
        except stripe.InvalidRequestError:  # it succeeded meanwhile, or is about to
            self._begin_keys_anew(key, known)
            return intents.retrieve(intent_id)

    def _refund(self, key: StepKey, known: Mapping[str, str], intent: stripe.PaymentIntent) -> None:
        """Raises: PaymentGatewayError until all has been given back.

        A refund that is pending waits for the balance of the shop's account at Stripe or for the charge, and may fail still.
        """
        refunds = self._stripe.v1.refunds
        made = [each for each in refunds.list({"payment_intent": intent.id}).data if each.status not in _IN_VAIN]
        if sum(each.amount for each in made) < intent.amount:
            refund = refunds.create({"payment_intent": intent.id}, {"idempotency_key": _idempotency_key(key, "refund", known)})
            if refund.status != "succeeded":  # and under this key that would be the answer for ever
                self._begin_keys_anew(key, known)
            made.append(refund)
        if any(each.status != "succeeded" for each in made):
            raise PaymentGatewayError

    @contextmanager
    def _paying(self, key: StepKey, *, closing: bool = False) -> Iterator[Mapping[str, str]]:
        """Yields what is known of the payment; Stripe's errors become ours."""
        known: Mapping[str, str] = {}
        try:
            if closing:
                self._books.note(key, {"closed": "yes"}, unless=("closed",))
            known = self._books.read(key)
            yield known
        except stripe.CardError as error:
            raise _refusal(error.error) from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            self._client = None  # the key may have been changed: it is read again
            raise PaymentGatewayError from error
        except stripe.StripeError as error:
            if isinstance(error, stripe.InvalidRequestError) and error.param in _OF_THE_ORDER:
                raise PaymentDeclined(error.user_message or "") from error
            if error.http_status is not None and error.http_status not in _PASSING:
                self._begin_keys_anew(key, known)
            raise PaymentGatewayError from error
        except (Unavailable, Contended) as error:
            raise PaymentGatewayError from error

    def _begin_keys_anew(self, key: StepKey, known: Mapping[str, str]) -> None:
        following = f"keys_{_keys_begun(known) + 1}"
        try:
            self._books.note(key, {following: "yes"}, unless=(following,))
        except (Unavailable, Contended) as error:
            raise PaymentGatewayError from error

    @property
    def _stripe(self) -> stripe.StripeClient:
        if self._client is None:
            with calling("the store of secrets"):
                api_key = self._secrets.get_secret_value(SecretId=self._secret_id)["SecretString"].strip()
            self._client = stripe.StripeClient(
                api_key,
                base_addresses={"api": self._address} if self._address else {},
                http_client=stripe.RequestsClient(timeout=_TIMEOUTS),
                max_network_retries=0,  # whoever asks has a time limit, and asks again
            )
        return self._client


def _idempotency_key(key: StepKey, action: _Action, known: Mapping[str, str]) -> str:
    return f"{key}-{action}-{_keys_begun(known)}"


def _keys_begun(known: Mapping[str, str]) -> int:
    return sum(name.startswith("keys_") for name in known)


def _refusal(said: object) -> OrderFailure:
    """`said` is what Stripe says of a card that was not charged; it may lack any part."""
    codes = {getattr(said, "code", None), getattr(said, "decline_code", None)}
    return InsufficientFunds() if "insufficient_funds" in codes else PaymentDeclined()
