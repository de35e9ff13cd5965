"""Imports: files of rows that go in as if each had been sent to the API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """Asks for an import to be worked off, or on."""

    account_id: str
    import_id: str
