"""Work, its sheets, its users' calendars and running timers, in DynamoDB."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from chalicelib.domain.clients import Client
from chalicelib.domain.errors import (
    ClientArchived,
    Contended,
    DaybookError,
    NotFound,
    TimerRunning,
    WorkEntryBilled,
    WorkSheetFull,
)
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.work import (
    MAX_ENTRIES_ON_SHEET,
    Calendar,
    LoggedWork,
    Span,
    Timer,
    WorkChange,
    WorkEntry,
    WorkFilter,
    WorkSheet,
    logged,
)
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, members, to_item
from chalicelib.repositories.pages import first_page
from chalicelib.repositories.table import Table
from chalicelib.repositories.work_change import Place, entry_of, moves_calendar, sheets_of
from chalicelib.repositories.writes import Refused, Write, add, always_contended, delete, put, update

_READ_AT_ONCE = 100
"""Places in the list of days, where a filter lets only some of them through."""


class DynamoWork:
    def __init__(self, table: Table, *, max_entries_on_sheet: int = MAX_ENTRIES_ON_SHEET) -> None:
        self._table = table
        self._max_entries_on_sheet = max_entries_on_sheet

    def get(self, account_id: str, entry_id: str) -> LoggedWork:
        entry = from_item(self._table.find(keys.work(account_id, entry_id)), WorkEntry)
        (work,) = self._logged([entry])
        return work

    def page(self, account_id: str, wanted: WorkFilter, request: PageRequest) -> Page[LoggedWork]:
        places = first_page(self._places(account_id, wanted, request), request.limit, lambda place: str(place["sk"]))
        entry_keys = [keys.work(account_id, place["entry_id"]) for place in places.items]
        kept = self._table.get_all(entry_keys)
        entries = [from_item(kept[key], WorkEntry) for key in entry_keys if key in kept]
        return Page(items=self._logged(entries), next=places.next)

    def _places(self, account_id: str, wanted: WorkFilter, request: PageRequest) -> Iterator[Item]:
        """The places in the list of days that are wanted, newest first."""
        filters = {} if wanted.client_id is None else {"client_id": wanted.client_id}
        filtered = wanted.client_id is not None or wanted.billed is not None
        places = self._table.query(
            keys.workdays(account_id, wanted.first_day, wanted.last_day),
            newest_first=True,
            after=request.after,
            where="#client_id = :client_id" if filters else "",
            page_size=max(request.limit + 1, _READ_AT_ONCE) if filtered else request.limit + 1,
            **filters,
        )
        return places if wanted.billed is None else self._by_billing(account_id, places, billed=wanted.billed)

    def _by_billing(self, account_id: str, places: Iterator[Item], *, billed: bool) -> Iterator[Item]:
        """Reads on until enough is found; keeps no more than the sheets of so many places at a time."""
        while some := list(islice(places, _READ_AT_ONCE)):
            sheets = {
                place["entry_id"]: keys.sheet(account_id, place["client_id"], place["month"])
                for place in some
                if place["billable"]
            }
            on_invoices = {
                key: frozenset[str]().union(*sheet["billed"].values())
                for key, sheet in self._table.get_all(sheets.values()).items()
            }
            for place in some:
                entry_id = place["entry_id"]
                is_billed = entry_id in sheets and entry_id in on_invoices.get(sheets[entry_id], frozenset())
                if is_billed == billed:
                    yield place

    def _logged(self, entries: Sequence[WorkEntry]) -> tuple[LoggedWork, ...]:
        clients = {entry.id: keys.client(entry.account_id, entry.client_id) for entry in entries}
        sheets = {entry.id: keys.sheet(entry.account_id, entry.client_id, entry.month) for entry in entries}
        kept = self._table.get_all([*clients.values(), *sheets.values()])
        return tuple(
            logged(
                entry,
                _sheet(kept.get(sheets[entry.id]), entry.account_id, entry.client_id, entry.month),
                from_item(kept[clients[entry.id]], Client),
            )
            for entry in entries
        )

    def calendar(self, account_id: str, user_id: str, since: datetime, until: datetime) -> Calendar:
        """The version is read first: whatever comes in afterwards moves it on, and the spans are no older than it."""
        version = (self._table.get(keys.calendar(account_id, user_id)) or {}).get("version", 0)
        places = self._table.query(
            keys.workdays_touching(account_id, since, until),
            where="#user_id = :user_id AND #started_at < :until AND #ended_at > :since",
            user_id=user_id,
            since=keys.instant(since),
            until=keys.instant(until),
        )
        return Calendar(spans=tuple(from_item(place, Span) for place in places), version=version)

    def sheets(self, account_id: str, client_id: str, months: Sequence[str]) -> tuple[WorkSheet, ...]:
        wanted = {month: keys.sheet(account_id, client_id, month) for month in months}
        kept = self._table.get_all(wanted.values())
        return tuple(_sheet(kept.get(wanted[month]), account_id, client_id, month) for month in months)

    def commit(self, change: WorkChange) -> None:
        entry = entry_of(change)
        writes = [_entry_write(change), *_place_writes(change)]
        writes += [self._sheet_write(entry, *sheet, place) for sheet, place in sheets_of(change).items()]
        if moves_calendar(change):
            writes.append(_calendar_write(entry, change.calendar_version))
        if change.new is not None:
            archived_too = change.stopped is not None
            writes.append(_client_write(change.new.account_id, change.new.client_id, archived_too=archived_too))
        if change.stopped is not None:
            writes.append(_timer_write(change.stopped))
        self._table.transact(*writes)

    def _sheet_write(self, entry: WorkEntry, client_id: str, month: str, place: Place) -> Write:
        key = keys.sheet(entry.account_id, client_id, month)
        if not place.was:
            return update(
                key,
                "SET #type = :type, #account_id = :account_id, #client_id = :client_id, #month = :month,"
                " #billed = if_not_exists(#billed, :no_invoices) ADD #version :one, #entries :one, #open :this",
                condition="attribute_not_exists(#entries) OR #entries < :most",
                refused=lambda _: WorkSheetFull(),
                type="sheet",
                account_id=entry.account_id,
                client_id=client_id,
                month=month,
                no_invoices={},
                one=1,
                this={entry.id},
                most=self._max_entries_on_sheet,
            )
        still_open = "contains(#open, :id)"
        refused = _billed_or_contended(entry)
        if place.will_be:
            return update(key, "ADD #version :one", condition=still_open, refused=refused, one=1, id=entry.id)
        return update(
            key,
            "ADD #version :one, #entries :minus_one DELETE #open :this",
            condition=still_open,
            refused=refused,
            one=1,
            minus_one=-1,
            this={entry.id},
            id=entry.id,
        )


class DynamoTimers:
    def __init__(self, table: Table) -> None:
        self._table = table

    def start(self, timer: Timer) -> None:
        item = to_item(keys.timer(timer.account_id, timer.user_id), "timer", timer)
        self._table.transact(
            add(item, refused=lambda _: TimerRunning()),
            _client_write(timer.account_id, timer.client_id, archived_too=False),
        )

    def get(self, account_id: str, user_id: str) -> Timer:
        return from_item(self._table.find(keys.timer(account_id, user_id)), Timer)


def _entry_write(change: WorkChange) -> Write:
    if change.new is None:
        old = entry_of(change)
        return delete(keys.work(old.account_id, old.id), condition="#version = :before", before=old.version)
    item = to_item(keys.work(change.new.account_id, change.new.id), "work", change.new)
    if change.old is None:
        return add(item)
    return put(item, condition="#version = :before", before=change.old.version)


def _place_writes(change: WorkChange) -> Iterator[Write]:
    """The entry's place in the list of days. Whoever has the entry's version has its place too: no condition is needed."""
    old, new = change.old, change.new
    if old is not None and (new is None or keys.workday(old) != keys.workday(new)):
        yield delete(keys.workday(old))
    if new is not None:
        yield put(_place(new))


def _place(entry: WorkEntry) -> Item:
    """`entry_id`, not `id`: the stream tells of the entry itself."""
    plain = members(entry)
    shown = ("account_id", "client_id", "user_id", "billable", "started_at", "ended_at")
    place = {name: plain[name] for name in shown if plain[name] is not None}
    return {**keys.workday(entry)._asdict(), "type": "workday", "entry_id": entry.id, "month": entry.month, **place}


def _calendar_write(entry: WorkEntry, version: int | None) -> Write:
    values: dict[str, Any] = {"type": "calendar", "account_id": entry.account_id, "user_id": entry.user_id, "one": 1}
    if version:
        values["version"] = version
    return update(
        keys.calendar(entry.account_id, entry.user_id),
        "SET #type = :type, #account_id = :account_id, #user_id = :user_id ADD #version :one",
        condition="" if version is None else "#version = :version" if version else "attribute_not_exists(#version)",
        refused=always_contended,
        **values,
    )


def _client_write(account_id: str, client_id: str, *, archived_too: bool) -> Write:
    """The mark keeps the client from being removed; set again it changes nothing, and the stream tells of nothing."""
    there = "attribute_exists(#pk)"
    return update(
        keys.client(account_id, client_id),
        "SET #has_work = :yes",
        condition=there if archived_too else f"{there} AND attribute_not_exists(#archived_at)",
        refused=lambda kept: NotFound() if kept is None else ClientArchived(),
        yes=True,
    )


def _timer_write(timer: Timer) -> Write:
    """Only the very timer that was read: by now another may be running."""
    plain = {name: value for name, value in members(timer).items() if name not in {"account_id", "user_id"}}
    return delete(
        keys.timer(timer.account_id, timer.user_id),
        condition=" AND ".join(f"#{name} = :{name}" for name in plain),
        **plain,
    )


def _billed_or_contended(entry: WorkEntry) -> Refused:
    def refused(kept: Item | None) -> DaybookError:
        billed = any(entry.id in entries for entries in (kept or {}).get("billed", {}).values())
        return WorkEntryBilled() if billed else Contended()

    return refused


def _sheet(item: Item | None, account_id: str, client_id: str, month: str) -> WorkSheet:
    if item is None:
        return WorkSheet(account_id=account_id, client_id=client_id, month=month)
    return from_item(item, WorkSheet)
