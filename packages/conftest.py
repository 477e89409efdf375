"""What the tests of all packages share."""

import pytest
import sqlalchemy as sa


@pytest.fixture(scope="session")
def connected_engines():
    """The engines that connected since they were last disposed."""
    engines: list[sa.Engine] = []

    def remember(connection: sa.Connection) -> None:
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
