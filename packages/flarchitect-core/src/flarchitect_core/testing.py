"""Helpers for tests of applications that use the extension, and for its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine import Engine

from flarchitect_core.architect import Architect

__all__ = ["StatementLog", "count_statements", "database_servers", "error_of", "make_app", "temporary_database"]


def make_app(base: Any, database_uri: str | None = None, *, parts: Any = None, **config: Any) -> Flask:
    """Make an application that serves the models of a base.

    Args:
        base: Declarative base, or list of them.
        database_uri: Value of `API_DATABASE_URI`.
        parts: Parts to bind instead of all installed ones.
        config: Further configuration keys.
    """
    app = Flask("flarchitect_test_app")
    app.config.update(API_TITLE="Test", API_VERSION="1.0", API_LOG_REQUESTS=False, API_BASE_MODEL=base)
    if database_uri is not None:
        app.config["API_DATABASE_URI"] = database_uri
    app.config.update(config)
    Architect(app, parts=parts)
    return app


@dataclass(slots=True)
class StatementLog:
    """The SQL statements that were sent, in their order."""

    statements: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.statements)


@contextmanager
def count_statements(engine: Engine) -> Iterator[StatementLog]:
    """Record every statement that is sent through an engine within the block."""
    log = StatementLog()

    def record(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        log.statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", record)
    try:
        yield log
    finally:
        sa.event.remove(engine, "before_cursor_execute", record)


def error_of(response: Any, status: int, reason: str | None = None) -> dict[str, Any]:
    """Check that a response is an error in the one shape (decisions 8) and give its `errors` object.

    Raises:
        AssertionError: The status or the reason is another one, or the shape is wrong.
    """
    body = response.get_json()
    if response.status_code != status:
        raise AssertionError(f"expected {status}, got {response.status_code}: {response.get_data(as_text=True)[:500]}")
    errors: dict[str, Any] = body["errors"]
    request_id = errors.get("request_id", errors.get("requestId"))
    if not {"error", "message", "reason"} <= errors.keys() or body["value"] is not None:
        raise AssertionError(f"not the error shape: {body}")
    if response.headers["X-Request-ID"] != request_id:
        raise AssertionError("the request id of the header is not that of the body")
    if reason is not None and errors["reason"] != reason:
        raise AssertionError(f"expected the reason {reason!r}, got {errors['reason']!r}: {errors['message']}")
    return errors


def database_servers() -> dict[str, str]:
    """Give what `temporary_database` takes for each database that `FLARCHITECT_TEST_DATABASES` names.

    The variable is a comma list of `sqlite`, `postgresql` and `mariadb`; without it only SQLite is tested.
    """
    known = {
        "sqlite": "sqlite",
        "postgresql": os.environ.get(
            "FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
        ),
        "mariadb": os.environ.get("FLARCHITECT_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
    }
    return {name: known[name] for name in os.environ.get("FLARCHITECT_TEST_DATABASES", "sqlite").split(",")}


@contextmanager
def temporary_database(server: str, folder: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """Create a database of its own for a test and drop it afterwards.

    Args:
        server: `sqlite`, or the URL of a PostgreSQL or MariaDB database from which others can be created.
        folder: Where the SQLite file goes.

    Yields:
        The URL of the new database.
    """
    name = f"flarchitect_test_{uuid.uuid4().hex[:16]}"
    if server == "sqlite":
        path = Path(folder or ".") / f"{name}.db"
        try:
            yield f"sqlite:///{path}"
        finally:
            path.unlink(missing_ok=True)
        return
    url = sa.make_url(server)
    forced = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
    charset = "" if forced else " CHARACTER SET utf8mb4"
    _administer(url, f"CREATE DATABASE {name}{charset}")
    if forced:
        # Nothing in it is worth waiting for the disk.
        _administer(url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(url, f"DROP DATABASE {name}{forced}")


def _administer(url: sa.URL, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()
