"""Accounts and their users in DynamoDB."""

from chalicelib.domain.accounts import Account
from chalicelib.domain.errors import EmailTaken
from chalicelib.domain.users import User
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, to_item
from chalicelib.repositories.table import Table, add, put


class DynamoAccounts:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, account: Account, owner: User) -> None:
        sign_in = {
            **keys.sign_in(owner.email)._asdict(),
            "type": "sign_in",
            "account_id": owner.account_id,
            "user_id": owner.id,
        }
        self._table.transact(
            add(_account_item(account)),
            add(_user_item(owner)),
            add(sign_in, refused=lambda _: EmailTaken()),
        )

    def get(self, account_id: str) -> Account:
        return from_item(self._table.find(keys.account(account_id)), Account)

    def save(self, account: Account) -> None:
        self._table.transact(put(_account_item(account), condition="#version = :before", before=account.version - 1))

    def user(self, account_id: str, user_id: str) -> User:
        return from_item(self._table.find(keys.user(account_id, user_id)), User)

    def user_by_email(self, email: str) -> User | None:
        sign_in = self._table.get(keys.sign_in(email))
        return None if sign_in is None else self.user(sign_in["account_id"], sign_in["user_id"])


class DynamoUsers:
    def __init__(self, table: Table) -> None:
        self._table = table

    def save(self, user: User) -> None:
        """The address is not changed: it is what the user signs in with, and has an item of its own."""
        as_read = put(
            _user_item(user),
            condition="#version = :before AND #email = :email",
            before=user.version - 1,
            email=user.email,
        )
        self._table.transact(as_read)


def _account_item(account: Account) -> Item:
    return to_item(keys.account(account.id), "account", account, account_id=account.id)


def _user_item(user: User) -> Item:
    return to_item(keys.user(user.account_id, user.id), "user", user)
