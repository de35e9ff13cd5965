import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerificationError, VerifyMismatchError

from chalicelib.gateways.passwords import Argon2Passwords

PASSWORDS = Argon2Passwords()
HASH = PASSWORDS.hash("correct horse battery staple")


def test_the_right_password_matches_and_a_wrong_one_does_not() -> None:
    assert PASSWORDS.matches("correct horse battery staple", HASH)
    assert not PASSWORDS.matches("correct horse battery stapler", HASH)


def test_a_hash_is_argon2id_with_no_less_than_owasp_asks_for() -> None:
    parameters = extract_parameters(HASH)

    assert HASH.startswith("$argon2id$")
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2
    assert parameters.parallelism >= 1


def test_the_same_password_is_never_hashed_to_the_same_text() -> None:
    assert PASSWORDS.hash("correct horse battery staple") != HASH


@pytest.mark.parametrize("password", ["", "correct horse battery staple", "pässwörd 🔑", "\0"])
def test_nobody_has_no_password(password: str) -> None:
    assert not PASSWORDS.matches(password, None)


def test_a_user_that_does_not_exist_costs_the_same_work_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    verify = PasswordHasher.verify

    def note(hasher: PasswordHasher, password_hash: str, password: str) -> bool:
        verified.append(password_hash)
        return verify(hasher, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    PASSWORDS.matches("a wrong password", None)

    (checked,) = verified
    assert extract_parameters(checked) == extract_parameters(HASH)


def test_today_s_hash_is_not_outdated_but_a_weaker_one_is() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash("correct horse battery staple")

    assert not PASSWORDS.outdated(HASH)
    assert PASSWORDS.outdated(weaker)
    assert PASSWORDS.matches("correct horse battery staple", weaker)


def test_a_spoilt_hash_is_a_fault_and_no_wrong_password() -> None:
    with pytest.raises(VerificationError) as raised:
        PASSWORDS.matches("correct horse battery staple", "$argon2id$spoilt")
    assert not isinstance(raised.value, VerifyMismatchError)
