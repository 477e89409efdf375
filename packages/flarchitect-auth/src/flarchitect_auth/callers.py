"""The users of an application for other parts that have a login of their own, such as that of the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flarchitect_auth import options
from flarchitect_auth.audit import tell
from flarchitect_auth.sessions import release
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.callers import Account
from flarchitect_core.access.identity import set_current_user
from flarchitect_core.errors import ApiError
from flarchitect_core.http.exceptions import CustomHTTPException

if TYPE_CHECKING:
    from flarchitect_auth.authentication import Authentication

__all__ = ["AccountCallers"]


class AccountCallers:
    """Recognises users by the methods of `API_AUTHENTICATE_METHOD`; see `flarchitect_core.access.callers.Callers`."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    @property
    def have_passwords(self) -> bool:
        """Whether there is a user model with a login name and a method that checks passwords."""
        accounts = self._authentication.accounts
        return accounts.is_configured and bool(accounts.option(options.CREDENTIAL_CHECK_METHOD))

    def log_in(self, name: str, password: str) -> Account:
        """Give the account of a name and a password, and make its user the current one.

        Raises:
            ApiError: They are wrong (401), came unencrypted where that is forbidden (403), or too many attempts failed
                before (429).
        """
        with _as_api_errors():
            self._authentication.require_tls()
            try:
                user = self._authentication.basic.log_in(name, password)
            except (CustomHTTPException, ApiError) as error:
                reason = error.code_name if isinstance(error, CustomHTTPException) else error.reason
                tell("auth.login.failed", reason=reason)
                raise
        # What checking a password changed of the user, such as a newer hash, is part of the state.
        release(self._authentication)
        set_current_user(user)
        account = self._account_of(user)
        tell("auth.login.ok", user_pk=account.key)
        return account

    def recognise(self) -> None:
        """Make the user whose credentials the current request carries the current one.

        Raises:
            ApiError: The request carries none or wrong ones (401), or too many attempts failed before (429).
        """
        authentication = self._authentication
        with _as_api_errors():
            authentication.authenticate(authentication.strategies(authentication.enabled), Asked(), "GET")

    def recall(self, key: str) -> Account | None:
        """Give the account of a key, `None` when it is gone or closed."""
        accounts = self._authentication.accounts
        user = accounts.by_pk(key)
        if user is None or not accounts.is_active(user):
            return None
        set_current_user(user)
        return self._account_of(user)

    def _account_of(self, user: Any) -> Account:
        accounts = self._authentication.accounts
        return Account(str(accounts.pk_of(user)), accounts.state_of(user))


@contextmanager
def _as_api_errors() -> Iterator[None]:
    try:
        yield
    except CustomHTTPException as error:
        raise error.as_api_error() from error
