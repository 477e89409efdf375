"""Callers with an API key (auth 4.3, S-17)."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from flask import Request

from flarchitect_auth import options
from flarchitect_auth.accounts import CREDENTIAL_CHARACTERS_MAX, moment_of
from flarchitect_auth.strategies.basic import invalid_credentials
from flarchitect_auth.strategies.strategy import Credentials, authorization
from flarchitect_core.access.asked import Asked

if TYPE_CHECKING:
    from flarchitect_auth.accounts import Accounts
    from flarchitect_auth.throttle import Throttle
    from flarchitect_core.settings import Settings

__all__ = ["ApiKeyStrategy", "hash_of_key", "key_id_of"]


# What `hash_of_key` gives. A hash of any other form is one that the model made, and checks.
_FORM = re.compile(r"[0-9a-f]{64}")


class ApiKeyStrategy:
    """Recognises callers by their API key.

    The application finds the user itself (`API_KEY_AUTH_AND_RETURN_METHOD`), or the key names its user
    (`API_KEY_ID_FIELD`), or every user who has a key is asked in turn, which is for few users only.
    """

    name = "api_key"
    challenge = 'Api-Key realm="api"'

    def __init__(self, settings: Settings, accounts: Accounts, throttle: Throttle) -> None:
        self._settings = settings
        self._accounts = accounts
        self._throttle = throttle

    def recognise(self, request: Request, asked: Asked, method: str) -> Credentials | None:
        """Find the user of the key that a header carries; one in the query is not looked at.

        Raises:
            AuthenticationError: It is nobody's key.
            TooManyAttemptsError: Too many attempts failed before this one.
        """
        key = authorization(request, "Api-Key")
        header = self._settings.get(options.KEY_HEADER)
        if key is None and header:
            key = request.headers.get(header, "").strip() or None
        return None if key is None else self.credentials_of(key)

    def credentials_of(self, key: str) -> Credentials:
        """Give the user of a key, and what it may be used for.

        Raises:
            AuthenticationError: It is nobody's key, or has expired, or the account is closed.
            TooManyAttemptsError: Too many attempts failed before this one.
        """
        with self._throttle.attempt(key_id_of(key)):
            user = self._user_of(key) if len(key) <= CREDENTIAL_CHARACTERS_MAX else None
            if user is None or not self._accounts.is_active(user) or self._has_expired(user):
                raise invalid_credentials()
        self._accounts.note_use(user)
        return Credentials(user, self.name, scopes=self._scopes_of(user))

    def _user_of(self, key: str) -> Any | None:
        finder = self._option(options.KEY_AUTH_AND_RETURN_METHOD)
        if finder is not None:
            return (finder.__func__ if isinstance(finder, staticmethod) else finder)(key) or None
        if self._option(options.KEY_ID_FIELD):
            return self._by_id(key)
        users = self._accounts.with_hash()
        return next((user for user in users if self._hash_of(user) and self._accounts.checks(user, key)), None)

    def _by_id(self, key: str) -> Any | None:
        key_id, secret = key_id_of(key), key.partition(".")[2]
        if key_id is None or not secret:
            return None
        user = self._accounts.by_key_id(key_id)
        hash_field = self._option(options.CREDENTIAL_HASH_FIELD)
        stored = str((self._accounts.example_of(hash_field) if user is None else self._hash_of(user)) or "")
        if self._option(options.CREDENTIAL_CHECK_METHOD) and not _FORM.fullmatch(stored):
            is_right = self._accounts.verify(user, secret)
        else:
            is_right = hmac.compare_digest(stored.encode(), hash_of_key(secret).encode())
        return user if is_right and stored else None

    def _hash_of(self, user: Any) -> Any:
        return getattr(user, self._accounts.option(options.CREDENTIAL_HASH_FIELD), None)

    def _has_expired(self, user: Any) -> bool:
        name = self._option(options.KEY_EXPIRES_FIELD)
        ends = moment_of(getattr(user, name, None)) if name else None
        return ends is not None and ends <= dt.datetime.now(dt.timezone.utc)

    def _scopes_of(self, user: Any) -> frozenset[str] | None:
        name = self._option(options.KEY_SCOPES_FIELD)
        scopes = getattr(user, name, None) if name else None
        if scopes is None:
            return None if not name else frozenset()
        return frozenset(scopes.replace(",", " ").split() if isinstance(scopes, str) else map(str, scopes))

    def _option(self, option: Any) -> Any:
        return self._accounts.option(option)


def key_id_of(key: str) -> str | None:
    """Give the public part of a key `<prefix>_<id>.<secret>`, `None` of one that has none."""
    public, dot, _ = key.partition(".")
    return public.rpartition("_")[2] or None if dot and "_" in public else None


def hash_of_key(secret: str) -> str:
    """Give what is stored of the secret part of a key.

    A plain hash is enough: the secret is random and long, so that trying all of them is no way to find it.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
