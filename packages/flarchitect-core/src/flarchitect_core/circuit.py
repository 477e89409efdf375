"""A circuit breaker: a service that failed is left alone for a while, so that not every request waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

__all__ = ["PAUSE_SECONDS", "Circuit"]

logger = logging.getLogger("flarchitect.services")

PAUSE_SECONDS = 2.0


class Circuit:
    """Decides whether a service is asked.

    After a failure nobody asks it for `pause` seconds; then one caller tries, while the others go on without. The
    beginning and the end of an outage are logged, once each.

    Args:
        name: What the log calls the service.
        meanwhile: What happens while it is away, for the log.
        pause: Seconds between two tries.
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self, name: str, meanwhile: str, *, pause: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._meanwhile = meanwhile
        self._pause = pause
        self._clock = clock
        self._lock = Lock()
        self._is_open = False
        self._is_trying = False
        self._next_try = 0.0

    def allows(self) -> bool:
        """Say whether the caller may ask the service; it must then call `succeeded` or `failed`."""
        if not self._is_open:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            # Whoever comes while this caller tries is sent away.
            self._next_try = now + self._pause
            self._is_trying = True
            return True

    def succeeded(self) -> None:
        """Tell that the service answered."""
        if self._is_open:
            with self._lock:
                # Not by an answer to what was asked before the failure.
                has_ended = self._is_trying
                if has_ended:
                    self._is_open = self._is_trying = False
            if has_ended:
                logger.warning("%s answers again.", self._name)

    def failed(self, error: BaseException) -> None:
        """Tell that the service did not answer."""
        with self._lock:
            was_open, self._is_open, self._is_trying = self._is_open, True, False
            self._next_try = self._clock() + self._pause
        if not was_open:
            # Only the kind of error: its text may hold a URL with a password.
            logger.error("%s does not answer (%s). %s", self._name, type(error).__name__, self._meanwhile)
