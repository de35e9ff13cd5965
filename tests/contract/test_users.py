from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.errors import Contended, DaybookError, EmailTaken, LastOwner, NotFound
from chalicelib.domain.membership import Standing
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.users import Role, User
from tests.builders import a_client, a_timer, a_user, an_account, an_entry
from tests.contract.stores import DynamoStore, Store, ids, items_in, log, opened

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def a_member(user_id: str = "usr_2", **changes: Any) -> User:
    return a_user(user_id, **({"email": f"{user_id}@example.com", "role": Role.MEMBER} | changes))


def added(store: Store, user: User) -> User:
    """A user that is in the store."""
    store.users.add(user)
    return user


def edited(user: User, **changes: Any) -> User:
    return replace(user, version=user.version + 1, **changes)


def refusal(act: Callable[[], object]) -> type[DaybookError] | None:
    try:
        act()
    except DaybookError as error:
        return type(error)
    return None


def everybody(store: Store, account_id: str = "acc_1") -> list[User]:
    return list(store.users.page(account_id, PageRequest(limit=100)).items)


@pytest.mark.parametrize("role", list(Role))
def test_a_user_that_was_added_is_found_by_id_and_by_address(store: Store, role: Role) -> None:
    opened(store)
    user = added(store, a_member(role=role))

    assert store.accounts.user("acc_1", "usr_2") == user
    assert store.accounts.user_by_email("usr_2@example.com") == user


def test_users_are_listed_newest_first_a_page_at_a_time(store: Store) -> None:
    opened(store)
    opened(store, an_account("acc_2"), a_member("usr_9", account_id="acc_2"))
    for number in (2, 3, 4):
        added(store, a_member(f"usr_{number}"))

    first = store.users.page("acc_1", PageRequest(limit=2))
    second = store.users.page("acc_1", PageRequest(limit=2, after=first.next))

    assert (ids(first.items), ids(second.items), second.next) == (["usr_4", "usr_3"], ["usr_2", "usr_1"], None)
    assert second.items[1] == a_user()


def test_a_taken_address_is_refused_in_every_account_and_nothing_is_kept(store: Store) -> None:
    opened(store)
    opened(store, an_account("acc_2"), a_member("usr_9", account_id="acc_2", role=Role.OWNER))

    for address in ("ada@example.com", "usr_9@example.com"):
        with pytest.raises(EmailTaken):
            store.users.add(a_member(email=address, role=Role.OWNER))

    assert ids(everybody(store)) == ["usr_1"]
    assert refusal(lambda: store.users.remove(a_user())) is LastOwner, "nobody else has become an owner"


def test_a_user_id_is_given_out_once(store: Store) -> None:
    opened(store)
    user = added(store, a_member())

    with pytest.raises(Contended):
        store.users.add(replace(user, email="another@example.com"))

    assert store.accounts.user("acc_1", "usr_2") == user
    assert store.accounts.user_by_email("another@example.com") is None


def test_saving_a_user_replaces_the_one_that_was_read(store: Store) -> None:
    opened(store)
    rehashed = edited(a_user(), password_hash="plain:another password", password_version=2)

    store.users.save(rehashed, a_user())

    assert store.accounts.user("acc_1", "usr_1") == rehashed
    assert store.accounts.user_by_email("ada@example.com") == rehashed


def test_a_stale_user_is_not_saved(store: Store) -> None:
    opened(store)
    store.users.save(edited(a_user(), name="Ada King"), a_user())

    for late in (edited(a_user(), name="Ada Byron"), edited(a_user(), email="byron@example.com")):
        with pytest.raises(Contended):
            store.users.save(late, a_user())

    assert store.accounts.user("acc_1", "usr_1").name == "Ada King"
    assert store.accounts.user_by_email("byron@example.com") is None


def test_a_user_that_never_was_cannot_be_saved_nor_removed(store: Store) -> None:
    opened(store)
    nobody = a_member()

    for late in (edited(nobody), edited(nobody, email="another@example.com"), edited(nobody, role=Role.OWNER)):
        with pytest.raises(NotFound):
            store.users.save(late, nobody)
    with pytest.raises(NotFound):
        store.users.remove(nobody)

    assert ids(everybody(store)) == ["usr_1"]
    assert store.accounts.user_by_email("another@example.com") is None


def test_a_new_address_is_signed_in_with_and_the_old_one_is_free_again(store: Store) -> None:
    opened(store)
    user = added(store, a_member())
    moved = edited(user, email="mary@example.com")

    store.users.save(moved, user)

    assert store.accounts.user_by_email("mary@example.com") == moved
    assert store.accounts.user_by_email("usr_2@example.com") is None
    store.users.add(a_member("usr_3", email="usr_2@example.com"))


def test_a_new_address_that_is_taken_changes_nothing(store: Store) -> None:
    opened(store)
    user = added(store, a_member())

    with pytest.raises(EmailTaken):
        store.users.save(edited(user, email="ada@example.com", name="Eve"), user)

    assert store.accounts.user("acc_1", "usr_2") == user
    assert store.accounts.user_by_email("usr_2@example.com") == user
    assert store.accounts.user_by_email("ada@example.com") == a_user()


def test_who_takes_the_same_new_address_twice_at_once_is_late_and_not_robbed(store: Store) -> None:
    """The second of two equal requests must read again and find it done; the address is its own by now."""
    opened(store)
    user = added(store, a_member())
    moved = edited(user, email="mary@example.com")
    store.users.save(moved, user)

    with pytest.raises(Contended):
        store.users.save(moved, user)


def test_a_removed_user_is_gone_with_address_and_timer_and_the_work_stays(store: Store) -> None:
    account = opened(store)
    store.clients.add(a_client(account=account))
    user = added(store, a_member())
    entry = an_entry(user_id=user.id)
    log(store, entry)
    store.timers.start(a_timer(user_id=user.id))

    store.users.remove(user)

    assert ids(everybody(store)) == ["usr_1"]
    assert store.accounts.user_by_email(user.email) is None
    with pytest.raises(NotFound):
        store.timers.get("acc_1", user.id)
    assert store.work.get("acc_1", entry.id).entry == entry
    store.users.add(a_member("usr_3", email=user.email))


def test_a_user_that_has_changed_since_it_was_read_is_not_removed(store: Store) -> None:
    opened(store)
    user = added(store, a_member())
    for after in (
        edited(user, name="Mary"),
        edited(edited(user), role=Role.OWNER),
        edited(edited(edited(user)), email="m@example.com"),
    ):
        store.users.save(after, store.accounts.user("acc_1", user.id))
        with pytest.raises(Contended):
            store.users.remove(user)

    assert ids(everybody(store)) == ["usr_2", "usr_1"]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_the_last_owner_neither_goes_nor_becomes_something_else(store: Store, role: Role) -> None:
    opened(store)
    added(store, a_member(role=Role.ADMIN))

    with pytest.raises(LastOwner):
        store.users.remove(a_user())
    with pytest.raises(LastOwner):
        store.users.save(edited(a_user(), role=role), a_user())

    assert store.accounts.user("acc_1", "usr_1") == a_user()


def test_an_owner_of_another_account_does_not_count(store: Store) -> None:
    opened(store)
    opened(store, an_account("acc_2"), a_member("usr_9", account_id="acc_2", role=Role.OWNER))

    with pytest.raises(LastOwner):
        store.users.remove(a_user())


def test_one_of_two_owners_can_go_whichever_way_the_second_became_one(store: Store) -> None:
    opened(store)
    promoted = added(store, a_member("usr_2"))
    store.users.save(edited(promoted, role=Role.OWNER), promoted)
    added(store, a_member("usr_3", role=Role.OWNER))

    store.users.remove(a_user())
    store.users.save(edited(edited(promoted), role=Role.MEMBER), edited(promoted, role=Role.OWNER))

    with pytest.raises(LastOwner):
        store.users.remove(a_member("usr_3", role=Role.OWNER))


def test_the_last_owner_can_still_be_renamed_and_move(store: Store) -> None:
    opened(store)

    store.users.save(edited(a_user(), name="Ada King", email="king@example.com"), a_user())

    assert store.accounts.user("acc_1", "usr_1").email == "king@example.com"


@pytest.mark.parametrize("demoted", [True, False])
def test_of_two_owners_who_go_at_the_same_moment_one_stays(store: Store, demoted: bool) -> None:
    opened(store)
    first, second = a_user(), added(store, a_member(role=Role.OWNER))

    def go(user: User) -> type[DaybookError] | None:
        if demoted:
            return refusal(lambda: store.users.save(edited(user, role=Role.MEMBER), user))
        return refusal(lambda: store.users.remove(user))

    with ThreadPoolExecutor(2) as pool:
        refusals = list(pool.map(go, [first, second]))

    assert sorted(str(one) for one in refusals) == sorted([str(LastOwner), "None"])
    assert [user.role for user in everybody(store)].count(Role.OWNER) == 1


def test_of_many_who_take_one_address_at_once_one_gets_it(store: Store) -> None:
    opened(store)

    def take(number: int) -> type[DaybookError] | None:
        return refusal(lambda: store.users.add(a_member(f"usr_{number}", email="mary@example.com")))

    with ThreadPoolExecutor(4) as pool:
        refusals = list(pool.map(take, range(2, 8)))

    assert sorted(map(str, refusals)) == sorted([*[str(EmailTaken)] * 5, "None"])
    assert len(everybody(store)) == 2


def test_a_standing_is_what_user_and_account_are_now(store: Store) -> None:
    account = replace(an_account(), requests_per_minute=600)
    opened(store, account)
    user = added(store, a_member())
    assert store.access.standing("acc_1", "usr_2") == Standing(
        email="usr_2@example.com", role=Role.MEMBER, password_version=1, requests_per_minute=600
    )

    store.users.save(edited(user, email="mary@example.com", role=Role.ADMIN, password_version=2), user)
    store.accounts.save(replace(account, requests_per_minute=None, version=2))

    assert store.access.standing("acc_1", "usr_2") == Standing(email="mary@example.com", role=Role.ADMIN, password_version=2)


@pytest.mark.parametrize(
    ("account_id", "user_id"), [("acc_1", "usr_2"), ("acc_2", "usr_1"), ("acc_1", ""), ("acc_1#user", "usr_1"), ("", "")]
)
def test_who_is_not_in_the_account_has_no_standing(store: Store, account_id: str, user_id: str) -> None:
    opened(store)
    opened(store, an_account("acc_2"), a_member(account_id="acc_2"))

    with pytest.raises(NotFound):
        store.access.standing(account_id, user_id)


def test_the_owners_are_kept_as_they_are(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    """Should the item ever be lost, no owner goes."""
    opened(dynamo_store)
    added(dynamo_store, a_member("usr_2", role=Role.OWNER))
    dynamo_store.users.remove(a_user())

    (owners,) = [item for item in items_in(client) if item["type"]["S"] == "owners"]
    assert owners["users"] == {"SS": ["usr_2"]}
    client.delete_item(TableName=dynamo_store.users._table._name, Key={"pk": owners["pk"], "sk": owners["sk"]})
    with pytest.raises(LastOwner):
        dynamo_store.users.remove(a_member("usr_2", role=Role.OWNER))


def test_who_is_removed_while_signing_in_is_nobody(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    """The address is read first, then the user."""
    opened(dynamo_store)
    client.delete_item(TableName=dynamo_store.users._table._name, Key={"pk": {"S": "acc_1"}, "sk": {"S": "user#usr_1"}})

    assert dynamo_store.accounts.user_by_email("ada@example.com") is None


@pytest.mark.parametrize("then", ["demoted", "gone"])
def test_who_is_no_longer_who_they_were_changes_nobody(store: Store, then: str) -> None:
    opened(store)
    actor = replace(a_user("usr_9"), email="nine@example.com")
    other = replace(a_user("usr_8"), email="eight@example.com", role=Role.MEMBER)
    store.users.add(actor)
    store.users.add(other)
    if then == "demoted":
        store.users.save(replace(actor, role=Role.MEMBER, version=2), actor)
    else:
        store.users.remove(actor)

    with pytest.raises(Contended):
        store.users.add(replace(a_user("usr_7"), email="seven@example.com"), actor)
    with pytest.raises(Contended):
        store.users.save(replace(other, role=Role.OWNER, version=2), other, actor)
    with pytest.raises(Contended):
        store.users.remove(other, actor)

    assert store.accounts.user("acc_1", "usr_8") == other
    assert store.accounts.user_by_email("seven@example.com") is None


def test_people_change_and_remove_themselves(store: Store) -> None:
    opened(store)
    actor = replace(a_user("usr_9"), email="nine@example.com")
    store.users.add(actor)

    renamed = replace(actor, name="Nine", version=2)
    store.users.save(renamed, actor, actor)
    store.users.remove(renamed, renamed)

    assert store.accounts.user_by_email("nine@example.com") is None
