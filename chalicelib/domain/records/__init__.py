"""Files of records, read one by one: CSV, a JSON array, or JSON on lines.

Pure and streamed: memory does not grow with the file, and reading may stop after any record and go on from its cursor later.
"""

from collections.abc import Callable, Iterable, Iterator

from chalicelib.domain.records.json_array import read_array
from chalicelib.domain.records.json_lines import read_lines
from chalicelib.domain.records.record import START as START
from chalicelib.domain.records.record import BadRecord as BadRecord
from chalicelib.domain.records.record import ContentType as ContentType
from chalicelib.domain.records.record import Cursor as Cursor
from chalicelib.domain.records.record import Gap as Gap
from chalicelib.domain.records.record import Record as Record
from chalicelib.domain.records.table import clean_heading as clean_heading
from chalicelib.domain.records.table import read_table
from chalicelib.domain.records.text import Text, open_text

_READERS: dict[ContentType, Callable[[Text], Iterator[Record | BadRecord | Gap]]] = {
    "text/csv": read_table,
    "application/json": read_array,
    "application/x-ndjson": read_lines,
}


def read_records(
    content_type: ContentType, chunks: Iterable[bytes], cursor: Cursor = START
) -> Iterator[Record | BadRecord | Gap]:
    """`chunks` are the file's bytes from the cursor's offset on, cut anyhow.

    Raises: Unreadable: before the first record, where the file as a whole cannot be read; or behind too many blank lines.
    """
    if cursor.stage != "over":
        fallback = "cp1252" if content_type == "text/csv" else "utf-8"
        yield from _READERS[content_type](open_text(chunks, cursor, fallback))
