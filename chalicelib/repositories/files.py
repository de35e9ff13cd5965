"""Files in S3, in a bucket that keeps versions: what people put there themselves, and what was made of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.aws_errors import calling, code_of
from chalicelib.domain.errors import NotFound, Unavailable
from chalicelib.domain.files import StoredFile, UploadForm

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

FORM_LIFETIME_SECONDS = 900
LINK_LIFETIME_SECONDS = 300
CHUNK_BYTES = 64 * 1024
_SERVICE = "the store of files"
_REMOVED_AT_ONCE = 1000
"""Most that one DeleteObjects takes."""
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})


class S3Files:
    """Forms and links are good only from a client that signs with Signature Version 4."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def form(self, key: str, content_type: str, max_bytes: int) -> UploadForm:
        made = self._s3.generate_presigned_post(
            self._bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_bytes]],
            ExpiresIn=FORM_LIFETIME_SECONDS,
        )
        return UploadForm(url=made["url"], fields=made["fields"])

    def head(self, key: str) -> StoredFile | None:
        """Without the right to list the bucket S3 says 403 of what is not there, which is Unavailable to us."""
        from botocore.exceptions import ClientError

        with calling(_SERVICE):
            try:
                found = self._s3.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise
        return StoredFile(
            key=key,
            version_id=found.get("VersionId", "null"),
            etag=found["ETag"].strip('"'),
            size=found["ContentLength"],
            content_type=found["ContentType"],
        )

    def read(self, file: StoredFile, start: int = 0) -> Iterator[bytes]:
        from botocore.exceptions import ClientError

        if start >= file.size:  # S3 refuses a range without bytes
            return
        asked: Any = {"Bucket": self._bucket, "Key": file.key, "VersionId": file.version_id}
        if start:
            asked["Range"] = f"bytes={start}-"
        with calling(_SERVICE):
            try:
                answer = self._s3.get_object(**asked)
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise NotFound from error
                raise
            body = answer["Body"]
            # S3 says which range it answers with; a server that has not heard of ranges answers with all (RFC 9110, 14.2).
            surplus = 0 if answer.get("ContentRange") else start
            try:
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    if len(chunk) > surplus:
                        yield chunk[surplus:]
                    surplus = max(surplus - len(chunk), 0)
            finally:
                body.close()

    def put(self, key: str, content: bytes, content_type: str) -> str:
        with calling(_SERVICE):
            put = self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)
        return put.get("VersionId", "null")

    def remove(self, key: str, through: str | None = None) -> None:
        versions = self._versions(key)
        if through is not None:
            if through not in versions:
                return
            versions = versions[versions.index(through) :]
        before = versions[:0:-1]
        for start in range(0, len(before), _REMOVED_AT_ONCE):
            self._remove(key, before[start : start + _REMOVED_AT_ONCE])
        self._remove(key, versions[:1])  # by itself: as long as an older one is there, this one is, and stands before it

    def drop(self, key: str, version_id: str) -> None:
        self._remove(key, [version_id])

    def _versions(self, key: str) -> list[str]:
        """The newest first, the marks of deletions among them."""
        found: list[tuple[Any, str]] = []
        with calling(_SERVICE):
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key):
                of_key = [one for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())) if one["Key"] == key]
                found += [(one["LastModified"], one["VersionId"]) for one in of_key]
        return [version for _, version in sorted(found, key=lambda one: one[0], reverse=True)]

    def _remove(self, key: str, versions: list[str]) -> None:
        if not versions:
            return
        objects: list[ObjectIdentifierTypeDef] = [{"Key": key, "VersionId": version} for version in versions]
        with calling(_SERVICE):
            answer = self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
        if answer.get("Errors"):  # told within an answer of 200
            raise Unavailable(f"{_SERVICE} does not answer")

    def link(self, key: str, version_id: str, filename: str, content_type: str) -> str:
        return self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "VersionId": version_id,
                "ResponseContentType": content_type,
                "ResponseContentDisposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}",
            },
            ExpiresIn=LINK_LIFETIME_SECONDS,
        )
