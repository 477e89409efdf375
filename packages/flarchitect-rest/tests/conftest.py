"""Applications over real databases, for the tests of this package.

`FLARCHITECT_TEST_REDIS=1` adds the tests that need Redis.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import os
import shutil
import signal
import socket
import subprocess
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, scoped_session, sessionmaker

from flarchitect_core.state import state_of
from flarchitect_core.testing import database_servers, make_app
from flarchitect_rest.part import RestPart

SERVERS = database_servers()
DATABASES = list(SERVERS)
# Where the session comes from in tests that do not say it: `uri`, `getter`, `sessionmaker` or `flask_sqlalchemy`.
SESSIONS = os.environ.get("FLARCHITECT_TEST_SESSIONS", "uri")


# What a test that asks a server gets it by.
ON_SERVERS = frozenset({"database_kind", "databases", "kind", "own_redis", "redis_url", "reflected"})
# What these files test happens before or after the database; besides SQLite one server is enough.
ON_ONE_SERVER = frozenset(
    {
        "test_cache",
        "test_cors",
        "test_dump_modes",
        "test_envelope",
        "test_field_cases",
        "test_formats",
        "test_limits",
        "test_manual_routes",
        "test_outage",
        "test_own_schemas",
    }
    | {"test_plugins", "test_prefer", "test_routes", "test_sse", "test_type_mapping", "test_validation"}
    | {"test_writes_hidden_fields"}
)


def pytest_collection_modifyitems(config, items):
    """With servers alone, leave out the tests that ask none of them, or have asked one: they run on SQLite."""
    if "sqlite" in DATABASES:
        return
    kept = [item for item in items if _is_for_servers(item)]
    config.hook.pytest_deselected(items=list(set(items).difference(kept)))
    items[:] = kept


def _is_for_servers(item):
    if not ON_SERVERS.intersection(item.fixturenames):
        return False
    kind = item.callspec.params.get("database_kind") if hasattr(item, "callspec") else None
    return kind in (None, DATABASES[0]) or item.path.stem not in ON_ONE_SERVER


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

    def ids(self, url: str) -> list[Any]:
        """GET a collection whose rows are all on one page, and give their ids."""
        body = self.client.get(url).get_json()
        assert body.get("errors") is None, body
        assert body["total_count"] == len(body["value"])
        return [record["id"] for record in body["value"]]

    def scalar(self, statement: str) -> Any:
        """Run SQL and give the first value."""
        with self.engine.connect() as connection:
            return connection.exec_driver_sql(statement).scalar()

    def execute(self, statement: Any, *parameters: Any) -> None:
        """Run and commit a statement."""
        with self.engine.begin() as connection:
            connection.execute(statement, *parameters)

    def advance_sequences(self, *tables: str) -> None:
        """Let PostgreSQL give keys after those that were given: it does not look at them."""
        if self.engine.dialect.name == "postgresql":
            for table in tables:
                self.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"))


@pytest.fixture
def serve(database_uri, kept_engine):
    """Create the tables of a base and serve it; the tables are dropped afterwards.

    `sessions` is where the session comes from: `uri`, `getter`, `sessionmaker` or `flask_sqlalchemy`.
    """
    served: list[tuple[Any, Served]] = []

    def start(base: Any, *, sessions: str = SESSIONS, **config: Any) -> Served:
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
        if engine.dialect.name == "sqlite":
            # SQLite heeds foreign keys where it is told to, which only the engine of `API_DATABASE_URI` does by itself.
            sa.event.listen(engine, "connect", _heed_foreign_keys)
        metadata.create_all(kept_engine or engine)
        result = Served(app, engine)
        served.append((metadata, result))
        return result

    yield start
    for metadata, result in reversed(served):
        result.engine.dispose()
        if kept_engine is not None:
            metadata.drop_all(kept_engine)


def _heed_foreign_keys(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


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
    served.advance_sequences("studios", "actors", "films", "awards")


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


REDIS_URL = os.environ.get("FLARCHITECT_REDIS_URL", "redis://127.0.0.1:6379/0")


class Wire:
    """A local port that leads to Redis until it is cut, or until nothing comes through it any more."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._sockets: list[socket.socket] = []
        self.is_silent = False
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Take connections, on the same port as before."""
        self.is_silent = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections, and end those there are."""
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.is_silent:
                    target.sendall(data)


@pytest.fixture
def redis_url():
    """Redis, for tests that run when `FLARCHITECT_TEST_REDIS` is set."""
    if not os.environ.get("FLARCHITECT_TEST_REDIS"):
        pytest.skip("FLARCHITECT_TEST_REDIS is not set; `nox -s services` tests with Redis")
    return REDIS_URL


@pytest.fixture
def wire(redis_url):
    """A way to Redis that the test can cut."""
    url = urlsplit(redis_url)
    result = Wire((url.hostname or "127.0.0.1", url.port or 6379))
    yield result
    result.cut()


class OwnRedis:
    """A Redis server that a test starts, and can take away."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._command = [program, "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: S603 - a server of our own
        errors = [RedisConnectionError, OSError]  # the second is what old clients retry on
        client = Redis(port=self._port, retry=Retry(ConstantBackoff(0.1), 300), retry_on_error=errors)
        with client:
            client.ping()

    def stop(self) -> None:
        """End it, with its connections."""
        self.thaw()
        self._process.terminate()
        self._process.wait(timeout=60)

    def freeze(self) -> None:
        """Let it keep its connections and never answer."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
def own_redis(tmp_path):
    """A Redis server of the test's own, where one is installed."""
    program = shutil.which("redis-server")
    if program is None:
        told = "redis-server is not installed, so nobody can stop it while requests are under way"
        if os.environ.get("FLARCHITECT_TEST_REDIS"):
            pytest.fail(told)
        pytest.skip(told)
    server = OwnRedis(program, tmp_path)
    yield server
    server.stop()


@pytest.fixture
def prefix():
    """The beginning of keys that no other test has."""
    return f"flarchitect-test-{uuid.uuid4().hex}:"


class LeagueBase(DeclarativeBase):
    pass


match_tag = sa.Table(
    "match_tags",
    LeagueBase.metadata,
    sa.Column("match_id", sa.ForeignKey("matches.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True),
)


class Club(LeagueBase):
    """Refers to itself, is referred to twice by matches, and has one stadium that refers to it."""

    __tablename__ = "clubs"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    city: Mapped[str | None] = mapped_column(sa.String(40))
    api_key: Mapped[str] = mapped_column(sa.String(40), default="hush")
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clubs.id"))
    parent: Mapped[Club | None] = relationship(back_populates="reserves", remote_side="Club.id")
    reserves: Mapped[list[Club]] = relationship(back_populates="parent")
    stadium: Mapped[Stadium | None] = relationship(back_populates="club", uselist=False)
    contracts: Mapped[list[Contract]] = relationship(back_populates="club")

    @hybrid_property
    def initial(self) -> str:
        return self.name[:1]

    @initial.inplace.expression
    @classmethod
    def _initial(cls) -> Any:
        return sa.func.substr(cls.name, 1, 1)


class Contract(LeagueBase):
    """Cannot be read."""

    __tablename__ = "contracts"

    class Meta:
        block_methods = ["GET"]

    id: Mapped[int] = mapped_column(primary_key=True)
    salary: Mapped[int]
    club_id: Mapped[int] = mapped_column(sa.ForeignKey("clubs.id"))
    club: Mapped[Club] = relationship(back_populates="contracts")


class Stadium(LeagueBase):
    __tablename__ = "stadiums"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    club_id: Mapped[int] = mapped_column(sa.ForeignKey("clubs.id"))
    club: Mapped[Club] = relationship(back_populates="stadium")
    seats: Mapped[list[Seat]] = relationship(back_populates="stadium")


class Seat(LeagueBase):
    """Has a composite key."""

    __tablename__ = "seats"

    class Meta:
        pass

    row: Mapped[str] = mapped_column(sa.String(4), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stadium_id: Mapped[int] = mapped_column(sa.ForeignKey("stadiums.id"))
    price: Mapped[int]
    stadium: Mapped[Stadium] = relationship(back_populates="seats")
    bookings: Mapped[list[Booking]] = relationship(back_populates="seat")


class Booking(LeagueBase):
    """Refers to a composite key."""

    __tablename__ = "bookings"
    __table_args__ = (sa.ForeignKeyConstraint(["seat_row", "seat_number"], ["seats.row", "seats.number"]),)

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    seat_row: Mapped[str | None] = mapped_column(sa.String(4))
    seat_number: Mapped[int | None]
    match_id: Mapped[int] = mapped_column(sa.ForeignKey("matches.id"))
    seat: Mapped[Seat | None] = relationship(back_populates="bookings")
    match: Mapped[Match] = relationship(back_populates="bookings")


class Match(LeagueBase):
    """Refers to one model twice, and has a JSON column, over which no database can say DISTINCT."""

    __tablename__ = "matches"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    report: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    home_team_id: Mapped[int] = mapped_column(sa.ForeignKey("clubs.id"))
    away_team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clubs.id"))
    home_team: Mapped[Club] = relationship(foreign_keys=home_team_id)
    away_team: Mapped[Club | None] = relationship(foreign_keys=away_team_id)
    goals: Mapped[list[Goal]] = relationship(back_populates="match")
    tags: Mapped[list[Tag]] = relationship(secondary=match_tag, back_populates="matches")
    bookings: Mapped[list[Booking]] = relationship(back_populates="match")


class Goal(LeagueBase):
    __tablename__ = "goals"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    player: Mapped[str] = mapped_column(sa.String(40))
    minute: Mapped[int | None]
    match_id: Mapped[int] = mapped_column(sa.ForeignKey("matches.id"))
    match: Mapped[Match] = relationship(back_populates="goals")


class Tag(LeagueBase):
    __tablename__ = "tags"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(sa.String(40))
    matches: Mapped[list[Match]] = relationship(secondary=match_tag, back_populates="tags")


def _fill_league(served: Served) -> None:
    clubs = [(1, "Ajax", "Oslo", None), (2, "Brann", "Bergen", None), (3, "Cork", None, 1), (4, "Derby", "Oslo", 3)]
    matches = [(1, "Cup", 1, 2), (2, "Bowl", 2, 1), (3, "Friendly", 3, None), (4, "Final", 4, 3), (5, "Trial", 1, 3)]
    goals = [(1, "Ada", 5, 1), (2, "Ada", 80, 1), (3, "Bo", 7, 1), (4, "Bo", None, 2), (5, "Cy", 12, 4)]
    tags = [(1, "rain"), (2, "derby"), (3, "dull")]
    rows: list[tuple[Any, list[dict[str, Any]]]] = [
        (Club, [{"id": i, "name": n, "city": c, "parent_id": p, "api_key": "hush"} for i, n, c, p in clubs]),
        (Contract, [{"id": 1, "salary": 4711, "club_id": 1}]),
        (Stadium, [{"id": 1, "name": "Arena", "club_id": 1}, {"id": 2, "name": "Bowl", "club_id": 2}]),
        (Seat, [{"row": r, "number": n, "stadium_id": 1, "price": n * 10} for r in "AB" for n in (1, 2)]),
        (
            Match,
            [
                {"id": i, "name": n, "report": {"note": n} if i == 1 else None, "home_team_id": h, "away_team_id": a}
                for i, n, h, a in matches
            ],
        ),
        (Goal, [{"id": i, "player": p, "minute": m, "match_id": f} for i, p, m, f in goals]),
        (Tag, [{"id": i, "word": w} for i, w in tags]),
        (match_tag, [{"match_id": m, "tag_id": t} for m, t in [(1, 1), (1, 2), (2, 1), (4, 3)]]),
        (
            Booking,
            [
                {"id": 1, "seat_row": "A", "seat_number": 1, "match_id": 1},
                {"id": 2, "seat_row": "B", "seat_number": 2, "match_id": 1},
                {"id": 3, "seat_row": None, "seat_number": None, "match_id": 2},
            ],
        ),
    ]
    for target, values in rows:
        served.execute(sa.insert(target), values)


@pytest.fixture(scope="session")
def league():
    """Models with every kind of relation: Club, Contract, Stadium, Seat, Booking, Match, Goal, Tag."""
    names = (Club, Contract, Stadium, Seat, Booking, Match, Goal, Tag)
    return SimpleNamespace(Base=LeagueBase, **{model.__name__: model for model in names})


@pytest.fixture
def league_app(serve):
    """The league, served and filled."""
    served = serve(LeagueBase)
    _fill_league(served)
    return served


@pytest.fixture
def fill_league():
    """`league_app`'s rows, for tests that serve the league with options of their own."""
    return _fill_league
