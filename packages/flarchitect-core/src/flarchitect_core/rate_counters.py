"""Counting requests in fixed windows, in this process or in a service that several processes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import Any, Literal, Protocol

from flarchitect_core.circuit import Circuit
from flarchitect_core.rates import storage_scheme

__all__ = ["Counter", "CounterUnavailableError", "GuardedCounter", "MemoryCounter", "SharedCounter", "Window"]

OnFailure = Literal["local", "open", "closed"]

WINDOWS_MAX = 100_000
TIMEOUT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted so far, the present request included, and when the count begins anew (seconds of the epoch)."""

    count: int
    reset: float


class CounterUnavailableError(Exception):
    """Nothing could be counted, and the policy says that nothing may pass uncounted."""


class Counter(Protocol):
    """Counts requests."""

    def hit(self, key: str, seconds: int) -> Window | None:
        """Count one request; `None` when nothing could be counted and it may pass all the same."""

    def take_back(self, key: str, seconds: int) -> None:
        """Take one counted request back, as far as its window is still there."""


class MemoryCounter:
    """Counts in this process.

    Args:
        size: Windows to keep; beyond it those that ended go, then the oldest ones. Clients choose the keys.
        clock: Seconds of the epoch.
    """

    def __init__(self, size: int = WINDOWS_MAX, clock: Callable[[], float] = time.time) -> None:
        self._size = size
        self._clock = clock
        self._lock = Lock()
        self._windows: dict[str, Window] = {}

    def hit(self, key: str, seconds: int) -> Window:
        """Count one request."""
        with self._lock:
            now = self._clock()
            known = self._windows.get(key)
            if known is None or known.reset <= now:
                self._windows.pop(key, None)
                self._make_room(now)
                window = Window(1, now + seconds)
            else:
                window = Window(known.count + 1, known.reset)
            self._windows[key] = window
            return window

    def take_back(self, key: str, seconds: int) -> None:
        """Take one counted request back."""
        with self._lock:
            known = self._windows.get(key)
            if known is not None and known.count > 0:
                self._windows[key] = Window(known.count - 1, known.reset)

    def _make_room(self, now: float) -> None:
        if len(self._windows) < self._size:
            return
        self._windows = {key: window for key, window in self._windows.items() if window.reset > now}
        # A tenth at once, or every further key would go through all of them.
        for key in list(self._windows)[: max(0, len(self._windows) - self._size * 9 // 10)]:
            del self._windows[key]


class SharedCounter:
    """Counts in a service, by a storage of the library `limits`.

    Args:
        uri: Storage URI that `rates.check_storage` took.
        options: Further arguments for the client of the service.
    """

    def __init__(self, uri: str, options: Mapping[str, Any]) -> None:
        # Costs a tenth of a second, and few applications have it.
        from limits.errors import StorageError
        from limits.storage import storage_from_string

        scheme = storage_scheme(uri)
        if scheme == "unix":
            uri = f"redis+{uri}"
        self.failures: tuple[type[Exception], ...] = (StorageError, OSError)
        arguments: dict[str, Any] = {**_patience(scheme), **options}
        self._storage: Any = storage_from_string(uri, wrap_exceptions=True, **arguments)

    def hit(self, key: str, seconds: int) -> Window:
        """Count one request."""
        count: int = self._storage.incr(key, seconds)
        return Window(count, float(self._storage.get_expiry(key)))

    def take_back(self, key: str, seconds: int) -> None:
        """Take one counted request back."""
        self._storage.incr(key, seconds, amount=-1)


def _patience(scheme: str) -> dict[str, Any]:
    """Give the arguments that keep a client from waiting long, and from trying again by itself."""
    if scheme == "memcached":
        return {"connect_timeout": TIMEOUT_SECONDS, "timeout": TIMEOUT_SECONDS}
    if scheme.startswith("mongodb"):
        milliseconds = int(TIMEOUT_SECONDS * 1000)
        return dict.fromkeys(("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS"), milliseconds)
    client = "valkey" if scheme.startswith("valkey") else "redis"
    backoff, retry = import_module(f"{client}.backoff"), import_module(f"{client}.retry")
    return {
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "socket_timeout": TIMEOUT_SECONDS,
        "retry": retry.Retry(backoff.NoBackoff(), 0),
    }


class GuardedCounter:
    """Counts in a service while it answers, and by a policy while it does not.

    Args:
        shared: The service.
        on_failure: `local` counts in this process, `open` lets everything pass, `closed` nothing.
    """

    def __init__(self, shared: SharedCounter, on_failure: OnFailure, circuit: Circuit | None = None) -> None:
        self._shared = shared
        self._on_failure = on_failure
        self._local = MemoryCounter()
        self._circuit = circuit or Circuit("The storage of rate limits", _MEANWHILE[on_failure])

    def hit(self, key: str, seconds: int) -> Window | None:
        """Count one request.

        Raises:
            CounterUnavailableError: The service is away, and the policy is `closed`.
        """
        if self._circuit.allows():
            try:
                window = self._shared.hit(key, seconds)
            except self._shared.failures as error:
                self._circuit.failed(error)
            else:
                self._circuit.succeeded()
                return window
        if self._on_failure == "local":
            return self._local.hit(key, seconds)
        if self._on_failure == "open":
            return None
        raise CounterUnavailableError

    def take_back(self, key: str, seconds: int) -> None:
        """Take one counted request back, where it would have been counted now."""
        if self._circuit.allows():
            try:
                self._shared.take_back(key, seconds)
            except self._shared.failures as error:
                self._circuit.failed(error)
            else:
                self._circuit.succeeded()
                return
        self._local.take_back(key, seconds)


_MEANWHILE: Mapping[str, str] = {
    "local": "Each process counts by itself meanwhile.",
    "open": "Requests pass uncounted meanwhile.",
    "closed": "Requests to limited routes are refused meanwhile.",
}
