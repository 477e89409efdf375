"""What every strategy is asked, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Request

from flarchitect_core.access.asked import Asked

__all__ = ["Credentials", "Strategy", "authorization"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a caller was recognised.

    Attributes:
        user: Who it is.
        strategy: Name of the strategy.
        provider: Where the token was found, of a token.
        claims: What the token says, of a token.
        scopes: What the credentials may be used for; `None` when they are for everything.
        attach: Gives the user with a session, where it may have been found without one.
    """

    user: Any
    strategy: str
    provider: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    attach: Callable[[Any], Any] | None = None


class Strategy(Protocol):
    """One way to recognise callers.

    Attributes:
        name: What `API_AUTHENTICATE_METHOD` calls it.
        challenge: What `WWW-Authenticate` says of it (RFC 9110, 11.6.1); empty when it has no scheme.
    """

    name: str
    challenge: str

    def recognise(self, request: Request, asked: Asked, method: str) -> Credentials | None:
        """Find out who makes a request; `None` when it carries nothing for this strategy.

        Args:
            method: HTTP method by which it is judged.

        Raises:
            AuthenticationError: What it carries is wrong.
        """


def authorization(request: Request, scheme: str) -> str | None:
    """Give what the header `Authorization` says after a scheme, `None` when it is of another one or has nothing."""
    word, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
    rest = rest.strip()
    return rest if rest and word.lower() == scheme.lower() else None
