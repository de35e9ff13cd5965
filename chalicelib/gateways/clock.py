"""The time and what cannot be guessed."""

import secrets
from datetime import UTC, datetime, timedelta

from chalicelib.domain.identifiers import ENTROPY_BYTES, Prefix, make_id

_ONE_SECOND = timedelta(seconds=1)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0)


class RandomIds:
    """Our clock has whole seconds; ids tell the milliseconds of theirs, so that what was made first in a second sorts first."""

    def new(self, prefix: Prefix, at: datetime) -> str:
        now = datetime.now(UTC)
        exact = now if at <= now < at + _ONE_SECOND else at
        return make_id(prefix, exact, secrets.token_bytes(ENTROPY_BYTES))
