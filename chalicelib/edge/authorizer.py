"""What API Gateway asks before it lets a request through."""

import sys

from chalice.app import AuthRequest, AuthResponse

from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.users import Caller
from chalicelib.edge.tokens import Tokens

_SCHEME = "bearer"


def admit(request: AuthRequest, tokens: Tokens) -> AuthResponse:
    """Every route for a good token, with who is calling; what they may do there is the application's to say.

    The policy names all routes because API Gateway keeps it for the token's next requests, to whatever route they go.
    """
    scheme, _, token = request.token.partition(" ")
    try:
        if scheme.lower() != _SCHEME:
            raise Unauthenticated
        caller = tokens.read(token.strip())
    except Unauthenticated:
        raise _unauthorized() from None
    return AuthResponse(routes=["*"], principal_id=caller.user_id, context=_context(caller))


def _context(caller: Caller) -> dict[str, str]:
    """API Gateway hands on flat strings only."""
    return {
        "account_id": caller.account_id,
        "user_id": caller.user_id,
        "email": caller.email,
        "roles": " ".join(caller.roles),
    }


def _unauthorized() -> Exception:
    """API Gateway answers 401 to an authorizer that fails with exactly this word; `chalice local` only to its own exception."""
    local = sys.modules.get("chalice.local")
    if local is None:
        return Exception("Unauthorized")
    refusal: Exception = local.NotAuthorizedError({"Content-Type": "application/json"}, b'{"message": "Unauthorized"}')
    return refusal
