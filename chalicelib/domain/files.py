"""Files that people put into the store themselves, and what is kept of them."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.errors import FieldError, Invalid

MAX_FILENAME_BYTES = 900
"""As UTF-8: the longest key, `thumbnails/200x200/<account>/<image>/<filename>`, stays below the 1,024 bytes that S3 takes."""
_SUBSTITUTED = "${filename}"
"""S3 puts the name of the file that was sent in its place, wherever it stands in the key of a form."""
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of surrogate pairs, and separators of lines and paragraphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A hint that something was put under that key, for the image or the import that the key names."""

    account_id: str
    file_id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """What a browser posts as multipart/form-data to `url`: these fields, and behind them the file as `file`."""

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One version of what lies under a key; `size` in bytes."""

    key: str
    version_id: str
    etag: str
    size: int
    content_type: str


def check_filename(filename: str, pointer: str = "/filename") -> None:
    """Raises: Invalid for what is no name of a file, or cannot be the last part of a key."""
    wrong = _what_is_wrong(filename)
    if wrong is not None:
        raise Invalid(FieldError(pointer, wrong))


def upload_key(prefix: str, account_id: str, file_id: str, filename: str) -> str:
    """Where a file is to be put; `prefix` has no slash at its end."""
    return f"{prefix}/{account_id}/{file_id}/{filename}"


def _what_is_wrong(filename: str) -> str | None:
    if not filename.strip():
        return "must not be blank"
    if filename in {".", ".."}:
        return "must be the name of a file"
    if "/" in filename or "\\" in filename:
        return "must be a name without a path: no / and no \\"
    if any(unicodedata.category(character) in _UNSAFE or _is_no_character(character) for character in filename):
        return "must not contain control characters"
    if _SUBSTITUTED in filename:
        return f"must not contain {_SUBSTITUTED}"
    if len(filename.encode()) > MAX_FILENAME_BYTES:
        return f"must have at most {MAX_FILENAME_BYTES} bytes as UTF-8"
    return None


def _is_no_character(character: str) -> bool:
    """U+FFFE, U+FFFF and their like: Unicode says that they are none, and XML, in which S3 is asked, takes some of them not."""
    return ord(character) & 0xFFFE == 0xFFFE
