"""What passes for a token, and what does not (RFC 7519, RFC 8725)."""

import base64
import hmac
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from chalice.app import AuthRequest

from chalicelib.domain.errors import Unauthenticated, Unavailable
from chalicelib.domain.users import Bearer, Caller, Role
from chalicelib.edge.authorizer import admit
from chalicelib.edge.tokens import AUDIENCE, Tokens
from chalicelib.ports import TokenKey, TokenKeys
from chalicelib.repositories.memory import MemoryStore
from chalicelib.usecases.users import admit as admit_bearer
from tests.builders import a_user, an_account
from tests.fakes import MemoryTokenKeys

ISSUER = "daybook-test"
ARN = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/api/GET/v1/clients"
LOST = object()
"""In place of a claim: leave it out."""
_PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUGdv7MpOsUGsAyfxoVrqiTnQ+QN8
1pBuNzDkLZGGVHCPy5Ru4X2IFPnVBUmZQKfKwpIhgUyjMzCVFRE8eYo0Qw==
-----END PUBLIC KEY-----
"""


@dataclass
class Mint:
    """Makes tokens that are good but for what a test changes."""

    keys: MemoryTokenKeys = field(default_factory=MemoryTokenKeys)

    @property
    def tokens(self) -> Tokens:
        return Tokens(keys=lambda: self.keys, issuer=ISSUER, lifetime_seconds=3600)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = datetime.now(UTC)
        good: dict[str, Any] = {
            "sub": "usr_1",
            "account_id": "acc_1",
            "email": "ada@example.com",
            "roles": ["owner"],
            "password_version": 1,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now - timedelta(minutes=1),
            "exp": now + timedelta(hours=1),
        }
        return {name: value for name, value in (good | changes).items() if value is not LOST}

    def token(
        self, *, key: str | None = None, algorithm: str = "HS256", headers: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        signing = self.keys.signing()
        return jwt.encode(
            self.claims(**claims),
            signing.secret if key is None else key,
            algorithm=algorithm,
            headers={"kid": signing.kid} if headers is None else dict(headers),
        )

    def forged(self, head: object, *, secret: str | None = None) -> str:
        """Good claims under any header, signed by hand with HMAC-SHA256, whatever the header says."""
        claims = jwt.encode(self.claims(), "any key that is long enough for it").split(".")[1]
        signed = f"{_encoded(json.dumps(head).encode())}.{claims}"
        key = self.keys.current.secret if secret is None else secret
        return f"{signed}.{_encoded(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.fixture
def mint() -> Mint:
    return Mint()


def test_a_token_that_was_issued_says_who_calls(mint: Mint) -> None:
    view = mint.tokens.issue(a_user(role=Role.ADMIN))

    assert mint.tokens.read(view.access_token) == Bearer(account_id="acc_1", user_id="usr_1", password_version=1)
    assert (view.token_type, view.expires_in) == ("Bearer", 3600)


def test_an_issued_token_names_its_key_and_all_that_the_contract_lists(mint: Mint) -> None:
    token = mint.tokens.issue(a_user()).access_token

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "key-1"}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == {"sub", "account_id", "email", "roles", "password_version", "iss", "aud", "iat", "exp"}
    assert (claims["email"], claims["roles"]) == ("ada@example.com", ["owner"])
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("claim", ["exp", "iat", "sub", "aud", "iss", "account_id", "password_version"])
def test_a_token_without_a_claim_is_refused(mint: Mint, claim: str) -> None:
    without: dict[str, Any] = {claim: LOST}

    assert mint.tokens.read(mint.token()).user_id == "usr_1"
    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.token(**without))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "daybook-prod"}, id="of another stage"),
        pytest.param({"iss": "https://evil.example"}, id="of another issuer"),
        pytest.param({"aud": "somebody-else"}, id="for another audience"),
        pytest.param({"aud": []}, id="for nobody"),
        pytest.param({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, id="expired"),
        pytest.param({"nbf": datetime(2199, 1, 1, tzinfo=UTC)}, id="not yet valid"),
        pytest.param({"iat": datetime(2199, 1, 1, tzinfo=UTC)}, id="issued in the future"),
        pytest.param({"exp": "tomorrow"}, id="whose end is no time"),
        pytest.param({"exp": datetime.now(UTC) - timedelta(seconds=1)}, id="expired a second ago"),
        pytest.param({"account_id": 1}, id="whose account is no text"),
        pytest.param({"account_id": None}, id="whose account is null"),
        pytest.param({"sub": ["usr_1"]}, id="whose user is a list"),
        pytest.param({"password_version": "1"}, id="whose password's version is no number"),
        pytest.param({"password_version": True}, id="whose password's version is a truth"),
        pytest.param({"password_version": 1.0}, id="whose password's version is a fraction"),
    ],
)
def test_a_token_is_refused(mint: Mint, claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.token(**claims))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no kid"),
        pytest.param({"kid": "key-9"}, id="unknown kid"),
        pytest.param({"kid": ""}, id="empty kid"),
        pytest.param({"kid": "../../../../dev/null"}, id="kid with a path in it"),
        pytest.param({"kid": "key-1' OR '1'='1"}, id="kid with a quote in it"),
        pytest.param({"kid": "key-1\x00"}, id="kid with a NUL in it"),
    ],
)
def test_a_token_that_names_no_live_key_is_refused(mint: Mint, headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.token(headers=headers))


@pytest.mark.parametrize("kid", [None, 1, ["key-1"], {"key-1": 1}, True])
def test_a_kid_that_is_no_string_is_refused(mint: Mint, kid: object) -> None:
    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.forged({"alg": "HS256", "typ": "JWT", "kid": kid}))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
def test_an_unsigned_token_is_refused(mint: Mint, algorithm: str) -> None:
    token = mint.forged({"alg": algorithm, "typ": "JWT", "kid": "key-1"})

    for forged in (token, token.rpartition(".")[0] + "."):
        with pytest.raises(Unauthenticated):
            mint.tokens.read(forged)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "HS1", "", None, 256])
def test_a_token_that_claims_another_algorithm_is_refused(mint: Mint, algorithm: object) -> None:
    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.forged({"alg": algorithm, "typ": "JWT", "kid": "key-1"}))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_rightly_signed_with_another_algorithm_is_refused(algorithm: str) -> None:
    mint = Mint(MemoryTokenKeys(current=TokenKey(kid="key-1", secret="s" * 64)))

    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.token(algorithm=algorithm))


@pytest.mark.parametrize("secret", [_PUBLIC_KEY, "key-1", ISSUER, "", "x" * 40])
def test_what_everybody_may_know_is_no_key(mint: Mint, secret: str) -> None:
    """The classic confusion is a token signed by HMAC with a public key."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "key-1"}

    assert mint.tokens.read(mint.forged(head)).user_id == "usr_1"
    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.forged(head, secret=secret))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": _encoded(b"a key of my own, long enough"), "kid": "key-1"}},
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/keys.pem"},
        {"kid": "key-9", "jwk": {"kty": "oct", "k": _encoded(b"a key of my own, long enough"), "kid": "key-9"}},
    ],
    ids=str,
)
def test_a_token_that_brings_its_own_key_is_refused(mint: Mint, header: dict[str, Any]) -> None:
    head = {"alg": "HS256", "typ": "JWT", "kid": "key-1"} | header

    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.forged(head, secret="a key of my own, long enough"))


def test_a_token_that_was_changed_after_signing_is_refused(mint: Mint) -> None:
    head, _, signature = mint.token().split(".")
    claims = jwt.decode(mint.token(account_id="acc_2"), options={"verify_signature": False})

    with pytest.raises(Unauthenticated):
        mint.tokens.read(f"{head}.{_encoded(json.dumps(claims).encode())}.{signature}")


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "null",
        "\x00",
        "ä.ö.ü",
        "\ud800.a.b",
        "😀" * 100,
        "a" * 10_000,
        f"{_encoded(b'[]')}.{_encoded(b'{}')}.",
        f"{_encoded(b'null')}.{_encoded(b'{}')}.x",
        f"{_encoded(b'{')}.{_encoded(b'{}')}.x",
        f"{_encoded(b'[' * 4_000)}.{_encoded(b'{}')}.x",
        f"{_encoded(b'1' * 5_000)}.{_encoded(b'{}')}.x",
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_garbage_is_refused(mint: Mint, garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        mint.tokens.read(garbage)


def test_two_keys_live_during_a_rotation(mint: Mint) -> None:
    before = mint.tokens.issue(a_user()).access_token
    mint.keys.rotate(TokenKey(kid="key-2", secret="second " * 8))
    after = mint.tokens.issue(a_user()).access_token

    assert jwt.get_unverified_header(after)["kid"] == "key-2"
    assert mint.tokens.read(before) == mint.tokens.read(after)


def test_a_token_signed_with_a_retired_key_is_refused(mint: Mint) -> None:
    token = mint.tokens.issue(a_user()).access_token
    for kid in ("key-2", "key-3"):
        mint.keys.rotate(TokenKey(kid=kid, secret=f"{kid} " * 8))

    with pytest.raises(Unauthenticated):
        mint.tokens.read(token)


def test_a_live_key_under_the_other_ones_id_is_refused(mint: Mint) -> None:
    mint.keys.rotate(TokenKey(kid="key-2", secret="second " * 8))

    with pytest.raises(Unauthenticated):
        mint.tokens.read(mint.token(headers={"kid": "key-1"}))


def test_keys_are_not_read_before_a_token_asks_for_them() -> None:
    def keys() -> TokenKeys:
        raise Unavailable

    tokens = Tokens(keys=keys, issuer=ISSUER, lifetime_seconds=60)

    with pytest.raises(Unauthenticated):
        tokens.read("garbage")
    with pytest.raises(Unavailable):
        tokens.read(Mint().token())


Admit = Callable[[str], dict[str, Any]]


@pytest.fixture
def store() -> MemoryStore:
    """It has the user for whom the mint makes tokens, and a second owner."""
    store = MemoryStore()
    store.accounts.add(replace(an_account(), requests_per_minute=600), a_user())
    store.users.add(a_user("usr_2", email="grace@example.com"))
    return store


@pytest.fixture
def ask(mint: Mint, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Admit:
    """Asks the authorizer as API Gateway does, where `chalice.local` is not loaded."""
    monkeypatch.delitem(sys.modules, "chalice.local", raising=False)

    def asked(header: str) -> dict[str, Any]:
        request = AuthRequest("TOKEN", header, ARN)
        return admit(request, lambda token: admit_bearer(mint.tokens.read(token), access=store.access)).to_dict(request)

    return asked


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_the_authorizer_lets_a_good_token_through_to_every_route(mint: Mint, ask: Admit, scheme: str) -> None:
    policy = ask(scheme + mint.token())

    assert policy["principalId"] == "usr_1"
    assert policy["policyDocument"]["Statement"] == [
        {
            "Action": "execute-api:Invoke",
            "Effect": "Allow",
            "Resource": ["arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/api/*/*"],
        }
    ]


def test_the_authorizer_hands_on_flat_strings_only(mint: Mint, ask: Admit) -> None:
    context = ask(f"Bearer {mint.token()}")["context"]

    assert context == {
        "account_id": "acc_1",
        "user_id": "usr_1",
        "email": "ada@example.com",
        "roles": "owner",
        "password_version": "1",
        "limit": "600",
    }


def test_what_is_kept_of_a_user_counts_and_not_what_a_token_says(mint: Mint, ask: Admit, store: MemoryStore) -> None:
    store.accounts.save(replace(an_account(), version=2))
    store.users.save(a_user(role=Role.MEMBER, email="king@example.com", version=2), a_user())

    context = ask(f"Bearer {mint.token(roles=['owner'], email='ada@example.com')}")["context"]

    assert (context["roles"], context["email"], context["limit"]) == ("member", "king@example.com", "")


@pytest.mark.parametrize(
    "who",
    [
        {"sub": "usr_9"},
        {"account_id": "acc_9"},
        {"account_id": "acc_1#user"},
        {"sub": ""},
        {"sub": "../usr_1"},
        {"password_version": 0},
        {"password_version": 2},
    ],
    ids=str,
)
def test_a_good_token_of_nobody_who_is_there_is_refused(mint: Mint, ask: Admit, who: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {mint.token(**who)}")


def test_a_users_tokens_end_with_the_user(mint: Mint, ask: Admit, store: MemoryStore) -> None:
    token = mint.tokens.issue(a_user()).access_token
    assert ask(f"Bearer {token}")

    store.users.remove(a_user())

    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {token}")


def test_a_users_tokens_end_with_the_password_they_were_issued_under(mint: Mint, ask: Admit, store: MemoryStore) -> None:
    changed = a_user(password_version=2, version=2)
    token = mint.tokens.issue(a_user()).access_token
    store.users.save(changed, a_user())

    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {token}")
    assert ask(f"Bearer {mint.tokens.issue(changed).access_token}")


def test_without_an_answer_of_the_table_nobody_is_told_that_their_token_is_bad(mint: Mint) -> None:
    """A client throws a token away at a 401; whatever else the authorizer raises, API Gateway answers with a 503."""

    def unavailable(_: str) -> Caller:
        raise Unavailable

    with pytest.raises(Unavailable):
        admit(AuthRequest("TOKEN", f"Bearer {mint.token()}", ARN), unavailable)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer    ",
        "Basic YTpi",
        "Digest x",
        "Bearer garbage",
        "{token}",
        "Token {token}",
        "Bearer x {token}",
    ],
)
def test_the_authorizer_refuses_with_the_one_word_that_makes_a_401(mint: Mint, ask: Admit, header: str) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$") as refusal:
        ask(header.format(token=mint.token()))

    assert type(refusal.value) is Exception
    assert refusal.value.__suppress_context__, "the reason would be printed, but is nobody's business"
