"""What API Gateway asks before it lets a request through."""

import sys
import uuid
from collections.abc import Callable

from chalice.app import AuthRequest, AuthResponse

from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.users import Caller
from chalicelib.edge.problems import problem_of, respond
from chalicelib.edge.responses import SECURITY_HEADERS

_SCHEME = "bearer"


def admit(request: AuthRequest, whose: Callable[[str], Caller]) -> AuthResponse:
    """Every route for a token whose caller `whose` names; what they may do there is the application's to say.

    The policy names all routes because API Gateway keeps it for the token's next requests, to whatever route they go.
    Only Unauthenticated makes a 401: whatever else is raised fails the authorizer, which API Gateway answers with a 503.
    """
    scheme, _, token = request.token.partition(" ")
    try:
        if scheme.lower() != _SCHEME:
            raise Unauthenticated
        caller = whose(token.strip())
    except Unauthenticated:
        raise _unauthorized(request) from None
    return AuthResponse(routes=["*"], principal_id=caller.user_id, context=_context(caller))


def _context(caller: Caller) -> dict[str, str]:
    """API Gateway hands on flat strings only."""
    return {
        "account_id": caller.account_id,
        "user_id": caller.user_id,
        "email": caller.email,
        "roles": " ".join(caller.roles),
        "password_version": str(caller.password_version),
        "limit": "" if caller.requests_per_minute is None else str(caller.requests_per_minute),
    }


def _unauthorized(request: AuthRequest) -> Exception:
    """API Gateway answers 401 to an authorizer that fails with exactly this word; `chalice local` only to its own exception.

    There the problem document is ours to write; in API Gateway the template's gateway response writes it.
    """
    local = sys.modules.get("chalice.local")
    if local is None:
        return Exception("Unauthorized")
    request_id = str(uuid.uuid4())
    _, _, path = request.method_arn.split("/", 2)[-1].partition("/")
    problem = problem_of(Unauthenticated(), instance=f"/{path}", request_id=request_id)
    answer = respond(problem, {**SECURITY_HEADERS, "X-Request-Id": request_id})
    refusal: Exception = local.NotAuthorizedError(answer.headers, answer.body.encode())
    return refusal
