"""Own the databases of a run: one is filled, each peer gets a copy, all are removed at the end."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dataset import fill
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

# Only a folder with a random name is made in it.
_MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108


@dataclass(frozen=True, slots=True)
class Databases:
    """Source of equal databases.

    Attributes:
        description: Product, version and place, for the report.
        copy: Name of a peer to the SQLAlchemy URL of a fresh copy.
    """

    description: str
    copy: Callable[[str], str]


def open_databases(url: str | None) -> AbstractContextManager[Databases]:
    """Open the source of databases.

    Args:
        url: SQLAlchemy URL of a PostgreSQL server whose user may create databases, or `None` for SQLite.

    Raises:
        ValueError: The URL is not one of PostgreSQL with psycopg.
    """
    if url is None:
        return _sqlite()
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise ValueError(f"--database: {parsed.get_backend_name()} is not supported, give a PostgreSQL URL")
    return _postgresql(parsed.set(drivername="postgresql+psycopg"))


@contextmanager
def _sqlite() -> Iterator[Databases]:
    """Files in WAL mode, in memory where the machine has a memory file system."""
    parent = _MEMORY_FOLDER if os.access(_MEMORY_FOLDER, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="flarchitect-bench-", dir=parent) as folder:
        master = Path(folder, "master.sqlite")
        engine = create_engine(f"sqlite:///{master}", poolclass=NullPool)
        fill(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")

        def copy(name: str) -> str:
            target = Path(folder, f"{name}.sqlite")
            shutil.copyfile(master, target)
            return f"sqlite:///{target}"

        place = "memory" if parent else "disk"
        yield Databases(description=f"SQLite {sqlite3.sqlite_version} (WAL, {place})", copy=copy)


@contextmanager
def _postgresql(url: URL) -> Iterator[Databases]:
    """Databases copied from a template that was vacuumed once, so that all start with the same statistics."""
    server = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    prefix = f"flarchitect_bench_{os.getpid()}"
    master = f"{prefix}_master"
    made: list[str] = []

    def create(name: str, template: str | None) -> str:
        with server.connect() as connection:
            suffix = f' TEMPLATE "{template}"' if template else ""
            connection.execute(text(f'CREATE DATABASE "{name}"{suffix}'))
        made.append(name)
        return url.set(database=name).render_as_string(hide_password=False)

    try:
        _fill_postgresql(create_engine(create(master, None), poolclass=NullPool))
        with server.connect() as connection:
            version = connection.scalar(text("SHOW server_version"))
        yield Databases(
            description=f"PostgreSQL {str(version).split()[0]} ({url.host})",
            copy=lambda name: create(f"{prefix}_{name}", master),
        )
    finally:
        for name in made:
            with server.connect() as connection:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def _fill_postgresql(engine: Engine) -> None:
    fill(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # The rows came with their keys, so the sequences still stand at the beginning.
        connection.execute(text("SELECT setval(pg_get_serial_sequence('authors', 'id'), max(id)) FROM authors"))
        connection.execute(text("SELECT setval(pg_get_serial_sequence('books', 'id'), max(id)) FROM books"))
        connection.execute(text("VACUUM ANALYZE"))
