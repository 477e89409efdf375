"""Requests whose credentials the browser adds by itself must show that a page of ours made them (S-22)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request

from flarchitect_auth.errors import ForbiddenError

__all__ = ["CSRF_COOKIE", "CSRF_HEADER", "CsrfGuard"]

CSRF_COOKIE = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class CsrfGuard:
    """Checks requests whose token came in a cookie.

    A browser tells by `Sec-Fetch-Site`, or by `Origin`, whose page makes a request. Where it tells neither, the header
    `X-CSRF-Token` must repeat the value that belongs to the token.

    Args:
        sent_as: Gives the name of the cookie with that value.
    """

    def __init__(self, app: Flask, sent_as: Callable[[str], str]) -> None:
        self._app = app
        self._sent_as = sent_as

    def value_for(self, jti: str) -> str:
        """Give the value that belongs to the token with an id."""
        secret = self._app.secret_key or ""
        key = secret.encode() if isinstance(secret, str) else secret
        return hmac.new(key, f"flarchitect-csrf:{jti}".encode(), hashlib.sha256).hexdigest()

    def check(self, request: Request, method: str, claims: Mapping[str, Any]) -> None:
        """Check a request that changes something.

        Raises:
            ForbiddenError: It may have been made by a page of somebody else.
        """
        if request.method in _SAFE and method in _SAFE:
            return
        given, jti = request.headers.get(CSRF_HEADER, ""), claims.get("jti")
        if given:
            is_ours = bool(jti) and hmac.compare_digest(given.encode(), self.value_for(str(jti)).encode())
        else:
            is_ours = _is_same_origin(request)
        if not is_ours:
            raise ForbiddenError(
                f"The request carries its token in a cookie, and does not show that a page of this host made it. "
                f"Repeat the cookie {self._sent_as(CSRF_COOKIE)!r} in the header {CSRF_HEADER}.",
                "csrf_failed",
            )


def _is_same_origin(request: Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    if not origin:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False  # what no browser sends
    return (parts.scheme, parts.netloc) == (request.scheme, request.host)
