"""Finding the SQLAlchemy session of a model, and closing what was opened for a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flarchitect_core import options
from flarchitect_core.request_scope import RequestScope, current_request
from flarchitect_core.settings import Settings
from flarchitect_core.startup import StartupReport

__all__ = ["Database", "open_engine"]

SessionSource = Callable[[], Session]

# Key of the connection that reads, among the sessions of a request.
_READING = "reading"

_WAYS = (
    "use Flask-SQLAlchemy (call db.init_app(app) before Architect(app)), set API_SESSION_GETTER to a callable that "
    "returns a session, or set API_DATABASE_URI to a SQLAlchemy URL"
)


class Database:
    """The sessions of one application.

    A session comes, first hit wins, from the model's `Meta.session_getter`, `API_SESSION_GETTER`,
    `API_DATABASE_URI`, Flask-SQLAlchemy, `Model.query.session`, or `Model.get_session()` (rest 1.3). One session
    serves a whole request. When the request ends it is closed, except Flask-SQLAlchemy's, which Flask-SQLAlchemy
    closes.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self.engine: Engine | None = None
        self._own: sessionmaker[Session] | None = None
        self._probe: Session | None = None

    def check(self, report: StartupReport, models: Iterable[type]) -> None:
        """Open the engine of `API_DATABASE_URI`, and report every model for which no session can be found."""
        uri = self._settings.get(options.DATABASE_URI)
        if uri is not None:
            if self._settings.get(options.SESSION_GETTER) is not None:
                report.problem("API_SESSION_GETTER and API_DATABASE_URI are both set. Keep one of them.")
            self._open(report, uri)
        without = [model.__name__ for model in models if self._source(model) is None]
        if without:
            report.problem(
                f"No database session for the models of API_BASE_MODEL ({', '.join(without[:5])}"
                f"{', …' if len(without) > 5 else ''}): {_WAYS}."
            )

    def _open(self, report: StartupReport, uri: str) -> None:
        try:
            self.engine = open_engine(uri, self._settings.get(options.DATABASE_ENGINE_OPTIONS))
        except (ArgumentError, NoSuchModuleError) as error:
            report.problem(f"API_DATABASE_URI is not a SQLAlchemy URL such as sqlite:///shop.db: {error}")
        except ModuleNotFoundError as error:
            report.problem(f"The driver of API_DATABASE_URI is not installed. Run `pip install {error.name}`.")
        else:
            self._own = sessionmaker(self.engine)
            self._probe = self._own()

    def session(self, model: type | None = None) -> Session:
        """Give the session of a model for the current request; outside of one, a session the caller must close.

        Raises:
            RuntimeError: No session can be found, or the getter gave none.
        """
        source = self._source(model)
        if source is None:
            raise RuntimeError(f"No database session for {model}: {_WAYS}.")
        scope = current_request()
        if scope is None:
            return _session_from(source)
        session: Session | None = scope.sessions.get(source)
        if session is None:
            self._end_reading(scope)
            session = scope.sessions[source] = _session_from(source)
            if not self._is_flask_sqlalchemy(source):
                scope.closers.append(session.close)
        return session

    def reader(self, model: type) -> Session | Connection:
        """Give what reads rows of a model fastest: the session of the request, or a connection when that is as good.

        A connection knows nothing of what a session holds, so it is used only on an engine of our own, before the
        request opened a session, and while nobody listens to what sessions execute.
        """
        scope = current_request()
        own = self._own
        if own is None or scope is None or self._source(model) is not own or own in scope.sessions:
            return self.session(model)
        if self._has_listeners():
            return self.session(model)
        connection: Connection | None = scope.sessions.get(_READING)
        if connection is None and self.engine is not None:
            connection = scope.sessions[_READING] = self.engine.connect()
            scope.closers.append(connection.close)
        return connection if connection is not None else self.session(model)

    def _has_listeners(self) -> bool:
        return self._probe is not None and bool(self._probe.dispatch.do_orm_execute)

    @staticmethod
    def _end_reading(scope: RequestScope) -> None:
        # A session must not wait for a second connection, nor see an older state of the database.
        connection: Connection | None = scope.sessions.pop(_READING, None)
        if connection is not None:
            connection.close()

    @contextmanager
    def session_scope(self, model: type | None = None) -> Iterator[Session]:
        """Give a session for a `with` block; outside of a request it is closed at the end."""
        session = self.session(model)
        try:
            yield session
        except BaseException:
            session.rollback()
            raise
        finally:
            if current_request() is None:
                session.close()

    def _source(self, model: type | None) -> SessionSource | None:
        getter: Any = self._settings.get(options.SESSION_GETTER, model=model)
        if getter is not None:
            return getter  # type: ignore[no-any-return]
        if self._own is not None:
            return self._own
        extension = self._app.extensions.get("sqlalchemy")
        if extension is not None:
            return extension.session  # type: ignore[no-any-return]
        return _legacy_source(model)

    def _is_flask_sqlalchemy(self, source: SessionSource) -> bool:
        extension = self._app.extensions.get("sqlalchemy")
        return extension is not None and source is extension.session


def _legacy_source(model: type | None) -> SessionSource | None:
    try:
        query = getattr(model, "query", None)
    except RuntimeError:
        # Flask-SQLAlchemy's `Model.query` when it was not initialised for this application.
        query = None
    if query is not None and hasattr(query, "session"):
        return lambda: query.session
    own = getattr(model, "get_session", None)
    return own if callable(own) else None


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
    """Open an engine with what an API needs: checked connections, and foreign keys enforced on SQLite."""
    url = sa.make_url(uri)
    defaults: dict[str, Any] = {} if url.get_backend_name() == "sqlite" else {"pool_pre_ping": True}
    engine = sa.create_engine(url, **{**defaults, **(engine_options or {})})
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _enforce_foreign_keys)
    return engine


def _enforce_foreign_keys(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
