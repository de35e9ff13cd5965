"""Whom the account works for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.clients import Client, ClientDetails, archive, edit_client, new_client
from chalicelib.domain.errors import ClientCurrencyFixed
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.users import Caller
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended

if TYPE_CHECKING:
    from chalicelib.ports import Accounts, Clients, Clock, Ids


class Desk(Protocol):
    """What adding and changing clients needs at hand."""

    @property
    def clients(self) -> Clients: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


def add_client(caller: Caller, details: ClientDetails, *, desk: Desk) -> Client:
    """Raises: Invalid."""
    now = desk.clock.now()
    account = desk.accounts.get(caller.account_id)
    client = new_client(details, account, client_id=desk.ids.new("cli", now), now=now)
    desk.clients.add(client)
    return client


def get_client(caller: Caller, client_id: str, *, clients: Clients) -> Client:
    """Raises: NotFound."""
    return clients.get(caller.account_id, client_id)


def list_clients(caller: Caller, request: PageRequest, *, clients: Clients) -> Page[Client]:
    return clients.page(caller.account_id, request)


def change_client(
    caller: Caller,
    client_id: str,
    change: Callable[[ClientDetails], ClientDetails],
    *,
    desk: Desk,
    check: Check[Client] = unconditionally,
) -> Client:
    """The client with its details as `change` makes them.

    Raises: NotFound, Invalid, ClientCurrencyFixed if it has work and the currency would change.
    """

    def attempt() -> Client:
        client = desk.clients.get(caller.account_id, client_id)
        check(client)
        account = desk.accounts.get(caller.account_id)
        edited = edit_client(client, change(client.details), account, now=desk.clock.now())
        if client.has_work and edited.currency != client.currency:
            raise ClientCurrencyFixed
        desk.clients.save(edited)
        return edited

    return until_uncontended(attempt)


def remove_client(
    caller: Caller, client_id: str, *, clients: Clients, clock: Clock, check: Check[Client] = unconditionally
) -> Client:
    """Removes the client, or archives it if it has ever had work; answers it as it last was. Raises: NotFound."""

    def attempt() -> Client:
        client = clients.get(caller.account_id, client_id)
        check(client)
        if not client.has_work:
            clients.remove(client)
            return client
        archived = client if client.archived else archive(client, now=clock.now())
        if archived is not client:
            clients.save(archived)
        return archived

    return until_uncontended(attempt)
