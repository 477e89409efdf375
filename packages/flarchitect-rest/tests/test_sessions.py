"""Where the session of a request comes from, and what is said when it comes from nowhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of, make_app
from flarchitect_rest.part import RestPart


def new_base() -> Any:
    class Base(DeclarativeBase):
        pass

    return Base


def add_model(base: Any, name: str, **members: Any) -> Any:
    meta = members.pop("meta", {})
    return type(
        name,
        (base,),
        {
            "__tablename__": f"{name.lower()}s",
            "Meta": type("Meta", (), meta),
            "id": mapped_column(sa.Integer, primary_key=True),
            "label": mapped_column(sa.String(40)),
            **members,
        },
    )


@pytest.fixture
def engine(database_uri):
    made = sa.create_engine(database_uri)
    yield made
    made.dispose()


@pytest.fixture
def base(engine):
    """A base with one model, and its table."""
    made = new_base()
    made.Thing = add_model(made, "Thing")
    made.metadata.create_all(engine)
    yield made
    made.metadata.drop_all(engine)


def round_trip(app: Any, collection: str = "things") -> None:
    client = app.test_client()
    created = client.post(f"/api/{collection}", json={"label": "a"})
    assert created.status_code == 201, created.get_data(as_text=True)
    url = created.headers["Location"]
    assert client.patch(url, json={"label": "b"}).get_json()["value"]["label"] == "b"
    assert client.put(url, json={"label": "c"}).get_json()["value"]["label"] == "c"
    assert [row["label"] for row in client.get(f"/api/{collection}").get_json()["value"]] == ["c"]
    assert client.delete(url).status_code == 200
    assert client.get(url).status_code == 404


def problems(base: Any, *, database_uri: str | None = None, **config: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        make_app(base, database_uri, parts=[RestPart()], **config)
    return caught.value.problems


# --- each way ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 1.3")
@pytest.mark.parametrize("kind", ["scoped_session", "sessionmaker", "function", "function giving a scoped_session"])
def test_a_getter_gives_the_session(base, engine, kind):
    maker = sessionmaker(engine)
    scoped = scoped_session(maker)
    getters: dict[str, Any] = {
        "scoped_session": scoped,
        "sessionmaker": maker,
        "function": lambda: Session(engine),
        "function giving a scoped_session": lambda: scoped,
    }
    round_trip(make_app(base, parts=[RestPart()], API_SESSION_GETTER=getters[kind]))
    scoped.remove()
    assert engine.pool.checkedout() == 0


@pytest.mark.contract("rest 1.3")
def test_a_uri_gives_the_session(base, database_uri):
    app = make_app(base, database_uri, parts=[RestPart()])
    round_trip(app)
    own = state_of(app).database.engine
    assert own is not None
    assert own.pool.checkedout() == 0
    own.dispose()


@pytest.mark.contract("rest 1.3")
def test_flask_sqlalchemy_gives_the_session(base, database_uri):
    app = Flask("shop")
    app.config.update(API_BASE_MODEL=base, SQLALCHEMY_DATABASE_URI=database_uri, API_LOG_REQUESTS=False)
    db = SQLAlchemy()
    db.init_app(app)
    Architect(app, parts=[RestPart()])
    round_trip(app)
    with app.app_context():
        assert db.engine.pool.checkedout() == 0
        db.engine.dispose()


@pytest.mark.contract("rest 1.1")
@pytest.mark.parametrize("kind", ["scoped_session", "session"])
def test_a_keyword_gives_the_session(base, engine, kind):
    given = scoped_session(sessionmaker(engine)) if kind == "scoped_session" else Session(engine)
    app = Flask("shop")
    app.config.update(API_BASE_MODEL=base, API_LOG_REQUESTS=False)
    Architect(app, parts=[RestPart()], session=given)
    round_trip(app)
    given.close()


@pytest.mark.contract("rest 1.3")
def test_the_query_of_a_model_gives_the_session(base, engine):
    scoped = scoped_session(sessionmaker(engine))
    base.query = scoped.query_property()
    round_trip(make_app(base, parts=[RestPart()]))
    scoped.remove()
    assert engine.pool.checkedout() == 0


@pytest.mark.contract("rest 1.3")
@pytest.mark.parametrize("wrap", [classmethod, staticmethod])
def test_a_method_of_a_model_gives_the_session(base, engine, wrap):
    opened: list[Session] = []

    def get_session(*arguments: Any) -> Session:
        opened.append(Session(engine))
        return opened[-1]

    base.get_session = wrap(get_session)
    app = make_app(base, parts=[RestPart()])
    round_trip(app)
    # One session for each of the six requests.
    assert len(opened) == 6
    assert engine.pool.checkedout() == 0


@pytest.mark.contract("rest 1.3")
def test_the_engine_of_the_metadata_gives_the_session(base, engine):
    base.metadata.bind = engine
    round_trip(make_app(base, parts=[RestPart()]))
    assert engine.pool.checkedout() == 0


@pytest.mark.contract("rest 1.3, 1.4")
def test_a_model_may_have_a_session_of_its_own(database_uri, engine, tmp_path):
    other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    base = new_base()
    here = add_model(base, "Thing")
    there = add_model(base, "Gadget", meta={"session_getter": sessionmaker(other)})
    here.__table__.create(engine)
    there.__table__.create(other)
    app = make_app(base, database_uri, parts=[RestPart()])
    round_trip(app)
    round_trip(app, "gadgets")
    client = app.test_client()
    client.post("/api/gadgets", json={"label": "x"})
    with other.connect() as connection:
        assert connection.execute(sa.select(there.__table__.c.label)).scalar_one() == "x"
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(here.__table__)).scalar_one() == 0
    assert other.pool.checkedout() == 0
    other.dispose()
    own = state_of(app).database.engine
    assert own is not None
    own.dispose()
    here.__table__.drop(engine)


@pytest.mark.contract("rest 1.3")
def test_one_answer_may_come_from_two_databases(database_uri, engine, tmp_path):
    other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    base = new_base()
    parent = add_model(base, "Thing", gadgets=sa.orm.relationship("Gadget", back_populates="thing"))
    child = add_model(
        base,
        "Gadget",
        meta={"session_getter": staticmethod(sessionmaker(other))},
        thing_id=mapped_column(sa.ForeignKey("things.id")),
        thing=sa.orm.relationship("Thing", back_populates="gadgets"),
    )
    base.metadata.create_all(other)
    parent.__table__.create(engine)
    app = make_app(base, database_uri, parts=[RestPart()])
    client = app.test_client()
    assert client.post("/api/things", json={"label": "here"}).status_code == 201
    assert client.post("/api/gadgets", json={"label": "there"}).status_code == 201
    with other.begin() as connection:
        connection.execute(sa.update(child.__table__).values(thing_id=1))
    value = client.get("/api/things?dump=json").get_json()["value"]
    assert [gadget["label"] for gadget in value[0]["gadgets"]] == ["there"]
    assert client.get("/api/gadgets/1?dump=json").get_json()["value"]["thing"]["label"] == "here"
    other.dispose()
    own = state_of(app).database.engine
    assert own is not None
    own.dispose()
    parent.__table__.drop(engine)


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 1.3, 1.4")
def test_the_first_source_wins(base, engine, database_uri):
    used: list[str] = []

    def source(name: str) -> Any:
        def getter(*arguments: Any) -> Session:
            used.append(name)
            return Session(engine)

        return getter

    def ask(**config: Any) -> list[str]:
        app = Flask("shop")
        app.config.update(API_BASE_MODEL=base, API_LOG_REQUESTS=False, **config)
        if "SQLALCHEMY_DATABASE_URI" in config:
            SQLAlchemy().init_app(app)
        Architect(app, parts=[RestPart()])
        used.clear()
        assert app.test_client().get("/api/things").status_code == 200
        if "SQLALCHEMY_DATABASE_URI" in config:
            with app.app_context():
                app.extensions["sqlalchemy"].engine.dispose()
        return list(used)

    base.get_session = classmethod(source("method"))
    assert ask() == ["method"]
    assert ask(SQLALCHEMY_DATABASE_URI=database_uri) == []
    assert ask(SQLALCHEMY_DATABASE_URI=database_uri, API_SESSION_GETTER=source("getter")) == ["getter"]
    base.__subclasses__()[0].Meta.session_getter = staticmethod(source("meta"))
    assert ask(SQLALCHEMY_DATABASE_URI=database_uri, API_SESSION_GETTER=source("getter")) == ["meta"]


# --- getters that fail ------------------------------------------------------------------------------------------------


@pytest.mark.contract("core 6, rest 1.3")
@pytest.mark.parametrize("given", [None, 5, "session", object])
def test_a_getter_that_gives_no_session_is_an_error_of_ours(base, caplog, given):
    app = make_app(base, parts=[RestPart()], API_SESSION_GETTER=lambda: given)
    client = app.test_client()
    for response in (client.get("/api/things"), client.post("/api/things", json={"label": "x"})):
        error_of(response, 500, "unexpected_error")
    assert "API_SESSION_GETTER" in caplog.text


@pytest.mark.contract("core 12 23")
@pytest.mark.contract("core 6")
def test_a_getter_that_fails_is_not_passed_over(base, engine, caplog):
    answers: list[Any] = []

    def getter() -> Session:
        if not answers:
            raise RuntimeError("secret detail")
        return Session(engine)

    base.get_session = classmethod(lambda model: Session(engine))
    client = make_app(base, parts=[RestPart()], API_SESSION_GETTER=getter).test_client()
    for response in (client.get("/api/things"), client.post("/api/things", json={"label": "x"})):
        assert "secret detail" not in error_of(response, 500, "unexpected_error")["message"]
    assert "secret detail" in caplog.text
    answers.append(True)
    assert client.get("/api/things").status_code == 200


@pytest.mark.contract("bar R37")
def test_a_getter_whose_database_is_down_is_503(base, engine):
    def getter() -> Session:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("connection refused"))

    client = make_app(base, parts=[RestPart()], API_SESSION_GETTER=getter).test_client()
    for response in (client.get("/api/things"), client.post("/api/things", json={"label": "x"})):
        error_of(response, 503, "database_unavailable")
        assert response.headers["Retry-After"]


# --- start-up errors --------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 1.2, decisions 13")
def test_no_source_at_all_is_an_error_that_names_the_three(base):
    (problem,) = problems(base)
    for word in ("session", "Thing", "API_BASE_MODEL", "Flask-SQLAlchemy", "API_SESSION_GETTER", "API_DATABASE_URI"):
        assert word in problem
    with pytest.raises(ValueError, match="API_DATABASE_URI"):
        make_app(base, parts=[RestPart()])


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize(
    "uri, words",
    [
        ("shop.db", ["API_DATABASE_URI", "sqlite:///shop.db"]),
        ("", ["API_DATABASE_URI"]),
        ("nosuch://host/db", ["API_DATABASE_URI", "nosuch"]),
        ("postgresql://host:port/db", ["API_DATABASE_URI"]),
        ("sqlite+nosuch:///x.db", ["API_DATABASE_URI"]),
        ("oracle+cx_oracle://host/db", ["API_DATABASE_URI", "pip install", "oracle"]),
    ],
)
def test_a_wrong_uri_is_one_error_with_its_fix(base, uri, words):
    (problem,) = problems(base, database_uri=uri)
    for word in words:
        assert word.lower() in problem.lower()


@pytest.mark.contract("decisions 13, 8")
def test_a_wrong_uri_does_not_tell_its_password(base):
    for uri in (
        "postgresql://me:hunter2@host:port/db",
        "postgresql://me:hunter2/db",
        "nosuch://me:hunter2@host/db",
        "//me:hunter2@host",
    ):
        assert "hunter2" not in "".join(problems(base, database_uri=uri))


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize("engine_options", [{"pool_sise": 5}, {"echo_all": True, "future": True}])
def test_wrong_engine_options_are_an_error_with_their_key(base, tmp_path, engine_options):
    uri = f"sqlite:///{tmp_path / 'x.db'}"
    found = problems(base, database_uri=uri, API_DATABASE_ENGINE_OPTIONS=engine_options)
    assert "API_DATABASE_ENGINE_OPTIONS" in found[0]
    assert next(iter(engine_options)) in found[0]


@pytest.mark.contract("decisions 13")
def test_two_sources_at_once_are_an_error(base, engine, database_uri):
    (problem,) = problems(base, database_uri=database_uri, API_SESSION_GETTER=lambda: Session(engine))
    assert "API_SESSION_GETTER" in problem
    assert "API_DATABASE_URI" in problem


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize("key, value", [("API_SESSION_GETTER", "get_session"), ("API_DATABASE_URI", 5)])
def test_a_source_of_the_wrong_type_is_an_error(base, key, value):
    assert any(key in problem for problem in problems(base, **{key: value}))


def test_a_database_that_is_down_at_start_up_is_no_error_of_configuration(base):
    app = make_app(base, "postgresql+psycopg://me:hunter2@127.0.0.1:1/db", parts=[RestPart()])
    client = app.test_client()
    for response in (client.get("/api/things"), client.post("/api/things", json={"label": "x"})):
        error_of(response, 503, "database_unavailable")
        assert "hunter2" not in response.get_data(as_text=True)


# --- SQLite in memory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_one_for_all_threads(uri):
    base = new_base()
    base.Thing = add_model(base, "Thing")
    app = make_app(base, uri, parts=[RestPart()])
    engine = state_of(app).database.engine
    assert engine is not None
    base.metadata.create_all(engine)
    round_trip(app)

    def create(number: int) -> int:
        body = {"label": None if number % 4 == 0 else f"n{number}"}
        return app.test_client().post("/api/things", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(40)))
    assert statuses == [201] * 40
    assert app.test_client().get("/api/things?limit=1").get_json()["total_count"] == 40
    engine.dispose()


# --- Flask-SQLAlchemy -------------------------------------------------------------------------------------------------


def test_models_of_flask_sqlalchemy_with_binds(database_uri, tmp_path):
    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)

    class Thing(db.Model):  # type: ignore[name-defined,misc]
        __tablename__ = "things"

        class Meta:
            tag = "Thing"

        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str | None] = mapped_column(sa.String(40))

    class Gadget(db.Model):  # type: ignore[name-defined,misc]
        __bind_key__ = "other"
        __tablename__ = "gadgets"

        class Meta:
            tag = "Gadget"

        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str | None] = mapped_column(sa.String(40))

    architect = Architect()
    app = Flask("cinema")
    app.config.update(
        API_BASE_MODEL=db.Model,
        API_LOG_REQUESTS=False,
        SQLALCHEMY_DATABASE_URI=database_uri,
        SQLALCHEMY_BINDS={"other": f"sqlite:///{tmp_path / 'other.db'}"},
    )
    db.init_app(app)
    architect.init_app(app, parts=[RestPart()])
    with app.app_context():
        db.create_all()
    round_trip(app)
    round_trip(app, "gadgets")
    client = app.test_client()
    client.post("/api/gadgets", json={"label": "x"})
    with app.app_context():
        with db.engines["other"].connect() as connection:
            assert connection.execute(sa.select(Gadget.__table__.c.label)).scalar_one() == "x"
        assert sa.inspect(db.engine).get_table_names() == ["things"]
        db.drop_all()
        for engine in db.engines.values():
            assert engine.pool.checkedout() == 0
            engine.dispose()


def test_the_extension_may_be_made_before_the_models(database_uri):
    db = SQLAlchemy()

    class Thing(db.Model):  # type: ignore[name-defined,misc]
        class Meta:
            pass

        id = db.Column(db.Integer, primary_key=True)
        label = db.Column(db.String(40))

    app = Flask("cinema")
    app.config.update(API_BASE_MODEL=db.Model, API_LOG_REQUESTS=False, SQLALCHEMY_DATABASE_URI=database_uri)
    db.init_app(app)
    Architect(app, parts=[RestPart()])
    with app.app_context():
        db.create_all()
    round_trip(app)
    with app.app_context():
        db.drop_all()
        db.engine.dispose()


def test_flask_sqlalchemy_that_was_not_initialised_is_named(database_uri):
    db = SQLAlchemy()

    class Thing(db.Model):  # type: ignore[name-defined,misc]
        class Meta:
            pass

        id = db.Column(db.Integer, primary_key=True)

    app = Flask("cinema")
    app.config.update(API_BASE_MODEL=db.Model, SQLALCHEMY_DATABASE_URI=database_uri)
    with pytest.raises(ConfigurationError, match=r"db\.init_app\(app\)"):
        Architect(app, parts=[RestPart()])
