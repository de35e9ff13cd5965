"""Several people at once in one account."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.errors import EmailTaken, Forbidden, LastOwner, NotFound, Unauthenticated
from chalicelib.domain.membership import UserDetails
from chalicelib.domain.users import Caller, Role, User
from chalicelib.usecases import accounts, users
from tests.builders import a_caller
from tests.usecases.business import Business
from tests.usecases.test_invoicing import at_once
from tests.wired import MemoryWired

PASSWORD = "correct horse battery"


def add(business: Business, email: str, role: Role = Role.MEMBER, caller: Caller | None = None) -> User:
    details = UserDetails(name="Mary", email=email, role=role)
    return users.add_user(caller or business.caller, details, PASSWORD, desk=business.wired)


def change(business: Business, user_id: str, caller: Caller | None = None, **changes: Any) -> User:
    caller = caller or business.caller
    return users.change_user(caller, user_id, lambda details: replace(details, **changes), desk=business.wired)


def remove(business: Business, user_id: str, caller: Caller | None = None) -> User:
    store = business.wired.store
    return users.remove_user(caller or business.caller, user_id, accounts=store.accounts, users=store.users)


def change_password(business: Business, current: str, new: str) -> User:
    return users.change_password(business.caller, current, new, desk=business.wired)


def roles(wired: MemoryWired) -> list[Role]:
    return [user.role for user in wired.state()["users"].values()]


def test_of_owners_who_all_go_at_once_one_stays(business: Business, wired: MemoryWired) -> None:
    owners = [business.caller, *(a_caller(add(business, f"{number}@example.com", Role.OWNER)) for number in range(5))]

    results = at_once(*[lambda owner=owner: remove(business, owner.user_id, owner) for owner in owners])

    assert sorted(type(result).__name__ for result in results) == sorted(["User"] * 5 + ["LastOwner"])
    assert roles(wired) == [Role.OWNER]


def test_of_two_owners_who_demote_each_other_at_once_one_stays(business: Business, wired: MemoryWired) -> None:
    other = a_caller(add(business, "mary@example.com", Role.OWNER))

    results = at_once(
        lambda: change(business, other.user_id, role=Role.MEMBER),
        lambda: change(business, business.caller.user_id, other, role=Role.MEMBER),
    )

    assert sorted(roles(wired)) == [Role.MEMBER, Role.OWNER]
    assert [type(result) for result in results if not isinstance(result, User)] in ([Forbidden], [LastOwner])


def test_of_many_who_take_one_address_at_once_one_gets_it(business: Business, wired: MemoryWired) -> None:
    results = at_once(*[lambda: add(business, "mary@example.com")] * 8)

    assert sum(isinstance(result, EmailTaken) for result in results) == 7
    assert len(wired.state()["users"]) == len(wired.state()["sign_ins"]) == 2


def test_edits_at_once_all_take_effect_one_after_the_other(business: Business, wired: MemoryWired) -> None:
    mary = add(business, "mary@example.com")

    results = at_once(*[lambda number=number: change(business, mary.id, email=f"{number}@example.com") for number in range(10)])

    assert len({getattr(result, "version", None) for result in results}) == 10
    assert len(wired.state()["sign_ins"]) == 2


def test_an_admin_whose_subject_becomes_an_owner_meanwhile_is_too_late(
    business: Business, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, mary = a_caller(add(business, "admin@example.com", Role.ADMIN)), add(business, "mary@example.com")
    reading = wired.store.accounts.user
    promoted: list[User] = []

    def read_and_promote(account_id: str, user_id: str) -> User:
        user = reading(account_id, user_id)
        if user_id == mary.id and not promoted:
            promoted.append(replace(user, role=Role.OWNER, version=user.version + 1))
            wired.store.users.save(promoted[0], user)
        return user

    monkeypatch.setattr(wired.store.accounts, "user", read_and_promote)

    with pytest.raises(Forbidden):
        remove(business, mary.id, admin)
    assert reading(mary.account_id, mary.id) == promoted[0]


@pytest.mark.parametrize("act", [remove, change])
def test_who_is_not_there_cannot_be_changed(business: Business, act: Any) -> None:
    with pytest.raises(NotFound):
        act(business, "usr_nobody")


def test_a_password_is_the_same_from_every_keyboard(business: Business) -> None:
    changed = change_password(business, PASSWORD, "pa\u0308sswörd ﬁne")
    signed_in = replace(business, caller=a_caller(changed))

    assert change_password(signed_in, "pässwörd fine", PASSWORD).password_version == 3


def test_a_token_of_an_earlier_password_gives_nobody_access(business: Business) -> None:
    """Nor in the minute for which API Gateway keeps what the authorizer said of it."""
    change_password(business, PASSWORD, "another long password")

    with pytest.raises(Unauthenticated):
        change(business, business.caller.user_id, name="Somebody else")


def test_of_two_who_change_a_password_at_once_one_does(business: Business, wired: MemoryWired) -> None:
    results = at_once(
        *[lambda number=number: change_password(business, PASSWORD, f"new password {number}") for number in range(6)]
    )

    assert sum(isinstance(result, Unauthenticated) for result in results) == 5, "the others' tokens have ended"
    (user,) = wired.state()["users"].values()
    assert user.password_version == 2


def test_a_renewed_hash_ends_no_token(business: Business, wired: MemoryWired) -> None:
    (user,) = wired.state()["users"].values()
    wired.store.users.save(replace(user, password_hash=f"old:{PASSWORD}", version=2), user)

    accounts.sign_in(user.email, PASSWORD, desk=wired)

    (renewed,) = wired.state()["users"].values()
    assert (renewed.password_hash, renewed.password_version) == (f"plain:{PASSWORD}", 1)
