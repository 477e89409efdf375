"""What belongs to one request: its identity, when it began, and what must be closed when it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flarchitect_core.http.request_id import RequestIdentity, activate, deactivate

if TYPE_CHECKING:
    from flarchitect_core.claims import RequestClaims
    from flarchitect_core.http.timing import StatementCount

__all__ = ["RequestScope", "begin_request", "current_request", "end_request", "end_requests_of"]

logger = logging.getLogger("flarchitect.requests")


@dataclass(slots=True)
class RequestScope:
    """The state of one request.

    Attributes:
        started: Value of the monotonic clock in seconds when the request arrived.
        sessions: Sessions that were opened for this request, by what gave them.
        closers: Called in reverse order when the request ends, also after an error.
        outer: The request in which this one was made, by a test client for example.
        statements: Count of its SQL statements, where they are counted.
        user: Who calls, as far as that is known.
        attach_user: Gives that user with a session, where it was read without one; `None` when there is no need.
        credentials: How that was found out, as the part that did keeps it.
        claims: What the database is told of that user, where it is told anything.
        surroundings: What it must not outlive: the `g` of its application context.
    """

    identity: RequestIdentity
    surroundings: object = None
    started: float = field(default_factory=time.perf_counter)
    sessions: dict[Any, Any] = field(default_factory=dict)
    closers: list[Callable[[], None]] = field(default_factory=list)
    outer: RequestScope | None = None
    statements: StatementCount | None = None
    user: Any = None
    attach_user: Callable[[Any], Any] | None = None
    credentials: Any = None
    claims: RequestClaims | None = None
    _token: Any = None

    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return (time.perf_counter() - self.started) * 1000

    def close(self) -> None:
        """Close everything; a closer that fails is logged, because the answer is finished and the others must run."""
        while self.closers:
            try:
                self.closers.pop()()
            except Exception as error:  # noqa: BLE001 - what closes may belong to the application
                logger.error("What a request had opened could not be closed: %s", type(error).__name__)


_scope: ContextVar[RequestScope | None] = ContextVar("flarchitect_request", default=None)


def current_request() -> RequestScope | None:
    """Give the state of the current request, `None` outside of one."""
    return _scope.get()


def begin_request(identity: RequestIdentity, surroundings: object = None) -> RequestScope:
    """Begin a request in this context."""
    scope = RequestScope(identity, surroundings, outer=_scope.get(), _token=activate(identity))
    _scope.set(scope)
    return scope


def end_request() -> None:
    """End the request of this context, if there is one, and close what it opened."""
    scope = _scope.get()
    if scope is not None:
        _scope.set(scope.outer)
        try:
            scope.close()
        finally:
            deactivate(scope._token)  # noqa: SLF001 - this module owns the class


def end_requests_of(surroundings: object) -> None:
    """End the requests that nobody ended before their surroundings go."""
    while (scope := _scope.get()) is not None and scope.surroundings is surroundings:
        end_request()
