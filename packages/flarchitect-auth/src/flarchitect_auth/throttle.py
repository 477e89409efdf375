"""Counting what fails, so that nobody can try passwords at will (S-16).

An attempt is counted before it is checked and taken back when it was right. So of many that come at once no more are
checked than may fail, while those who know their password are never counted.
"""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from flask import request

from flarchitect_auth import options
from flarchitect_auth.errors import AuthenticationError, TooManyAttemptsError
from flarchitect_core.http.addresses import network_of
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.rate_counters import Counter
from flarchitect_core.rate_storage import counter_of
from flarchitect_core.rates import Rate, parse_rates
from flarchitect_core.settings import Option
from flarchitect_core.state import ApplicationState

__all__ = ["Throttle"]


class Throttle:
    """Counts failed attempts by address, and by address and account; made once for an application."""

    def __init__(self, state: ApplicationState) -> None:
        self._settings = state.settings
        # What cannot be counted elsewhere is counted here: it is never unlimited.
        self._counter: Counter = counter_of(state.settings, "local")
        self._prefix = f"flarchitect:{state.app.name}:auth"

    @contextmanager
    def attempt(self, account: str | None) -> Iterator[None]:
        """Count the attempt that the block makes, and take it back unless the block raises a 401 or 403.

        Args:
            account: Login name or public part of a key, whether or not there is such an account.

        Raises:
            TooManyAttemptsError: Too many have failed already; nothing was checked.
        """
        counted = list(self._counted(account))
        try:
            yield
        except (AuthenticationError, CustomHTTPException) as error:
            if error.status_code not in (401, 403):
                self._take_back(counted)
            raise
        except BaseException:
            self._take_back(counted)
            raise
        self._take_back(counted)

    def _counted(self, account: str | None) -> Iterator[tuple[str, int]]:
        address = network_of(request.remote_addr)
        places = [("address", options.AUTH_IP_RATE_LIMIT, "")]
        if account is not None:
            places.append(("account", options.AUTH_LOGIN_RATE_LIMIT, _folded(account)))
        counted: list[tuple[str, int]] = []
        for what, option, who in places:
            rate = self._rate(option)
            if rate is None:
                continue
            digest = blake2b(f"{address}\n{who}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            key = f"{self._prefix}:{what}:{digest}:{rate.seconds}"
            window = self._counter.hit(key, rate.seconds)
            counted.append((key, rate.seconds))
            if window is not None and window.count > rate.count:
                self._take_back(counted)
                raise TooManyAttemptsError(max(1, math.ceil(window.reset - time.time())))
        yield from counted

    def _rate(self, option: Option[str | bool]) -> Rate | None:
        text = self._settings.get(option)
        return parse_rates(text)[0] if isinstance(text, str) else None

    def _take_back(self, counted: list[tuple[str, int]]) -> None:
        for key, seconds in counted:
            self._counter.take_back(key, seconds)


def _folded(account: str) -> str:
    """Give one spelling for all that a database may take for the same name.

    Collations look past case, accents, and signs that nobody sees (Unicode Collation Algorithm).
    """
    parts = unicodedata.normalize("NFKD", account)
    return "".join(part for part in parts if unicodedata.category(part)[0] not in "CM").casefold().strip()
