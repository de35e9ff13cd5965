"""Who belongs to an account, and who may decide that."""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.checks import raise_all
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.users import Bearer, Caller, Role, User, check_password, sign_in_name

_WHO_MANAGES = {Role.OWNER: frozenset(Role), Role.ADMIN: frozenset({Role.ADMIN, Role.MEMBER}), Role.MEMBER: frozenset[Role]()}
"""Whom each role makes, changes and removes: only an owner grants or takes the role of an owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDetails:
    """What owners and admins can edit of a user."""

    name: str
    email: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What counts of a user and their account when they come to the door."""

    email: str
    role: Role
    password_version: int = 1
    requests_per_minute: int | None = None


def check_manages(actor: User, *roles: Role) -> None:
    """Raises: Forbidden unless the actor's role manages all of these."""
    if not _WHO_MANAGES[actor.role].issuperset(roles):
        raise Forbidden


def check_new_user(details: UserDetails, password: str) -> tuple[str, str]:
    """The address to sign in with and the password, both in their normal form. Raises: Invalid with the faults of both."""
    raise_all(lambda: sign_in_name(details.email), lambda: check_password(password))
    return sign_in_name(details.email), check_password(password)


def details_of(user: User) -> UserDetails:
    return UserDetails(name=user.name, email=user.email, role=user.role)


def edit_user(user: User, details: UserDetails, *, now: datetime) -> User:
    """Its next version. Raises: Invalid."""
    return replace(
        user,
        name=details.name,
        email=sign_in_name(details.email),
        role=details.role,
        version=user.version + 1,
        updated_at=now,
    )


def caller_of(bearer: Bearer, standing: Standing) -> Caller:
    """Who calls, by what is true now and not when the token was issued."""
    return Caller(
        account_id=bearer.account_id,
        user_id=bearer.user_id,
        email=standing.email,
        roles=(standing.role,),
        password_version=standing.password_version,
        requests_per_minute=standing.requests_per_minute,
    )
