"""`flask flarchitect routes|config|doctor`: what they show, never a secret, and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

from flarchitect_core.architect import Architect
from flarchitect_core.findings import Finding
from flarchitect_core.part import Part
from flarchitect_core.settings import Option, text
from flarchitect_core.state import ApplicationState, state_of


class Base(DeclarativeBase):
    pass


class Studio(Base):
    __tablename__ = "studios"

    class Meta:
        pagination_size_max = 7
        get_pagination_size_default = 3

    id: Mapped[int] = mapped_column(primary_key=True)


class Film(Base):
    __tablename__ = "films"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    studio_id: Mapped[int] = mapped_column(sa.ForeignKey("studios.id"))
    checked_id: Mapped[int] = mapped_column(sa.ForeignKey("studios.id"), index=True)
    studio: Mapped[Studio] = relationship(foreign_keys=studio_id)


class Draft(Base):
    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)


PASSWORDS = ("s3cret", "p@ss/w0rd", "k3y")


class SecretivePart(Part):
    """Has an option that is a secret, a command and a finding of its own."""

    name = "secretive"
    distribution = "flarchitect-core"
    options = (Option("PEPPER", None, text, "A secret.", secret=True, topic="Test"),)

    def commands(self) -> Iterable[click.Command]:
        """Give one."""
        return [click.Command("greet", callback=lambda: click.echo("hello"))]

    def diagnose(self, state: ApplicationState) -> Iterable[Finding]:
        """Find something."""
        return [Finding("error", "pepper", "There is no pepper.")]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'films.db'}"


@pytest.fixture
def engine(uri: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(uri)
    yield engine
    engine.dispose()


def make(engine: sa.Engine, *parts: Part, **config: Any) -> Flask:
    app = Flask("commands")
    app.config.update(API_BASE_MODEL=Base, API_SESSION_GETTER=sessionmaker(engine), **config)
    Architect(app, parts=parts)
    return app


def run(app: Flask, *arguments: str, exit_code: int = 0) -> str:
    result = app.test_cli_runner().invoke(args=["flarchitect", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def findings(app: Flask, *arguments: str, exit_code: int = 0) -> dict[str, tuple[str, str]]:
    """Run the doctor; check to severity and message."""
    found = json.loads(run(app, "doctor", "--json", *arguments, exit_code=exit_code))
    return {finding["check"]: (finding["severity"], finding["message"]) for finding in found}


# --- routes -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("F137")
def test_routes_name_method_rule_resource_and_endpoint(engine):
    app = make(engine, API_EXPOSE_HEALTH=True)
    app.add_url_rule("/api/films/<int:id>", "film", lambda id: "", methods=["GET", "DELETE"])
    app.add_url_rule("/about", "about", lambda: "")
    listed = json.loads(run(app, "routes", "--json"))
    assert listed == [
        {"method": "GET", "rule": "/about", "resource": None, "endpoint": "about"},
        {"method": "DELETE", "rule": "/api/films/<int:id>", "resource": "Film", "endpoint": "film"},
        {"method": "GET", "rule": "/api/films/<int:id>", "resource": "Film", "endpoint": "film"},
        {"method": "GET", "rule": "/healthz", "resource": None, "endpoint": "flarchitect_health"},
        {"method": "GET", "rule": "/readyz", "resource": None, "endpoint": "flarchitect_ready"},
        {"method": "GET", "rule": "/static/<path:filename>", "resource": None, "endpoint": "static"},
    ]
    lines = run(app, "routes").splitlines()
    assert lines[0].split() == ["METHOD", "RULE", "RESOURCE", "ENDPOINT"]
    assert lines[2].split() == ["DELETE", "/api/films/<int:id>", "Film", "film"]


# --- config -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("core C-1")
def test_config_tells_values_with_their_origin(engine):
    app = make(engine, API_TITLE="Films", API_GET_PAGINATION_SIZE_MAX=9)
    told = {item["name"]: (item["value"], item["origin"]) for item in json.loads(run(app, "config", "--json"))}
    assert told["API_TITLE"] == ("Films", "config")
    assert told["API_PREFIX"] == ("/api", "default")
    assert told["API_GET_PAGINATION_SIZE_MAX"] == (9, "config")
    assert told["Studio.Meta.pagination_size_max"] == (7, "model")
    assert told["Studio.Meta.get_pagination_size_default"] == (3, "model")
    assert told["API_BASE_MODEL"][0] == f"{__name__}.Base"
    assert "Film.Meta.pagination_size_max" not in told
    assert "Studio.Meta.get_pagination_size_max" not in told


@pytest.mark.contract("core C-1")
def test_changed_leaves_out_defaults(engine):
    app = Flask("changed")
    Architect(app, parts=[], full_auto=False, title="Films")
    assert [line.split() for line in run(app, "config", "--changed").splitlines()] == [
        ["OPTION", "VALUE", "ORIGIN"],
        ["API_TITLE", "Films", "keyword"],
        ["API_FULL_AUTO", "false", "keyword"],
    ]


@pytest.mark.contract("core C-1, core 12 30")
@pytest.mark.parametrize("arguments", [(), ("--json",), ("--changed",)])
def test_no_secret_is_shown(arguments):
    app = Flask("secrets")
    app.config.update(
        API_BASE_MODEL=Base,
        API_DATABASE_URI="postgresql+psycopg://ida:p@ss/w0rd@db/films?sslpassword=k3y&application_name=shop",
        API_DATABASE_ENGINE_OPTIONS={"connect_args": {"password": "s3cret", "user": "ida"}, "pool_size": 3},
        API_PEPPER="s3cret",
    )
    # The password has an `@` that is not quoted, so the driver is never asked to connect.
    Architect(app, parts=[SecretivePart()])
    output = run(app, "config", *arguments)
    assert not any(password in output for password in PASSWORDS)
    assert "postgresql+psycopg://ida:***@db/films?sslpassword=***&application_name=shop" in output
    assert "pool_size" in output
    assert "***" in next(line for line in output.splitlines() if "API_PEPPER" in line) or "--json" in arguments


# --- doctor -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("R47")
def test_a_sound_application_passes_the_strict_doctor(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX films_studio ON films (studio_id)")
    app = make(engine, TRUSTED_HOSTS=["films.test"], API_EXPOSE_HEALTH=True, SECRET_KEY="7f3a" * 12)
    assert findings(app, "--strict") == {
        "unpublished-models": ("info", "Not published, because they have no inner class Meta: Draft.")
    }


@pytest.mark.contract("R47")
def test_what_is_unsafe_is_a_warning_and_strict_exits_with_1(engine):
    Base.metadata.create_all(engine)
    config = {"SECRET_KEY": "dev", "API_EXPOSE_EXCEPTIONS": True, "API_EXPOSE_METRICS": True}
    app = make(engine, API_SERVER_TIMING=True, **config)
    found = findings(app, "--strict", exit_code=1)
    assert {check for check, (severity, _) in found.items() if severity == "warning"} == {
        "weak-secret",
        "expose-exceptions",
        "trusted-hosts",
        "foreign-key-index",
    }
    assert {"health", "metrics", "server-timing"} <= {
        check for check, (severity, _) in found.items() if severity == "info"
    }
    assert "'dev'" not in str(found)
    assert findings(app) == found


@pytest.mark.contract("R47")
@pytest.mark.parametrize("where", ["config", "environment"])
def test_debug_mode_is_a_warning(engine, monkeypatch, where):
    monkeypatch.setenv("FLASK_DEBUG", "1" if where == "environment" else "0")
    assert findings(make(engine, DEBUG=where == "config"))["debug"][0] == "warning"


@pytest.mark.contract("R47")
def test_only_the_foreign_key_without_an_index_is_told(engine):
    Base.metadata.create_all(engine)
    severity, message = findings(make(engine))["foreign-key-index"]
    assert severity == "warning"
    assert message.startswith("films.studio_id refers to studios and begins no index")


@pytest.mark.contract("F134")
def test_missing_tables_and_columns_are_errors(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE films (id INTEGER PRIMARY KEY, studio_id INTEGER)")
    found = findings(make(engine), "--strict", exit_code=1)
    assert found["missing-table"] == (
        "error",
        "The table studios is not in the database 'database'. Create it, or run your migrations.",
    )
    assert found["missing-column"] == (
        "error",
        "The table films of the database 'database' lacks checked_id. Run your migrations.",
    )


@pytest.mark.contract("R47")
def test_a_database_that_does_not_answer_is_an_error_without_secrets():
    app = Flask("lost")
    uri = "postgresql+psycopg://ida:s3cret@127.0.0.1:1/films"
    Architect(app, parts=[], base_model=Base, database_uri=uri)
    output = run(app, "doctor")
    assert "ERROR    database: The database 'database' (postgresql) cannot be read: OperationalError." in output
    assert "s3cret" not in output
    state_of(app).database.engine.dispose()


@pytest.mark.contract("R47")
def test_a_session_getter_that_fails_is_an_error():
    def getter() -> Session:
        raise LookupError

    app = Flask("failing")
    Architect(app, parts=[], base_model=Base, session_getter=getter)
    assert findings(app)["session"][0] == "error"


@pytest.mark.contract("R47")
def test_a_route_behind_another_is_told(engine):
    app = make(engine, API_EXPOSE_HEALTH=True)
    app.add_url_rule("/healthz", "mine", lambda: "")
    severity, message = findings(app)["shadowed-route"]
    assert severity == "warning"
    assert message.startswith("GET /healthz of 'mine' is never reached: 'flarchitect_health'")


@pytest.mark.contract("R47")
@pytest.mark.parametrize(
    "key,weak",
    [
        ("change-me", True),
        ("your-secret-key-goes-here", True),
        (b"dev", True),
        ("short", True),
        ("9d3b0c51e7aa42d8", False),
        ("secretly-" + "9d3b0c51e7aa42d8" * 3, False),
    ],
)
def test_sample_secrets_are_recognised(engine, key, weak):
    assert ("weak-secret" in findings(make(engine, SECRET_KEY=key))) is weak


@pytest.mark.contract("R47")
def test_notices_of_the_start_are_told_again(engine):
    assert findings(make(engine, API_SOMETHING_OF_MINE=1))["start-up"][0] == "info"


# --- the group --------------------------------------------------------------------------------------------------------


@pytest.mark.contract("F137")
def test_parts_add_commands_and_findings(engine):
    app = make(engine, SecretivePart())
    assert run(app, "greet") == "hello\n"
    assert run(app, "doctor").count("ERROR    pepper: There is no pepper.\n") == 1


@pytest.mark.contract("F137")
def test_the_commands_work_for_factories(tmp_path):
    (tmp_path / "factory.py").write_text(
        "from flask import Flask\n"
        "from flarchitect_core.architect import Architect\n"
        "def create_app(title='None'):\n"
        "    app = Flask(__name__)\n"
        "    Architect(app, parts=[], full_auto=False, title=title)\n"
        "    return app\n"
    )
    command = [sys.executable, "-m", "flask", "--app", "factory:create_app('Films')", "flarchitect", "config", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert json.loads(done.stdout)[0] == {"name": "API_TITLE", "value": "Films", "origin": "keyword"}


@pytest.mark.contract("F137")
@pytest.mark.parametrize("command", ["routes", "config", "doctor"])
def test_each_command_explains_itself(engine, command):
    assert "--json" in run(make(engine), command, "--help")
    assert command in run(make(engine), "--help")
