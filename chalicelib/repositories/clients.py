"""Clients in DynamoDB, and the sparse index of those that are due."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from chalicelib.domain.clients import Client, DueClient
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.repositories import keys
from chalicelib.repositories.due import due_items
from chalicelib.repositories.items import Item, from_item, members, to_item
from chalicelib.repositories.pages import page_by_id
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Write, add, delete, set_members, update

_IDENTITY = frozenset({"account_id", "id"})


class DynamoClients:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, client: Client) -> None:
        item = to_item(keys.client(client.account_id, client.id), "client", client)
        if client.due_at is not None:
            item["due"] = keys.DUE
        self._table.transact(add(item))

    def get(self, account_id: str, client_id: str) -> Client:
        return from_item(self._table.find(keys.client(account_id, client_id)), Client)

    def page(self, account_id: str, request: PageRequest) -> Page[Client]:
        return page_by_id(self._table, Client, keys.clients(account_id), partial(keys.client, account_id), request)

    def save(self, client: Client) -> None:
        written = {name: value for name, value in client_members(client).items() if name not in _IDENTITY | {"has_work"}}
        change, values = set_members(written)
        as_read = update(
            keys.client(client.account_id, client.id),
            change,
            condition="#version = :before AND #has_work = :has_work",
            before=client.version - 1,
            has_work=client.has_work,
            **values,
        )
        self._table.transact(as_read)

    def remove(self, client: Client) -> None:
        as_read = delete(
            keys.client(client.account_id, client.id),
            condition="#version = :version AND #has_work = :no",
            version=client.version,
            no=False,
        )
        self._table.transact(as_read)


class DynamoDueClients:
    def __init__(self, table: Table) -> None:
        self._table = table

    def due(self, as_of: datetime) -> Iterator[DueClient]:
        """Those that wait longest first."""
        for item in due_items(self._table, keys.DUE, as_of):
            yield from_item({**item, "client_id": item["id"]}, DueClient)


def client_members(client: Client) -> Item:
    """With what puts the client on the index of those that are due, or takes it off."""
    return {**members(client), "due": None if client.due_at is None else keys.DUE}


def move_on(client: Client, next_client: Client) -> Write:
    """Writes what billing has changed of the client, and nothing else, if the client still is as it was read."""
    before, after = client_members(client), client_members(next_client)
    change, values = set_members({name: after[name] for name in after if after[name] != before[name]})
    day = before["next_invoice_on"]
    unmoved = "attribute_not_exists(#next_invoice_on)" if day is None else "#next_invoice_on = :read_day"
    return update(
        keys.client(client.account_id, client.id),
        change,
        condition=f"#version = :read_version AND {unmoved}",
        read_version=client.version,
        **({} if day is None else {"read_day": day}),
        **values,
    )
