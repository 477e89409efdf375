"""Applications over real databases, for the tests of this package.

`FLARCHITECT_TEST_DATABASES` names the databases: a comma list of `sqlite`, `postgresql` and `mariadb`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import os
import uuid
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, scoped_session, sessionmaker

from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app, temporary_database
from flarchitect_rest.part import RestPart

SERVERS = {
    "sqlite": "sqlite",
    "postgresql": os.environ.get("FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("FLARCHITECT_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}
DATABASES = os.environ.get("FLARCHITECT_TEST_DATABASES", "sqlite").split(",")


class Served:
    """An application, a client for it, and the engine behind it."""

    def __init__(self, app: Any, engine: sa.Engine) -> None:
        self.app = app
        self.engine = engine
        self.client = app.test_client()
        for method in ("get", "post", "put", "patch", "delete", "open"):
            setattr(self, method, getattr(self.client, method))

    def value(self, url: str, **arguments: Any) -> Any:
        """GET a URL that must answer 200 and give its `value`."""
        response = self.client.get(url, **arguments)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_json()["value"]

    def scalar(self, statement: str) -> Any:
        """Run SQL and give the first value."""
        with self.engine.connect() as connection:
            return connection.exec_driver_sql(statement).scalar()

    def execute(self, statement: Any, *parameters: Any) -> None:
        """Run and commit a statement."""
        with self.engine.begin() as connection:
            connection.execute(statement, *parameters)


@pytest.fixture(scope="session", params=DATABASES)
def database_kind(request):
    return request.param


@pytest.fixture(scope="session")
def server_database(database_kind):
    """URL of a database of this run; `None` for SQLite, which gets a file for each test."""
    if database_kind == "sqlite":
        yield None
        return
    with temporary_database(SERVERS[database_kind]) as url:
        yield url


@pytest.fixture
def database_uri(server_database, tmp_path):
    return server_database or f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def serve(database_uri):
    """Create the tables of a base and serve it; the tables are dropped afterwards.

    `sessions` is where the session comes from: `uri`, `getter`, `sessionmaker` or `flask_sqlalchemy`.
    """
    served: list[tuple[Any, Served]] = []

    def start(base: Any, *, sessions: str = "uri", **config: Any) -> Served:
        metadata = base.metadata
        if sessions == "flask_sqlalchemy":
            app, engine = _with_flask_sqlalchemy(base, database_uri, config)
        elif sessions in ("getter", "sessionmaker"):
            engine = sa.create_engine(database_uri)
            maker = sessionmaker(engine)
            getter: Any = scoped_session(maker) if sessions == "getter" else maker
            app = make_app(base, parts=[RestPart()], API_SESSION_GETTER=getter, **config)
        else:
            app = make_app(base, database_uri, parts=[RestPart()], **config)
            engine = state_of(app).database.engine
        metadata.create_all(engine)
        result = Served(app, engine)
        served.append((metadata, result))
        return result

    yield start
    for metadata, result in reversed(served):
        result.engine.dispose()
        metadata.drop_all(result.engine)
        result.engine.dispose()


def _with_flask_sqlalchemy(base: Any, uri: str, config: dict[str, Any]) -> tuple[Any, sa.Engine]:
    from flask import Flask

    from flarchitect_core.architect import Architect

    app = Flask("flask_sqlalchemy_app")
    app.config.update(API_TITLE="Test", API_VERSION="1.0", API_LOG_REQUESTS=False, API_BASE_MODEL=base)
    app.config.update(SQLALCHEMY_DATABASE_URI=uri, **config)
    db = SQLAlchemy()
    db.init_app(app)
    Architect(app, parts=[RestPart()])
    with app.app_context():
        return app, db.engine


@pytest.fixture(params=["uri", "getter", "sessionmaker", "flask_sqlalchemy"])
def sessions(request):
    """Where the session comes from; a test that takes this runs once for each way."""
    return request.param


@pytest.fixture
def guest_of():
    """Make a user of a server database who has no right but those granted, and give the URL for it.

    `granted` are the words before the user's name, such as `GRANT SELECT ON films TO`.
    """
    made: list[tuple[sa.Engine, str]] = []

    def make(url: str, granted: Sequence[str]) -> str:
        engine = sa.create_engine(url)
        name, password = f"guest_{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
        is_postgresql = engine.dialect.name == "postgresql"
        created = f"CREATE ROLE {name} LOGIN PASSWORD" if is_postgresql else f"CREATE USER {name} IDENTIFIED BY"
        made.append((engine, name))
        with engine.begin() as connection:
            connection.exec_driver_sql(f"{created} '{password}'")
            for words in granted:
                connection.exec_driver_sql(f"{words} {name}")
        return sa.make_url(url).set(username=name, password=password).render_as_string(hide_password=False)

    yield make
    for engine, name in made:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"DROP OWNED BY {name}")
                connection.exec_driver_sql(f"DROP ROLE {name}")
            else:
                connection.exec_driver_sql(f"DROP USER {name}")
        engine.dispose()


class Base(DeclarativeBase):
    pass


film_actor = sa.Table(
    "film_actor",
    Base.metadata,
    sa.Column("film_id", sa.ForeignKey("films.id"), primary_key=True),
    sa.Column("actor_id", sa.ForeignKey("actors.id"), primary_key=True),
)


class Studio(Base):
    __tablename__ = "studios"

    class Meta:
        tag = "Studio"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    city: Mapped[str | None] = mapped_column(sa.String(80))
    films: Mapped[list[Film]] = relationship(back_populates="studio")


class Film(Base):
    __tablename__ = "films"

    class Meta:
        tag = "Film"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(80))
    year: Mapped[int | None]
    budget: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(10, 2))
    released: Mapped[dt.date | None]
    studio_id: Mapped[int | None] = mapped_column(sa.ForeignKey("studios.id"))
    studio: Mapped[Studio | None] = relationship(back_populates="films")
    awards: Mapped[list[Award]] = relationship(back_populates="film")
    actors: Mapped[list[Actor]] = relationship(secondary=film_actor, back_populates="films")


class Award(Base):
    __tablename__ = "awards"

    class Meta:
        tag = "Award"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(sa.String(80))
    film_id: Mapped[int] = mapped_column(sa.ForeignKey("films.id"))
    film: Mapped[Film] = relationship(back_populates="awards")


class Actor(Base):
    __tablename__ = "actors"

    class Meta:
        tag = "Actor"

    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str] = mapped_column(sa.String(80))
    email: Mapped[str | None] = mapped_column(sa.String(80))
    films: Mapped[list[Film]] = relationship(secondary=film_actor, back_populates="actors")


@pytest.fixture(scope="session")
def cinema():
    """The models of the contract: Studio, Film, Award, Actor."""
    return SimpleNamespace(Base=Base, Studio=Studio, Film=Film, Award=Award, Actor=Actor, film_actor=film_actor)


def fill_cinema(served: Served, cinema: Any, *, films: int = 5) -> None:
    """Two studios, `films` films in the first, one award each, one actor in all films."""
    served.execute(
        sa.insert(cinema.Studio),
        [{"id": 1, "name": "Harbour", "city": "Oslo"}, {"id": 2, "name": "Quay", "city": None}],
    )
    served.execute(sa.insert(cinema.Actor), [{"id": 1, "full_name": "Ida Vik", "email": None}])
    numbers = range(1, films + 1)
    served.execute(
        sa.insert(cinema.Film),
        [
            {"id": n, "title": f"Film {n}", "year": 2000 + n, "budget": decimal.Decimal(n), "studio_id": 1}
            for n in numbers
        ],
    )
    served.execute(sa.insert(cinema.Award), [{"id": n, "label": f"Award {n}", "film_id": n} for n in numbers])
    served.execute(sa.insert(cinema.film_actor), [{"film_id": n, "actor_id": 1} for n in numbers])
    if served.engine.dialect.name == "postgresql":
        # Keys that were given do not advance the sequences.
        for table in ("studios", "actors", "films", "awards"):
            served.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"))


@pytest.fixture
def cinema_app(serve, cinema):
    """The cinema, served and filled."""
    served = serve(cinema.Base)
    fill_cinema(served, cinema)
    return served


@pytest.fixture
def fill():
    """`fill_cinema`, for tests that serve the cinema with options of their own."""
    return fill_cinema
