"""Files in memory; passes the same contract as those in S3."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from itertools import count
from threading import Lock
from urllib.parse import quote

from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import StoredFile, UploadForm

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Version:
    file: StoredFile
    content: bytes


class MemoryFiles:
    def __init__(self) -> None:
        self._versions: dict[str, list[_Version]] = {}
        self._numbers = count(1)
        self._lock = Lock()

    def form(self, key: str, content_type: str, max_bytes: int) -> UploadForm:
        return UploadForm(url=f"memory://files?most={max_bytes}", fields={"Content-Type": content_type, "key": key})

    def head(self, key: str) -> StoredFile | None:
        with self._lock:
            versions = self._versions.get(key)
            return versions[-1].file if versions else None

    def read(self, file: StoredFile, start: int = 0) -> Iterator[bytes]:
        with self._lock:
            contents = [one.content for one in self._versions.get(file.key, ()) if one.file.version_id == file.version_id]
        if start >= file.size:
            return
        if not contents:
            raise NotFound
        for at in range(start, file.size, _CHUNK_BYTES):
            yield contents[0][at : at + _CHUNK_BYTES]

    def put(self, key: str, content: bytes, content_type: str) -> str:
        with self._lock:
            file = StoredFile(
                key=key,
                version_id=f"version-{next(self._numbers)}",
                etag=md5(content, usedforsecurity=False).hexdigest(),
                size=len(content),
                content_type=content_type,
            )
            self._versions.setdefault(key, []).append(_Version(file, content))
        return file.version_id

    def remove(self, key: str, through: str | None = None) -> None:
        with self._lock:
            versions = self._versions.get(key, [])
            ids = [one.file.version_id for one in versions]
            if through is None or through in ids:
                self._versions[key] = [] if through is None else versions[ids.index(through) + 1 :]
                if not self._versions[key]:
                    del self._versions[key]

    def link(self, key: str, version_id: str, filename: str, content_type: str) -> str:
        return f"memory://files/{quote(key)}?versionId={version_id}&filename={quote(filename)}&type={quote(content_type)}"

    def keys(self) -> list[str]:
        """Of whatever is there, in order."""
        with self._lock:
            return sorted(self._versions)

    def content(self, key: str, version_id: str) -> bytes:
        """Raises: NotFound."""
        with self._lock:
            for one in self._versions.get(key, ()):
                if one.file.version_id == version_id:
                    return one.content
        raise NotFound
