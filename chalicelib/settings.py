"""What differs between stages, read from the environment once."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

_STAGE = re.compile(r"[a-z][a-z0-9]{0,19}", re.ASCII)
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
"""As browsers write it (RFC 6454, 6.2): lower case, no path, no slash at the end."""


PaymentProcessor = Literal["sandbox", "stripe"]


class _WholeNumber(NamedTuple):
    least: int
    most: int
    default: int


_WHOLE_NUMBERS = {
    "DAYBOOK_TOKEN_LIFETIME_SECONDS": _WholeNumber(60, 86_400, 3600),
    "DAYBOOK_REQUESTS_PER_MINUTE": _WholeNumber(1, 1_000_000, 100),
    "DAYBOOK_PUBLIC_REQUESTS_PER_MINUTE": _WholeNumber(1, 1_000_000, 60),
    "DAYBOOK_SIGN_IN_ATTEMPTS": _WholeNumber(1, 1_000_000, 5),
    "DAYBOOK_SIGN_IN_QUIET_SECONDS": _WholeNumber(60, 86_400, 900),
}


class SettingsError(Exception):
    """The environment lacks or spoils what the application needs; names every variable."""


class Settings(NamedTuple):
    """Every name of a resource follows from the stage, as in `.chalice/resources.json`.

    `bucket` is known only once the stack is there, and `stream_arn` only to `chalice deploy`; the packaged template fills in
    both. `order_workflow` and `orders_topic` are ARNs, given to the functions that need them; `payments` is who captures
    payments. `allowed_origins` are those whose pages may call the API from a browser; `*` alone is every page.
    """

    stage: str
    bucket: str
    mail_sender: str
    stream_arn: str
    order_workflow: str = ""
    orders_topic: str = ""
    payments: PaymentProcessor = "sandbox"
    allowed_origins: tuple[str, ...] = ("*",)
    token_lifetime_seconds: int = _WHOLE_NUMBERS["DAYBOOK_TOKEN_LIFETIME_SECONDS"].default
    requests_per_minute: int = _WHOLE_NUMBERS["DAYBOOK_REQUESTS_PER_MINUTE"].default
    public_requests_per_minute: int = _WHOLE_NUMBERS["DAYBOOK_PUBLIC_REQUESTS_PER_MINUTE"].default
    sign_in_attempts: int = _WHOLE_NUMBERS["DAYBOOK_SIGN_IN_ATTEMPTS"].default
    sign_in_quiet_seconds: int = _WHOLE_NUMBERS["DAYBOOK_SIGN_IN_QUIET_SECONDS"].default

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
    def reindex_queue(self) -> str:
        return f"daybook-{self.stage}-reindex"

    @property
    def search_bucket(self) -> str:
        """Beside the other, without its versions: what is in it can be made again."""
        return f"{self.bucket}-search"

    @property
    def files_bucket(self) -> str:
        """Beside the other, with its versions: what people upload, and what is made of it."""
        return f"{self.bucket}-files"

    @property
    def imports_queue(self) -> str:
        return f"daybook-{self.stage}-imports.fifo"

    @property
    def orders_queue(self) -> str:
        return f"daybook-{self.stage}-orders"

    @property
    def attention_queue(self) -> str:
        return f"daybook-{self.stage}-orders-attention"

    @property
    def token_key_secret(self) -> str:
        return f"daybook-{self.stage}-token-key"

    @property
    def stripe_key_secret(self) -> str:
        return f"daybook-{self.stage}-stripe-key"

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
    numbers = {name: environment.get(name, str(number.default)) for name, number in _WHOLE_NUMBERS.items()}
    for name, text in numbers.items():
        least, most, _ = _WHOLE_NUMBERS[name]
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
            faults.append(f"{name} must be {least} to {most}")
    origins = tuple(origin.strip() for origin in environment.get("DAYBOOK_ALLOWED_ORIGINS", "*").split(","))
    if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        faults.append("DAYBOOK_ALLOWED_ORIGINS must be * or origins such as https://example.com, with commas between them")
    processor = environment.get("DAYBOOK_PAYMENTS", "sandbox")
    if processor not in get_args(PaymentProcessor):
        faults.append(f"DAYBOOK_PAYMENTS must be {' or '.join(get_args(PaymentProcessor))}")
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
        order_workflow=environment.get("DAYBOOK_ORDER_WORKFLOW", ""),
        orders_topic=environment.get("DAYBOOK_ORDERS_TOPIC", ""),
        payments="stripe" if processor == "stripe" else "sandbox",
        allowed_origins=origins,
        token_lifetime_seconds=int(numbers["DAYBOOK_TOKEN_LIFETIME_SECONDS"]),
        requests_per_minute=int(numbers["DAYBOOK_REQUESTS_PER_MINUTE"]),
        public_requests_per_minute=int(numbers["DAYBOOK_PUBLIC_REQUESTS_PER_MINUTE"]),
        sign_in_attempts=int(numbers["DAYBOOK_SIGN_IN_ATTEMPTS"]),
        sign_in_quiet_seconds=int(numbers["DAYBOOK_SIGN_IN_QUIET_SECONDS"]),
    )
