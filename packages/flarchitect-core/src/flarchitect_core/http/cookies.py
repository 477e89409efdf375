"""The attributes of cookies, decided in one place (rest 8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app, has_app_context

from flarchitect_core.resolution import get_config_or_model_meta

__all__ = ["cookie_settings"]

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
