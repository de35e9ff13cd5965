"""What happens every night at 02:00 UTC."""

from collections.abc import Iterator
from datetime import date, datetime

from chalicelib.domain.reports import DueOutcome, InvoiceDue, NightlyReport
from chalicelib.domain.users import Caller
from chalicelib.ports import DueClients, InvoicingQueue, Reports


def ask_for_due_invoices(as_of: datetime, *, due_clients: DueClients, reports: Reports, queue: InvoicingQueue) -> int:
    """Asks for the invoice of every client that is due as of that instant, missed nights included; returns how many.

    Run twice it asks twice; issuing happens once.
    """

    def noted() -> Iterator[InvoiceDue]:
        for client in due_clients.due(as_of):
            reports.note_due(
                DueOutcome(
                    account_id=client.account_id,
                    run_on=as_of.date(),
                    client_id=client.client_id,
                    due_on=client.next_invoice_on,
                )
            )
            yield InvoiceDue(
                account_id=client.account_id,
                client_id=client.client_id,
                due_on=client.next_invoice_on,
                as_of=as_of,
            )

    return queue.ask_for(noted())


def get_report(caller: Caller, day: date, *, reports: Reports) -> NightlyReport:
    """What the run of that UTC day did for the account; empty where nothing was due."""
    return NightlyReport(date=day, outcomes=reports.outcomes(caller.account_id, day))
