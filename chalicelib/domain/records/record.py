"""What a file of records is read into, and from where its reading can go on."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from chalicelib.domain.errors import Unreadable

ContentType = Literal["text/csv", "application/json", "application/x-ndjson"]
Stage = Literal["start", "records", "closed", "over"]
"""Before the headings or the array's bracket; among the records; behind the array; where there is nothing more to read."""

MAX_RECORD_CHARACTERS = 1024 * 1024
MAX_RECORD_LINES = 1_000
GAP_LINES = 50_000
"""Lines with nothing in them after which reading says how far it is: a tenth of a second's."""
MAX_BLANK_LINES = 1024 * 1024
"""In succession: as many as a spreadsheet can have rows."""


class Cursor(NamedTuple):
    """Where a record ends and what is known of the file by then: all that reading on takes, in another process too.

    `offset` counts bytes; the byte there is the first of the next record. `line` is the number of the line that it is on,
    `number` the number of records that lie before it. No record that begins on a line up to `unspanned_to` spans lines: so far
    a quotation mark was looked for that closes an earlier one. `blank` lines lie between the last record and here, if a gap.
    """

    offset: int = 0
    line: int = 1
    number: int = 0
    stage: Stage = "start"
    encoding: str = ""
    delimiter: str = ""
    headings: tuple[str, ...] = ()
    unspanned_to: int = 0
    blank: int = 0

    def plain(self) -> dict[str, Any]:
        """As texts, integers and a list of texts."""
        return {**self._asdict(), "headings": list(self.headings)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Cursor":
        """From what `plain` made, whatever kind of whole numbers a database gives back."""
        numbers = {name: int(plain[name]) for name in ("offset", "line", "number", "unspanned_to", "blank")}
        return cls(
            stage=plain["stage"],
            encoding=plain["encoding"],
            delimiter=plain["delimiter"],
            headings=tuple(plain["headings"]),
            **numbers,
        )


START = Cursor()


class Record(NamedTuple):
    """`values` are a table's cells by heading, or the bytes of one JSON value, which nobody has decoded yet."""

    number: int
    line: int
    values: Mapping[str, str] | bytes
    after: Cursor


class BadRecord(NamedTuple):
    """What stands where a record should be. `pointer` is an RFC 6901 JSON pointer into the record, empty for all of it."""

    number: int
    line: int
    pointer: str
    reason: str
    after: Cursor


class Gap(NamedTuple):
    """Much that is no record, and is not counted: reading may stop here too."""

    after: Cursor


def checked_blank(blank: int) -> int:
    """The same: how many lines in succession have nothing in them. Raises: Unreadable."""
    if blank > MAX_BLANK_LINES:
        raise Unreadable(f"more than {MAX_BLANK_LINES:,} lines in succession have nothing in them")
    return blank


def is_gap(before: int, blank: int) -> bool:
    """Whether to say how far reading is, where `blank` lines in succession were `before` until now."""
    return blank // GAP_LINES > before // GAP_LINES
