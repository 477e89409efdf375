"""One request is one transaction: whatever fails, wherever it fails, the database is as before and goes on working."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.errors import ConflictError
from flarchitect_core.testing import error_of

WRITES: dict[str, tuple[str, str, Any]] = {
    "create": ("POST", "/api/films", {"title": "New", "studio_id": 1}),
    "replace": ("PUT", "/api/films/1", {"title": "Other", "studio_id": 2}),
    "update": ("PATCH", "/api/films/1", {"title": "Other"}),
    "delete": ("DELETE", "/api/actors/1", None),
}


@contextmanager
def listening(target: Any, event: str, function: Callable[..., Any], **options: Any) -> Iterator[None]:
    sa.event.listen(target, event, function, **options)
    try:
        yield
    finally:
        sa.event.remove(target, event, function)


def everything(served: Any, base: Any) -> dict[str, Any]:
    with served.engine.connect() as connection:
        return {
            table.name: connection.execute(sa.select(table).order_by(*table.columns)).all()
            for table in base.metadata.sorted_tables
        }


def send(served: Any, write: str) -> Any:
    method, url, body = WRITES[write]
    return served.open(url, method=method, **({} if body is None else {"json": body}))


def works(served: Any) -> None:
    """Reading and writing go on, and nothing is left open."""
    assert served.get("/api/films?dump=json").status_code == 200
    response = served.patch("/api/studios/2", json={"city": "Oslo"})
    assert response.status_code == 200, response.get_data(as_text=True)
    assert served.patch("/api/studios/2", json={"city": None}).status_code == 200
    assert served.engine.pool.checkedout() == 0


def ignore(*arguments: Any) -> None:
    pass


# Where the session comes from, and whether rows are written by plain statements, or through the ORM because somebody
# listens.
WAYS = [
    ("uri", "plain"),
    ("uri", "observed"),
    ("getter", "observed"),
    ("sessionmaker", "plain"),
    ("flask_sqlalchemy", "plain"),
    ("flask_sqlalchemy", "observed"),
]


@contextmanager
def observed(cinema: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for event in ("before_insert", "before_update", "before_delete"):
            stack.enter_context(listening(cinema.Film, event, ignore))
        yield


@pytest.fixture(params=WAYS, ids="-".join)
def app(request, serve, cinema, fill):
    kind, path = request.param
    served = serve(cinema.Base, sessions=kind)
    fill(served, cinema)
    served.looks_before_use = kind == "uri" and served.engine.dialect.name != "sqlite"
    with observed(cinema) if path == "observed" else nullcontext():
        yield served


class Fault:
    """Fails at the n-th thing an engine does: begin, execute, or commit."""

    def __init__(self, engine: sa.Engine, position: int, fail: Callable[[Any], None]) -> None:
        self._engine, self._left, self._fail = engine, position, fail
        self.happened = False

    def _step(self, connection: Any) -> None:
        if not self.happened:
            self._left -= 1
            if self._left < 0:
                self.happened = True
                self._fail(connection)

    def _execute(self, connection: Any, *rest: Any) -> None:
        self._step(connection)

    @contextmanager
    def armed(self) -> Iterator[Fault]:
        with (
            listening(self._engine, "begin", self._step),
            listening(self._engine, "before_cursor_execute", self._execute),
            listening(self._engine, "commit", self._step),
        ):
            yield self


def faults(engine: sa.Engine, fail: Callable[[Any], None]) -> Iterator[Fault]:
    """Give a fault at each position in turn, until the request is over before it happens."""
    for position in range(50):
        with Fault(engine, position, fail).armed() as fault:
            yield fault
        if not fault.happened:
            assert position >= 3
            return
    pytest.fail("A request without end.")


def explode(connection: Any) -> None:
    raise RuntimeError("secret detail")


@pytest.mark.contract("bar R34, R35, decisions 21")
@pytest.mark.parametrize("write", WRITES)
def test_a_failure_at_any_statement_leaves_everything_as_it_was(app, cinema, write):
    before = everything(app, cinema.Base)
    for fault in faults(app.engine, explode):
        response = send(app, write)
        if not fault.happened:
            assert response.status_code < 300, response.get_data(as_text=True)
            break
        errors = error_of(response, 500, "unexpected_error")
        assert "secret detail" not in errors["message"]
        assert everything(app, cinema.Base) == before
        works(app)
    assert everything(app, cinema.Base) != before


class Quit(BaseException):
    """What a server raises in a worker that must end."""


@pytest.mark.contract("bar R34")
@pytest.mark.parametrize("write", WRITES)
def test_a_worker_that_must_end_leaves_everything_as_it_was(app, cinema, write):
    def leave(connection: Any) -> None:
        raise Quit

    before = everything(app, cinema.Base)
    for fault in faults(app.engine, leave):
        try:
            response = send(app, write)
        except Quit:
            assert everything(app, cinema.Base) == before
            works(app)
        else:
            assert not fault.happened
            assert response.status_code < 300
            break


@contextmanager
def administrator(engine: sa.Engine) -> Iterator[Any]:
    other = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with other.connect() as connection:
        yield connection


def disconnect(engine: sa.Engine, driver_connection: Any) -> None:
    """End a connection, from the side of the server where there is one."""
    if engine.dialect.name == "sqlite":
        driver_connection.close()
        return
    with administrator(engine) as connection:
        if engine.dialect.name == "postgresql":
            number = driver_connection.info.backend_pid
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({number}, 10000)")
            return
        number = driver_connection.thread_id()
        connection.exec_driver_sql(f"KILL {number}")
        gone = f"SELECT count(*) FROM information_schema.processlist WHERE id = {number}"
        while connection.exec_driver_sql(gone).scalar():
            pass


def unavailable(response: Any) -> None:
    errors = error_of(response, 503, "database_unavailable")
    assert errors["error"] == "service_unavailable"
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.contract("bar R34, R37")
@pytest.mark.parametrize("write", WRITES)
def test_a_connection_lost_at_any_statement_leaves_everything_as_it_was(app, cinema, write):
    def lose(connection: Any) -> None:
        disconnect(app.engine, connection.connection.dbapi_connection)

    before = everything(app, cinema.Base)
    for fault in faults(app.engine, lose):
        response = send(app, write)
        if not fault.happened:
            assert response.status_code < 300
            break
        unavailable(response)
        assert everything(app, cinema.Base) == before
        works(app)


@pytest.mark.contract("bar R37")
@pytest.mark.parametrize("url", ["/api/films", "/api/films/1", "/api/films?dump=json", "/api/studios/1/films"])
def test_a_connection_lost_while_reading_is_503(app, url):
    def lose(connection: Any) -> None:
        disconnect(app.engine, connection.connection.dbapi_connection)

    for position in range(3):
        with Fault(app.engine, position, lose).armed() as fault:
            response = app.get(url)
        if fault.happened and position:
            unavailable(response)
        works(app)


def kill_idle(served: Any) -> None:
    """End the pooled connection, as a restart of the database does."""
    connection = served.engine.raw_connection()
    driver_connection = connection.dbapi_connection
    connection.close()
    disconnect(served.engine, driver_connection)


@pytest.mark.contract("bar R37")
def test_a_database_that_restarts_between_requests_is_not_noticed_for_long(app):
    for _ in range(3):
        kill_idle(app)
        response = app.patch("/api/studios/2", json={"city": "Rome"})
        # An engine of ours looks before it uses a connection; one of the application may not.
        if response.status_code != 200:
            assert not app.looks_before_use
            unavailable(response)
        works(app)


@contextmanager
def stopped(engine: sa.Engine) -> Iterator[None]:
    """Refuse every new connection in the words of the driver, as a stopped server does."""
    words: dict[str, tuple[Any, ...]] = {
        "sqlite": ("unable to open database file",),
        "postgresql": ('connection failed: connection to server at "db" failed: Connection refused',),
        "mysql": (2003, "Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)"),
        "mariadb": (2003, "Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)"),
    }

    def refuse(dialect: Any, record: Any, arguments: Any, options: Any) -> None:
        raise dialect.loaded_dbapi.OperationalError(*words[dialect.name])

    engine.dispose()
    with listening(engine, "do_connect", refuse):
        yield


@pytest.mark.contract("bar R37")
def test_a_database_that_is_down_is_503_until_it_is_back(app, cinema):
    before = everything(app, cinema.Base)
    with stopped(app.engine):
        for write in WRITES:
            unavailable(send(app, write))
        for url in ("/api/films", "/api/films/1", "/api/films/1/studios", "/api/studios/1/films", "/api/films?limit=1"):
            unavailable(app.get(url))
    assert everything(app, cinema.Base) == before
    works(app)


@pytest.mark.contract("bar R37")
def test_a_pool_without_a_free_connection_is_503(serve, cinema):
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0, "poolclass": sa.QueuePool}
    served = serve(cinema.Base, sessions="uri", API_DATABASE_ENGINE_OPTIONS=options)
    with served.engine.connect():
        unavailable(served.get("/api/films"))
        unavailable(served.post("/api/studios", json={"name": "x"}))
    assert served.post("/api/studios", json={"name": "x"}).status_code == 201


LOCKS = {
    "sqlite": ({"timeout": 0}, "BEGIN EXCLUSIVE"),
    "postgresql": ({"options": "-c lock_timeout=50ms"}, "LOCK TABLE films"),
    "mariadb": (
        {"init_command": "SET SESSION innodb_lock_wait_timeout=1, lock_wait_timeout=1"},
        "SELECT * FROM films FOR UPDATE",
    ),
}


@pytest.mark.contract("bar R36")
@pytest.mark.parametrize("write", ["update", "replace"])
def test_a_lock_that_is_not_given_is_503(serve, cinema, fill, database_kind, write):
    arguments, lock = LOCKS[database_kind]
    served = serve(cinema.Base, API_DATABASE_ENGINE_OPTIONS={"connect_args": arguments})
    fill(served, cinema)
    before = everything(served, cinema.Base)
    other = sa.create_engine(served.engine.url, poolclass=sa.NullPool)
    with closing(other.raw_connection()) as holder:
        holder.cursor().execute(lock)
        unavailable(send(served, write))
        holder.rollback()
    assert everything(served, cinema.Base) == before
    assert send(served, write).status_code == 200


# --- hooks of the application -----------------------------------------------------------------------------------------

HOOKS = {
    "create": ("before_insert", "after_insert"),
    "update": ("before_update", "after_update"),
    "replace": ("before_update", "after_update"),
}
SESSION_HOOKS = ("before_flush", "after_flush", "after_flush_postexec", "before_commit")


@pytest.mark.contract("bar R34")
@pytest.mark.parametrize("write, hook", [(write, hook) for write, hooks in HOOKS.items() for hook in hooks])
def test_a_failure_in_a_hook_of_a_model_rolls_back(serve, cinema, fill, sessions, write, hook):
    def fail(*arguments: Any) -> None:
        raise RuntimeError("secret detail")

    served = serve(cinema.Base, sessions=sessions)
    fill(served, cinema)
    before = everything(served, cinema.Base)
    with listening(cinema.Film, hook, fail):
        error_of(send(served, write), 500, "unexpected_error")
        assert everything(served, cinema.Base) == before
        works(served)
    assert send(served, write).status_code < 300


@pytest.mark.contract("bar R34")
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("hook", SESSION_HOOKS)
def test_a_failure_in_a_hook_of_the_session_rolls_back(cinema_app, cinema, write, hook):
    def fail(*arguments: Any) -> None:
        raise RuntimeError("secret detail")

    before = everything(cinema_app, cinema.Base)
    with listening(sa.orm.Session, hook, fail):
        error_of(send(cinema_app, write), 500, "unexpected_error")
    assert everything(cinema_app, cinema.Base) == before
    works(cinema_app)
    assert send(cinema_app, write).status_code < 300


@pytest.mark.contract("bar R34")
@pytest.mark.parametrize("write", WRITES)
def test_a_failure_in_a_hook_after_the_commit_is_logged_and_harms_no_later_request(cinema_app, cinema, write, caplog):
    def fail(*arguments: Any) -> None:
        raise RuntimeError("the mail server is down")

    before = everything(cinema_app, cinema.Base)
    with listening(sa.orm.Session, "after_commit", fail):
        error_of(send(cinema_app, write), 500, "unexpected_error")
    # The row is written: the failure is the application's own, and too late for the database.
    assert everything(cinema_app, cinema.Base) != before
    assert "the mail server is down" in caplog.text
    works(cinema_app)


@pytest.mark.contract("bar R34")
def test_a_failure_in_a_hook_after_the_request_harms_no_later_request(serve, cinema, fill, caplog):
    served = serve(cinema.Base)
    fill(served, cinema)
    hooks = served.app.after_request_funcs.setdefault(None, [])

    def fail(response: Any) -> Any:
        raise RuntimeError("the mail server is down")

    hooks.append(fail)
    response = served.patch("/api/studios/1", json={"city": "Bergen"})
    hooks.remove(fail)
    assert response.status_code == 500
    assert "mail server" not in response.get_data(as_text=True)
    assert "the mail server is down" in caplog.text
    assert served.scalar("SELECT city FROM studios WHERE id = 1") == "Bergen"
    works(served)


@pytest.mark.contract("bar R34")
def test_an_error_of_ours_that_a_hook_raises_is_the_answer(cinema_app, cinema):
    def refuse(*arguments: Any) -> None:
        raise ConflictError("No films on Sundays.", reason="sunday")

    before = everything(cinema_app, cinema.Base)
    with listening(cinema.Film, "after_update", refuse):
        errors = error_of(send(cinema_app, "update"), 409, "sunday")
    assert errors["message"] == "No films on Sundays."
    assert everything(cinema_app, cinema.Base) == before


# --- answers that cannot be given -------------------------------------------------------------------------------------


class Unreadable(sa.TypeDecorator[str]):
    """Text that can be written and not read."""

    impl = sa.String(40)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        if value == "bad":
            raise RuntimeError("secret detail")
        return value


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("secret detail")


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(sa.String(40))
    odd: Mapped[str | None] = mapped_column(Unreadable)

    @hybrid_property
    def shout(self) -> str | None:
        if self.text == "bad":
            raise RuntimeError("secret detail")
        return self.text and self.text.upper()

    @hybrid_property
    def thing(self):
        return Unprintable() if self.text == "ugly" else str(self.text or "")


@pytest.mark.contract("bar R35")
@pytest.mark.parametrize("body", [{"odd": "bad"}, {"text": "bad"}, {"text": "ugly"}])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_row_that_cannot_be_answered_is_not_written(serve, sessions, method, body):
    served = serve(Base, sessions=sessions)
    assert served.post("/api/notes", json={"text": "a", "odd": "b"}).status_code == 201
    before = served.scalar("SELECT count(*) FROM notes"), served.scalar("SELECT text FROM notes")
    response = served.open("/api/notes" if method == "POST" else "/api/notes/1", method=method, json=body)
    assert "secret detail" not in error_of(response, 500, "unexpected_error")["message"]
    assert (served.scalar("SELECT count(*) FROM notes"), served.scalar("SELECT text FROM notes")) == before
    assert served.scalar("SELECT odd FROM notes") == "b"
    assert served.value("/api/notes/1")["shout"] == "A"
    assert served.post("/api/notes", json={"text": "b"}).status_code == 201
    assert served.engine.pool.checkedout() == 0


@pytest.mark.contract("bar R34")
@pytest.mark.parametrize("column, text", [("odd", "bad"), ("text", "bad"), ("text", "ugly")])
def test_a_row_that_cannot_be_read_harms_no_other_request(serve, sessions, column, text):
    served = serve(Base, sessions=sessions)
    served.execute(sa.text(f"INSERT INTO notes (id, {column}) VALUES (1, '{text}')"))
    served.execute(sa.text("INSERT INTO notes (id, text) VALUES (2, 'fine')"))
    for url in ("/api/notes", "/api/notes/1"):
        error_of(served.get(url), 500, "unexpected_error")
        assert served.value("/api/notes/2")["text"] == "fine"
    assert served.engine.pool.checkedout() == 0


# --- commits ----------------------------------------------------------------------------------------------------------


class DeferredBase(DeclarativeBase):
    pass


class Parent(DeferredBase):
    __tablename__ = "parents"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)


class Child(DeferredBase):
    __tablename__ = "children"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id", deferrable=True, initially="DEFERRED"))


@pytest.mark.contract("bar R35")
def test_a_commit_that_the_database_refuses_is_an_error_and_no_row(serve, database_kind):
    if database_kind == "mariadb":
        pytest.skip("MariaDB checks nothing at the commit.")
    served = serve(DeferredBase)
    error_of(served.post("/api/children", json={"parent_id": 9}), 409, "foreign_key_violation")
    assert served.scalar("SELECT count(*) FROM children") == 0
    assert served.post("/api/parents", json={}).status_code == 201
    child = served.post("/api/children", json={"parent_id": 1}).headers["Location"]
    error_of(served.patch(child, json={"parent_id": 9}), 409, "foreign_key_violation")
    error_of(served.delete("/api/parents/1"), 409, "row_is_referred_to")
    assert served.scalar("SELECT parent_id FROM children") == 1
    assert served.scalar("SELECT count(*) FROM parents") == 1
    assert served.engine.pool.checkedout() == 0


@pytest.mark.contract("bar R35")
def test_the_answer_is_rendered_before_the_commit(cinema_app):
    events: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *arguments: events.append(name)

    executed, committed = note("statement"), note("commit")
    with (
        listening(cinema_app.engine, "before_cursor_execute", executed),
        listening(cinema_app.engine, "commit", committed),
    ):
        assert cinema_app.post("/api/studios?dump=json", json={"name": "x"}).status_code == 201
    assert events.count("commit") == 1
    assert events[-1] == "commit"
