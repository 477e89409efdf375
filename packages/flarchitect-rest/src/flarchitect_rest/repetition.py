"""Requests that are sent again with the same `Idempotency-Key`: the answer of the first time is given again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response, request
from sqlalchemy.orm import Session

from flarchitect_core.access.identity import known_user
from flarchitect_core.http.negotiation import best_format, record_formats
from flarchitect_core.operations.idempotency import IdempotencyKeys, StoredAnswer, attempt_of
from flarchitect_core.state import state_of
from flarchitect_core.users import user_key
from flarchitect_rest.caching import identity_of, is_anonymous

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
    attempt = attempt_of(header, _caller(), _asked())
    stored = keys.begin(session, attempt)
    if stored is not None:
        return Response(stored.body, stored.status, [*stored.headers, (REPLAYED, "true")])
    response = answer()
    headers = [pair for pair in response.headers if pair[0] != "Content-Length"]
    keys.finish(session, attempt, StoredAnswer(response.status_code, headers, response.get_data()))
    return response


def _caller() -> str:
    # By the user where one is known: whoever repeats a request may have a newer token by then.
    identity = user_key(known_user()) or identity_of(request, state_of())
    # Nothing else tells apart those who send no credentials, and what was said to one is not for another.
    return f"{request.remote_addr}\n{identity}" if is_anonymous(request) else f"\n{identity}"


def _asked() -> Iterator[bytes]:
    settings = state_of().settings
    chosen = best_format(request.environ.get("HTTP_ACCEPT"), record_formats(settings))
    for text in (
        request.method,
        f"{request.root_path}{request.path}",
        request.mimetype,
        chosen.name if chosen is not None else "",
    ):
        yield text.encode()
    yield request.query_string
    yield request.get_data()
