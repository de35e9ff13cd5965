"""Accounts and their users in DynamoDB.

The addresses that people sign in with are items of their own, so that an address belongs to one user of all accounts. Who the
owners of an account are stands in one item more: every write that makes an owner or takes one away moves it in the same
transaction, under the condition that one is left.
"""

from functools import partial

from chalicelib.domain.accounts import Account
from chalicelib.domain.errors import Contended, DaybookError, EmailTaken, LastOwner, NotFound
from chalicelib.domain.membership import Standing
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.users import Role, User
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, to_item
from chalicelib.repositories.pages import page_by_id
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import Refused, Write, add, always_contended, delete, put, unchanged, update


class DynamoAccounts:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, account: Account, owner: User) -> None:
        owners = {
            **keys.owners(account.id)._asdict(),
            "type": "owners",
            "account_id": account.id,
            "users": {owner.id},
        }
        self._table.transact(add(_account_item(account)), add(owners), add(_user_item(owner)), _take_address(owner))

    def get(self, account_id: str) -> Account:
        return from_item(self._table.find(keys.account(account_id)), Account)

    def save(self, account: Account) -> None:
        self._table.transact(put(_account_item(account), condition="#version = :before", before=account.version - 1))

    def user(self, account_id: str, user_id: str) -> User:
        return from_item(self._table.find(keys.user(account_id, user_id)), User)

    def user_by_email(self, email: str) -> User | None:
        sign_in = self._table.get(keys.sign_in(email))
        user = None if sign_in is None else self._table.get(keys.user(sign_in["account_id"], sign_in["user_id"]))
        return None if user is None else from_item(user, User)


class DynamoUsers:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, user: User, by: User | None = None) -> None:
        self._table.transact(add(_user_item(user)), _take_address(user), *_ownership(None, user), *_still(by, user))

    def page(self, account_id: str, request: PageRequest) -> Page[User]:
        return page_by_id(self._table, User, keys.users(account_id), partial(keys.user, account_id), request)

    def save(self, user: User, read: User, by: User | None = None) -> None:
        as_read = put(_user_item(user), condition="#version = :read", read=read.version)
        moved = [_leave_address(read), _take_address(user)] if user.email != read.email else []
        self._table.transact(as_read, *moved, *_ownership(read, user), *_still(by, user))

    def remove(self, user: User, by: User | None = None) -> None:
        self._table.transact(
            delete(keys.user(user.account_id, user.id), condition="#version = :read", read=user.version),
            _leave_address(user),
            *_ownership(user, None),
            delete(keys.timer(user.account_id, user.id)),
            *_still(by, user),
        )


class DynamoAccess:
    def __init__(self, table: Table) -> None:
        self._table = table

    def standing(self, account_id: str, user_id: str) -> Standing:
        account, user = keys.account(account_id), keys.user(account_id, user_id)
        found = self._table.get_all([account, user])
        if len(found) < 2:
            raise NotFound
        return from_item({**found[account], **found[user]}, Standing)


def _account_item(account: Account) -> Item:
    return to_item(keys.account(account.id), "account", account, account_id=account.id)


def _user_item(user: User) -> Item:
    return to_item(keys.user(user.account_id, user.id), "user", user)


def _take_address(user: User) -> Write:
    sign_in = {
        **keys.sign_in(user.email)._asdict(),
        "type": "sign_in",
        "account_id": user.account_id,
        "user_id": user.id,
    }
    return add(sign_in, refused=_taken_from(user))


def _taken_from(user: User) -> Refused:
    """The user itself may have it already, by an equal request that was faster."""

    def refusal(kept: Item | None) -> DaybookError:
        its_own = kept is not None and (kept["account_id"], kept["user_id"]) == (user.account_id, user.id)
        return Contended() if its_own else EmailTaken()

    return refusal


def _leave_address(user: User) -> Write:
    return delete(
        keys.sign_in(user.email),
        condition="#account_id = :account_id AND #user_id = :user_id",
        refused=always_contended,
        account_id=user.account_id,
        user_id=user.id,
    )


def _ownership(before: User | None, after: User | None) -> list[Write]:
    """What a user's coming, change or going does to the account's owners."""
    was, is_ = (user is not None and user.role is Role.OWNER for user in (before, after))
    user = after or before
    if was == is_ or user is None:
        return []
    owners = keys.owners(user.account_id)
    if is_:
        return [update(owners, "ADD #users :user", condition="attribute_exists(#pk)", user={user.id})]
    one_is_left = "contains(#users, :id) AND size(#users) > :one"
    return [
        update(owners, "DELETE #users :user", condition=one_is_left, refused=_last(user), user={user.id}, id=user.id, one=1)
    ]


def _still(by: User | None, user: User) -> list[Write]:
    """Who does it is who they were when it was looked at; of what they do to themselves the write itself makes sure."""
    if by is None or by.id == user.id:
        return []
    return [unchanged(keys.user(by.account_id, by.id), condition="#version = :read", read=by.version)]


def _last(user: User) -> Refused:
    def refusal(kept: Item | None) -> DaybookError:
        return LastOwner() if kept is None or kept["users"] == {user.id} else Contended()

    return refusal
