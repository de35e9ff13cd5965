"""Clients of AWS services, all of one botocore session: each session of its own would load botocore's data again."""

from typing import Any

from botocore.config import Config
from botocore.session import get_session

# Lambda's own time limits are far below botocore's defaults of 60 s for connecting and 60 s for each answer.
_CONNECT_TIMEOUT_SECONDS = 1
_READ_TIMEOUT_SECONDS = 3
_ATTEMPTS = 3


class AwsClients:
    def __init__(self) -> None:
        self._session = get_session()

    def client(
        self,
        service: str,
        *,
        attempts: int = _ATTEMPTS,
        read_timeout: float = _READ_TIMEOUT_SECONDS,
        **config: Any,
    ) -> Any:
        """A new client; `config` goes to botocore's Config as it is."""
        return self._session.create_client(
            service,
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                read_timeout=read_timeout,
                retries={"mode": "standard", "total_max_attempts": attempts},
                **config,
            ),
        )
