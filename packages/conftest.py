"""What the tests of all packages share.

`FLARCHITECT_TEST_DATABASES` names the databases: a comma list of `sqlite`, `postgresql` and `mariadb`.
"""

import pytest
import sqlalchemy as sa

from flarchitect_core.testing import database_servers, temporary_database

SERVERS = database_servers()


@pytest.fixture(scope="session")
def connected_engines():
    """The engines that connected since they were last disposed."""
    engines: list[sa.Engine] = []

    def remember(connection: sa.Connection) -> None:
        if not connection.engine.get_execution_options().get("is_kept"):
            engines.append(connection.engine)

    sa.event.listen(sa.Engine, "engine_connect", remember)
    yield engines
    sa.event.remove(sa.Engine, "engine_connect", remember)


@pytest.fixture(autouse=True)
def dispose_engines(connected_engines):
    """Close the connections that rest in pools: an engine that is merely dropped leaves them open, as Python tells."""
    yield
    for engine in dict.fromkeys(connected_engines):
        engine.dispose()
    connected_engines.clear()


@pytest.fixture(scope="session", params=list(SERVERS))
def database_kind(request):
    return request.param


@pytest.fixture(scope="session")
def server_database(database_kind):
    """URL of a database of this run; `None` for SQLite, which gets a file for each test."""
    if database_kind == "sqlite":
        yield None
        return
    with temporary_database(SERVERS[database_kind]) as url:
        yield url


@pytest.fixture(scope="session")
def kept_engine(server_database):
    """An engine on the database of this run that stays connected from test to test; `None` for SQLite."""
    if server_database is None:
        yield None
        return
    # Some tests end all connections but their own.
    engine = sa.create_engine(server_database, pool_pre_ping=True, execution_options={"is_kept": True})
    yield engine
    engine.dispose()


@pytest.fixture
def database_uri(server_database, tmp_path):
    return server_database or f"sqlite:///{tmp_path / 'test.db'}"
