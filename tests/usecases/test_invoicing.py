"""From open work to an invoice: whose day it is, what goes on it, which number it takes, whatever runs twice or fails."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier
from time import sleep
from typing import Any

import pytest

from chalicelib.domain import billing
from chalicelib.domain.billing import DocumentKind, Issue, NumberSeries
from chalicelib.domain.errors import (
    InvoiceCredited,
    NothingToInvoice,
    TimerRunning,
    Unavailable,
    WorkEntryBilled,
    WorkOverlaps,
)
from chalicelib.domain.invoices import PaymentDetails
from chalicelib.domain.reports import DueOutcome, InvoiceDue, Outcome
from chalicelib.domain.work import DatedWork
from chalicelib.ports import Ledger
from chalicelib.usecases import clients, invoices, work
from tests.builders import at
from tests.usecases.business import Business, ask, issue_asked, open_business, run_night
from tests.wired import MemoryWired


def at_once(*tasks: Callable[[], object]) -> list[object]:
    """Runs them all at the same time; answers what each returned or raised."""
    start = Barrier(len(tasks))

    def run(task: Callable[[], object]) -> object:
        start.wait()
        try:
            return task()
        except Exception as error:  # noqa: BLE001  what was raised is the answer
            return error

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


class With:
    """What is wired, with these parts in place of its own."""

    def __init__(self, wired: MemoryWired, **parts: object) -> None:
        self._wired = wired
        vars(self).update(parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wired, name)


class Slow:
    """A ledger at which callers get in each other's way: between reading the number and taking it, time passes."""

    def __init__(self, ledger: Ledger, fails_for: Sequence[str] = ()) -> None:
        self._ledger = ledger
        self._fails_for = fails_for
        self.attempts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def series(self, account_id: str, kind: DocumentKind, year: int) -> NumberSeries:
        read = self._ledger.series(account_id, kind, year)
        sleep(0.0005)
        return read

    def issue(self, issue: Issue) -> None:
        self.attempts += 1
        if issue.client.id in self._fails_for:
            raise Unavailable
        self._ledger.issue(issue)


def test_a_failed_night_is_made_good_and_the_next_invoice_stays_on_its_day(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=1)
    wired.clock.at = at("2026-01-01T12:00:00")
    run_night(wired, "2026-01-02T02:00:00Z")
    assert business.client(client_id).next_invoice_on == date(2026, 2, 1)
    business.log(client_id, date(2026, 1, 20))

    run_night(wired, "2026-02-03T02:00:00Z")

    (invoice,) = business.issued()
    assert (invoice.period_from, invoice.period_through) == (date(2026, 1, 2), date(2026, 2, 1))
    assert invoice.issued_on == date(2026, 2, 3)
    assert business.client(client_id).next_invoice_on == date(2026, 3, 1)
    run_night(wired, "2026-02-04T02:00:00Z")
    assert len(business.issued()) == 1


def test_several_missed_months_are_made_good_by_one_night(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    for day in (date(2026, 1, 20), date(2026, 2, 20), date(2026, 4, 2)):
        business.log(client_id, day)

    run_night(wired, "2026-04-10T02:00:00Z")

    periods = [(invoice.period_from, invoice.period_through) for invoice in business.issued()]
    assert periods == [(date(2026, 1, 20), date(2026, 1, 31)), (date(2026, 2, 1), date(2026, 2, 28))]
    assert business.client(client_id).next_invoice_on == date(2026, 4, 30), "back to the end of the month after February"
    outcomes = wired.store.reports.outcomes(business.caller.account_id, date(2026, 4, 10))
    assert [(one.due_on.month, one.outcome) for one in sorted(outcomes, key=lambda one: one.due_on)] == [
        (1, Outcome.ISSUED), (2, Outcome.ISSUED), (3, Outcome.NOTHING_TO_INVOICE),
    ]  # fmt: skip


def outcomes_of(wired: MemoryWired, business: Business, night: date) -> list[Outcome]:
    return [one.outcome for one in wired.store.reports.outcomes(business.caller.account_id, night)]


def test_a_client_whose_invoice_day_is_taken_back_after_it_was_asked_for_is_not_missed(
    wired: MemoryWired, business: Business
) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    ask(wired, "2026-02-01T02:00:00Z")
    assert outcomes_of(wired, business, date(2026, 2, 1)) == [Outcome.DUE]

    business.change_client(client_id, lambda details: replace(details, invoice_day=None))
    issue_asked(wired)

    assert business.issued() == []
    assert outcomes_of(wired, business, date(2026, 2, 1)) == [Outcome.NO_LONGER_DUE]


def test_what_is_too_large_for_one_invoice_is_told_in_the_report_and_asked_for_again(
    wired: MemoryWired, business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "MAX_LINES", 1)
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    business.log(client_id, date(2026, 1, 21))

    run_night(wired, "2026-02-01T02:00:00Z")
    run_night(wired, "2026-02-02T02:00:00Z")

    assert [outcomes_of(wired, business, date(2026, 2, day)) for day in (1, 2)] == [[Outcome.TOO_LARGE]] * 2
    business.issue(client_id, date(2026, 1, 20))
    run_night(wired, "2026-02-03T02:00:00Z")
    assert [invoice.line_count for invoice in business.issued()] == [1, 1]


def test_a_report_that_cannot_be_written_keeps_nobody_from_being_asked_for(wired: MemoryWired, business: Business) -> None:
    for _ in range(3):
        business.add_client(invoice_day=31)
    notes = iter([Unavailable(), None, Unavailable()])

    class Failing:
        def note_due(self, _outcome: DueOutcome) -> None:
            failure = next(notes)
            if failure is not None:
                raise failure

    with pytest.raises(Unavailable, match="lacks 2 of 3"):
        invoices.ask_for_due_invoices(at("2026-02-01T02:00:00"), desk=With(wired, reports=Failing()))

    assert len(wired.invoicing_queue.messages) == 3


def test_two_runs_at_once_issue_one_invoice_with_one_number(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    ask(wired, "2026-01-31T02:00:00Z")
    ask(wired, "2026-01-31T02:00:00Z")
    first, second = wired.invoicing_queue.messages
    slow = Slow(wired.store.ledger)

    def issue(due: InvoiceDue) -> Callable[[], object]:
        return lambda: invoices.issue_due(due, ledger=slow, reports=wired.reports, clock=wired.clock)

    assert at_once(issue(first), issue(second), issue(first), issue(second)) == [None] * 4

    (invoice,) = business.issued()
    assert invoice.number == "2026-0001"
    assert slow.attempts > 1, "they did get in each other's way"
    assert wired.store.ledger.series(business.caller.account_id, DocumentKind.INVOICE, 2026).last == 1


def test_an_invoice_is_due_when_its_day_begins_where_the_account_is(wired: MemoryWired) -> None:
    wired.clock.at = at("2027-02-10")
    auckland = open_business(wired, "kiri@example.com", "Pacific/Auckland")
    los_angeles = open_business(wired, "joan@example.com", "America/Los_Angeles")
    for each in (auckland, los_angeles):
        each.log(each.add_client(invoice_day=1), date(2027, 2, 12))

    run_night(wired, "2027-02-28T12:00:00Z")

    (invoice,) = auckland.issued()
    assert (invoice.account_id, invoice.issued_on) == (auckland.caller.account_id, date(2027, 3, 1))


def test_a_second_timer_is_refused_even_if_both_start_at_once(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client()

    def start() -> object:
        return work.start_timer(business.caller, client_id, "", True, desk=wired)

    results = at_once(*[start] * 8)

    assert sum(isinstance(result, TimerRunning) for result in results) == 7
    assert len(wired.state()["timers"]) == 1


def test_work_that_touches_does_not_overlap(business: Business) -> None:
    client_id = business.add_client()
    business.log_timed(client_id, "2026-01-05T09:00:00", "2026-01-05T13:00:00")

    assert business.log_timed(client_id, "2026-01-05T13:00:00", "2026-01-05T17:00:00").entry.duration_seconds == 14_400
    with pytest.raises(WorkOverlaps):
        business.log_timed(client_id, "2026-01-05T12:59:59", "2026-01-05T13:00:01")


def test_of_two_entries_that_overlap_and_come_at_once_one_is_logged(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client()

    def log() -> object:
        return business.log_timed(client_id, "2026-01-05T09:00:00", "2026-01-05T13:00:00")

    results = at_once(*[log] * 8)

    assert sum(isinstance(result, WorkOverlaps) for result in results) == 7
    assert len(wired.state()["entries"]) == 1


def test_a_running_timer_is_not_billed_and_its_entry_goes_on_the_next_invoice(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    wired.clock.at = at("2026-01-30T22:30:00")
    work.start_timer(business.caller, client_id, "Overnight", True, desk=wired)

    run_night(wired, "2026-01-31T02:00:00Z")
    wired.clock.at = at("2026-01-31T03:00:00")
    entry = work.finish_timer(business.caller, allow_overlap=False, desk=wired)
    run_night(wired, "2026-02-28T02:00:00Z")

    january, february = business.issued()
    assert [line.description for line in business.lines(january.id)] == [""]
    assert [line.entry_id for line in business.lines(february.id)] == [entry.entry.id]
    assert (february.period_from, february.period_through) == (date(2026, 1, 30), date(2026, 2, 28))
    assert february.duration_seconds == 16_200


def test_the_numbers_year_is_that_of_the_accounts_own_calendar(wired: MemoryWired) -> None:
    auckland = open_business(wired, "kiri@example.com", "Pacific/Auckland")
    client_id = auckland.add_client()
    numbers = []
    for instant in ("2026-12-31T10:59:59", "2026-12-31T11:00:00"):
        wired.clock.at = at(instant)
        auckland.log(client_id, date(2026, 12, 30))
        invoice = auckland.issue(client_id, date(2026, 12, 31))
        numbers.append((invoice.number, invoice.issued_on))

    assert numbers == [("2026-0001", date(2026, 12, 31)), ("2027-0001", date(2027, 1, 1))]


def test_a_late_entry_in_a_billed_month_goes_on_the_next_invoice(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    run_night(wired, "2026-01-31T02:00:00Z")
    (before,) = business.issued()

    late = business.log(client_id, date(2026, 1, 10))
    run_night(wired, "2026-02-28T02:00:00Z")

    january, february = business.issued()
    assert january == before
    assert [line.entry_id for line in business.lines(february.id)] == [late.entry.id]
    assert february.period_from == date(2026, 1, 10), "so that the period covers all that is on it"


def test_each_entry_keeps_the_rate_of_its_day_whenever_it_is_edited(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(rate=Decimal(80))
    february = business.log(client_id, date(2026, 2, 27))
    wired.clock.at = at("2026-02-10")
    business.change_client(client_id, lambda now: replace(now, rate=Decimal(95), rate_valid_from=date(2026, 3, 1)))
    march = business.log(client_id, date(2026, 3, 1))
    wired.clock.at = at("2026-03-15")

    edited = business.edit(february.entry.id, DatedWork(client_id=client_id, date=date(2026, 2, 28), minutes=90))
    moved = business.edit(march.entry.id, DatedWork(client_id=client_id, date=date(2026, 3, 2), minutes=60))

    assert (edited.rate, moved.rate) == (Decimal(80), Decimal(95))
    invoice = business.issue(client_id, date(2026, 3, 15))
    assert [(line.rate, line.amount) for line in business.lines(invoice.id)] == [
        (Decimal(80), Decimal("120.00")),
        (Decimal(95), Decimal("95.00")),
    ]


def test_fifty_at_once_of_which_five_fail_take_the_numbers_1_to_45(wired: MemoryWired, business: Business) -> None:
    client_ids = [business.add_client(name=f"Client {number}") for number in range(50)]
    for client_id in client_ids:
        business.log(client_id, date(2026, 1, 1))
    slow = Slow(wired.store.ledger, fails_for=client_ids[::10])

    def issue(client_id: str) -> Callable[[], object]:
        return lambda: invoices.issue_invoice(business.caller, client_id, date(2026, 1, 1), books=With(wired, ledger=slow))

    results = at_once(*[issue(client_id) for client_id in client_ids])

    assert sum(isinstance(result, Unavailable) for result in results) == 5
    assert sorted(invoice.number for invoice in business.issued()) == [f"2026-{number:04d}" for number in range(1, 46)]
    assert {invoice.client_id for invoice in business.issued()} == set(client_ids) - set(client_ids[::10])
    assert slow.attempts > 50, "they did get in each other's way"


def test_a_billed_entry_is_locked_until_a_credit_note_releases_it_once(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client()
    entry = business.log(client_id, date(2026, 1, 1)).entry
    invoice = business.issue(client_id, date(2026, 1, 1))
    other = DatedWork(client_id=client_id, date=date(2026, 1, 1), minutes=30)

    with pytest.raises(WorkEntryBilled):
        business.edit(entry.id, other)
    with pytest.raises(WorkEntryBilled):
        work.remove_work(business.caller, entry.id, work=wired.store.work)

    business.credit(invoice.id)
    assert business.edit(entry.id, other).billed is False
    again = business.issue(client_id, date(2026, 1, 1))
    with pytest.raises(InvoiceCredited):
        business.credit(invoice.id)

    assert business.entry(entry.id).invoice_id == again.id, "released by its own invoice's credit note only"
    assert (again.number, again.duration_seconds) == ("2026-0002", 1_800)


def test_of_ten_credit_notes_at_once_one_is_made(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client()
    business.log(client_id, date(2026, 1, 1))
    invoice = business.issue(client_id, date(2026, 1, 1))

    results = at_once(*[lambda: business.credit(invoice.id)] * 10)

    assert sum(isinstance(result, InvoiceCredited) for result in results) == 9
    assert [note.number for note in wired.state()["credit_notes"].values()] == ["CN2026-0001"]
    assert wired.store.ledger.series(business.caller.account_id, DocumentKind.CREDIT_NOTE, 2026).last == 1


def test_of_ten_payments_at_once_no_more_are_taken_than_is_owed(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client()
    business.log(client_id, date(2026, 1, 1))
    invoice = business.issue(client_id, date(2026, 1, 1))
    half = PaymentDetails(amount=Decimal(57), paid_on=date(2026, 1, 1))

    results = at_once(*[lambda: invoices.add_payment(business.caller, invoice.id, half, books=wired)] * 10)

    assert sum(isinstance(result, invoices.FullInvoice) for result in results) == 2
    assert (business.invoice(invoice.id).paid_amount, business.invoice(invoice.id).status) == (Decimal("114.00"), "paid")


def test_a_removed_client_is_archived_and_its_invoices_remain(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 1))
    invoice = business.issue(client_id, date(2026, 1, 1))

    removed = clients.remove_client(business.caller, client_id, clients=wired.store.clients, clock=wired.clock)

    assert (removed.archived, removed.next_invoice_on, removed.due_at) == (True, None, None)
    assert business.invoice(invoice.id) == invoice
    assert len(business.lines(invoice.id)) == 1
    run_night(wired, "2026-01-31T02:00:00Z")
    assert business.issued() == [invoice]


def test_what_a_removed_client_still_owes_can_be_invoiced_by_hand(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client()
    business.log(client_id, date(2026, 1, 1))
    clients.remove_client(business.caller, client_id, clients=wired.store.clients, clock=wired.clock)

    assert business.issue(client_id, date(2026, 1, 1)).total == Decimal("114.00")


def test_a_client_that_moves_leaves_its_old_invoice_and_pdf_as_they_were(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(address="Dorset Street 1\nLondon")
    business.log(client_id, date(2026, 1, 1))
    invoice = business.issue(client_id, date(2026, 1, 1))
    lines = business.lines(invoice.id)
    printed = invoices.invoice_document(
        invoice, invoices=wired.store.invoices, documents=wired.documents, printer=wired.printer
    )

    business.change_client(client_id, lambda now: replace(now, name="Babbage Ltd", address="Paris", rate=Decimal(1)))
    account = wired.store.accounts.get(business.caller.account_id)
    moved = replace(account, version=2, profile=replace(account.profile, legal_name="Ada King", default_tax_rate=Decimal(5)))
    wired.store.accounts.save(moved)

    assert (business.invoice(invoice.id), business.lines(invoice.id)) == (invoice, lines)
    again = invoices.invoice_document(
        business.invoice(invoice.id), invoices=wired.store.invoices, documents=wired.documents, printer=wired.printer
    )
    assert again == printed
    assert wired.printer.printed == 1


def test_an_invoice_by_hand_leaves_the_schedule_as_it_was(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 1))
    business.issue(client_id, date(2026, 1, 1))
    assert business.client(client_id).next_invoice_on == date(2026, 1, 31)
    business.log(client_id, date(2026, 1, 20))

    run_night(wired, "2026-01-31T02:00:00Z")

    _, january = business.issued()
    assert (january.period_from, january.period_through) == (date(2026, 1, 2), date(2026, 1, 31))


def test_every_night_of_a_year_issues_each_month_once(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    for month in range(1, 13):
        business.log(client_id, date(2026, month, 15))
    night = at("2026-01-02T02:00:00")
    while night < at("2027-01-02T02:00:00"):
        run_night(wired, night.isoformat())
        if night.day % 7 == 0:
            ask(wired, night.isoformat())
            issue_asked(wired)
        night += timedelta(days=1)

    assert [invoice.period_through for invoice in business.issued()] == [
        date(2026, month, day) for month, day in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1)
    ]
    assert [invoice.number for invoice in business.issued()] == [f"2026-{number:04d}" for number in range(1, 13)]
    assert all(invoice.total == Decimal("114.00") for invoice in business.issued())


def test_issuing_by_hand_and_by_night_at_once_bills_the_hours_once(wired: MemoryWired, business: Business) -> None:
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    ask(wired, "2026-01-31T02:00:00Z")
    (due,) = wired.invoicing_queue.messages
    slow = Slow(wired.store.ledger)

    by_hand, by_night = at_once(
        lambda: invoices.issue_invoice(business.caller, client_id, date(2026, 1, 31), books=With(wired, ledger=slow)),
        lambda: invoices.issue_due(due, ledger=slow, reports=wired.reports, clock=wired.clock),
    )

    assert by_night is None
    assert isinstance(by_hand, invoices.FullInvoice | NothingToInvoice)
    assert [invoice.number for invoice in business.issued()] == ["2026-0001"]
    assert business.client(client_id).next_invoice_on == date(2026, 2, 28)


def test_different_clients_that_are_due_at_once_all_get_their_invoice(wired: MemoryWired, business: Business) -> None:
    for number in range(10):
        business.log(business.add_client(name=f"Client {number}", invoice_day=31), date(2026, 1, 20))
    ask(wired, "2026-01-31T02:00:00Z")
    slow = Slow(wired.store.ledger)

    def issue(due: InvoiceDue) -> Callable[[], object]:
        return lambda: invoices.issue_due(due, ledger=slow, reports=wired.reports, clock=wired.clock)

    assert at_once(*map(issue, wired.invoicing_queue.messages)) == [None] * 10

    assert [invoice.number for invoice in business.issued()] == [f"2026-{number:04d}" for number in range(1, 11)]
    assert slow.attempts > 10, "they did get in each other's way"


def test_an_invoice_is_never_dated_before_the_night_that_it_was_due_in(wired: MemoryWired, business: Business) -> None:
    """The clock of the machine that issues may be behind that of the schedule."""
    client_id = business.add_client(invoice_day=31)
    business.log(client_id, date(2026, 1, 20))
    ask(wired, "2026-01-31T02:00:00Z")
    wired.clock.at = at("2026-01-30T22:59:59")

    issue_asked(wired)

    (invoice,) = business.issued()
    assert (invoice.issued_at, invoice.issued_on) == (at("2026-01-31T02:00:00"), date(2026, 1, 31))
