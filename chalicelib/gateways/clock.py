"""The time and what cannot be guessed."""

import secrets
from datetime import UTC, datetime

from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, make_id


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0)


class RandomIds:
    def new(self, prefix: Prefix, at: datetime) -> str:
        return make_id(prefix, at, secrets.token_bytes(ENTROPY_BYTES))
