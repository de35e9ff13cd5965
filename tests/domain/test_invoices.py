import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.billing import (
    MAX_LINES,
    MAX_SHEETS,
    Credit,
    Issue,
    NumberSeries,
    billable_entries,
    credit,
    credit_note_number,
    draw_up,
    invoice_number,
    settle_through,
)
from chalicelib.domain.clients import edit_client
from chalicelib.domain.errors import Invalid, InvoiceCredited, InvoicePaid, InvoiceTooLarge, NothingToInvoice
from chalicelib.domain.invoices import MAX_PAYMENTS, Invoice, InvoiceStatus, record_payment
from chalicelib.domain.work import WorkEntry
from tests.builders import NOW, a_client, a_payment, an_account, an_entry
from tests.domain.builders import credit_notes_of, invoices_of, issued, open_work, timed_entry
from tests.domain.exactly import half_up

JANUARY_31 = date(2026, 1, 31)
EARLY_FEBRUARY = datetime(2026, 2, 1, 2, 0, tzinfo=UTC)


def credited(issue: Issue, invoice: Invoice | None = None) -> Credit:
    return credit(
        invoice or issue.invoice,
        issue.sheets,
        credit_notes_of(2026),
        note_id="crn_1",
        reason="Wrong rate",
        time_zone="Europe/Vienna",
        issued_at=EARLY_FEBRUARY + timedelta(days=3),
    )


def paid(invoice: Invoice, *amounts: str) -> Invoice:
    for number, amount in enumerate(amounts):
        invoice = record_payment(invoice, a_payment(amount, f"pay_{number}"))
    return invoice


# What goes on an invoice


def test_an_invoice_holds_a_line_for_each_entry_at_the_rate_of_its_day() -> None:
    account = an_account()
    client = a_client(account=account, rate=Decimal(80))
    client = edit_client(client, replace(client.details, rate=Decimal(95), rate_valid_from=date(2026, 3, 1)), account, now=NOW)

    issue = issued(
        an_entry(day=date(2026, 2, 28), entry_id="wrk_1", duration_seconds=3600),
        an_entry(day=date(2026, 3, 1), entry_id="wrk_2", duration_seconds=1800, description="Proof"),
        account=account,
        client=client,
        through=date(2026, 3, 31),
    )

    assert [(line.entry_id, line.description, line.rate, str(line.amount)) for line in issue.lines] == [
        ("wrk_1", "Analytical engine", Decimal(80), "80.00"),
        ("wrk_2", "Proof", Decimal(95), "47.50"),
    ]
    assert (issue.invoice.line_count, issue.invoice.duration_seconds) == (2, 5400)
    assert (issue.invoice.net, issue.invoice.vat, issue.invoice.total) == (
        Decimal("127.50"),
        Decimal("25.50"),
        Decimal("153.00"),
    )


def test_lines_stand_in_the_order_of_days_and_hours_and_work_without_an_hour_comes_last() -> None:
    entries = [
        an_entry(day=date(2026, 1, 6), entry_id="wrk_5"),
        an_entry(day=date(2026, 1, 5), entry_id="wrk_4"),
        an_entry(day=date(2026, 1, 5), entry_id="wrk_3"),
        timed_entry("2026-01-05T12:00:00Z", "2026-01-05T13:00:00Z", entry_id="wrk_1"),
        timed_entry("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z", entry_id="wrk_2"),
    ]

    assert [line.entry_id for line in issued(*entries).lines] == ["wrk_2", "wrk_1", "wrk_3", "wrk_4", "wrk_5"]


def test_what_is_not_billable_or_later_than_the_day_stays_off() -> None:
    issue = issued(
        an_entry(day=date(2026, 1, 31), entry_id="wrk_1"),
        an_entry(day=date(2026, 1, 31), entry_id="wrk_2", billable=False),
        an_entry(day=date(2026, 2, 1), entry_id="wrk_3"),
        through=JANUARY_31,
    )

    assert [line.entry_id for line in issue.lines] == ["wrk_1"]
    assert issue.billed == {"2026-01": frozenset({"wrk_1"})}
    assert [sheet.month for sheet in issue.sheets] == ["2026-01"]


@pytest.mark.parametrize(
    "entries",
    [[], [an_entry(billable=False)], [an_entry(day=date(2026, 2, 1))]],
    ids=["no work", "nothing billable", "only later work"],
)
def test_without_billable_work_through_the_day_there_is_no_invoice(entries: list[WorkEntry]) -> None:
    with pytest.raises(NothingToInvoice):
        issued(*entries, through=JANUARY_31)


def test_work_that_a_timer_was_still_measuring_goes_on_the_next_invoice() -> None:
    before = an_entry(day=date(2026, 1, 30), entry_id="wrk_1")
    first = issued(before, through=JANUARY_31)
    stopped_after = timed_entry("2026-01-31T22:30:00Z", "2026-02-01T03:00:00Z", entry_id="wrk_2")

    second = issued(stopped_after, client=first.next_client, through=date(2026, 2, 28))

    assert [line.entry_id for line in first.lines] == ["wrk_1"]
    assert [line.entry_id for line in second.lines] == ["wrk_2"]


def test_a_late_entry_in_a_billed_month_goes_on_the_next_invoice_and_its_period_says_so() -> None:
    january = issued(an_entry(day=date(2026, 1, 5), entry_id="wrk_1"), through=JANUARY_31)
    late = an_entry(day=date(2026, 1, 20), entry_id="wrk_2")
    usual = an_entry(day=date(2026, 2, 10), entry_id="wrk_3")

    february = issued(late, usual, client=january.next_client, through=date(2026, 2, 28))

    assert [line.entry_id for line in february.lines] == ["wrk_2", "wrk_3"]
    assert (february.invoice.period_from, february.invoice.period_through) == (date(2026, 1, 20), date(2026, 2, 28))
    assert february.invoice.months == ("2026-01", "2026-02")


def test_a_period_goes_on_where_the_last_one_ended() -> None:
    january = issued(an_entry(day=date(2026, 1, 5)), through=JANUARY_31)
    february = issued(an_entry(day=date(2026, 2, 10)), client=january.next_client, through=date(2026, 2, 28))

    assert (january.invoice.period_from, january.invoice.period_through) == (date(2026, 1, 5), JANUARY_31)
    assert (february.invoice.period_from, february.invoice.period_through) == (date(2026, 2, 1), date(2026, 2, 28))


def test_an_invoice_through_an_earlier_day_does_not_take_back_what_is_settled() -> None:
    client = settle_through(a_client(), date(2026, 2, 28), now=NOW)

    earlier = settle_through(client, JANUARY_31, now=NOW)

    assert earlier.invoiced_through == date(2026, 2, 28)
    assert (client.version, earlier.version) == (2, 3)


def test_three_entries_of_20_minutes_at_85_are_28_33_each_and_84_99_together() -> None:
    issue = issued(
        *(an_entry(entry_id=f"wrk_{number}", duration_seconds=1200) for number in range(3)),
        account=an_account(default_tax_rate=Decimal(0)),
        client=a_client(rate=Decimal(85)),
    )

    assert [str(line.amount) for line in issue.lines] == ["28.33"] * 3
    assert str(issue.invoice.total) == "84.99"


def test_an_invoice_in_yen_has_no_decimals() -> None:
    account = an_account(currency="JPY", default_tax_rate=Decimal(10))
    client = a_client(account=account, currency="JPY", rate=Decimal(1127))

    invoice = issued(an_entry(), account=account, client=client).invoice

    assert (str(invoice.net), str(invoice.vat), str(invoice.total)) == ("1127", "113", "1240")


def test_the_client_s_own_tax_rate_comes_before_the_account_s() -> None:
    account = an_account(default_tax_rate=Decimal(20))

    of_account = issued(an_entry(), account=account, client=a_client(account=account, tax_rate=None)).invoice
    own = issued(an_entry(), account=account, client=a_client(account=account, tax_rate=Decimal(10))).invoice
    none = issued(an_entry(), account=account, client=a_client(account=account, tax_rate=Decimal(0))).invoice

    assert [invoice.vat for invoice in (of_account, own, none)] == [Decimal("19.00"), Decimal("9.50"), Decimal("0.00")]


def test_reverse_charge_is_0_per_cent_and_bears_both_vat_ids() -> None:
    account = an_account(default_tax_rate=Decimal(20), vat_id="ATU12345678")
    client = a_client(account=account, reverse_charge=True, vat_id="DE123456789")

    invoice = issued(an_entry(), account=account, client=client).invoice

    assert invoice.reverse_charge
    assert [(group.rate, str(group.vat)) for group in invoice.vat_groups] == [(Decimal(0), "0.00")]
    assert (str(invoice.vat), invoice.total) == ("0.00", invoice.net)
    assert (invoice.seller.vat_id, invoice.buyer.vat_id) == ("ATU12345678", "DE123456789")


def test_payment_is_due_so_many_days_after_the_local_day_of_issue() -> None:
    account = an_account(payment_terms_days=14)
    late_evening = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)

    by_account = issued(an_entry(), account=account, client=a_client(account=account), issued_at=late_evening).invoice
    by_client = issued(
        an_entry(), account=account, client=a_client(account=account, payment_terms_days=0), issued_at=late_evening
    ).invoice

    assert (by_account.issued_on, by_account.due_on) == (date(2026, 2, 1), date(2026, 2, 15))
    assert by_client.due_on == date(2026, 2, 1)


def test_issuing_leaves_the_schedule_as_it_is_and_notes_through_when_all_is_settled() -> None:
    client = a_client(invoice_day=31)

    issue = issued(an_entry(), client=client, through=date(2026, 1, 20))

    assert issue.next_client == replace(
        client, invoiced_through=date(2026, 1, 20), version=client.version + 1, updated_at=EARLY_FEBRUARY
    )


def test_an_invoice_keeps_the_parties_as_they_were_when_it_was_issued() -> None:
    account = an_account()
    client = a_client(
        account=account, name="Babbage & Co", address="1 Dorset Street", email="charles@example.com", country="GB"
    )

    issue = issued(an_entry(), account=account, client=client)
    moved = edit_client(client, replace(client.details, name="Clement Ltd", address="Elsewhere"), account, now=NOW)
    after = issued(an_entry(), account=account, client=moved)

    assert (issue.invoice.buyer.name, issue.invoice.buyer.address) == ("Babbage & Co", "1 Dorset Street")
    assert (issue.invoice.buyer.email, issue.invoice.buyer.country) == ("charles@example.com", "GB")
    assert (issue.invoice.seller.name, issue.invoice.seller.iban) == ("Ada Lovelace e.U.", "AT611904300234573201")
    assert after.invoice.buyer.name == "Clement Ltd"


def test_an_invoice_takes_2500_entries_but_not_one_more() -> None:
    entries = [an_entry(entry_id=f"wrk_{number:04}", duration_seconds=1) for number in range(MAX_LINES + 1)]

    assert issued(*entries[:-1]).invoice.line_count == MAX_LINES == 2_500
    with pytest.raises(InvoiceTooLarge, match="at most 2500 entries"):
        issued(*entries)


@pytest.mark.parametrize(("character", "most"), [("€", 1_400), ("\U0001f600", 700)])
def test_an_invoice_takes_no_more_text_than_an_answer_can_hold(character: str, most: int) -> None:
    entries = [an_entry(entry_id=f"wrk_{number:04}", description=character * 500) for number in range(most + 1)]

    assert issued(*entries[:-1]).invoice.line_count == most
    with pytest.raises(InvoiceTooLarge, match="700000 characters"):
        issued(*entries)


def test_an_invoice_takes_72_months_but_not_one_more() -> None:
    entries = [an_entry(day=date(2020 + number // 12, number % 12 + 1, 1), entry_id=f"wrk_{number}") for number in range(73)]

    assert len(issued(*entries[1:], through=date(2026, 1, 31)).billed) == MAX_SHEETS == 72
    with pytest.raises(InvoiceTooLarge, match="72 months"):
        issued(*entries, through=date(2026, 1, 31))


entries_of_some_months = some.lists(
    some.builds(
        lambda day, seconds, billable: (day, seconds, billable),
        some.dates(date(2025, 11, 1), date(2026, 3, 31)),
        some.integers(1, 100_000),
        some.booleans(),
    ),
    max_size=25,
).map(
    lambda drawn: [
        an_entry(day=day, duration_seconds=seconds, billable=billable, entry_id=f"wrk_{number:02}")
        for number, (day, seconds, billable) in enumerate(drawn)
    ]
)


@given(
    entries_of_some_months,
    some.decimals(min_value=0, max_value=500, places=3),
    some.sampled_from([Decimal(0), Decimal(20), Decimal("7.5")]),
    some.dates(date(2025, 11, 1), date(2026, 3, 31)),
    some.randoms(use_true_random=False),
)
def test_an_invoice_bills_all_that_is_due_once_and_adds_up_to_the_cent(
    entries: list[WorkEntry], rate: Decimal, tax: Decimal, through: date, chance: random.Random
) -> None:
    account = an_account(default_tax_rate=tax)
    client = a_client(account=account, rate=rate)
    due = {entry.id: entry for entry in entries if entry.billable and entry.day <= through}
    work = open_work(*chance.sample(entries, len(entries)), account=account, client=client)
    if not due:
        with pytest.raises(NothingToInvoice):
            draw_up(work, invoices_of(2026), through=through, invoice_id="inv_1", issued_at=EARLY_FEBRUARY)
        return

    issue = draw_up(work, invoices_of(2026), through=through, invoice_id="inv_1", issued_at=EARLY_FEBRUARY)

    invoice, amounts = issue.invoice, [half_up(Fraction(rate) * entry.duration_seconds / 3600, 2) for entry in due.values()]
    assert sorted(line.entry_id for line in issue.lines) == sorted(due)
    assert [line.day for line in issue.lines] == sorted(line.day for line in issue.lines)
    assert sorted(line.amount for line in issue.lines) == sorted(amounts)
    assert invoice.net == sum(amounts)
    assert invoice.vat == half_up(Fraction(sum(amounts)) * Fraction(tax) / 100, 2)
    assert invoice.total == invoice.net + invoice.vat
    assert frozenset().union(*issue.billed.values()) == frozenset(due)
    assert [sheet.month for sheet in issue.sheets] == list(issue.billed) == list(invoice.months)
    assert all(issue.billed[sheet.month] <= sheet.open for sheet in issue.sheets)
    assert invoice.period_from <= min(entry.day for entry in due.values())
    assert invoice.period_through == through


# Numbers


def test_numbers_go_up_by_one_and_grow_past_9999() -> None:
    assert [invoice_number("RE-", invoices_of(2026, last)) for last in (0, 1, 9998, 9999)] == [
        "RE-2026-0001",
        "RE-2026-0002",
        "RE-2026-9999",
        "RE-2026-10000",
    ]


def test_credit_notes_have_numbers_of_their_own() -> None:
    assert credit_note_number(credit_notes_of(2026, 6)) == "CN2026-0007"


def test_an_invoice_issued_in_the_last_second_of_the_local_year_bears_that_year() -> None:
    account = an_account(time_zone="America/New_York")
    last_second = datetime(2027, 1, 1, 4, 59, 59, tzinfo=UTC)
    work = open_work(an_entry(day=date(2026, 12, 31)), account=account)

    invoice = draw_up(
        work, invoices_of(2026, 41), through=date(2026, 12, 31), invoice_id="inv_1", issued_at=last_second
    ).invoice

    assert (invoice.number, invoice.issued_on) == ("RE-2026-0042", date(2026, 12, 31))


@given(some.lists(some.booleans(), max_size=60), some.integers(0, 10_020))
def test_numbers_have_no_gap_and_no_repeat_whichever_attempts_fail(succeeds: list[bool], last: int) -> None:
    series, taken = invoices_of(2026, last), []
    for success in succeeds:
        issue = issued(an_entry(), last=series.last)
        if success:
            taken.append(issue.invoice.number)
            series = NumberSeries(kind=series.kind, year=series.year, last=series.last + 1)

    assert [int(number.removeprefix("RE-2026-")) for number in taken] == list(range(last + 1, last + 1 + len(taken)))


def test_50_attempts_of_which_5_fail_take_the_numbers_1_to_45() -> None:
    last, numbers = 0, []
    for attempt in range(50):
        issue = issued(an_entry(), last=last)
        if attempt % 10 != 3:
            numbers.append(issue.invoice.number)
            last += 1

    assert numbers == [f"RE-2026-{number:04}" for number in range(1, 46)]


# Payments


def an_invoice_over_114() -> Invoice:
    return issued(an_entry(), client=a_client(rate=Decimal(95))).invoice


def test_an_invoice_is_paid_once_nothing_is_open() -> None:
    invoice = an_invoice_over_114()

    part = paid(invoice, "100")
    whole = paid(part, "14.00")

    assert (str(part.paid_amount), str(part.open_amount), part.status) == ("100.00", "14.00", InvoiceStatus.ISSUED)
    assert (str(whole.paid_amount), str(whole.open_amount), whole.status) == ("114.00", "0.00", InvoiceStatus.PAID)
    assert (invoice.version, part.version, whole.version) == (1, 2, 3)


@pytest.mark.parametrize("amount", ["0", "-1", "114.01", "0.001", "NaN", "Infinity", "1e20"])
def test_an_amount_that_is_not_owed_is_refused(amount: str) -> None:
    with pytest.raises(Invalid) as caught:
        paid(an_invoice_over_114(), amount)
    assert [error.pointer for error in caught.value.errors] == ["/amount"]


def test_a_paid_invoice_takes_no_more_money() -> None:
    with pytest.raises(InvoicePaid):
        paid(an_invoice_over_114(), "114", "0.01")


def test_the_last_payment_that_an_invoice_can_hold_must_settle_it_and_may() -> None:
    invoice = paid(an_invoice_over_114(), *["0.01"] * (MAX_PAYMENTS - 1))

    with pytest.raises(Invalid, match="must settle the invoice"):
        paid(invoice, "0.01")
    settled = paid(invoice, str(invoice.open_amount))

    assert (settled.status, len(settled.payments)) == (InvoiceStatus.PAID, 200)


@given(some.lists(some.decimals(min_value=Decimal(-1), max_value=60, places=2), max_size=12))
def test_what_is_paid_and_what_is_open_are_always_the_total(amounts: list[Decimal]) -> None:
    invoice, taken = an_invoice_over_114(), Decimal(0)
    for amount in amounts:
        fits = 0 < amount <= invoice.total - taken
        try:
            invoice = paid(invoice, str(amount))
        except (Invalid, InvoicePaid):
            assert not fits
        else:
            assert fits
            taken += amount
        assert invoice.paid_amount == taken
        assert invoice.paid_amount + invoice.open_amount == invoice.total
        assert (invoice.status is InvoiceStatus.PAID) == (taken == invoice.total)


def test_an_invoice_is_overdue_from_the_day_after_it_was_due_until_it_is_paid() -> None:
    invoice = an_invoice_over_114()
    due_on, day_after = invoice.due_on, invoice.due_on + timedelta(days=1)

    assert not invoice.overdue_on(due_on)
    assert invoice.overdue_on(day_after)
    assert paid(invoice, "100").overdue_on(day_after)
    assert not paid(invoice, "114").overdue_on(day_after)


def test_an_invoice_over_nothing_is_never_overdue() -> None:
    invoice = issued(an_entry(), client=a_client(rate=Decimal(0))).invoice

    assert (str(invoice.total), invoice.overdue_on(date(2199, 1, 1))) == ("0.00", False)


# Credit notes


def test_a_credit_note_takes_the_whole_invoice_back() -> None:
    issue = issued(an_entry(duration_seconds=6617), client=a_client(tax_rate=Decimal(20)))
    made = credited(issue)
    note, invoice = made.note, issue.invoice

    assert (note.number, note.invoice_number, note.reason) == ("CN2026-0001", "RE-2026-0001", "Wrong rate")
    assert (note.net, note.vat, note.total) == (Decimal("-174.62"), Decimal("-34.92"), Decimal("-209.54"))
    assert [(group.rate, group.net, group.vat) for group in note.vat_groups] == [(Decimal(20), -invoice.net, -invoice.vat)]
    assert (note.currency, note.client_id, note.issued_on) == ("EUR", "cli_1", date(2026, 2, 4))


def test_crediting_changes_of_the_invoice_only_its_status_and_the_link() -> None:
    issue = issued(an_entry())

    made = credited(issue)

    assert made.credited == replace(
        issue.invoice,
        status=InvoiceStatus.CREDITED,
        credit_note_id="crn_1",
        credit_note_number="CN2026-0001",
        version=2,
    )
    assert (made.invoice, made.sheets) == (issue.invoice, issue.sheets)


def test_an_invoice_is_credited_once() -> None:
    issue = issued(an_entry())
    made = credited(issue)

    with pytest.raises(InvoiceCredited, match="credited by CN2026-0001"):
        credited(issue, made.credited)


def test_nothing_is_owed_on_a_credited_invoice() -> None:
    invoice = credited(issued(an_entry())).credited

    assert (str(invoice.open_amount), invoice.overdue_on(date(2199, 1, 1))) == ("0.00", False)
    with pytest.raises(InvoiceCredited):
        paid(invoice, "1")


def test_a_paid_invoice_can_be_credited_and_keeps_its_payments() -> None:
    issue = issued(an_entry())
    invoice = credited(issue, paid(issue.invoice, str(issue.invoice.total))).credited

    assert (invoice.status, len(invoice.payments), invoice.paid_amount) == (InvoiceStatus.CREDITED, 1, issue.invoice.total)


def test_a_credit_note_is_dated_in_the_account_s_zone() -> None:
    made = credit(
        issued(an_entry()).invoice,
        (),
        credit_notes_of(2027),
        note_id="crn_1",
        reason="",
        time_zone="Pacific/Auckland",
        issued_at=datetime(2026, 12, 31, 11, 0, tzinfo=UTC),
    )

    assert (made.note.issued_on, made.note.number) == (date(2027, 1, 1), "CN2027-0001")


@given(entries_of_some_months.filter(lambda entries: any(entry.billable for entry in entries)))
def test_an_invoice_and_its_credit_note_come_to_nothing(entries: list[WorkEntry]) -> None:
    issue = issued(*entries, through=date(2026, 3, 31))
    note = credited(issue).note

    assert issue.invoice.total + note.total == issue.invoice.net + note.net == issue.invoice.vat + note.vat == 0


def test_an_invoice_s_work_is_what_it_takes_from_the_open_entries_of_each_month() -> None:
    work = open_work(an_entry(day=date(2026, 1, 5), entry_id="wrk_1"), an_entry(day=date(2025, 12, 5), entry_id="wrk_2"))

    assert [entry.id for entry in billable_entries(work, JANUARY_31)] == ["wrk_2", "wrk_1"]
