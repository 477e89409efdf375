"""A small bounded mapping for things that are costly to build and asked for by clients."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps at most `size` entries and drops the oldest one.

    Clients choose the keys, so the size must be bounded. Two threads may build one entry at the same time; both
    results are equal, so one of them is simply dropped. Only adding takes a lock.
    """

    __slots__ = ("_entries", "_lock", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[K, V] = {}
        self._lock = Lock()

    def get(self, key: K, build: Callable[[], V]) -> V:
        """Give the entry of a key, building it when it is not there."""
        entry = self._entries.get(key)
        if entry is None:
            entry = build()
            with self._lock:
                if len(self._entries) >= self._size:
                    self._entries.pop(next(iter(self._entries)), None)
                self._entries[key] = entry
        return entry

    def __len__(self) -> int:
        return len(self._entries)
