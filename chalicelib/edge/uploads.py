"""What S3 tells of objects that have landed: keys by which to look what is there now."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import msgspec
from chalice.app import S3Event

from chalicelib.domain.identifiers import Prefix, is_id

if TYPE_CHECKING:
    from chalicelib.domain.files import Upload

_log = logging.getLogger("daybook")
_FILES: dict[str, Prefix] = {"uploads": "img", "incoming": "imp"}
"""What lands in which folder, by the kind of its id: `uploads/<account>/<image>/<filename>`."""


class _Object(msgspec.Struct):
    key: str


class _Landed(msgspec.Struct):
    object: _Object


class _Record(msgspec.Struct):
    s3: _Landed


class _Event(msgspec.Struct):
    Records: list[_Record]


def each_upload(event: S3Event, handle: "Callable[[Upload], object]") -> None:
    """Hands over each object that can be one of ours; the rest is logged and left.

    If some fail, the others are done before the first failure is raised: then Lambda tries the whole event again.
    """
    failures: list[Exception] = []
    for record in msgspec.convert(event.to_dict(), _Event).Records:
        upload = read_upload(record.s3.object.key)
        if upload is None:
            _log.warning("an object that is nobody's upload was left")
            continue
        try:
            handle(upload)
        except Exception as error:  # noqa: BLE001  the batch boundary
            _log.exception("upload %s failed", upload.file_id)
            failures.append(error)
    if failures:
        raise failures[0]


def read_upload(encoded_key: str) -> "Upload | None":
    """`encoded_key` as S3's events have it: in percent-encoding, with + for a space.

    docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    from chalicelib.domain.files import Upload

    key = unquote_plus(encoded_key)
    folder, _, rest = key.partition("/")
    account_id, _, rest = rest.partition("/")
    file_id, _, filename = rest.partition("/")
    ours = folder in _FILES and is_id("acc", account_id) and is_id(_FILES[folder], file_id) and filename
    return Upload(account_id=account_id, file_id=file_id, key=key) if ours else None
