"""A real month of work, worked out a second time in fractions."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from chalicelib.domain.accounts import Account
from chalicelib.domain.billing import Issue
from chalicelib.domain.calendar import ONE_DAY, seconds_in_day
from chalicelib.domain.clients import Client, schedule
from chalicelib.domain.errors import NothingToInvoice
from chalicelib.domain.work import Span, WorkEntry, check_no_overlap
from tests.builders import a_client, an_account
from tests.domain.builders import issued, timed_entry
from tests.domain.exactly import half_up

EXAMPLE = Path(__file__).parents[2] / "examples" / "work-2024-10.csv"
SIGNED_UP = datetime(2024, 8, 1, 9, tzinfo=UTC)
RATE, VAT_RATE = 95, 20


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with EXAMPLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def account() -> Account:
    return an_account(time_zone="Europe/Vienna", default_tax_rate=Decimal(VAT_RATE))


@pytest.fixture(scope="module")
def client(account: Account) -> Client:
    return a_client(account=account, now=SIGNED_UP, rate=Decimal("95.00"), invoice_day=31)


@pytest.fixture(scope="module")
def entries(rows: Sequence[dict[str, str]], account: Account) -> list[WorkEntry]:
    return [
        timed_entry(row["started_at"], row["ended_at"], account, entry_id=f"wrk_{place:02}", description=row["description"])
        for place, row in enumerate(rows)
    ]


@pytest.fixture(scope="module")
def october(entries: Sequence[WorkEntry], account: Account, client: Client) -> Issue:
    """Issued by the run in the night to the invoice day."""
    return issued(
        *entries,
        account=account,
        client=client,
        through=date(2024, 10, 31),
        issued_at=datetime(2024, 10, 31, 2, tzinfo=UTC),
    )


def seconds_by_hand(row: dict[str, str]) -> int:
    """Clock times and offsets read digit by digit, without the library that is under test."""
    start, end = (
        (int(text[8:10]) * 24 + int(text[11:13]) - int(text[20:22])) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
        for text in (row["started_at"], row["ended_at"])
    )
    return end - start


def test_the_month_has_18_sessions_of_17_hours_1_minute_and_46_seconds(rows: list[dict[str, str]], october: Issue) -> None:
    assert len(rows) == len(october.lines) == october.invoice.line_count == 18
    assert timedelta(seconds=sum(map(seconds_by_hand, rows))) == timedelta(hours=17, minutes=1, seconds=46)
    assert october.invoice.duration_seconds == 61_306


def test_every_line_is_its_seconds_times_the_rate_over_3600_rounded_half_up(rows: list[dict[str, str]], october: Issue) -> None:
    assert [(line.duration_seconds, line.description, line.rate, line.amount) for line in october.lines] == [
        (
            seconds_by_hand(row),
            row["description"],
            Decimal("95.00"),
            half_up(Fraction(RATE * seconds_by_hand(row), 3600), 2),
        )
        for row in sorted(rows, key=lambda row: row["started_at"])
    ]


def test_net_vat_and_total_are_those_worked_out_by_hand(rows: list[dict[str, str]], october: Issue) -> None:
    cents = [(RATE * seconds_by_hand(row) * 100 * 2 + 3600) // 7200 for row in rows]
    vat_cents = (sum(cents) * VAT_RATE * 2 + 100) // 200

    invoice = october.invoice

    assert [invoice.net * 100, invoice.vat * 100, invoice.total * 100] == [sum(cents), vat_cents, sum(cents) + vat_cents]
    assert (str(invoice.net), str(invoice.vat), str(invoice.total)) == ("1617.80", "323.56", "1941.36")
    assert [(group.rate, group.net, group.vat) for group in invoice.vat_groups] == [(Decimal(20), invoice.net, invoice.vat)]


def test_every_day_is_the_day_that_the_file_says(rows: list[dict[str, str]], entries: list[WorkEntry]) -> None:
    assert [entry.day.isoformat() for entry in entries] == [row["started_at"][:10] for row in rows]


def test_the_late_summer_s_stray_entries_are_billed_with_it(october: Issue) -> None:
    assert october.invoice.months == ("2024-08", "2024-09", "2024-10")
    assert (october.invoice.period_from, october.invoice.period_through) == (date(2024, 8, 29), date(2024, 10, 31))


def test_no_two_sessions_overlap(entries: list[WorkEntry]) -> None:
    spans = [
        Span(entry_id=entry.id, started_at=entry.started_at, ended_at=entry.ended_at)
        for entry in entries
        if entry.started_at and entry.ended_at
    ]

    assert len(spans) == 18
    for entry in entries:
        check_no_overlap(entry, spans)


def test_summer_time_ends_on_a_day_of_25_hours() -> None:
    assert [seconds_in_day(date(2024, 10, day), "Europe/Vienna") / 3600 for day in (26, 27, 28)] == [24, 25, 24]


def test_the_invoice_is_due_when_the_31st_begins_in_vienna_and_dated_that_day(client: Client, october: Issue) -> None:
    in_october = schedule(client, an_account(time_zone="Europe/Vienna"), first_day=date(2024, 10, 1))

    assert in_october.due_at == datetime(2024, 10, 30, 23, tzinfo=UTC)
    assert (october.invoice.issued_on, october.invoice.due_on) == (date(2024, 10, 31), date(2024, 11, 14))
    assert october.invoice.number == "RE-2024-0001"


def test_with_nothing_logged_in_november_there_is_no_invoice_and_december_is_next(
    october: Issue, account: Account, entries: list[WorkEntry]
) -> None:
    waiting = schedule(october.next_client, account, first_day=date(2024, 10, 31) + ONE_DAY)
    assert waiting.next_invoice_on == date(2024, 11, 30)
    left = [entry for entry in entries if not any(entry.id in taken for taken in october.billed.values())]
    with pytest.raises(NothingToInvoice):
        issued(
            *left,
            account=account,
            client=waiting,
            through=date(2024, 11, 30),
            issued_at=datetime(2024, 11, 30, 2, tzinfo=UTC),
        )

    after = schedule(waiting, account, first_day=date(2024, 11, 30) + ONE_DAY)

    assert after.next_invoice_on == date(2024, 12, 31)
    assert after == replace(waiting, next_invoice_on=date(2024, 12, 31), due_at=datetime(2024, 12, 30, 23, tzinfo=UTC))
