"""Tokens in cookies: their names, how they are set, and how they are cleared (auth 12, S-22)."""

from __future__ import annotations

import datetime as dt

from flask import Response

from flarchitect_auth import options
from flarchitect_auth.csrf import CSRF_COOKIE
from flarchitect_core.http.cookies import host_cookie_name, safe_cookie_settings
from flarchitect_core.settings import Settings
from flarchitect_core.state import state_of

__all__ = ["clear_cookies", "cookie_name", "set_cookies"]


def cookie_name(settings: Settings | None, name: str) -> str:
    """Give the name of a cookie as it is sent."""
    settings = settings or state_of().settings
    return host_cookie_name(name, safe_cookie_settings()) if settings.get(options.AUTH_SET_COOKIES) else name


def set_cookies(
    response: Response, *, access: tuple[str, dt.datetime], refresh: tuple[str, dt.datetime] | None, csrf: str
) -> None:
    """Set the tokens, and what pages of ours must repeat in a header, as cookies.

    Args:
        access: Access token and when it expires.
        refresh: The same of the refresh token.
        csrf: The value to repeat; scripts can read it.
    """
    settings = state_of().settings
    attributes = safe_cookie_settings()
    tokens = [(options.AUTH_COOKIE_NAME, access)]
    tokens += [] if refresh is None else [(options.AUTH_REFRESH_COOKIE_NAME, refresh)]
    for option, (token, expires) in tokens:
        response.set_cookie(cookie_name(settings, settings.get(option)), token, **{"expires": expires, **attributes})
    ends = (refresh or access)[1]
    readable = {"expires": ends, **attributes, "httponly": False}
    response.set_cookie(cookie_name(settings, CSRF_COOKIE), csrf, **readable)


def clear_cookies(response: Response) -> None:
    """Let the browser forget the tokens."""
    settings = state_of().settings
    attributes = {name: value for name, value in safe_cookie_settings().items() if name not in ("max_age", "expires")}
    names = [settings.get(options.AUTH_COOKIE_NAME), settings.get(options.AUTH_REFRESH_COOKIE_NAME), CSRF_COOKIE]
    for name in names:
        response.delete_cookie(cookie_name(settings, name), **attributes)
