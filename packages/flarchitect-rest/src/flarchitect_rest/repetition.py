"""Requests that are sent again with the same `Idempotency-Key`: the answer of the first time is given again."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request
from sqlalchemy.orm import Session

from flarchitect_core.operations.idempotency import IdempotencyKeys, StoredAnswer, attempt_of
from flarchitect_rest.caching import caller_of

__all__ = ["once"]

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"


def once(keys: IdempotencyKeys | None, session: Session, answer: Callable[[], Response]) -> Response:
    """Give the answer to a write that is done in this transaction, or was done before with the same key.

    Args:
        keys: The store of the resource, `None` when it takes no keys.
        session: Session of the transaction, which has done nothing yet.
        answer: Writes, and gives the answer.
    """
    header = request.headers.get(HEADER) if keys is not None and request.method in keys.methods else None
    if keys is None or header is None:
        return answer()
    asked = (request.method.encode(), f"{request.root_path}{request.path}".encode(), request.query_string)
    attempt = attempt_of(header, caller_of(request), (*asked, request.get_data()))
    stored = keys.begin(session, attempt)
    if stored is not None:
        return Response(stored.body, stored.status, [*stored.headers, (REPLAYED, "true")])
    response = answer()
    headers = [pair for pair in response.headers if pair[0] != "Content-Length"]
    keys.finish(session, attempt, StoredAnswer(response.status_code, headers, response.get_data()))
    return response
