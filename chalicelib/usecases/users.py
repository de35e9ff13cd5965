"""Who may work in an account, and as what.

A caller's role comes from the authorizer, whose answer API Gateway keeps for a minute. What gives others access asks the table
again: who is no owner or admin any more must not use that minute to come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from chalicelib.domain.errors import FieldError, Invalid, NotFound, Unauthenticated
from chalicelib.domain.membership import (
    Standing,
    UserDetails,
    caller_of,
    check_manages,
    check_new_user,
    details_of,
    edit_user,
)
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.users import Bearer, Caller, User, check_password, normal_password
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended

if TYPE_CHECKING:
    from chalicelib.ports import Access, Accounts, Clock, Ids, Passwords, Users

Found = TypeVar("Found", User, Standing)


class Desk(Protocol):
    """What managing users needs at hand."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def users(self) -> Users: ...
    @property
    def passwords(self) -> Passwords: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


def admit(bearer: Bearer, *, access: Access) -> Caller:
    """Who calls with that token, as what they are now.

    Raises: Unauthenticated if the user is gone, or has got another password since the token was issued.
    """
    return caller_of(bearer, _as_signed_in(bearer, access.standing))


def add_user(caller: Caller, details: UserDetails, password: str, *, desk: Desk) -> User:
    """Raises: Forbidden, Invalid, EmailTaken."""
    check_manages(get_me(caller, accounts=desk.accounts), details.role)
    email, normal = check_new_user(details, password)
    now = desk.clock.now()
    user = User(
        account_id=caller.account_id,
        id=desk.ids.new("usr", now),
        name=details.name,
        email=email,
        role=details.role,
        password_hash=desk.passwords.hash(normal),
        created_at=now,
        updated_at=now,
    )

    def attempt() -> User:
        actor = get_me(caller, accounts=desk.accounts)
        check_manages(actor, details.role)
        desk.users.add(user, actor)
        return user

    return until_uncontended(attempt)


def get_user(caller: Caller, user_id: str, *, accounts: Accounts) -> User:
    """Raises: NotFound."""
    return accounts.user(caller.account_id, user_id)


def list_users(caller: Caller, request: PageRequest, *, users: Users) -> Page[User]:
    return users.page(caller.account_id, request)


def change_user(
    caller: Caller,
    user_id: str,
    change: Callable[[UserDetails], UserDetails],
    *,
    desk: Desk,
    check: Check[User] = unconditionally,
) -> User:
    """The user with its details as `change` makes them. Raises: NotFound, Forbidden, Invalid, EmailTaken, LastOwner."""

    def attempt() -> User:
        user = desk.accounts.user(caller.account_id, user_id)
        details = change(details_of(user))
        actor = get_me(caller, accounts=desk.accounts)
        check_manages(actor, user.role, details.role)
        check(user)
        edited = edit_user(user, details, now=desk.clock.now())
        desk.users.save(edited, user, actor)
        return edited

    return until_uncontended(attempt)


def remove_user(
    caller: Caller, user_id: str, *, accounts: Accounts, users: Users, check: Check[User] = unconditionally
) -> User:
    """The user as it last was; what it has logged stays. Raises: NotFound, Forbidden, LastOwner."""

    def attempt() -> User:
        user = accounts.user(caller.account_id, user_id)
        actor = get_me(caller, accounts=accounts)
        check_manages(actor, user.role)
        check(user)
        users.remove(user, actor)
        return user

    return until_uncontended(attempt)


def get_me(caller: Caller, *, accounts: Accounts) -> User:
    """The caller's own user. Raises: Unauthenticated if it has gone, or got another password, within the last minute."""
    return _as_signed_in(caller, accounts.user)


def _as_signed_in(who: Bearer | Caller, find: Callable[[str, str], Found]) -> Found:
    """What there is of them, if they still have the password that they signed in with. Raises: Unauthenticated."""
    try:
        found = find(who.account_id, who.user_id)
    except NotFound:
        raise Unauthenticated from None
    if found.password_version != who.password_version:
        raise Unauthenticated
    return found


def change_password(caller: Caller, current: str, new: str, *, desk: Desk) -> User:
    """The caller's own user under its new password; every token from before ends.

    Raises: Invalid, also for a `current` that is not the password.
    """
    normal = check_password(new, "/new")

    def attempt() -> User:
        user = get_me(caller, accounts=desk.accounts)
        if not desk.passwords.matches(normal_password(current), user.password_hash):
            raise Invalid(FieldError("/current", "is not your password"))
        changed = replace(
            user,
            password_hash=desk.passwords.hash(normal),
            password_version=user.password_version + 1,
            version=user.version + 1,
            updated_at=desk.clock.now(),
        )
        desk.users.save(changed, user)
        return changed

    return until_uncontended(attempt)
