"""`SimpleCache`: a bounded cache in this process, for one process or for development."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar

from flask import Flask, request

__all__ = ["SimpleCache"]

F = TypeVar("F", bound=Callable[..., Any])


class SimpleCache:
    """Keeps values for a while.

    Values are kept as they are: whoever changes one after `get` changes it for all.

    Args:
        threshold: Entries to keep; beyond it those that ended go, then those used longest ago.
        default_timeout: Seconds an entry is kept; 0 is for ever.
    """

    def __init__(self, threshold: int = 500, default_timeout: int = 300) -> None:
        self._threshold = threshold
        self._default_timeout = default_timeout
        self._lock = RLock()
        self._entries: dict[str, tuple[float, Any]] = {}

    def init_app(self, app: Flask, config: dict[str, Any] | None = None) -> None:
        """Take `CACHE_THRESHOLD` and `CACHE_DEFAULT_TIMEOUT` from a configuration."""
        given = {**app.config, **(config or {})}
        self._threshold = given.get("CACHE_THRESHOLD", self._threshold)
        self._default_timeout = given.get("CACHE_DEFAULT_TIMEOUT", self._default_timeout)

    def get(self, key: str) -> Any:
        """Give the value of a key, `None` when there is none."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None or entry[0] <= time.monotonic():
                return None
            # At its end again, because the first ones go first.
            self._entries[key] = entry
            return entry[1]

    def get_many(self, *keys: str) -> list[Any]:
        """Give the values of several keys."""
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool:
        """Keep a value for `timeout` seconds."""
        timeout = self._default_timeout if timeout is None else timeout
        with self._lock:
            self._entries.pop(key, None)
            if len(self._entries) >= self._threshold:
                self._make_room()
            self._entries[key] = (time.monotonic() + timeout if timeout else float("inf"), value)
        return True

    def add(self, key: str, value: Any, timeout: int | None = None) -> bool:
        """Keep a value unless the key has one, and say whether it was kept."""
        with self._lock:
            return self.get(key) is None and self.set(key, value, timeout)

    def delete(self, key: str) -> bool:
        """Forget a key, and say whether there was one."""
        with self._lock:
            return self._entries.pop(key, None) is not None

    def clear(self) -> bool:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
        return True

    def cached(self, timeout: int | None = None, key_prefix: str = "view/%s") -> Callable[[F], F]:
        """Keep what a view gives, for each URL with its query.

        All callers get the same answer: only for views that do not depend on who asks.

        Args:
            timeout: Seconds.
            key_prefix: Key of the entry; `%s` stands for the URL.
        """

        def decorate(function: F) -> F:
            @functools.wraps(function)
            def cached_view(*args: Any, **kwargs: Any) -> Any:
                key = key_prefix % request.url if "%s" in key_prefix else key_prefix
                value = self.get(key)
                if value is None:
                    value = function(*args, **kwargs)
                    self.set(key, value, timeout)
                return value

            return cached_view  # type: ignore[return-value]

        return decorate

    def _make_room(self) -> None:
        now = time.monotonic()
        self._entries = {key: entry for key, entry in self._entries.items() if entry[0] > now}
        for key in list(self._entries)[: max(0, len(self._entries) - self._threshold + 1)]:
            del self._entries[key]
