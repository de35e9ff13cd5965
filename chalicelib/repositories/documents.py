"""PDFs in S3, under `documents/<account>/<document>.pdf`: written once, never again."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.aws_errors import calling, code_of
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LINK_LIFETIME_SECONDS = 300
_SERVICE = "the store of documents"
_CONTENT_TYPE = "application/pdf"
# 412: it is there already. 409: somebody else is writing it at this moment; S3 then says to try again.
_LOST_THE_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_ATTEMPTS = 3


class S3Documents:
    """Links are good only from a client that signs with Signature Version 4."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def find(self, account_id: str, document_id: str) -> bytes | None:
        """Without the right to list the bucket S3 says AccessDenied of what is not there, which is Unavailable to us."""
        from botocore.exceptions import ClientError

        with calling(_SERVICE):
            try:
                return self._s3.get_object(Bucket=self._bucket, Key=_key(account_id, document_id))["Body"].read()
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise

    def keep(self, account_id: str, document_id: str, content: bytes) -> bytes:
        for _ in range(_ATTEMPTS):
            if self._put(_key(account_id, document_id), content):
                return content
            kept = self.find(account_id, document_id)
            if kept is not None:
                return kept
        raise Unavailable(f"{_SERVICE} is busy with this document")

    def _put(self, key: str, content: bytes) -> bool:
        """Whether it was the first to write there."""
        from botocore.exceptions import ClientError

        with calling(_SERVICE):
            try:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=_CONTENT_TYPE, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) in _LOST_THE_RACE:
                    return False
                raise
        return True

    def link(self, account_id: str, document_id: str, filename: str) -> str:
        return self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": _key(account_id, document_id),
                "ResponseContentType": _CONTENT_TYPE,
                "ResponseContentDisposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}",
            },
            ExpiresIn=LINK_LIFETIME_SECONDS,
        )


def _key(account_id: str, document_id: str) -> str:
    return f"documents/{account_id}/{document_id}.pdf"
