"""Rates, counters, circuits and the cache in this process, by themselves."""

from __future__ import annotations

import logging

import pytest
from flask import Flask

from flarchitect_core.circuit import Circuit
from flarchitect_core.rate_counters import MemoryCounter
from flarchitect_core.rates import Rate, check_driver, check_rate_services, check_storage, is_rate_text, parse_rates
from flarchitect_core.simple_cache import SimpleCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.contract("core 6")
@pytest.mark.parametrize(
    "text, rates",
    [
        ("2 per minute", [Rate(2, 60)]),
        ("2/MINUTE", [Rate(2, 60)]),
        ("100 per 15 minutes", [Rate(100, 900)]),
        ("9 per day;1/second", [Rate(1, 1), Rate(9, 86400)]),
    ],
)
def test_a_rate_is_read(text, rates):
    assert list(parse_rates(text)) == rates
    assert is_rate_text(text)
    assert parse_rates(";".join(map(str, rates))) == tuple(rates)


@pytest.mark.contract("core 6")
@pytest.mark.parametrize(
    "text", ["", "0 per day", "1 per 0 days", "-1/day", "1.5/day", "x", "1/day;", "\u0661 per day"]
)
def test_what_is_no_rate_is_refused(text):
    assert not is_rate_text(text)


@pytest.mark.contract("core 6")
@pytest.mark.parametrize(
    "uri", ["redis://h", "rediss://h:1/0", "unix:///run/r.sock", "redis+sentinel://h:1/m", "memory://"]
)
def test_a_storage_is_accepted(uri):
    assert check_storage(uri) == uri.partition(":")[0]


@pytest.mark.contract("core 6")
def test_a_driver_that_is_missing_is_named():
    with pytest.raises(ImportError, match="pip install pymongo"):
        check_driver("MongoDB")
    with pytest.raises(ValueError, match="none of"):
        check_driver("Oracle")


@pytest.mark.contract("core 6")
def test_the_storage_of_an_application():
    app = Flask("rates")
    with app.app_context():
        assert check_rate_services() is None
        app.config["API_RATE_LIMIT_STORAGE_URI"] = "memory://"
    with app.test_request_context():
        assert check_rate_services() == "memory://"


def test_windows_begin_with_the_first_request_and_are_bounded():
    clock = Clock()
    counter = MemoryCounter(size=10, clock=clock)
    assert [counter.hit("a", 60).count for _ in range(3)] == [1, 2, 3]
    assert counter.hit("a", 60).reset == 1060
    clock.now = 1060
    assert counter.hit("a", 60).count == 1
    for number in range(100):
        counter.hit(f"client {number}", 60)
    assert len(counter._windows) <= 10


@pytest.mark.contract("bar R41")
def test_one_caller_tries_while_the_others_go_on(caplog):
    clock = Clock()
    circuit = Circuit("Redis", "All goes on.", pause=5, clock=clock)
    assert circuit.allows()
    with caplog.at_level(logging.WARNING, "flarchitect.services"):
        circuit.failed(OSError("redis://:secret@host"))
        circuit.failed(OSError())
        # What was asked before the failure says nothing about now.
        circuit.succeeded()
        assert not circuit.allows()
        clock.now += 5
        assert [circuit.allows() for _ in range(3)] == [True, False, False]
        circuit.failed(OSError())
        clock.now += 5
        assert circuit.allows()
        circuit.succeeded()
    assert all(circuit.allows() for _ in range(3))
    assert [record.message for record in caplog.records] == [
        "Redis does not answer (OSError). All goes on.",
        "Redis answers again.",
    ]


@pytest.mark.contract("core 10")
def test_the_simple_cache():
    app = Flask("cached")
    cache = SimpleCache()
    cache.init_app(app, {"CACHE_THRESHOLD": 3})
    calls = []

    @app.get("/now")
    @cache.cached(timeout=60)
    def now() -> str:
        calls.append(1)
        return str(len(calls))

    client = app.test_client()
    assert [client.get(url).text for url in ("/now", "/now", "/now?a=1")] == ["1", "1", "2"]
    assert cache.add("a", 1)
    assert not cache.add("a", 2)
    assert cache.get_many("a", "b") == [1, None]
    assert cache.delete("a")
    assert not cache.delete("a")
    for number in range(5):
        cache.set(str(number), number)
    assert [cache.get(str(number)) for number in range(5)] == [None, None, 2, 3, 4]
    assert cache.clear()
    assert cache.get("4") is None
