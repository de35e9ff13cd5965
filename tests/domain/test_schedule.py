from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.accounts import Account
from chalicelib.domain.calendar import ONE_DAY, invoice_day_from, local_day, start_of_day
from chalicelib.domain.clients import Client, archive, edit_client, schedule
from tests.builders import a_client, an_account
from tests.domain.strategies import anchors, instants, zones

todays = instants(2001, 2150)


@dataclass
class Nights:
    """The nightly run reduced to its rule: bill each day that is due, then wait for the next one after it."""

    account: Account
    client: Client
    billed: list[date] = field(default_factory=list)

    def run(self, at: datetime) -> list[date]:
        """The days that this night bills."""
        before = len(self.billed)
        while self.client.due_at is not None and self.client.due_at <= at:
            assert self.client.next_invoice_on is not None
            self.billed.append(self.client.next_invoice_on)
            self.client = schedule(self.client, self.account, first_day=self.client.next_invoice_on + ONE_DAY)
        return self.billed[before:]


def two_at_night(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 2, tzinfo=UTC)


def nights_from(now: datetime, *, invoice_day: int, time_zone: str) -> Nights:
    account = an_account(time_zone=time_zone)
    return Nights(account, a_client(account=account, now=now, invoice_day=invoice_day))


def test_on_28_february_at_noon_the_first_of_march_is_due_in_auckland_but_not_in_los_angeles() -> None:
    noon = datetime(2027, 2, 28, 12, tzinfo=UTC)
    before = datetime(2027, 2, 10, tzinfo=UTC)

    assert nights_from(before, invoice_day=1, time_zone="Pacific/Auckland").run(noon) == [date(2027, 3, 1)]
    assert nights_from(before, invoice_day=1, time_zone="America/Los_Angeles").run(noon) == []


def test_a_run_that_fails_on_the_1st_is_made_good_on_the_3rd_and_the_next_stays_on_the_1st() -> None:
    nights = nights_from(datetime(2027, 2, 10, tzinfo=UTC), invoice_day=1, time_zone="Europe/Vienna")

    assert nights.run(two_at_night(date(2027, 3, 3))) == [date(2027, 3, 1)]
    assert nights.run(two_at_night(date(2027, 3, 4))) == []
    assert nights.client.next_invoice_on == date(2027, 4, 1)


def test_a_new_client_is_due_on_its_first_invoice_day_that_is_not_over() -> None:
    now = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)

    vienna = a_client(account=an_account(time_zone="Europe/Vienna"), now=now, invoice_day=31)
    london = a_client(account=an_account(time_zone="Europe/London"), now=now, invoice_day=31)

    assert vienna.next_invoice_on == date(2026, 2, 28)
    assert london.next_invoice_on == date(2026, 1, 31)


def test_a_client_without_an_invoice_day_is_never_due() -> None:
    client = a_client(invoice_day=None)

    assert (client.next_invoice_on, client.due_at) == (None, None)


def test_an_archived_client_is_never_due_again() -> None:
    account = an_account()
    client = archive(a_client(account=account, invoice_day=15), now=datetime(2026, 2, 1, tzinfo=UTC))

    edited = edit_client(client, replace(client.details, invoice_day=20), account, now=datetime(2026, 2, 2, tzinfo=UTC))

    assert (client.next_invoice_on, client.due_at) == (None, None)
    assert (edited.invoice_day, edited.next_invoice_on, edited.due_at) == (20, None, None)


def test_a_new_invoice_day_holds_from_today_on() -> None:
    account, now = an_account(), datetime(2026, 1, 10, 9, tzinfo=UTC)
    client = a_client(account=account, now=now, invoice_day=31)

    earlier = edit_client(client, replace(client.details, invoice_day=5), account, now=now)
    today = edit_client(client, replace(client.details, invoice_day=10), account, now=now)
    never = edit_client(client, replace(client.details, invoice_day=None), account, now=now)

    assert earlier.next_invoice_on == date(2026, 2, 5)
    assert today.next_invoice_on == date(2026, 1, 10)
    assert (never.next_invoice_on, never.due_at) == (None, None)


def test_a_new_invoice_day_never_asks_again_for_a_day_that_is_invoiced() -> None:
    account, now = an_account(), datetime(2026, 1, 15, 9, tzinfo=UTC)
    client = replace(a_client(account=account, now=now), invoiced_through=date(2026, 1, 15))

    edited = edit_client(client, replace(client.details, invoice_day=15), account, now=now)

    assert edited.next_invoice_on == date(2026, 2, 15)


def test_another_edit_leaves_the_schedule_alone_even_when_a_day_is_overdue() -> None:
    account, before = an_account(), datetime(2026, 1, 10, 9, tzinfo=UTC)
    client = a_client(account=account, now=before, invoice_day=15)

    edited = edit_client(client, replace(client.details, name="New name"), account, now=before + timedelta(days=10))

    assert (edited.next_invoice_on, edited.due_at) == (date(2026, 1, 15), client.due_at)


@given(zones, anchors, todays)
def test_in_any_zone_each_day_of_30_years_is_due_when_it_begins_and_each_month_once(
    time_zone: str, anchor: int, now: datetime
) -> None:
    account = an_account(time_zone=time_zone)
    client = a_client(account=account, now=now, invoice_day=anchor)
    due: list[tuple[date, datetime]] = []
    for _ in range(360):
        assert client.next_invoice_on is not None
        assert client.due_at is not None
        due.append((client.next_invoice_on, client.due_at))
        client = schedule(client, account, first_day=client.next_invoice_on + ONE_DAY)

    months = [day.year * 12 + day.month for day, _ in due]
    assert months == list(range(months[0], months[0] + 360))
    assert due[0][0] >= local_day(now, time_zone)
    assert all(at == start_of_day(day, time_zone) and at.tzinfo is UTC for day, at in due)
    assert all(earlier < later for (_, earlier), (_, later) in pairwise(due))


@given(zones, anchors, todays, some.lists(some.integers(1, 100), min_size=1, max_size=24))
def test_however_many_nights_are_missed_every_invoice_day_is_billed_once_in_order_and_none_drifts(
    time_zone: str, anchor: int, now: datetime, nights_between: list[int]
) -> None:
    nights = nights_from(now, invoice_day=anchor, time_zone=time_zone)
    at = two_at_night(now.date())
    for count in nights_between:
        at += timedelta(days=count)
        nights.run(at)
        assert nights.run(at) == [], "the same night again bills nothing"

    wanted, day = [], invoice_day_from(local_day(now, time_zone), anchor)
    while start_of_day(day, time_zone) <= at:
        wanted.append(day)
        day = invoice_day_from(day + ONE_DAY, anchor)
    assert nights.billed == wanted
    assert nights.client.next_invoice_on == day
