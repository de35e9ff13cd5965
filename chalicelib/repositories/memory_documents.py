"""Documents in memory; passes the same contract as the ones in S3."""

from threading import Lock


class MemoryDocuments:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}
        self._lock = Lock()

    def find(self, account_id: str, document_id: str) -> bytes | None:
        return self._kept.get((account_id, document_id))

    def keep(self, account_id: str, document_id: str, content: bytes) -> bytes:
        with self._lock:
            return self._kept.setdefault((account_id, document_id), content)

    def link(self, account_id: str, document_id: str, filename: str) -> str:
        return f"memory://documents/{account_id}/{document_id}.pdf?filename={filename}"
