"""How callers show who they are, in the words of OpenAPI: one security scheme for each way (docs 3.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flarchitect_auth import options
from flarchitect_auth.cookies import cookie_name
from flarchitect_auth.csrf import CSRF_HEADER
from flarchitect_core.catalogue.shapes import Parameter

if TYPE_CHECKING:
    from flarchitect_core.catalogue.access import SecurityScheme
    from flarchitect_core.settings import Settings

__all__ = ["COOKIE_SCHEME", "CSRF", "SAFE_METHODS", "scheme_names", "scheme_of"]

COOKIE_SCHEME = "cookieAuth"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF = Parameter(
    CSRF_HEADER,
    "header",
    {"type": "string"},
    "Where a cookie carries the token: the value of the CSRF cookie, unless the browser shows that the page is yours.",
)


def scheme_names(settings: Settings, strategy: str, model: type | None, method: str | None) -> Iterator[str]:
    """Give the names of the schemes of a strategy, for one model and method."""
    if strategy == "jwt":
        providers = settings.get(options.AUTH_TOKEN_PROVIDERS, model=model, method=method)
        entries = providers.split(",") if isinstance(providers, str) else providers
        named = [entry.strip() for entry in entries if isinstance(entry, str)] if _is_many(entries) else []
        if "header" in named or not named:
            yield "bearerAuth"
        if "cookie" in named:
            yield COOKIE_SCHEME
    elif strategy == "basic":
        yield "basicAuth"
    elif strategy == "api_key":
        yield "apiKeyAuth"
        if settings.get(options.KEY_HEADER):
            yield "apiKeyHeader"
    elif settings.get(options.CUSTOM_AUTH_SCHEME):
        yield "customAuth"


def _is_many(entries: object) -> bool:
    return isinstance(entries, Iterable)


def scheme_of(settings: Settings, name: str) -> SecurityScheme:
    """Describe a scheme by its name."""
    if name == "bearerAuth":
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token."}
    if name == "basicAuth":
        return {"type": "http", "scheme": "basic", "description": "Login name and password."}
    if name == COOKIE_SCHEME:
        cookie = cookie_name(settings, settings.get(options.AUTH_COOKIE_NAME))
        return {"type": "apiKey", "in": "cookie", "name": cookie, "description": "An access token in a cookie."}
    if name == "apiKeyHeader":
        header = settings.get(options.KEY_HEADER)
        return {"type": "apiKey", "in": "header", "name": header, "description": "An API key alone."}
    if name == "apiKeyAuth":
        description = "The word `Api-Key`, a space and the key: `Api-Key <key>`."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}
    custom: SecurityScheme = settings.get(options.CUSTOM_AUTH_SCHEME)
    return custom
