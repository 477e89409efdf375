"""Finding the SQLAlchemy session of a model, and closing what was opened for a request."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flarchitect_core import options
from flarchitect_core.claims import Claims, RequestClaims, claims_of, listen_to_transactions
from flarchitect_core.drivers import install_line
from flarchitect_core.errors import ApiError
from flarchitect_core.http.request_scope import RequestScope, current_request
from flarchitect_core.operations.failures import UNREADABLE, unreadable_value
from flarchitect_core.operations.listeners import someone_listens_to_execution
from flarchitect_core.releasing import close, roll_back
from flarchitect_core.settings import Settings
from flarchitect_core.startup import StartupReport

__all__ = ["Database", "open_engine"]

SessionSource = Callable[[], Session]

# Key of the connection that reads, among the sessions of a request.
_READING = "reading"

# Databases that give one moment to a whole transaction when asked to; SQLite does so by itself.
_SNAPSHOT_DATABASES = frozenset({"postgresql", "mysql", "mariadb"})
# Databases whose drivers run a statement while the rows of another one are still being fetched.
_INTERLEAVING_DATABASES = frozenset({"sqlite", "postgresql"})

_WAYS = (
    "use Flask-SQLAlchemy (call db.init_app(app) before Architect(app)), set API_SESSION_GETTER to a callable that "
    "returns a session, or set API_DATABASE_URI to a SQLAlchemy URL"
)


class Database:
    """The sessions of one application.

    A session comes, first hit wins, from the model's `Meta.session_getter`, `API_SESSION_GETTER`,
    `API_DATABASE_URI`, Flask-SQLAlchemy, `Model.query.session`, `Model.get_session()`, or the engine in
    `Model.metadata.bind` (rest 1.3). One session serves a whole request. When the request ends it is closed, except
    Flask-SQLAlchemy's, which Flask-SQLAlchemy closes.

    Args:
        app: Application, `None` for code that runs outside of any.
    """

    def __init__(self, app: Flask | None, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self.engine: Engine | None = None
        self._own: sessionmaker[Session] | None = None
        self._probe: Session | None = None
        self._long_integers: dict[type, bool] = {}
        self._claims: Claims | None = None

    def check(self, report: StartupReport, models: Iterable[type]) -> None:
        """Open the engine of `API_DATABASE_URI`, and report every model for which no session can be found."""
        uri = self._settings.get(options.DATABASE_URI)
        if uri is not None:
            if self._settings.get(options.SESSION_GETTER) is not None:
                report.problem("API_SESSION_GETTER and API_DATABASE_URI are both set. Keep one of them.")
            if self.engine is None:
                self._open(report, uri)
            return
        without = [model.__name__ for model in models if self._source(model) is None]
        if without:
            report.problem(
                f"No database session for the models of API_BASE_MODEL ({', '.join(without[:5])}"
                f"{', …' if len(without) > 5 else ''}): {_WAYS}."
            )

    def _open(self, report: StartupReport, uri: str) -> None:
        try:
            self.engine = open_engine(uri, self._settings.get(options.DATABASE_ENGINE_OPTIONS))
        except NoSuchModuleError as error:
            report.problem(f"API_DATABASE_URI is not a SQLAlchemy URL such as sqlite:///shop.db: {error}")
        except ArgumentError:
            # SQLAlchemy 2.0 repeats the whole text, password included.
            report.problem("API_DATABASE_URI is not a SQLAlchemy URL such as sqlite:///shop.db.")
        except ValueError:
            # SQLAlchemy's words repeat the port, which is a part of the password when `@` was forgotten.
            report.problem("API_DATABASE_URI is not a SQLAlchemy URL: what stands in place of its port is no number.")
        except TypeError as error:
            report.problem(f"API_DATABASE_ENGINE_OPTIONS are not what create_engine takes: {error}")
        except ModuleNotFoundError as error:
            report.problem(f"The driver of API_DATABASE_URI is not installed. Run `{install_line(str(error.name))}`.")
        else:
            # Nobody uses an instance after the commit of its request, so none is expired for a later look.
            self._own = sessionmaker(self.engine, expire_on_commit=False)
            self._probe = self._own()

    def check_claims(self, report: StartupReport, models: Iterable[type]) -> None:
        """Read what the database is to be told of who calls, and report what it could not be told."""
        self._claims = claims_of(self._settings, report)
        if self._claims is None:
            return
        listen_to_transactions()
        dialects: set[str] = set()
        for model in models:
            source = self._source(model)
            if source is None:
                continue
            try:
                dialects.add(self._engine_of(model, source).dialect.name)
            except Exception as error:  # noqa: BLE001 - a getter may raise anything; it is told by its name
                report.notice(
                    f"The session of {model.__name__} could not be asked for its database before a request "
                    f"({type(error).__name__}). API_DATABASE_CLAIMS needs PostgreSQL there."
                )
        others = sorted(dialects - {"postgresql"})
        if others:
            report.problem(
                f"API_DATABASE_CLAIMS is set, and settings of a transaction are of PostgreSQL alone, not of "
                f"{' and '.join(others)}. Remove the option, and write the rules as Meta.access_policy."
            )

    @property
    def has_claims(self) -> bool:
        """Whether the database is told who calls, so that policies of its own may hide rows."""
        return self._claims is not None

    def begin_request(self, scope: RequestScope) -> None:
        """Let the transactions of a request be told who calls, where they are to be."""
        if self._claims is None:
            return
        claims = scope.claims = RequestClaims(self._claims)
        # Requests that share an application context, or a thread, may find a transaction of another one.
        for source in (self._settings.get(options.SESSION_GETTER), self._flask_sqlalchemy()):
            if isinstance(source, scoped_session) and source.registry.has():
                claims.adopt(source())
        outer = None if scope.outer is None else scope.outer.claims
        scope.closers.append(partial(claims.end, outer))

    def session(self, model: type | None = None, *, source: SessionSource | None = None) -> Session:
        """Give the session of a model for the current request; outside of one, a session the caller must close.

        Args:
            model: Mapped class.
            source: What gives the session, when the caller knows it already.

        Raises:
            RuntimeError: No session can be found, or the getter gave none.
        """
        source = source or self._source(model)
        if source is None:
            raise RuntimeError(f"No database session for {model}: {_WAYS}.")
        scope = current_request()
        if scope is None:
            return _session_from(source)
        session: Session | None = scope.sessions.get(source)
        if session is None:
            self._end_reading(scope)
            session = scope.sessions[source] = _session_from(source)
            if scope.claims is not None:
                scope.claims.adopt(session)
            if not self._is_flask_sqlalchemy(source):
                scope.closers.append(partial(close, session))
            elif not session.in_transaction():
                # Several requests may share an application context, and with it this session: each ends what it began.
                scope.closers.append(partial(roll_back, session))
        return session

    def read(
        self, model: type, statement: sa.Select[Any], parameters: Mapping[str, Any], *, instances: bool = False
    ) -> Sequence[Any]:
        """Run a select for the current request and give all rows.

        A session is as slow as what it could do, so a select of columns goes to a connection: that of the session,
        unless the session has something to write first or somebody listens to what it executes, or, before there is
        a session, one of our own engine.

        Args:
            instances: Whether the select gives instances, which only a session makes.

        Raises:
            SQLAlchemyError: The transaction is rolled back, and the session can be used again.
            ApiError: A row holds what its column cannot; the same.
        """
        try:
            reader = self.session(model) if instances else self._reader(model)
            result = reader.execute(statement, parameters)
            try:
                return result.all()
            except UNREADABLE as error:
                raise unreadable_value(error, model.__name__) from error
        except (SQLAlchemyError, OverflowError, ApiError):
            self._roll_back(model)
            raise

    def idle_session(self, model: type) -> Session | None:
        """Give a session such as the current request will use for a model, to ask who listens to it.

        Returns:
            `None` when selects of columns need the session of the request, as it has one or it is not ours to open.
        """
        return None if self._own_connection(model) is None else self._probe

    def begin_snapshot(self, model: type, *, instances: bool = False) -> bool:
        """Begin the transaction in which the current request reads a model, so that all it reads is of one moment.

        A request that has read before keeps the transaction that it is in.

        Args:
            instances: Whether instances will be read, which only a session makes.

        Returns:
            Whether the connection takes further statements while `stream` still gives rows.
        """
        connection = None if instances else self._own_connection(model)
        session = self.session(model) if connection is None else None
        bind = connection or self.session(model).get_bind(sa.inspect(model))
        if bind.dialect.name in _SNAPSHOT_DATABASES:
            isolation = {"isolation_level": "REPEATABLE READ"}
            if connection is not None and not connection.in_transaction():
                connection.execution_options(**isolation)
            elif session is not None and isinstance(bind, Engine) and not session.in_transaction():
                session.connection(bind_arguments={"mapper": sa.inspect(model)}, execution_options=isolation)
        return bind.dialect.name in _INTERLEAVING_DATABASES

    def stream(
        self,
        model: type,
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        size: int,
        instances: bool = False,
    ) -> Iterator[Sequence[Any]]:
        """Run a select for the current request and give its rows in chunks, without ever holding all of them.

        The result is closed when the request ends, however far it was read.

        Args:
            size: Rows per chunk.
            instances: Whether the select gives instances, which only a session makes.

        Raises:
            SQLAlchemyError: The transaction is rolled back, and the session can be used again.
        """
        try:
            reader = self.session(model) if instances else self._reader(model)
            result = reader.execute(
                statement, parameters, execution_options={"stream_results": True, "yield_per": size}
            )
            scope = current_request()
            if scope is not None:
                scope.closers.append(result.close)
            yield from result.partitions()
        except (SQLAlchemyError, OverflowError):
            self._roll_back(model)
            raise

    def _reader(self, model: type) -> Session | Connection:
        connection = self._own_connection(model)
        if connection is not None:
            scope = current_request()
            if scope is not None and scope.claims is not None and not connection.in_transaction():
                scope.claims.begin(connection)
            return connection
        session = self.session(model)
        if session.new or session.dirty or session.deleted or someone_listens_to_execution(session):
            return session
        return session.connection(bind_arguments={"mapper": sa.inspect(model)})

    def _own_connection(self, model: type) -> Connection | None:
        scope, own, engine = current_request(), self._own, self.engine
        if scope is None or own is None or engine is None or own in scope.sessions or self._source(model) is not own:
            return None
        if self._probe is None or someone_listens_to_execution(self._probe):
            return None
        connection: Connection | None = scope.sessions.get(_READING)
        if connection is None:
            connection = scope.sessions[_READING] = engine.connect()
            scope.closers.append(partial(close, connection))
        return connection

    def _roll_back(self, model: type) -> None:
        scope = current_request()
        reading: Connection | None = scope.sessions.get(_READING) if scope is not None else None
        roll_back(self.session(model) if reading is None else reading)

    @staticmethod
    def _end_reading(scope: RequestScope) -> None:
        # A session must not wait for a second connection, nor see an older state of the database.
        connection: Connection | None = scope.sessions.pop(_READING, None)
        if connection is not None:
            close(connection)

    @contextmanager
    def session_scope(self, model: type | None = None, *, source: SessionSource | None = None) -> Iterator[Session]:
        """Give a session for a `with` block; outside of a request, one that was opened for it is closed at its end."""
        source = source or self._source(model)
        is_opened_here = current_request() is None and not (
            isinstance(source, scoped_session) and source.registry.has()
        )
        session = self.session(model, source=source)
        try:
            yield session
        except BaseException:
            roll_back(session)
            raise
        finally:
            if is_opened_here:
                close(session)

    def engines(self, models: Iterable[type]) -> tuple[dict[str, Engine], dict[str, str]]:
        """Find the engines behind the sessions of models; needs an application context.

        Returns:
            Engines by name: `database`, `database_2` and so on, and Flask-SQLAlchemy's by their bind key. Beside them,
            by name too, the kind of error of the session that could not be asked for its engine.
        """
        found: dict[Engine, str] = {}
        failed: dict[str, str] = {}
        unnamed = 0
        for model in models:
            source = self._source(model)
            if source is None:
                continue
            try:
                engines = self._engines_of(model, source)
            except Exception as error:  # noqa: BLE001 - a getter may raise anything; it is told by its name
                failed["session"] = type(error).__name__
                continue
            for name, engine in engines:
                if engine not in found:
                    unnamed += name is None
                    found[engine] = name or ("database" if unnamed == 1 else f"database_{unnamed}")
        return {name: engine for engine, name in found.items()}, failed

    def has_long_integers(self, model: type) -> bool:
        """Say whether integers of every kind have 64 bits where the rows of a model are, as SQLite has them.

        Needs an application context, and no connection. A session that cannot be asked counts as any other database.
        """
        known = self._long_integers.get(model)
        if known is None:
            engines, _ = self.engines([model])
            names = {engine.dialect.name for engine in engines.values()}
            known = self._long_integers[model] = names == {"sqlite"}
        return known

    def _engines_of(self, model: type, source: SessionSource) -> list[tuple[str | None, Engine]]:
        if source is self._own and self.engine is not None:
            return [(None, self.engine)]
        if self._app is not None and self._is_flask_sqlalchemy(source):
            return list(self._app.extensions["sqlalchemy"].engines.items())
        return [(None, self._engine_of(model, source))]

    def _engine_of(self, model: type, source: SessionSource) -> Engine:
        """Find the engine that serves one model."""
        with self.session_scope(model, source=source) as session:
            return session.get_bind(sa.inspect(model)).engine

    def _source(self, model: type | None) -> SessionSource | None:
        getter: Any = self._settings.get(options.SESSION_GETTER, model=model)
        if getter is not None:
            return getter  # type: ignore[no-any-return]
        if self._own is not None:
            return self._own
        return self._flask_sqlalchemy() or _legacy_source(model)

    def _flask_sqlalchemy(self) -> SessionSource | None:
        extension = None if self._app is None else self._app.extensions.get("sqlalchemy")
        return None if extension is None else extension.session

    def _is_flask_sqlalchemy(self, source: SessionSource) -> bool:
        return source is self._flask_sqlalchemy()


@dataclass(frozen=True, slots=True)
class _QuerySession:
    """The session of `Model.query`; equal for one model, so that a request asks it once."""

    model: Any

    def __call__(self) -> Session:
        session: Session = self.model.query.session
        return session


@dataclass(frozen=True, slots=True)
class _BoundSession:
    """Opens sessions on an engine; equal for one engine, so that a request opens one."""

    engine: Engine

    def __call__(self) -> Session:
        return Session(self.engine)


def _legacy_source(model: type | None) -> SessionSource | None:
    # The query of a Flask-SQLAlchemy model is of no use here: it was not initialised for this application.
    query = None if hasattr(model, "__fsa__") else getattr(model, "query", None)
    if query is not None and hasattr(query, "session"):
        return _QuerySession(model)
    own = getattr(model, "get_session", None)
    if callable(own):
        return own  # type: ignore[no-any-return]
    engine = getattr(getattr(model, "metadata", None), "bind", None)
    return _BoundSession(engine) if isinstance(engine, Engine) else None


def _session_from(source: SessionSource) -> Session:
    session: Any = source()
    if isinstance(session, scoped_session):
        session = session()
    if not isinstance(session, Session):
        raise RuntimeError(
            f"The session getter {source!r} returned {session!r} instead of a SQLAlchemy Session. "
            f"Make API_SESSION_GETTER return one, for example a sessionmaker or a scoped_session."
        )
    return session


def open_engine(uri: str, engine_options: dict[str, Any] | None = None) -> Engine:
    """Open an engine with what an API needs.

    Connections are checked before use and never shared with a process that is forked. On SQLite, foreign keys are
    enforced. Errors, and with them logs, do not repeat the values that clients sent.
    """
    url = sa.make_url(uri)
    engine = sa.create_engine(url, **{"hide_parameters": True, **_defaults(url), **(engine_options or {})})
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _enforce_foreign_keys)
    if not _is_in_memory(url):
        _forget_connections_in_children(engine)
    return engine


def _defaults(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    if _is_in_memory(url):
        # A database in memory is its connection, so all threads take turns with one.
        arguments = {"check_same_thread": False}
        return {"poolclass": sa.QueuePool, "pool_size": 1, "max_overflow": 0, "connect_args": arguments}
    return {}


def _is_in_memory(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _forget_connections_in_children(engine: Engine) -> None:
    """Let a forked process, such as a worker of a server that loads the application first, open its own connections."""
    if not hasattr(os, "register_at_fork"):
        return
    # What is registered stays for good; the engine need not.
    reference = weakref.ref(engine)

    def forget() -> None:
        opened = reference()
        if opened is not None:
            # Closed, they would be closed for the parent as well.
            opened.dispose(close=False)

    os.register_at_fork(after_in_child=forget)


def _enforce_foreign_keys(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
