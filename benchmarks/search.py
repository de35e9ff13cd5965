"""What search takes: time, bytes in S3, and the same with another engine where that one is installed.

    python -m benchmarks.search [--documents 1000 10000 100000]

The indexes lie in the S3 of a local AWS. Needs `tantivy==0.27.0`, which nothing else does, for the second part.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from chalicelib.domain.search import SearchChange, SearchDocument, SearchRequest, terms_of
from chalicelib.gateways.aws_clients import AwsClients
from chalicelib.repositories.full_text import FullTextIndex
from chalicelib.repositories.search_index import S3SearchIndex
from operations import local_aws

BUCKET: Final = "daybook-measured"
ACCOUNT_ID: Final = "acc_measured"
SIZES: Final = (1_000, 10_000, 100_000)
BATCHES: Final = (1, 100, 1_000)
SEARCHES: Final = 200
COLD_STARTS: Final = 5
AT: Final = datetime(2026, 11, 21, tzinfo=UTC)
RETAIL: Final = Path(__file__).parents[2] / "shared" / "data" / "retail"
RETAIL_QUERIES: Final = ("heart holder", "lantern", "cream hang")
QUERIES: Final = ("heart holder", "lantern", "cream hang", "retro", '"glass star"', "zinc box large", "k1", "h")
"""The last one finds more than any other: whatever has a word that begins with it."""
WORDS: Final = tuple(
    """
    heart holder lantern cream hanger hanging white red retrospot bag glass metal t-light set box tea cup small large vintage
    christmas candle pink blue star paper lunch wooden union jack garden kit cake stand polkadot ivory cushion cover regency
    bottle water hot jumbo zinc drawer knob ceramic frame photo clock alarm bakelike tin sign doormat party bunting ribbons
    spotty apron bowl plate mug egg spoon chilli lights dolly girl baby boom bear toy block word home love sweetheart frying
    strawberry woodland animal spaceboy skull rabbit night light mirror antique silver gold necklace bracelet earrings beads
    crystal drop enamel jug jar sugar tray napkins straw basket shopper recycled travel card wallet notebook pencil sketchbook
    """.split()  # noqa: SIM905  nobody reads a hundred pairs of quotes
)
DESCRIPTION: Final = 4_000
"""Characters; the API takes no longer one."""
_AS_LETTERS: Final = str.maketrans("01", "ab")
_COLD: Final = """
import json, sys, time
from pathlib import Path
from chalicelib.gateways.aws_clients import AwsClients
s3 = AwsClients().client("s3", s3={"addressing_style": "path"})
started = time.perf_counter()
from chalicelib.repositories.search_index import S3SearchIndex
from chalicelib.domain.search import SearchRequest, terms_of
imported = time.perf_counter()
bucket, account_id, folder, typed = sys.argv[1:]
found = S3SearchIndex(s3, bucket, Path(folder)).search(account_id, SearchRequest(terms=terms_of(typed)))
assert found
print(json.dumps([(imported - started) * 1000, (time.perf_counter() - imported) * 1000]))
"""


def documents(count: int, *, version: int = 1, seed: int = 1) -> Iterator[SearchChange]:
    """Products with a name of four words and a description of ten; some words are far more frequent than others."""
    chance = random.Random(seed)  # noqa: S311
    weights = [1 / (place + 5) for place in range(len(WORDS))]
    for number in range(count):
        words = chance.choices(WORDS, weights, k=14)
        words[chance.randrange(14)] = f"k{chance.randrange(count)}"
        document = SearchDocument(" ".join(words[:4]), f"{number:06d}\n{' '.join(words[4:])}")
        yield SearchChange(type="product", id=f"{number:06d}", version=version, changed_at=AT, document=document)


def updates(among: int, batch: int, *, version: int) -> list[SearchChange]:
    """New words for so many of the documents, chosen at random."""
    chance = random.Random(version)  # noqa: S311
    numbers = chance.sample(range(among), batch)
    fresh = documents(batch, version=version, seed=version)
    return [
        SearchChange(type="product", id=f"{number:06d}", version=version, changed_at=AT, document=new.document)
        for number, new in zip(numbers, fresh, strict=True)
    ]


class Uploads:
    """Listens to a client of S3: the bytes of the last object that was written."""

    def __init__(self, s3: Any) -> None:
        self.last_bytes = 0
        s3.meta.events.register("provide-client-params.s3.PutObject", self._weigh)

    def _weigh(self, params: Mapping[str, Any], **_: object) -> None:
        self.last_bytes = os.fstat(params["Body"].fileno()).st_size


@contextmanager
def bucket() -> Iterator[tuple[Any, Mapping[str, str]]]:
    """A client of a local S3 with the bucket, and the environment that leads another process there."""
    with local_aws.running() as aws:
        before = dict(os.environ)
        os.environ |= aws.environment
        try:
            s3 = AwsClients().client("s3", s3={"addressing_style": "path"}, read_timeout=60)
            s3.create_bucket(Bucket=BUCKET)
            yield s3, dict(os.environ)
        finally:
            os.environ.clear()
            os.environ |= before


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def cold(environment: Mapping[str, str], starts: int) -> tuple[float, float]:
    """Milliseconds, medians of new processes: to import what an index needs, and to fetch, open and search one."""
    runs = []
    for _ in range(starts):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", _COLD, BUCKET, ACCOUNT_ID, folder, "heart holder"]
            run = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=True)
            runs.append(json.loads(run.stdout))
    imports, searches = zip(*runs, strict=True)
    return statistics.median(imports), statistics.median(searches)


def measure(s3: Any, environment: Mapping[str, str], count: int, *, searches: int, starts: int) -> dict[str, str]:
    uploads = Uploads(s3)
    with tempfile.TemporaryDirectory() as folder:
        index = S3SearchIndex(s3, BUCKET, Path(folder))
        shown = {"documents": f"{count:,}"}
        shown["to rebuild"] = f"{timed(lambda: index.rebuild(ACCOUNT_ID, lambda: documents(count))) / 1000:.2f} s"
        shown["file"] = f"{uploads.last_bytes:,} B"
        by_query = {typed: quantiles(warm(index, [typed], searches // len(QUERIES))) for typed in QUERIES}
        p50, p99 = quantiles(warm(index, QUERIES, searches))
        shown["warm search p50 / p99"] = f"{p50:.1f} / {p99:.1f} ms"
        shown |= {f"  {typed}": f"{p50:.1f} / {p99:.1f} ms" for typed, (p50, p99) in by_query.items()}
        imported, searched = cold(environment, starts)
        shown["cold: import sqlite3 and ours"] = f"{imported:.1f} ms"
        shown["cold: fetch, open, search"] = f"{searched:.1f} ms"
        version = 1
        for batch in BATCHES:
            times, sizes = [], []
            for _ in range(9):
                version += 1
                changes = updates(count, min(batch, count), version=version)
                times.append(timed(lambda changes=changes: index.apply(ACCOUNT_ID, changes)))  # type: ignore[misc]
                sizes.append(uploads.last_bytes)
            a_change = statistics.mean(sizes) / min(batch, count)
            shown[f"batch of {batch:,}"] = f"{statistics.median(times):.0f} ms, {a_change:,.0f} B a change"
    return shown


def warm(index: S3SearchIndex, typed: Sequence[str], searches: int) -> list[float]:
    requests = [SearchRequest(terms=terms_of(each)) for each in typed]
    return [timed(lambda n=n: index.search(ACCOUNT_ID, requests[n % len(requests)])) for n in range(searches)]  # type: ignore[misc]


def quantiles(times: Sequence[float]) -> tuple[float, float]:
    hundredths = statistics.quantiles(times, n=100)
    return hundredths[49], hundredths[98]


def growth(count: int, total: int) -> tuple[int, int, int]:
    """Bytes of a file before, at most, and after so many updates of its documents in batches of 100."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        FullTextIndex.build(path, documents(count))
        sizes = [path.stat().st_size]
        for version in range(2, 2 + total // 100):
            with FullTextIndex.write(path) as index:
                index.apply(updates(count, 100, version=version))
            sizes.append(path.stat().st_size)
    return sizes[0], max(sizes), sizes[-1]


def longest(count: int = 100, phrases: int = 15) -> tuple[int, float]:
    """Milliseconds of the engine for the longest question about the longest texts: phrases that begin alike, in all of them.

    Returns the question's length, too.
    """
    asked = [" ".join(f"{number:04b}".translate(_AS_LETTERS)) + " a" * 40 for number in range(phrases)]
    typed = " ".join(f'"{phrase}"' for phrase in asked)
    text = ("a " * 1_300 + " ".join(asked))[:DESCRIPTION]
    index = FullTextIndex.create()
    index.apply(
        SearchChange(type="product", id=f"{n:06d}", version=1, changed_at=AT, document=SearchDocument(f"Thing {n}", text))
        for n in range(count)
    )
    request = SearchRequest(terms=terms_of(typed), limit=100)
    found = []
    took = timed(lambda: found.append(index.search(request)))
    index.close()
    assert len(found[0]) == min(count, request.limit)
    return len(typed), took


def catalogue() -> list[SearchChange]:
    """The products of the retail data, where it is there: the last row of a code wins."""
    names: dict[str, str] = {}
    for path in sorted(RETAIL.glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            names |= {row["StockCode"]: row["Description"].strip() or row["StockCode"] for row in csv.DictReader(file)}
    return [
        SearchChange(type="product", id=code, version=1, changed_at=AT, document=SearchDocument(name, code))
        for code, name in names.items()
    ]


class Tantivy:
    """The other engine, as near to ours as it goes: lower case and ASCII folding, all words, prefixes, titles above texts."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._library: Any = tantivy
        folded = (
            tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
            .filter(tantivy.Filter.lowercase())
            .filter(tantivy.Filter.ascii_fold())
            .build()
        )
        builder: Any = tantivy.SchemaBuilder()
        builder.add_text_field("key", stored=True, tokenizer_name="raw")
        builder.add_text_field("title", stored=True, tokenizer_name="folded")
        builder.add_text_field("text", stored=True, tokenizer_name="folded")
        self._schema = builder.build()
        self._folder = folder
        self._index: Any = tantivy.Index(self._schema, path=str(folder))
        self._index.register_tokenizer("folded", folded)

    def apply(self, changes: Sequence[SearchChange]) -> int:
        """Bytes of the files that are new afterwards: those that would go to S3."""
        before = self._files()
        writer = self._index.writer(heap_size=50_000_000, num_threads=1)
        for change in changes:
            assert change.document is not None
            writer.delete_documents_by_term("key", change.id)
            writer.add_document(self._library.Document(key=change.id, title=change.document.title, text=change.document.text))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        return sum(size for (name, modified), size in self._files().items() if (name, modified) not in before)

    def _files(self) -> dict[tuple[str, int], int]:
        stats = {path.name: path.stat() for path in self._folder.iterdir() if not path.name.endswith(".lock")}
        return {(name, stat.st_mtime_ns): stat.st_size for name, stat in stats.items()}

    @property
    def size(self) -> int:
        return sum(self._files().values())

    def search(self, typed: str, limit: int = 20) -> list[str]:
        query, occur = self._library.Query, self._library.Occur
        musts = []
        for term in terms_of(typed):
            words = term.text.lower().split() if term.whole else [term.text.lower()]
            shoulds = []
            for field, weight in (("title", 10.0), ("text", 1.0)):
                exact = (
                    query.phrase_query(self._schema, field, words)
                    if len(words) > 1
                    else query.term_query(self._schema, field, words[0])
                )
                shoulds.append((occur.Should, query.boost_query(exact, weight)))
                if not term.whole:
                    begins = query.regex_query(self._schema, field, f"{words[0]}.*")
                    shoulds.append((occur.Should, query.boost_query(begins, weight)))
            musts.append((occur.Must, query.boolean_query(shoulds)))
        searcher = self._index.searcher()
        hits = searcher.search(query.boolean_query(musts), limit).hits
        return [searcher.doc(address)["title"][0] for _, address in hits]


def measure_tantivy(count: int, searches: int) -> dict[str, str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shown = {"documents": f"{count:,}"}
        engine = Tantivy(Path(folder))
        all_of_them = list(documents(count))
        shown["to rebuild"] = f"{timed(lambda: engine.apply(all_of_them)) / 1000:.2f} s"
        shown["files"] = f"{engine.size:,} B"
        engine_times = [timed(lambda n=n: engine.search(QUERIES[n % len(QUERIES)])) for n in range(searches)]  # type: ignore[misc]
        shown["warm search p50 / p99, engine alone"] = "{:.1f} / {:.1f} ms".format(*quantiles(engine_times))
        version = 1
        for batch in BATCHES:
            times, sizes = [], []
            for _ in range(9):
                version += 1
                started = time.perf_counter()
                sizes.append(engine.apply(updates(count, min(batch, count), version=version)))
                times.append((time.perf_counter() - started) * 1000)
            a_change = statistics.mean(sizes) / min(batch, count)
            shown[f"batch of {batch:,}"] = f"{statistics.median(times):.0f} ms, {a_change:,.0f} B a change"
        shown["files after that"] = f"{engine.size:,} B"
    return shown


def engine_alone(count: int, searches: int) -> str:
    """Our engine without S3, each search on a file that it opens anew."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        FullTextIndex.build(path, documents(count))

        def search(typed: str) -> None:
            with FullTextIndex.read(path) as index:
                index.search(SearchRequest(terms=terms_of(typed)))

        times = [timed(lambda n=n: search(QUERIES[n % len(QUERIES)])) for n in range(searches)]  # type: ignore[misc]
    return "{:.1f} / {:.1f} ms".format(*quantiles(times))


def import_time(library: str) -> float:
    """Milliseconds, the median of five new processes."""
    program = f"import time; started = time.perf_counter(); import {library}; print((time.perf_counter() - started) * 1000)"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)


def table(columns: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(f"{name:38}" + "".join(f"{column.get(name, ''):>36}" for column in columns) for name in columns[0])


def first_pages(with_tantivy: bool) -> str:
    changes = catalogue()
    index = FullTextIndex.create()
    index.apply(changes)
    lines = [f"first pages, of {len(changes):,} products"]
    with tempfile.TemporaryDirectory() as folder:
        other = Tantivy(Path(folder)) if with_tantivy else None
        if other is not None:
            other.apply(changes)
        for typed in RETAIL_QUERIES:
            lines.append(f"{typed}: {[found.title for found in index.search(SearchRequest(terms=terms_of(typed)))]}")
            lines += [] if other is None else [f"  tantivy: {other.search(typed)}"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=SIZES, help="in an index")
    parser.add_argument("--searches", type=int, default=SEARCHES, help=f"of each kind ({SEARCHES})")
    parser.add_argument("--starts", type=int, default=COLD_STARTS, help=f"new processes ({COLD_STARTS})")
    parser.add_argument("--updates", type=int, default=100_000, help="of the documents of one file, for its growth (100,000)")
    asked = parser.parse_args(arguments)
    with bucket() as (s3, environment):
        columns = [
            measure(s3, environment, count, searches=asked.searches, starts=asked.starts)
            | {"engine alone p50 / p99": engine_alone(count, asked.searches)}
            for count in asked.documents
        ]
    print(table(columns))
    before, most, after = growth(min(asked.documents), asked.updates)
    print(f"\n{asked.updates:,} updates of {min(asked.documents):,} documents: {before:,} B, at most {most:,} B, {after:,} B")
    length, took = longest()
    print(f"\n{length:,} characters of phrases, 100 descriptions of {DESCRIPTION:,}, limit 100: {took:.0f} ms")
    with_tantivy = find_spec("tantivy") is not None
    if with_tantivy:
        print(f"\nimport: sqlite3 {import_time('sqlite3'):.1f} ms, tantivy {import_time('tantivy'):.1f} ms")
        print(table([measure_tantivy(count, asked.searches) for count in asked.documents]))
    else:
        print("\ntantivy==0.27.0, which nothing else needs, is not installed: it was left out.")
    if RETAIL.exists():
        print(f"\n{first_pages(with_tantivy)}")


if __name__ == "__main__":
    main()
