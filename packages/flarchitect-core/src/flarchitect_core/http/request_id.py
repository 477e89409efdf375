"""The identity of one request: its correlation id and its place in a distributed trace (core 5.1)."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "DEFAULT_HEADER",
    "RequestIdentity",
    "activate",
    "current_identity",
    "current_request_id",
    "deactivate",
    "identify",
]

DEFAULT_HEADER = "X-Request-ID"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Version 00 has exactly these four fields; a later version may add more, and version ff is forbidden.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)


class _Headers(Protocol):
    """What is needed of werkzeug's headers; any mapping of strings has it."""

    def get(self, key: str, /) -> str | None: ...


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """Who a request is, for logs, answers and calls to other services.

    Attributes:
        request_id: The caller's id when it is safe to repeat, else 32 hexadecimal digits of our own.
        trace_id: Trace of the caller, 32 hexadecimal digits, when it sent a valid `traceparent`.
        span_id: The caller's span in that trace, 16 hexadecimal digits: the parent of whatever we do.
    """

    request_id: str
    trace_id: str | None = None
    span_id: str | None = None


_current: ContextVar[RequestIdentity | None] = ContextVar("flarchitect_request_identity", default=None)


def identify(headers: _Headers, header_name: str = DEFAULT_HEADER) -> RequestIdentity:
    """Read the identity of a request from its headers.

    An id that is not 1 to 128 characters of `A-Z a-z 0-9 . _ : -` is replaced, because it is repeated in a header, in
    bodies and in logs. A malformed `traceparent` counts as absent, as the specification asks.

    Source: contract core, 5.1; W3C Trace Context, 3.2.
    """
    given = headers.get(header_name) or ""
    request_id = given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
    trace_id, span_id = _trace(headers.get("traceparent"))
    return RequestIdentity(request_id, trace_id, span_id)


def activate(identity: RequestIdentity) -> Token[RequestIdentity | None]:
    """Make an identity the current one of this context; give the token to `deactivate` when the request is over."""
    return _current.set(identity)


def deactivate(token: Token[RequestIdentity | None]) -> None:
    """Bring back the identity that was current before `activate`.

    Raises:
        ValueError: The token is of another context.
    """
    _current.reset(token)


def current_identity() -> RequestIdentity | None:
    """Give the identity of the request this code works for, `None` outside of requests.

    Tasks and `asyncio` code inherit it; a thread does when it is started with `contextvars.copy_context().run`.
    """
    return _current.get()


def current_request_id() -> str | None:
    """Give the id of the request this code works for, `None` outside of requests."""
    identity = _current.get()
    return identity.request_id if identity is not None else None


def _trace(traceparent: str | None) -> tuple[str | None, str | None]:
    if not traceparent:
        return None, None
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match["version"] == "00" and match["more"]):
        return None, None
    return match["trace"], match["span"]
