"""Starting: every mistake told at once with its fix, and an application that is bound once."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flarchitect_core.architect import FLASK_APP_NAME, Architect
from flarchitect_core.errors import AlreadyInitialisedError, ConfigurationError
from flarchitect_core.part import Part
from flarchitect_core.settings import Option, boolean
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import ApplicationState, state_of


class Base(DeclarativeBase):
    pass


class Film(Base):
    __tablename__ = "film"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)


class Empty(DeclarativeBase):
    pass


class Hidden(Empty):
    __tablename__ = "hidden"
    id: Mapped[int] = mapped_column(primary_key=True)


class Bad(DeclarativeBase):
    pass


class Misspelt(Bad):
    __tablename__ = "misspelt"

    class Meta:
        read_onli = True
        pagination_size_max = "many"

    id: Mapped[int] = mapped_column(primary_key=True)


class ServingPart(Part):
    """Wants models, as a transport does, and notes when it acts."""

    name = "serving"
    distribution = "flarchitect-core"
    serves_models = True
    acted: list[str] = []

    def check(self, state: ApplicationState) -> None:
        """Note it."""
        self.acted.append(f"{self.name} check")

    def register(self, state: ApplicationState) -> None:
        """Note it."""
        self.acted.append(f"{self.name} register")


def problems_of(base: Any = None, parts: list[Part] | None = None, **config: Any) -> list[str]:
    """Start an application that must not start, and give what is told."""
    app = Flask("wrong")
    app.config.update(config)
    if base is not None:
        app.config["API_BASE_MODEL"] = base
    with pytest.raises(ConfigurationError) as raised:
        Architect(app, parts=parts if parts is not None else [ServingPart()])
    assert isinstance(raised.value, ValueError)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def a_part(name: str, **members: Any) -> Part:
    """Make a part with a class of its own."""
    part_class: type[Part] = type(name, (ServingPart,), {"name": name, **members})
    return part_class()


@pytest.mark.contract("decisions 13")
def test_all_mistakes_are_told_at_once() -> None:
    told = problems_of(Bad, API_PERFIX="/v1", API_DUMP_VERSION="yes")
    assert len(told) == 5
    assert "API_PERFIX is not an option. Did you mean API_PREFIX?" in told
    assert "The configuration key API_DUMP_VERSION must be True or False; it is 'yes'." in told
    assert 'Misspelt.Meta.read_onli is not an option. Did you mean "read_only"?' in told
    assert any(problem.startswith("Misspelt.Meta.pagination_size_max must be") for problem in told)
    assert any(problem.startswith("No database session for the models") for problem in told)


@pytest.mark.contract("rest 1.2")
def test_a_missing_base_is_told_with_both_ways_out() -> None:
    (told,) = problems_of()
    assert "API_BASE_MODEL" in told
    assert "FULL_AUTO" in told


@pytest.mark.contract("rest 1.2")
@pytest.mark.parametrize("base", [Empty, [Empty]])
def test_a_base_without_published_models_is_told_and_never_an_empty_api(base: Any) -> None:
    (told,) = problems_of(base)
    assert "has no published model" in told
    assert "class Meta" in told


@pytest.mark.contract("rest 1.2")
@pytest.mark.parametrize("base", ["Base", 1, [1], {Film}])
def test_a_base_that_is_no_class_is_told(base: Any) -> None:
    (told,) = problems_of(base)
    assert told.startswith("The configuration key API_BASE_MODEL must be a class or a list of classes")


@pytest.mark.contract("rest 1.3")
def test_a_missing_session_is_told_with_the_three_ways() -> None:
    (told,) = problems_of(Base)
    assert all(way in told for way in ("Flask-SQLAlchemy", "API_SESSION_GETTER", "API_DATABASE_URI", "session", "Film"))


@pytest.mark.contract("rest 1.3")
def test_two_ways_to_a_session_are_one_too_many() -> None:
    told = problems_of(Base, API_DATABASE_URI="sqlite://", API_SESSION_GETTER=lambda: Session())
    assert told == ["API_SESSION_GETTER and API_DATABASE_URI are both set. Keep one of them."]


@pytest.mark.contract("rest 1.3")
@pytest.mark.parametrize("uri", ["films.db", "nosuchdb://x", ""])
def test_what_is_no_database_url_is_told(uri: str) -> None:
    (told,) = problems_of(Base, API_DATABASE_URI=uri)
    assert "API_DATABASE_URI is not a SQLAlchemy URL" in told


@pytest.mark.contract("decisions 13")
def test_an_unknown_keyword_argument_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"base_modle of .* Did you mean base_model\?"):
        Architect(Flask("keyword"), parts=[], base_modle=Base)


@pytest.mark.contract("decisions 13")
def test_a_key_of_a_part_that_is_not_installed_is_told_with_what_to_install() -> None:
    (told,) = problems_of(parts=[], API_JWT_EXPIRY_TIME=5)
    assert "pip install flarchitect-auth" in told


def test_one_problem_is_a_sentence_and_several_are_a_numbered_list() -> None:
    assert str(ConfigurationError("Only this.")) == "Only this."
    assert str(ConfigurationError(["First.", "Second."])).splitlines()[1:] == ["  1. First.", "  2. Second."]


def test_an_application_that_did_not_start_can_be_started_again() -> None:
    app = Flask("again")
    app.config["API_PERFIX"] = "/v1"
    with pytest.raises(ConfigurationError):
        Architect(app, parts=[])
    app.config["API_PREFIX"] = app.config.pop("API_PERFIX")
    Architect(app, parts=[])
    assert state_of(app).registry.prefix == "/v1"


@pytest.mark.contract("core 2")
def test_an_application_is_bound_once() -> None:
    app = Flask("twice")
    architect = Architect(app, parts=[])
    assert app.extensions["flarchitect"] is app.extensions[FLASK_APP_NAME] is architect
    with pytest.raises(AlreadyInitialisedError, match="already initialised for 'twice'") as raised:
        architect.init_app(app, parts=[])
    assert isinstance(raised.value, RuntimeError)


@pytest.mark.contract("core 2, core C-5")
def test_one_object_serves_several_applications_with_settings_of_their_own() -> None:
    architect = Architect()
    assert architect.app is None
    assert architect.get_config("API_TITLE", "unbound") == "unbound"
    apps = [Flask(f"app{number}") for number in range(2)]
    for number, app in enumerate(apps):
        app.config["API_TITLE"] = f"Title {number}"
        architect.init_app(app, parts=[])
    assert architect.app is None
    for number, app in enumerate(apps):
        with app.app_context():
            assert architect.app is app
            assert architect.get_config("API_TITLE") == f"Title {number}"


@pytest.mark.contract("core 8")
@pytest.mark.contract("core 2, reloader")
@pytest.mark.parametrize("runs_main,bound", [(None, False), ("false", False), ("true", True)])
def test_the_process_that_supervises_the_reloader_binds_nothing_unasked(
    monkeypatch: pytest.MonkeyPatch, runs_main: str | None, bound: bool
) -> None:
    monkeypatch.setenv("WERKZEUG_SERVER_FD", "3")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    if runs_main is not None:
        monkeypatch.setenv("WERKZEUG_RUN_MAIN", runs_main)
    app = Flask("supervised")
    architect = Architect(app, parts=[])
    assert ("flarchitect" in app.extensions) is bound
    if not bound:
        architect.init_app(app, parts=[])
        assert "flarchitect" in app.extensions


@pytest.mark.contract("core 12 3")
@pytest.mark.contract("rest 1.1")
def test_it_binds_with_and_without_an_application_context() -> None:
    for name in ("with", "without"):
        app = Flask(name)
        app.config.update(API_BASE_MODEL=Base, API_DATABASE_URI="sqlite://")
        if name == "with":
            with app.app_context():
                Architect(app, parts=[ServingPart()])
        else:
            Architect(app, parts=[ServingPart()])
        assert len(state_of(app).registry) == 1
        engine = state_of(app).database.engine
        assert isinstance(engine, sa.Engine)
        engine.dispose()


@pytest.mark.contract("conventions 1.4")
def test_parts_act_by_order_then_name_and_all_check_before_one_registers() -> None:
    ServingPart.acted = []
    parts = [a_part("late", order=200), a_part("b", order=5), a_part("a", order=5)]
    for part in parts:
        type(part).serves_models = False
    Architect(Flask("ordered"), parts=parts)
    assert ServingPart.acted == [f"{name} {moment}" for moment in ("check", "register") for name in ("a", "b", "late")]


def test_a_part_that_finds_a_problem_keeps_every_part_from_registering() -> None:
    def find(self: Part, state: ApplicationState) -> None:
        state.report.problem("The weather is bad.")

    ServingPart.acted = []
    told = problems_of(parts=[a_part("finder", check=find, serves_models=False), a_part("other", serves_models=False)])
    assert told == ["The weather is bad."]
    assert ServingPart.acted == ["other check"]


def test_options_of_a_part_are_checked_like_those_of_core() -> None:
    switch = Option("WEATHER", True, boolean, "Show the weather.", owner="weather", topic="Weather")
    (told,) = problems_of(parts=[a_part("weather", options=(switch,), serves_models=False)], API_WETHER=False)
    assert told == "API_WETHER is not an option. Did you mean API_WEATHER?"


@pytest.mark.contract("rest 1.1")
def test_without_full_auto_parts_register_when_they_are_asked_and_once() -> None:
    ServingPart.acted = []
    app = Flask("manual")
    app.config["FULL_AUTO"] = False
    architect = Architect(app, parts=[a_part("manual", serves_models=False)])
    assert ServingPart.acted == ["manual check"]
    architect.init_api(app)
    assert ServingPart.acted == ["manual check", "manual check", "manual register"]
    with pytest.raises(AlreadyInitialisedError):
        architect.init_api(app)


def test_state_of_an_application_that_is_not_bound_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"Call Architect\(app\) first"):
        state_of(Flask("unbound"))


def test_a_report_tells_each_thing_once(caplog: pytest.LogCaptureFixture) -> None:
    report = StartupReport()
    for _ in range(2):
        report.problems_from(["Wrong."])
        report.notice("By the way.")
    assert (report.problems, report.notices) == (["Wrong."], ["By the way."])
    with caplog.at_level(logging.WARNING, logger="flarchitect.startup"):
        report.log_notices()
    assert [record.getMessage() for record in caplog.records] == ["By the way."]


def test_a_report_without_problems_raises_nothing() -> None:
    StartupReport(notices=["Only this."]).raise_if_any()


def test_broken_models_of_others_in_the_process_are_not_ours():
    class Others(DeclarativeBase):
        pass

    class Broken(Others):
        __tablename__ = "broken"

        id: Mapped[int] = mapped_column(primary_key=True)
        lost = relationship("NoSuchModel")

    Architect(an_app := Flask("beside_others"), parts=[], base_model=Film, database_uri="sqlite://")
    assert state_of(an_app).registry.get(Film) is not None
    Others.registry.dispose()
