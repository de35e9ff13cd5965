"""Finding things, and keeping the index up to date."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.domain.events import Change
from chalicelib.domain.search import SearchChange, SearchRequest, SearchResult, StaleIndex, terms_of
from chalicelib.repositories.items import exactly
from chalicelib.repositories.memory_search import MemorySearchIndex
from chalicelib.usecases.search import index_changes, reindex, search
from tests.builders import NOW, a_caller, a_client, a_product, a_user
from tests.fakes import MemoryReindexQueue, Shelf
from tests.usecases.business import Business
from tests.wired import MemoryWired


@dataclass
class Watched:
    """An index in memory that can be asked nothing in some accounts, and keeps what it was asked."""

    failures: dict[str, Exception] = field(default_factory=dict)
    kept: MemorySearchIndex = field(default_factory=MemorySearchIndex)
    applied: list[tuple[str, list[str]]] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)

    def search(self, account_id: str, request: SearchRequest) -> tuple[SearchResult, ...]:
        self._fail(account_id)
        return self.kept.search(account_id, request)

    def apply(self, account_id: str, changes: Sequence[SearchChange]) -> bool:
        self.applied.append((account_id, [change.id for change in changes]))
        self._fail(account_id)
        return self.kept.apply(account_id, changes)

    def rebuild(self, account_id: str, everything: Callable[[], Iterable[SearchChange]]) -> None:
        self._fail(f"rebuild {account_id}")
        self.rebuilt.append(account_id)
        self.kept.rebuild(account_id, everything)

    def _fail(self, account_id: str) -> None:
        if account_id in self.failures:
            raise self.failures[account_id]


class Nothing:
    """A table with nothing in it."""

    def everything(self, account_id: str) -> Iterator[SearchChange]:  # noqa: ARG002
        return iter(())


def added(client_id: str, account_id: str = "acc_1", *, item_type: str = "client", name: str = "Lantern maker") -> Change:
    client = replace(a_client(client_id, name=name), account_id=account_id)
    return Change(item_type=item_type, account_id=account_id, id=client_id, occurred_at=NOW, old=None, new=exactly(client))


def index_all(changes: Sequence[Change], index: Watched, queue: MemoryReindexQueue | None = None) -> int | None:
    return index_changes(changes, library=Shelf(index, Nothing(), queue or MemoryReindexQueue()))


def found(index: Watched, typed: str, account_id: str = "acc_1") -> list[str]:
    caller = replace(a_caller(a_user()), account_id=account_id)
    return [result.id for result in search(caller, SearchRequest(terms=terms_of(typed)), index=index).results]


@pytest.fixture
def index() -> Watched:
    """Of the accounts `acc_1` and `acc_2`, nothing in them."""
    watched = Watched()
    for account_id in ("acc_1", "acc_2"):
        watched.kept.rebuild(account_id, list)
    return watched


def test_a_caller_finds_what_is_in_their_account(index: Watched) -> None:
    assert index_all([added("cli_1"), added("cli_2", "acc_2")], index) is None

    assert (found(index, "lantern"), found(index, "lantern", "acc_2")) == (["cli_1"], ["cli_2"])


@pytest.mark.parametrize("typed", ["", "  ", '""', "💡", "..."])
def test_nothing_is_found_and_nobody_is_asked_where_nothing_was_typed(index: Watched, typed: str) -> None:
    index.failures = {"acc_1": Unavailable()}

    assert found(index, typed) == []


def test_who_searches_an_index_that_does_not_answer_is_told_so(index: Watched) -> None:
    index.failures = {"acc_1": Unavailable()}

    with pytest.raises(Unavailable):
        found(index, "lantern")


def test_an_account_s_changes_are_taken_up_at_once_and_in_their_order(index: Watched) -> None:
    index_all([added("cli_1"), added("cli_2", "acc_2"), added("cli_3")], index)

    assert index.applied == [("acc_1", ["cli_1", "cli_3"]), ("acc_2", ["cli_2"])]


def test_what_cannot_be_found_changes_no_index(index: Watched) -> None:
    assert index_all([added("usr_1", item_type="user"), added("x", item_type="stock_change")], index) is None
    assert index.applied == []


CHANGES = [
    added("cli_1", "acc_2"),
    added("usr_1", item_type="user"),
    added("cli_2"),
    added("cli_3", "acc_2"),
    added("cli_4"),
]


@pytest.mark.parametrize("failure", [Unavailable(), Contended(), ValueError("an item that nobody can read")])
def test_an_index_that_cannot_be_written_is_left_to_the_queue_and_holds_up_no_other(index: Watched, failure: Exception) -> None:
    index.failures = {"acc_1": failure}
    queue = MemoryReindexQueue()

    assert index_all(CHANGES, index, queue) is None
    assert found(index, "lantern", "acc_2") == ["cli_1", "cli_3"]
    assert queue.asked == [StaleIndex(account_id="acc_1")]


def test_what_not_even_the_queue_takes_comes_again_and_the_others_are_done(index: Watched) -> None:
    index.failures = {"acc_1": Unavailable()}

    assert index_all(CHANGES, index, MemoryReindexQueue(failure=Unavailable())) == 2
    assert found(index, "lantern", "acc_2") == ["cli_1", "cli_3"]


def test_the_first_of_all_that_failed_comes_again(index: Watched) -> None:
    index.failures = {"acc_1": Unavailable(), "acc_2": Contended()}
    changes = [added("usr", item_type="user"), added("cli_1", "acc_2"), added("cli_2")]

    assert index_all(changes, index, MemoryReindexQueue(failure=Unavailable())) == 1


def test_changes_that_come_again_with_others_change_nothing(index: Watched) -> None:
    changes = [added("cli_1"), added("cli_2")]
    index_all(changes, index)
    before = index.kept.documents()

    assert index_all([*changes, *reversed(changes)], index) is None
    assert index.kept.documents() == before


def test_a_missing_index_is_made_from_the_table(business: Business, wired: MemoryWired) -> None:
    client_id = business.add_client(name="Lantern maker")
    wired.store.products.add(a_product(account_id=business.caller.account_id, name="Lantern"))
    old = added("cli_1", business.caller.account_id, name="An old name")

    assert index_changes([old], library=wired) is None
    results = search(business.caller, SearchRequest(terms=terms_of("lantern")), index=wired.search_index).results
    assert {result.id for result in results} == {client_id, "85123A"}


def test_a_missing_index_that_cannot_be_made_is_left_to_the_queue() -> None:
    index, queue = Watched(failures={"rebuild acc_3": Unavailable()}), MemoryReindexQueue()

    assert index_all([added("cli_1", "acc_3"), added("cli_2", "acc_4")], index, queue) is None
    assert index.rebuilt == ["acc_4"]
    assert queue.asked == [StaleIndex(account_id="acc_3")]


def test_an_index_that_is_missing_is_made_even_where_no_word_has_changed() -> None:
    index = Watched()
    before = added("cli_1")
    same = replace(before, old=before.new, new={**(before.new or {}), "version": 2})

    assert index_all([same], index) is None
    assert index.applied == [("acc_1", [])]
    assert index.rebuilt == ["acc_1"]


def test_an_index_is_made_anew_from_the_table(business: Business, wired: MemoryWired) -> None:
    account_id = business.caller.account_id
    wired.search_index.rebuild(account_id, list)
    client_id = business.add_client(name="Lantern maker")

    reindex(StaleIndex(account_id=account_id), index=wired.search_index, searchable=wired.store.searchable)
    assert [document.id for document in wired.search_index.documents()[account_id]] == [client_id]


def test_whoever_makes_an_index_anew_is_told_that_it_cannot_be_done(index: Watched) -> None:
    index.failures = {"rebuild acc_1": Contended()}

    with pytest.raises(Contended):
        reindex(StaleIndex(account_id="acc_1"), index=index, searchable=Nothing())
