from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from chalicelib.domain.billing import DocumentKind, Issue, NumberSeries, settle_through
from chalicelib.domain.clients import Client, edit_client
from chalicelib.domain.errors import Contended, NotFound, NothingToInvoice
from chalicelib.domain.invoices import Invoice, InvoiceFilter, InvoiceStatus, record_payment
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.reports import DueOutcome, Outcome
from chalicelib.domain.work import WorkChange, WorkSheet
from tests.builders import NOW, a_client, a_payment, a_user, an_account, an_entry, at
from tests.contract.stores import (
    FIRST_NIGHT,
    Store,
    credited,
    drawn_up,
    ids,
    log,
    log_many,
    opened,
    scheduled,
)

JANUARY = date(2026, 1, 31)
FEBRUARY = date(2026, 2, 28)


@pytest.fixture(autouse=True)
def client_of_ada(store: Store) -> None:
    opened(store)
    store.clients.add(a_client("cli_1", invoice_day=31))


def outcome(due_on: date = JANUARY, **changes: object) -> DueOutcome:
    plain = DueOutcome(account_id="acc_1", run_on=date(2026, 2, 1), client_id="cli_1", due_on=due_on)
    return replace(plain, **changes)  # type: ignore[arg-type]


def settled(issue: Issue) -> Issue:
    """As the night issues it: with the client's next day and a word for the report."""
    told = outcome(
        outcome=Outcome.ISSUED,
        invoice_id=issue.invoice.id,
        number=issue.invoice.number,
        currency="EUR",
        total=issue.invoice.total,
    )
    next_client = scheduled(issue.next_client, an_account(), issue.invoice.period_through)
    return replace(issue, next_client=next_client, outcome=told)


def everything(store: Store) -> tuple[object, ...]:
    """What an invoice may change, as it is."""
    return (
        store.clients.get("acc_1", "cli_1"),
        store.work.sheets("acc_1", "cli_1", ["2025-12", "2026-01", "2026-02"]),
        store.ledger.series("acc_1", DocumentKind.INVOICE, 2026),
        store.ledger.series("acc_1", DocumentKind.CREDIT_NOTE, 2026),
        store.reports.outcomes("acc_1", date(2026, 2, 1)),
        _invoices(store),
    )


def _invoices(store: Store) -> tuple[Invoice, ...]:
    return store.invoices.page("acc_1", InvoiceFilter(), PageRequest(limit=100)).items


def only(*entry_ids: str) -> frozenset[str]:
    return frozenset(entry_ids)


# Open work


def test_open_work_is_that_of_the_months_through_the_asked_day(store: Store) -> None:
    december, january, february = (
        an_entry(f"wrk_{day}", day=day) for day in (date(2025, 12, 31), date(2026, 1, 1), date(2026, 2, 1))
    )
    log(store, february, january, december)

    work = store.ledger.open_work("acc_1", "cli_1", date(2026, 1, 1))

    assert work.account == an_account()
    assert work.client == store.clients.get("acc_1", "cli_1")
    assert work.sheets == store.work.sheets("acc_1", "cli_1", ["2025-12", "2026-01"])
    assert work.entries == (december, january)


def test_open_work_is_neither_billed_nor_free_nor_of_another_client(store: Store) -> None:
    store.clients.add(a_client("cli_2"))
    log(store, an_entry("wrk_1", day=date(2025, 12, 1)), an_entry("wrk_2"))
    store.ledger.issue(drawn_up(store, JANUARY))
    log(store, an_entry("wrk_3"), an_entry("wrk_4", client_id="cli_2"), an_entry("wrk_5", billable=False))

    work = store.ledger.open_work("acc_1", "cli_1", FEBRUARY)

    assert ids(work.entries) == ["wrk_3"]
    assert [sheet.month for sheet in work.sheets] == ["2026-01"]


def test_a_client_without_work_has_no_open_work(store: Store) -> None:
    work = store.ledger.open_work("acc_1", "cli_1", JANUARY)

    assert (work.sheets, work.entries) == ((), ())


@pytest.mark.parametrize(
    ("account_id", "client_id"), [("acc_1", "cli_2"), ("acc_2", "cli_1"), ("acc_3", "cli_1"), ("acc_1", "../")]
)
def test_open_work_of_a_client_that_is_not_the_accounts_is_not_found(store: Store, account_id: str, client_id: str) -> None:
    opened(store, an_account("acc_2"), a_user(account_id="acc_2", email="grace@example.com"))
    log(store, an_entry())

    with pytest.raises(NotFound):
        store.ledger.open_work(account_id, client_id, JANUARY)


def test_a_series_begins_at_0_for_each_kind_and_year(store: Store) -> None:
    log(store, an_entry())
    store.ledger.issue(drawn_up(store, JANUARY))

    assert [
        store.ledger.series("acc_1", kind, year).last
        for kind, year in ((DocumentKind.INVOICE, 2026), (DocumentKind.INVOICE, 2027), (DocumentKind.CREDIT_NOTE, 2026))
    ] == [1, 0, 0]
    assert store.ledger.series("acc_2", DocumentKind.INVOICE, 2026).last == 0


# Issuing


def test_an_invoice_is_issued_with_all_that_belongs_to_it(store: Store) -> None:
    log(store, an_entry("wrk_1", day=date(2025, 12, 31)), an_entry("wrk_2"), an_entry("wrk_3", day=date(2026, 2, 1)))
    issue = settled(drawn_up(store, JANUARY))

    store.ledger.issue(issue)

    assert store.invoices.get("acc_1", "inv_1") == issue.invoice
    assert store.invoices.lines("acc_1", "inv_1") == issue.lines
    assert store.clients.get("acc_1", "cli_1") == issue.next_client
    assert store.clients.get("acc_1", "cli_1").next_invoice_on == FEBRUARY
    assert store.ledger.series("acc_1", DocumentKind.INVOICE, 2026) == NumberSeries(
        kind=DocumentKind.INVOICE, year=2026, last=1
    )
    assert [
        (one.month, one.open, one.billed, one.version)
        for one in store.work.sheets("acc_1", "cli_1", ["2025-12", "2026-01", "2026-02"])
    ] == [
        ("2025-12", only(), {"inv_1": only("wrk_1")}, 2),
        ("2026-01", only(), {"inv_1": only("wrk_2")}, 2),
        ("2026-02", only("wrk_3"), {}, 1),
    ]
    assert store.reports.outcomes("acc_1", date(2026, 2, 1)) == (issue.outcome,)


def test_an_invoice_takes_part_of_a_sheet_and_the_next_one_the_rest(store: Store) -> None:
    log(store, an_entry("wrk_1", day=date(2026, 1, 10)), an_entry("wrk_2", day=date(2026, 1, 20)))
    store.ledger.issue(drawn_up(store, date(2026, 1, 15)))

    second = drawn_up(store, JANUARY, invoice_id="inv_2")
    store.ledger.issue(second)

    assert [line.entry_id for line in second.lines] == ["wrk_2"]
    assert second.invoice.number == "RE-2026-0002"
    (sheet,) = store.work.sheets("acc_1", "cli_1", ["2026-01"])
    assert (sheet.open, sheet.billed) == (only(), {"inv_1": only("wrk_1"), "inv_2": only("wrk_2")})
    with pytest.raises(NothingToInvoice):
        drawn_up(store, JANUARY, invoice_id="inv_3")


def test_an_invoice_by_hand_leaves_the_clients_day_alone(store: Store) -> None:
    log(store, an_entry())

    store.ledger.issue(drawn_up(store, date(2026, 1, 15)))

    client = store.clients.get("acc_1", "cli_1")
    assert (client.next_invoice_on, client.invoiced_through) == (JANUARY, date(2026, 1, 15))
    assert [one.client_id for one in store.due_clients.due(FIRST_NIGHT)] == ["cli_1"]


def test_an_issued_client_is_due_again_on_its_next_day(store: Store) -> None:
    log(store, an_entry())

    store.ledger.issue(settled(drawn_up(store, JANUARY)))

    assert list(store.due_clients.due(FIRST_NIGHT)) == []
    assert [one.next_invoice_on for one in store.due_clients.due(at("2026-02-28T02:00:00"))] == [FEBRUARY]


def test_the_client_keeps_its_mark_though_it_was_read_without_it(store: Store) -> None:
    log(store, an_entry())
    issue = settled(drawn_up(store, JANUARY))
    unmarked = replace(
        issue, client=replace(issue.client, has_work=False), next_client=replace(issue.next_client, has_work=False)
    )

    store.ledger.issue(unmarked)

    assert store.clients.get("acc_1", "cli_1").has_work


def test_the_same_invoice_issued_twice_is_issued_once(store: Store) -> None:
    log(store, an_entry())
    issue = settled(drawn_up(store, JANUARY))
    store.ledger.issue(issue)
    before = everything(store)

    with pytest.raises(Contended):
        store.ledger.issue(issue)

    assert everything(store) == before


def test_two_invoices_for_the_same_work_are_one(store: Store) -> None:
    log(store, an_entry())
    first, second = drawn_up(store, JANUARY, invoice_id="inv_1"), drawn_up(store, JANUARY, invoice_id="inv_2")
    store.ledger.issue(first)

    with pytest.raises(Contended):
        store.ledger.issue(second)

    assert _invoices(store) == (first.invoice,)
    with pytest.raises(NotFound):
        store.invoices.lines("acc_1", "inv_2")


def test_two_invoices_of_two_clients_do_not_get_the_same_number(store: Store) -> None:
    store.clients.add(a_client("cli_2"))
    log(store, an_entry("wrk_1"), an_entry("wrk_2", client_id="cli_2"))
    first, second = drawn_up(store, JANUARY), drawn_up(store, JANUARY, invoice_id="inv_2", client_id="cli_2")
    store.ledger.issue(first)

    with pytest.raises(Contended):
        store.ledger.issue(second)

    store.ledger.issue(drawn_up(store, JANUARY, invoice_id="inv_2", client_id="cli_2"))
    assert store.invoices.get("acc_1", "inv_2").number == "RE-2026-0002"


def changes_meanwhile(store: Store) -> Iterator[WorkChange]:
    """Whatever can happen to the work between reading and issuing."""
    yield WorkChange(new=an_entry("wrk_9"))
    yield WorkChange(old=an_entry("wrk_1"), new=replace(an_entry("wrk_1"), duration_seconds=7200, version=2))
    yield WorkChange(old=an_entry("wrk_1"), new=replace(an_entry("wrk_1"), day=date(2026, 3, 1), version=2))
    yield WorkChange(old=an_entry("wrk_1"), new=replace(an_entry("wrk_1"), client_id="cli_2", version=2))
    yield WorkChange(old=an_entry("wrk_1"), new=replace(an_entry("wrk_1"), billable=False, version=2))
    yield WorkChange(old=an_entry("wrk_1"))


@pytest.mark.parametrize("which", range(6))
def test_no_entry_changes_under_an_invoice(store: Store, which: int) -> None:
    store.clients.add(a_client("cli_2"))
    log(store, an_entry("wrk_1"), an_entry("wrk_2"))
    issue = settled(drawn_up(store, JANUARY))
    store.work.commit(list(changes_meanwhile(store))[which])
    before = everything(store)

    with pytest.raises(Contended):
        store.ledger.issue(issue)

    assert everything(store) == before


def test_work_of_another_month_or_client_does_not_hinder_an_invoice(store: Store) -> None:
    store.clients.add(a_client("cli_2"))
    log(store, an_entry("wrk_1"))
    issue = drawn_up(store, JANUARY)
    log(store, an_entry("wrk_2", client_id="cli_2"), an_entry("wrk_3", day=date(2026, 2, 1)), an_entry("wrk_4", billable=False))

    store.ledger.issue(issue)

    assert store.invoices.get("acc_1", "inv_1") == issue.invoice


def test_no_invoice_is_issued_for_a_client_that_was_edited_meanwhile(store: Store) -> None:
    log(store, an_entry())
    issue = settled(drawn_up(store, JANUARY))
    client = store.clients.get("acc_1", "cli_1")
    store.clients.save(edit_client(client, replace(client.details, name="Renamed"), an_account(), now=NOW))
    before = everything(store)

    with pytest.raises(Contended):
        store.ledger.issue(issue)

    assert everything(store) == before


@pytest.mark.parametrize("read", [None, date(2026, 1, 30)])
def test_no_invoice_is_issued_for_a_day_that_is_not_the_clients_next(store: Store, read: date | None) -> None:
    log(store, an_entry())
    issue = settled(drawn_up(store, JANUARY))
    before = everything(store)

    with pytest.raises(Contended):
        store.ledger.issue(replace(issue, client=replace(issue.client, next_invoice_on=read)))

    assert everything(store) == before


def test_a_client_without_a_day_is_invoiced_by_hand(store: Store) -> None:
    store.clients.add(a_client("cli_2"))
    log(store, an_entry(client_id="cli_2"))
    issue = drawn_up(store, JANUARY, client_id="cli_2")

    store.ledger.issue(issue)

    assert store.clients.get("acc_1", "cli_2") == issue.next_client


def test_an_invoice_that_bills_what_its_sheets_do_not_hold_is_refused(store: Store) -> None:
    log(store, an_entry())
    issue = drawn_up(store, JANUARY)
    before = everything(store)

    for billed in ({"2026-01": frozenset({"wrk_9"})}, {**issue.billed, "2026-02": frozenset({"wrk_9"})}):
        with pytest.raises(Contended):
            store.ledger.issue(replace(issue, billed=billed))

    assert everything(store) == before


def test_an_invoice_of_many_entries_is_issued_whole(store: Store) -> None:
    """Of 2,000 in tests/contract/test_costs.py."""
    count = 200
    entries = [
        an_entry(f"wrk_{number:026d}", minutes=1 + number % 90, description=f"Task {number}: ä€") for number in range(count)
    ]
    log_many(store, entries)
    issue = settled(drawn_up(store, JANUARY))

    store.ledger.issue(issue)

    assert store.invoices.get("acc_1", "inv_1").line_count == count
    assert store.invoices.lines("acc_1", "inv_1") == issue.lines
    (sheet,) = store.work.sheets("acc_1", "cli_1", ["2026-01"])
    assert (sheet.open, sheet.billed) == (frozenset(), {"inv_1": frozenset(entry.id for entry in entries)})


def test_an_invoice_of_72_full_months_fits_into_a_transaction(store: Store) -> None:
    entries = [
        an_entry(f"wrk_{year}_{month:02d}", day=date(year, month, 1)) for year in range(2020, 2026) for month in range(1, 13)
    ]
    log(store, *entries)
    issue = settled(drawn_up(store, JANUARY))
    long_lines = tuple(replace(line, description="x" * 40_000) for line in issue.lines)

    store.ledger.issue(replace(issue, lines=long_lines))

    assert len(store.invoices.get("acc_1", "inv_1").months) == 72
    assert store.invoices.lines("acc_1", "inv_1") == long_lines


# Passing over


def passed_over(store: Store, due_on: date = JANUARY) -> tuple[Client, Client]:
    client = store.clients.get("acc_1", "cli_1")
    return client, scheduled(settle_through(client, due_on, now=FIRST_NIGHT), an_account(), due_on)


def test_a_day_without_work_moves_the_client_on_and_is_reported(store: Store) -> None:
    client, next_client = passed_over(store)
    nothing = outcome(outcome=Outcome.NOTHING_TO_INVOICE)
    store.reports.note_due(outcome())

    store.ledger.pass_over(client, next_client, nothing)

    assert store.clients.get("acc_1", "cli_1") == next_client
    assert next_client.next_invoice_on == FEBRUARY
    assert store.reports.outcomes("acc_1", date(2026, 2, 1)) == (nothing,)
    assert store.ledger.series("acc_1", DocumentKind.INVOICE, 2026).last == 0


def test_a_day_is_passed_over_once(store: Store) -> None:
    client, next_client = passed_over(store)
    store.ledger.pass_over(client, next_client, outcome(outcome=Outcome.NOTHING_TO_INVOICE))

    with pytest.raises(Contended):
        store.ledger.pass_over(client, next_client, outcome(due_on=date(2026, 1, 30)))

    assert [one.due_on for one in store.reports.outcomes("acc_1", date(2026, 2, 1))] == [JANUARY]


def test_a_client_that_was_edited_meanwhile_is_not_passed_over(store: Store) -> None:
    client, next_client = passed_over(store)
    store.clients.save(replace(client, name="Renamed", version=2))

    with pytest.raises(Contended):
        store.ledger.pass_over(client, next_client, outcome(outcome=Outcome.NOTHING_TO_INVOICE))

    assert store.clients.get("acc_1", "cli_1").next_invoice_on == JANUARY
    assert store.reports.outcomes("acc_1", date(2026, 2, 1)) == ()


def test_work_that_came_meanwhile_keeps_its_mark_when_the_client_is_passed_over(store: Store) -> None:
    client, next_client = passed_over(store)
    log(store, an_entry())

    store.ledger.pass_over(client, next_client, outcome(outcome=Outcome.NOTHING_TO_INVOICE))

    assert store.clients.get("acc_1", "cli_1").has_work


def test_a_client_that_is_gone_is_not_passed_over(store: Store) -> None:
    client, next_client = passed_over(store)
    store.clients.remove(client)

    with pytest.raises(NotFound):
        store.ledger.pass_over(client, next_client, outcome(outcome=Outcome.NOTHING_TO_INVOICE))

    assert store.reports.outcomes("acc_1", date(2026, 2, 1)) == ()


# Crediting


def test_a_credit_note_takes_back_the_invoice_and_releases_its_hours(store: Store) -> None:
    log(store, an_entry("wrk_1", day=date(2025, 12, 31)), an_entry("wrk_2"))
    store.ledger.issue(drawn_up(store, JANUARY))
    log(store, an_entry("wrk_3"))
    credit = credited(store)

    store.ledger.credit(credit)

    assert store.credit_notes.get("acc_1", "crn_1") == credit.note
    assert store.invoices.get("acc_1", "inv_1") == credit.credited
    assert credit.credited.status is InvoiceStatus.CREDITED
    assert store.ledger.series("acc_1", DocumentKind.CREDIT_NOTE, 2026).last == 1
    assert store.ledger.series("acc_1", DocumentKind.INVOICE, 2026).last == 1
    assert [(one.open, one.billed, one.version) for one in store.work.sheets("acc_1", "cli_1", ["2025-12", "2026-01"])] == [
        (only("wrk_1"), {}, 3),
        (only("wrk_2", "wrk_3"), {}, 4),
    ]


def test_an_invoice_is_credited_once(store: Store) -> None:
    log(store, an_entry())
    store.ledger.issue(drawn_up(store, JANUARY))
    first, second = credited(store), credited(store, note_id="crn_2")
    store.ledger.credit(first)
    before = everything(store)

    for again in (first, second, replace(second, series=store.ledger.series("acc_1", DocumentKind.CREDIT_NOTE, 2026))):
        with pytest.raises(Contended):
            store.ledger.credit(again)

    assert everything(store) == before
    with pytest.raises(NotFound):
        store.credit_notes.get("acc_1", "crn_2")


def test_sheets_that_were_read_after_the_invoice_was_credited_are_no_ground_for_another_note(store: Store) -> None:
    log(store, an_entry())
    store.ledger.issue(drawn_up(store, JANUARY))
    stale = credited(store, note_id="crn_2")
    store.ledger.credit(credited(store))
    sheets = store.work.sheets("acc_1", "cli_1", ["2026-01"])
    series = store.ledger.series("acc_1", DocumentKind.CREDIT_NOTE, 2026)

    with pytest.raises(Contended):
        store.ledger.credit(replace(stale, sheets=sheets, series=series))


def test_an_invoice_that_was_paid_meanwhile_is_not_credited_unseen(store: Store) -> None:
    log(store, an_entry())
    store.ledger.issue(drawn_up(store, JANUARY))
    credit = credited(store)
    store.invoices.save(record_payment(credit.invoice, a_payment("10")))
    before = everything(store)

    with pytest.raises(Contended):
        store.ledger.credit(credit)

    assert everything(store) == before


def test_a_sheet_that_changed_meanwhile_makes_a_credit_note_come_again(store: Store) -> None:
    log(store, an_entry("wrk_1"))
    store.ledger.issue(drawn_up(store, JANUARY))
    credit = credited(store)
    log(store, an_entry("wrk_2"))

    with pytest.raises(Contended):
        store.ledger.credit(credit)
    store.ledger.credit(credited(store))

    (sheet,) = store.work.sheets("acc_1", "cli_1", ["2026-01"])
    assert sheet.open == {"wrk_1", "wrk_2"}


def test_released_hours_are_billed_again_by_the_next_invoice(store: Store) -> None:
    log(store, an_entry())
    store.ledger.issue(drawn_up(store, JANUARY))
    store.ledger.credit(credited(store))

    store.ledger.issue(drawn_up(store, JANUARY, invoice_id="inv_2"))

    assert store.work.get("acc_1", "wrk_1").invoice_id == "inv_2"
    assert store.invoices.get("acc_1", "inv_2").number == "RE-2026-0002"


def test_money_comes_back_with_the_currencys_decimals(store: Store) -> None:
    store.clients.add(a_client("cli_2", rate=Decimal("58.20"), currency="EUR"))
    log(store, an_entry(client_id="cli_2", minutes=180))
    store.ledger.issue(drawn_up(store, JANUARY, client_id="cli_2"))

    invoice = store.invoices.get("acc_1", "inv_1")
    (line,) = store.invoices.lines("acc_1", "inv_1")

    assert [str(amount) for amount in (line.rate, line.amount, invoice.net, invoice.vat, invoice.total)] == [
        "58.20",
        "174.60",
        "174.60",
        "34.92",
        "209.52",
    ]


def test_sheets_come_back_in_the_order_of_the_months_asked_for(store: Store) -> None:
    log(store, an_entry("wrk_1"), an_entry("wrk_2", day=date(2026, 2, 1)))

    months = ["2026-02", "2026-03", "2026-01"]

    assert [sheet.month for sheet in store.work.sheets("acc_1", "cli_1", months)] == months
    assert store.work.sheets("acc_2", "cli_1", ["2026-01"]) == (
        WorkSheet(account_id="acc_2", client_id="cli_1", month="2026-01"),
    )
