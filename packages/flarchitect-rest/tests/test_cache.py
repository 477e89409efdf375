"""The response cache: what is kept, for whom, and when it ends."""

from __future__ import annotations

import logging
import time

import pytest
from flask import make_response
from flask_caching import Cache
from sqlalchemy import BigInteger, ForeignKey, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.plugins import PluginBase
from flarchitect_core.simple_cache import SimpleCache
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of
from flarchitect_rest.caching import ResponseCache

URL = "/api/studios"


@pytest.fixture(params=["SimpleCache", "RedisCache"])
def cached(request, serve, cinema, fill, prefix):
    """Serve the cinema with a cache."""

    def start(**config):
        if request.param == "RedisCache":
            url = request.getfixturevalue("redis_url")
            config = {"CACHE_REDIS_URL": url, "CACHE_KEY_PREFIX": prefix, **config}
        served = serve(cinema.Base, API_CACHE_TYPE=request.param, **config)
        fill(served, cinema)
        return served

    return start


def statements_of(served, *urls, **arguments):
    """Count the statements that requests send; all must succeed."""
    with count_statements(served.engine) as log:
        for url in urls:
            response = served.get(url, **arguments)
            assert response.status_code == 200, response.get_data(as_text=True)
    return len(log)


def is_kept(served, url, **arguments):
    """Say whether an answer comes without the database."""
    return statements_of(served, url, **arguments) == 0


@pytest.mark.contract("rest 9.2")
def test_the_second_answer_is_the_first_one_with_a_fresh_envelope(cached):
    served = cached(API_DUMP_REQUEST_ID=True)
    first = served.get(f"{URL}?limit=1").get_json()
    with count_statements(served.engine) as log:
        response = served.get(f"{URL}?limit=1")
    second = response.get_json()
    assert len(log) == 0
    assert list(first) == list(second)
    assert second["request_id"] == response.headers["X-Request-ID"] != first["request_id"]
    assert second["datetime"] > first["datetime"]
    volatile = {"datetime", "response_ms", "request_id"}
    assert {name: first[name] for name in first.keys() - volatile} == {
        name: second[name] for name in second.keys() - volatile
    }
    assert second["next_url"].endswith("/api/studios?limit=1&page=2")


@pytest.mark.contract("rest 9.2, D40")
@pytest.mark.contract("rest 13 group 14")
def test_queries_differ_and_their_order_does_not(cached):
    served = cached()
    assert [row["id"] for row in served.value(f"{URL}?page=1&limit=1")] == [1]
    assert [row["id"] for row in served.value(f"{URL}?page=2&limit=1")] == [2]
    assert [row["id"] for row in served.value(f"{URL}?city__eq=Oslo")] == [1]
    assert is_kept(served, f"{URL}?limit=1&page=1")
    assert [list(row) for row in served.value(f"{URL}?fields=name")] == [["name"]] * 2
    # One name given twice means what its order says.
    served.value("/api/films?order_by=year&order_by=title")
    assert not is_kept(served, "/api/films?order_by=title&order_by=year")


@pytest.mark.contract("rest 9.2, D40")
@pytest.mark.contract("bar R42")
@pytest.mark.contract("bar F120")
@pytest.mark.parametrize("path", [URL, f"{URL}/1", f"{URL}/1/films", "/api/films/1/studios"])
@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-API-Key", "X-Tenant", "Accept-Language"])
def test_two_users_share_no_entry(cached, path, header):
    served = cached(API_CACHE_VARY="X-Tenant")
    served.get = served.app.test_client(use_cookies=False).get
    assert not is_kept(served, path, headers={header: "a=1"})
    assert not is_kept(served, path, headers={header: "b=2"})
    assert not is_kept(served, path)
    assert is_kept(served, path, headers={header: "a=1"})
    assert header.lower() in served.get(path).vary


def test_the_identity_of_the_caller_can_be_replaced(cached):
    served = cached()
    users = iter("abaa")
    served.app.extensions["flarchitect"].cache.caller = lambda request: next(users)
    assert [is_kept(served, URL) for _ in range(4)] == [False, False, True, True]


def test_another_host_gets_its_own_links(cached):
    served = cached()
    for host in ("one.example", "two.example"):
        body = served.get(f"{URL}?limit=1", base_url=f"http://{host}").get_json()
        assert body["next_url"].startswith(f"http://{host}/")
    below = served.get(URL, environ_overrides={"SCRIPT_NAME": "/mounted"}).get_json()["value"]
    assert below != served.value(URL)


@pytest.mark.contract("rest 9.2")
@pytest.mark.parametrize("write", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_ends_the_answers_of_its_model_and_of_related_ones(cached, write):
    served = cached()
    urls = (URL, f"{URL}/2", "/api/films", f"{URL}/1/films")
    statements_of(served, *urls)
    assert statements_of(served, *urls) == 0
    target = URL if write == "POST" else f"{URL}/2"
    answer = served.open(target, method=write, json=None if write == "DELETE" else {"name": "Pier"})
    assert answer.status_code in (200, 201)
    assert not any(is_kept(served, url) for url in (URL, "/api/films", f"{URL}/1/films"))
    assert ("Quay" in [row["name"] for row in served.value(URL)]) == (write == "POST")


def test_a_refused_write_ends_nothing(cached):
    served = cached()
    served.value(URL)
    assert served.post(URL, json={"nome": "Pier"}).status_code == 400
    assert is_kept(served, URL)


def test_writes_may_leave_answers_as_they_are(cached):
    served = cached(API_CACHE_INVALIDATE=False)
    before = served.value(URL)
    served.patch(f"{URL}/1", json={"name": "Pier"})
    assert served.value(URL) == before
    assert served.app.extensions["flarchitect"].cache.clear()
    assert served.value(URL) != before


def test_a_model_that_nothing_connects_keeps_its_answers(serve):
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "cached_owners"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        pets: Mapped[list[Pet]] = relationship()

    class Pet(Base):
        __tablename__ = "cached_pets"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int | None] = mapped_column(ForeignKey("cached_owners.id"))

    class Fact(Base):
        __tablename__ = "cached_facts"

        class Meta:
            cache_timeout = 1

        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int | None] = mapped_column(BigInteger)

    class Live(Base):
        __tablename__ = "cached_lives"

        class Meta:
            cache_timeout = 0

        id: Mapped[int] = mapped_column(primary_key=True)

    served = serve(Base, API_CACHE_TYPE="SimpleCache")
    urls = ["/api/owners", "/api/pets", "/api/facts"]
    statements_of(served, *urls, "/api/lives")
    served.post("/api/pets", json={})
    assert [is_kept(served, url) for url in urls] == [False, False, True]
    assert not is_kept(served, "/api/lives")
    time.sleep(1.1)
    assert not is_kept(served, "/api/facts")
    served.app.extensions["flarchitect"].cache.drop([Owner])
    assert not is_kept(served, "/api/pets")


@pytest.mark.contract("rest 9.2")
@pytest.mark.contract("bar R42")
def test_errors_and_cookies_are_not_kept(serve, cinema, fill, tmp_path):
    served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache")
    fill(served, cinema)
    error_of(served.get(f"{URL}/9"), 404, "row_not_found")
    served.execute(insert(cinema.Studio), {"id": 9, "name": "Pier"})
    assert served.value(f"{URL}/9")["name"] == "Pier"
    error_of(served.get(f"{URL}?nome=1"), 400)
    error_of(served.get(f"{URL}?nome=1"), 400)


@pytest.mark.contract("rest 9.2")
def test_a_kept_answer_is_counted_and_passes_through_request_functions(serve, cinema, fill):
    served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache", API_RATE_LIMIT="3 per minute")
    fill(served, cinema)
    seen = []

    @served.app.after_request
    def see(response):
        seen.append(response.status_code)
        return make_response(response)

    remaining = [served.get(URL).headers.get("X-RateLimit-Remaining") for _ in range(3)]
    assert remaining == ["2", "1", "0"]
    error_of(served.get(URL), 429)
    assert seen == [200, 200, 200, 429]


@pytest.mark.contract("rest 9.2, rest-F44")
@pytest.mark.parametrize("path", [URL, f"{URL}/1"])
def test_a_condition_holds_for_a_kept_answer_as_for_any_other(cached, path):
    served = cached(API_ETAGS=True)
    tag = served.get(path).headers["ETag"]
    assert is_kept(served, path)
    error_of(served.get(path, headers={"If-Match": '"other"'}), 412, "precondition_failed")
    assert served.get(path, headers={"If-Match": "*"}).status_code == 200
    assert served.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.contract("rest 9.2")
def test_a_write_while_another_one_ends_answers_is_not_forgotten(cinema_app, cinema):
    class Failing(SimpleCache):
        """Fails for a write that comes right after the mark of another one is set."""

        marks = 0
        is_away = False

        def set(self, key, value, timeout=None):
            if self.is_away:
                raise OSError
            super().set(key, value, timeout)
            self.marks += 1
            if self.marks == 1:
                self.is_away = True
                cache.drop([cinema.Studio])
                self.is_away = False
            return True

    backend = Failing()
    cache = ResponseCache(state_of(cinema_app.app), backend)
    cache.drop([cinema.Studio])
    time.sleep(2.1)
    cache.drop([])
    assert backend.marks == 2


@pytest.mark.contract("rest 9.2")
def test_what_the_backend_does_late_brings_no_old_answer_back(serve, cinema, fill, monkeypatch):
    served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache")
    fill(served, cinema)
    late = []

    def lose(*arguments):
        late.append(arguments)
        raise TimeoutError

    is_kept(served, URL)
    with monkeypatch.context() as patch:
        patch.setattr(SimpleCache, "set", lose)
        served.patch(f"{URL}/1", json={"name": "Quay"})
    time.sleep(2.1)
    assert [is_kept(served, URL) for _ in range(2)] == [False, True]
    served.patch(f"{URL}/1", json={"name": "Pier"})
    for arguments in late:
        SimpleCache.set(*arguments)
    assert served.value(URL)[0]["name"] == "Pier"


def every_row(statement, model, arguments):
    return statement.where(model.id > 0)


class Watching(PluginBase):
    def after_model_op(self, context, output):
        return output


@pytest.mark.contract("rest 9.2")
@pytest.mark.parametrize(
    "config",
    [
        {"API_SETUP_CALLBACK": lambda **arguments: arguments},
        {"API_GLOBAL_SETUP_CALLBACK": lambda **arguments: arguments},
        {"API_GET_RETURN_CALLBACK": lambda output, **arguments: {"output": output}},
        {"API_FILTER_CALLBACK": every_row},
        {"API_PLUGINS": [Watching]},
    ],
)
def test_what_must_see_every_read_sees_it(serve, cinema, fill, caplog, config):
    with caplog.at_level(logging.WARNING, "flarchitect.startup"):
        served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache", **config)
    fill(served, cinema)
    for url in (URL, f"{URL}/1", f"{URL}/1/films"):
        assert [is_kept(served, url) for _ in range(2)] == [False, False]
    assert "answers with Studio rows are not kept" in caplog.text


@pytest.mark.contract("rest 9.2")
def test_callbacks_of_writes_leave_the_cache_alone(serve, cinema, fill):
    config = {"API_POST_SETUP_CALLBACK": lambda **arguments: arguments, "API_ADD_CALLBACK": lambda row, model: row}
    served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache", **config)
    fill(served, cinema)
    assert [is_kept(served, URL) for _ in range(2)] == [False, True]


@pytest.mark.contract("rest 9.2")
def test_a_full_cache_keeps_what_is_in_use(serve, cinema, fill):
    served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache", CACHE_THRESHOLD=4)
    fill(served, cinema)
    for page in range(1, 9):
        served.get(f"{URL}?page={page}&limit=1")
        assert is_kept(served, f"{URL}/1") is (page > 1)


@pytest.mark.contract("rest 9.2")
def test_head_uses_what_get_left(cached):
    served = cached()
    served.value(URL)
    with count_statements(served.engine) as log:
        response = served.client.head(URL)
    assert (len(log), response.status_code, response.data) == (0, 200, b"")


@pytest.mark.contract("rest 9.2")
def test_the_application_may_use_the_cache(cached):
    served = cached()
    cache = served.app.extensions["flarchitect"].cache
    assert cache.get("answer") is None
    assert cache.set("answer", {"to": 42}, timeout=60)
    assert cache.get("answer") == {"to": 42}
    assert cache.delete("answer")
    assert cache.get("answer") is None
    cache.set("answer", 1)
    served.value(URL)
    assert cache.clear()
    assert cache.get("answer") is None
    assert not is_kept(served, URL)


def test_no_cache_without_the_option(cinema_app):
    assert cinema_app.app.extensions["flarchitect"].cache is None
    assert not any(is_kept(cinema_app, URL) for _ in range(2))


# --- backends ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 9.2")
@pytest.mark.parametrize("kind", ["FileSystemCache", "flask_caching.backends.FileSystemCache"])
def test_backends_of_flask_caching(serve, cinema, fill, tmp_path, kind):
    served = serve(cinema.Base, API_CACHE_TYPE=kind, CACHE_DIR=str(tmp_path / "cache"))
    fill(served, cinema)
    assert [is_kept(served, URL) for _ in range(2)] == [False, True]
    served.patch(f"{URL}/1", json={"name": "Pier"})
    assert served.value(URL)[0]["name"] == "Pier"
    # A `Cache` of the application is another one.
    assert "cache" not in served.app.extensions
    Cache(served.app, config={"CACHE_TYPE": "SimpleCache"}).clear()
    assert is_kept(served, URL)


@pytest.mark.contract("rest 9.2")
@pytest.mark.contract("decisions 13")
def test_a_backend_that_does_not_exist_stops_the_start(serve, cinema):
    with pytest.raises(ConfigurationError, match="API_CACHE_TYPE 'NoSuchCache'"):
        serve(cinema.Base, API_CACHE_TYPE="NoSuchCache")
    with pytest.raises(ConfigurationError, match="API_CACHE_TYPE 'RedisCache'") as raised:
        serve(cinema.Base, API_CACHE_TYPE="RedisCache", CACHE_REDIS_URL="//:secret@nowhere")
    assert "secret" not in str(raised.value)


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def over_wire(serve, cinema, fill, wire, prefix):
    config = {"CACHE_REDIS_URL": f"redis://127.0.0.1:{wire.port}/0", "CACHE_KEY_PREFIX": prefix}
    served = serve(cinema.Base, API_CACHE_TYPE="RedisCache", **config)
    fill(served, cinema)
    return served


def test_a_write_in_one_process_ends_the_answers_of_all(over_wire, serve, cinema, redis_url, prefix):
    config = {"API_CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url, "CACHE_KEY_PREFIX": prefix}
    other = serve(cinema.Base, **config)
    assert [is_kept(served, URL) for served in (over_wire, other)] == [False, True]
    other.patch(f"{URL}/1", json={"name": "Pier"})
    assert over_wire.value(URL)[0]["name"] == "Pier"


@pytest.mark.contract("bar R41")
@pytest.mark.parametrize("failure", ["cut", "silent"])
def test_redis_goes_away_and_answers_go_on(over_wire, wire, caplog, failure):
    served = over_wire
    assert [is_kept(served, URL) for _ in range(2)] == [False, True]
    if failure == "cut":
        wire.cut()
    else:
        wire.is_silent = True
    with caplog.at_level(logging.WARNING, "flarchitect.services"):
        begun = time.perf_counter()
        assert [is_kept(served, URL) for _ in range(3)] == [False] * 3
        # What changes meanwhile must not be hidden by what Redis still has.
        assert served.patch(f"{URL}/1", json={"name": "Pier"}).status_code == 200
        assert time.perf_counter() - begun < 0.9
        assert [record.levelname for record in caplog.records if record.name == "flarchitect.services"] == ["ERROR"]
        if failure == "cut":
            wire.mend()
        wire.is_silent = False
        time.sleep(2.1)
        assert served.value(URL)[0]["name"] == "Pier"
        assert is_kept(served, URL)
    assert caplog.records[-1].message.endswith("answers again.")
