from dataclasses import replace
from datetime import date

import pytest

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.invoices import Delivery, DeliveryStatus, Invoice, InvoiceFilter, InvoiceStatus, record_payment
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.reports import DueOutcome, Outcome
from tests.builders import NOW, a_client, a_payment, an_entry
from tests.contract.stores import Store, credited, drawn_up, ids, log, opened

SENT = Delivery(status=DeliveryStatus.SENT, recipient="charles@example.com", message_id="ses-1", sent_at=NOW)


@pytest.fixture(autouse=True)
def two_clients(store: Store) -> None:
    opened(store)
    store.clients.add(a_client("cli_1"))
    store.clients.add(a_client("cli_2"))


def issued(store: Store, number: int = 1, client_id: str = "cli_1") -> Invoice:
    log(store, an_entry(f"wrk_{number}", client_id=client_id))
    issue = drawn_up(store, date(2026, 1, 31), invoice_id=f"inv_{number}", client_id=client_id)
    store.ledger.issue(issue)
    return issue.invoice


# Invoices


@pytest.mark.parametrize(("account_id", "invoice_id"), [("acc_2", "inv_1"), ("acc_1", "inv_2"), ("acc_1", "inv_1#0000")])
def test_an_invoice_that_is_not_the_accounts_is_not_found(store: Store, account_id: str, invoice_id: str) -> None:
    invoice = issued(store)

    with pytest.raises(NotFound):
        store.invoices.get(account_id, invoice_id)
    with pytest.raises(NotFound):
        store.invoices.lines(account_id, invoice_id)
    with pytest.raises(NotFound):
        store.invoices.save(replace(invoice, account_id=account_id, id=invoice_id, version=2))


def test_lines_of_one_invoice_are_not_those_of_an_id_that_begins_alike(store: Store) -> None:
    issued(store, 1)
    issued(store, 11)

    assert [line.entry_id for line in store.invoices.lines("acc_1", "inv_1")] == ["wrk_1"]


def test_payments_and_delivery_are_saved(store: Store) -> None:
    invoice = issued(store)
    paid = replace(record_payment(invoice, a_payment("114.00")), delivery=SENT)

    store.invoices.save(paid)

    assert store.invoices.get("acc_1", "inv_1") == paid
    assert paid.status is InvoiceStatus.PAID
    assert str(paid.payments[0].amount) == "114.00"


def test_what_is_frozen_is_not_saved(store: Store) -> None:
    invoice = issued(store)
    forged = replace(
        invoice,
        number="RE-2026-0099",
        total=invoice.total * 2,
        buyer=replace(invoice.buyer, name="Somebody else"),
        due_on=date(2030, 1, 1),
        delivery=SENT,
        version=2,
    )

    store.invoices.save(forged)

    assert store.invoices.get("acc_1", "inv_1") == replace(invoice, delivery=SENT, version=2)


def test_a_claim_that_is_over_is_taken_back(store: Store) -> None:
    invoice = issued(store)
    store.invoices.save(replace(invoice, delivery=Delivery(claimed_until=NOW), version=2))

    store.invoices.save(replace(invoice, delivery=SENT, version=3))

    assert store.invoices.get("acc_1", "inv_1").delivery == SENT


@pytest.mark.parametrize("version", [1, 3])
def test_an_invoice_is_saved_over_the_version_before_only(store: Store, version: int) -> None:
    invoice = issued(store)

    with pytest.raises(Contended):
        store.invoices.save(replace(invoice, delivery=SENT, version=version))

    assert store.invoices.get("acc_1", "inv_1") == invoice


def test_a_credited_invoice_is_not_saved_as_it_was_before(store: Store) -> None:
    invoice = issued(store)
    credit = credited(store)
    store.ledger.credit(credit)

    with pytest.raises(Contended):
        store.invoices.save(record_payment(invoice, a_payment("1")))

    assert store.invoices.get("acc_1", "inv_1") == credit.credited


def test_the_delivery_of_a_credited_invoice_can_be_noted(store: Store) -> None:
    issued(store)
    credit = credited(store)
    store.ledger.credit(credit)
    noted = replace(credit.credited, delivery=SENT, version=credit.credited.version + 1)

    store.invoices.save(noted)

    assert store.invoices.get("acc_1", "inv_1") == noted


def test_invoices_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in (1, 2, 3):
        issued(store, number)

    first = store.invoices.page("acc_1", InvoiceFilter(), PageRequest(limit=2))
    second = store.invoices.page("acc_1", InvoiceFilter(), PageRequest(limit=2, after=first.next))

    assert [ids(first.items), ids(second.items)] == [["inv_3", "inv_2"], ["inv_1"]]
    assert second.next is None
    assert store.invoices.page("acc_2", InvoiceFilter(), PageRequest()).items == ()


def test_invoices_are_listed_by_client_and_status(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.repositories.pages.READ_AT_ONCE", 2)
    for number in range(1, 7):
        issued(store, number, f"cli_{1 + number % 2}")
    for number in (2, 4, 5):
        invoice = store.invoices.get("acc_1", f"inv_{number}")
        store.invoices.save(record_payment(invoice, a_payment("114")))

    def listed(wanted: InvoiceFilter, limit: int = 20) -> list[str]:
        return ids(store.invoices.page("acc_1", wanted, PageRequest(limit=limit)).items)

    assert listed(InvoiceFilter(client_id="cli_1")) == ["inv_6", "inv_4", "inv_2"]
    assert listed(InvoiceFilter(status=InvoiceStatus.PAID)) == ["inv_5", "inv_4", "inv_2"]
    assert listed(InvoiceFilter(client_id="cli_1", status=InvoiceStatus.PAID)) == ["inv_4", "inv_2"]
    assert listed(InvoiceFilter(client_id="cli_1", status=InvoiceStatus.PAID), limit=1) == ["inv_4"]
    assert listed(InvoiceFilter(status=InvoiceStatus.CREDITED)) == []


def test_a_filtered_list_goes_on_behind_its_last_invoice(store: Store) -> None:
    for number in range(1, 7):
        issued(store, number, f"cli_{1 + number % 2}")
    wanted = InvoiceFilter(client_id="cli_2")

    first = store.invoices.page("acc_1", wanted, PageRequest(limit=2))
    second = store.invoices.page("acc_1", wanted, PageRequest(limit=2, after=first.next))

    assert [ids(first.items), ids(second.items), second.next] == [["inv_5", "inv_3"], ["inv_1"], None]


# Credit notes


def test_a_credit_notes_delivery_is_saved_and_nothing_else(store: Store) -> None:
    issued(store)
    credit = credited(store)
    store.ledger.credit(credit)

    store.credit_notes.save(replace(credit.note, reason="another", delivery=SENT, version=2))

    assert store.credit_notes.get("acc_1", "crn_1") == replace(credit.note, delivery=SENT, version=2)


@pytest.mark.parametrize("version", [1, 3])
def test_a_credit_note_is_saved_over_the_version_before_only(store: Store, version: int) -> None:
    issued(store)
    credit = credited(store)
    store.ledger.credit(credit)

    with pytest.raises(Contended):
        store.credit_notes.save(replace(credit.note, delivery=SENT, version=version))

    assert store.credit_notes.get("acc_1", "crn_1") == credit.note


@pytest.mark.parametrize(("account_id", "note_id"), [("acc_2", "crn_1"), ("acc_1", "crn_2"), ("acc_1", "inv_1")])
def test_a_credit_note_that_is_not_the_accounts_is_not_found(store: Store, account_id: str, note_id: str) -> None:
    issued(store)
    credit = credited(store)
    store.ledger.credit(credit)

    with pytest.raises(NotFound):
        store.credit_notes.get(account_id, note_id)
    with pytest.raises(NotFound):
        store.credit_notes.save(replace(credit.note, account_id=account_id, id=note_id, version=2))


# Reports


NIGHT = date(2026, 2, 1)


def due(
    client_id: str = "cli_1", due_on: date = date(2026, 1, 31), run_on: date = NIGHT, account_id: str = "acc_1"
) -> DueOutcome:
    return DueOutcome(account_id=account_id, run_on=run_on, client_id=client_id, due_on=due_on)


def test_a_report_holds_what_one_night_did_for_one_account(store: Store) -> None:
    wanted = [due("cli_1", date(2025, 12, 31)), due("cli_1"), due("cli_2")]
    for outcome in [*reversed(wanted), due(run_on=date(2026, 2, 2)), due(run_on=date(2026, 1, 31)), due(account_id="acc_2")]:
        store.reports.note_due(outcome)

    assert store.reports.outcomes("acc_1", NIGHT) == tuple(wanted)


def test_a_night_without_anything_due_has_an_empty_report(store: Store) -> None:
    assert store.reports.outcomes("acc_1", NIGHT) == ()


def test_what_became_of_an_invoice_that_was_due_is_noted_once(store: Store) -> None:
    store.reports.note_due(due())
    gone = replace(due(), outcome=Outcome.NO_LONGER_DUE)

    store.reports.note_end(gone)
    store.reports.note_end(replace(due(), outcome=Outcome.TOO_LARGE))

    assert store.reports.outcomes("acc_1", NIGHT) == (gone,)


def test_what_was_never_due_has_no_end(store: Store) -> None:
    store.reports.note_end(replace(due(), outcome=Outcome.NO_LONGER_DUE))

    assert store.reports.outcomes("acc_1", NIGHT) == ()


def test_what_was_done_is_not_noted_as_due_again(store: Store) -> None:
    client = store.clients.get("acc_1", "cli_1")
    done = replace(due(), outcome=Outcome.NOTHING_TO_INVOICE)
    store.ledger.pass_over(client, replace(client, version=2), done)

    store.reports.note_due(due())
    store.reports.note_due(due())

    assert store.reports.outcomes("acc_1", NIGHT) == (done,)
