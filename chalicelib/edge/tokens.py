"""Access tokens: JWT, HS256, signed with the newest key and accepted under the two that are alive (RFC 7519, RFC 8725).

Token times are the system's own: a token is about now, whatever day the books are on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.users import Bearer, User
from chalicelib.edge.views import AccountView, OpenedAccount, TokenView, UserView

if TYPE_CHECKING:
    from chalicelib.domain.accounts import Account
    from chalicelib.ports import TokenKeys

AUDIENCE = "daybook"
_ALGORITHM = "HS256"
_UNSIGNED = r'(?P<before>"access_token":")(?P<signed>[^".]+\.[^".]+)(?=")'
_SIGNED = r'(?P<before>"access_token":")(?P<signed>[^".]+\.[^".]+)\.[^"]+(?=")'
"""Where a body says so itself: within a string of ours the quotes would be escaped."""
_REQUIRED = ["exp", "iat", "sub", "aud", "iss", "account_id", "password_version"]


class Tokens(NamedTuple):
    """Issues and reads the tokens of one stage; `keys` is asked for when they are needed, not before."""

    keys: Callable[[], TokenKeys]
    issuer: str
    lifetime_seconds: int

    def issue(self, user: User) -> TokenView:
        import jwt

        now = datetime.now(UTC)
        key = self.keys().signing()
        claims = {
            "sub": user.id,
            "account_id": user.account_id,
            "email": user.email,
            "roles": [user.role.value],
            "password_version": user.password_version,
            "iss": self.issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + timedelta(seconds=self.lifetime_seconds),
        }
        token = jwt.encode(claims, key.secret, algorithm=_ALGORITHM, headers={"kid": key.kid})
        return TokenView(access_token=token, expires_in=self.lifetime_seconds)

    def opened(self, account: Account, user: User) -> OpenedAccount:
        """What a new account's owner gets to see."""
        token = self.issue(user)
        return OpenedAccount(
            account=AccountView.of(account),
            user=UserView.of(user),
            access_token=token.access_token,
            expires_in=token.expires_in,
        )

    def signed_again(self, body: str) -> str:
        """The body with the token's signature that `without_signature` took off.

        Raises: Unauthenticated if the token's key is retired.
        """
        import base64
        import hmac

        import jwt

        def sign(token: re.Match[str]) -> str:
            signed = token["signed"]
            key = self.keys().verifying(jwt.get_unverified_header(f"{signed}.")["kid"])
            if key is None:
                raise Unauthenticated
            signature = hmac.digest(key.secret.encode(), signed.encode(), "sha256")
            return f"{token['before']}{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

        return re.sub(_UNSIGNED, sign, body)

    def read(self, token: str) -> Bearer:
        """Whom the token speaks for; its address and roles tell its bearer something, and nobody else.

        Raises: Unauthenticated for every fault alike.
        """
        import jwt

        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self.keys().verifying(kid) if isinstance(kid, str) else None
            if key is None:
                raise Unauthenticated
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=self.issuer,
                options={"require": _REQUIRED},
            )
            bearer = Bearer(claims["account_id"], claims["sub"], claims["password_version"])
            if [type(part) for part in bearer] != [str, str, int]:
                raise Unauthenticated
            return bearer
        except (jwt.InvalidTokenError, TypeError, ValueError):
            raise Unauthenticated from None


def without_signature(body: str) -> str:
    """A body without what makes the token in it worth something."""
    return re.sub(_SIGNED, r"\g<before>\g<signed>", body)
