"""What is told of requests beside their answers: timing, statements, repeated reads, metrics, health."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload, sessionmaker

from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.session import get_session
from flarchitect_core.state import state_of


class Base(DeclarativeBase):
    pass


class Studio(Base):
    __tablename__ = "studios"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))


class Film(Base):
    __tablename__ = "films"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    studio_id: Mapped[int] = mapped_column(sa.ForeignKey("studios.id"))
    studio: Mapped[Studio] = relationship()


FILMS = 8


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'films.db'}"


@pytest.fixture
def engine(uri: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(uri)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        numbers = range(1, FILMS + 1)
        session.add_all([Studio(id=number, name=f"Studio {number}") for number in numbers])
        session.add_all([Film(id=number, studio_id=number) for number in numbers])
        session.commit()
    yield engine
    engine.dispose()


def make(engine: sa.Engine, **config: Any) -> Flask:
    """Make an application with a view that reads films one way, and one that reads them the other."""
    app = Flask("observed")
    app.config.update(API_BASE_MODEL=Base, API_SESSION_GETTER=sessionmaker(engine), **config)
    Architect(app, parts=[])

    @app.get("/films/<int:most>")
    def films(most: int) -> list[str]:
        with get_session(Film) as session:
            return [film.studio.name for film in session.scalars(sa.select(Film).limit(most))]

    @app.get("/loaded")
    def loaded() -> list[str]:
        with get_session(Film) as session:
            return [film.studio.name for film in session.scalars(sa.select(Film).options(selectinload(Film.studio)))]

    @app.get("/fails")
    def fails() -> list[str]:
        with get_session(Film) as session:
            session.execute(sa.text("SELECT nothing FROM nowhere"))
        return []

    @app.get("/none")
    def none() -> str:
        return ""

    return app


# --- statements and timing --------------------------------------------------------------------------------------------


@pytest.mark.contract("core 5.2, F129")
@pytest.mark.parametrize(
    "path,statements", [("/films/3", "4 statements"), ("/films/0", "1 statement"), ("/none", "0 statements")]
)
def test_server_timing_has_the_statements_and_both_times(engine, path, statements):
    header = make(engine, API_SERVER_TIMING=True).test_client().get(path).headers["Server-Timing"]
    assert re.fullmatch(rf'db;dur=\d+\.\d+;desc="{statements}", total;dur=\d+\.\d+', header)
    database, total = (float(text) for text in re.findall(r"dur=([\d.]+)", header))
    assert database <= total


@pytest.mark.contract("core 5.2")
@pytest.mark.parametrize("debug,option,sent", [(False, None, 0), (True, None, 1), (True, False, 0), (False, True, 1)])
def test_server_timing_is_sent_in_debug_mode_or_when_asked_for(engine, debug, option, sent):
    app = make(engine, **({} if option is None else {"API_SERVER_TIMING": option}))
    # As `app.run(debug=True)` does it: after the application was bound.
    app.debug = debug
    assert len(app.test_client().get("/none").headers.getlist("Server-Timing")) == sent


@pytest.mark.contract("core 5.2")
def test_a_header_of_the_application_stays(engine):
    app = make(engine, API_SERVER_TIMING=True)

    @app.get("/own")
    def own() -> tuple[str, dict[str, str]]:
        return "", {"Server-Timing": "mail;dur=3"}

    first, second = app.test_client().get("/own").headers.getlist("Server-Timing")
    assert first == "mail;dur=3"
    assert second.startswith("db;dur=")


@pytest.mark.contract("core C-5")
def test_an_application_that_does_not_count_is_not_counted(engine, caplog):
    make(engine, API_SERVER_TIMING=True).test_client().get("/films/3")
    caplog.set_level(logging.INFO, logger="flarchitect")
    response = make(engine).test_client().get("/films/3")
    assert "Server-Timing" not in response.headers
    assert "sql_count" not in vars(caplog.records[-1]) or vars(caplog.records[-1])["sql_count"] is None


@pytest.mark.contract("core 5.2")
@pytest.mark.parametrize("path,status,number", [("/films/3", 200, 4), ("/fails", 500, 1), ("/none", 200, 0)])
def test_a_request_line_has_the_number_and_the_time_of_its_statements(engine, caplog, path, status, number):
    caplog.set_level(logging.INFO, logger="flarchitect")
    assert make(engine, API_LOG_STATEMENTS=True).test_client().get(path).status_code == status
    line = next(vars(record) for record in caplog.records if record.getMessage().startswith("Completed"))
    assert line["sql_count"] == number
    assert (line["sql_ms"] > 0) is (number > 0)


@pytest.mark.contract("core 5.2")
def test_requests_at_one_time_are_counted_apart(engine):
    app = make(engine, API_SERVER_TIMING=True)
    headers: dict[int, str] = {}

    def ask(most: int) -> None:
        headers[most] = app.test_client().get(f"/films/{most}").headers["Server-Timing"]

    threads = [threading.Thread(target=ask, args=(most,)) for most in range(2, FILMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f'"{most + 1} statements"' in headers[most] for most in range(2, FILMS))


def repeated(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "once for each row" in record.getMessage()]


@pytest.mark.contract("F129")
def test_a_read_that_grows_with_the_rows_is_told_with_its_relation_and_route(engine, caplog):
    app = make(engine)
    app.debug = True
    app.test_client().get("/films/6")
    assert repeated(caplog) == [
        "/films/<int:most> read Film.studio 6 times, once for each row. "
        "Load it with the rows, for example by selectinload()."
    ]


@pytest.mark.contract("F129")
@pytest.mark.parametrize(
    "path,config,debug",
    [
        ("/films/5", {}, True),
        ("/films/8", {"API_STATEMENT_REPEATS_MAX": 8}, True),
        ("/loaded", {}, True),
        ("/films/8", {"API_LOG_STATEMENTS": True}, False),
    ],
)
def test_nothing_is_told_of_few_or_loaded_rows_nor_without_debug_mode(engine, caplog, path, config, debug):
    app = make(engine, **config)
    app.debug = debug
    app.test_client().get(path)
    assert repeated(caplog) == []


@pytest.mark.contract("F129")
def test_a_repeated_read_without_a_relation_is_told_with_its_table(engine, caplog):
    app = make(engine)
    app.debug = True

    @app.get("/each")
    def each() -> str:
        with get_session(Film) as session:
            for number in range(1, FILMS + 1):
                session.execute(sa.select(Film.id).join(Film.studio).where(Film.id == number)).all()
                session.execute(sa.text("SELECT 1"))
        return ""

    app.test_client().get("/each")
    assert [message.split(" 8 times")[0] for message in repeated(caplog)] == [
        "/each read the table films, studios",
        "/each read a statement of text",
    ]


# --- metrics ----------------------------------------------------------------------------------------------------------


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Read an answer in the text form: name and label values to value."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.contract("core C-11, F126")
def test_metrics_count_by_method_route_and_status_and_never_by_path(engine):
    client = make(engine, API_EXPOSE_METRICS=True).test_client()
    for path in ("/films/3", "/films/4", "/nowhere/17", "/fails"):
        client.get(path)
    client.open("/none", method="BREW")
    response = client.get("/metrics")
    found = samples(response.get_data(as_text=True))
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert response.headers["Cache-Control"] == "no-store"
    assert found["flarchitect_requests_total", ("GET", "/films/<int:most>", "200")] == 2
    assert found["flarchitect_requests_total", ("GET", "none", "404")] == 1
    assert found["flarchitect_requests_total", ("GET", "/fails", "500")] == 1
    assert found["flarchitect_requests_total", ("other", "none", "405")] == 1
    assert found["flarchitect_request_duration_seconds_count", ("GET", "/films/<int:most>", "200")] == 2
    assert found["flarchitect_statements_total", ("GET", "/films/<int:most>")] == 9
    assert found["flarchitect_statement_seconds_total", ("GET", "/films/<int:most>")] > 0
    assert "nowhere" not in response.get_data(as_text=True)


@pytest.mark.contract("F126")
def test_requests_in_flight_are_those_that_are_not_answered(engine):
    app = make(engine, API_EXPOSE_METRICS=True)
    inside: list[Any] = []

    @app.get("/outer")
    def outer() -> str:
        inside.append(samples(app.test_client().get("/metrics").get_data(as_text=True)))
        raise RuntimeError("an error also ends a request")

    app.test_client().get("/outer")
    after = samples(app.test_client().get("/metrics").get_data(as_text=True))
    assert inside[0]["flarchitect_requests_in_flight", ()] == 2
    assert after["flarchitect_requests_in_flight", ()] == 1


@pytest.mark.contract("F126, core C-5")
def test_two_applications_count_apart(engine):
    first, second = (make(engine, API_EXPOSE_METRICS=True).test_client() for _ in range(2))
    first.get("/none")
    key = ("flarchitect_requests_total", ("GET", "/none", "200"))
    assert samples(first.get("/metrics").get_data(as_text=True))[key] == 1
    assert key not in samples(second.get("/metrics").get_data(as_text=True))


@pytest.mark.contract("F126")
def test_metrics_are_given_as_openmetrics_when_asked(engine):
    client = make(engine, API_EXPOSE_METRICS=True).test_client()
    response = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert response.get_data(as_text=True).endswith("# EOF\n")


WORKER = """
import sys
from flask import Flask
from flarchitect_core.architect import Architect

app = Flask("worker")
app.config.update(API_EXPOSE_METRICS=True, FULL_AUTO=False, API_LOG_REQUESTS=False)
Architect(app, parts=[])
app.add_url_rule("/none", "none", lambda: "")
client = app.test_client()
for _ in range(int(sys.argv[1])):
    client.get("/none")
print(client.get("/metrics").get_data(as_text=True))
"""


@pytest.mark.contract("F126")
def test_metrics_are_those_of_all_processes(tmp_path):
    def run(requests: int) -> Any:
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": ""}
        command = [sys.executable, "-c", WORKER, str(requests)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
        return samples(done.stdout)

    key = ("flarchitect_requests_total", ("GET", "/none", "200"))
    assert [run(3)[key], run(4)[key]] == [3, 7]


@pytest.mark.contract("F142, F143")
def test_a_folder_of_processes_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "absent"))
    with pytest.raises(ConfigurationError, match=r"PROMETHEUS_MULTIPROC_DIR.*no folder.*Create it"):
        bare(API_EXPOSE_METRICS=True)


@pytest.mark.contract("F143")
def test_metrics_without_their_library_are_told_with_the_line_to_install_it():
    program = (
        "from importlib.machinery import PathFinder as P\n"
        "find = P.find_spec\n"
        "P.find_spec = lambda name, *rest: None if name == 'prometheus_client' else find(name, *rest)\n" + WORKER
    )
    done = subprocess.run([sys.executable, "-c", program, "1"], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert "ConfigurationError" in done.stderr
    assert "pip install 'flarchitect-core[metrics]'" in done.stderr


# --- health -----------------------------------------------------------------------------------------------------------


def bare(**config: Any) -> Flask:
    """Make an application without models."""
    app = Flask("bare")
    app.config.update(FULL_AUTO=False, **config)
    Architect(app, parts=[])
    return app


@pytest.mark.contract("core C-11")
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nothing_is_exposed_by_default(path):
    assert bare().test_client().get(path).status_code == 404


@pytest.mark.contract("core C-11")
def test_without_a_database_the_application_is_ready():
    client = bare(API_EXPOSE_HEALTH=True).test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ready", "checks": {}}
    assert client.get("/readyz").headers["Cache-Control"] == "no-store"


@pytest.mark.contract("core C-11, F128")
def test_a_ready_application_names_its_databases(engine):
    response = make(engine, API_EXPOSE_HEALTH=True).test_client().get("/readyz")
    assert response.status_code == 200
    assert response.get_json() == {"status": "ready", "checks": {"database": {"status": "ok"}}}


def with_own_engine(uri: str, **config: Any) -> Flask:
    app = Flask("own_engine")
    app.config.update(API_BASE_MODEL=Base, API_DATABASE_URI=uri, API_EXPOSE_HEALTH=True, **config)
    Architect(app, parts=[])
    return app


@pytest.mark.contract("core C-11, F128")
def test_a_lost_database_is_503_without_secrets_while_the_process_lives(caplog):
    app = with_own_engine("postgresql+psycopg://ida:s3cret@127.0.0.1:1/films")
    client = app.test_client()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json() == {"status": "unavailable", "checks": {"database": {"status": "failed"}}}
    assert client.get("/healthz").status_code == 200
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "The readiness check failed for database: OperationalError"
    assert "s3cret" not in response.get_data(as_text=True) + caplog.text


@pytest.mark.contract("core C-11, F128")
def test_a_database_that_hangs_is_not_waited_for_and_asked_once(uri, engine):
    app = with_own_engine(uri, API_READY_TIMEOUT_MS=50)
    own = state_of(app).database.engine
    is_free, asked = threading.Event(), []

    def hang(*_: Any) -> None:
        asked.append(1)
        is_free.wait(10)

    sa.event.listen(own, "before_cursor_execute", hang)
    client = app.test_client()
    assert [client.get("/readyz").status_code for _ in range(3)] == [503, 503, 503]
    is_free.set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "flarchitect-readiness"]
    thread.join(10)
    assert len(asked) == 1
    assert client.get("/readyz").status_code == 200
    own.dispose()


@pytest.mark.contract("core C-11, F128")
def test_a_session_getter_that_fails_is_503(engine):
    def getter() -> Session:
        raise LookupError("of the application")

    app = Flask("failing")
    app.config.update(API_BASE_MODEL=Base, API_SESSION_GETTER=getter, API_EXPOSE_HEALTH=True)
    Architect(app, parts=[])
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.get_json()["checks"]) == (503, {"session": {"status": "failed"}})


@pytest.mark.contract("core C-11")
def test_the_databases_of_flask_sqlalchemy_are_named_by_their_bind_keys(tmp_path):
    app = Flask("binds")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'a.db'}",
        SQLALCHEMY_BINDS={"archive": f"sqlite:///{tmp_path / 'b.db'}"},
        API_EXPOSE_HEALTH=True,
        API_BASE_MODEL=Base,
    )
    db = SQLAlchemy()
    db.init_app(app)
    Architect(app, parts=[])
    assert set(app.test_client().get("/readyz").get_json()["checks"]) == {"database", "archive"}
    with app.app_context():
        for each in db.engines.values():
            each.dispose()


@pytest.mark.contract("core 5.2")
def test_the_paths_can_be_chosen_and_get_no_request_line(caplog):
    caplog.set_level(logging.INFO, logger="flarchitect")
    config = {"API_HEALTH_PATH": "/live", "API_READY_PATH": "/up/ready", "API_METRICS_PATH": "/up/metrics"}
    client = bare(API_EXPOSE_HEALTH=True, API_EXPOSE_METRICS=True, **config).test_client()
    assert [client.get(path).status_code for path in config.values()] == [200, 200, 200]
    assert caplog.records == []
    client.get("/up")
    assert len(caplog.records) == 1


@pytest.mark.contract("core 5.2")
def test_chosen_exclusions_replace_the_default(caplog):
    caplog.set_level(logging.INFO, logger="flarchitect")
    bare(API_EXPOSE_HEALTH=True, API_LOG_EXCLUDE="/quiet").test_client().get("/healthz")
    assert [record.getMessage() for record in caplog.records] == ["Completed GET /healthz -> 200"]


@pytest.mark.contract("F142")
def test_a_path_that_something_else_has_is_told():
    app = Flask("taken")
    app.config.update(FULL_AUTO=False, API_EXPOSE_HEALTH=True, API_EXPOSE_METRICS=True, API_METRICS_PATH="/readyz")
    app.add_url_rule("/healthz", "mine", lambda: "")
    with pytest.raises(ConfigurationError) as raised:
        Architect(app, parts=[])
    assert raised.value.problems == [
        "API_HEALTH_PATH is /healthz, which is the route of 'mine' already. "
        "Set API_HEALTH_PATH to another path, or API_EXPOSE_HEALTH = False.",
        "API_METRICS_PATH is /readyz, which is that of API_READY_PATH already. "
        "Set API_METRICS_PATH to another path, or API_EXPOSE_METRICS = False.",
    ]


@pytest.mark.contract("F142")
@pytest.mark.parametrize("path", ["healthz", "/", "/<name>", "/a?b", 1])
def test_what_is_no_path_is_told(path):
    with pytest.raises(ConfigurationError, match="API_HEALTH_PATH must be a URL path"):
        bare(API_HEALTH_PATH=path)


# --- request lines ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("core 5.2")
def test_queries_are_logged_on_demand_without_secrets(caplog):
    caplog.set_level(logging.INFO, logger="flarchitect")
    bare(API_LOG_QUERY=True).test_client().get("/?title__like=a%0Ab&access_token=t1&or[user.password__eq=p1]=p2&key=k1")
    line = vars(caplog.records[-1])["query"]
    assert line.startswith("title__like=a%0Ab&access_token=***&")
    assert not any(secret in line for secret in ("t1", "p2", "k1"))


@pytest.mark.contract("core 5.2")
def test_queries_are_not_logged_by_default(caplog):
    caplog.set_level(logging.INFO, logger="flarchitect")
    bare().test_client().get("/?title=a")
    assert vars(caplog.records[-1])["query"] is None


@pytest.mark.contract("core 5.2")
@pytest.mark.parametrize("rate,least,most", [(0, 0, 0), (0.5, 20, 180), (1, 200, 200)])
def test_a_sample_of_requests_gets_a_line(caplog, rate, least, most):
    caplog.set_level(logging.INFO, logger="flarchitect")
    client = bare(API_LOG_SAMPLE_RATE=rate).test_client()
    for _ in range(200):
        client.get("/")
    assert least <= len(caplog.records) <= most


@pytest.mark.contract("core 5.2")
def test_failures_and_slow_requests_are_in_every_sample(engine, caplog):
    caplog.set_level(logging.INFO, logger="flarchitect")
    make(engine, API_LOG_SAMPLE_RATE=0).test_client().get("/fails")
    make(engine, API_LOG_SAMPLE_RATE=0, API_LOG_SLOW_MS=0).test_client().get("/none")
    assert [record.getMessage() for record in caplog.records if record.getMessage().startswith("Completed")] == [
        "Completed GET /fails -> 500",
        "Completed GET /none -> 200",
    ]


@pytest.mark.contract("core 5.2")
def test_a_user_agent_is_logged_as_a_hash(capsys):
    client = bare(API_JSON_LOGS=True).test_client()
    for agent in ("curl/8", "curl/8", "curl/9"):
        client.get("/", headers={"User-Agent": agent})
    first, second, third = (json.loads(line)["user_agent"] for line in capsys.readouterr().err.splitlines())
    assert first == second != third
    assert re.fullmatch("[0-9a-f]{12}", first)
