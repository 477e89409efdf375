"""A bounded cache keeps what is asked for again, whatever else is asked for once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from flarchitect_core.bounded import BoundedCache


def test_an_entry_is_built_once():
    cache = BoundedCache(2)
    built = [cache.get("a", lambda number=number: number) for number in range(3)]
    assert built == [0, 0, 0]


@pytest.mark.parametrize("size", [1, 2, 64])
def test_the_size_is_never_exceeded(size):
    cache = BoundedCache(size)
    for number in range(10 * size):
        cache.get(number, lambda: "entry")
        cache.get(0, lambda: "hot")
        assert len(cache) <= size


def test_a_hot_entry_survives_a_flood_of_keys_that_are_asked_for_once():
    cache = BoundedCache(8)
    cache.get("hot", lambda: "first")
    for number in range(1000):
        cache.get(number, lambda: "entry")
        assert cache.get("hot", lambda: "built again") == "first"


def test_what_was_hot_once_makes_room_in_the_end():
    cache = BoundedCache(4)
    for _ in range(2):
        cache.get("old", lambda: "first")
    for number in range(100):
        cache.get(number, lambda: "entry")
    assert cache.get("old", lambda: "second") == "second"


def test_threads_get_their_own_entries_and_stay_within_the_size():
    cache = BoundedCache(16)

    def ask(start: int) -> bool:
        keys = [(start * 7 + step) % 40 for step in range(2000)]
        return all(cache.get(key, lambda key=key: f"entry {key}") == f"entry {key}" for key in keys)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(8)))
    assert len(cache) <= 16
