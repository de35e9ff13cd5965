"""What the nightly run did."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from chalicelib.domain.reports import NightlyReport
from chalicelib.domain.users import Caller

if TYPE_CHECKING:
    from chalicelib.ports import Reports


def get_report(caller: Caller, day: date, *, reports: Reports) -> NightlyReport:
    """What the run of that UTC day did for the account; empty where nothing was due."""
    return NightlyReport(date=day, outcomes=reports.outcomes(caller.account_id, day))
