"""What the first bytes of an image say, and how it is put together: read before anything of it is decoded.

A few bytes can ask for any amount of memory and time. So what is asked for is known, and bounded, before a decoder sees it.

JPEG: ITU-T T.81, annex B. PNG: W3C, 5 and 11. WebP: RFC 9649, 2.
"""

import re
from struct import error as StructError
from struct import unpack_from
from typing import Literal, NamedTuple

from chalicelib.domain.images import Rejection

Format = Literal["JPEG", "PNG", "WEBP"]

_MAX_MARKERS = 5_000
"""In a JPEG; a profile and an extended XMP take some hundreds."""
_MAX_CHUNKS = 100_000
"""In a PNG of 20 MiB: still some for encoders that write 512 bytes at a time."""
_MARKER_IN_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length behind them."""
_PNG = b"\x89PNG\r\n\x1a\n"


class Refused(Exception):
    """No image that can be taken."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.value)
        self.rejection = rejection


class Header(NamedTuple):
    """`complete` is whether the file goes on to where the image ends.

    `block_visits` is how often a JPEG's decoder comes to a block of 64 samples. `buffered_bytes` are what a decoder keeps at
    once, whatever it scales the image to, and `bytes_per_pixel` what it needs besides for each pixel of what comes out.
    """

    format: Format
    width: int
    height: int
    complete: bool
    block_visits: int
    buffered_bytes: int
    bytes_per_pixel: int


def read_header(content: bytes) -> Header:
    """Raises: Refused."""
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content.startswith(_PNG):
            return _png(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (StructError, IndexError) as end_of_file:
        raise Refused(Rejection.TRUNCATED) from end_of_file
    raise Refused(Rejection.NO_IMAGE if content else Rejection.EMPTY)


class _Frame(NamedTuple):
    """Of a JPEG: `samples` of all its components together."""

    width: int
    height: int
    components: int
    samples: int
    progressive: bool


def _jpeg(content: bytes) -> Header:
    frame: _Frame | None = None
    at, scans, components_in_first_scan, complete = 2, 0, 0, False
    for _ in range(_MAX_MARKERS):
        found = _next_marker(content, at, in_scan=scans > 0)
        if found is None:
            break
        marker, at = found
        if marker == _EOI:
            complete = True
            break
        if marker in _BARE:
            continue
        length = unpack_from(">H", content, at)[0] if scans == 0 or at + 2 <= len(content) else 0
        if marker in _FRAMES:
            if frame is not None:
                raise Refused(Rejection.DAMAGED)
            frame = _frame(content, at, progressive=marker in _PROGRESSIVE)
        elif marker == _SOS:
            scans += 1
            if scans == 1:
                components_in_first_scan = content[at + 2]
        at += length
    else:
        raise Refused(Rejection.TOO_COSTLY)
    if frame is None or scans == 0:
        raise Refused(Rejection.DAMAGED if complete else Rejection.TRUNCATED)
    buffered = frame.progressive or components_in_first_scan < frame.components
    visits = scans * frame.samples // 64
    return Header("JPEG", frame.width, frame.height, complete, visits, 2 * frame.samples if buffered else 0, 4)


def _next_marker(content: bytes, at: int, *, in_scan: bool) -> tuple[int, int] | None:
    """The next marker from there on, and where it ends; before the first scan it stands just there, or after fill bytes."""
    if in_scan:
        found = _MARKER_IN_SCAN.search(content, at)
        return None if found is None else (content[found.end() - 1], found.end())
    if content[at] != 0xFF:
        raise Refused(Rejection.DAMAGED)
    while content[at] == 0xFF:
        at += 1
    return content[at], at + 1


def _frame(content: bytes, at: int, *, progressive: bool) -> _Frame:
    height, width, count = unpack_from(">HHB", content, at + 3)
    factors = [divmod(content[at + 9 + 3 * number], 16) for number in range(count)]
    if not height or not width or not all(across and down for across, down in factors) or not factors:
        raise Refused(Rejection.DAMAGED)
    most_across, most_down = max(across for across, _ in factors), max(down for _, down in factors)
    samples = sum(width * across // most_across * (height * down // most_down) for across, down in factors)
    return _Frame(width, height, count, samples, progressive)


def _png(content: bytes) -> Header:
    at, complete = len(_PNG), False
    if content[at + 4 : at + 8] != b"IHDR":
        raise Refused(Rejection.DAMAGED if len(content) >= at + 8 else Rejection.TRUNCATED)
    width, height = unpack_from(">II", content, at + 8)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(content):
            break
        length, kind = unpack_from(">I4s", content, at)
        at += 12 + length
        if kind == b"IEND":
            complete = True
            break
    else:
        raise Refused(Rejection.TOO_COSTLY)
    return _sized("PNG", width, height, complete=complete, bytes_per_pixel=4)


def _webp(content: bytes) -> Header:
    """The first chunk of an extended file is its header, of a simple one the image itself."""
    complete = unpack_from("<I", content, 4)[0] + 8 <= len(content)
    match content[12:16]:
        case b"VP8X":
            width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
            if len(content) < 30:
                raise Refused(Rejection.TRUNCATED)
        case b"VP8L":
            bits = unpack_from("<I", content, 21)[0]
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in unpack_from("<HH", content, 26))
        case _:
            raise Refused(Rejection.DAMAGED if len(content) >= 16 else Rejection.TRUNCATED)
    # libwebp's decoder of animations, which Pillow uses for all, keeps two canvases beside what it gives out.
    return _sized("WEBP", width, height, complete=complete, bytes_per_pixel=16)


def _sized(kind: Format, width: int, height: int, *, complete: bool, bytes_per_pixel: int) -> Header:
    if not width or not height:
        raise Refused(Rejection.DAMAGED)
    return Header(kind, width, height, complete, 0, 0, bytes_per_pixel)
