"""The table's stream as search indexes: newer states only, each account for itself, made from the table where there is none."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

import app as daybook
from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.domain.invoices import Invoice, InvoiceStatus
from chalicelib.domain.search import SearchChange, SearchRequest, StaleIndex, terms_of
from chalicelib.edge.stream_records import BatchStuck
from tests.builders import a_client, a_product, a_user, an_account, an_entry
from tests.triggers.documents import Document, change, failed, record, sequence_number, sqs, stream
from tests.triggers.test_on_change import POISON
from tests.wired import MemoryWired

LANTERN = a_product("85123A", name="Paper lantern")
RED = replace(LANTERN, name="Red paper lantern", version=2)


@pytest.fixture(autouse=True)
def empty_index(wired: MemoryWired) -> None:
    """There is one already, so that what is found is what the records say."""
    for account_id in ("acc_1", "acc_2"):
        wired.search_index.rebuild(account_id, list)


def index(*records: Document) -> None:
    assert daybook.on_searchable_change(stream(*records), None) == failed()


def found(wired: MemoryWired, typed: str, account_id: str = "acc_1") -> list[str]:
    return [result.id for result in wired.search_index.search(account_id, SearchRequest(terms=terms_of(typed)))]


def test_all_that_has_a_name_is_found(wired: MemoryWired, issued: Invoice) -> None:
    index(
        change(None, a_client("cli_9", name="Zebra Ltd")),
        change(None, an_entry("wrk_9", description="Zebra crossing")),
        change(None, replace(issued, number="ZEBRA-1")),
        change(None, a_product("Z 9", name="Zebra")),
    )

    assert sorted(found(wired, "zebra")) == sorted(["cli_9", "wrk_9", issued.id, "Z 9"])


def test_what_is_changed_is_found_as_it_is_now_and_what_is_deleted_no_more(wired: MemoryWired) -> None:
    index(change(None, LANTERN), change(LANTERN, RED))
    assert found(wired, "red lantern") == ["85123A"]

    index(change(RED, None))
    assert found(wired, "lantern") == []


def test_records_that_come_late_or_twice_change_nothing(wired: MemoryWired) -> None:
    batch = [change(None, LANTERN), change(LANTERN, RED), change(RED, None)]
    index(*batch)
    for each in reversed(batch):
        index(each)
    index(*batch)

    assert found(wired, "lantern") == []


def test_a_product_under_a_deleted_ones_id_is_found(wired: MemoryWired) -> None:
    again = replace(LANTERN, name="Storm lantern", version=3)
    batch = [change(None, LANTERN), change(LANTERN, RED), change(RED, None), change(None, again)]
    index(*batch)
    index(*batch[:3])

    assert found(wired, "storm") == ["85123A"]


def test_an_index_that_is_not_there_is_made_from_the_table(wired: MemoryWired) -> None:
    client = replace(a_client("cli_3", name="Zebra Ltd"), account_id="acc_3")
    wired.store.clients.add(client)
    wired.store.products.add(replace(LANTERN, account_id="acc_3"))

    index(change(None, client))

    assert (found(wired, "zebra", "acc_3"), found(wired, "lantern", "acc_3")) == (["cli_3"], ["85123A"])


def test_what_cannot_be_searched_for_is_none_of_its_business(wired: MemoryWired, issued: Invoice) -> None:
    sheet = {"pk": {"S": "acc_1"}, "sk": {"S": "sheet#cli_1#2026-11"}, "type": {"S": "sheet"}, "version": {"N": "1"}}
    before = wired.search_index.documents()

    index(
        change(None, a_user()),
        change(None, an_account()),
        record("INSERT", None, sheet),
        change(issued, replace(issued, status=InvoiceStatus.PAID)),
    )

    assert wired.search_index.documents() == before


@pytest.fixture
def refused(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index of the first account cannot be written."""
    apply = wired.search_index.apply

    def refuse(account_id: str, changes: Sequence[SearchChange]) -> bool:
        if account_id == "acc_1":
            raise Unavailable
        return apply(account_id, changes)

    monkeypatch.setattr(wired.search_index, "apply", refuse)


@pytest.mark.usefixtures("refused")
def test_an_account_whose_index_cannot_be_written_holds_up_no_other_in_this_batch_or_the_next(wired: MemoryWired) -> None:
    theirs = replace(LANTERN, account_id="acc_2")
    lamp = replace(theirs, name="Lamp", version=2)

    index(change(None, theirs), change(None, LANTERN), change(theirs, lamp))
    index(change(lamp, replace(lamp, name="Red lamp", version=3)))

    assert found(wired, "red lamp", "acc_2") == ["85123A"]
    assert wired.reindex_queue.asked == [StaleIndex(account_id="acc_1")]


@pytest.mark.usefixtures("refused")
def test_a_batch_comes_again_if_not_even_the_queue_can_be_asked(wired: MemoryWired) -> None:
    wired.reindex_queue.failure = Unavailable()
    theirs = replace(LANTERN, account_id="acc_2")

    batch = stream(change(None, theirs), change(None, LANTERN))
    assert daybook.on_searchable_change(batch, None) == failed(sequence_number(1))
    with pytest.raises(BatchStuck):
        daybook.on_searchable_change(stream(change(None, LANTERN)), None)


def test_an_index_that_was_left_to_the_queue_is_made_from_the_table(wired: MemoryWired) -> None:
    wired.store.products.add(LANTERN)

    assert daybook.on_stale_index(sqs({"account_id": "acc_1"}), None) == failed()
    assert found(wired, "lantern") == ["85123A"]


@pytest.mark.parametrize("refusal", [Unavailable, Contended])
def test_an_index_that_cannot_be_made_comes_again(
    wired: MemoryWired, monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    def refuse(_account_id: str, _everything: object) -> None:
        raise refusal

    monkeypatch.setattr(wired.search_index, "rebuild", refuse)

    assert daybook.on_stale_index(sqs({"account_id": "acc_1"}), None) == failed("message-0")


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_before_a_record_that_cannot_be_read_all_is_indexed(wired: MemoryWired, poison: Document) -> None:
    answer = daybook.on_searchable_change(stream(change(None, LANTERN), poison, change(LANTERN, RED)), None)

    assert answer == failed(sequence_number(1))
    assert (found(wired, "lantern"), found(wired, "red")) == (["85123A"], [])


def test_a_bus_that_is_down_delays_no_index(wired: MemoryWired) -> None:
    wired.event_bus.failures = [Unavailable()]
    with pytest.raises(Unavailable):
        daybook.on_change(stream(change(None, LANTERN)), None)
    index(change(None, LANTERN))
    assert found(wired, "lantern") == ["85123A"]
