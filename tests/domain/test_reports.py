from datetime import date
from decimal import Decimal

from chalicelib.domain.reports import CurrencyTotal, DueOutcome, NightlyReport, Outcome

NIGHT = date(2026, 1, 31)


def an_outcome(outcome: Outcome, total: str | None = None, currency: str = "EUR") -> DueOutcome:
    return DueOutcome(
        account_id="acc_1",
        run_on=NIGHT,
        client_id="cli_1",
        due_on=NIGHT,
        outcome=outcome,
        currency=currency if total else None,
        total=Decimal(total) if total else None,
    )


def test_a_report_counts_what_was_due_issued_empty_and_missed() -> None:
    report = NightlyReport(
        date=NIGHT,
        outcomes=(
            an_outcome(Outcome.ISSUED, "100.10"),
            an_outcome(Outcome.ISSUED, "0.20"),
            an_outcome(Outcome.ISSUED, "1240", "JPY"),
            an_outcome(Outcome.NOTHING_TO_INVOICE),
            an_outcome(Outcome.NOTHING_TO_INVOICE),
            an_outcome(Outcome.DUE),
        ),
    )

    assert (report.invoices_due, report.invoices_issued, report.nothing_to_invoice, report.invoices_missed) == (6, 3, 2, 1)


def test_a_report_adds_up_each_currency_by_itself() -> None:
    report = NightlyReport(
        date=NIGHT,
        outcomes=(
            an_outcome(Outcome.ISSUED, "1240", "JPY"),
            an_outcome(Outcome.ISSUED, "100.10"),
            an_outcome(Outcome.ISSUED, "0.20"),
            an_outcome(Outcome.DUE),
        ),
    )

    assert report.amounts == (
        CurrencyTotal(currency="EUR", total=Decimal("100.30")),
        CurrencyTotal(currency="JPY", total=Decimal(1240)),
    )
    assert [str(amount.total) for amount in report.amounts] == ["100.30", "1240"]


def test_a_night_without_anything_due_reports_nothing() -> None:
    report = NightlyReport(date=NIGHT, outcomes=())

    assert (report.invoices_due, report.invoices_missed, report.amounts) == (0, 0, ())
