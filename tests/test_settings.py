"""The environment is read once, and what is missing is said at once."""

import logging

import pytest

import app as daybook
from chalicelib.domain.limits import Quotas
from chalicelib.settings import SettingsError, read_settings
from chalicelib.wiring import Wired


def test_every_name_follows_from_the_stage() -> None:
    settings = read_settings({"DAYBOOK_STAGE": "dev"})

    names = (settings.table, settings.event_bus, settings.invoicing_queue, settings.deliveries_queue, settings.issuer)
    assert names == ("daybook-dev", "daybook-dev", "daybook-dev-invoicing", "daybook-dev-deliveries", "daybook-dev")
    assert settings.ephemeral_table == "daybook-dev-ephemeral"
    assert (settings.orders_queue, settings.attention_queue) == ("daybook-dev-orders", "daybook-dev-orders-attention")


@pytest.mark.parametrize("stage", ["", "Dev", "1st", "dev-1", "x" * 21, "d\u00e9v"])
def test_a_stage_that_cannot_name_resources_is_refused(stage: str) -> None:
    with pytest.raises(SettingsError, match="DAYBOOK_STAGE"):
        read_settings({"DAYBOOK_STAGE": stage})


@pytest.mark.parametrize("lifetime", ["59", "86401", "-60", "1e3", "", "\u0663\u0666\u0660\u0660"])
def test_a_token_lifetime_that_is_none_is_refused(lifetime: str) -> None:
    with pytest.raises(SettingsError, match="DAYBOOK_TOKEN_LIFETIME_SECONDS"):
        read_settings({"DAYBOOK_STAGE": "dev", "DAYBOOK_TOKEN_LIFETIME_SECONDS": lifetime})


@pytest.mark.parametrize(("set_to", "processor"), [({}, "sandbox"), ({"DAYBOOK_PAYMENTS": "stripe"}, "stripe")])
def test_payments_go_to_the_sandbox_unless_a_stage_says_otherwise(set_to: dict[str, str], processor: str) -> None:
    assert read_settings({"DAYBOOK_STAGE": "dev", **set_to}).payments == processor


@pytest.mark.parametrize("set_to", ["", "Stripe", "cash"])
def test_a_processor_that_nobody_knows_is_refused(set_to: str) -> None:
    with pytest.raises(SettingsError, match="DAYBOOK_PAYMENTS must be sandbox or stripe"):
        read_settings({"DAYBOOK_STAGE": "dev", "DAYBOOK_PAYMENTS": set_to})


@pytest.mark.parametrize(
    ("set_to", "origins"),
    [
        ("*", ("*",)),
        ("https://daybook.example", ("https://daybook.example",)),
        ("https://a.example, http://localhost:5173", ("https://a.example", "http://localhost:5173")),
    ],
)
def test_origins_are_read_from_a_list(set_to: str, origins: tuple[str, ...]) -> None:
    assert read_settings({"DAYBOOK_STAGE": "dev", "DAYBOOK_ALLOWED_ORIGINS": set_to}).allowed_origins == origins


@pytest.mark.parametrize(
    "set_to", ["", "a.example", "https://a.example/", "*,https://a.example", "https://'", "https://A.example", "null"]
)
def test_what_is_no_origin_is_refused(set_to: str) -> None:
    with pytest.raises(SettingsError, match="DAYBOOK_ALLOWED_ORIGINS"):
        read_settings({"DAYBOOK_STAGE": "dev", "DAYBOOK_ALLOWED_ORIGINS": set_to})


def test_the_limits_are_those_of_the_contract_unless_a_stage_has_its_own() -> None:
    plain = read_settings({"DAYBOOK_STAGE": "dev"})
    own = {
        "DAYBOOK_STAGE": "dev",
        "DAYBOOK_REQUESTS_PER_MINUTE": "1000",
        "DAYBOOK_PUBLIC_REQUESTS_PER_MINUTE": "1",
        "DAYBOOK_SIGN_IN_ATTEMPTS": "10",
        "DAYBOOK_SIGN_IN_QUIET_SECONDS": "3600",
    }

    assert Wired(plain).quotas == Quotas(100, 60, 5, 900)
    assert Wired(read_settings(own)).quotas == Quotas(1000, 1, 10, 3600)


def test_every_limit_that_is_none_is_named() -> None:
    wrong = {
        "DAYBOOK_REQUESTS_PER_MINUTE": "0",
        "DAYBOOK_PUBLIC_REQUESTS_PER_MINUTE": "1" * 5_000,
        "DAYBOOK_SIGN_IN_ATTEMPTS": "five",
        "DAYBOOK_SIGN_IN_QUIET_SECONDS": "59",
    }

    with pytest.raises(SettingsError) as refused:
        read_settings({"DAYBOOK_STAGE": "dev", **wrong})

    assert [name for name in wrong if name in str(refused.value)] == list(wrong)


def test_a_function_does_not_start_without_its_bucket_and_sender() -> None:
    with pytest.raises(SettingsError, match="DAYBOOK_BUCKET must be set; DAYBOOK_MAIL_SENDER must be set"):
        read_settings({"DAYBOOK_STAGE": "dev", "AWS_LAMBDA_FUNCTION_NAME": "daybook-dev"})


def test_requests_and_warnings_are_written() -> None:
    assert daybook.app.log.name == "daybook"
    assert logging.getLogger("daybook").isEnabledFor(logging.INFO)
