"""One secret with staging labels, as Secrets Manager keeps it (moto), and every read of it counted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.domain.errors import Unavailable
from chalicelib.gateways.token_keys import KEPT_FOR, MIN_KEY_BYTES, SEARCHED_EVERY, SecretTokenKeys
from tests.fakes import FixedClock

SECRET = "daybook-test-token-key"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass
class Vault:
    """The secret, and what was read of it."""

    client: Any
    clock: FixedClock
    reads: list[str] = field(default_factory=list)
    down: bool = False

    def rotate(self, key: str) -> str:
        """Returns the new key's kid."""
        return str(self.client.put_secret_value(SecretId=SECRET, SecretString=key)["VersionId"])

    def keys(self) -> SecretTokenKeys:
        return SecretTokenKeys(self.client, SECRET, self.clock)


@pytest.fixture
def vault(aws: Callable[..., Any]) -> Vault:
    vault = Vault(client=aws("secretsmanager"), clock=FixedClock())

    def note(params: dict[str, Any], **_: Any) -> None:
        if vault.down:
            raise EndpointConnectionError(endpoint_url="https://secretsmanager")
        vault.reads.append(params["VersionStage"])

    vault.client.meta.events.register("provide-client-params.secretsmanager.GetSecretValue", note)
    vault.client.create_secret(Name=SECRET, SecretString="first " * 8)
    return vault


def current_kid(vault: Vault) -> str:
    return str(vault.client.describe_secret(SecretId=SECRET)["VersionIdsToStages"].popitem()[0])


def test_the_current_version_signs_under_its_id(vault: Vault) -> None:
    key = vault.keys().signing()

    assert key.secret == "first " * 8
    assert key.kid == current_kid(vault)


def test_the_secret_is_read_once_however_often_keys_are_asked_for(vault: Vault) -> None:
    keys = vault.keys()
    kid = keys.signing().kid

    assert all(keys.verifying(kid) == keys.signing() for _ in range(10))
    assert vault.reads == ["AWSCURRENT"]


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(vault: Vault) -> None:
    old = current_kid(vault)
    new = vault.rotate("second " * 8)
    keys = vault.keys()

    assert keys.signing().kid == new
    previous = keys.verifying(old)
    assert previous is not None
    assert previous.secret == "first " * 8


def test_a_key_retired_by_a_second_rotation_verifies_no_more(vault: Vault) -> None:
    retired = current_kid(vault)
    vault.rotate("second " * 8)
    vault.rotate("third " * 8)

    assert vault.keys().verifying(retired) is None


def test_a_warm_instance_lets_go_of_a_retired_key_within_the_hour(vault: Vault) -> None:
    keys = vault.keys()
    retired = keys.signing().kid
    vault.rotate("second " * 8)
    vault.rotate("third " * 8)
    vault.clock.advance(seconds=KEPT_FOR.total_seconds())

    assert keys.verifying(retired) is None


def test_a_warm_instance_learns_of_a_rotation_from_the_first_token_with_the_new_kid(vault: Vault) -> None:
    keys = vault.keys()
    old = keys.signing()
    new = vault.rotate("second " * 8)
    vault.clock.advance(minutes=10)

    found = keys.verifying(new)
    assert found is not None
    assert found.secret == "second " * 8
    assert keys.signing().kid == new
    assert keys.verifying(old.kid) == old


def test_bad_tokens_cost_two_reads_a_minute_at_most(vault: Vault) -> None:
    keys = vault.keys()
    keys.signing()
    vault.reads.clear()

    for _ in range(3):
        for number in range(20):
            assert keys.verifying(f"{number:032d}") is None
        vault.clock.advance(seconds=SEARCHED_EVERY.total_seconds())

    assert vault.reads == ["AWSCURRENT", "AWSPREVIOUS"] * 3


def test_a_cold_start_with_an_unknown_kid_does_not_read_the_current_key_twice(vault: Vault) -> None:
    assert vault.keys().verifying(UNKNOWN) is None
    assert vault.reads == ["AWSCURRENT", "AWSPREVIOUS"]


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "AWSCURRENT", "x" * 31, "x" * 65, "ä" * 36, f"{UNKNOWN}\n"])
def test_a_kid_that_can_be_no_version_is_not_worth_a_read(vault: Vault, kid: str) -> None:
    assert vault.keys().verifying(kid) is None
    assert vault.reads == []


def test_a_secret_that_was_never_rotated_has_no_previous_key(vault: Vault) -> None:
    keys = vault.keys()

    assert keys.verifying(UNKNOWN) is None
    assert keys.signing().secret == "first " * 8


@pytest.mark.parametrize("secret", ["x" * (MIN_KEY_BYTES - 1), "ä" * 15])
def test_a_key_shorter_than_its_hash_is_refused(vault: Vault, secret: str) -> None:
    vault.rotate(secret)

    with pytest.raises(Unavailable):
        vault.keys().signing()


def test_a_secret_that_is_not_there_is_no_key(vault: Vault) -> None:
    with pytest.raises(Unavailable):
        SecretTokenKeys(vault.client, "another", vault.clock).signing()


def test_a_cold_instance_cannot_do_without_the_store(vault: Vault) -> None:
    vault.down = True

    with pytest.raises(Unavailable):
        vault.keys().signing()


def test_a_warm_instance_goes_on_with_its_keys_while_the_store_is_down(vault: Vault) -> None:
    keys = vault.keys()
    key = keys.signing()
    vault.clock.advance(hours=2)
    vault.down = True

    assert keys.signing() == key
    assert keys.verifying(key.kid) == key


def test_an_outage_is_asked_about_once_a_minute_and_the_new_key_found_after_it(vault: Vault) -> None:
    keys = vault.keys()
    keys.signing()
    vault.clock.advance(hours=2)
    vault.down = True
    keys.signing()
    vault.down = False
    new = vault.rotate("second " * 8)
    vault.reads.clear()

    assert keys.signing().kid != new
    assert vault.reads == []
    vault.clock.advance(seconds=timedelta(minutes=1).total_seconds())
    assert keys.signing().kid == new
