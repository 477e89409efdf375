"""Rate limits: what is counted, what the client is told, and what happens while the storage is away."""

from __future__ import annotations

import logging
import time

import pytest
from flask import request
from flask_limiter import Limiter
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of

URL = "/api/studios"


def statuses(served, *urls, **arguments):
    return [served.get(url, **arguments).status_code for url in urls]


@pytest.fixture
def limited(serve, cinema, fill):
    """Serve the cinema with a rate limit, and with further options."""

    def start(rate, **config):
        served = serve(cinema.Base, API_RATE_LIMIT=rate, **config)
        fill(served, cinema)
        return served

    return start


@pytest.mark.contract("rest 9.1")
@pytest.mark.contract("bar F121")
def test_a_client_that_asks_too_often_is_told_when_to_come_back(limited):
    served = limited("2 per minute")
    assert statuses(served, URL, URL) == [200, 200]
    response = served.get(URL)
    errors = error_of(response, 429, "rate_limit_exceeded")
    assert errors["error"] == "too_many_requests"
    assert errors["limit"] == "2 per 1 minute"
    assert 1 <= errors["retry_after"] <= 60
    headers = response.headers
    assert headers["Retry-After"] == headers["RateLimit-Reset"] == str(errors["retry_after"])
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("2", "0")
    assert 0 < int(headers["X-RateLimit-Reset"]) - time.time() <= 61
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("2", "0")
    assert headers["RateLimit-Policy"] == '"2 per 1 minute";q=2;w=60'
    assert headers["RateLimit"].startswith('"2 per 1 minute";r=0;t=')


@pytest.mark.contract("rest 9.1")
def test_every_answer_of_a_limited_route_has_the_headers(limited):
    served = limited("9 per minute")
    remaining = [
        served.get(url).headers["X-RateLimit-Remaining"] for url in (URL, f"{URL}?limit=0", f"{URL}?city__eq=Oslo")
    ]
    assert remaining == ["8", "7", "6"]
    assert served.get(f"{URL}/99").headers["X-RateLimit-Remaining"] == "8"
    assert "X-RateLimit-Limit" not in served.get("/api/unknown").headers


def test_the_headers_can_be_switched_off(limited):
    response = limited("9 per minute", RATELIMIT_HEADERS_ENABLED=False).get(URL)
    assert not [name for name, _ in response.headers if "ratelimit" in name.lower()]


@pytest.mark.contract("rest 9.1")
def test_method_and_rule_are_counted_apart_and_all_items_together(limited):
    served = limited("1 per minute")
    assert statuses(served, URL, f"{URL}/1", "/api/films", f"{URL}/1/films") == [200] * 4
    assert statuses(served, URL, f"{URL}/2", "/api/films", f"{URL}/2/films") == [429] * 4
    assert served.post(URL, json={"name": "Pier"}).status_code == 201
    assert served.post(URL, json={"name": "Pier"}).status_code == 429
    assert served.scalar("SELECT count(*) FROM studios") == 3


def test_head_counts_as_get(limited):
    served = limited("1 per minute")
    assert served.client.head(URL).status_code == 200
    assert served.get(URL).status_code == 429


@pytest.mark.contract("rest 9.1")
def test_clients_are_counted_apart(limited):
    served = limited("1 per minute")
    for address in ("10.0.0.1", "10.0.0.2"):
        assert statuses(served, URL, URL, environ_base={"REMOTE_ADDR": address}) == [200, 429]


@pytest.mark.contract("rest 9.1")
def test_the_application_says_who_a_client_is(limited):
    served = limited("1 per minute", API_RATE_LIMIT_KEY_FUNC=lambda: request.headers.get("X-Client"))
    assert statuses(served, URL, URL, headers={"X-Client": "a"}) == [200, 429]
    assert statuses(served, URL, URL, headers={"X-Client": "b"}) == [200, 429]
    # Nobody named: the address counts.
    assert statuses(served, URL, URL) == [200, 429]


@pytest.mark.contract("core 12 18")
@pytest.mark.contract("core 12 18")
@pytest.mark.contract("rest D41")
@pytest.mark.parametrize(
    "text", ["2/minute", "2 PER MINUTES", "2 per 1 minute", " 2 / 15 minutes ", "2/minute; 100 per day"]
)
def test_all_forms_of_a_rate_are_understood(limited, text):
    assert statuses(limited(text), URL, URL, URL) == [200, 200, 429]


def test_a_refused_request_does_not_use_up_the_longer_rate(limited):
    served = limited("3 per day; 1 per second")
    assert statuses(served, URL, URL, URL, URL)[1:].count(429) >= 2
    time.sleep(1.1)
    assert served.get(URL).status_code == 200


def test_a_window_ends(limited):
    served = limited("1 per second")
    assert 429 in statuses(served, URL, URL, URL)
    time.sleep(1.1)
    assert served.get(URL).status_code == 200


@pytest.mark.contract("rest 1.4, D42")
@pytest.mark.contract("rest 13 group 14")
def test_the_most_specific_rate_counts(serve):
    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "limited_notes"

        class Meta:
            rate_limit = "2 per minute"
            post_rate_limit = "1 per minute"
            delete_rate_limit = False

        id: Mapped[int] = mapped_column(primary_key=True)

    class Memo(Base):
        __tablename__ = "limited_memos"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)

    served = serve(Base, API_RATE_LIMIT="9 per hour", API_POST_RATE_LIMIT="8 per hour")

    def limit(method, url):
        return served.open(url, method=method, json={}).headers.get("X-RateLimit-Limit")

    assert [limit("GET", "/api/notes"), limit("POST", "/api/notes")] == ["2", "1"]
    assert [limit("PATCH", "/api/notes/1"), limit("DELETE", "/api/notes/1")] == ["2", None]
    assert [limit("GET", "/api/memos"), limit("POST", "/api/memos")] == ["9", "8"]


@pytest.mark.contract("core 12 18")
@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize("text", ["many", "100", "0 per minute", "5 per 0 minutes", "5 per year", "", "1/minute;;", 5])
def test_a_wrong_rate_stops_the_start(serve, cinema, text):
    with pytest.raises(ConfigurationError, match=r"API_RATE_LIMIT must be rates such as '100 per minute'"):
        serve(cinema.Base, API_RATE_LIMIT=text)


@pytest.mark.contract("rest 9.1")
@pytest.mark.parametrize(
    "uri", ["redis", "redis://", "ftp://secret@127.0.0.1", "127.0.0.1:6379", "redis://:secret@[::1/0", "unix://"]
)
def test_a_wrong_storage_stops_the_start_and_is_not_repeated(serve, cinema, uri):
    with pytest.raises(ConfigurationError, match="API_RATE_LIMIT_STORAGE_URI") as raised:
        serve(cinema.Base, API_RATE_LIMIT="1/day", API_RATE_LIMIT_STORAGE_URI=uri)
    assert "secret" not in str(raised.value)


@pytest.mark.contract("rest 9.1")
def test_a_missing_driver_stops_the_start_with_what_installs_it(serve, cinema):
    with pytest.raises(ConfigurationError, match=r"pip install pymongo"):
        serve(cinema.Base, API_RATE_LIMIT="1/day", API_RATE_LIMIT_STORAGE_URI="mongodb://127.0.0.1")


@pytest.mark.contract("core 12 17")
@pytest.mark.contract("core 12 17")
def test_ports_are_never_probed(serve, cinema):
    with pytest.raises(ConfigurationError, match="never probed"):
        serve(cinema.Base, API_RATE_LIMIT_AUTODETECT=True)


def test_without_a_limit_nothing_is_there(serve, cinema):
    served = serve(cinema.Base)
    assert served.app.extensions["flarchitect"].limiter is None
    assert "X-RateLimit-Limit" not in served.get(URL).headers


@pytest.mark.contract("rest 9.1")
def test_a_limiter_of_the_application_and_ours_leave_each_other_alone(limited):
    served = limited("2 per minute", RATELIMIT_ENABLED=True)
    theirs = Limiter(lambda: "all", app=served.app, storage_uri="memory://", headers_enabled=True)

    @served.app.get("/own")
    @theirs.limit("1 per minute")
    def own() -> str:
        return "own"

    assert statuses(served, "/own", "/own") == [200, 429]
    assert statuses(served, URL, URL, URL) == [200, 200, 429]
    assert served.get(URL).headers.getlist("X-RateLimit-Limit") == ["2"]
    assert served.get("/own").headers.getlist("X-RateLimit-Limit") == ["1"]


@pytest.mark.contract("core 12 16")
@pytest.mark.contract("core 12 16")
def test_a_refused_request_has_its_id(limited):
    served = limited("1 per day")
    served.get(URL)
    response = served.get(URL, headers={"X-Request-ID": "mine"})
    assert error_of(response, 429)["request_id"] == response.headers["X-Request-ID"] == "mine"


# --- counted in Redis -------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(limited, wire, prefix):
    """Serve with counts in Redis, over a wire that can be cut."""

    def start(rate, on_failure="local", **config):
        return limited(
            rate,
            API_RATE_LIMIT_STORAGE_URI=f"redis://127.0.0.1:{wire.port}/0",
            API_RATE_LIMIT_KEY_PREFIX=prefix,
            API_RATE_LIMIT_ON_FAILURE=on_failure,
            **config,
        )

    return start


@pytest.mark.contract("rest 9.1")
def test_processes_count_together_in_redis(limited, redis_url, prefix, serve, cinema):
    config = {"API_RATE_LIMIT_STORAGE_URI": redis_url, "API_RATE_LIMIT_KEY_PREFIX": prefix}
    first = limited("3 per minute", **config)
    second = serve(cinema.Base, API_RATE_LIMIT="3 per minute", **config)
    assert statuses(first, URL, URL) == [200, 200]
    assert statuses(second, URL, URL) == [200, 429]
    response = first.get(URL)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60


@pytest.mark.contract("bar R41")
@pytest.mark.parametrize(
    "on_failure, expected", [("local", [200, 200, 429]), ("open", [200] * 3), ("closed", [503] * 3)]
)
@pytest.mark.parametrize("failure", ["cut", "silent"])
def test_redis_goes_away_and_the_policy_decides(shared, wire, caplog, on_failure, expected, failure):
    served = shared("2 per minute", on_failure)
    assert statuses(served, URL, URL, URL) == [200, 200, 429]
    if failure == "cut":
        wire.cut()
    else:
        wire.is_silent = True
    with caplog.at_level(logging.WARNING, "flarchitect.services"):
        begun = time.perf_counter()
        assert statuses(served, URL, URL, URL) == expected
        # Only the first one waited.
        assert time.perf_counter() - begun < 0.9
        assert [record.levelname for record in caplog.records if record.name == "flarchitect.services"] == ["ERROR"]
        if on_failure == "closed":
            response = served.get(URL)
            error_of(response, 503, "rate_limit_unavailable")
            assert response.headers["Retry-After"] == "1"
        if failure == "cut":
            wire.mend()
        wire.is_silent = False
        time.sleep(2.1)
        # Redis still has the counts from before.
        assert served.get(URL).status_code == 429
    assert [record.message for record in caplog.records][-1].endswith("answers again.")


@pytest.mark.contract("bar R41")
def test_redis_that_is_away_at_the_start_stops_nothing(shared, wire):
    wire.cut()
    assert statuses(shared("1 per minute"), URL, URL) == [200, 429]
