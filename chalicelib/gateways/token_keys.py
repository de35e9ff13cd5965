"""The keys that sign tokens, from one secret with its two live versions; the version's id is the `kid`.

warm instance     reads AWSCURRENT once, and again after an hour, so that a key retired twice over does not live on here
unknown `kid`     reads AWSCURRENT and AWSPREVIOUS, at most once a minute: a rotation while we are warm, or a bad token
"""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from chalicelib.aws_errors import calling, code_of
from chalicelib.domain.errors import Unavailable
from chalicelib.ports import Clock, TokenKey

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_FOR = timedelta(hours=1)
SEARCHED_EVERY = timedelta(minutes=1)
MIN_KEY_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 is at least as long as its hash."""
_VERSION_ID = re.compile(r"[A-Za-z0-9-]{32,64}", re.ASCII)


class SecretTokenKeys:
    def __init__(self, secrets: "SecretsManagerClient", secret_id: str, clock: Clock) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._clock = clock
        self._current: TokenKey | None = None
        self._previous: TokenKey | None = None
        self._renew_at: datetime | None = None
        self._search_at: datetime | None = None

    def signing(self) -> TokenKey:
        """Raises: Unavailable if the secret cannot be read or is no key."""
        if self._current is None:
            return self._read_current()
        if self._due(self._renew_at):
            self._renew_at = self._clock.now() + SEARCHED_EVERY  # again soon, should the store not answer now
            with suppress(Unavailable):  # its outage must not sign everybody out
                return self._read_current()
        return self._current

    def verifying(self, kid: str) -> TokenKey | None:
        """Raises: Unavailable if the secret cannot be read or is no key."""
        if _VERSION_ID.fullmatch(kid) is None:
            return None
        fresh = self._current is None
        self.signing()
        if self._known(kid) is None and self._due(self._search_at):
            if not fresh:
                self._read_current()
            self._previous = self._read("AWSPREVIOUS")
            self._search_at = self._clock.now() + SEARCHED_EVERY
        return self._known(kid)

    def _known(self, kid: str) -> TokenKey | None:
        return next((key for key in (self._current, self._previous) if key is not None and key.kid == kid), None)

    def _due(self, at: datetime | None) -> bool:
        return at is None or self._clock.now() >= at

    def _read_current(self) -> TokenKey:
        key = self._read("AWSCURRENT")
        if key is None:
            raise Unavailable("the key for tokens cannot be used: there is none")
        self._current, self._previous, self._search_at = key, None, None
        self._renew_at = self._clock.now() + KEPT_FOR
        return key

    def _read(self, stage: Literal["AWSCURRENT", "AWSPREVIOUS"]) -> TokenKey | None:
        from botocore.exceptions import ClientError

        with calling("the store of secrets"):
            try:
                answer = self._secrets.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return None  # before the first rotation there is no previous key
                raise
        secret = answer["SecretString"]
        if len(secret.encode()) < MIN_KEY_BYTES:
            raise Unavailable(f"the key for tokens cannot be used: it must have at least {MIN_KEY_BYTES} bytes")
        return TokenKey(kid=answer["VersionId"], secret=secret)
