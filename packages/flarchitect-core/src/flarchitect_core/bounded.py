"""A small bounded mapping for things that are costly to build and asked for by clients."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K")
V = TypeVar("V")


class _Slot(Generic[V]):
    """One entry, and whether it was asked for since it was last up for being dropped."""

    __slots__ = ("entry", "is_used")

    def __init__(self, entry: V) -> None:
        self.entry = entry
        self.is_used = False


class BoundedCache(Generic[K, V]):
    """Keeps at most `size` entries; the oldest one that was not asked for again makes room (second chance).

    Clients choose the keys, so the size must be bounded, and no flood of keys that are asked for once may drive out
    what everybody asks for. Two threads may build one entry at the same time; both results are equal, so one of them
    is simply dropped. Only adding takes a lock.
    """

    __slots__ = ("_lock", "_size", "_slots")

    def __init__(self, size: int) -> None:
        self._size = size
        self._slots: dict[K, _Slot[V]] = {}
        self._lock = Lock()

    def get(self, key: K, build: Callable[[], V]) -> V:
        """Give the entry of a key, building it when it is not there."""
        slot = self._slots.get(key)
        if slot is not None:
            slot.is_used = True
            return slot.entry
        entry = build()
        with self._lock:
            self._make_room()
            self._slots[key] = _Slot(entry)
        return entry

    def _make_room(self) -> None:
        while len(self._slots) >= self._size:
            key = next(iter(self._slots))
            slot = self._slots.pop(key)
            if slot.is_used:
                slot.is_used = False
                self._slots[key] = slot

    def __len__(self) -> int:
        return len(self._slots)
