"""What PostgreSQL is told of who calls, and what its policies make of it (`API_DATABASE_CLAIMS`)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, scoped_session, sessionmaker

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.architect import Architect
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("auth 11")

CLAIMS = {"app.user_id": "id"}
ADA, BOB = {"X-User": "1"}, {"X-User": "2"}


class Base(DeclarativeBase):
    pass


class Account(Base):
    """Who calls; everybody may read it, so that a caller can be found out."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    badges: Mapped[list[Badge]] = relationship()


class Badge(Base):
    __tablename__ = "badges"

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(sa.String(40))
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))


class Folder(Base):
    __tablename__ = "folders"

    class Meta:
        allow_nested_writes = True

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    owner_id: Mapped[int]
    notes: Mapped[list[Note]] = relationship(back_populates="folder")


class Note(Base):
    __tablename__ = "notes"

    class Meta:
        allow_nested_writes = True
        allow_bulk = True
        allow_export = True

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(40))
    owner_id: Mapped[int]
    folder_id: Mapped[int | None] = mapped_column(sa.ForeignKey("folders.id"))
    folder: Mapped[Folder | None] = relationship(back_populates="notes")


OWN = "owner_id = nullif(current_setting('app.user_id', true), '')::int"
FOR_ALL = "CREATE POLICY own ON {table} USING (" + OWN + ")"
READ_ALL_WRITE_OWN = (
    "CREATE POLICY seen ON {table} FOR SELECT USING (true)",
    "CREATE POLICY added ON {table} FOR INSERT WITH CHECK (true)",
    "CREATE POLICY changed ON {table} FOR UPDATE USING (true)",
    "CREATE POLICY gone ON {table} FOR DELETE USING (" + OWN + ")",
)


@pytest.fixture
def guarded(database_kind, server_database, kept_engine, guest_of):
    """Make the tables with policies, and give the URL of a user who is held to them."""
    if database_kind != "postgresql":
        pytest.skip("Only PostgreSQL has row level security.")
    made: list[bool] = []

    def make(*policies: str) -> str:
        Base.metadata.create_all(kept_engine)
        made.append(True)
        with kept_engine.begin() as connection:
            for table in ("folders", "notes"):
                connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
                connection.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
                for policy in policies or (FOR_ALL,):
                    connection.exec_driver_sql(policy.format(table=table))
            connection.execute(sa.insert(Account), [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}])
            connection.execute(sa.insert(Badge), [{"word": "blue", "account_id": 1}, {"word": "red", "account_id": 2}])
            folders = [{"id": 1, "title": "Ada's", "owner_id": 1}, {"id": 2, "title": "Bob's", "owner_id": 2}]
            connection.execute(sa.insert(Folder), folders)
            notes = [{"id": n, "text": f"Note {n}", "owner_id": 2 - n % 2, "folder_id": 2 - n % 2} for n in range(1, 7)]
            connection.execute(sa.insert(Note), notes)
            for table in ("folders", "notes"):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)")
        return guest_of(
            server_database,
            [
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO",
                "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO",
            ],
        )

    yield make
    if made:
        Base.metadata.drop_all(kept_engine)


class Api:
    """An application whose database user is held to the policies."""

    def __init__(self, app: Flask, engine: sa.Engine, session: Any) -> None:
        self.app, self.engine, self.session = app, engine, session
        self.client = app.test_client()

    def ids(self, url: str, headers: Any = None) -> list[int]:
        response = self.client.get(url, headers=headers)
        assert response.status_code == 200, response.get_data(as_text=True)
        body = response.get_json()
        assert body["total_count"] == len(body["value"])
        return sorted(record["id"] for record in body["value"])

    def claim(self) -> Any:
        """Give what a connection of the pool still knows of a caller."""
        with self.engine.connect() as connection:
            return connection.exec_driver_sql("SELECT current_setting('app.user_id', true)").scalar()


def named_by_header() -> None:
    name = request.headers.get("X-User")
    set_current_user(None if name is None else SimpleNamespace(id=int(name)))


@pytest.fixture
def open_api(guarded):
    """Serve the tables; `sessions` is where the session comes from, `recognise` how a caller is found out."""
    opened: list[Api] = []

    def make(
        *policies: str,
        sessions: str = "uri",
        recognise: Any = named_by_header,
        engine_options: Any = None,
        prepare: Any = None,
        claims: Any = CLAIMS,
        **config: Any,
    ) -> Api:
        url = guarded(*policies)
        app, session, engine = Flask("guarded"), None, None
        app.config.update(API_BASE_MODEL=Base, API_LOG_REQUESTS=False, API_DATABASE_CLAIMS=claims, **config)
        if sessions == "flask_sqlalchemy":
            app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=engine_options or {})
            db = SQLAlchemy()
            db.init_app(app)
            session = db.session
            with app.app_context():
                engine = db.engine
        elif sessions == "uri":
            app.config.update(API_DATABASE_URI=url, API_DATABASE_ENGINE_OPTIONS=engine_options)
        else:
            engine = sa.create_engine(url, **engine_options or {})
            maker = sessionmaker(engine)
            session = {"sessionmaker": maker, "getter": scoped_session(maker), "function": lambda: Session(engine)}[
                sessions
            ]
            app.config.update(API_SESSION_GETTER=session)
        if recognise is not None:
            app.before_request(recognise)
        if prepare is not None:
            prepare(app)
        Architect(app, parts=[RestPart()])
        api = Api(app, engine or state_of(app).database.engine, session)
        opened.append(api)
        return api

    yield make
    for api in opened:
        if isinstance(api.session, scoped_session) and api.app.config.get("API_SESSION_GETTER") is not None:
            api.session.remove()
        api.engine.dispose()


@pytest.fixture(params=["uri", "getter", "sessionmaker", "function", "flask_sqlalchemy"])
def api(request, open_api):
    """The tables behind policies, once for each way in which a session is given."""
    return open_api(sessions=request.param)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_caller_sees_the_rows_that_the_policy_shows(api):
    assert api.ids("/api/notes", ADA) == [1, 3, 5]
    assert api.ids("/api/notes", BOB) == [2, 4, 6]
    assert api.ids("/api/notes?folder.title__eq=Ada's", BOB) == []
    assert api.client.get("/api/notes/2", headers=ADA).status_code == 404
    assert api.client.get("/api/notes/2", headers=BOB).status_code == 200
    assert api.ids("/api/folders/1/notes", ADA) == [1, 3, 5]
    assert api.client.get("/api/folders/1/notes", headers=BOB).status_code == 404
    folder = api.client.get("/api/folders/2?dump=json", headers=BOB).get_json()["value"]
    assert [note["id"] for note in folder["notes"]] == [2, 4, 6]


def test_who_is_not_known_sees_nothing(api):
    assert api.ids("/api/notes", ADA) == [1, 3, 5]
    assert api.ids("/api/notes") == []
    assert api.client.get("/api/notes/1").status_code == 404


@pytest.mark.parametrize("query", ["", "?dump=json", "?limit=2"])
def test_an_export_streams_the_rows_of_the_caller_alone(api, query):
    headers = {**BOB, "Accept": "application/x-ndjson"}
    lines = api.client.get(f"/api/notes{query}", headers=headers).get_data(as_text=True).splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == ([2, 4] if "limit" in query else [2, 4, 6])


def test_an_estimate_does_not_tell_how_many_rows_others_have(open_api, kept_engine):
    api = open_api(API_COUNT="estimated")
    with kept_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE notes")
    assert api.ids("/api/notes", ADA) == [1, 3, 5]
    assert api.ids("/api/notes", {"X-User": "3"}) == []


# --- writing ----------------------------------------------------------------------------------------------------------


def test_rows_are_written_as_the_policy_lets(api):
    made = api.client.post("/api/notes", json={"text": "New", "owner_id": 1}, headers=ADA)
    url = made.headers["Location"]
    assert made.status_code == 201
    for headers in (BOB, {}):
        for method in ("PATCH", "DELETE"):
            assert api.client.open(url, method=method, json={"text": "Mine"}, headers=headers).status_code == 404
    assert api.client.patch(url, json={"text": "Other"}, headers=ADA).get_json()["value"]["text"] == "Other"
    put = api.client.put(url, json={"text": "Third", "owner_id": 1}, headers=ADA)
    assert put.get_json()["value"]["text"] == "Third"
    assert api.client.delete(url, headers=ADA).status_code == 200
    assert api.client.get(url, headers=ADA).status_code == 404


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("POST", "/api/notes", {"text": "Yours", "owner_id": 2}),
        ("PATCH", "/api/notes/1", {"owner_id": 2}),
        ("PUT", "/api/notes/1", {"text": "Yours", "owner_id": 2}),
        ("POST", "/api/folders", {"title": "Mine", "owner_id": 1, "notes": [{"text": "Yours", "owner_id": 2}]}),
        ("PATCH", "/api/notes?id__in=1,3&max_affected=5", {"owner_id": 2}),
    ],
)
def test_what_the_policy_refuses_is_403(api, method, path, body):
    errors = error_of(api.client.open(path, method=method, json=body, headers=ADA), 403, "database_permission")
    assert errors["message"].startswith("A policy of the database does not let you write this ")
    assert "row-level" not in errors["message"]
    assert api.ids("/api/notes", BOB) == [2, 4, 6]
    assert api.ids("/api/folders", ADA) == [1]


def test_what_the_policy_refuses_of_many_is_told_by_item(api):
    bodies = [{"text": "Mine", "owner_id": 1}, {"text": "Yours", "owner_id": 2}, {"text": "Mine too", "owner_id": 1}]
    refused = api.client.post("/api/notes", json=bodies, headers=ADA).get_json()["errors"]
    assert [(item["index"], item["errors"]["reason"]) for item in refused["items"]] == [(1, "database_permission")]
    assert api.ids("/api/notes", ADA) == [1, 3, 5]
    report = api.client.post("/api/notes?atomic=false", json=bodies, headers=ADA)
    assert [item["status"] for item in report.get_json()["value"]] == [201, 403, 201]
    assert len(api.ids("/api/notes", ADA)) == 5
    assert api.client.delete("/api/notes?id__gt=0&max_affected=9", headers=BOB).status_code == 200
    assert (len(api.ids("/api/notes", ADA)), api.ids("/api/notes", BOB)) == (5, [])


# --- transactions -----------------------------------------------------------------------------------------------------


def settings_in(log: Any) -> list[str]:
    return [statement for statement in log.statements if "set_config" in statement]


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "/api/notes", None),
        ("GET", "/api/notes/1", None),
        ("GET", "/api/folders/1?dump=json", None),
        ("POST", "/api/notes", {"text": "New", "owner_id": 1}),
        ("POST", "/api/notes?atomic=false", [{"text": "New", "owner_id": 1}, {"text": "Bad", "owner_id": 2}]),
        ("PATCH", "/api/notes/1", {"text": "Other"}),
        ("DELETE", "/api/notes/1", None),
    ],
)
@pytest.mark.parametrize("sessions", ["uri", "sessionmaker", "flask_sqlalchemy"])
def test_a_transaction_has_one_statement_more(open_api, guarded, sessions, method, path, body):
    claims = {"app.user_id": "id", "app.team": lambda user: "blue"}
    found = {}
    for given in (None, claims):
        # Without claims the policy shows nothing, so that nothing would be compared.
        shows_all = "CREATE POLICY every ON {table} USING (true) WITH CHECK (owner_id = 1)"
        api = open_api(shows_all, sessions=sessions, claims=given)
        api.client.get("/api/notes")
        api.client.get("/api/folders?dump=json")
        with count_statements(api.engine) as log:
            api.client.open(path, method=method, json=body, headers=ADA)
        assert not any("SET ROLE" in statement.upper() for statement in log.statements)
        found[given is None] = log
        api.engine.dispose()
        with sa.create_engine(api.engine.url.set(username="postgres", password=None)).begin() as connection:
            Base.metadata.drop_all(connection)
    assert settings_in(found[True]) == []
    assert len(settings_in(found[False])) == 1
    assert [each for each in found[False].statements if "set_config" not in each] == found[True].statements
