"""Callers whom the application recognises by itself (auth 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Request, current_app

from flarchitect_auth import options
from flarchitect_auth.errors import AuthenticationError
from flarchitect_auth.strategies.strategy import Credentials
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.identity import get_current_user, set_current_user
from flarchitect_core.http.exceptions import CustomHTTPException

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings

__all__ = ["CustomStrategy"]


class CustomStrategy:
    """Asks `API_CUSTOM_AUTH`.

    What it raises is raised: an HTTP error with its status, anything else as a failure of the application (500).
    """

    name = "custom"
    challenge = ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def recognise(self, request: Request, asked: Asked, method: str) -> Credentials | None:
        """Accept whatever is true; a user who is given becomes the current one unless one was set.

        Raises:
            AuthenticationError: The application accepts nobody.
            ApiError: The application refuses the request in its own words.
        """
        function = self._settings.get(options.CUSTOM_AUTH)
        function = function.__func__ if isinstance(function, staticmethod) else function
        set_current_user(None)
        try:
            accepted = current_app.ensure_sync(function)()
        except CustomHTTPException as error:
            # Told in the one error shape, below every path.
            raise error.as_api_error() from error
        if not accepted:
            set_current_user(None)
            raise AuthenticationError("Authorization credentials missing", "credentials_missing")
        user = get_current_user()
        if user is None and accepted is not True:
            user = accepted
        return Credentials(user, self.name)
