"""Where the access token of a request may be found: a header, a cookie, or wherever the application looks (auth 12)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Request, has_request_context, request
from werkzeug.utils import import_string

from flarchitect_auth import options
from flarchitect_auth.cookies import cookie_name as sent_as
from flarchitect_auth.strategies.strategy import authorization
from flarchitect_core.access.asked import Asked
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.resolution import get_config_or_model_meta
from flarchitect_core.settings import Settings

__all__ = ["DEFAULT_AUTH_COOKIE_NAME", "DEFAULT_TOKEN_PROVIDERS", "Providers", "extract_token_from_cookie"]
__all__ += ["extract_token_from_request", "resolve_token_providers", "resolved_problems"]

logger = logging.getLogger("flarchitect.auth")

DEFAULT_TOKEN_PROVIDERS = ("header",)
DEFAULT_AUTH_COOKIE_NAME = "access_token"

Provider = Callable[[Request], "str | None"]
Named = tuple[str, Provider]


class Providers:
    """Finds tokens by what `API_AUTH_TOKEN_PROVIDERS` says for the model and the method."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resolved: BoundedCache[Any, tuple[Named, ...]] = BoundedCache(256)

    def extract(self, current: Request, asked: Asked, method: str) -> tuple[str | None, str | None]:
        """Give the first token that is found, and the name of where; a provider that raises is passed over."""
        get = self._settings.get
        entries = get(options.AUTH_TOKEN_PROVIDERS, model=asked.model, method=method)
        cookie = sent_as(self._settings, get(options.AUTH_COOKIE_NAME, model=asked.model, method=method))
        key = (entries if isinstance(entries, str) else tuple(_entries(entries)), cookie)
        return _first(self._resolved.get(key, lambda: tuple(_named(entries, cookie))), current)


def _first(providers: Iterable[Named], current: Request) -> tuple[str | None, str | None]:
    for name, provider in providers:
        try:
            token = provider(current)
        except Exception as error:  # noqa: BLE001 - providers are code of the application
            logger.warning("The token provider %s failed: %s", name, type(error).__name__)
            continue
        if isinstance(token, str) and token.strip():
            return token.strip(), name
    return None, None


def _entries(entries: Any) -> list[Any]:
    if isinstance(entries, str):
        return [entry.strip() for entry in entries.split(",")]
    return [entries] if callable(entries) else list(entries)


def _named(entries: Any, cookie: str) -> Iterator[Named]:
    """Turn entries into providers.

    Raises:
        ConfigurationError: An entry is none.
    """
    for entry in _entries(entries):
        if entry == "header":
            yield "header", lambda current: authorization(current, "Bearer")
        elif entry == "cookie":
            yield "cookie", lambda current: current.cookies.get(cookie)
        elif callable(entry):
            yield getattr(entry, "__name__", "callable"), entry
        else:
            yield str(entry), _imported(entry)


def _imported(path: Any) -> Provider:
    problem = f"API_AUTH_TOKEN_PROVIDERS names {path!r}. Use 'header', 'cookie', a callable, or its dotted path."
    if not isinstance(path, str) or "." not in path:
        raise ConfigurationError(problem)
    try:
        provider = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"{problem} ({error})") from error
    if not callable(provider):
        raise ConfigurationError(problem)
    return provider  # type: ignore[no-any-return]


def resolved_problems(settings: Settings, operations: Iterable[tuple[type | None, str | None]]) -> Iterator[str]:
    """Say which entries of the option are no providers."""
    for model, method in operations:
        entries = settings.get(options.AUTH_TOKEN_PROVIDERS, model=model, method=method)
        try:
            list(_named(entries, DEFAULT_AUTH_COOKIE_NAME))
        except ConfigurationError as error:
            yield from error.problems


def resolve_token_providers(
    *, model: Any = None, output_schema: Any = None, input_schema: Any = None, method: str | None = None
) -> list[Named]:
    """List the name and the function of each provider that counts for a model and a method.

    Raises:
        ConfigurationError: An entry is no provider.
    """
    sources = {"model": model, "output_schema": output_schema, "input_schema": input_schema}
    entries = get_config_or_model_meta(
        "API_AUTH_TOKEN_PROVIDERS", **sources, default=list(DEFAULT_TOKEN_PROVIDERS), method=method or "IGNORE"
    )
    cookie = get_config_or_model_meta(
        "API_AUTH_COOKIE_NAME", **sources, default=DEFAULT_AUTH_COOKIE_NAME, method=method or "IGNORE"
    )
    return list(_named(entries, sent_as(None, cookie)))


def extract_token_from_request(
    *, model: Any = None, output_schema: Any = None, input_schema: Any = None, method: str | None = None
) -> tuple[str | None, str | None]:
    """Find the token of the current request.

    Returns:
        Token and name of its provider; `(None, None)` without one, and outside of a request.
    """
    if not has_request_context():
        return None, None
    providers = resolve_token_providers(
        model=model, output_schema=output_schema, input_schema=input_schema, method=method or request.method
    )
    return _first(providers, request)


def extract_token_from_cookie(cookie_name: str | None = None, req: Request | None = None) -> str | None:
    """Give the token in a cookie, `None` without one.

    Args:
        cookie_name: Name of the cookie; the configured one by default.
        req: Request, the current one by default.
    """
    current = req if req is not None else request
    configured = get_config_or_model_meta("API_AUTH_COOKIE_NAME", default=DEFAULT_AUTH_COOKIE_NAME)
    token = current.cookies.get(cookie_name or sent_as(None, configured), "").strip()
    return token or None
