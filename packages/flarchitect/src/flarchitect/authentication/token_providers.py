"""Where the token of a request is found."""

from __future__ import annotations

from flarchitect_auth.providers import (
    DEFAULT_AUTH_COOKIE_NAME,
    DEFAULT_TOKEN_PROVIDERS,
    extract_token_from_cookie,
    extract_token_from_request,
    resolve_token_providers,
)

__all__ = [
    "DEFAULT_AUTH_COOKIE_NAME",
    "DEFAULT_TOKEN_PROVIDERS",
    "extract_token_from_cookie",
    "extract_token_from_request",
    "resolve_token_providers",
]
