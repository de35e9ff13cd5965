"""The table's stream as events on the bus: in order, all of them, and nothing but what concerns the outside."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.events import DomainEvent
from chalicelib.domain.invoices import Invoice, InvoiceStatus
from chalicelib.edge.stream_records import BatchStuck
from tests.builders import a_client, a_product, a_user, an_account, an_entry
from tests.triggers.documents import Document, change, failed, record, sequence_number, stream
from tests.wired import MemoryWired

CLIENT = a_client("cli_1")
ENTRY = an_entry("wrk_1")
CHANGED = replace(CLIENT, name="Babbage Ltd", version=2)


def told(wired: MemoryWired, *records: Document) -> list[str]:
    """The events of a batch that goes through."""
    assert daybook.on_change(stream(*records), None) == failed()
    return [event.detail_type for event in wired.event_bus.published]


def test_every_change_is_told_in_its_order(wired: MemoryWired, issued: Invoice) -> None:
    paid = replace(issued, status=InvoiceStatus.PAID, version=2)
    credited = replace(issued, status=InvoiceStatus.CREDITED, credit_note_id="crn_1", version=2)
    user, entry = a_user(), replace(ENTRY, description="Difference engine", version=2)
    product = a_product()

    assert told(
        wired,
        change(None, CLIENT),
        change(CLIENT, CHANGED),
        change(CHANGED, None),
        change(None, ENTRY),
        change(ENTRY, entry),
        change(entry, None),
        change(None, user),
        change(user, replace(user, name="Ada King", version=2)),
        change(user, None),
        change(None, issued),
        change(issued, paid),
        change(issued, credited),
        change(None, product),
        change(product, replace(product, stock=4, version=2)),
        change(product, None),
    ) == [
        "ClientCreated", "ClientUpdated", "ClientDeleted", "WorkLogged", "WorkUpdated", "WorkDeleted",
        "UserCreated", "UserUpdated", "UserDeleted", "InvoiceIssued", "InvoicePaid", "InvoiceCredited",
        "ProductCreated", "ProductUpdated", "ProductDeleted",
    ]  # fmt: skip


def test_an_event_says_who_what_when_and_how_it_was_before(wired: MemoryWired) -> None:
    told(wired, change(CLIENT, CHANGED))

    (event,) = wired.event_bus.published
    assert event == DomainEvent(
        detail_type="ClientUpdated",
        account_id="acc_1",
        id="cli_1",
        version=2,
        occurred_at=datetime.fromtimestamp(1_795_140_000, UTC),
        old=event.old,
        new=event.new,
    )
    assert event.old is not None
    assert event.new is not None
    assert (event.old["name"], event.new["name"]) == ("Babbage & Co", "Babbage Ltd")
    assert not {"pk", "sk", "due", "type"} & set(event.new)


def test_no_event_of_a_user_bears_the_hash_of_a_password(wired: MemoryWired) -> None:
    user = a_user(password_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")
    changed = replace(user, password_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$b3RoZXI", password_version=2, version=2)

    assert told(wired, change(None, user), change(user, changed), change(changed, None)) == [
        "UserCreated",
        "UserUpdated",
        "UserDeleted",
    ]

    assert "argon2id" not in repr(wired.event_bus.published)
    assert "password_hash" not in repr(wired.event_bus.published)
    assert [event.new and event.new["email"] for event in wired.event_bus.published] == ["ada@example.com"] * 2 + [None]


def test_amounts_keep_their_digits(wired: MemoryWired, issued: Invoice) -> None:
    told(wired, change(None, issued))

    new = wired.event_bus.published[0].new
    assert new is not None
    assert (str(new["net"]), str(new["total"])) == ("95.00", "114.00")
    assert isinstance(new["total"], Decimal)


def test_no_event_holds_a_secret(wired: MemoryWired) -> None:
    user = a_user()

    told(wired, change(None, user), change(user, replace(user, password_hash="new", version=2)), change(user, None))

    assert len(wired.event_bus.published) == 3
    assert "password_hash" not in str(wired.event_bus.published)
    assert user.password_hash not in str(wired.event_bus.published)


def test_housekeeping_is_not_told(wired: MemoryWired, issued: Invoice) -> None:
    sheet = {"pk": {"S": "acc_1"}, "sk": {"S": "sheet#cli_1#2026-11"}, "type": {"S": "sheet"}, "version": {"N": "1"}}
    marked = replace(CLIENT, has_work=True)
    delivered = replace(issued, version=2)

    assert told(
        wired,
        record("INSERT", None, sheet),
        record("INSERT", None, sheet | {"id": {"S": "x"}, "account_id": {"S": "acc_1"}}),
        change(CLIENT, marked),
        change(issued, delivered),
        change(None, an_account()),
    ) == []  # fmt: skip


def test_what_the_table_itself_sweeps_away_is_not_told(wired: MemoryWired) -> None:
    swept = change(CLIENT, None) | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    deleted = change(CLIENT, None) | {"userIdentity": None}

    assert told(wired, swept) == []
    assert told(wired, deleted) == ["ClientDeleted"]


def _poison(change_image: dict[str, Any]) -> Document:
    bad = change(CLIENT, CHANGED)
    bad["dynamodb"]["NewImage"] |= change_image
    return bad


POISON = {
    "an attribute of no known kind": _poison({"name": {"X": "?"}}),
    "an attribute that is none": _poison({"name": "Babbage"}),
    "no number": _poison({"version": {"N": "one"}}),
    "no amount": _poison({"rates": {"L": [{"M": {"rate": {"S": "much"}}}]}}),
    "no day": _poison({"next_invoice_on": {"S": "someday"}}),
    "no account": _poison({"account_id": {"NULL": True}}),
    "a type that is none": _poison({"type": {"L": []}}),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_before_a_record_that_cannot_be_read_all_is_told_and_it_comes_again(wired: MemoryWired, poison: Document) -> None:
    answer = daybook.on_change(stream(change(None, CLIENT), change(None, ENTRY), poison, change(ENTRY, None)), None)

    assert answer == failed(sequence_number(2))
    assert [event.detail_type for event in wired.event_bus.published] == ["ClientCreated", "WorkLogged"]


def test_the_batch_comes_again_from_the_first_event_that_the_bus_refused(wired: MemoryWired) -> None:
    housekeeping = record("INSERT", None, {"pk": {"S": "acc_1"}, "sk": {"S": "calendar#usr_1"}, "type": {"S": "calendar"}})
    batch = stream(change(None, CLIENT), housekeeping, change(None, ENTRY), change(ENTRY, None), change(CLIENT, None))
    wired.event_bus.refuses = lambda event: event.detail_type == "WorkLogged"

    assert daybook.on_change(batch, None) == failed(sequence_number(2))
    assert [event.detail_type for event in wired.event_bus.published] == ["ClientCreated"]

    wired.event_bus.refuses = lambda _: False
    again = {"Records": batch["Records"][2:]}
    assert daybook.on_change(again, None) == failed()
    assert [event.detail_type for event in wired.event_bus.published] == [
        "ClientCreated", "WorkLogged", "WorkDeleted", "ClientDeleted",
    ]  # fmt: skip


def test_refused_before_poison_the_refused_one_comes_first(wired: MemoryWired) -> None:
    wired.event_bus.refuses = lambda event: event.detail_type == "ClientUpdated"

    answer = daybook.on_change(stream(change(None, CLIENT), change(CLIENT, CHANGED), POISON["no number"]), None)

    assert answer == failed(sequence_number(1))


@pytest.mark.parametrize("poison", POISON)
def test_a_batch_that_begins_with_poison_fails_as_a_whole_so_that_lambda_halves_it(wired: MemoryWired, poison: str) -> None:
    with pytest.raises(BatchStuck):
        daybook.on_change(stream(POISON[poison], change(None, CLIENT)), None)

    assert wired.event_bus.published == []


def test_a_batch_whose_first_event_is_refused_fails_as_a_whole(wired: MemoryWired) -> None:
    wired.event_bus.refuses = lambda _: True

    with pytest.raises(BatchStuck):
        daybook.on_change(stream(change(None, CLIENT), change(CLIENT, CHANGED)), None)


def test_a_bus_that_does_not_answer_fails_the_whole_batch(wired: MemoryWired) -> None:
    wired.event_bus.failures = [Unavailable()]

    with pytest.raises(Unavailable):
        daybook.on_change(stream(change(None, CLIENT)), None)


def test_a_batch_that_comes_twice_is_told_twice_with_the_same_words(wired: MemoryWired) -> None:
    batch = stream(change(None, CLIENT), change(CLIENT, CHANGED))
    for _ in range(2):
        assert daybook.on_change(batch, None) == failed()

    published = wired.event_bus.published
    assert published[:2] == published[2:]
