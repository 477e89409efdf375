"""How often one client may try to log in (docs D-17).

An attempt is counted before it is checked, and taken back when it was right, so that of many that come at once no more
are checked than may fail.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

from flask import request

from flarchitect_core.errors import ApiError
from flarchitect_core.http.addresses import network_of
from flarchitect_core.rate_storage import counter_of
from flarchitect_core.rates import Rate, parse_rates
from flarchitect_docs import options

if TYPE_CHECKING:
    from flarchitect_core.rate_counters import Counter
    from flarchitect_core.state import ApplicationState

__all__ = ["Attempts"]


class Attempts:
    """Counts failed attempts by address; made once for an application."""

    def __init__(self, state: ApplicationState) -> None:
        limit = state.settings.get(options.DOCS_LOGIN_RATE_LIMIT)
        self._rates: tuple[Rate, ...] = parse_rates(limit) if isinstance(limit, str) else ()
        # What cannot be counted elsewhere is counted here: it is never unlimited.
        self._counter: Counter = counter_of(state.settings, "local")
        self._prefix = f"flarchitect:{state.app.name}:docs"

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count the attempt that the block makes, and take it back unless the block raises a 401 or 403.

        Raises:
            ApiError: Too many have failed already (429); nothing was checked.
        """
        address = blake2b(network_of(request.remote_addr).encode(), digest_size=16).hexdigest()
        counted: list[tuple[str, int]] = []
        for rate in self._rates:
            key = f"{self._prefix}:{address}:{rate.seconds}"
            window = self._counter.hit(key, rate.seconds)
            counted.append((key, rate.seconds))
            if window is not None and window.count > rate.count:
                self._take_back(counted)
                raise _too_many(max(1, math.ceil(window.reset - time.time())))
        try:
            yield
        except ApiError as error:
            if error.status not in (401, 403):
                self._take_back(counted)
            raise
        except BaseException:
            self._take_back(counted)
            raise
        self._take_back(counted)

    def _take_back(self, counted: list[tuple[str, int]]) -> None:
        for key, seconds in counted:
            self._counter.take_back(key, seconds)


def _too_many(seconds: int) -> ApiError:
    return ApiError(
        f"Too many attempts. Try again in {seconds} seconds.",
        status=429,
        reason="too_many_attempts",
        details={"retry_after": seconds},
        headers={"Retry-After": str(seconds)},
    )
