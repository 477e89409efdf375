"""How a request is refused because of who makes it."""

from __future__ import annotations

from typing import Any

from flarchitect_core.http.exceptions import CustomHTTPException

__all__ = ["AuthenticationError", "ForbiddenError", "TokenError"]


class AuthenticationError(CustomHTTPException):
    """Nobody, or not for certain, knows who calls: 401.

    Attributes:
        code_name: `credentials_missing`, `invalid_credentials`, `invalid_token`, `token_expired` or
            `authentication_required`. None of them tells whether an account exists.
    """

    def __init__(self, message: str, code_name: str, *, status: int = 401) -> None:
        super().__init__(status, message, code_name=code_name)


class TokenError(AuthenticationError):
    """A token does not count."""

    def __init__(self, message: str = "Invalid token", code_name: str = "invalid_token") -> None:
        super().__init__(message, code_name)


class ForbiddenError(CustomHTTPException):
    """The caller is known, and may not do this: 403."""

    def __init__(self, message: str, code_name: str, **details: Any) -> None:
        super().__init__(403, message, code_name=code_name, details=details)
