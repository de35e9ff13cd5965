"""The store of documents, in memory and in S3 (moto)."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.session import get_session
from moto import mock_aws

from chalicelib.domain.errors import Unavailable
from chalicelib.ports import Documents
from chalicelib.repositories.documents import LINK_LIFETIME_SECONDS, S3Documents
from chalicelib.repositories.memory_documents import MemoryDocuments

BUCKET = "daybook-test-123456789012"
PDF = b"%PDF-1.4 the first"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client: Any = get_session().create_client(
            "s3",
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(signature_version="s3v4"),
        )
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


@pytest.fixture(params=["memory", "s3"])
def documents(request: pytest.FixtureRequest) -> Documents:
    return MemoryDocuments() if request.param == "memory" else S3Documents(request.getfixturevalue("s3"), BUCKET)


def test_a_document_that_was_kept_is_found(documents: Documents) -> None:
    assert documents.keep("acc_1", "inv_1", PDF) == PDF
    assert documents.find("acc_1", "inv_1") == PDF


def test_a_document_that_was_never_kept_is_not_found(documents: Documents) -> None:
    assert documents.find("acc_1", "inv_1") is None


def test_the_first_document_stays_whatever_comes_later(documents: Documents) -> None:
    documents.keep("acc_1", "inv_1", PDF)

    assert documents.keep("acc_1", "inv_1", b"%PDF-1.4 the second") == PDF
    assert documents.find("acc_1", "inv_1") == PDF


def test_another_account_s_document_is_not_found(documents: Documents) -> None:
    documents.keep("acc_1", "inv_1", PDF)

    assert documents.find("acc_2", "inv_1") is None


def test_a_link_names_the_document_and_the_file(documents: Documents) -> None:
    documents.keep("acc_1", "inv_1", PDF)
    link = documents.link("acc_1", "inv_1", "RE-2026-0001.pdf")

    assert "/documents/acc_1/inv_1.pdf?" in link
    assert "RE-2026-0001.pdf" in link


def test_a_document_lies_under_its_account_as_a_pdf(s3: Any) -> None:
    S3Documents(s3, BUCKET).keep("acc_1", "inv_1", PDF)

    assert s3.head_object(Bucket=BUCKET, Key="documents/acc_1/inv_1.pdf")["ContentType"] == "application/pdf"


def test_a_link_is_signed_for_five_minutes_and_shows_the_pdf_in_the_browser(s3: Any) -> None:
    query = parse_qs(urlsplit(S3Documents(s3, BUCKET).link("acc_1", "inv_1", 'RE "2026"; ü.pdf')).query)

    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == [str(LINK_LIFETIME_SECONDS)] == ["300"]
    assert query["response-content-type"] == ["application/pdf"]
    assert query["response-content-disposition"] == ["inline; filename*=UTF-8''RE%20%222026%22%3B%20%C3%BC.pdf"]


def refusal(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")  # type: ignore[typeddict-item]


class Racing:
    """An S3 where another writer is at the same key."""

    def __init__(self, *puts: Exception | None, found: bytes | None) -> None:
        self.puts = list(puts)
        self.found = found

    def put_object(self, **_: Any) -> None:
        if (failure := self.puts.pop(0)) is not None:
            raise failure

    def get_object(self, **_: Any) -> dict[str, Any]:
        if self.found is None:
            raise refusal("NoSuchKey", 404)
        return {"Body": StreamingBody(BytesIO(self.found), len(self.found))}


def test_who_comes_second_while_the_first_still_writes_gets_the_first_one_s_document() -> None:
    s3: Any = Racing(refusal("ConditionalRequestConflict", 409), found=b"%PDF the other")

    assert S3Documents(s3, BUCKET).keep("acc_1", "inv_1", PDF) == b"%PDF the other"


def test_a_conflict_with_a_write_that_came_to_nothing_is_tried_again() -> None:
    s3: Any = Racing(refusal("ConditionalRequestConflict", 409), None, found=None)

    assert S3Documents(s3, BUCKET).keep("acc_1", "inv_1", PDF) == PDF


def test_conflicts_without_end_are_unavailable() -> None:
    s3: Any = Racing(*[refusal("ConditionalRequestConflict", 409)] * 9, found=None)

    with pytest.raises(Unavailable):
        S3Documents(s3, BUCKET).keep("acc_1", "inv_1", PDF)


@pytest.mark.parametrize("failure", [refusal("SlowDown", 503), ReadTimeoutError(endpoint_url="https://s3")])
def test_a_store_that_does_not_answer_is_unavailable(failure: Exception) -> None:
    s3: Any = Racing(failure, found=None)

    with pytest.raises(Unavailable):
        S3Documents(s3, BUCKET).keep("acc_1", "inv_1", PDF)


def test_a_bucket_that_is_not_there_is_unavailable_and_not_an_absent_document(s3: Any) -> None:
    with pytest.raises(Unavailable):
        S3Documents(s3, "daybook-none").find("acc_1", "inv_1")
