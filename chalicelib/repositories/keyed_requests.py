"""What is kept of requests with an Idempotency-Key, in the ephemeral table."""

import base64
import zlib
from contextlib import AbstractContextManager
from dataclasses import replace

from chalicelib.domain.errors import Contended
from chalicelib.domain.idempotency import Keeping, KeptAnswer
from chalicelib.repositories import keys
from chalicelib.repositories.items import Item, from_item, size_of, to_item
from chalicelib.repositories.once import Effect, noting
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import always_contended, delete, put, update

MAX_ANSWER_BYTES = 380_000
"""An item takes 400 KB. JSON is kept in a tenth of its size, so that a longer answer than this is one of more than 3 MB."""


class DynamoKeyedRequests:
    def __init__(self, ephemeral: Table) -> None:
        self._table = ephemeral

    def find(self, request_id: str) -> Keeping | None:
        item = self._table.get(keys.keyed_request(request_id))
        return None if item is None else from_item(_opened(item), Keeping)

    def begin(self, keeping: Keeping, before: Keeping | None) -> None:
        unchanged = "attribute_not_exists(#pk)" if before is None else "#claim = :read"
        if before is not None and before.made is None:
            unchanged += " AND attribute_not_exists(#made)"
        read = {} if before is None else {"read": before.claim}
        self._table.transact(put(_item(keeping), condition=unchanged, refused=always_contended, **read))

    def effect(self, keeping: Keeping) -> AbstractContextManager[object]:
        return noting(Effect(keeping.id, keeping.claim))

    def keep(self, keeping: Keeping, answer: KeptAnswer) -> KeptAnswer:
        kept = to_item(keys.keyed_request(keeping.id), "keyed_request", replace(keeping, answer=answer))["answer"]
        kept["body"] = _packed(answer.body)
        if size_of(kept) > MAX_ANSWER_BYTES:
            return answer
        key = keys.keyed_request(keeping.id)
        unanswered = "#claim = :ours AND attribute_not_exists(#answer)"
        try:
            self._table.transact(update(key, "SET #answer = :answer", condition=unanswered, answer=kept, ours=keeping.claim))
        except Contended:
            found = self.find(keeping.id)
            if found is None or found.claim != keeping.claim or found.answer is None:
                raise
            return found.answer
        return answer

    def give_up(self, keeping: Keeping) -> None:
        try:
            self._table.transact(
                delete(
                    keys.keyed_request(keeping.id),
                    condition="attribute_not_exists(#pk) OR (#claim = :ours AND attribute_not_exists(#made))",
                    refused=always_contended,
                    ours=keeping.claim,
                )
            )
        except Contended:
            return  # it took effect, or somebody else is at it


def _item(keeping: Keeping) -> Item:
    item = to_item(keys.keyed_request(keeping.id), "keyed_request", keeping)
    return {**item, "expires_at": int(keeping.kept_until.timestamp())}


def _opened(item: Item) -> Item:
    if "answer" not in item:
        return item
    return {**item, "answer": {**item["answer"], "body": zlib.decompress(base64.b85decode(item["answer"]["body"])).decode()}}


def _packed(body: str) -> str:
    return base64.b85encode(zlib.compress(body.encode())).decode()
