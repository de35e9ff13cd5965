from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.events import Change, event_of
from chalicelib.domain.kinds import ItemType

AT = datetime(2026, 1, 10, 9, 30, tzinfo=UTC)
SECRET = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"

plain = some.dictionaries(
    some.sampled_from(["name", "status", "version", "email"]),
    some.text(max_size=5) | some.integers(1, 9).map(Decimal),
)
things = some.builds(lambda thing, version: thing | {"version": Decimal(version)}, plain, some.integers(1, 99))


def a_change(item_type: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Change:
    return Change(item_type=item_type, account_id="acc_1", id="x_1", occurred_at=AT, old=old, new=new)


def type_of(item_type: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> str | None:
    event = event_of(a_change(item_type, old, new))
    return event.detail_type if event else None


FIRST, SECOND = {"version": Decimal(1)}, {"version": Decimal(2)}


@pytest.mark.parametrize(
    ("item_type", "created", "updated", "deleted"),
    [
        ("client", "ClientCreated", "ClientUpdated", "ClientDeleted"),
        ("work", "WorkLogged", "WorkUpdated", "WorkDeleted"),
        ("user", "UserCreated", "UserUpdated", "UserDeleted"),
        ("product", "ProductCreated", "ProductUpdated", "ProductDeleted"),
        ("account", None, None, None),
        ("credit_note", None, None, None),
        ("sheet", None, None, None),
        ("stock_change", None, None, None),
        ("product_version", None, None, None),
        ("reservation", None, None, None),
        ("books", None, None, None),
    ],
)
def test_every_kind_of_thing_has_its_events(item_type: str, created: str, updated: str, deleted: str) -> None:
    assert type_of(item_type, None, FIRST) == created
    assert type_of(item_type, FIRST, SECOND) == updated
    assert type_of(item_type, SECOND, None) == deleted


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, "pending", None),
        ("pending", "ready", "ImageReady"),
        ("pending", "rejected", "ImageRejected"),
        ("ready", "rejected", "ImageRejected"),
        ("rejected", "ready", "ImageReady"),
        ("ready", "ready", None),
        ("rejected", "rejected", None),
        ("ready", None, None),
        ("pending", None, None),
    ],
)
def test_an_image_tells_of_what_became_of_it_once(before: str | None, after: str | None, told: str | None) -> None:
    old = {"status": before, "version": Decimal(1)} if before else None
    new = {"status": after, "version": Decimal(2)} if after else None

    assert type_of("image", old, new) == told


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, "issued", "InvoiceIssued"),
        ("issued", "paid", "InvoicePaid"),
        ("issued", "credited", "InvoiceCredited"),
        ("paid", "credited", "InvoiceCredited"),
        ("issued", "issued", None),
        ("paid", "paid", None),
        ("credited", "credited", None),
        ("issued", None, None),
    ],
)
def test_an_invoice_tells_of_its_status_and_of_nothing_else(before: str | None, after: str | None, told: str | None) -> None:
    old = {"status": before, "version": Decimal(1)} if before else None
    new = {"status": after, "version": Decimal(2), "delivery": {"status": "sent"}} if after else None

    assert type_of("invoice", old, new) == told


HELD, RUNNING, DONE = ("PENDING", "held"), ("PENDING", "running"), ("CONFIRMED", "done")
BACK, UNDONE, STUCK = ("PENDING", "compensating"), ("FAILED", "compensated"), ("FAILED", "compensation_failed")
CANCELED = ("CANCELED", "compensated")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, RUNNING, "OrderPlaced"),
        (None, HELD, None),
        (HELD, HELD, None),
        (HELD, RUNNING, "OrderPlaced"),
        (HELD, CANCELED, None),
        (RUNNING, CANCELED, "OrderCanceled"),
        (RUNNING, RUNNING, None),
        (RUNNING, BACK, None),
        (RUNNING, DONE, "OrderConfirmed"),
        (BACK, UNDONE, "OrderFailed"),
        (BACK, STUCK, "OrderFailed"),
        (RUNNING, STUCK, "OrderFailed"),
        (BACK, CANCELED, "OrderCanceled"),
        (DONE, DONE, None),
        (DONE, None, None),
        (HELD, None, None),
    ],
)
def test_an_order_tells_that_it_is_placed_and_how_it_ends(
    before: tuple[str, str] | None, after: tuple[str, str] | None, told: str | None
) -> None:
    def order(state: tuple[str, str] | None, version: int) -> dict[str, Any] | None:
        return {"status": state[0], "workflow_status": state[1], "version": Decimal(version)} if state else None

    assert type_of("order", order(before, 1), order(after, 2)) == told


def test_a_change_of_stock_is_told_as_one_of_the_product() -> None:
    old = {"name": "Lantern", "stock": Decimal(30), "version": Decimal(4)}
    new = old | {"stock": Decimal(29), "version": Decimal(5)}

    event = event_of(a_change("product", old, new))

    assert event is not None
    assert (event.detail_type, event.version) == ("ProductUpdated", 5)
    assert (event.old, event.new) == (old, new)


@pytest.mark.parametrize("item_type", ["client", "work", "user", "product"])
def test_what_moves_no_version_is_told_of_nothing(item_type: str) -> None:
    assert type_of(item_type, FIRST, FIRST | {"mark": True}) is None


def test_what_moves_no_version_concerns_nobody_outside() -> None:
    assert type_of("client", {"version": Decimal(3)}, {"version": Decimal(3), "has_work": True}) is None


def test_a_change_from_nothing_to_nothing_is_none() -> None:
    assert [type_of(item_type, None, None) for item_type in get_args(ItemType)] == [None] * len(get_args(ItemType))


def test_an_event_tells_what_changed_in_which_account_and_when() -> None:
    event = event_of(a_change("client", {"name": "A", "version": Decimal(6)}, {"name": "B", "version": Decimal(7)}))

    assert event is not None
    assert (event.account_id, event.id, event.version, event.occurred_at) == ("acc_1", "x_1", 7, AT)
    assert (event.old, event.new) == ({"name": "A", "version": 6}, {"name": "B", "version": 7})


def test_a_deletion_bears_the_last_version_that_there_was() -> None:
    event = event_of(a_change("client", {"version": Decimal(9)}, None))

    assert event is not None
    assert (event.version, event.new) == (9, None)


@given(some.none() | things, some.none() | things, some.sampled_from([*get_args(ItemType), "unheard-of"]))
def test_no_event_ever_bears_a_password_s_hash(old: dict[str, Any] | None, new: dict[str, Any] | None, item_type: str) -> None:
    change = a_change(
        item_type,
        None if old is None else old | {"password_hash": SECRET},
        None if new is None else new | {"password_hash": SECRET},
    )

    event = event_of(change)

    assert SECRET not in repr(event)
    assert "password_hash" not in repr(event)
    assert event is None or (event.old, event.new) == (old, new), "all else is told as it is"
