"""The attributes of cookies, decided in one place (rest 8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app, has_app_context

from flarchitect_core import options
from flarchitect_core.resolution import get_config_or_model_meta
from flarchitect_core.state import state_of

__all__ = ["cookie_settings", "host_cookie_name", "safe_cookie_settings"]

# What Flask says about the session cookie, and what `Response.set_cookie` calls it.
_OF_SESSION = ("domain", "path", "secure", "httponly", "samesite", "partitioned", "max_age")


def cookie_settings(overrides: Mapping[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """Give the keyword arguments with which a view sets a cookie.

    What is said later wins: Flask's `SESSION_COOKIE_*` where they are set, `API_COOKIE_DEFAULTS`, `overrides`, the
    keyword arguments. Outside of an application context only the last two are there.

    Args:
        overrides: Attributes by the names of `Response.set_cookie`.
        settings: The same.
    """
    given: dict[str, Any] = {}
    if has_app_context():
        of_flask = {name: current_app.config.get(f"SESSION_COOKIE_{name.upper()}") for name in _OF_SESSION}
        given.update({name: value for name, value in of_flask.items() if value is not None})
        given.update(get_config_or_model_meta("API_COOKIE_DEFAULTS", default={}))
    return {**given, **(overrides or {}), **settings}


def safe_cookie_settings(path: str = "/") -> dict[str, Any]:
    """Give the keyword arguments of cookies that let somebody in: what is safe, and over it `API_COOKIE_DEFAULTS`.

    What Flask says of its session cookie makes ours no weaker: that one is not `Secure` unless somebody says so.

    Args:
        path: Where the cookie is sent, unless the application says otherwise.
    """
    config = current_app.config
    safe = {"httponly": True, "secure": bool(config.get("SESSION_COOKIE_SECURE")) or not current_app.debug}
    attributes = {"samesite": "Lax", "path": path, **cookie_settings(), **safe}
    return {**attributes, **state_of().settings.get(options.COOKIE_DEFAULTS)}


def host_cookie_name(name: str, attributes: Mapping[str, Any]) -> str:
    """Give the name under which a cookie with these attributes is sent.

    One that we set for the whole host is told to be that by its name (`__Host-`), so that no other host of the domain
    can put another in its place (RFC 6265bis).
    """
    is_of_host = attributes["secure"] and attributes["path"] == "/" and not attributes.get("domain")
    return f"__Host-{name}" if is_of_host and not name.startswith("__") else name
