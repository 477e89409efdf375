"""Callers with a login name and a password in every request (auth 4.2, RFC 7617)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from flask import Request

from flarchitect_auth.errors import AuthenticationError
from flarchitect_auth.strategies.strategy import Credentials, authorization
from flarchitect_core.access.asked import Asked

if TYPE_CHECKING:
    from flarchitect_auth.accounts import Accounts
    from flarchitect_auth.throttle import Throttle

__all__ = ["BasicStrategy", "invalid_credentials"]


class BasicStrategy:
    """Recognises callers by name and password."""

    name = "basic"
    challenge = 'Basic realm="api", charset="UTF-8"'

    def __init__(self, accounts: Accounts, throttle: Throttle) -> None:
        self._accounts = accounts
        self._throttle = throttle

    def recognise(self, request: Request, asked: Asked, method: str) -> Credentials | None:
        """Find the user of the header.

        Raises:
            AuthenticationError: The header cannot be read, or name and password are not those of an open account.
            TooManyAttemptsError: Too many attempts failed before this one.
        """
        encoded = authorization(request, "Basic")
        if encoded is None:
            return None
        name, password = _decoded(encoded)
        return Credentials(self.log_in(name, password), self.name)

    def log_in(self, name: str, password: str) -> Any:
        """Give the user of a name and a password.

        Raises:
            AuthenticationError: They are not those of an open account; which of them is wrong is not told.
            TooManyAttemptsError: Too many attempts failed before this one.
        """
        with self._throttle.attempt(name):
            user = self._accounts.by_name(name)
            is_right = self._accounts.verify(user, password)
            if user is None or not is_right or not self._accounts.is_active(user):
                raise invalid_credentials()
            return user


def invalid_credentials() -> AuthenticationError:
    """Say that credentials are wrong, the same for whatever is wrong with them (S-15)."""
    return AuthenticationError("Invalid credentials", "invalid_credentials")


def _decoded(encoded: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise invalid_credentials() from error
    name, colon, password = text.partition(":")
    if not (colon and name and password):
        raise invalid_credentials()
    return name, password
