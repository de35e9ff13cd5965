"""Imported files as rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from chalicelib.domain.accounts import Account
from chalicelib.domain.clients import Client

if TYPE_CHECKING:
    from chalicelib.domain.imports import BadRow, Import, ImportDetails, Row


def check_plan(details: "ImportDetails") -> None:
    """Raises: Invalid for columns and formats that its kind does not have."""


def rows(
    imported: "Import", chunks: Iterator[bytes], account: Account, all_clients: Callable[[], Iterable[Client]]
) -> "Iterator[Row | BadRow]":
    """The records from the import's cursor on. Raises: Unreadable."""
    raise NotImplementedError
