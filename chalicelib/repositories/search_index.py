"""The full-text indexes in S3, one file for each account, under `search/v1/<account>.sqlite` (v1 is the file's schema).

A file is read through a folder of copies whose names carry account and ETag: a conditional GET says whether the copy still is
what is kept. It is written from a copy, if it still is what was copied. Both ways it goes through files, never through memory.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from chalicelib.aws_errors import calling, code_of
from chalicelib.domain.errors import Contended, Unavailable
from chalicelib.domain.search import SearchChange, SearchRequest, SearchResult
from chalicelib.repositories import keys
from chalicelib.repositories.attempts import attempts
from chalicelib.repositories.full_text import BrokenIndex, FullTextIndex

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
MAX_CACHE_BYTES = 256 * 1024 * 1024
"""Of the 512 MB that a function's /tmp has: as much again is for what is made beside the copies."""
_SERVICE = "the search index"
_CONTENT_TYPE = "application/vnd.sqlite3"
_SUFFIX = ".sqlite"
_NOT_THERE = frozenset({"404", "NoSuchKey"})
# 412: another version is there by now. 409: somebody else is writing it at this moment. 404: it is gone, so no version matches.
_LOST_THE_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_ATTEMPTS = 12
_ASIDE = "aside-"
_LEFT_BEHIND_SECONDS = 15 * 60
"""No invocation lasts longer: what is older was left by one that was killed."""
_CHUNK_BYTES = 1024 * 1024


class _Copy(NamedTuple):
    path: Path
    etag: str
    fetched: bool
    """Just now; otherwise S3 has said that the copy which was here still holds."""


class S3SearchIndex:
    """`folder` is this process's, or shared with others of the same kind; it is made when needed."""

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        folder: Path,
        *,
        max_cache_bytes: int = MAX_CACHE_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._copies = _Copies(folder, max_cache_bytes)
        self._sleep = sleep

    def search(self, account_id: str, request: SearchRequest) -> tuple[SearchResult, ...]:
        def find(copy: _Copy) -> tuple[SearchResult, ...]:
            with FullTextIndex.read(copy.path) as index:
                return index.search(request)

        try:
            return self._with_copy(account_id, find) or ()
        except BrokenIndex as error:
            raise Unavailable(f"{_SERVICE} is broken") from error

    def apply(self, account_id: str, changes: Sequence[SearchChange]) -> bool:
        for _ in attempts(_ATTEMPTS, self._sleep):
            try:
                done = self._with_copy(account_id, lambda copy: self._write(account_id, copy, changes))
            except BrokenIndex:
                return False
            if done is not False:
                return done is not None
        raise Contended

    def rebuild(self, account_id: str, everything: Callable[[], Iterable[SearchChange]]) -> None:
        for _ in attempts(_ATTEMPTS, self._sleep):
            # First what is there, then the table: whoever indexes a later change of the table in between changes the ETag.
            etag = self._etag(account_id)
            with _on_disk(), self._copies.aside() as path:
                self._copies.make_room(self._copies.most_aside)  # how large it gets nobody knows yet
                try:
                    FullTextIndex.build(path, everything())
                except BrokenIndex as error:
                    raise Unavailable(f"{_SERVICE} cannot be made") from error
                if self._put(account_id, path, etag):
                    return
        raise Contended

    def _with_copy(self, account_id: str, work: Callable[[_Copy], T]) -> T | None:
        """None if there is no index. A copy that is broken is fetched anew before the index counts as broken.

        Raises: BrokenIndex.
        """
        for _ in range(_ATTEMPTS):
            with _on_disk():
                copy = self._current(account_id)
                if copy is None:
                    return None
                try:
                    return work(copy)
                except FileNotFoundError:  # another process or thread has made room, or has fetched a newer one
                    continue
                except BrokenIndex:
                    self._copies.drop(copy.path)
                    if copy.fetched:
                        raise
        raise Unavailable(f"{_SERVICE} has no room on the disk")

    def _write(self, account_id: str, copy: _Copy, changes: Sequence[SearchChange]) -> bool:
        """Whether the index knows of the changes now; if not, somebody else has written meanwhile."""
        with FullTextIndex.read(copy.path) as index:
            news = index.news(changes)
        if not news:
            return True
        with self._copies.aside() as path:
            self._copies.duplicate(copy, path)
            with FullTextIndex.write(path) as index:
                index.take_up(news)
            return self._put(account_id, path, copy.etag)

    def _current(self, account_id: str) -> _Copy | None:
        """The index as it is now, None if there is none."""
        from botocore.exceptions import ClientError

        known = self._copies.find(account_id)
        condition: Any = {} if known is None else {"IfNoneMatch": known.etag}
        with calling(_SERVICE):
            try:
                answer = self._s3.get_object(Bucket=self._bucket, Key=_key(account_id), **condition)
            except ClientError as error:
                if code_of(error) == "304" and known is not None:
                    return known
                if code_of(error) in _NOT_THERE:
                    return None
                raise
            # Not the body's own `with`: that hands out the connection's stream, which checks no length.
            with self._copies.aside() as path, closing(answer["Body"]) as body:
                self._copies.make_room(answer["ContentLength"])
                with path.open("wb") as file:
                    for chunk in body.iter_chunks(_CHUNK_BYTES):
                        file.write(chunk)
                return self._copies.keep(account_id, answer["ETag"], path)

    def _etag(self, account_id: str) -> str | None:
        from botocore.exceptions import ClientError

        with calling(_SERVICE):
            try:
                return self._s3.head_object(Bucket=self._bucket, Key=_key(account_id))["ETag"]
            except ClientError as error:
                if code_of(error) in _NOT_THERE:
                    return None
                raise

    def _put(self, account_id: str, path: Path, etag: str | None) -> bool:
        """Whether what is there still was what that ETag says, None for nothing; the file goes to the copies then.

        An answer that was lost is asked for again by botocore, and refused: the index then is ours, and knows of it all.
        """
        from botocore.exceptions import ClientError

        condition: Any = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with calling(_SERVICE), path.open("rb") as file:
            try:
                answer = self._s3.put_object(
                    Bucket=self._bucket, Key=_key(account_id), Body=file, ContentType=_CONTENT_TYPE, **condition
                )
            except ClientError as error:
                if code_of(error) in _LOST_THE_RACE:
                    return False
                raise
        self._copies.keep(account_id, answer["ETag"], path)
        return True


class _Copies:
    """A folder of files that were read from S3, the one that was used last being the newest; and what is made beside them.

    The copies keep to `max_bytes`, all together to twice as much.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def find(self, account_id: str) -> _Copy | None:
        prefix = _prefix(account_id)
        found = sorted(self._by_use(), key=lambda path: path.name.startswith(prefix))
        if not found or not found[-1].name.startswith(prefix):
            return None
        path = found[-1]
        with suppress(FileNotFoundError):
            os.utime(path)
        return _Copy(path, unquote(path.name.removeprefix(prefix).removesuffix(_SUFFIX)), fetched=False)

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """Where a file can be made that nobody looks at before it is complete; what is left there is removed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.glob(f"{_ASIDE}*"):
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - _LEFT_BEHIND_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        with TemporaryDirectory(prefix=_ASIDE, dir=self._folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder) / f"index{_SUFFIX}"

    def keep(self, account_id: str, etag: str, path: Path) -> _Copy:
        """Moves the file to its place, and makes room."""
        kept = self._folder / f"{_prefix(account_id)}{quote(etag, safe='')}{_SUFFIX}"
        # All that is asked of the file is asked before it is in its place: there another thread may drop it at once.
        os.utime(path)
        room = self._max_bytes - path.stat().st_size
        path.replace(kept)
        for other in reversed(self._by_use()):
            if other == kept:
                continue
            with suppress(FileNotFoundError):
                room -= other.stat().st_size
            if room < 0 or other.name.startswith(_prefix(account_id)):
                self.drop(other)
        return _Copy(kept, etag, fetched=True)

    @property
    def most_aside(self) -> int:
        """Bytes that can be made aside without any copy giving way that may stay."""
        return self._max_bytes

    def make_room(self, needed: int, *, but_for: Path | None = None) -> bool:
        """Drops copies, first those that were used longest ago, until so many bytes more fit in; whether they do now."""
        room = 2 * self._max_bytes - needed
        for folder in self._folder.glob(f"{_ASIDE}*"):
            with suppress(FileNotFoundError):  # another thread is done with it
                room -= sum(_size(made) for made in folder.iterdir())
        copies = self._by_use()
        room -= sum(map(_size, copies))
        for path in copies:
            if room >= 0:
                break
            if path != but_for:
                room += _size(path)
                self.drop(path)
        return room >= 0

    def duplicate(self, copy: _Copy, path: Path) -> None:
        """There it can be changed, and be made small again, which takes as much once more; without room it is moved there."""
        if self.make_room(2 * copy.path.stat().st_size, but_for=copy.path):
            shutil.copyfile(copy.path, path)
        else:
            copy.path.replace(path)

    def drop(self, path: Path) -> None:
        """Whoever has it open can read on."""
        path.unlink(missing_ok=True)

    def _by_use(self) -> list[Path]:
        """All copies, the one that was used last at the end."""
        used: list[tuple[int, Path]] = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                used.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(used)]


def _size(path: Path) -> int:
    """Bytes; none if it is gone."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


@contextmanager
def _on_disk() -> Iterator[None]:
    """Raises: Unavailable for a disk that is full or cannot be written."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{_SERVICE} has no room on the disk") from error


def _prefix(account_id: str) -> str:
    """Ends in a sign that no id has: one account's id may be the beginning of another's."""
    return f"{keys.account(account_id).pk}."


def _key(account_id: str) -> str:
    return f"search/v1/{keys.account(account_id).pk}{_SUFFIX}"
