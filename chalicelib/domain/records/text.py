"""From bytes to text: what kind of file it is, in which encoding, and its lines.

What cannot be decoded stays in the text as lone surrogates, so that every text still says how many bytes it was made of, and
only the record that it stands in is bad.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from chalicelib.domain.errors import Unreadable
from chalicelib.domain.records.record import MAX_RECORD_CHARACTERS, START, Cursor

BLOCK_BYTES = 64 * 1024
"""What is decoded at a time; the first block is what the delimiter is told from."""
WINDOW_BYTES = 64 * 1024
"""What UTF-8 is told from Windows-1252 by, from the first byte on that is no ASCII."""
ONLY_ASCII = "ascii"
"""The encoding of a file without a mark, as long as all of it has been ASCII."""
_NO_TEXTS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; a workbook's sheet can be saved as CSV",
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Excel workbook; its sheet can be saved as CSV",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"%PDF-": "a PDF",
    b"\x89PNG\r\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF87a": "a GIF image",
    b"GIF89a": "a GIF image",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xff\xfe\x00\x00": "in UTF-32; UTF-8 can be read",
    b"\x00\x00\xfe\xff": "in UTF-32; UTF-8 can be read",
}
"""What a file begins with that is no text, or none that we read."""
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_MULTI_BYTE = (
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
)
"""RFC 3629, section 4."""
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MARKUP = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_HIGH = re.compile(rb"[\x80-\xff]")
_CONTINUING = bytes(range(0x80, 0xC0))
_LINE_END = re.compile(r"\r\n?|\n")
_SURROGATE = re.compile("[\ud800-\udfff]")
NAMES = {"utf-8": "UTF-8", "cp1252": "Windows-1252", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
"""Encodings as people call them, by what Python calls them."""


class Line(NamedTuple):
    """With its end; or several lines with nothing in them: `height` is how many. `text` None if it is longer than any record.

    `size` in bytes.
    """

    text: str | None
    size: int
    height: int = 1


class Text:
    """A file's text from a cursor on, piece by piece. `sample` is the first piece, the byte order mark not in it.

    `encoding` is what is known of it by the piece that was taken last.
    """

    def __init__(self, blocks: Iterator[bytes], cursor: Cursor, fallback: str) -> None:
        self.cursor = cursor
        self.encoding = cursor.encoding
        self._fallback = fallback
        self._first_high = -1
        pieces = self._pieces(blocks)
        self.sample = next(pieces, "")
        self.pieces: Iterator[str] = chain([self.sample], pieces)

    def encoding_at(self, offset: int) -> str:
        """As the bytes before the offset show it, so that a cursor there is the same however far has been read ahead."""
        return ONLY_ASCII if offset <= self._first_high else self.encoding

    def size_of(self, text: str) -> int:
        """The bytes that the text was decoded from."""
        if self.encoding.startswith("utf-16"):
            return len(text.encode(self.encoding, "surrogatepass"))
        return len(text) if text.isascii() or self.encoding == "cp1252" else len(text.encode(self.encoding, "surrogateescape"))

    def _pieces(self, blocks: Iterator[bytes]) -> Iterator[str]:
        if self.encoding == ONLY_ASCII:
            offset = self.cursor.offset
            for block in blocks:
                if (high := _HIGH.search(block)) is not None:
                    self._first_high = offset + high.start()
                    blocks = self._decide(block, high.start(), blocks)
                    break
                yield block.decode(ONLY_ASCII)
                offset += len(block)
        yield from _decoded(blocks, self.encoding)

    def _decide(self, block: bytes, place: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks, of which some have been looked at; `place` is where in the first of them the window begins."""
        ahead, seen = [block], len(block) - place
        while seen < WINDOW_BYTES + 3 and (block := next(blocks, b"")):
            ahead.append(block)
            seen += len(block)
        window = b"".join(ahead)[place : place + WINDOW_BYTES + 3]
        behind = window[WINDOW_BYTES:]
        window = window[: len(window) - len(behind.lstrip(_CONTINUING))]  # and the rest of the character that its end cuts
        self.encoding = "utf-8" if _looks_like_utf_8(window) else self._fallback
        return chain(ahead, blocks)


def open_text(chunks: Iterable[bytes], cursor: Cursor, fallback: str) -> Text:
    """`fallback` is the encoding of what is neither marked nor UTF-8. Raises: Unreadable, and only at the start."""
    blocks = _blocks(chunks)
    if cursor.stage != "start":
        return Text(blocks, cursor, fallback)
    first = next(blocks, b"")
    encoding, mark = _marked_encoding(first)
    if encoding == ONLY_ASCII and fallback == "utf-8":
        encoding = fallback
    text = Text(chain([first[mark:]], blocks), START._replace(encoding=encoding, offset=mark), fallback)
    _check_sample(text.sample)
    return text


def is_whole(text: str) -> bool:
    """Whether all of it could be decoded."""
    return text.isascii() or _SURROGATE.search(text) is None


def why_not_whole(what: str, encoding: str) -> str:
    """With the way out: a file that begins in plain English letters may yet be in another encoding than UTF-8."""
    way_out = "; save the file as UTF-8 and import it again" if encoding == "utf-8" else ""
    return f"the {what} is not all {NAMES[encoding]}{way_out}"


def lines(
    pieces: Iterable[str], size_of: Callable[[str], int], blank: Callable[[str, int, int], re.Match[str] | None]
) -> Iterator[Line]:
    """A line ends with LF, CR or both. Holds no more than the longest record, however long a line is.

    Lines that are found by `blank`, a pattern's `match`, come all at once; which these are depends on where the pieces end.
    """
    rest, skipped, searched = "", 0, 0
    for piece in pieces:
        rest += piece
        end = 0
        whole = len(rest) - rest.endswith("\r")  # the CR may be half of an end, the LF still to come
        while (found := _LINE_END.search(rest, max(end, searched), whole)) is not None:
            start, end = end, found.end()
            yield _line(rest[start:end], skipped, size_of)
            skipped = 0
            if (several := blank(rest, end, whole)) is not None:
                end = several.end()
                text = several[0]
                yield Line(text, size_of(text), text.count("\n") + text.count("\r") - text.count("\r\n"))
        rest = rest[end:]
        if len(rest) > MAX_RECORD_CHARACTERS:
            skipped += size_of(rest[:-1])
            rest = rest[-1:]
        searched = len(rest) - rest.endswith("\r")
    if rest or skipped:
        yield _line(rest, skipped, size_of)


def _line(text: str, skipped: int, size_of: Callable[[str], int]) -> Line:
    size = size_of(text)
    if skipped or len(text) > MAX_RECORD_CHARACTERS:
        return Line(None, skipped + size)
    return Line(text, size)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, however they come, so that nothing depends on it."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) >= BLOCK_BYTES:
            whole = len(held) - len(held) % BLOCK_BYTES
            for start in range(0, whole, BLOCK_BYTES):
                yield bytes(held[start : start + BLOCK_BYTES])
            del held[:whole]
    if held:
        yield bytes(held)


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[str]:
    errors = "surrogatepass" if encoding.startswith("utf-16") else "surrogateescape"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for block in blocks:
        yield decoder.decode(block)
    left, _ = decoder.getstate()
    if encoding.startswith("utf-16") and left:
        yield left[: len(left) & ~1].decode(encoding, errors) + "\udc00" * (len(left) % 2)
    elif left:
        yield decoder.decode(b"", final=True)


def _marked_encoding(first: bytes) -> tuple[str, int]:
    """The encoding, and how long the byte order mark is. Raises: Unreadable for what is no text."""
    if not first:
        raise Unreadable("the file is empty")
    for magic, what in _NO_TEXTS.items():
        if first.startswith(magic):
            raise Unreadable(f"the file is {what}")
    for mark, encoding in _BOMS.items():
        if first.startswith(mark):
            return encoding, len(mark)
    even, odd = first[:64:2], first[1:64:2]
    if len(first) > 1 and (any(even), any(odd)) == (True, False) and 0 not in even:
        return "utf-16-le", 0
    if len(first) > 1 and (any(even), any(odd)) == (False, True) and 0 not in odd:
        return "utf-16-be", 0
    return ONLY_ASCII, 0


def _looks_like_utf_8(window: bytes) -> bool:
    """Also if some few bytes are broken: in other encodings hardly two bytes together happen to be UTF-8."""
    high = sum(map(len, re.findall(rb"[\x80-\xff]+", window)))
    formed = sum(map(len, re.findall(_MULTI_BYTE, window)))
    return formed * 2 >= high


def _check_sample(sample: str) -> None:
    """Raises: Unreadable."""
    if not sample.strip():
        raise Unreadable("the file is empty")
    if _MARKUP.match(sample):
        raise Unreadable("the file is HTML or XML")
    if len(CONTROL.findall(sample)) > 8 + len(sample) // 20:
        raise Unreadable("the file is not text")
