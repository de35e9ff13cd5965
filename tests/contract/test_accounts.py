from dataclasses import replace

import pytest

from chalicelib.domain.errors import Contended, EmailTaken, NotFound
from tests.builders import a_user, an_account
from tests.contract.stores import Store, opened


def test_an_account_comes_back_as_it_was_added(store: Store) -> None:
    account = opened(store, an_account(bic=None, invoice_prefix="RE/"))

    assert store.accounts.get("acc_1") == account


def test_an_account_that_never_was_is_not_found(store: Store) -> None:
    opened(store)

    with pytest.raises(NotFound):
        store.accounts.get("acc_2")


def test_a_user_is_found_by_id_and_by_address(store: Store) -> None:
    owner = a_user()
    opened(store, owner=owner)

    assert store.accounts.user("acc_1", "usr_1") == owner
    assert store.accounts.user_by_email("ada@example.com") == owner


def test_an_address_that_nobody_has_finds_nobody(store: Store) -> None:
    opened(store)

    assert store.accounts.user_by_email("nobody@example.com") is None
    assert store.accounts.user_by_email("") is None
    assert store.accounts.user_by_email("\ud800@example.com") is None


def test_a_user_of_another_account_is_not_found(store: Store) -> None:
    opened(store)
    opened(store, an_account("acc_2"), a_user("usr_2", account_id="acc_2", email="grace@example.com"))

    with pytest.raises(NotFound):
        store.accounts.user("acc_1", "usr_2")


def test_an_address_is_taken_once_and_nothing_of_the_second_account_is_kept(store: Store) -> None:
    opened(store)

    with pytest.raises(EmailTaken):
        store.accounts.add(an_account("acc_2"), a_user("usr_2", account_id="acc_2"))

    with pytest.raises(NotFound):
        store.accounts.get("acc_2")
    with pytest.raises(NotFound):
        store.accounts.user("acc_2", "usr_2")
    found = store.accounts.user_by_email("ada@example.com")
    assert found is not None
    assert found.account_id == "acc_1"


def test_an_account_id_is_given_out_once(store: Store) -> None:
    account = opened(store)

    with pytest.raises(Contended):
        store.accounts.add(replace(account, name="Grace"), a_user("usr_2", email="grace@example.com"))

    assert store.accounts.get("acc_1").name == "Ada"
    assert store.accounts.user_by_email("grace@example.com") is None


def test_saving_an_account_replaces_the_version_before(store: Store) -> None:
    account = opened(store)
    edited = replace(account, profile=replace(account.profile, vat_id=None, legal_name="Ada GmbH"), version=2)

    store.accounts.save(edited)

    assert store.accounts.get("acc_1") == edited


@pytest.mark.parametrize("version", [1, 3])
def test_saving_an_account_over_any_other_version_is_refused(store: Store, version: int) -> None:
    account = opened(store)

    with pytest.raises(Contended):
        store.accounts.save(replace(account, name="Grace", version=version))

    assert store.accounts.get("acc_1") == account


def test_an_accounts_own_limit_comes_back_and_survives_its_profile(store: Store) -> None:
    account = replace(an_account(), requests_per_minute=600)
    opened(store, account)

    store.accounts.save(replace(store.accounts.get("acc_1"), name="Ada GmbH", version=2))

    assert store.accounts.get("acc_1").requests_per_minute == 600


def test_an_account_that_never_was_cannot_be_saved(store: Store) -> None:
    with pytest.raises(NotFound):
        store.accounts.save(replace(an_account(), version=2))
