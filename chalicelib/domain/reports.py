"""What the nightly run did for an account, client by client."""

from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.money import exact_sum


class Outcome(StrEnum):
    """DUE until something comes of it; what is still DUE when the queue is dry was missed.

    NO_LONGER_DUE: when its turn came the client was gone or put away, its invoice day had been moved, or another night had
    issued it. TOO_LARGE: one invoice cannot hold all that is open; it must be issued in parts, with an earlier `through`.
    """

    DUE = "due"
    ISSUED = "issued"
    NOTHING_TO_INVOICE = "nothing_to_invoice"
    NO_LONGER_DUE = "no_longer_due"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOutcome:
    """One client's invoice day in one night's report. `run_on` is the UTC day of the run, `due_on` the invoice day."""

    account_id: str
    run_on: Day
    client_id: str
    due_on: Day
    outcome: Outcome = Outcome.DUE
    invoice_id: str | None = None
    number: str | None = None
    currency: str | None = None
    total: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyTotal:
    currency: str
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyReport:
    """`invoices_missed` were due and nothing has come of it (yet), or too large: the next night asks for them again."""

    date: Day
    outcomes: tuple[DueOutcome, ...]

    def _count(self, outcome: Outcome) -> int:
        return sum(one.outcome is outcome for one in self.outcomes)

    @property
    def invoices_due(self) -> int:
        return len(self.outcomes)

    @property
    def invoices_issued(self) -> int:
        return self._count(Outcome.ISSUED)

    @property
    def nothing_to_invoice(self) -> int:
        return self._count(Outcome.NOTHING_TO_INVOICE)

    @property
    def invoices_missed(self) -> int:
        return self._count(Outcome.DUE) + self._count(Outcome.TOO_LARGE)

    @property
    def amounts(self) -> tuple[CurrencyTotal, ...]:
        """The sum of the issued invoices, for each currency."""
        totals: dict[str, Decimal] = {}
        for one in self.outcomes:
            if one.currency is not None and one.total is not None:
                totals[one.currency] = exact_sum((totals.get(one.currency, Decimal(0)), one.total))
        return tuple(CurrencyTotal(currency=currency, total=total) for currency, total in sorted(totals.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDue:
    """The message that asks for one client's invoice. `as_of` is the instant for which the night was run."""

    account_id: str
    client_id: str
    due_on: Day
    as_of: datetime
