"""The URL of the database to serve: read, checked, and made into the arguments of an engine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from flarchitect_core.drivers import install_line, with_installed_driver
from flarchitect_core.suggestions import nearest
from flarchitect_rest.serve.errors import ServeError, WrongArgumentError
from flarchitect_rest.serve.sqlite_file import SqliteFile

__all__ = ["DatabaseURL", "read_url"]

_CONNECT_TIMEOUT_SECONDS = 5
_FIRST_WORD_TIMEOUT_SECONDS = 5

# Drivers that know `connect_timeout` in seconds. The second kind also runs a statement on every new connection, and
# waits without end for the first word of a server.
_POSTGRESQL = frozenset({"psycopg", "psycopg2"})
_MYSQL = frozenset({"pymysql", "mysqldb"})

_NAMES = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "mssql": "SQL Server",
    "oracle": "Oracle",
}
_EXAMPLES = "sqlite:///shop.db or postgresql+psycopg://user:password@host/database"


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """A database that can be opened, as far as the URL alone tells.

    Attributes:
        url: The URL with its driver.
        engine_options: Keyword arguments of `create_engine`; without leave to write, they make the database itself
            refuse a change.
    """

    url: sa.URL
    engine_options: dict[str, Any]

    @property
    def text(self) -> str:
        """The URL as text, password included."""
        return self.url.render_as_string(hide_password=False)

    @property
    def first_contact_options(self) -> dict[str, Any] | None:
        """Engine options that give up on a server which lets us in and says nothing; `None` where none are needed.

        They are for one connection only: a large catalogue may take its time.
        """
        if self.url.get_driver_name() not in _MYSQL or "read_timeout" in self.url.query:
            return None
        arguments = {"read_timeout": _FIRST_WORD_TIMEOUT_SECONDS, **self.engine_options["connect_args"]}
        return {**self.engine_options, "connect_args": arguments}

    @property
    def product(self) -> str:
        """Name of the database product."""
        backend = self.url.get_backend_name()
        return _NAMES.get(backend, backend)

    @property
    def label(self) -> str:
        """What people call the database: the file of SQLite, else product and place, never the password."""
        name = Path(self.url.database or "").name or "a database"
        if self.url.get_backend_name() == "sqlite":
            return f"{name} (SQLite)"
        return f"{self.url.database or 'the default database'} ({self.place})"

    @property
    def place(self) -> str:
        """Product, host and port, as in `PostgreSQL at 127.0.0.1:5432`."""
        if self.url.host is None:
            return self.product
        host = f"[{self.url.host}]" if ":" in self.url.host else self.url.host
        return f"{self.product} at {host}" + (f":{self.url.port}" if self.url.port else "")


def read_url(text: str, *, write: bool = False) -> DatabaseURL:
    """Read the URL of a database that exists.

    Args:
        text: SQLAlchemy URL. Where it names no driver, an installed one is taken.
        write: Whether connections may change the database.

    Raises:
        WrongArgumentError: The URL is malformed, or SQLAlchemy has no such dialect.
        ServeError: The driver is not installed, or the SQLite file cannot be served.
    """
    url = with_installed_driver(_parse(text))
    dialect = _load_dialect(url)
    if url.get_backend_name() == "sqlite" and url.get_driver_name() == "pysqlite":
        file = SqliteFile.of(url)
        file.check(write=write)
        return DatabaseURL(url, {"creator": file.opener(write=write)})
    if dialect.name in ("mysql", "mariadb") and not url.database:
        raise WrongArgumentError("The URL names no database. Write its name after the last slash, as in …/shop.")
    return DatabaseURL(url, _server_options(url, write=write))


def _parse(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        # The text is not repeated: it may hold a password.
        raise WrongArgumentError(f"This is not a database URL. {_url_hint(text)}") from error
    except ValueError as error:
        raise WrongArgumentError(
            "The port in the database URL is not a number. Write it as in …@host:5432/…"
        ) from error
    if url.get_backend_name() == "sqlite" and (url.host or url.username):
        path = (url.host or "") + (f"/{url.database}" if url.database else "")
        raise WrongArgumentError(f"A SQLite URL has three slashes before the path. Write sqlite:///{path}")
    return url


def _url_hint(text: str) -> str:
    if re.fullmatch(r"sqlite3?:/?[^/].*", text):
        return f"Write sqlite:///{re.sub('^sqlite3?:', '', text)}"
    if "://" not in text and "@" not in text and (os.path.exists(text) or Path(text).suffix):
        return f"Write sqlite:///{text} for a SQLite file."
    return f"Write it as in {_EXAMPLES}"


def _load_dialect(url: sa.URL) -> type[sa.Dialect]:
    """Load the dialect of a URL together with its driver."""
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError as error:
        raise WrongArgumentError(_unknown_dialect(url)) from error
    if dialect.is_async:
        raise WrongArgumentError(
            f"`{url.get_driver_name()}` is an asynchronous driver, which cannot be served. "
            f"Name another one, for example {_suggested(url.get_backend_name())}"
        )
    try:
        dialect.import_dbapi()
    except ModuleNotFoundError as error:
        raise ServeError(
            f"The driver `{url.get_driver_name()}` for {_NAMES.get(url.get_backend_name(), url.get_backend_name())} "
            f"is not installed. Run `{install_line(str(error.name))}`."
        ) from error
    except ImportError as error:
        module = url.get_driver_name()
        raise ServeError(
            f"The driver `{module}` is installed and does not load. Run `{install_line(module)}`."
        ) from error
    return dialect


def _unknown_dialect(url: sa.URL) -> str:
    backend = url.get_backend_name()
    if backend in _NAMES:
        return f"{_NAMES[backend]} has no driver `{url.drivername.partition('+')[2]}`. Write {_suggested(backend)}"
    near = nearest(backend, _NAMES, limit=1)
    if near:
        return f"SQLAlchemy knows no database `{backend}`. Did you mean {near[0]}://?"
    return (
        f"SQLAlchemy knows no database `{backend}`. Install the package that brings this dialect, or write one of "
        f"{', '.join(f'{name}://' for name in _NAMES)}"
    )


def _suggested(backend: str) -> str:
    return f"{with_installed_driver(sa.URL.create(backend)).drivername}://…"


def _server_options(url: sa.URL, *, write: bool) -> dict[str, Any]:
    driver = url.get_driver_name()
    arguments: dict[str, Any] = {}
    options: dict[str, Any] = {"connect_args": arguments}
    if driver in _POSTGRESQL | _MYSQL and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECT_TIMEOUT_SECONDS
    if not write:
        if url.get_backend_name() == "postgresql":
            options["execution_options"] = {"postgresql_readonly": True}
        elif driver in _MYSQL and "init_command" not in url.query:
            arguments["init_command"] = "SET SESSION TRANSACTION READ ONLY"
    return options
