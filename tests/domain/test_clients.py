from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.clients import Client, ClientDetails, HourlyRate, archive, edit_client, new_client
from chalicelib.domain.errors import Invalid
from tests.builders import NOW, a_client, an_account, client_details

rates = some.decimals(min_value=0, max_value=1000, places=2)
days = some.dates(date(2025, 1, 1), date(2027, 12, 31))
ALL_DAYS = [date(2024, 12, 1) + timedelta(days=count) for count in range(1200)]


def with_rate(client: Client, rate: Any, *, valid_from: date | None = None, today: date = date(2026, 1, 10)) -> Client:
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    return edit_client(
        client, replace(client.details, rate=Decimal(rate), rate_valid_from=valid_from), an_account(time_zone="UTC"), now=now
    )


def rates_by_day(client: Client) -> list[Decimal]:
    return [client.rate_on(day) for day in ALL_DAYS]


# Rates


def test_work_before_a_new_rate_s_first_day_keeps_the_old_one() -> None:
    client = with_rate(a_client(rate=Decimal(80)), 95, valid_from=date(2026, 3, 1))

    assert client.rate_on(date(2026, 2, 28)) == 80
    assert client.rate_on(date(2026, 3, 1)) == 95


def test_a_new_rate_without_a_first_day_holds_from_today_in_the_account_s_zone() -> None:
    account = an_account(time_zone="Pacific/Auckland")
    client = a_client(account=account, rate=Decimal(80))

    edited = edit_client(client, replace(client.details, rate=Decimal(95)), account, now=datetime(2026, 2, 28, 12, tzinfo=UTC))

    assert [edited.rate_on(day) for day in (date(2026, 2, 28), date(2026, 3, 1))] == [80, 95]
    assert edited.rate_valid_from == date(2026, 3, 1)


def test_the_first_rate_holds_for_older_work_too() -> None:
    client = a_client(rate=Decimal(80), rate_valid_from=date(2026, 3, 1))

    assert client.rate_on(date(2026, 2, 1)) == 80


def test_a_rate_put_on_or_before_the_first_dated_one_leaves_the_work_before_alone() -> None:
    client = a_client(rate=Decimal(80), rate_valid_from=date(2026, 3, 1))

    before = with_rate(client, 95, valid_from=date(2026, 2, 15))
    same_day = with_rate(client, 95, valid_from=date(2026, 3, 1))

    assert [before.rate_on(date(2026, month, day)) for month, day in ((2, 14), (2, 15), (3, 1))] == [80, 95, 80]
    assert [same_day.rate_on(date(2026, month, day)) for month, day in ((2, 28), (3, 1))] == [80, 95]


def test_a_rate_for_an_earlier_time_takes_its_place_before_the_later_one() -> None:
    client = with_rate(a_client(rate=Decimal(80)), 95, valid_from=date(2026, 3, 1))

    client = with_rate(client, 85, valid_from=date(2026, 2, 1))

    assert [client.rate_on(date(2026, month, 10)) for month in (1, 2, 3)] == [80, 85, 95]
    assert client.rate == 95


def test_a_second_rate_for_the_same_day_replaces_the_first() -> None:
    client = with_rate(a_client(rate=Decimal(80)), 95, valid_from=date(2026, 3, 1))

    client = with_rate(client, 90, valid_from=date(2026, 3, 1))

    assert client.rates == (HourlyRate(rate=Decimal(80)), HourlyRate(rate=Decimal(90), valid_from=date(2026, 3, 1)))


def test_a_new_rate_from_today_ends_the_planned_one() -> None:
    client = with_rate(a_client(rate=Decimal(80)), 95, valid_from=date(2026, 3, 1))

    client = with_rate(client, 90, today=date(2026, 2, 1))

    assert client.rate == 90
    assert [client.rate_on(date(2026, month, 10)) for month in (1, 2, 3)] == [80, 90, 90]


def test_details_saved_again_change_nothing_but_the_version() -> None:
    account = an_account()
    client = with_rate(a_client(account=account, rate=Decimal(80), invoice_day=31), 95, valid_from=date(2026, 3, 1))

    saved = edit_client(client, client.details, account, now=NOW + timedelta(days=30))

    assert saved == replace(client, version=client.version + 1, updated_at=NOW + timedelta(days=30))


@given(rates, some.none() | days, some.lists(some.tuples(rates, some.none() | days, days), max_size=8))
def test_every_rate_holds_from_its_day_to_the_next_and_changes_nothing_before(
    first: Decimal, first_valid_from: date | None, edits: list[tuple[Decimal, date | None, date]]
) -> None:
    client = a_client(rate=first, rate_valid_from=first_valid_from)
    expected = dict.fromkeys(ALL_DAYS, first)
    starts: set[date] = {first_valid_from} if first_valid_from else set()
    for rate, valid_from, today in edits:
        ignored = rate == client.rate and valid_from in (None, client.rate_valid_from)
        client = with_rate(client, rate, valid_from=valid_from, today=today)
        if ignored:
            continue
        begin = valid_from or today
        starts = {start for start in starts if valid_from or start <= begin} | {begin}
        end = min((start for start in starts if start > begin), default=date.max)
        expected |= {day: rate for day in ALL_DAYS if begin <= day < end}

        assert rates_by_day(client) == list(expected.values())


@given(some.dictionaries(days, rates, min_size=1, max_size=6), some.randoms(use_true_random=False))
def test_dated_rates_hold_the_same_in_whatever_order_they_were_entered(by_day: dict[date, Decimal], chance: Any) -> None:
    in_order, shuffled = (a_client(rate=Decimal("1000.01")) for _ in range(2))
    for day in sorted(by_day):
        in_order = with_rate(in_order, by_day[day], valid_from=day)
    for day in chance.sample(sorted(by_day), len(by_day)):
        shuffled = with_rate(shuffled, by_day[day], valid_from=day)

    assert rates_by_day(in_order) == rates_by_day(shuffled)


# Editing


def test_a_new_client_is_version_1_and_every_edit_one_more() -> None:
    account = an_account()
    client = a_client(account=account, invoice_day=15)
    edited = edit_client(client, client_details(name="Analytical Engines"), account, now=NOW)

    assert (client.version, edited.version) == (1, 2)
    assert (edited.name, edited.id, edited.created_at) == ("Analytical Engines", client.id, client.created_at)


def test_archiving_keeps_the_client_and_its_rates() -> None:
    client = a_client(rate=Decimal(80), invoice_day=15, has_work=True)

    archived = archive(client, now=NOW)

    assert archived.archived
    assert archived == replace(
        client, archived_at=NOW, next_invoice_on=None, due_at=None, version=client.version + 1, updated_at=NOW
    )


# What is refused


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"email": "nobody"}, "/email"),
        ({"country": "UK"}, "/country"),
        ({"rate": Decimal("-0.01")}, "/rate"),
        ({"rate": Decimal("NaN")}, "/rate"),
        ({"rate_valid_from": date(1, 1, 1)}, "/rate_valid_from"),
        ({"currency": "DEM"}, "/currency"),
        ({"tax_rate": Decimal("100.01")}, "/tax_rate"),
        ({"reverse_charge": True}, "/vat_id"),
        ({"reverse_charge": True, "vat_id": ""}, "/vat_id"),
        ({"reverse_charge": True, "vat_id": "DE123456789", "tax_rate": Decimal(20)}, "/tax_rate"),
    ],
)
def test_details_that_break_a_rule_are_refused_with_the_place(changes: dict[str, Any], pointer: str) -> None:
    wrong: ClientDetails = client_details(**changes)
    with pytest.raises(Invalid) as at_first:
        new_client(wrong, an_account(), client_id="cli_1", now=NOW)
    with pytest.raises(Invalid) as later:
        edit_client(a_client(), wrong, an_account(), now=NOW)

    assert [[error.pointer for error in caught.value.errors] for caught in (at_first, later)] == [[pointer], [pointer]]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        client_details(email="x", country="XX", rate=Decimal(-1), currency="?", tax_rate=Decimal(-1)).checked()

    assert [error.pointer for error in caught.value.errors] == ["/email", "/country", "/rate", "/currency", "/tax_rate"]


def test_reverse_charge_goes_with_a_vat_id_and_no_tax_or_a_tax_of_nothing() -> None:
    client_details(reverse_charge=True, vat_id="DE123456789").checked()
    client_details(reverse_charge=True, vat_id="DE123456789", tax_rate=Decimal(0)).checked()


def test_work_for_nothing_is_allowed() -> None:
    assert a_client(rate=Decimal(0)).rate == 0
