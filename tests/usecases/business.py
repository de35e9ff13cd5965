"""A business and what it does all day, by the use cases alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.accounts import SignUp
from chalicelib.domain.clients import Client, ClientDetails
from chalicelib.domain.invoices import CreditNote, Invoice, InvoiceLine
from chalicelib.domain.users import Caller
from chalicelib.domain.work import DatedWork, LoggedWork, TimedWork
from chalicelib.usecases import accounts, clients, invoices, work
from tests.builders import a_caller, at
from tests.wired import MemoryWired


@dataclass(frozen=True)
class Business:
    wired: MemoryWired
    caller: Caller

    def add_client(self, **details: Any) -> str:
        """95 EUR an hour and 20 % VAT, unless told otherwise."""
        plain = ClientDetails(
            name="Babbage & Co", email="charles@example.com", rate=Decimal(95), currency="EUR", tax_rate=Decimal(20)
        )
        added = clients.add_client(self.caller, replace(plain, **details), desk=self.wired)
        return added.id

    def client(self, client_id: str) -> Client:
        return self.wired.store.clients.get(self.caller.account_id, client_id)

    def change_client(self, client_id: str, change: Callable[[ClientDetails], ClientDetails]) -> Client:
        return clients.change_client(self.caller, client_id, change, desk=self.wired)

    def log(self, client_id: str, day: date, minutes: int = 60, **details: Any) -> LoggedWork:
        done = DatedWork(client_id=client_id, date=day, minutes=minutes, **details)
        return work.log_work(self.caller, done, allow_overlap=False, desk=self.wired)

    def log_timed(self, client_id: str, started_at: str, ended_at: str) -> LoggedWork:
        done = TimedWork(client_id=client_id, started_at=at(started_at), ended_at=at(ended_at))
        return work.log_work(self.caller, done, allow_overlap=False, desk=self.wired)

    def edit(self, entry_id: str, details: DatedWork) -> LoggedWork:
        return work.change_work(self.caller, entry_id, details, allow_overlap=False, desk=self.wired)

    def entry(self, entry_id: str) -> LoggedWork:
        return work.get_work(self.caller, entry_id, work=self.wired.store.work)

    def issue(self, client_id: str, through: date) -> Invoice:
        return invoices.issue_invoice(self.caller, client_id, through, books=self.wired).invoice

    def invoice(self, invoice_id: str) -> Invoice:
        return self.wired.store.invoices.get(self.caller.account_id, invoice_id)

    def lines(self, invoice_id: str) -> tuple[InvoiceLine, ...]:
        return self.wired.store.invoices.lines(self.caller.account_id, invoice_id)

    def credit(self, invoice_id: str) -> CreditNote:
        return invoices.credit_invoice(self.caller, invoice_id, "Wrong rate", books=self.wired)

    def issued(self) -> list[Invoice]:
        """All invoices of all accounts, by the time at which they were issued."""
        return sorted(self.wired.state()["invoices"].values(), key=lambda invoice: (invoice.issued_at, invoice.number))


def open_business(wired: MemoryWired, email: str = "ada@example.com", time_zone: str = "Europe/Vienna") -> Business:
    sign_up = SignUp(
        name="Ada Lovelace",
        email=email,
        password="correct horse battery",
        currency="EUR",
        time_zone=time_zone,
        country="AT",
    )
    _, owner = accounts.open_account(sign_up, desk=wired)
    return Business(wired=wired, caller=a_caller(owner))


def run_night(wired: MemoryWired, as_of: str) -> None:
    """The nightly run and all invoices that it asks for."""
    ask(wired, as_of)
    issue_asked(wired)


def ask(wired: MemoryWired, as_of: str) -> None:
    wired.clock.at = max(wired.clock.at, datetime.fromisoformat(as_of).astimezone(UTC))
    invoices.ask_for_due_invoices(datetime.fromisoformat(as_of).astimezone(UTC), desk=wired)


def issue_asked(wired: MemoryWired) -> None:
    while wired.invoicing_queue.messages:
        invoices.issue_due(
            wired.invoicing_queue.messages.pop(0), ledger=wired.store.ledger, reports=wired.reports, clock=wired.clock
        )
