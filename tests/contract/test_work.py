from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.clients import HourlyRate, archive
from chalicelib.domain.errors import ClientArchived, Contended, NotFound, TimerRunning, WorkEntryBilled, WorkSheetFull
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.work import Calendar, LoggedWork, Span, WorkChange, WorkEntry, WorkFilter, WorkSheet
from tests.builders import NOW, a_client, a_timed_entry, a_timer, a_user, an_account, an_entry, at
from tests.contract.stores import MakeStore, Store, credited, drawn_up, log, opened


@pytest.fixture(autouse=True)
def two_clients(store: Store) -> None:
    opened(store)
    store.clients.add(a_client("cli_1"))
    store.clients.add(a_client("cli_2", rate=Decimal("60.00"), currency="USD"))


def edited(entry: WorkEntry, **changes: object) -> WorkEntry:
    return replace(entry, version=entry.version + 1, **changes)  # type: ignore[arg-type]


def sheet(store: Store, client_id: str = "cli_1", month: str = "2026-01") -> WorkSheet:
    (found,) = store.work.sheets("acc_1", client_id, [month])
    return found


def calendar_version(store: Store, user_id: str = "usr_1") -> int:
    return store.work.calendar("acc_1", user_id, NOW, NOW).version


def listed(store: Store, wanted: WorkFilter | None = None, *, limit: int = 100) -> list[str]:
    return [work.entry.id for work in store.work.page("acc_1", wanted or WorkFilter(), PageRequest(limit=limit)).items]


def paged(store: Store, wanted: WorkFilter, *, limit: int) -> list[list[str]]:
    """All pages; each must take up exactly where the last one ended."""
    pages: list[list[str]] = []
    after: str | None = None
    while True:
        page = store.work.page("acc_1", wanted, PageRequest(limit=limit, after=after))
        pages.append([work.entry.id for work in page.items])
        if page.next is None:
            return pages
        after = page.next


def billed(store: Store, *entries: WorkEntry, invoice_id: str = "inv_1") -> None:
    """Logs the entries and issues an invoice for all that is open."""
    log(store, *entries)
    store.ledger.issue(drawn_up(store, date(2026, 12, 31), invoice_id=invoice_id))


def only(*entry_ids: str) -> frozenset[str]:
    return frozenset(entry_ids)


# Logging


@pytest.mark.parametrize("entry", [an_entry(), a_timed_entry(), an_entry(description=""), an_entry(billable=False)])
def test_an_entry_comes_back_as_it_was_logged(store: Store, entry: WorkEntry) -> None:
    log(store, entry)

    assert store.work.get("acc_1", "wrk_1") == LoggedWork(entry=entry, rate=Decimal(95), currency="EUR", invoice_id=None)


def test_an_entry_shows_the_rate_that_holds_on_its_day(store: Store) -> None:
    client = a_client("cli_1")
    rates = (HourlyRate(rate=Decimal("80.00")), HourlyRate(rate=Decimal("95.50"), valid_from=date(2026, 3, 1)))
    store.clients.save(replace(client, rates=rates, version=2))
    log(store, an_entry("wrk_1", day=date(2026, 2, 28)), an_entry("wrk_2", day=date(2026, 3, 1)))

    assert [str(store.work.get("acc_1", entry_id).rate) for entry_id in ("wrk_1", "wrk_2")] == ["80.00", "95.50"]


def test_an_entry_id_is_given_out_once(store: Store) -> None:
    log(store, an_entry())

    with pytest.raises(Contended):
        log(store, an_entry(description="another"))

    assert store.work.get("acc_1", "wrk_1").entry == an_entry()
    assert sheet(store).version == 1


def test_a_billable_entry_opens_on_the_sheet_of_its_month(store: Store) -> None:
    log(store, an_entry("wrk_1", day=date(2026, 1, 31)), an_entry("wrk_2", day=date(2026, 2, 1)))

    assert [
        (one.month, one.open, one.version) for one in store.work.sheets("acc_1", "cli_1", ["2026-02", "2026-01", "2025-12"])
    ] == [
        ("2026-02", {"wrk_2"}, 1),
        ("2026-01", {"wrk_1"}, 1),
        ("2025-12", frozenset(), 0),
    ]


def test_work_that_is_not_billable_stands_on_no_sheet(store: Store) -> None:
    log(store, an_entry(billable=False))

    assert sheet(store) == WorkSheet(account_id="acc_1", client_id="cli_1", month="2026-01")
    assert listed(store) == ["wrk_1"]


@pytest.mark.parametrize("change", [WorkChange(new=an_entry(client_id="cli_3")), WorkChange(new=an_entry(account_id="acc_2"))])
def test_work_for_a_client_that_never_was_is_refused(store: Store, change: WorkChange) -> None:
    with pytest.raises(NotFound):
        store.work.commit(change)

    assert listed(store) == []


def test_work_for_an_archived_client_is_refused_with_nothing_written(store: Store) -> None:
    store.clients.save(archive(a_client("cli_1"), now=NOW))

    with pytest.raises(ClientArchived):
        log(store, a_timed_entry())

    with pytest.raises(NotFound):
        store.work.get("acc_1", "wrk_1")
    assert (listed(store), sheet(store).version, calendar_version(store)) == ([], 0, 0)


def test_a_full_sheet_takes_no_more(make_store: MakeStore, store: Store) -> None:
    small = make_store(max_entries_on_sheet=2)
    if small is not store:
        _fill_like(small)
    log(small, an_entry("wrk_1"), an_entry("wrk_2"))

    with pytest.raises(WorkSheetFull):
        log(small, an_entry("wrk_3"))

    log(small, an_entry("wrk_4", day=date(2026, 2, 1)), an_entry("wrk_5", billable=False), an_entry("wrk_6", client_id="cli_2"))
    assert sheet(small).open == {"wrk_1", "wrk_2"}


def _fill_like(store: Store) -> None:
    """A store of its own, where there is one, has nothing yet."""
    try:
        store.accounts.get("acc_1")
    except NotFound:
        opened(store)
        store.clients.add(a_client("cli_1"))
        store.clients.add(a_client("cli_2"))


def test_billed_entries_take_room_on_a_sheet_too(make_store: MakeStore) -> None:
    small = make_store(max_entries_on_sheet=2)
    _fill_like(small)
    billed(small, an_entry("wrk_1"), an_entry("wrk_2"))

    with pytest.raises(WorkSheetFull):
        log(small, an_entry("wrk_3"))


def test_room_that_is_made_can_be_taken(make_store: MakeStore) -> None:
    small = make_store(max_entries_on_sheet=2)
    _fill_like(small)
    log(small, an_entry("wrk_1"), an_entry("wrk_2"))
    small.work.commit(WorkChange(old=an_entry("wrk_1")))

    log(small, an_entry("wrk_3"))

    with pytest.raises(WorkSheetFull):
        small.work.commit(WorkChange(old=None, new=an_entry("wrk_4")))
    assert sheet(small).open == {"wrk_2", "wrk_3"}


def test_an_entry_stays_on_a_full_sheet_when_it_is_edited(make_store: MakeStore) -> None:
    small = make_store(max_entries_on_sheet=1)
    _fill_like(small)
    log(small, an_entry())

    small.work.commit(WorkChange(old=an_entry(), new=edited(an_entry(), description="Difference engine")))

    assert small.work.get("acc_1", "wrk_1").entry.description == "Difference engine"


# Editing and removing


def test_an_edited_entry_replaces_the_version_before(store: Store) -> None:
    log(store, a_timed_entry())
    dated = edited(an_entry(), description="by the minute", duration_seconds=600)

    store.work.commit(WorkChange(old=a_timed_entry(), new=dated))

    assert store.work.get("acc_1", "wrk_1").entry == dated
    assert sheet(store) == WorkSheet(
        account_id="acc_1", client_id="cli_1", month="2026-01", open=frozenset({"wrk_1"}), version=2
    )


def test_a_stale_edit_is_refused_with_nothing_written(store: Store) -> None:
    log(store, an_entry())
    first = edited(an_entry(), description="first")
    store.work.commit(WorkChange(old=an_entry(), new=first))

    with pytest.raises(Contended):
        store.work.commit(WorkChange(old=an_entry(), new=edited(an_entry(), day=date(2026, 2, 1))))

    assert store.work.get("acc_1", "wrk_1").entry == first
    assert (sheet(store).open, sheet(store, month="2026-02").open, listed(store)) == (only("wrk_1"), only(), ["wrk_1"])


def test_an_entry_moves_with_its_day_to_another_sheet_and_place(store: Store) -> None:
    log(store, an_entry("wrk_1", day=date(2026, 1, 5)), an_entry("wrk_2", day=date(2026, 1, 6)))

    store.work.commit(WorkChange(old=an_entry("wrk_1"), new=edited(an_entry("wrk_1"), day=date(2026, 2, 1))))

    assert (sheet(store).open, sheet(store, month="2026-02").open) == (only("wrk_2"), only("wrk_1"))
    assert (sheet(store).version, sheet(store, month="2026-02").version) == (3, 1)
    assert listed(store) == ["wrk_1", "wrk_2"]


def test_an_entry_moves_to_another_client(store: Store) -> None:
    log(store, an_entry())

    store.work.commit(WorkChange(old=an_entry(), new=edited(an_entry(), client_id="cli_2")))

    assert (sheet(store, "cli_1").open, sheet(store, "cli_2").open) == (only(), only("wrk_1"))
    assert store.work.get("acc_1", "wrk_1").currency == "USD"
    assert store.clients.get("acc_1", "cli_2").has_work
    assert listed(store, WorkFilter(client_id="cli_2")) == ["wrk_1"]
    assert listed(store, WorkFilter(client_id="cli_1")) == []


def test_an_entry_does_not_move_to_an_archived_client_or_one_that_never_was(store: Store) -> None:
    log(store, an_entry())
    store.clients.save(archive(a_client("cli_2", rate=Decimal("60.00"), currency="USD"), now=NOW))

    with pytest.raises(ClientArchived):
        store.work.commit(WorkChange(old=an_entry(), new=edited(an_entry(), client_id="cli_2")))
    with pytest.raises(NotFound):
        store.work.commit(WorkChange(old=an_entry(), new=edited(an_entry(), client_id="cli_3")))

    assert store.work.get("acc_1", "wrk_1").entry == an_entry()
    assert sheet(store).version == 1


def test_an_entry_leaves_its_sheet_when_it_is_not_billable_any_more_and_comes_back(store: Store) -> None:
    log(store, an_entry())
    unbillable = edited(an_entry(), billable=False)

    store.work.commit(WorkChange(old=an_entry(), new=unbillable))
    assert sheet(store).open == frozenset()

    store.work.commit(WorkChange(old=unbillable, new=edited(unbillable, billable=True)))
    assert sheet(store).open == {"wrk_1"}


def test_a_removed_entry_leaves_nothing_behind(store: Store) -> None:
    log(store, a_timed_entry())

    store.work.commit(WorkChange(old=a_timed_entry()))

    with pytest.raises(NotFound):
        store.work.get("acc_1", "wrk_1")
    assert (listed(store), sheet(store).open, sheet(store).version) == ([], frozenset(), 2)
    assert store.work.calendar("acc_1", "usr_1", at("2026-01-01"), at("2026-02-01")).spans == ()


def test_an_archived_clients_entries_can_still_be_removed(store: Store) -> None:
    log(store, an_entry())
    client = store.clients.get("acc_1", "cli_1")
    store.clients.save(archive(client, now=NOW))

    store.work.commit(WorkChange(old=an_entry()))

    assert listed(store) == []


@pytest.mark.parametrize("billable", [True, False])
def test_an_entry_that_is_gone_can_neither_be_edited_nor_removed(store: Store, billable: bool) -> None:
    entry = an_entry(billable=billable)
    log(store, entry)
    store.work.commit(WorkChange(old=entry))

    with pytest.raises(NotFound):
        store.work.commit(WorkChange(old=entry))
    with pytest.raises(NotFound):
        store.work.commit(WorkChange(old=entry, new=edited(entry)))


def test_an_entry_that_was_edited_since_it_was_read_is_not_removed(store: Store) -> None:
    log(store, an_entry())
    store.work.commit(WorkChange(old=an_entry(), new=edited(an_entry())))

    with pytest.raises(Contended):
        store.work.commit(WorkChange(old=an_entry()))


@pytest.mark.parametrize("account_id", ["acc_2", "acc_3"])
def test_another_accounts_entry_answers_like_one_that_never_was(store: Store, account_id: str) -> None:
    opened(store, an_account("acc_2"), a_user(account_id="acc_2", email="grace@example.com"))
    log(store, an_entry())
    other = an_entry(account_id=account_id)

    with pytest.raises(NotFound):
        store.work.get(account_id, "wrk_1")
    with pytest.raises(NotFound):
        store.work.commit(WorkChange(old=other))
    with pytest.raises(NotFound):
        store.work.commit(WorkChange(old=other, new=edited(other)))
    assert store.work.page(account_id, WorkFilter(), PageRequest()).items == ()
    assert store.work.get("acc_1", "wrk_1").entry == an_entry()


def test_a_change_without_any_entry_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="entry"):
        store.work.commit(WorkChange())


# Billed entries


def test_a_billed_entry_shows_its_invoice(store: Store) -> None:
    billed(store, an_entry())

    assert store.work.get("acc_1", "wrk_1").invoice_id == "inv_1"
    assert sheet(store).billed == {"inv_1": {"wrk_1"}}


@pytest.mark.parametrize(
    "new",
    [
        None,
        edited(an_entry(), description="more"),
        edited(an_entry(), day=date(2026, 2, 1)),
        edited(an_entry(), client_id="cli_2"),
        edited(an_entry(), billable=False),
    ],
)
def test_a_billed_entry_is_locked(store: Store, new: WorkEntry | None) -> None:
    billed(store, an_entry())

    with pytest.raises(WorkEntryBilled):
        store.work.commit(WorkChange(old=an_entry(), new=new))

    assert store.work.get("acc_1", "wrk_1").entry == an_entry()
    assert listed(store) == ["wrk_1"]


def test_a_credited_entry_can_be_edited_again(store: Store) -> None:
    billed(store, an_entry())
    store.ledger.credit(credited(store))

    store.work.commit(WorkChange(old=an_entry(), new=edited(an_entry(), description="more")))

    assert store.work.get("acc_1", "wrk_1").entry.description == "more"


def test_what_no_retry_can_mend_is_told_before_what_one_could(store: Store) -> None:
    billed(store, a_timed_entry())
    stale = calendar_version(store) - 1

    with pytest.raises(WorkEntryBilled):
        store.work.commit(
            WorkChange(old=a_timed_entry(), new=edited(a_timed_entry(), description="more"), calendar_version=stale)
        )


# Calendars


def spans(*entries: WorkEntry) -> tuple[Span, ...]:
    return tuple(
        Span(entry_id=entry.id, started_at=entry.started_at, ended_at=entry.ended_at)
        for entry in entries
        if entry.started_at and entry.ended_at
    )


def test_a_new_calendar_is_empty_and_of_version_0(store: Store) -> None:
    assert store.work.calendar("acc_1", "usr_1", at("2000-01-01"), at("2100-01-01")) == Calendar(spans=(), version=0)


def test_a_calendar_shows_what_touches_the_time_and_nothing_else(store: Store) -> None:
    before = a_timed_entry("wrk_1", started_at="2026-01-05T07:00:00", hours=2)
    into = a_timed_entry("wrk_2", started_at="2026-01-05T08:00:00", hours=1.5)
    within = a_timed_entry("wrk_3", started_at="2026-01-05T10:00:00", hours=1)
    out_of = a_timed_entry("wrk_4", started_at="2026-01-05T11:30:00", hours=2)
    after = a_timed_entry("wrk_5", started_at="2026-01-05T12:00:00", hours=2)
    around = a_timed_entry("wrk_6", started_at="2026-01-05T06:00:00", hours=20)
    somebody_else = a_timed_entry("wrk_7", started_at="2026-01-05T10:00:00", user_id="usr_2")
    no_hour = an_entry("wrk_8", day=date(2026, 1, 5))
    log(store, before, into, within, out_of, after, around, somebody_else, no_hour)

    found = store.work.calendar("acc_1", "usr_1", at("2026-01-05T09:00:00"), at("2026-01-05T12:00:00"))

    assert set(found.spans) == set(spans(into, within, out_of, around))
    assert found.version == 6


def test_a_calendar_shows_the_longest_work_there_can_be(store: Store) -> None:
    longest = a_timed_entry(started_at="2026-01-01T00:00:00", hours=31 * 24)
    log(store, longest)

    found = store.work.calendar("acc_1", "usr_1", at("2026-01-31T23:59:59"), at("2026-02-01T01:00:00"))

    assert found.spans == spans(longest)


def test_a_calendar_shows_the_longest_work_though_it_began_on_an_earlier_day_of_the_accounts_zone(store: Store) -> None:
    longest = a_timed_entry(started_at="2026-01-01T05:00:00", hours=31 * 24, day=date(2025, 12, 31))
    log(store, longest)

    found = store.work.calendar("acc_1", "usr_1", at("2026-02-01T04:00:00"), at("2026-02-01T06:00:00"))

    assert found.spans == spans(longest)


@pytest.mark.parametrize("day", [date(2026, 1, 4), date(2026, 1, 6)])
def test_a_calendar_shows_work_whose_day_is_another_in_the_accounts_zone(store: Store, day: date) -> None:
    entry = a_timed_entry(started_at="2026-01-05T00:30:00", hours=0.5, day=day)
    log(store, entry)

    found = store.work.calendar("acc_1", "usr_1", at("2026-01-05T00:00:00"), at("2026-01-05T01:00:00"))

    assert found.spans == spans(entry)


def test_whatever_changes_timed_work_moves_the_calendar_on(store: Store) -> None:
    timed, dated = a_timed_entry("wrk_1"), an_entry("wrk_2")
    untimed = edited(timed, started_at=None, ended_at=None)
    changes = [
        (WorkChange(new=timed), 1),
        (WorkChange(new=dated), 1),
        (WorkChange(old=timed, new=untimed), 2),
        (WorkChange(old=untimed, new=edited(untimed)), 2),
        (WorkChange(old=dated, new=a_timed_entry("wrk_2", version=2, started_at="2026-01-07T09:00:00")), 3),
        (WorkChange(old=a_timed_entry("wrk_2", version=2, started_at="2026-01-07T09:00:00")), 4),
    ]

    versions = []
    for change, _ in changes:
        store.work.commit(change)
        versions.append(calendar_version(store))

    assert versions == [version for _, version in changes]
    assert calendar_version(store, "usr_2") == 0


def test_work_checked_against_a_stale_calendar_is_refused_with_nothing_written(store: Store) -> None:
    store.work.commit(WorkChange(new=a_timed_entry("wrk_1"), calendar_version=0))

    with pytest.raises(Contended):
        store.work.commit(WorkChange(new=a_timed_entry("wrk_2"), calendar_version=0))

    assert listed(store) == ["wrk_1"]
    assert (sheet(store).open, calendar_version(store)) == (only("wrk_1"), 1)
    store.work.commit(WorkChange(new=a_timed_entry("wrk_2"), calendar_version=1))
    assert calendar_version(store) == 2


def test_calendars_of_two_users_do_not_hinder_each_other(store: Store) -> None:
    store.work.commit(WorkChange(new=a_timed_entry("wrk_1"), calendar_version=0))

    store.work.commit(WorkChange(new=a_timed_entry("wrk_2", user_id="usr_2"), calendar_version=0))

    assert listed(store) == ["wrk_2", "wrk_1"]


# Timers


def test_a_timer_runs_as_it_was_started(store: Store) -> None:
    store.timers.start(a_timer())

    assert store.timers.get("acc_1", "usr_1") == a_timer()


@pytest.mark.parametrize(("account_id", "user_id"), [("acc_1", "usr_2"), ("acc_2", "usr_1")])
def test_nobody_elses_timer_is_found(store: Store, account_id: str, user_id: str) -> None:
    store.timers.start(a_timer())

    with pytest.raises(NotFound):
        store.timers.get(account_id, user_id)


def test_a_second_timer_is_refused_and_the_first_runs_on(store: Store) -> None:
    store.timers.start(a_timer())

    with pytest.raises(TimerRunning):
        store.timers.start(a_timer(started_at=at("2026-01-10T10:00:00")))

    assert store.timers.get("acc_1", "usr_1") == a_timer()
    store.timers.start(a_timer(user_id="usr_2"))


def test_stopping_a_timer_logs_its_work_and_ends_it(store: Store) -> None:
    store.timers.start(a_timer())

    store.work.commit(WorkChange(new=a_timed_entry(), calendar_version=0, stopped=a_timer()))

    assert listed(store) == ["wrk_1"]
    with pytest.raises(NotFound):
        store.timers.get("acc_1", "usr_1")
    store.timers.start(a_timer())


def test_a_timer_that_was_stopped_already_logs_nothing(store: Store) -> None:
    store.timers.start(a_timer())
    store.work.commit(WorkChange(new=a_timed_entry("wrk_1"), stopped=a_timer()))

    with pytest.raises(NotFound):
        store.work.commit(WorkChange(new=a_timed_entry("wrk_2"), stopped=a_timer()))

    assert listed(store) == ["wrk_1"]


def test_another_timer_than_the_one_that_was_read_runs_on(store: Store) -> None:
    running = a_timer(started_at=at("2026-01-10T10:00:00"))
    store.timers.start(running)

    with pytest.raises(Contended):
        store.work.commit(WorkChange(new=a_timed_entry(), stopped=a_timer()))
    with pytest.raises(Contended):
        store.work.commit(WorkChange(new=a_timed_entry(), stopped=replace(running, description="something else")))

    assert store.timers.get("acc_1", "usr_1") == running
    assert listed(store) == []


def test_a_timer_whose_work_cannot_be_logged_runs_on(store: Store) -> None:
    store.timers.start(a_timer())

    with pytest.raises(Contended):
        store.work.commit(WorkChange(new=a_timed_entry(), calendar_version=7, stopped=a_timer()))

    assert store.timers.get("acc_1", "usr_1") == a_timer()


def test_a_client_cannot_be_removed_from_under_a_timer(store: Store) -> None:
    client = store.clients.get("acc_1", "cli_1")
    store.timers.start(a_timer())

    with pytest.raises(Contended):
        store.clients.remove(client)

    assert store.clients.get("acc_1", "cli_1").has_work


def test_a_timer_of_a_client_that_is_archived_meanwhile_can_be_stopped(store: Store) -> None:
    store.timers.start(a_timer())
    store.clients.save(archive(store.clients.get("acc_1", "cli_1"), now=NOW))

    store.work.commit(WorkChange(new=a_timed_entry(), stopped=a_timer()))

    assert listed(store) == ["wrk_1"]


def test_no_timer_starts_for_a_client_that_is_archived_or_not_there(store: Store) -> None:
    store.clients.save(archive(store.clients.get("acc_1", "cli_1"), now=NOW))

    with pytest.raises(ClientArchived):
        store.timers.start(a_timer())
    with pytest.raises(NotFound):
        store.timers.start(a_timer(client_id="cli_9"))
    with pytest.raises(NotFound):
        store.timers.get("acc_1", "usr_1")


# Lists


def test_work_is_listed_newest_day_first_and_what_has_no_hour_ends_its_day(store: Store) -> None:
    log(
        store,
        a_timed_entry("wrk_1", started_at="2026-01-05T09:00:00"),
        an_entry("wrk_2", day=date(2026, 1, 6)),
        an_entry("wrk_3", day=date(2026, 1, 5)),
        a_timed_entry("wrk_4", started_at="2026-01-05T13:00:00"),
        an_entry("wrk_5", day=date(2025, 12, 31)),
    )

    assert listed(store) == ["wrk_2", "wrk_4", "wrk_1", "wrk_3", "wrk_5"]


def days(first: int, last: int) -> WorkFilter:
    return WorkFilter(first_day=date(2026, 1, first), last_day=date(2026, 1, last))


@pytest.mark.parametrize(
    ("wanted", "entries"),
    [
        (WorkFilter(first_day=date(2026, 1, 6)), ["wrk_8", "wrk_7", "wrk_6"]),
        (WorkFilter(last_day=date(2026, 1, 5)), ["wrk_5", "wrk_4"]),
        (days(5, 6), ["wrk_6", "wrk_5"]),
        (days(5, 5), ["wrk_5"]),
        (days(6, 5), []),
        (days(9, 31), []),
    ],
)
def test_work_is_listed_from_a_day_through_a_day(store: Store, wanted: WorkFilter, entries: list[str]) -> None:
    log(store, *(an_entry(f"wrk_{day}", day=date(2026, 1, day)) for day in (4, 5, 7, 8)))
    log(store, a_timed_entry("wrk_6", started_at="2026-01-06T23:30:00"))

    assert listed(store, wanted) == entries


def test_no_filter_takes_days_at_the_ends_of_time_amiss(store: Store) -> None:
    log(store, an_entry())

    assert listed(store, WorkFilter(first_day=date.min, last_day=date.max)) == ["wrk_1"]


def test_pages_cover_the_list_once_without_gap_or_repeat(store: Store) -> None:
    entries = [an_entry(f"wrk_{number}", day=date(2026, 1, 1 + number // 2)) for number in range(7)]
    log(store, *entries)

    assert paged(store, WorkFilter(), limit=3) == [["wrk_6", "wrk_5", "wrk_4"], ["wrk_3", "wrk_2", "wrk_1"], ["wrk_0"]]
    assert paged(store, WorkFilter(), limit=7) == [["wrk_6", "wrk_5", "wrk_4", "wrk_3", "wrk_2", "wrk_1", "wrk_0"]]


def of_two_clients(count: int) -> list[WorkEntry]:
    """Every fifth is of the second client; an hour each, one after the other."""
    start = at("2026-01-01T00:00:00")
    return [
        a_timed_entry(
            f"wrk_{number:03d}",
            started_at=(start + timedelta(hours=number)).isoformat(),
            client_id="cli_2" if number % 5 == 0 else "cli_1",
        )
        for number in range(count)
    ]


@pytest.fixture
def reads_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that not much work is much to read."""
    monkeypatch.setattr("chalicelib.repositories.work._READ_AT_ONCE", 7)


@pytest.mark.usefixtures("reads_few_at_once")
def test_a_filtered_list_reads_on_until_its_page_is_full(store: Store) -> None:
    log(store, *of_two_clients(33))

    pages = paged(store, WorkFilter(client_id="cli_2"), limit=3)

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [entry for page in pages for entry in page] == [f"wrk_{number:03d}" for number in range(30, -1, -5)]


@pytest.mark.usefixtures("reads_few_at_once")
def test_the_list_of_billed_work_and_that_of_open_work_make_up_the_whole(store: Store) -> None:
    billed(store, *of_two_clients(25), an_entry("wrk_free", billable=False))
    log(store, *(an_entry(f"wrk_late_{number}", day=date(2026, 1, 1)) for number in range(5)))

    taken = paged(store, WorkFilter(billed=True), limit=10)
    left = paged(store, WorkFilter(billed=False), limit=10)

    assert [len(page) for page in taken] == [10, 10]
    assert {entry for page in taken for entry in page} == {f"wrk_{number:03d}" for number in range(25) if number % 5}
    assert {entry for page in left for entry in page} == {
        *(f"wrk_{number:03d}" for number in range(0, 25, 5)),
        "wrk_free",
        *(f"wrk_late_{number}" for number in range(5)),
    }


@pytest.mark.usefixtures("reads_few_at_once")
def test_the_list_of_open_work_reads_past_much_that_is_billed(store: Store) -> None:
    billed(store, *of_two_clients(25))

    assert paged(store, WorkFilter(billed=False), limit=3) == [["wrk_020", "wrk_015", "wrk_010"], ["wrk_005", "wrk_000"]]
    assert paged(store, WorkFilter(billed=False, client_id="cli_1"), limit=3) == [[]]


def test_all_filters_hold_together(store: Store) -> None:
    billed(store, *of_two_clients(30))

    wanted = WorkFilter(client_id="cli_1", billed=True, first_day=date(2026, 1, 2), last_day=date(2026, 1, 2))

    assert set(listed(store, wanted)) == {f"wrk_{number:03d}" for number in range(24, 30) if number % 5}


@pytest.mark.parametrize(
    "wanted", [WorkFilter(first_day=date(2026, 1, 4)), WorkFilter(last_day=date(2026, 1, 2)), WorkFilter()]
)
def test_a_position_outside_of_the_days_asked_for_leads_nowhere_wrong(store: Store, wanted: WorkFilter) -> None:
    log(store, *(an_entry(f"wrk_{day}", day=date(2026, 1, day)) for day in range(1, 6)))
    middle = store.work.page("acc_1", WorkFilter(), PageRequest(limit=3)).next

    page = store.work.page("acc_1", wanted, PageRequest(after=middle))

    everything = listed(store, wanted)
    assert [work.entry.id for work in page.items] == [entry for entry in everything if entry < "wrk_3"]


def test_a_list_shows_rates_and_invoices_of_every_client(store: Store) -> None:
    billed(store, an_entry("wrk_1"))
    log(store, an_entry("wrk_2", client_id="cli_2"), an_entry("wrk_3"))

    page = store.work.page("acc_1", WorkFilter(), PageRequest())

    assert [(work.entry.id, str(work.rate), work.currency, work.invoice_id) for work in page.items] == [
        ("wrk_3", "95", "EUR", None),
        ("wrk_2", "60.00", "USD", None),
        ("wrk_1", "95", "EUR", "inv_1"),
    ]
