"""Opening an account, signing in, and the business profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.accounts import Account, Profile, SignUp
from chalicelib.domain.checks import raise_all
from chalicelib.domain.clients import Client, move_to_zone
from chalicelib.domain.errors import Contended, InvalidCredentials, NotFound, Unauthenticated
from chalicelib.domain.paging import MAX_LIMIT, PageRequest
from chalicelib.domain.users import FIRST_PASSWORD, Caller, Role, User, check_password, normal_password, sign_in_name
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended

if TYPE_CHECKING:
    from chalicelib.ports import Accounts, Clients, Clock, Ids, Passwords, Users


class Desk(Protocol):
    """What opening an account, signing in and the profile need at hand."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def users(self) -> Users: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def passwords(self) -> Passwords: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


def open_account(sign_up: SignUp, *, desk: Desk) -> tuple[Account, User]:
    """A new account and its owner. Raises: Invalid, EmailTaken."""
    now = desk.clock.now()
    profile = Profile(
        legal_name=sign_up.name,
        country=sign_up.country,
        email=sign_up.email.strip(),
        currency=sign_up.currency,
        time_zone=sign_up.time_zone,
    )
    raise_all(profile.checked, lambda: check_password(sign_up.password))
    account = Account(id=desk.ids.new("acc", now), name=sign_up.name, profile=profile, created_at=now, updated_at=now)
    owner = User(
        account_id=account.id,
        id=desk.ids.new("usr", now),
        name=sign_up.name,
        email=sign_in_name(sign_up.email),
        role=Role.OWNER,
        password_hash=desk.passwords.hash(normal_password(sign_up.password)),
        created_at=now,
        updated_at=now,
    )
    desk.accounts.add(account, owner)
    return account, owner


def get_opened_account(account_id: str, user_id: str, *, accounts: Accounts) -> tuple[Account, User]:
    """What `open_account` made. Raises: NotFound, Unauthenticated if the owner has got another password since."""
    owner = accounts.user(account_id, user_id)
    if owner.password_version != FIRST_PASSWORD:
        raise Unauthenticated
    return accounts.get(account_id), owner


def sign_in(email: str, password: str, *, desk: Desk) -> User:
    """The user whose address and password these are; takes as long for an address that nobody has.

    Raises: InvalidCredentials.
    """
    user = desk.accounts.user_by_email(email.strip().lower())
    normal = normal_password(password)
    if not desk.passwords.matches(normal, user.password_hash if user else None) or user is None:
        raise InvalidCredentials
    if not desk.passwords.outdated(user.password_hash):
        return user
    rehashed = replace(user, password_hash=desk.passwords.hash(normal), version=user.version + 1, updated_at=desk.clock.now())
    with suppress(Contended):  # another sign-in at this moment does it
        desk.users.save(rehashed, user)
    return user


def get_account(caller: Caller, *, accounts: Accounts) -> Account:
    return accounts.get(caller.account_id)


def edit_profile(caller: Caller, profile: Profile, *, desk: Desk, check: Check[Account] = unconditionally) -> Account:
    """Replaces the business profile; invoices that are issued keep the old one, those that are due begin in the new zone.

    Raises: Invalid, Contended.
    """
    checked = profile.checked()

    def attempt() -> Account:
        account = desk.accounts.get(caller.account_id)
        check(account)
        edited = replace(account, profile=checked, version=account.version + 1, updated_at=desk.clock.now())
        desk.accounts.save(edited)
        return edited

    account = until_uncontended(attempt)
    for client in _all_clients(account.id, desk.clients):
        if move_to_zone(client, account) != client:
            _reschedule(client.id, account, desk=desk)
    return account


def _all_clients(account_id: str, clients: Clients) -> Iterator[Client]:
    after: str | None = None
    while True:
        page = clients.page(account_id, PageRequest(limit=MAX_LIMIT, after=after))
        yield from page.items
        if page.next is None:
            return
        after = page.next


def _reschedule(client_id: str, account: Account, *, desk: Desk) -> None:
    def attempt() -> None:
        try:
            client = desk.clients.get(account.id, client_id)
        except NotFound:
            return  # removed since
        desk.clients.save(replace(move_to_zone(client, account), version=client.version + 1, updated_at=desk.clock.now()))

    until_uncontended(attempt)
