"""The names under which a served database may be asked for."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, request

from flarchitect_core.errors import BadRequestError

__all__ = ["refuse_other_hosts"]


def refuse_other_hosts(app: Flask, names: Collection[str]) -> None:
    """Answer 400 to every request whose `Host` is another one, whatever its port.

    Flask's `TRUSTED_HOSTS` cannot name an IPv6 address.
    """
    known = frozenset(name.lower() for name in names)

    def check() -> None:
        host = _name_in(request.host)
        if host not in known:
            raise BadRequestError(
                f"This server is not known as {host!r}. Ask for one of {', '.join(sorted(known))}.",
                reason="unknown_host",
            )

    app.before_request(check)


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
