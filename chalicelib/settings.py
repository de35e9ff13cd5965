"""What differs between stages, read from the environment once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_STAGE = re.compile(r"[a-z][a-z0-9]{0,19}", re.ASCII)
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
"""As browsers write it (RFC 6454, 6.2): lower case, no path, no slash at the end."""
_DEFAULT_TOKEN_LIFETIME_SECONDS = 3600


class SettingsError(Exception):
    """The environment lacks or spoils what the application needs; names every variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every name of a resource follows from the stage, as in `.chalice/resources.json`.

    `bucket` is known only once the stack is there, and `stream_arn` only to `chalice deploy`; the packaged template fills in
    both. `allowed_origins` are those whose pages may call the API from a browser; `*` alone is every page.
    """

    stage: str
    bucket: str
    mail_sender: str
    stream_arn: str
    allowed_origins: tuple[str, ...] = ("*",)
    token_lifetime_seconds: int = _DEFAULT_TOKEN_LIFETIME_SECONDS

    @property
    def table(self) -> str:
        return f"daybook-{self.stage}"

    @property
    def ephemeral_table(self) -> str:
        return f"daybook-{self.stage}-ephemeral"

    @property
    def event_bus(self) -> str:
        return f"daybook-{self.stage}"

    @property
    def invoicing_queue(self) -> str:
        return f"daybook-{self.stage}-invoicing"

    @property
    def deliveries_queue(self) -> str:
        return f"daybook-{self.stage}-deliveries"

    @property
    def token_key_secret(self) -> str:
        return f"daybook-{self.stage}-token-key"

    @property
    def mail_configuration_set(self) -> str:
        return f"daybook-{self.stage}"

    @property
    def issuer(self) -> str:
        return f"daybook-{self.stage}"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises: SettingsError."""
    faults: list[str] = []
    stage = environment.get("DAYBOOK_STAGE", "")
    if _STAGE.fullmatch(stage) is None:
        faults.append("DAYBOOK_STAGE must be lower-case letters and digits, such as dev")
    lifetime = environment.get("DAYBOOK_TOKEN_LIFETIME_SECONDS", str(_DEFAULT_TOKEN_LIFETIME_SECONDS))
    if not (lifetime.isascii() and lifetime.isdigit() and 60 <= int(lifetime) <= 86_400):
        faults.append("DAYBOOK_TOKEN_LIFETIME_SECONDS must be 60 to 86400")
    origins = tuple(origin.strip() for origin in environment.get("DAYBOOK_ALLOWED_ORIGINS", "*").split(","))
    if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        faults.append("DAYBOOK_ALLOWED_ORIGINS must be * or origins such as https://example.com, with commas between them")
    if "AWS_LAMBDA_FUNCTION_NAME" in environment:
        faults += [f"{name} must be set" for name in ("DAYBOOK_BUCKET", "DAYBOOK_MAIL_SENDER") if not environment.get(name)]
    if faults:
        raise SettingsError("; ".join(faults))
    return Settings(
        stage=stage,
        bucket=environment.get("DAYBOOK_BUCKET", ""),
        mail_sender=environment.get("DAYBOOK_MAIL_SENDER", ""),
        stream_arn=environment.get(
            "DAYBOOK_STREAM_ARN", f"arn:aws:dynamodb:us-east-1:000000000000:table/daybook-{stage}/stream/set-by-the-template"
        ),
        allowed_origins=origins,
        token_lifetime_seconds=int(lifetime),
    )
