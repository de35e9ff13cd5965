"""The store of files, in memory and in S3 (moto)."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.session import get_session
from moto import mock_aws

from chalicelib.domain.errors import NotFound, Unavailable
from chalicelib.domain.files import StoredFile
from chalicelib.ports import Files, Uploads
from chalicelib.repositories.files import CHUNK_BYTES, FORM_LIFETIME_SECONDS, LINK_LIFETIME_SECONDS, S3Files
from chalicelib.repositories.memory_files import MemoryFiles

BUCKET = "daybook-test-123456789012-files"
NAMES = [
    "photo.jpg",
    "a b.jpg",
    "a+b.jpg",
    "Müller & Söhne (1).jpg",
    "cafe\u0301.jpg",
    "🏡👨‍👩‍👧.jpg",
    "50%25.jpg",
    "a=b?c#d.jpg",
    "a'\"<>.jpg",
]
KEY = "uploads/acc_1/img_1/photo.jpg"


class Store(Uploads, Files, Protocol):
    pass


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client: Any = get_session().create_client(
            "s3",
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
        )
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture(params=["memory", "s3"])
def files(request: pytest.FixtureRequest) -> Store:
    return MemoryFiles() if request.param == "memory" else S3Files(request.getfixturevalue("s3"), BUCKET)


def read(files: Store, file: StoredFile | None, start: int = 0) -> bytes:
    assert file is not None
    return b"".join(files.read(file, start))


def versions_of(s3: Any) -> list[tuple[str, str]]:
    found = s3.list_object_versions(Bucket=BUCKET)
    return [(one["Key"], one["VersionId"]) for one in (*found.get("Versions", ()), *found.get("DeleteMarkers", ()))]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_put_is_found_under_its_name_and_read(files: Store, name: str) -> None:
    key = f"uploads/acc_1/img_1/{name}"

    version = files.put(key, b"12345", "image/jpeg")
    found = files.head(key)

    assert found is not None
    assert (found.key, found.version_id, found.size, found.content_type) == (key, version, 5, "image/jpeg")
    assert '"' not in found.etag
    assert read(files, found) == b"12345"
    files.remove(key)
    assert files.head(key) is None


def test_what_was_never_put_is_not_found(files: Store) -> None:
    files.put(KEY, b"1", "image/jpeg")

    assert files.head("uploads/acc_1/img_1/photo.jp") is None


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
def test_a_file_is_read_in_chunks_from_any_byte_on(files: Store, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    files.put(KEY, content, "text/csv")
    file = files.head(KEY)
    assert file is not None

    assert max(len(chunk) for chunk in files.read(file)) <= CHUNK_BYTES
    for start in {0, 1, size // 2, size - 1, size, size + 1}:
        assert read(files, file, start) == content[start:]


def test_a_file_is_read_from_any_byte_on_where_ranges_are_not_heard_of(s3: Any) -> None:
    def leave_out_the_range(params: dict[str, Any], **_: object) -> None:
        params["headers"].pop("Range", None)

    s3.meta.events.register("before-call.s3.GetObject", leave_out_the_range)
    content = bytes(number % 251 for number in range(2 * CHUNK_BYTES + 7))
    files = S3Files(s3, BUCKET)
    files.put(KEY, content, "text/csv")

    for start in (0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(content) - 1):
        assert read(files, files.head(KEY), start) == content[start:]


def test_a_newer_version_does_not_change_the_one_that_was_found(files: Store) -> None:
    files.put(KEY, b"first", "image/jpeg")
    first = files.head(KEY)
    files.put(KEY, b"the second", "image/png")
    second = files.head(KEY)

    assert first != second
    assert second is not None
    assert (second.size, second.content_type) == (10, "image/png")
    assert (read(files, first), read(files, second)) == (b"first", b"the second")


def test_the_same_content_again_is_another_version_with_the_same_etag(files: Store) -> None:
    files.put(KEY, b"same", "image/jpeg")
    first = files.head(KEY)
    files.put(KEY, b"same", "image/jpeg")
    second = files.head(KEY)

    assert first is not None
    assert second is not None
    assert first.version_id != second.version_id
    assert first.etag == second.etag


def test_a_version_that_is_gone_is_not_found(files: Store) -> None:
    files.put(KEY, b"first", "image/jpeg")
    file = files.head(KEY)
    files.remove(KEY)

    with pytest.raises(NotFound):
        read(files, file)


def test_removing_removes_every_version_of_that_key_and_nothing_else(files: Store) -> None:
    kept = files.put(f"{KEY}2", b"longer key", "image/jpeg")
    for content in (b"1", b"2", b"3"):
        files.put(KEY, content, "image/jpeg")

    files.remove(KEY)
    files.remove(KEY)
    files.remove("uploads/none")

    assert files.head(KEY) is None
    other = files.head(f"{KEY}2")
    assert other is not None
    assert other.version_id == kept


def test_removing_through_a_version_leaves_the_newer_ones(files: Store) -> None:
    versions, found = [], []
    for content in (b"1", b"2", b"3", b"4"):
        versions.append(files.put(KEY, content, "image/jpeg"))
        found.append(files.head(KEY))

    files.remove(KEY, versions[1])
    files.remove(KEY, versions[0])
    files.remove(KEY, "no-such-version")

    newest = files.head(KEY)
    assert newest is not None
    assert newest.version_id == versions[3]
    assert [read(files, file) for file in found[2:]] == [b"3", b"4"]
    for file in found[:2]:
        with pytest.raises(NotFound):
            read(files, file)


def test_removing_through_the_newest_version_leaves_none(files: Store) -> None:
    files.put(KEY, b"1", "image/jpeg")
    files.remove(KEY, files.put(KEY, b"2", "image/jpeg"))

    assert files.head(KEY) is None


@pytest.mark.parametrize("dropped", [0, 1, 2])
def test_one_version_alone_can_be_dropped(files: Store, dropped: int) -> None:
    versions, found = [], []
    for content in (b"1", b"2", b"3"):
        versions.append(files.put(KEY, content, "image/jpeg"))
        found.append(files.head(KEY))

    files.drop(KEY, versions[dropped])
    files.drop(KEY, versions[dropped])
    files.drop("uploads/none", versions[dropped])

    left = [file for number, file in enumerate(found) if number != dropped]
    assert files.head(KEY) == left[-1]
    assert [read(files, file) for file in left] == [str(number + 1).encode() for number in range(3) if number != dropped]
    with pytest.raises(NotFound):
        read(files, found[dropped])


def test_nothing_is_left_in_s3_of_what_was_removed_though_somebody_else_deleted_it_before(s3: Any) -> None:
    S3Files(s3, BUCKET).put(KEY, b"1", "image/jpeg")
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert len(versions_of(s3)) == 2

    S3Files(s3, BUCKET).remove(KEY)

    assert versions_of(s3) == []


def test_versions_by_the_thousand_are_removed(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.repositories.files._REMOVED_AT_ONCE", 3)
    files = S3Files(s3, BUCKET)
    for number in range(11):
        files.put(KEY, str(number).encode(), "image/jpeg")

    files.remove(KEY)

    assert versions_of(s3) == []


def test_a_version_is_removed_after_all_that_were_before_it(s3: Any) -> None:
    """So that after a death in between it is still known which ones those are."""
    files = S3Files(s3, BUCKET)
    versions = [files.put(KEY, content, "image/jpeg") for content in (b"1", b"2", b"3")]
    asked: list[list[str]] = []
    s3.meta.events.register(
        "before-parameter-build.s3.DeleteObjects",
        lambda params, **_: asked.append([one["VersionId"] for one in params["Delete"]["Objects"]]),
    )

    files.remove(KEY, versions[1])

    assert asked == [[versions[0]], [versions[1]]]


# Forms


@pytest.mark.parametrize("name", NAMES)
def test_a_form_names_the_key_and_the_type(files: Store, name: str) -> None:
    form = files.form(f"uploads/acc_1/img_1/{name}", "image/png", 20)

    assert form.url
    assert form.fields["key"] == f"uploads/acc_1/img_1/{name}"
    assert form.fields["Content-Type"] == "image/png"


def policy_of(fields: Any) -> Any:
    return json.loads(base64.b64decode(fields["policy"]))


@pytest.mark.parametrize("name", NAMES)
def test_s3_takes_that_key_that_type_and_no_more_bytes_for_a_quarter_of_an_hour(s3: Any, name: str) -> None:
    form = S3Files(s3, BUCKET).form(f"uploads/acc_1/img_1/{name}", "image/png", 20)
    signed = {name: form.fields[name] for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date")}

    policy = policy_of(form.fields)

    assert form.url == f"https://{BUCKET}.s3.eu-central-1.amazonaws.com/"
    assert signed["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    conditions = policy["conditions"]
    assert sorted(conditions, key=str) == sorted(
        [
            {"Content-Type": "image/png"},
            ["content-length-range", 1, 20],
            {"bucket": BUCKET},
            {"key": f"uploads/acc_1/img_1/{name}"},
            *({name: value} for name, value in signed.items()),
        ],
        key=str,
    )
    assert set(form.fields) == {"key", "Content-Type", "policy", "x-amz-signature", *signed}
    assert FORM_LIFETIME_SECONDS == 15 * 60


@pytest.mark.parametrize("name", NAMES)
def test_what_is_posted_with_a_form_is_found(s3: Any, name: str) -> None:
    files = S3Files(s3, BUCKET)
    form = files.form(f"uploads/acc_1/img_1/{name}", "image/png", 20)

    answer = requests.post(form.url, data=dict(form.fields), files={"file": (name, b"12345", "image/png")}, timeout=10)

    assert answer.status_code == 204
    assert read(files, files.head(f"uploads/acc_1/img_1/{name}")) == b"12345"


# Links


@pytest.mark.parametrize("name", NAMES)
def test_a_link_reads_the_version_it_was_made_for_under_the_name_of_the_file(s3: Any, name: str) -> None:
    files = S3Files(s3, BUCKET)
    key = f"thumbnails/100x/acc_1/img_1/{name}"
    first = files.put(key, b"first", "image/jpeg")
    files.put(key, b"second", "image/jpeg")

    link = files.link(key, first, name, "image/jpeg")

    parts = urlsplit(link)
    query = parse_qs(parts.query)
    assert unquote(parts.path) == f"/{key}"
    assert query["versionId"] == [first]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == [str(LINK_LIFETIME_SECONDS)] == ["300"]
    assert query["response-content-type"] == ["image/jpeg"]
    assert unquote(query["response-content-disposition"][0]) == f"inline; filename*=UTF-8''{name}"
    assert requests.get(link, timeout=10).content == b"first"


def test_a_link_names_the_version(files: Store) -> None:
    version = files.put(KEY, b"1", "image/jpeg")

    assert f"versionId={version}" in files.link(KEY, version, "photo.jpg", "image/jpeg")


# When S3 does not answer


class Failing:
    """An S3 that fails at everything."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise self.failure

        return fail


def refusal(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Some")  # type: ignore[typeddict-item]


FILE = StoredFile(key=KEY, version_id="1", etag="e", size=5, content_type="image/jpeg")


@pytest.mark.parametrize(
    "failure", [refusal("SlowDown", 503), refusal("403", 403), ReadTimeoutError(endpoint_url="https://s3")], ids=str
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda files: files.head(KEY),
        lambda files: list(files.read(FILE)),
        lambda files: files.put(KEY, b"1", "image/jpeg"),
        lambda files: files.remove(KEY),
    ],
    ids=["head", "read", "put", "remove"],
)
def test_a_store_that_does_not_answer_is_unavailable(failure: Exception, ask: Any) -> None:
    s3: Any = Failing(failure)

    with pytest.raises(Unavailable):
        ask(S3Files(s3, BUCKET))


def test_a_bucket_that_is_not_there_is_no_file_that_is_not_there(s3: Any) -> None:
    with pytest.raises(Unavailable):
        list(S3Files(s3, "daybook-none").read(FILE))


def test_an_object_that_s3_did_not_remove_is_told_within_an_answer_of_200(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files = S3Files(s3, BUCKET)
    files.put(KEY, b"1", "image/jpeg")
    monkeypatch.setattr(s3, "delete_objects", lambda **_: {"Errors": [{"Key": KEY, "Code": "InternalError"}]})

    with pytest.raises(Unavailable):
        files.remove(KEY)


def test_an_answer_that_breaks_off_is_unavailable_and_no_shorter_file(s3: Any) -> None:
    files = S3Files(s3, BUCKET)
    files.put(KEY, b"12345", "image/jpeg")
    file = files.head(KEY)
    assert file is not None

    def cut(parsed: Any, **_: Any) -> None:
        parsed["Body"]._amount_read, parsed["Body"]._content_length = 0, "9"

    s3.meta.events.register("after-call.s3.GetObject", cut)

    with pytest.raises(Unavailable):
        list(files.read(file))
