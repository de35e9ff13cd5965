from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from chalicelib.domain.clients import Client
from chalicelib.domain.invoices import Invoice
from chalicelib.domain.work import WorkChange
from chalicelib.usecases import invoices
from tests.builders import a_caller, a_client, a_user, an_account, an_entry
from tests.http.api import Api
from tests.wired import MemoryWired

AddClient = Callable[..., Client]
"""Adds an account with one client of this id, one hour of its work, and an invoice day."""


@pytest.fixture
def visitor(wired: MemoryWired) -> Api:
    """Somebody without a token, at the API."""
    return Api()


@pytest.fixture
def add_client(wired: MemoryWired) -> AddClient:
    def add(number: int = 1, *, day: date = date(2026, 11, 5), logged: bool = True, invoice_day: int | None = 20) -> Client:
        account = an_account(f"acc_{number}")
        owner = a_user(f"usr_{number}", account_id=account.id, email=f"owner{number}@example.com")
        wired.store.accounts.add(account, owner)
        client = replace(
            a_client(f"cli_{number}", account=account, now=wired.clock.now(), invoice_day=invoice_day), account_id=account.id
        )
        wired.store.clients.add(client)
        if logged:
            entry = an_entry(f"wrk_{number}", day=day, account_id=account.id, client_id=client.id, user_id=owner.id)
            wired.store.work.commit(WorkChange(new=entry))
        return wired.store.clients.get(account.id, client.id)

    return add


@pytest.fixture
def issued(wired: MemoryWired, add_client: AddClient) -> Invoice:
    """An invoice over 114.00 EUR that was just issued."""
    client = add_client()
    caller = a_caller(a_user("usr_1", account_id=client.account_id))
    full = invoices.issue_invoice(caller, client.id, date(2026, 11, 20), books=wired)
    return full.invoice
