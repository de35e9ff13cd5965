"""Clients: who is billed, at which hourly rate on which day, and when the next invoice falls due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from chalicelib.domain.calendar import ONE_DAY, check_day, invoice_day_from, local_day, start_of_day
from chalicelib.domain.checks import check_country, check_email, check_tax_rate, raise_all
from chalicelib.domain.errors import FieldError, Invalid
from chalicelib.domain.money import check_currency, check_exact

if TYPE_CHECKING:
    from chalicelib.domain.accounts import Account

MAX_RATES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyRate:
    """`rate` an hour from `valid_from` on; None means since ever."""

    rate: Decimal
    valid_from: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDetails:
    """What can be edited. `invoice_day` None: never by itself; `tax_rate` and `payment_terms_days` None: the account's."""

    name: str
    description: str = ""
    email: str | None = None
    address: str = ""
    country: str | None = None
    vat_id: str | None = None
    rate: Decimal
    rate_valid_from: date | None = None
    currency: str
    tax_rate: Decimal | None = None
    reverse_charge: bool = False
    invoice_day: int | None = None
    payment_terms_days: int | None = None

    def checked(self) -> "ClientDetails":
        """Itself. Raises: Invalid with every field that breaks a rule."""
        raise_all(
            lambda: self.email is None or check_email(self.email),
            lambda: check_country(self.country),
            lambda: check_rate(self.rate),
            lambda: check_day(self.rate_valid_from, "/rate_valid_from"),
            lambda: check_currency(self.currency),
            lambda: check_tax_rate(self.tax_rate, "/tax_rate"),
            self._check_reverse_charge,
        )
        return self

    def _check_reverse_charge(self) -> None:
        if self.reverse_charge and not self.vat_id:
            raise Invalid(FieldError("/vat_id", "is needed on an invoice with reverse charge"))
        if self.reverse_charge and self.tax_rate:
            raise Invalid(FieldError("/tax_rate", "must be 0 or left out with reverse charge"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client as kept.

    `rates` in the order of their first day. `next_invoice_on` is the local day of the next automatic invoice and
    `due_at` the instant at which that day begins. `invoiced_through` is the last day that an invoice covered.
    `has_work` is set with the first entry, for good. `version` counts changes by people, and by issuing.
    """

    account_id: str
    id: str
    name: str
    description: str = ""
    email: str | None = None
    address: str = ""
    country: str | None = None
    vat_id: str | None = None
    rates: tuple[HourlyRate, ...]
    currency: str
    tax_rate: Decimal | None = None
    reverse_charge: bool = False
    invoice_day: int | None = None
    payment_terms_days: int | None = None
    next_invoice_on: date | None = None
    due_at: datetime | None = None
    invoiced_through: date | None = None
    has_work: bool = False
    archived_at: datetime | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def rate(self) -> Decimal:
        """The newest rate, which may begin in the future."""
        return self.rates[-1].rate

    @property
    def rate_valid_from(self) -> date | None:
        return self.rates[-1].valid_from

    @property
    def archived(self) -> bool:
        return self.archived_at is not None

    @property
    def details(self) -> ClientDetails:
        """What can be edited, as it is now; saved again it changes nothing. A rate put in its place begins today."""
        return ClientDetails(
            name=self.name,
            description=self.description,
            email=self.email,
            address=self.address,
            country=self.country,
            vat_id=self.vat_id,
            rate=self.rate,
            currency=self.currency,
            tax_rate=self.tax_rate,
            reverse_charge=self.reverse_charge,
            invoice_day=self.invoice_day,
            payment_terms_days=self.payment_terms_days,
        )

    def rate_on(self, day: date) -> Decimal:
        """The rate that holds on a day; before the first rate's day, the first rate."""
        holding = [rate for rate in self.rates if rate.valid_from is None or rate.valid_from <= day]
        return (holding[-1] if holding else self.rates[0]).rate


@dataclass(frozen=True, slots=True, kw_only=True)
class DueClient:
    """What the nightly run knows of a client that is due: enough to ask for its invoice."""

    account_id: str
    client_id: str
    next_invoice_on: date
    due_at: datetime


def check_rate(rate: Decimal) -> None:
    """Raises: Invalid unless it is an exact number from 0, which is written without a sign."""
    check_exact(rate, "/rate")
    if rate.is_signed():
        raise Invalid(FieldError("/rate", "must not be negative"))


def new_client(details: ClientDetails, account: "Account", *, client_id: str, now: datetime) -> Client:
    """Raises: Invalid."""
    _check_details(details, account)
    client = Client(
        account_id=account.id,
        id=client_id,
        name=details.name,
        rates=(HourlyRate(rate=details.rate, valid_from=details.rate_valid_from),),
        currency=details.currency,
        created_at=now,
        updated_at=now,
    )
    return replace(_with_details(client, details, account, now), version=1)


def edit_client(client: Client, details: ClientDetails, account: "Account", *, now: datetime) -> Client:
    """The client with new details.

    A new rate without a first day holds from today on and ends the planned ones; a dated one takes its place in the list.

    Raises: Invalid.
    """
    _check_details(details, account)
    edited = _with_details(client, details, account, now)
    if details.rate == client.rate and details.rate_valid_from in (None, client.rate_valid_from):
        return edited
    first_day = details.rate_valid_from or local_day(now, account.profile.time_zone)
    rates = _with_rate(client.rates, HourlyRate(rate=details.rate, valid_from=first_day))
    if details.rate_valid_from is None:
        rates = tuple(rate for rate in rates if _first_day_of(rate) <= first_day)
    if len(rates) > MAX_RATES:
        raise Invalid(FieldError("/rate", f"cannot change any more: a client keeps at most {MAX_RATES} rates"))
    return replace(edited, rates=rates)


def _check_details(details: ClientDetails, account: "Account") -> None:
    details.checked()
    if details.reverse_charge and not account.profile.vat_id:
        raise Invalid(FieldError("/reverse_charge", "needs the account's own VAT id too: set its vat_id first"))


def _with_rate(rates: Sequence[HourlyRate], new: HourlyRate) -> tuple[HourlyRate, ...]:
    """What held before the new rate's day goes on to hold there, even before the day of what was the first rate."""
    since_ever = HourlyRate(rate=rates[0].rate)
    dated = [rate for rate in rates if rate.valid_from not in (None, new.valid_from)]
    return tuple(sorted([since_ever, *dated, new], key=_first_day_of))


def _first_day_of(rate: HourlyRate) -> date:
    return rate.valid_from or date.min


def _with_details(client: Client, details: ClientDetails, account: "Account", now: datetime) -> Client:
    edited = replace(
        client,
        name=details.name,
        description=details.description,
        email=details.email,
        address=details.address,
        country=details.country,
        vat_id=details.vat_id,
        currency=details.currency,
        tax_rate=details.tax_rate,
        reverse_charge=details.reverse_charge,
        invoice_day=details.invoice_day,
        payment_terms_days=details.payment_terms_days,
        version=client.version + 1,
        updated_at=now,
    )
    if client.invoice_day == details.invoice_day:
        return edited
    return schedule(edited, account, first_day=_first_day_to_schedule(client, account, now))


def _first_day_to_schedule(client: Client, account: "Account", now: datetime) -> date:
    """Today, but never a day that an invoice has covered already."""
    today = local_day(now, account.profile.time_zone)
    return max(today, client.invoiced_through + ONE_DAY) if client.invoiced_through else today


def schedule(client: Client, account: "Account", *, first_day: date) -> Client:
    """The client with its next automatic invoice on the first invoice day from `first_day` on, or none."""
    if client.invoice_day is None or client.archived:
        return replace(client, next_invoice_on=None, due_at=None)
    next_invoice_on = invoice_day_from(first_day, client.invoice_day)
    return replace(client, next_invoice_on=next_invoice_on, due_at=start_of_day(next_invoice_on, account.profile.time_zone))


def move_to_zone(client: Client, account: "Account") -> Client:
    """The client with its next invoice day as it begins in the account's zone."""
    if client.next_invoice_on is None:
        return client
    return replace(client, due_at=start_of_day(client.next_invoice_on, account.profile.time_zone))


def archive(client: Client, *, now: datetime) -> Client:
    """The client put away: its work and invoices stay, nothing new is issued by itself."""
    return replace(client, archived_at=now, next_invoice_on=None, due_at=None, version=client.version + 1, updated_at=now)
