"""Work and the running timer."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.http.api import Api, made
from tests.wired import MemoryWired

TIMED = {"started_at": "2026-11-19T09:00:00+01:00", "ended_at": "2026-11-19T13:00:00+01:00"}
NEVER = "wrk_01J00000000000000000000000"


def test_timed_work_is_answered_whole(api: Api) -> None:
    client_id = api.add_client()

    entry = made(api.post("/v1/work", {"client_id": client_id, "description": "Engine", **TIMED}))

    assert entry == {
        "id": entry["id"],
        "client_id": client_id,
        "user_id": api.user_id,
        "description": "Engine",
        "date": "2026-11-19",
        "started_at": "2026-11-19T08:00:00Z",
        "ended_at": "2026-11-19T12:00:00Z",
        "duration_seconds": 14_400,
        "billable": True,
        "rate": 95,
        "currency": "EUR",
        "billed": False,
        "invoice_id": None,
        "created_at": "2026-11-20T09:30:00Z",
        "updated_at": "2026-11-20T09:30:00Z",
    }
    assert entry["id"].startswith("wrk_")
    assert api.get(f"/v1/work/{entry['id']}").json == entry


def test_work_may_be_logged_as_minutes_on_a_day(api: Api) -> None:
    client_id = api.add_client()

    entry = made(api.post("/v1/work", {"client_id": client_id, "date": "2026-11-19", "minutes": 90, "billable": False}))

    assert (entry["date"], entry["duration_seconds"], entry["billable"]) == ("2026-11-19", 5_400, False)
    assert (entry["started_at"], entry["ended_at"]) == (None, None)


def test_the_day_of_work_is_the_accounts_own(api: Api) -> None:
    client_id = api.add_client()
    late = {"started_at": "2026-11-18T23:30:00Z", "ended_at": "2026-11-19T00:30:00Z"}

    assert made(api.post("/v1/work", {"client_id": client_id, **late}))["date"] == "2026-11-19"


def test_touching_ends_do_not_overlap_but_a_second_in_common_does(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()
    morning = made(api.post("/v1/work", {"client_id": client_id, **TIMED}))
    afternoon = {"started_at": "2026-11-19T13:00:00+01:00", "ended_at": "2026-11-19T17:00:00+01:00"}
    made(api.post("/v1/work", {"client_id": client_id, **afternoon}))
    before = wired.state()

    over = {"client_id": client_id, "started_at": "2026-11-19T08:00:00+01:00", "ended_at": "2026-11-19T09:00:01+01:00"}
    answer = api.post("/v1/work", over)

    assert (answer.status, answer.code) == (409, "work_overlaps")
    assert morning["id"] in answer.json["detail"]
    assert wired.state() == before
    assert api.post("/v1/work?allow_overlap=true", over).status == 201
    assert api.post("/v1/work?allow_overlap=false", over).status == 409


def test_an_entry_does_not_overlap_with_itself(api: Api) -> None:
    client_id = api.add_client()
    entry = made(api.post("/v1/work", {"client_id": client_id, **TIMED}))

    answer = api.put(f"/v1/work/{entry['id']}", {"client_id": client_id, "description": "Longer", **TIMED})

    assert (answer.status, answer.json["description"]) == (200, "Longer")


def test_two_users_work_at_the_same_time(api: Api, visitor: Api) -> None:
    """Two accounts here: calendars are a user's own."""
    other = visitor.signed_up("charles@example.com")

    for each in (api, other):
        assert each.post("/v1/work", {"client_id": each.add_client(), **TIMED}).status == 201


def test_an_edit_may_change_the_form_the_day_and_the_client(api: Api, wired: MemoryWired) -> None:
    first, second = api.add_client(), api.add_client(rate=120)
    entry_id = api.log(first, "2026-10-30")
    wired.clock.advance(minutes=5)

    edited = api.put(f"/v1/work/{entry_id}", {"client_id": second, **TIMED}).json

    assert (edited["client_id"], edited["date"], edited["rate"]) == (second, "2026-11-19", 120)
    assert (edited["created_at"], edited["updated_at"]) == ("2026-11-20T09:30:00Z", "2026-11-20T09:35:00Z")
    assert api.get(f"/v1/work/{entry_id}").json == edited
    assert api.get(f"/v1/work?client_id={first}").json == {"work": []}


def test_removed_work_is_answered_as_it_last_was(api: Api) -> None:
    entry_id = api.log(api.add_client(), "2026-11-02")
    last = api.get(f"/v1/work/{entry_id}").json

    answer = api.delete(f"/v1/work/{entry_id}")

    assert (answer.status, answer.json) == (200, last)
    assert api.get(f"/v1/work/{entry_id}").status == 404
    assert api.delete(f"/v1/work/{entry_id}").status == 404


def test_billed_work_is_locked(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()
    entry_id = api.log(client_id, "2026-11-02")
    invoice = api.issue(client_id, "2026-11-20")
    before = wired.state()

    for answer in (
        api.delete(f"/v1/work/{entry_id}"),
        api.put(f"/v1/work/{entry_id}", {"client_id": client_id, "date": "2026-11-02", "minutes": 1}),
    ):
        assert (answer.status, answer.code) == (409, "work_entry_billed")
        assert invoice["id"] in answer.json["detail"]
    assert wired.state() == before
    shown = api.get(f"/v1/work/{entry_id}").json
    assert (shown["billed"], shown["invoice_id"]) == (True, invoice["id"])


def test_work_is_listed_by_day_newest_first_and_filtered(api: Api) -> None:
    first, second = api.add_client(), api.add_client()
    october = api.log(first, "2026-10-31")
    early = api.log(first, "2026-11-01")
    late = api.log(second, "2026-11-15")

    def listed(query: str) -> list[str]:
        answer = api.get(f"/v1/work{query}")
        assert answer.status == 200
        return [entry["id"] for entry in answer.json["work"]]

    assert listed("") == [late, early, october]
    assert listed(f"?client_id={first}") == [early, october]
    assert listed("?from=2026-11-01&to=2026-11-01") == [early]
    assert listed("?from=2026-11-02") == [late]
    assert listed("?to=2026-10-31") == [october]
    assert listed("?from=2026-11-02&to=2026-11-01") == []

    api.issue(first, "2026-10-31")
    assert listed("?billed=true") == [october]
    assert listed("?billed=false") == [late, early]
    assert listed(f"?billed=false&client_id={first}") == [early]


def test_a_filtered_list_keeps_its_filter_from_page_to_page(api: Api) -> None:
    first, second = api.add_client(), api.add_client()
    wanted = [api.log(client, f"2026-11-{day:02d}") for day in range(1, 7) for client in (first, second)][::2]

    answer = api.get(f"/v1/work?limit=4&client_id={first}")
    query = answer.headers["Link"].partition(">")[0].removeprefix("<")
    rest = api.get(f"/v1/work{query}")

    assert [entry["id"] for entry in answer.json["work"] + rest.json["work"]] == wanted[::-1]
    assert "next" not in rest.json


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"ended_at": ...}, ""),
        ({"started_at": ...}, ""),
        ({"date": "2026-11-19"}, ""),
        ({"minutes": 5}, ""),
        ({"date": "2026-11-19", "minutes": 5}, ""),
        ({"started_at": ..., "ended_at": ...}, ""),
        ({"started_at": ..., "ended_at": ..., "date": "2026-11-19"}, ""),
        ({"started_at": "2026-11-19T09:00:00"}, "/started_at"),
        ({"started_at": "2026-11-19"}, "/started_at"),
        ({"started_at": "yesterday"}, "/started_at"),
        ({"started_at": 1_763_500_000}, "/started_at"),
        ({"started_at": "2026-11-19T09:00:00+99:99"}, "/started_at"),
        ({"started_at": "0001-01-01T00:00:00+23:59"}, "/started_at"),
        ({"started_at": "0001-01-01T00:00:00-23:59"}, "/started_at"),
        ({"started_at": "1999-12-31T23:59:59Z"}, "/started_at"),
        ({"ended_at": "9999-12-31T23:59:59-23:59"}, "/ended_at"),
        ({"ended_at": "9999-12-31T23:59:59+23:59"}, "/ended_at"),
        ({"ended_at": "2026-11-19T09:00:00+01:00"}, "/ended_at"),
        ({"ended_at": "2026-11-19T08:59:59+01:00"}, "/ended_at"),
        ({"ended_at": "2026-12-20T09:00:01+01:00"}, "/ended_at"),
        ({"started_at": ..., "ended_at": ..., "date": "2026-02-29", "minutes": 5}, "/date"),
        ({"started_at": ..., "ended_at": ..., "date": "1999-12-31", "minutes": 5}, "/date"),
        ({"started_at": ..., "ended_at": ..., "date": "2026-11-19", "minutes": 0}, "/minutes"),
        ({"started_at": ..., "ended_at": ..., "date": "2026-11-19", "minutes": 1441}, "/minutes"),
        ({"started_at": ..., "ended_at": ..., "date": "2026-11-19", "minutes": 10**400}, "/minutes"),
        ({"description": "x" * 501}, "/description"),
        ({"description": "\u0000"}, "/description"),
        ({"billable": "yes"}, "/billable"),
        ({"client_id": ...}, "/client_id"),
        ({"client_id": 7}, "/client_id"),
        ({"client_id": "x" * 65}, "/client_id"),
        ({"rate": 1000}, "/rate"),
        ({"user_id": "usr_1"}, "/user_id"),
    ],
)
def test_work_that_breaks_a_rule_is_refused_with_the_place(
    api: Api, wired: MemoryWired, changes: dict[str, Any], pointer: str
) -> None:
    client_id = api.add_client()
    body = {name: value for name, value in ({"client_id": client_id, **TIMED} | changes).items() if value is not ...}
    before = wired.state()

    answer = api.post("/v1/work", body)

    assert (answer.status, answer.pointers) == (422, [pointer])
    assert wired.state() == before


def test_the_day_on_which_the_clock_goes_back_has_25_hours(api: Api) -> None:
    client_id = api.add_client()

    assert api.post("/v1/work", {"client_id": client_id, "date": "2026-10-25", "minutes": 1500}).status == 201
    assert api.post("/v1/work", {"client_id": client_id, "date": "2026-10-24", "minutes": 1500}).status == 422


def test_a_timer_is_started_shown_and_stopped_into_an_entry(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()

    started = api.post("/v1/timer", {"client_id": client_id, "description": "Engine", "billable": False})
    wired.clock.advance(minutes=20, seconds=7)
    shown = api.get("/v1/timer")
    stopped = api.delete("/v1/timer")

    assert started.status == 201
    assert (
        shown.json
        == started.json
        == {
            "client_id": client_id,
            "description": "Engine",
            "billable": False,
            "started_at": "2026-11-20T09:30:00Z",
        }
    )
    assert stopped.status == 200
    assert api.get(f"/v1/work/{stopped.json['id']}").json == stopped.json
    assert (stopped.json["duration_seconds"], stopped.json["billable"]) == (1_207, False)
    assert (stopped.json["started_at"], stopped.json["ended_at"]) == ("2026-11-20T09:30:00Z", "2026-11-20T09:50:07Z")


def test_a_timer_can_be_stopped_although_its_client_was_put_away_meanwhile(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()
    api.post("/v1/timer", {"client_id": client_id})
    wired.clock.advance(minutes=5)

    put_away = api.delete(f"/v1/clients/{client_id}")
    stopped = api.delete("/v1/timer")

    assert put_away.json["archived"]
    assert (stopped.status, stopped.json["duration_seconds"]) == (200, 300)


def test_a_second_timer_is_refused_and_the_first_runs_on(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()
    api.post("/v1/timer", {"client_id": client_id})
    wired.clock.advance(minutes=5)

    answer = api.post("/v1/timer", {"client_id": client_id})

    assert (answer.status, answer.code) == (409, "timer_running")
    assert api.get("/v1/timer").json["started_at"] == "2026-11-20T09:30:00Z"


def test_without_a_timer_there_is_none_to_show_nor_to_stop(api: Api) -> None:
    for answer in (api.get("/v1/timer"), api.delete("/v1/timer")):
        assert (answer.status, answer.code) == (404, "not_found")


def test_a_timer_that_overlaps_runs_on_until_it_may(api: Api, wired: MemoryWired) -> None:
    client_id = api.add_client()
    api.post("/v1/timer", {"client_id": client_id})
    span = {"started_at": "2026-11-20T09:35:00Z", "ended_at": "2026-11-20T09:40:00Z"}
    made(api.post("/v1/work", {"client_id": client_id, **span}))
    wired.clock.advance(minutes=15)

    assert (api.delete("/v1/timer").status, api.get("/v1/timer").status) == (409, 200)
    assert api.delete("/v1/timer?allow_overlap=true").json["duration_seconds"] == 900
    assert api.get("/v1/timer").status == 404


def test_a_forgotten_timer_can_still_be_stopped(api: Api, wired: MemoryWired) -> None:
    api.post("/v1/timer", {"client_id": api.add_client()})
    wired.clock.at = datetime(2027, 11, 20, tzinfo=UTC)

    assert api.delete("/v1/timer").json["duration_seconds"] == 31 * 86_400


@pytest.mark.parametrize("changes", [{"started_at": "2026-11-20T09:00:00Z"}, {"description": 5}, {"billable": None}])
def test_a_timer_takes_no_more_than_it_knows(api: Api, changes: dict[str, Any]) -> None:
    answer = api.post("/v1/timer", {"client_id": api.add_client(), **changes})

    assert (answer.status, answer.pointers) == (422, [f"/{name}" for name in changes])
    assert api.get("/v1/timer").status == 404
