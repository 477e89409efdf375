"""How often one address, and one address with one account, may fail (S-16)."""

from __future__ import annotations

import unicodedata
from contextlib import AbstractContextManager

from flask import request

from flarchitect_auth import options
from flarchitect_core.attempts import Attempts
from flarchitect_core.http.addresses import network_of
from flarchitect_core.rates import Rate, rates_in
from flarchitect_core.state import ApplicationState

__all__ = ["Throttle"]


class Throttle:
    """Counts failed attempts by address, and by address and account; made once for an application."""

    def __init__(self, state: ApplicationState) -> None:
        self._attempts = Attempts(state, "auth")
        self._of_addresses = rates_in(state.settings.get(options.AUTH_IP_RATE_LIMIT))
        self._of_accounts = rates_in(state.settings.get(options.AUTH_LOGIN_RATE_LIMIT))

    def attempt(self, account: str | None) -> AbstractContextManager[None]:
        """Count the attempt that the block makes, and take it back unless the block raises a 401 or 403.

        Args:
            account: Login name or public part of a key, whether or not there is such an account.

        Raises:
            TooManyAttemptsError: Too many have failed already; nothing was checked.
        """
        address = network_of(request.remote_addr)
        limits: list[tuple[str, Rate]] = [(f"address\n{address}", rate) for rate in self._of_addresses]
        if account is not None:
            limits += [(f"account\n{address}\n{_folded(account)}", rate) for rate in self._of_accounts]
        return self._attempts.one(limits)


def _folded(account: str) -> str:
    """Give one spelling for all that a database may take for the same name.

    Collations look past case, accents, and signs that nobody sees (Unicode Collation Algorithm).
    """
    parts = unicodedata.normalize("NFKD", account)
    return "".join(part for part in parts if unicodedata.category(part)[0] not in "CM").casefold().strip()
