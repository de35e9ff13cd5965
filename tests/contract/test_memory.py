"""What only memory can be asked here: moto does not take threads."""

from datetime import date
from threading import Barrier, Thread

from chalicelib.domain.billing import DocumentKind, Issue
from chalicelib.domain.errors import Contended
from chalicelib.domain.invoices import InvoiceFilter
from chalicelib.domain.paging import PageRequest
from chalicelib.repositories.memory import MemoryStore
from tests.builders import a_client, an_entry
from tests.contract.stores import drawn_up, log, opened

JANUARY = date(2026, 1, 31)


def test_threads_that_issue_the_same_work_at_once_issue_it_once() -> None:
    store = MemoryStore()
    opened(store)
    store.clients.add(a_client())
    log(store, an_entry("wrk_1"), an_entry("wrk_2", day=date(2025, 12, 1)))
    issues = [drawn_up(store, JANUARY, invoice_id=f"inv_{number}") for number in range(8)]
    barrier, refused = Barrier(len(issues)), list[Contended]()

    def attempt(issue: Issue) -> None:
        barrier.wait()
        try:
            store.ledger.issue(issue)
        except Contended as contended:
            refused.append(contended)

    threads = [Thread(target=attempt, args=(issue,)) for issue in issues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 7
    assert len(store.invoices.page("acc_1", InvoiceFilter(), PageRequest()).items) == 1
    assert store.ledger.series("acc_1", DocumentKind.INVOICE, 2026).last == 1
