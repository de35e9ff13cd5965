"""The full-text engine: SQLite's FTS5 on one file, for one account.

A thing's title and text are kept once, in `documents`; the index over them keeps no text of its own (`content=''`) and is told
the folded words of both (folding.py). Therefore a document's words are taken out of the index by folding its text again, and
who folds otherwise must not write here: `about.folding`. Nothing that is newer than SQLite 3.40 is used.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple, Self, cast
from urllib.parse import quote

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.kinds import SearchType
from chalicelib.domain.search import MAX_PHRASE_WORDS, SearchChange, SearchDocument, SearchRequest, SearchResult, Term
from chalicelib.repositories.folding import FOLDING, fold
from chalicelib.repositories.snippets import Wanted, snippet

TOMBSTONES_SECONDS = 2 * 86_400
"""How much longer than the newest change it is known what is gone: a stream's records live for 24 hours."""
_APPLICATION = 0x64617962
_SCHEMA_VERSION = 1
_TITLE_WEIGHT = 10.0
_TEXT_WEIGHT = 1.0
_MOST_MERGES = 400
"""Each makes two new levels of segments in FTS5, which takes an index of more than 2,000 for a broken one."""
_FREE_PAGES_KEPT = 32
"""So many, or half of all, if that is more: they are filled again before the file grows."""
_HEADER_BYTES = 100
_BUILT_AT_ONCE = 1_000
_SCHEMA = """
CREATE TABLE about (folding TEXT NOT NULL, newest INTEGER NOT NULL, merges INTEGER NOT NULL) STRICT;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL,
    text TEXT NOT NULL, UNIQUE (type, id)
) STRICT;
CREATE TABLE gone (
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(title, text, content='', tokenize='ascii');
"""
_OLDEST_SQLITE = (3, 37)
"""The first with STRICT tables; RETURNING and UPSERT are older."""
_MOST_WORDS = 48
"""Of all that is typed, so many words count."""
_PATIENCE_SECONDS = 5
_STEPS_BETWEEN_LOOKS = 100_000
"""Of SQLite's virtual machine: some milliseconds."""
_SEARCH = """
SELECT type, id, title, text, score FROM (
    SELECT rowid AS number, -bm25(words, ?, ?) AS score FROM words WHERE words MATCH ?
) JOIN documents USING (number)
"""
_OF_THE_MACHINE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)


class BrokenIndex(Exception):
    """The file is not an index as it is written here, or not all of one."""


class IndexedDocument(NamedTuple):
    type: SearchType
    id: str
    version: int
    title: str
    text: str


class _Kept(NamedTuple):
    """What the index knows of a thing that is there."""

    version: int
    number: int
    document: SearchDocument


class FullTextIndex:
    """An open index. Whatever is found broken in its file: BrokenIndex, from every method.

    Nothing is journalled on disk: a file whose writer has failed is lost, so write to copies.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, path: Path | None = None) -> Self:
        """A new, empty index; in memory without a path."""
        _check_engine()
        with _asking():
            # The callers' own locks keep the threads apart.
            connection = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, check_same_thread=False)
            _prepare(connection, "OFF" if path else "MEMORY")
            connection.executescript(f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_SCHEMA_VERSION};")
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO about VALUES (?, 0, 0)", [FOLDING])
            return cls(connection)

    @classmethod
    def build(cls, path: Path, changes: Iterable[SearchChange]) -> None:
        """A new index, as small as it gets; reads the changes as it goes."""
        remaining = iter(changes)
        with cls.create(path) as index:
            while some := list(islice(remaining, _BUILT_AT_ONCE)):
                index._take_up_all(index.news(some))
            index.compact()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file must not change meanwhile."""
        return cls._open(path, "mode=ro&immutable=1")

    @classmethod
    def write(cls, path: Path) -> Self:
        """Raises: BrokenIndex also for an index of another folding, which can still be read."""
        index = cls._open(path, "mode=rw")
        try:
            with _asking():
                if index._connection.execute("SELECT folding FROM about").fetchone() != (FOLDING,):
                    raise BrokenIndex("it was made with another folding")
        except BaseException:
            index.close()
            raise
        return index

    @classmethod
    def _open(cls, path: Path, mode: str) -> Self:
        """Raises: FileNotFoundError."""
        _check_engine()
        _check_whole(path)
        with _asking():
            try:
                connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, isolation_level=None)
            except sqlite3.OperationalError:
                path.stat()
                raise
            try:
                _prepare(connection, "OFF")
                if (
                    _pragma(connection, "application_id") != _APPLICATION
                    or _pragma(connection, "user_version") != _SCHEMA_VERSION
                ):
                    raise BrokenIndex("it is another kind of file")
            except BaseException:
                connection.close()
                raise
            return cls(connection)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, request: SearchRequest) -> tuple[SearchResult, ...]:
        """By score; those of one score by type and id."""
        wanted = _few([each for each in dict.fromkeys(map(_wanted, request.terms)) if each.words])
        if not wanted:
            return ()
        condition, values = ("", ()) if request.type is None else ("WHERE type = ?", (request.type,))
        order = "ORDER BY score DESC, type, id LIMIT ?"
        with _asking(), self._patience():
            rows = self._connection.execute(
                f"{_SEARCH} {condition} {order}",
                (_TITLE_WEIGHT, _TEXT_WEIGHT, match_expression(wanted), *values, request.limit),
            ).fetchall()
            # In here, too: what a broken file may have in the place of a text is no fault of ours.
            return tuple(
                SearchResult(
                    type=kind,
                    id=thing_id,
                    title=title,
                    snippet=snippet(SearchDocument(title, text), wanted),
                    score=_rounded(score),
                )
                for kind, thing_id, title, text, score in rows
            )

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Whoever types it, and whatever the file holds: no search keeps a function busy until it is ended.

        Raises: Unavailable.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        self._connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                raise
            raise Unavailable("this search takes too long; look for something longer, or less") from error
        finally:
            self._connection.set_progress_handler(None, 0)

    def documents(self) -> Iterator[IndexedDocument]:
        """All that can be found, by type and id."""
        with _asking():
            for row in self._connection.execute("SELECT type, id, version, title, text FROM documents ORDER BY type, id"):
                yield IndexedDocument(*row)

    def news(self, changes: Iterable[SearchChange]) -> list[SearchChange]:
        """What is newer than what is known, of each thing its last state. A removal is newer than the version it removes."""
        latest: dict[tuple[SearchType, str], SearchChange] = {}
        for change in changes:
            known = latest.get((change.type, change.id))
            if known is None or _age(change) > _age(known):
                latest[change.type, change.id] = change
        with _asking():
            horizon = self._newest(latest.values()) - TOMBSTONES_SECONDS
            return [change for change in latest.values() if self._is_news(change, horizon)]

    def apply(self, changes: Iterable[SearchChange]) -> bool:
        """All that is newer, in one transaction; whether anything was."""
        news = self.news(changes)
        self.take_up(news)
        return bool(news)

    def take_up(self, news: Sequence[SearchChange]) -> None:
        """What `news` has said of what is in this index now, in one transaction."""
        if news:
            self._take_up_all(news)
            self._compact_if_hollow()

    def compact(self) -> None:
        """Makes the file as small as it gets."""
        with _asking():
            self._optimize()
            self._connection.execute("VACUUM")

    def _optimize(self) -> None:
        """Merges the index's segments to one, without the words that are gone; now and then makes them anew instead."""
        (merges,) = self._connection.execute("UPDATE about SET merges = merges + 1 RETURNING merges").fetchone()
        if merges < _MOST_MERGES:
            self._connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            return
        self._connection.execute("UPDATE about SET merges = 0")
        self._connection.execute("INSERT INTO words (words) VALUES ('delete-all')")
        self._connection.executemany(
            "INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)",
            (
                (number, *_folded(SearchDocument(title, text)))
                for number, title, text in self._connection.execute("SELECT number, title, text FROM documents")
            ),
        )

    def _take_up_all(self, news: Sequence[SearchChange]) -> None:
        with _asking(), self._transaction():
            newest = self._newest(news)
            self._connection.execute("UPDATE about SET newest = ?", [newest])
            self._connection.execute("DELETE FROM gone WHERE at < ?", [newest - TOMBSTONES_SECONDS])
            taken_out = [self._take_up(change) for change in news]
            if any(taken_out):  # or they stay in FTS5's segments, beside a note that they are gone, until it merges those
                self._optimize()

    def _compact_if_hollow(self) -> None:
        with _asking():
            free = _pragma(self._connection, "freelist_count")
            hollow = free > max(_FREE_PAGES_KEPT, _pragma(self._connection, "page_count") // 2)
        if hollow:
            self.compact()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):  # without a journal there is no way back, and the file is lost
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _newest(self, changes: Iterable[SearchChange]) -> int:
        known: tuple[int] = self._connection.execute("SELECT newest FROM about").fetchone()
        return max([*known, *(_seconds(change.changed_at) for change in changes)])

    def _is_news(self, change: SearchChange, horizon: int) -> bool:
        kept = self._kept(change)
        if kept is not None:
            return _age(change) > (kept.version, False)
        gone = self._connection.execute(
            "SELECT version FROM gone WHERE type = ? AND id = ? AND at >= ?", [change.type, change.id, horizon]
        ).fetchone()
        return gone is None or _age(change) > (gone[0], True)

    def _kept(self, change: SearchChange) -> _Kept | None:
        row = self._connection.execute(
            "SELECT version, number, title, text FROM documents WHERE type = ? AND id = ?", [change.type, change.id]
        ).fetchone()
        return None if row is None else _Kept(row[0], row[1], SearchDocument(*row[2:]))

    def _take_up(self, change: SearchChange) -> bool:
        """Whether words were taken out for it."""
        kept = self._kept(change)
        document = None if change.document is None else SearchDocument(*map(_storable, change.document))
        changed = kept is not None and kept.document != document
        if kept is not None and changed:
            self._connection.execute(
                "INSERT INTO words (words, rowid, title, text) VALUES ('delete', ?, ?, ?)",
                [kept.number, *_folded(kept.document)],
            )
        if document is None:
            self._connection.execute("DELETE FROM documents WHERE type = ? AND id = ?", [change.type, change.id])
            gone = [change.type, change.id, change.version, _seconds(change.changed_at)]
            self._connection.execute("INSERT OR REPLACE INTO gone VALUES (?, ?, ?, ?)", gone)
            return changed
        self._connection.execute("DELETE FROM gone WHERE type = ? AND id = ?", [change.type, change.id])
        (number,) = self._connection.execute(
            "INSERT INTO documents (type, id, version, title, text) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (type, id) DO UPDATE SET version = excluded.version, title = excluded.title, text = excluded.text"
            " RETURNING number",
            [change.type, change.id, change.version, *document],
        ).fetchone()
        if kept is None or changed:
            self._connection.execute("INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", [number, *_folded(document)])
        return changed


def _few(wanted: Sequence[Wanted]) -> list[Wanted]:
    """The first ones, `_MOST_WORDS` words together."""
    counted = accumulate(len(each.words) for each in wanted)
    return [each for each, words in zip(wanted, counted, strict=True) if words <= _MOST_WORDS]


def match_expression(wanted: Sequence[Wanted]) -> str:
    """In FTS5's language: all of them; a word that may go on counts more where it stands by itself.

    Folded words are letters, digits and marks: nothing in them could end a string in quotes, let alone be an operator.
    """
    return " AND ".join(_either(" ".join(each.words), each.whole) for each in wanted)


def _either(phrase: str, whole: bool) -> str:
    quoted = '"' + phrase.replace('"', '""') + '"'
    return quoted if whole else f"({quoted} OR {quoted} *)"


def _wanted(term: Term) -> Wanted:
    return Wanted(tuple(fold(_storable(term.text)).split()[:MAX_PHRASE_WORDS]), term.whole)


def _folded(document: SearchDocument) -> tuple[str, str]:
    return fold(document.title), fold(document.text)


def _storable(text: str) -> str:
    """A lone surrogate is no character, and SQLite keeps none."""
    return text.encode(errors="replace").decode()


def _rounded(score: float) -> float:
    """To four digits; however small, it stays above zero."""
    return float(f"{score:.4g}")


def _age(change: SearchChange) -> tuple[int, bool]:
    """A thing's states in their order: one is gone after its last version."""
    return change.version, change.document is None


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _prepare(connection: sqlite3.Connection, journal: str) -> None:
    """For a file that nobody else has open, and that is thrown away after a crash."""
    for pragma in (
        f"journal_mode = {journal}",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        "secure_delete = ON",  # what is deleted must not go out with the file
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return cast("int", value)


def _check_engine() -> None:
    """Raises: Unavailable. It is no file's fault: making indexes anew would not mend it."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE or not _has_full_text():
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise Unavailable(f"search needs SQLite {oldest} or later with FTS5; this Python's is {sqlite3.sqlite_version}")


@lru_cache(maxsize=1)
def _has_full_text() -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def _check_whole(path: Path) -> None:
    """By the header, https://www.sqlite.org/fileformat2.html: SQLite itself reads on until it misses a page.

    Raises: BrokenIndex, FileNotFoundError.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        size = path.stat().st_size
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable("the search index cannot be read from the disk") from error
    page_bytes = int.from_bytes(header[16:18])
    pages = int.from_bytes(header[28:32])
    if len(header) < _HEADER_BYTES or size != pages * (65_536 if page_bytes == 1 else page_bytes):
        raise BrokenIndex("it is no database, or not all of one")


@contextmanager
def _asking() -> Iterator[None]:
    """Raises: BrokenIndex for what is wrong with the file, Unavailable for what is wrong with the disk or the memory."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _OF_THE_MACHINE and code != sqlite3.SQLITE_IOERR_SHORT_READ:
            raise Unavailable("the search index cannot be kept on the disk") from error
        raise BrokenIndex(str(error)) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BrokenIndex(f"there is something in it that was not put there: {type(error).__name__}") from error
