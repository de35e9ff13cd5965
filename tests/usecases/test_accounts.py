"""Opening an account and signing in."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from chalicelib.domain.accounts import SignUp
from chalicelib.domain.errors import EmailTaken, Invalid, InvalidCredentials
from chalicelib.domain.users import User
from chalicelib.usecases import accounts
from tests.usecases.business import Business, open_business
from tests.usecases.test_invoicing import at_once
from tests.wired import MemoryWired

PASSWORD = "correct horse battery"


def sign_in(wired: MemoryWired, email: str = "ada@example.com", password: str = PASSWORD) -> User:
    return accounts.sign_in(email, password, desk=wired)


def hash_of(wired: MemoryWired) -> str:
    (user,) = wired.state()["users"].values()
    return str(user.password_hash)


@pytest.fixture
def outdated(wired: MemoryWired, business: Business) -> User:
    """A user whose password was hashed long ago."""
    (user,) = wired.state()["users"].values()
    old: User = replace(user, password_hash=f"old:{PASSWORD}", version=2)
    wired.store.users.save(old, user)
    return old


def test_a_password_is_the_same_from_every_keyboard(wired: MemoryWired) -> None:
    sign_up = SignUp(
        name="Ada", email="ada@example.com", password="pa\u0308sswörd ﬁne", currency="EUR", time_zone="UTC", country="AT"
    )
    accounts.open_account(sign_up, desk=wired)

    assert sign_in(wired, password="pässwörd fine").email == "ada@example.com"


def test_an_outdated_hash_is_renewed_at_the_next_sign_in(wired: MemoryWired, outdated: User) -> None:
    sign_in(wired)
    assert hash_of(wired) == f"plain:{PASSWORD}"

    before = wired.state()
    sign_in(wired)
    assert wired.state() == before


def test_a_wrong_password_renews_nothing(wired: MemoryWired, outdated: User) -> None:
    with pytest.raises(InvalidCredentials):
        sign_in(wired, password="something else entirely")
    assert hash_of(wired) == f"old:{PASSWORD}"


def test_all_who_sign_in_at_once_get_in_though_one_alone_renews_the_hash(
    wired: MemoryWired, outdated: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash is read by all before any of them has written it."""
    monkeypatch.setattr(wired.store.accounts, "user_by_email", lambda _: outdated)

    results = at_once(*[lambda: sign_in(wired)] * 8)

    assert [isinstance(result, User) for result in results] == [True] * 8
    assert hash_of(wired) == f"plain:{PASSWORD}"
    assert next(iter(wired.state()["users"].values())).version == 3


def test_of_two_who_take_one_address_at_once_one_gets_it(wired: MemoryWired) -> None:
    results = at_once(*[lambda: open_business(wired)] * 8)

    assert sum(isinstance(result, EmailTaken) for result in results) == 7
    assert len(wired.state()["accounts"]) == len(wired.state()["users"]) == 1


def test_the_profile_keeps_the_address_as_it_was_written_and_the_sign_in_does_not(wired: MemoryWired) -> None:
    owner = open_business(wired, " Ada@Example.com ")

    account = wired.store.accounts.get(owner.caller.account_id)
    assert (account.profile.email, owner.caller.email) == ("Ada@Example.com", "ada@example.com")


def test_nothing_is_kept_of_a_sign_up_that_breaks_a_rule(wired: MemoryWired) -> None:
    before = wired.state()
    with pytest.raises(Invalid) as refusal:
        open_business(wired, "no address", "Mars/Olympus")

    assert sorted(error.pointer for error in refusal.value.errors) == ["/email", "/time_zone"]
    assert wired.state() == before


def test_clients_are_due_when_their_day_begins_in_the_accounts_new_zone(wired: MemoryWired, business: Business) -> None:
    client_id, unscheduled_id = business.add_client(invoice_day=31), business.add_client()
    before = business.client(client_id)
    profile = replace(wired.store.accounts.get(business.caller.account_id).profile, time_zone="Pacific/Auckland")

    for _ in range(2):
        accounts.edit_profile(business.caller, profile, desk=wired)

    moved = business.client(client_id)
    assert moved.next_invoice_on == before.next_invoice_on == date(2026, 1, 31)
    assert moved.due_at == datetime(2026, 1, 30, 11, tzinfo=UTC)
    assert (moved.version, business.client(unscheduled_id).version) == (2, 1)


def test_edits_of_a_profile_at_once_all_take_effect_one_after_the_other(wired: MemoryWired, business: Business) -> None:
    profile = wired.store.accounts.get(business.caller.account_id).profile

    def edit(number: int) -> object:
        changed = replace(profile, legal_name=f"Ada {number}")
        return accounts.edit_profile(business.caller, changed, desk=wired)

    results = at_once(*[lambda number=number: edit(number) for number in range(10)])

    assert len({getattr(result, "version", None) for result in results}) == 10
    assert wired.store.accounts.get(business.caller.account_id).version == 11
