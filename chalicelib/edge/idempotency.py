"""Idempotency-Key: the same request again gets the first answer, and takes no second effect.

(draft-ietf-httpapi-idempotency-key-header-07)
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from chalice.app import Request, Response

from chalicelib.domain.errors import Contended, IdempotencyInProgress, Malformed, Unavailable
from chalicelib.domain.idempotency import (
    KEPT_FOR,
    MAX_KEY_LENGTH,
    WITHOUT_EFFECT_KEPT_FOR,
    Keeping,
    KeptAnswer,
    KeyedRequest,
    claimed,
    may_begin,
)
from chalicelib.edge.requests import content_of, path_of
from chalicelib.edge.tokens import Tokens, without_signature

if TYPE_CHECKING:
    from chalicelib.domain.users import Caller
    from chalicelib.ports import Clock, KeyedRequests

REPLAYED = {"Idempotent-Replayed": "true"}
_KEPT_HEADERS = ("Content-Type", "Location")
_BEGINNINGS = 10
"""Attempts to claim a key at which others are as well; one of them gets it, and the next look says so."""

Answers = Callable[[], Response]


class Once:
    """Answers each keyed request, once: docs/decisions/0014-effects-note-their-request.md.

    claimed (`begin`) -> effect and note, one transaction (`effect`, repositories/notes.py) -> answer kept (`keep`) -> given
                      |                                       a crash here: `again` answers for what the note names
                      a crash here: nothing has happened; the claim runs out
    """

    def __init__(self, keyed: KeyedRequests, clock: Clock, tokens: Tokens) -> None:
        self._keyed = keyed
        self._clock = clock
        self._tokens = tokens

    def answer(
        self,
        request: KeyedRequest,
        serve: Answers,
        *,
        again: Callable[[Mapping[str, str]], Response] | None,
    ) -> Response:
        """What `serve` answers, or what it has answered; a refusal is not kept.

        `again` answers for an effect whose answer was lost, from the ids of what it made; None for a request without effect.

        Raises: IdempotencyKeyReused, IdempotencyInProgress.
        """
        keeping, begun = self._begin(request, KEPT_FOR if again else WITHOUT_EFFECT_KEPT_FOR)
        if keeping.answer is not None:
            return self._replay(keeping.answer)
        if not begun:
            return self._keep(keeping, again(keeping.made or {}) if again else serve(), REPLAYED)
        try:
            with self._keyed.effect(keeping) if again else nullcontext():
                answer = serve()
        except Exception:
            with suppress(Unavailable):  # the claim runs out by itself
                self._keyed.give_up(keeping)
            raise
        return self._keep(keeping, answer, {})

    def _begin(self, request: KeyedRequest, kept_for: timedelta) -> tuple[Keeping, bool]:
        """What is kept of the request, and whether it has just begun."""
        for _ in range(_BEGINNINGS):
            before, now = self._keyed.find(request.id), self._clock.now()
            if before is not None and not may_begin(before, request, now):
                return before, False
            keeping = claimed(request, secrets.token_hex(16), now, kept_for)
            try:
                self._keyed.begin(keeping, before)
            except Contended:
                continue
            return keeping, True
        raise IdempotencyInProgress

    def _keep(self, keeping: Keeping, answer: Response, more: Mapping[str, str]) -> Response:
        """The answer, kept before it goes out: what was told once is told again, to the byte.

        Somebody who found the effect may have answered for it meanwhile; then theirs is the answer.
        """
        headers = {name: str(answer.headers[name]) for name in _KEPT_HEADERS if name in answer.headers}
        ours = KeptAnswer(status=answer.status_code, headers=headers, body=without_signature(answer.body))
        kept = self._keyed.keep(keeping, ours)
        if kept != ours:
            return self._replay(kept)
        answer.headers.update(more)
        return answer

    def _replay(self, answer: KeptAnswer) -> Response:
        """Raises: Unauthenticated if it was a token whose key is retired."""
        body = self._tokens.signed_again(answer.body)
        return Response(body=body, status_code=answer.status, headers={**answer.headers, **REPLAYED})


def keyed_request(request: Request, route: str, who: Caller | str) -> KeyedRequest:
    """What is asked for under the key, of the caller's account or else from the address. Raises: Malformed.

    Another user's request is another one, though it reads the same: they would get what the first one made for themselves.
    The key itself is kept nowhere; without it, what was sent cannot be guessed from the fingerprint, a password for one.
    """
    key = request.headers["idempotency-key"]
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise Malformed(f"the Idempotency-Key must have 1 to {MAX_KEY_LENGTH} printable ASCII characters")
    query = sorted(request.query_params.items()) if request.query_params else []
    scope, user_id = (who, "") if isinstance(who, str) else (who.account_id, who.user_id)
    said = repr((user_id, path_of(request), query)).encode("utf-8", "backslashreplace") + content_of(request)
    return KeyedRequest(
        id=hashlib.sha256("\n".join((scope, route, key)).encode()).hexdigest(),
        fingerprint=hmac.new(key.encode(), said, hashlib.sha256).hexdigest(),
    )
