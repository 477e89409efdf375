"""What PostgreSQL is told of who calls, and what its policies make of it (`API_DATABASE_CLAIMS`)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, scoped_session, sessionmaker

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.session import get_session
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of, make_app
from flarchitect_core.views.sse import sse_message, stream_sse_response
from flarchitect_rest.part import RestPart

pytestmark = [pytest.mark.contract("auth 11"), pytest.mark.contract("F81")]

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


@pytest.fixture(params=["uri", "getter", "function", "flask_sqlalchemy"])
def sessions(request):
    """Where the session comes from."""
    return request.param


@pytest.fixture
def api(open_api, sessions):
    """The tables behind policies, once for each way in which a session is given."""
    return open_api(sessions=sessions)


def drop(api: Api) -> None:
    """Let a test make the tables once more."""
    api.engine.dispose()
    with sa.create_engine(api.engine.url.set(username="postgres", password=None)).begin() as connection:
        Base.metadata.drop_all(connection)


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


def test_an_estimate_does_not_tell_how_many_rows_others_have(open_api):
    api = open_api(API_COUNT="estimated")
    with count_statements(api.engine) as log:
        body = api.client.get("/api/notes?limit=1", headers=ADA).get_json()
    assert body["total_count"] == 3
    assert not any("EXPLAIN" in statement for statement in log.statements)


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
        drop(api)
    assert settings_in(found[True]) == []
    assert len(settings_in(found[False])) == 1
    assert [each for each in found[False].statements if "set_config" not in each] == found[True].statements


def test_two_callers_on_one_connection_see_their_own_rows(open_api):
    for sessions in ("uri", "flask_sqlalchemy"):
        api = open_api(sessions=sessions, engine_options={"pool_size": 1, "max_overflow": 0})

        def ask(number: int, api: Api = api) -> tuple[int, list[int]]:
            caller = number % 3
            client = api.app.test_client()
            headers = {"X-User": str(caller)} if caller else {}
            path = "/api/notes" if number % 2 else "/api/notes?dump=json"
            return caller, sorted(record["id"] for record in client.get(path, headers=headers).get_json()["value"])

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(120)))
        shown = {0: [], 1: [1, 3, 5], 2: [2, 4, 6]}
        assert all(ids == shown[caller] for caller, ids in answers)
        assert api.claim() == ""
        drop(api)


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("GET", "/api/notes", None, 200),
        ("GET", "/api/notes/2", None, 404),
        ("POST", "/api/notes", {"text": "Yours", "owner_id": 2}, 403),
        ("POST", "/api/notes", {"text": "Mine", "owner_id": 1}, 201),
        ("GET", "/broken", None, 500),
    ],
)
def test_no_connection_keeps_a_claim(open_api, sessions, method, path, body, status):
    def prepare(app: Flask) -> None:
        app.config["PROPAGATE_EXCEPTIONS"] = False

        @app.get("/broken")
        def broken() -> str:
            with get_session(Note) as session:
                session.add(Note(text="Lost", owner_id=1))
                session.flush()
                raise RuntimeError("after a write")

    options = {"pool_size": 1, "max_overflow": 0}
    api = open_api(sessions=sessions, engine_options=options, prepare=prepare)
    assert api.client.open(path, method=method, json=body, headers=ADA).status_code == status
    assert api.claim() == ""
    assert api.ids("/api/notes") == []
    assert len(api.ids("/api/notes", ADA)) == 3 + (status == 201)


def test_a_user_who_is_looked_up_in_the_same_transaction_is_told_then(open_api, sessions):
    def look_up() -> None:
        if "X-User" in request.headers:
            with get_session(Account) as session:
                set_current_user(session.get(Account, int(request.headers["X-User"])))

    api = open_api(sessions=sessions, recognise=look_up)
    with count_statements(api.engine) as log:
        assert api.ids("/api/notes", ADA) == [1, 3, 5]
    assert [("set_config" in each) for each in log.statements] == [True, False, True, False]
    assert api.client.patch("/api/notes/1", json={"text": "Other"}, headers=ADA).status_code == 200
    assert api.ids("/api/notes", BOB) == [2, 4, 6]
    assert api.ids("/api/notes") == []


def test_the_connection_that_reads_is_told_of_a_user_whom_it_has_read(open_api):
    wanted = sa.select(Account.id).where(Account.id == sa.bindparam("wanted"))

    def look_up() -> None:
        rows = state_of().database.read(Account, wanted, {"wanted": int(request.headers["X-User"])})
        set_current_user(SimpleNamespace(id=rows[0][0]))

    api = open_api(recognise=look_up)
    with count_statements(api.engine) as log:
        assert api.ids("/api/notes", ADA) == [1, 3, 5]
    assert [("set_config" in each) for each in log.statements] == [True, False, True, False]
    assert api.ids("/api/notes", BOB) == [2, 4, 6]


def test_what_expired_of_a_user_is_read_before_it_is_told(open_api):
    def look_up() -> None:
        with get_session(Account) as session:
            user = session.get(Account, int(request.headers["X-User"]))
            session.commit()
            set_current_user(user)

    api = open_api(sessions="flask_sqlalchemy", recognise=look_up)
    assert api.ids("/api/notes", ADA) == [1, 3, 5]
    assert api.ids("/api/notes", BOB) == [2, 4, 6]


def test_every_transaction_of_a_view_is_told(open_api, sessions):
    def prepare(app: Flask) -> None:
        @app.get("/twice")
        def twice() -> list[int]:
            found = []
            for _ in range(2):
                with get_session(Note) as session:
                    found.append(session.scalar(sa.select(sa.func.count()).select_from(Note)))
                    session.commit()
            return found

    api = open_api(sessions=sessions, prepare=prepare)
    with count_statements(api.engine) as log:
        assert api.client.get("/twice", headers=ADA).get_json() == [3, 3]
    assert len(settings_in(log)) == 2
    assert api.client.get("/twice").get_json() == [0, 0]


def test_a_session_that_a_view_opens_for_itself_is_told(open_api):
    opened: list[Any] = []

    def prepare(app: Flask) -> None:
        @app.get("/own")
        def own() -> list[int]:
            with Session(opened[0]) as session:
                return list(session.scalars(sa.select(Note.id).order_by(Note.id)))

        @app.get("/shared")
        def shared() -> list[int]:
            return list(app.extensions["sqlalchemy"].session.scalars(sa.select(Note.id).order_by(Note.id)))

    api = open_api(sessions="flask_sqlalchemy", prepare=prepare)
    opened.append(api.engine)
    for path in ("/own", "/shared"):
        assert api.client.get(path, headers=ADA).get_json() == [1, 3, 5]
        assert api.client.get(path, headers=BOB).get_json() == [2, 4, 6]
        assert api.client.get(path).get_json() == []


def test_a_stream_of_events_may_begin_transactions_of_its_own(open_api, sessions):
    def prepare(app: Flask) -> None:
        @app.get("/events")
        def events() -> Any:
            def messages() -> Any:
                for _ in range(2):
                    with get_session(Note) as session:
                        yield sse_message(session.scalars(sa.select(Note.id).order_by(Note.id)).all())
                        session.commit()

            return stream_sse_response(messages())

    api = open_api(sessions=sessions, prepare=prepare)
    for headers, ids in ((ADA, [1, 3, 5]), (BOB, [2, 4, 6]), ({}, [])):
        told = api.client.get("/events", headers=headers).get_data(as_text=True).split("\n\n")
        assert [json.loads(each.removeprefix("data: ")) for each in told if each] == [ids, ids]


def test_a_savepoint_that_is_undone_does_not_undo_who_calls(open_api, sessions):
    def prepare(app: Flask) -> None:
        @app.get("/undone")
        def undone() -> list[int]:
            with get_session(Note) as session:
                set_current_user(SimpleNamespace(id=1))
                session.scalar(sa.select(sa.func.count()).select_from(Note))
                savepoint = session.begin_nested()
                session.scalar(sa.select(sa.func.count()).select_from(Note))
                set_current_user(SimpleNamespace(id=2))
                savepoint.rollback()
                return list(session.scalars(sa.select(Note.id).order_by(Note.id)))

    api = open_api(sessions=sessions, recognise=None, prepare=prepare)
    assert api.client.get("/undone").get_json() == [2, 4, 6]


def test_a_transaction_that_outlives_a_request_is_told_who_calls_in_the_next(open_api):
    def prepare(app: Flask) -> None:
        @app.before_request
        def touch() -> None:
            app.extensions["sqlalchemy"].session.execute(sa.text("SELECT 1"))

        @app.get("/shared")
        def shared() -> list[int]:
            return list(app.extensions["sqlalchemy"].session.scalars(sa.select(Note.id).order_by(Note.id)))

    api = open_api(sessions="flask_sqlalchemy", prepare=prepare)
    with api.app.app_context():
        for path in ("/shared", "/api/notes"):
            for headers, ids in ((ADA, [1, 3, 5]), (BOB, [2, 4, 6]), ({}, [])):
                body = api.client.get(path, headers=headers).get_json()
                found = body if isinstance(body, list) else [record["id"] for record in body["value"]]
                assert sorted(found) == ids
        api.session.remove()


def test_one_session_for_all_requests_is_told_who_calls_in_each(guarded):
    engine = sa.create_engine(guarded())
    with Session(engine) as session:
        app = Flask("guarded")
        app.config.update(API_BASE_MODEL=Base, API_LOG_REQUESTS=False, API_DATABASE_CLAIMS=CLAIMS)
        app.before_request(named_by_header)
        Architect(app, parts=[RestPart()], session=session)
        api = Api(app, engine, session)
        for headers, ids in ((ADA, [1, 3, 5]), (BOB, [2, 4, 6]), ({}, [])):
            session.execute(sa.text("SELECT 1"))
            assert api.ids("/api/notes", headers) == ids
    engine.dispose()


def test_a_request_within_a_request_leaves_the_outer_one_its_claims(open_api):
    def prepare(app: Flask) -> None:
        @app.get("/shared")
        def shared() -> list[int]:
            return list(app.extensions["sqlalchemy"].session.scalars(sa.select(Note.id).order_by(Note.id)))

        @app.get("/both")
        def both() -> list[list[int]]:
            before = shared()
            inner = app.test_client().get("/shared", headers=BOB).get_json()
            return [before, inner, shared()]

    api = open_api(sessions="flask_sqlalchemy", prepare=prepare)
    assert api.client.get("/both", headers=ADA).get_json() == [[1, 3, 5], [2, 4, 6], [1, 3, 5]]


# --- values -----------------------------------------------------------------------------------------------------------


def test_values_are_what_the_database_reads_as_text(open_api):
    user = SimpleNamespace(
        id=7, name="O'Hara; DROP TABLE notes", boss=None, admin=True, roles=["a", "b"], rank=lambda: 1.5
    )
    claims = {
        "app.user_id": "id",
        "app.name": "name",
        "app.boss": "boss",
        "app.admin": "admin",
        "app.roles": "roles",
        "app.rank": "rank",
        "app.tenant.key": lambda user: f"t-{user.id}",
    }

    def prepare(app: Flask) -> None:
        @app.get("/told")
        def told() -> list[str]:
            if "X-User" in request.headers:
                set_current_user(user)
            with get_session(Note) as session:
                return list(session.execute(sa.select(*(sa.func.current_setting(name) for name in claims))).one())

    api = open_api(claims=claims, recognise=None, prepare=prepare)
    told = api.client.get("/told", headers=ADA).get_json()
    assert told == ["7", "O'Hara; DROP TABLE notes", "", "true", '["a", "b"]', "1.5", "t-7"]
    assert api.client.get("/told").get_json() == [""] * 7


def test_a_user_without_the_attribute_is_served_nothing(open_api):
    api = open_api(recognise=lambda: set_current_user(SimpleNamespace(name="Ada")), PROPAGATE_EXCEPTIONS=False)
    assert api.client.get("/api/notes").status_code == 500


# --- what a policy hides from a DELETE --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/notes/2", "/api/notes?id__in=1,2&max_affected=5"])
def test_a_row_that_may_be_seen_and_not_deleted_is_not_told_to_be_gone(open_api, sessions, path):
    api = open_api(*READ_ALL_WRITE_OWN, sessions=sessions)
    error_of(api.client.delete(path, headers=ADA), 404, "row_not_found")
    assert api.ids("/api/notes", ADA) == [1, 2, 3, 4, 5, 6]
    assert api.client.delete("/api/notes/1", headers=ADA).status_code == 200
    assert api.client.delete("/api/notes?id__in=2,4&max_affected=5", headers=BOB).status_code == 200
    assert api.ids("/api/notes", ADA) == [3, 5, 6]


# --- the doctor -------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_policies_that_do_not_hold(open_api, server_database):
    def found_in(app: Flask) -> list[str]:
        result = app.test_cli_runner().invoke(args=["flarchitect", "doctor", "--json"])
        findings = json.loads(result.stdout)
        return [each["message"] for each in findings if each["check"] == "policies-passed-by"]

    assert found_in(open_api().app) == []
    app = make_app(Base, server_database, parts=[RestPart()], API_DATABASE_CLAIMS=CLAIMS)
    told = found_in(app)
    assert [message.partition(" do not hold for postgres")[0] for message in told] == [
        "The policies of folders",
        "The policies of notes",
    ]
    state_of(app).database.engine.dispose()


# --- the guide --------------------------------------------------------------------------------------------------------


class Desk(DeclarativeBase):
    pass


class Ticket(Desk):
    __tablename__ = "ticket"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    customer_id: Mapped[int]


def test_the_policy_of_the_guide_does_what_the_guide_says(database_kind, server_database, kept_engine, guest_of):
    if database_kind != "postgresql":
        pytest.skip("Only PostgreSQL has row level security.")
    page = (Path(__file__).resolve().parents[3] / "docs" / "howto" / "row-policies.md").read_text(encoding="utf-8")
    policy = page.partition("```sql\n")[2].partition("```")[0]
    Desk.metadata.create_all(kept_engine)
    with kept_engine.begin() as connection:
        connection.exec_driver_sql(policy)
        tickets = [{"title": "No sound", "customer_id": 1}, {"title": "No picture", "customer_id": 2}]
        connection.execute(sa.insert(Ticket), tickets)
    url = guest_of(server_database, ["GRANT ALL ON ticket TO", "GRANT USAGE ON SEQUENCE ticket_id_seq TO"])
    claims = {"app.user_id": "id", "app.roles": lambda user: user.roles}
    app = make_app(Desk, url, parts=[RestPart()], API_DATABASE_CLAIMS=claims)
    users = {"ann": SimpleNamespace(id=1, roles=[]), "sam": SimpleNamespace(id=7, roles=["staff"])}
    app.before_request(lambda: set_current_user(users.get(request.headers.get("X-User"))))
    api = Api(app, state_of(app).database.engine, None)
    try:
        for name, ids in (("ann", [1]), ("sam", [1, 2]), ("nobody", [])):
            assert api.ids("/api/tickets", {"X-User": name}) == ids
        ticket = {"title": "Echo", "customer_id": 2}
        error_of(api.client.post("/api/tickets", json=ticket, headers={"X-User": "ann"}), 403, "database_permission")
        assert api.client.patch("/api/tickets/2", json=ticket, headers={"X-User": "ann"}).status_code == 404
        assert api.client.post("/api/tickets", json=ticket, headers={"X-User": "sam"}).status_code == 201
    finally:
        api.engine.dispose()
        Desk.metadata.drop_all(kept_engine)


# --- start ------------------------------------------------------------------------------------------------------------


def problems(uri: str, **config: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        make_app(Base, uri, parts=[RestPart()], **config)
    return caught.value.problems


@pytest.mark.parametrize("name", ["user_id", "app.", ".user", "app..id", "App.user", "app.user-id", "app.1", "", 5])
def test_a_name_that_postgresql_does_not_take_stops_the_start(name):
    assert problems("postgresql+psycopg://nobody@127.0.0.1/none", API_DATABASE_CLAIMS={name: "id"}) == [
        f"API_DATABASE_CLAIMS has the key {name!r}, which PostgreSQL takes for no setting of an application. Write "
        f"words of lower case letters, digits and underscores with a dot between them, such as 'app.user_id'."
    ]


@pytest.mark.parametrize("source", ["", "company.id", 5, None, ["id"]])
def test_a_value_that_is_no_attribute_stops_the_start(source):
    assert problems("postgresql+psycopg://nobody@127.0.0.1/none", API_DATABASE_CLAIMS={"app.user_id": source}) == [
        f"API_DATABASE_CLAIMS has {source!r} for 'app.user_id'. Name an attribute of the user, such as 'id', or give a "
        f"callable that takes the user."
    ]


def test_what_is_no_mapping_stops_the_start():
    assert problems("postgresql+psycopg://nobody@127.0.0.1/none", API_DATABASE_CLAIMS=["app.user_id"]) == [
        "The configuration key API_DATABASE_CLAIMS must be a dictionary; it is ['app.user_id']."
    ]


@pytest.mark.parametrize("sessions", ["uri", "getter", "flask_sqlalchemy"])
def test_another_database_stops_the_start(sessions):
    app = Flask("elsewhere")
    app.config.update(API_BASE_MODEL=Base, API_DATABASE_CLAIMS=CLAIMS)
    if sessions == "uri":
        app.config["API_DATABASE_URI"] = "sqlite://"
    elif sessions == "getter":
        app.config["API_SESSION_GETTER"] = sessionmaker(sa.create_engine("sqlite://"))
    else:
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        SQLAlchemy().init_app(app)
    with pytest.raises(ConfigurationError) as caught:
        Architect(app, parts=[RestPart()])
    assert caught.value.problems == [
        "API_DATABASE_CLAIMS is set, and settings of a transaction are of PostgreSQL alone, not of sqlite. Remove the "
        "option, and write the rules as Meta.access_policy."
    ]


def test_another_database_beside_postgresql_that_serves_no_model_is_none_of_its_business():
    app = Flask("beside")
    app.config.update(API_BASE_MODEL=Base, API_DATABASE_CLAIMS=CLAIMS, SQLALCHEMY_BINDS={"cache": "sqlite://"})
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://nobody@127.0.0.1/none"
    SQLAlchemy().init_app(app)
    Architect(app, parts=[RestPart()])
