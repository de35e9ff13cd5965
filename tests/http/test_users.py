"""Who may work in an account: users, their roles and their passwords."""

from dataclasses import replace
from typing import Any

import jwt
import pytest

from chalicelib.domain.errors import Unavailable
from tests.http.api import PASSWORD, Answer, Api, made, new_user, sign_up
from tests.wired import MemoryWired

NEW_PASSWORD = "another horse battery"


def user_of(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    user: dict[str, Any] = answer.json
    return user


def names(api: Api) -> list[str]:
    return [user["name"] for user in api.get("/v1/users").json["users"]]


def change_password(api: Api, current: str = PASSWORD, new: str = NEW_PASSWORD) -> Answer:
    return api.put("/v1/me/password", {"current": current, "new": new})


def test_a_new_user_is_answered_and_listed_and_can_sign_in(api: Api) -> None:
    user = made(api.post("/v1/users", new_user("Mary@Example.com")))

    assert user == {
        "id": user["id"],
        "name": "Mary Somerville",
        "email": "mary@example.com",
        "role": "member",
        "created_at": "2026-11-20T09:30:00Z",
        "updated_at": "2026-11-20T09:30:00Z",
    }
    assert api.get(f"/v1/users/{user['id']}").json == user
    assert api.get("/v1/users").json["users"][0] == user
    assert api.signed_in("mary@example.com").get("/v1/me").json == user


def test_what_a_user_adds_belongs_to_the_one_account(api: Api) -> None:
    client_id = api.add_client()

    mary = api.add_user("mary@example.com")

    assert mary.get("/v1/account").json["id"] == api.account_id
    entry = mary.log(client_id, "2026-11-18")
    assert api.get(f"/v1/work/{entry}").json["user_id"] == mary.user_id


def test_all_that_is_wrong_with_a_new_user_is_told_at_once_and_nothing_kept(api: Api, wired: MemoryWired) -> None:
    before = wired.state()

    answer = api.post("/v1/users", new_user("mary", password="short"))

    assert (answer.status, sorted(answer.pointers)) == (422, ["/email", "/password"])
    assert wired.state() == before


@pytest.mark.parametrize("role", ["emperor", "", "OWNER", None, ["owner"]])
def test_there_are_three_roles(api: Api, role: object) -> None:
    assert api.post("/v1/users", new_user("mary@example.com", role=role)).pointers == ["/role"]


def test_an_address_is_unique_over_all_accounts(api: Api, visitor: Api, wired: MemoryWired) -> None:
    eve = visitor.signed_up("eve@example.com")
    mary = api.add_user("mary@example.com")
    before = wired.state()

    answers = [
        api.post("/v1/users", new_user("EVE@example.com ")),
        api.patch(f"/v1/users/{mary.user_id}", {"email": "eve@example.com"}),
        api.put(f"/v1/users/{mary.user_id}", {"name": "Mary", "email": "ada@example.com", "role": "member"}),
        eve.post("/v1/users", new_user("mary@example.com")),
        visitor.post("/v1/accounts", sign_up(email="mary@example.com")),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(409, "email_taken")] * 5
    assert wired.state() == before


def test_a_user_is_replaced_as_a_whole_and_patched_in_part(api: Api, wired: MemoryWired) -> None:
    mary = api.add_user("mary@example.com")
    address = f"/v1/users/{mary.user_id}"
    wired.clock.advance(minutes=1)

    replaced = user_of(api.put(address, {"name": "Mary S.", "email": "m@example.com", "role": "admin"}))
    patched = user_of(api.patch(address, {"name": "Mary"}))

    assert (replaced["name"], replaced["email"], replaced["role"]) == ("Mary S.", "m@example.com", "admin")
    assert (patched["name"], patched["email"], patched["role"]) == ("Mary", "m@example.com", "admin")
    assert patched["updated_at"] == "2026-11-20T09:31:00Z"
    assert api.put(address, {"name": "Mary"}).status == 422


@pytest.mark.parametrize("member", ["password", "password_hash", "password_version", "id", "account_id", "version"])
def test_nothing_else_of_a_user_can_be_set(api: Api, wired: MemoryWired, member: str) -> None:
    mary = api.add_user("mary@example.com")
    before = wired.state()

    answer = api.patch(f"/v1/users/{mary.user_id}", {member: "x" * 12})

    assert answer.pointers == [f"/{member}"]
    assert wired.state() == before


def test_a_new_address_is_signed_in_with_and_the_old_one_is_free(api: Api, visitor: Api) -> None:
    mary = api.add_user("mary@example.com")

    api.patch(f"/v1/users/{mary.user_id}", {"email": "m@example.com"})

    assert api.signed_in("m@example.com").get("/v1/me").json["id"] == mary.user_id
    assert visitor.post("/v1/tokens", {"email": "mary@example.com", "password": PASSWORD}).status == 401
    visitor.signed_up("mary@example.com")


def test_a_removed_user_is_answered_as_it_last_was_and_its_work_stays(api: Api, visitor: Api) -> None:
    client_id = api.add_client()
    mary = api.add_user("mary@example.com")
    entry = mary.log(client_id, "2026-11-18")
    user = mary.get("/v1/me").json

    answer = api.delete(f"/v1/users/{mary.user_id}")

    assert user_of(answer) == user
    assert api.get(f"/v1/users/{mary.user_id}").status == 404
    assert api.delete(f"/v1/users/{mary.user_id}").status == 404
    assert names(api) == ["Ada Lovelace"]
    assert api.get(f"/v1/work/{entry}").json["user_id"] == mary.user_id
    assert api.issue(client_id, "2026-11-20")["duration_seconds"] == 3600
    assert visitor.post("/v1/tokens", {"email": "mary@example.com", "password": PASSWORD}).code == "invalid_credentials"


def test_a_removed_user_s_token_ends(api: Api) -> None:
    mary = api.add_user("mary@example.com")
    assert mary.get("/v1/clients").status == 200

    api.delete(f"/v1/users/{mary.user_id}")

    assert (mary.get("/v1/clients").status, mary.get("/v1/clients").code) == (401, "unauthenticated")


def test_a_new_role_holds_for_tokens_that_are_out_already(api: Api) -> None:
    mary = api.add_user("mary@example.com", "admin")
    assert mary.post("/v1/users", new_user("fanny@example.com")).status == 201

    api.patch(f"/v1/users/{mary.user_id}", {"role": "member"})

    assert mary.post("/v1/users", new_user("sophie@example.com")).status == 403
    claims = jwt.decode(mary.token or "", options={"verify_signature": False})
    assert claims["roles"] == ["admin"], "the token still says so"


# An admin is below an owner


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_admin_cannot_touch_an_owner(api: Api, wired: MemoryWired, method: str) -> None:
    admin = api.add_user("mary@example.com", "admin")
    before = wired.state()
    bodies = {"PUT": {"name": "A", "email": "a@example.com", "role": "owner"}, "PATCH": {"name": "A"}, "DELETE": None}

    answer = admin.call(method, f"/v1/users/{api.user_id}", bodies[method])

    assert (answer.status, answer.code) == (403, "forbidden")
    assert wired.state() == before


@pytest.mark.parametrize("whom", ["themselves", "a member", "somebody new"])
def test_an_admin_makes_nobody_an_owner(api: Api, wired: MemoryWired, whom: str) -> None:
    admin, member = api.add_user("mary@example.com", "admin"), api.add_user("fanny@example.com")
    before = wired.state()

    if whom == "somebody new":
        answer = admin.post("/v1/users", new_user("sophie@example.com", role="owner"))
    else:
        user_id = admin.user_id if whom == "themselves" else member.user_id
        answer = admin.patch(f"/v1/users/{user_id}", {"role": "owner"})

    assert (answer.status, answer.code) == (403, "forbidden")
    assert wired.state() == before


def test_an_admin_manages_admins_and_members(api: Api) -> None:
    admin, other = api.add_user("mary@example.com", "admin"), api.add_user("fanny@example.com", "admin")

    made(admin.post("/v1/users", new_user("sophie@example.com", role="admin")))
    assert admin.patch(f"/v1/users/{other.user_id}", {"role": "member"}).status == 200
    assert admin.delete(f"/v1/users/{other.user_id}").status == 200


def test_an_owner_makes_owners_and_takes_the_role_away(api: Api) -> None:
    mary = api.add_user("mary@example.com")

    assert api.patch(f"/v1/users/{mary.user_id}", {"role": "owner"}).status == 200
    assert mary.patch(f"/v1/users/{api.user_id}", {"role": "member"}).status == 200
    assert api.patch(f"/v1/users/{mary.user_id}", {"role": "member"}).status == 403


def test_the_last_owner_can_neither_go_nor_be_demoted(api: Api, wired: MemoryWired) -> None:
    api.add_user("mary@example.com", "admin")
    before = wired.state()
    address = f"/v1/users/{api.user_id}"

    answers = [
        api.delete(address),
        api.patch(address, {"role": "admin"}),
        api.put(address, {"name": "Ada", "email": "ada@example.com", "role": "member"}),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(409, "last_owner")] * 3
    assert wired.state() == before


# Passwords


def test_a_new_password_answers_a_token_and_ends_all_that_were_issued_before(api: Api, visitor: Api) -> None:
    elsewhere = api.signed_in("ada@example.com")

    answer = change_password(api)

    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in"}
    assert replace(api, token=answer.json["access_token"]).get("/v1/me").json["id"] == api.user_id
    assert [one.get("/v1/me").status for one in (api, elsewhere)] == [401, 401]
    assert visitor.post("/v1/tokens", {"email": "ada@example.com", "password": PASSWORD}).status == 401
    assert api.signed_in("ada@example.com", NEW_PASSWORD).get("/v1/me").status == 200


def test_a_password_may_be_changed_to_the_same_and_tokens_end_all_the_same(api: Api) -> None:
    assert change_password(api, new=PASSWORD).status == 200
    assert api.get("/v1/me").status == 401


def test_another_user_s_tokens_are_not_touched(api: Api) -> None:
    mary = api.add_user("mary@example.com")

    change_password(api)

    assert mary.get("/v1/me").status == 200


@pytest.mark.parametrize("current", ["not the password", "", PASSWORD.upper(), PASSWORD + " "])
def test_a_wrong_current_password_is_a_fault_of_the_body_and_not_of_the_token(
    api: Api, wired: MemoryWired, current: str
) -> None:
    before = wired.state()

    answer = change_password(api, current=current)

    assert (answer.status, answer.code, answer.pointers) == (422, "invalid", ["/current"])
    assert wired.state() == before
    assert api.get("/v1/me").status == 200


@pytest.mark.parametrize(
    "new", ["", "x" * 11, "x" * 129, "x" * 1025, "e\u0301" * 11, None, 123456789012, ["x" * 12], {"x": "x" * 12}]
)
@pytest.mark.parametrize("current", [PASSWORD, "not the password"])
def test_a_new_password_has_12_to_128_characters(api: Api, wired: MemoryWired, new: object, current: str) -> None:
    """And whether the current one is right is not told before that."""
    before = wired.state()

    answer = api.put("/v1/me/password", {"current": current, "new": new})

    assert (answer.status, answer.pointers) == (422, ["/new"])
    assert wired.state() == before
    assert len(wired.passwords.checked) == 0


def test_no_answer_about_users_holds_a_password_or_its_hash(api: Api) -> None:
    mary = api.add_user("mary@example.com")
    answers = [
        api.get("/v1/users"),
        mary.get("/v1/me"),
        change_password(mary),
        api.patch(f"/v1/users/{mary.user_id}", {"name": "M"}),
        api.delete(f"/v1/users/{mary.user_id}"),
    ]

    for answer in answers:
        assert answer.status == 200
        for secret in (PASSWORD, NEW_PASSWORD, "password", "plain:"):
            assert secret.encode() not in answer.body


# Between the authorizer's answer and the route


def test_who_goes_within_the_minute_that_the_gateway_remembers_is_nobody_to_their_own_routes(
    api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    mary = api.add_user("mary@example.com", "admin")
    remembered = wired.store.access.standing(api.account_id, mary.user_id)
    api.delete(f"/v1/users/{mary.user_id}")
    monkeypatch.setattr(wired.store.access, "standing", lambda *_: remembered)

    answers = [mary.get("/v1/me"), change_password(mary), mary.post("/v1/users", new_user("mallory@example.com"))]

    assert [(answer.status, answer.code) for answer in answers] == [(401, "unauthenticated")] * 3


def test_who_is_demoted_cannot_use_the_minute_that_the_gateway_remembers_to_come_back(
    api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    mary = api.add_user("mary@example.com", "owner")
    remembered = wired.store.access.standing(api.account_id, mary.user_id)
    api.patch(f"/v1/users/{mary.user_id}", {"role": "member"})
    monkeypatch.setattr(wired.store.access, "standing", lambda *_: remembered)
    before = wired.state()

    answers = [
        mary.patch(f"/v1/users/{mary.user_id}", {"role": "owner"}),
        mary.post("/v1/users", new_user("mallory@example.com", role="owner")),
        mary.delete(f"/v1/users/{api.user_id}"),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(403, "forbidden")] * 3
    assert wired.state() == before


def test_while_the_table_does_not_answer_nobody_is_refused_as_unknown(
    api: Api, wired: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway answers 500 to whatever the authorizer raises but its one word."""

    def unavailable(*_: str) -> None:
        raise Unavailable

    monkeypatch.setattr(wired.store.access, "standing", unavailable)

    with pytest.raises(Unavailable):
        api.get("/v1/me")
