"""Who may decide who belongs to an account."""

from itertools import product

import pytest

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.membership import check_manages
from chalicelib.domain.users import Role
from tests.builders import a_user

MANAGES = {
    (Role.OWNER, Role.OWNER), (Role.OWNER, Role.ADMIN), (Role.OWNER, Role.MEMBER),
    (Role.ADMIN, Role.ADMIN), (Role.ADMIN, Role.MEMBER),
}  # fmt: skip


def may(actor: Role, *roles: Role) -> bool:
    try:
        check_manages(a_user(role=actor), *roles)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(("actor", "role"), list(product(Role, Role)), ids=str)
def test_a_role_manages_those_of_the_table(actor: Role, role: Role) -> None:
    assert may(actor, role) == ((actor, role) in MANAGES)


@pytest.mark.parametrize(("before", "after"), list(product(Role, Role)), ids=str)
def test_who_changes_a_role_must_manage_both(before: Role, after: Role) -> None:
    assert may(Role.OWNER, before, after)
    assert may(Role.ADMIN, before, after) == (Role.OWNER not in (before, after))
    assert not may(Role.MEMBER, before, after)
