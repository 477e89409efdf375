"""`get_session`: where the session comes from, whose it is, and what happens to it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from flarchitect_core.architect import Architect
from flarchitect_core.session import get_session


class Base(DeclarativeBase):
    pass


class Film(Base):
    __tablename__ = "film"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(80))


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'films.db'}"


@pytest.fixture
def engine(uri: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(uri)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()
    gc.collect()


def bound(engine: sa.Engine, **config: Any) -> Flask:
    """Make an application whose sessions come from a `sessionmaker`."""
    app = Flask("sessions")
    app.config.update(API_SESSION_GETTER=sessionmaker(engine), API_BASE_MODEL=Base, API_LOG_REQUESTS=False, **config)
    Architect(app, parts=[])
    return app


def titles(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(Film.title)).scalars())


@pytest.mark.contract("core 6, get_session")
def test_a_block_gets_a_session_that_commits_when_it_is_told_to(engine: sa.Engine) -> None:
    with bound(engine).app_context(), get_session(Film) as session:
        session.add(Film(title="Moth"))
        session.commit()
    assert titles(engine) == ["Moth"]


@pytest.mark.contract("core 6, get_session")
def test_an_exception_rolls_the_block_back(engine: sa.Engine) -> None:
    def fail() -> None:
        with get_session(Film) as session:
            session.add(Film(title="Moth"))
            session.flush()
            raise ZeroDivisionError

    with bound(engine).app_context(), pytest.raises(ZeroDivisionError):
        fail()
    assert titles(engine) == []


@pytest.mark.contract("core 6, get_session")
def test_what_was_opened_for_the_block_is_closed(engine: sa.Engine) -> None:
    with bound(engine).app_context(), get_session(Film) as session:
        session.execute(sa.select(Film))
        assert session.in_transaction()
    assert not session.in_transaction()


@pytest.mark.contract("core 6, get_session")
def test_a_scoped_session_that_was_open_before_stays_open(engine: sa.Engine) -> None:
    scoped = scoped_session(sessionmaker(engine))
    app = Flask("scoped")
    app.config["API_SESSION_GETTER"] = scoped
    scoped.add(Film(title="Pending"))
    with app.app_context(), get_session() as session:
        assert session is scoped()
    assert len(scoped.new) == 1
    scoped.remove()


@pytest.mark.contract("core 6, get_session")
def test_one_request_has_one_session_and_it_is_closed_at_the_end(engine: sa.Engine) -> None:
    app = bound(engine)
    seen: list[Session] = []

    @app.get("/twice")
    def twice() -> str:
        for _ in range(2):
            with get_session(Film) as session:
                session.execute(sa.select(Film))
                seen.append(session)
        return str(session.in_transaction())

    assert app.test_client().get("/twice").text == "True"
    assert seen[0] is seen[1]
    assert not seen[0].in_transaction()


@pytest.mark.contract("core 6, get_session")
def test_the_session_of_a_database_uri_is_found(uri: str, engine: sa.Engine) -> None:
    app = Flask("uri")
    app.config.update(API_DATABASE_URI=uri, API_BASE_MODEL=Base)
    Architect(app, parts=[])
    with app.app_context(), get_session() as session:
        ours = session.get_bind()
        assert isinstance(ours, sa.Engine)
        assert ours.url == engine.url
    ours.dispose()


@pytest.mark.contract("core 6, get_session")
def test_flask_sqlalchemys_own_session_is_given_also_without_architect(uri: str) -> None:
    db = SQLAlchemy()
    app = Flask("flask_sqlalchemy")
    app.config["SQLALCHEMY_DATABASE_URI"] = uri
    db.init_app(app)
    with app.app_context():
        with get_session() as session:
            assert session is db.session()
        db.session.remove()
        db.engine.dispose()


@pytest.mark.contract("core 6, get_session")
def test_the_getter_of_a_model_beats_that_of_the_application(engine: sa.Engine) -> None:
    class Own:
        class Meta:
            session_getter = sessionmaker(engine, info={"mine": True})

    with bound(engine).app_context(), get_session(Own) as session:
        assert session.info == {"mine": True}


@pytest.mark.contract("core 6, get_session")
@pytest.mark.parametrize("has_context", [True, False])
def test_older_ways_of_a_model_work_with_and_without_an_application(engine: sa.Engine, has_context: bool) -> None:
    session = Session(engine)
    ways: list[Any] = [
        type("Queried", (), {"query": SimpleNamespace(session=session)}),
        type("Asked", (), {"get_session": lambda: session}),
    ]
    app = Flask("legacy")
    for way in ways:
        if has_context:
            with app.app_context(), get_session(way) as given:
                assert given is session
        else:
            with get_session(way) as given:
                assert given is session


@pytest.mark.contract("core 6, get_session")
def test_an_engine_bound_to_the_metadata_is_used_and_one_request_opens_one_session_on_it(engine: sa.Engine) -> None:
    class Bound:
        metadata = SimpleNamespace(bind=engine)

    app = Flask("metadata")
    Architect(app, parts=[])
    app.config["API_LOG_REQUESTS"] = False
    seen: list[Session] = []

    @app.get("/twice")
    def twice() -> str:
        for _ in range(2):
            with get_session(Bound) as session:
                seen.append(session)
        return ""

    app.test_client().get("/twice")
    assert seen[0] is seen[1]
    assert seen[0].get_bind() is engine


@pytest.mark.contract("core 6, get_session")
def test_a_getter_that_fails_is_heard(engine: sa.Engine) -> None:
    def broken() -> Session:
        raise LookupError("no tenant")

    app = Flask("broken")
    app.config["API_SESSION_GETTER"] = broken
    with app.app_context(), pytest.raises(LookupError, match="no tenant"), get_session():
        pass


@pytest.mark.contract("core 6, get_session")
@pytest.mark.parametrize("given", [None, "session"])
def test_a_getter_that_gives_no_session_is_named(given: object) -> None:
    app = Flask("wrong")
    app.config["API_SESSION_GETTER"] = lambda: given
    with app.app_context(), pytest.raises(RuntimeError, match="API_SESSION_GETTER"), get_session():
        pass


@pytest.mark.contract("core 6, get_session")
def test_without_any_session_the_ways_are_named() -> None:
    with pytest.raises(RuntimeError, match=r"API_SESSION_GETTER.*API_DATABASE_URI"), get_session(Film):
        pass
