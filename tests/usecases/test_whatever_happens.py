"""Logging, correcting, billing and crediting in any order: no hour is ever billed twice, lost, or locked without an invoice."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from chalicelib.domain.errors import InvoiceCredited, NotFound, NothingToInvoice, WorkEntryBilled
from chalicelib.domain.invoices import Invoice, InvoiceLine, InvoiceStatus
from chalicelib.domain.paging import MAX_LIMIT, PageRequest
from chalicelib.domain.reports import InvoiceDue
from chalicelib.domain.work import DatedWork, LoggedWork, WorkFilter
from chalicelib.usecases import clients, invoices, work
from tests.builders import NOW, a_caller, a_client, a_user, an_account
from tests.fakes import FixedClock
from tests.wired import MemoryWired

CALLER = a_caller()
ALL = PageRequest(limit=MAX_LIMIT)


class FreelancersYear(RuleBasedStateMachine):
    """One client, one user; the clock only goes forward."""

    entry_ids = Bundle("entry_ids")
    invoice_ids = Bundle("invoice_ids")

    def __init__(self) -> None:
        super().__init__()
        self.wired = MemoryWired(clock=FixedClock(NOW))
        self.issued_lines: dict[str, tuple[InvoiceLine, ...]] = {}
        self.credited = 0

    @initialize(anchor=some.integers(1, 31))
    def sign_up(self, anchor: int) -> None:
        account = an_account(time_zone="Europe/Vienna")
        self.wired.store.accounts.add(account, a_user())
        self.wired.store.clients.add(a_client(account=account, invoice_day=anchor))

    def _details(self, days_ago: int, minutes: int, billable: bool) -> DatedWork:
        day = self.wired.clock.now().date() - timedelta(days=days_ago)
        return DatedWork(client_id="cli_1", date=day, minutes=minutes, billable=billable)

    @rule(days=some.integers(1, 20))
    def wait(self, days: int) -> None:
        self.wired.clock.advance(days=days)

    @rule(target=entry_ids, days_ago=some.integers(-3, 70), minutes=some.integers(1, 600), billable=some.booleans())
    def log(self, days_ago: int, minutes: int, billable: bool) -> str:
        return work.log_work(CALLER, self._details(days_ago, minutes, billable), allow_overlap=False, desk=self.wired).entry.id

    @rule(entry_id=entry_ids, days_ago=some.integers(-3, 70), minutes=some.integers(1, 600), billable=some.booleans())
    def correct(self, entry_id: str, days_ago: int, minutes: int, billable: bool) -> None:
        details = self._details(days_ago, minutes, billable)
        self._unless_billed(entry_id, lambda: work.change_work(CALLER, entry_id, details, allow_overlap=False, desk=self.wired))

    @rule(entry_id=entry_ids)
    def remove(self, entry_id: str) -> None:
        self._unless_billed(entry_id, lambda: work.remove_work(CALLER, entry_id, work=self.wired.store.work))

    def _unless_billed(self, entry_id: str, change: Any) -> None:
        billed = entry_id in self._billed_entries()
        try:
            change()
        except WorkEntryBilled:
            assert billed
        except NotFound:
            assert entry_id not in self._entries()
        else:
            assert not billed

    @rule(target=invoice_ids, days_ago=some.integers(0, 40))
    def issue(self, days_ago: int) -> Any:
        through = self.wired.clock.now().date() - timedelta(days=days_ago)
        try:
            full = invoices.issue_invoice(CALLER, "cli_1", through, books=self.wired)
        except NothingToInvoice:
            assert not self._open_and_billable(through)
            return multiple()
        assert not self._open_and_billable(through)
        self.issued_lines[full.invoice.id] = full.lines
        return full.invoice.id

    @rule(target=invoice_ids, times=some.integers(1, 3))
    def run_the_night(self, times: int) -> Any:
        """The queue may deliver the same message more than once."""
        before = set(self._invoices())
        as_of = self.wired.clock.now()
        for due in list(self.wired.store.due_clients.due(as_of)):
            message = InvoiceDue(account_id="acc_1", client_id="cli_1", due_on=due.next_invoice_on, as_of=as_of)
            for _ in range(times):
                invoices.issue_due(message, ledger=self.wired.ledger, reports=self.wired.reports, clock=self.wired.clock)
        assert list(self.wired.store.due_clients.due(as_of)) == []
        new = sorted(set(self._invoices()) - before)
        self.issued_lines |= {id_: self.wired.store.invoices.lines("acc_1", id_) for id_ in new}
        return multiple(*new)

    @rule(invoice_id=invoice_ids)
    def credit(self, invoice_id: str) -> None:
        credited = self._invoices()[invoice_id].status is InvoiceStatus.CREDITED
        released = {line.entry_id for line in self.issued_lines[invoice_id]}
        try:
            invoices.credit_invoice(CALLER, invoice_id, "Wrong", books=self.wired)
        except InvoiceCredited:
            assert credited
        else:
            assert not credited
            self.credited += 1
            assert not released & set(self._billed_entries())

    @rule(rate=some.decimals(min_value=0, max_value=200, places=2), anchor=some.none() | some.integers(1, 31))
    def renegotiate(self, rate: Decimal, anchor: int | None) -> None:
        clients.change_client(CALLER, "cli_1", lambda now: replace(now, rate=rate, invoice_day=anchor), desk=self.wired)

    def _entries(self) -> dict[str, LoggedWork]:
        found: dict[str, LoggedWork] = {}
        after = ALL
        while True:
            page = self.wired.store.work.page("acc_1", WorkFilter(), after)
            found |= {one.entry.id: one for one in page.items}
            if page.next is None:
                return found
            after = replace(ALL, after=page.next)

    def _invoices(self) -> dict[str, Invoice]:
        return {id_: invoice for (_, id_), invoice in self.wired.store.invoices._state.invoices.items()}

    def _billed_entries(self) -> list[str]:
        """From the live invoices' lines, not from the sheets."""
        live = [id_ for id_, invoice in self._invoices().items() if invoice.status is not InvoiceStatus.CREDITED]
        return [line.entry_id for id_ in live for line in self.issued_lines[id_]]

    def _open_and_billable(self, through: date) -> list[str]:
        entries = (one for one in self._entries().values() if one.entry.billable and one.entry.day <= through)
        return [one.entry.id for one in entries if one.invoice_id is None]

    @invariant()
    def every_entry_stands_on_one_live_invoice_or_on_none(self) -> None:
        billed = Counter(self._billed_entries())

        assert all(count == 1 for count in billed.values())
        assert {one.entry.id for one in self._entries().values() if one.invoice_id} == set(billed)
        assert all(one.entry.billable for one in self._entries().values() if one.invoice_id)

    @invariant()
    def numbers_have_no_gap_and_no_repeat(self) -> None:
        by_number = sorted(invoice.number for invoice in self._invoices().values())
        years = {number[:8] for number in by_number}

        assert by_number == sorted(
            f"{year}{place:04}"
            for year in years
            for place in range(1, 1 + sum(number.startswith(year) for number in by_number))
        )
        notes = [invoice.credit_note_number for invoice in self._invoices().values() if invoice.credit_note_number]
        assert len(set(notes)) == len(notes) == self.credited

    @invariant()
    def what_was_issued_stays_as_it_was(self) -> None:
        for invoice_id, lines in self.issued_lines.items():
            invoice = self._invoices()[invoice_id]
            assert self.wired.store.invoices.lines("acc_1", invoice_id) == lines
            assert invoice.net == sum(line.amount for line in lines)
            assert invoice.duration_seconds == sum(line.duration_seconds for line in lines)

    @invariant()
    def the_next_invoice_day_is_never_one_that_is_settled(self) -> None:
        if ("acc_1", "cli_1") not in self.wired.store.clients._state.clients:
            return
        client = self.wired.store.clients.get("acc_1", "cli_1")
        assert (client.next_invoice_on is None) == (client.invoice_day is None) == (client.due_at is None)


TestWhateverHappens = FreelancersYear.TestCase
