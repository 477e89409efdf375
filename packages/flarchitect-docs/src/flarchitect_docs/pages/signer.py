"""What makes cookies and forms of ours known again: the key of the application (`SECRET_KEY`)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from flask import Flask, Response, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from flarchitect_core.http.cookies import host_cookie_name, safe_cookie_settings

__all__ = ["Signer"]

_SALT = "flarchitect.docs"


class Signer:
    """Signs, and keeps what is signed in cookies."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def dumps(self, value: list[str]) -> str:
        """Write texts so that nobody else can."""
        return str(self._serializer.dumps(value))

    def loads(self, text: str, *, max_age: int) -> list[str] | None:
        """Read what `dumps` wrote at most so many seconds ago, `None` of anything else."""
        try:
            read: list[str] = self._serializer.loads(text, max_age=max_age)
        except BadSignature:
            return None
        return read

    def mark(self, *texts: str) -> str:
        """Give a mark of texts from which they cannot be guessed."""
        return _mark(self._keys[-1], texts)

    def is_mark_of(self, mark: str, *texts: str) -> bool:
        """Say whether `mark` gave a mark of these texts."""
        given = mark.encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(given, _mark(key, texts).encode()) for key in self._keys)

    @property
    def _keys(self) -> list[bytes]:
        # The last one signs; those that it replaced are still taken (Flask 3.1).
        keys: list[str | bytes] = [*(self._app.config.get("SECRET_KEY_FALLBACKS") or ()), self._app.secret_key or ""]
        return [key.encode() if isinstance(key, str) else key for key in keys]

    @property
    def _serializer(self) -> URLSafeTimedSerializer:
        signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeTimedSerializer(self._keys, salt=_SALT, signer_kwargs=signing)

    # --- cookies ------------------------------------------------------------------------------------------------------

    @staticmethod
    def cookie(name: str) -> str:
        """Give a cookie of the current request, empty without it."""
        return request.cookies.get(host_cookie_name(name, _attributes()), "")

    @staticmethod
    def set_cookie(response: Response, name: str, value: str, *, max_age: int) -> None:
        """Let the browser keep something for so many seconds."""
        attributes = _attributes()
        response.set_cookie(host_cookie_name(name, attributes), value, max_age=max_age, **attributes)

    @staticmethod
    def delete_cookie(response: Response, name: str) -> None:
        """Let the browser forget it."""
        attributes = _attributes()
        response.delete_cookie(host_cookie_name(name, attributes), **attributes)


def _mark(key: bytes, texts: Iterable[str]) -> str:
    message = "\n".join((_SALT, *(f"{len(text)}:{text}" for text in texts)))
    return hmac.new(key, message.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _attributes() -> dict[str, Any]:
    # Below the path of this application: another one on the same host has cookies of its own.
    given = safe_cookie_settings(request.script_root or "/")
    return {name: value for name, value in given.items() if name not in ("max_age", "expires")}
