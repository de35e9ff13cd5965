from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from chalicelib.domain.clients import Client, DueClient, HourlyRate, archive, edit_client
from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.paging import PageRequest
from chalicelib.repositories import keys
from tests.builders import NOW, a_client, an_entry, at
from tests.contract.stores import DynamoStore, Store, ids, log, opened


def added(store: Store, client: Client | None = None) -> Client:
    client = client or a_client()
    store.clients.add(client)
    return client


def test_a_client_comes_back_as_it_was_added(store: Store) -> None:
    client = added(
        store,
        a_client(
            country="DE",
            vat_id="DE123456789",
            reverse_charge=True,
            invoice_day=31,
            payment_terms_days=0,
            rates=(HourlyRate(rate=Decimal("80.00")), HourlyRate(rate=Decimal("0.66456005"), valid_from=date(2026, 3, 1))),
        ),
    )

    assert store.clients.get("acc_1", "cli_1") == client


def test_a_rate_comes_back_digit_for_digit(store: Store) -> None:
    added(store, a_client(rate=Decimal("95.500"), tax_rate=Decimal("20.0")))

    kept = store.clients.get("acc_1", "cli_1")

    assert (str(kept.rate), str(kept.tax_rate)) == ("95.500", "20.0")


def test_a_client_id_is_given_out_once(store: Store) -> None:
    client = added(store)

    with pytest.raises(Contended):
        store.clients.add(replace(client, name="Somebody else"))

    assert store.clients.get("acc_1", "cli_1") == client


@pytest.mark.parametrize(
    "client_id", ["cli_2", "", "x" * 3000, "cli_1#", "cli_1\x00", "\ud800", "../cli_1", "client#cli_1", "Ä"]
)
def test_what_is_no_client_of_the_account_is_not_found(store: Store, client_id: str) -> None:
    added(store)

    with pytest.raises(NotFound):
        store.clients.get("acc_1", client_id)


def test_another_accounts_client_answers_like_one_that_never_was(store: Store) -> None:
    client = added(store)
    other = replace(client, account_id="acc_2", version=2)

    with pytest.raises(NotFound):
        store.clients.get("acc_2", "cli_1")
    with pytest.raises(NotFound):
        store.clients.save(other)
    with pytest.raises(NotFound):
        store.clients.remove(other)
    assert store.clients.page("acc_2", PageRequest()).items == ()
    assert store.clients.get("acc_1", "cli_1") == client


def test_saving_a_client_replaces_the_version_before(store: Store) -> None:
    account = opened(store)
    client = added(store, a_client(email="charles@example.com", invoice_day=31))
    edited = edit_client(client, replace(client.details, email=None, name="Babbage"), account, now=NOW)

    store.clients.save(edited)

    assert store.clients.get("acc_1", "cli_1") == edited


@pytest.mark.parametrize("version", [1, 3])
def test_saving_a_client_over_any_other_version_is_refused(store: Store, version: int) -> None:
    client = added(store)

    with pytest.raises(Contended):
        store.clients.save(replace(client, name="Somebody else", version=version))

    assert store.clients.get("acc_1", "cli_1") == client


def test_saving_a_client_that_got_work_since_it_was_read_is_refused(store: Store) -> None:
    opened(store)
    client = added(store)
    log(store, an_entry())

    with pytest.raises(Contended):
        store.clients.save(replace(client, currency="USD", version=2))

    assert store.clients.get("acc_1", "cli_1") == replace(client, has_work=True)


def test_the_first_entry_marks_the_client_without_a_new_version(store: Store) -> None:
    opened(store)
    client = added(store)

    log(store, an_entry("wrk_1"), an_entry("wrk_2"))

    assert store.clients.get("acc_1", "cli_1") == replace(client, has_work=True)


def test_a_client_that_was_removed_is_gone(store: Store) -> None:
    client = added(store)

    store.clients.remove(client)

    with pytest.raises(NotFound):
        store.clients.get("acc_1", "cli_1")
    with pytest.raises(NotFound):
        store.clients.remove(client)
    with pytest.raises(NotFound):
        store.clients.save(replace(client, version=2))


def test_a_client_that_was_edited_since_it_was_read_is_not_removed(store: Store) -> None:
    client = added(store)
    store.clients.save(replace(client, version=2))

    with pytest.raises(Contended):
        store.clients.remove(client)


def test_a_client_that_got_work_since_it_was_read_is_not_removed(store: Store) -> None:
    opened(store)
    client = added(store)
    log(store, an_entry())

    with pytest.raises(Contended):
        store.clients.remove(client)

    assert store.work.get("acc_1", "wrk_1").entry == an_entry()


def test_clients_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in (3, 1, 5, 2, 4):
        added(store, a_client(f"cli_{number}"))
    added(store, replace(a_client("cli_9"), account_id="acc_2"))

    first = store.clients.page("acc_1", PageRequest(limit=2))
    second = store.clients.page("acc_1", PageRequest(limit=2, after=first.next))
    third = store.clients.page("acc_1", PageRequest(limit=2, after=second.next))

    assert [ids(page.items) for page in (first, second, third)] == [["cli_5", "cli_4"], ["cli_3", "cli_2"], ["cli_1"]]
    assert third.next is None


def test_a_page_that_takes_the_last_client_is_the_last_page(store: Store) -> None:
    for number in (1, 2):
        added(store, a_client(f"cli_{number}"))

    assert store.clients.page("acc_1", PageRequest(limit=2)).next is None


def test_a_list_goes_on_where_it_was_though_that_client_is_gone(store: Store) -> None:
    for number in (1, 2, 3):
        added(store, a_client(f"cli_{number}"))
    first = store.clients.page("acc_1", PageRequest(limit=2))
    store.clients.remove(a_client("cli_2"))

    assert ids(store.clients.page("acc_1", PageRequest(limit=2, after=first.next)).items) == ["cli_1"]


def test_archived_clients_are_listed_too(store: Store) -> None:
    client = added(store)
    store.clients.save(archive(client, now=NOW))

    (kept,) = store.clients.page("acc_1", PageRequest()).items

    assert kept.archived_at == NOW


def due(client_id: str, day: str, *, account_id: str = "acc_1") -> Client:
    """A client that is due at the beginning of a day in Vienna."""
    return replace(
        a_client(client_id, invoice_day=1), account_id=account_id, next_invoice_on=date.fromisoformat(day), due_at=at(day)
    )


def test_due_are_the_clients_of_all_accounts_whose_instant_has_come_the_oldest_first(store: Store) -> None:
    for client in (
        due("cli_1", "2026-02-01"),
        due("cli_2", "2026-01-01", account_id="acc_2"),
        due("cli_3", "2026-03-01"),
        a_client("cli_4"),
    ):
        added(store, client)

    assert list(store.due_clients.due(at("2026-02-01"))) == [
        DueClient(account_id="acc_2", client_id="cli_2", next_invoice_on=date(2026, 1, 1), due_at=at("2026-01-01")),
        DueClient(account_id="acc_1", client_id="cli_1", next_invoice_on=date(2026, 2, 1), due_at=at("2026-02-01")),
    ]


def test_a_client_is_due_from_its_very_second_on(store: Store) -> None:
    added(store, due("cli_1", "2026-02-01"))

    assert list(store.due_clients.due(at("2026-01-31T23:59:59"))) == []
    assert len(list(store.due_clients.due(at("2026-02-01T00:00:00.900000")))) == 1


def test_a_client_is_due_no_more_once_it_has_no_next_day(store: Store) -> None:
    client = due("cli_1", "2026-02-01")
    added(store, client)

    store.clients.save(archive(client, now=NOW))

    assert list(store.due_clients.due(at("2030-01-01"))) == []


def test_a_client_is_due_once_it_gets_a_day(store: Store) -> None:
    account = opened(store)
    client = added(store)

    store.clients.save(edit_client(client, replace(client.details, invoice_day=15), account, now=NOW))

    assert [one.client_id for one in store.due_clients.due(at("2030-01-01"))] == ["cli_1"]


def test_only_clients_that_will_be_due_are_on_the_index(dynamo_store: DynamoStore) -> None:
    added(dynamo_store, a_client("cli_1"))
    client = added(dynamo_store, due("cli_2", "2026-02-01"))
    table = dynamo_store.clients._table

    def indexed() -> list[str]:
        return [item["id"] for item in table.query_index("due", "#due = :due", due="due")]

    assert indexed() == ["cli_2"]
    dynamo_store.clients.save(archive(client, now=NOW))
    assert indexed() == []
    assert {"due", "due_at"}.isdisjoint(table.find(keys.client("acc_1", "cli_2")))
