"""What the nights did, in DynamoDB."""

from datetime import date

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.reports import DueOutcome, Outcome
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, to_item
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import put


class DynamoReports:
    def __init__(self, table: Table) -> None:
        self._table = table

    def note_due(self, outcome: DueOutcome) -> None:
        self._table.add_unless_there(outcome_item(outcome))

    def note_end(self, outcome: DueOutcome) -> None:
        try:
            self._table.transact(put(outcome_item(outcome), condition="#outcome = :due", due=Outcome.DUE.value))
        except (NotFound, Contended):
            return  # it was not due in that night, or the report says more already

    def outcomes(self, account_id: str, run_on: date) -> tuple[DueOutcome, ...]:
        return tuple(from_item(item, DueOutcome) for item in self._table.query(keys.outcomes(account_id, run_on)))


def outcome_item(outcome: DueOutcome) -> Item:
    return to_item(keys.outcome(outcome), "outcome", outcome)
