"""How often something may fail, so that nobody can try passwords at will (auth S-16, docs D-17).

An attempt is counted before it is checked and taken back when it was right. So of many that come at once no more are
checked than may fail, while those who know their password are never counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

from flarchitect_core.errors import ApiError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.rate_storage import counter_of

if TYPE_CHECKING:
    from flarchitect_core.rate_counters import Counter
    from flarchitect_core.rates import Rate
    from flarchitect_core.state import ApplicationState

__all__ = ["Attempts", "TooManyAttemptsError"]


class TooManyAttemptsError(ApiError):
    """Too many attempts failed: 429, whatever is tried now."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many attempts. Try again in {seconds} seconds.",
            reason="too_many_attempts",
            details={"retry_after": seconds},
            headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
        )


class Attempts:
    """Counts failed attempts; made once for an application.

    Args:
        area: What the attempts are at; those at other things are counted apart.
    """

    def __init__(self, state: ApplicationState, area: str) -> None:
        # What cannot be counted elsewhere is counted here: it is never unlimited.
        self._counter: Counter = counter_of(state.settings, "local")
        self._prefix = f"flarchitect:{state.app.name}:{area}"

    @contextmanager
    def one(self, limits: Iterable[tuple[str, Rate]]) -> Iterator[None]:
        """Count the attempt that the block makes, and take it back unless the block raises a 401 or 403.

        Args:
            limits: Who is counted, and how often this may fail.

        Raises:
            TooManyAttemptsError: Too many have failed already; nothing was checked.
        """
        counted: list[tuple[str, int]] = []
        for who, rate in limits:
            digest = blake2b(who.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            key = f"{self._prefix}:{digest}:{rate.count}:{rate.seconds}"
            window = self._counter.hit(key, rate.seconds)
            counted.append((key, rate.seconds))
            if window is not None and window.count > rate.count:
                self._take_back(counted)
                raise TooManyAttemptsError(max(1, math.ceil(window.reset - time.time())))
        try:
            yield
        except BaseException as error:
            if not _is_refusal(error):
                self._take_back(counted)
            raise
        self._take_back(counted)

    def _take_back(self, counted: Iterable[tuple[str, int]]) -> None:
        for key, seconds in counted:
            self._counter.take_back(key, seconds)


def _is_refusal(error: BaseException) -> bool:
    known = error.as_api_error() if isinstance(error, CustomHTTPException) else error
    return isinstance(known, ApiError) and known.status in (401, 403)
