"""Connections that die between the last statement and the end of a request, and processes that are forked."""

from __future__ import annotations

import os
import time

import pytest
import sqlalchemy as sa

from flarchitect_core.database import open_engine
from flarchitect_core.testing import error_of


@pytest.fixture
def kill_others(serve, cinema, database_kind, server_database):
    """End every other connection to the database of the test."""
    if database_kind == "sqlite":
        pytest.skip("SQLite has no server that could end a connection.")
    engine = sa.create_engine(server_database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def kill() -> None:
        with engine.connect() as connection:
            if database_kind == "postgresql":
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            else:
                numbers = connection.exec_driver_sql(
                    "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
                )
                for number in numbers.scalars().all():
                    connection.exec_driver_sql(f"KILL {number}")
        time.sleep(0.2)

    return kill


@pytest.mark.parametrize("path", ["/api/films", "/api/films/1", "/api/films?dump=json"])
def test_a_finished_answer_survives_the_death_of_its_connection(cinema_app, kill_others, path):
    @cinema_app.app.after_request
    def kill(response):
        kill_others()
        return response

    for _ in range(2):
        assert cinema_app.get(path).status_code == 200
    assert cinema_app.engine.pool.checkedout() == 0


def test_a_refusal_survives_the_death_of_its_connection(cinema_app, kill_others, cinema):
    def kill(*arguments):
        kill_others()

    sa.event.listen(cinema.Film, "load", kill)
    try:
        error_of(cinema_app.patch("/api/films/1", json={"title": "x" * 100}), 400, "validation_failed")
        response = cinema_app.delete("/api/films/1")
    finally:
        sa.event.remove(cinema.Film, "load", kill)
    error_of(response, 503, "database_unavailable")
    assert cinema_app.engine.pool.checkedout() == 0
    assert cinema_app.get("/api/films").status_code == 200


def test_a_forked_process_opens_its_own_connections(server_database):
    if server_database is None or not hasattr(os, "fork"):
        pytest.skip("Needs a database server, and a system that forks.")
    engine = open_engine(server_database)
    number = "SELECT pg_backend_pid()" if engine.dialect.name == "postgresql" else "SELECT connection_id()"
    with engine.connect() as connection:
        before = connection.exec_driver_sql(number).scalar()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with engine.connect() as connection:
                os.write(writer, str(connection.exec_driver_sql(number).scalar()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() not in ("", str(before))
    with engine.connect() as connection:
        assert connection.exec_driver_sql(number).scalar() == before
    engine.dispose()
