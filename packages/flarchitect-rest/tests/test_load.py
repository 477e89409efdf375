"""gunicorn under load from another process, and its workers killed while they write: nothing lost, nothing doubled.

`load_application.py` is what is served, `load_client.py` sends and tells what it was answered, and the tests here
compare that with the rows. The short forms run wherever the tests of the servers do, the long ones with
`nox -s stress`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flarchitect_core.testing import temporary_database

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs fork")

HERE = Path(__file__).parent
WORKERS, THREADS = 2, 4
GROWTH_KILOBYTES = 30_000


class Loaded:
    """What the client was answered, and the rows that are there after it."""

    def __init__(self, report: dict[str, Any], engine: sa.Engine, log: str) -> None:
        self.report = report
        self.log = log
        self._engine = engine

    def rows(self, statement: str) -> list[Any]:
        """Give all rows of a select."""
        with self._engine.connect() as connection:
            return list(connection.execute(sa.text(statement)))

    def orders(self) -> list[tuple[str, dict[str, Any]]]:
        """Give all orders, with the same words as the client."""
        lines: dict[int, dict[str, int]] = defaultdict(dict)
        for order, code, quantity in self.rows("SELECT order_id, code, quantity FROM order_lines"):
            lines[order][code] = quantity
        tags: dict[int, list[int]] = defaultdict(list)
        for order, tag in self.rows("SELECT order_id, tag_id FROM order_tags ORDER BY tag_id"):
            tags[order].append(tag)
        orders = self.rows("SELECT id, code, status, deleted FROM orders WHERE code <> 'shared'")
        return [
            (code, {"lines": lines[key], "tags": tags[key], "status": status, "deleted": bool(deleted)})
            for key, code, status, deleted in orders
        ]


@pytest.fixture
def run_client(server_database, tmp_path):
    """Serve the application by gunicorn, run the client with some arguments, and compare what both know."""
    if server_database is None:
        pytest.skip("SQLite lets one process write at a time; `nox -s services` tests the servers under load")

    def run(*arguments: str, preload: bool = False) -> Loaded:
        with gunicorn(url, tmp_path / "gunicorn.log", preload=preload) as port:
            command = [sys.executable, str(HERE / "load_client.py"), str(port), *arguments]
            client = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        log = (tmp_path / "gunicorn.log").read_text()
        assert client.returncode == 0, client.stderr + log[-4000:]
        report = json.loads(client.stdout)
        assert not report["failures"], "\n".join(report["failures"]) + log[-4000:]
        return Loaded(report, engine, log)

    with temporary_database(server_database) as url:
        engine = sa.create_engine(url)
        yield run
        engine.dispose()


@contextlib.contextmanager
def gunicorn(url: str, log: Path, *, preload: bool) -> Iterator[int]:
    """Serve the application of a database, and give the port."""
    environment = {**os.environ, "FLARCHITECT_LOAD_DATABASE": url}
    made = [sys.executable, str(HERE / "load_application.py")]
    subprocess.run(made, env=environment, check=True)  # noqa: S603 - a program of our own
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("w") as output:
        command = [sys.executable, "-m", "gunicorn", "load_application:make()", "--pythonpath", str(HERE)]
        command += ["--workers", str(WORKERS), "--threads", str(THREADS), "--bind", f"fd://{listener.fileno()}"]
        # Nobody but the tests may end a connection, and a slow machine is no reason to end a worker.
        command += ["--keep-alive", "300", "--timeout", "300", "--no-control-socket", *(["--preload"] * preload)]
        server = subprocess.Popen(  # noqa: S603 - a program of our own
            command, env=environment, pass_fds=[listener.fileno()], stdout=output, stderr=subprocess.STDOUT
        )
        port = listener.getsockname()[1]
    try:
        yield port
    finally:
        server.terminate()
        try:
            server.wait(timeout=60)
        finally:
            server.kill()


def compare(loaded: Loaded) -> None:
    """Check that each acknowledged write is there once and as a whole, and that of each refused one nothing is."""
    report = loaded.report
    found = loaded.orders()
    known, uncertain = report["orders"], report["uncertain"]
    assert [code for code, number in Counter(code for code, _ in found).items() if number > 1] == []
    assert {code: state for code, state in found if code not in uncertain} == known
    # Nobody knows whether these are there; when they are, all of each is.
    assert {code: state["lines"] for code, state in found if code in uncertain}.items() <= uncertain.items()

    customers = Counter(code for (code,) in loaded.rows("SELECT code FROM customers WHERE code <> 'shared'"))
    assert customers == Counter(report["customers"])
    lines = Counter(code for (code,) in loaded.rows("SELECT code FROM order_lines WHERE code <> 'shared'"))
    assert max(lines.values()) == 1
    assert not lines.keys() & set(report["refused"])
    counted = {
        f"/api/{table}/{key}": value
        for table in ("accounts", "meters")
        for key, value in loaded.rows(f"SELECT id, value FROM {table}")
        if value
    }
    assert counted == report["counters"]
    # The second request of a twin is refused or repeated, and neither leaves a key without an answer.
    assert loaded.rows("SELECT id FROM flarchitect_idempotency_keys WHERE status IS NULL") == []
    assert len(report["after"]) == WORKERS
    assert [worker["checked_out"] for worker in report["after"]] == [0] * WORKERS
    assert "Traceback" not in loaded.log


def tell(loaded: Loaded, request: Any) -> None:
    """Print what was measured; `-rP` or `-s` shows it."""
    told = {name: value for name, value in loaded.report.items() if not isinstance(value, (dict, list))}
    told |= {name: loaded.report[name] for name in ("statuses", "before", "after")}
    print(request.node.name, json.dumps(told, indent=1))


def load(run_client: Any, request: Any, seconds: int) -> Loaded:
    loaded: Loaded = run_client("--seconds", str(seconds))
    tell(loaded, request)
    assert not any(answer.split()[-1].startswith("5") for answer in loaded.report["statuses"])
    compare(loaded)
    return loaded


def kill(run_client: Any, request: Any, kills: int) -> None:
    # Loaded before the fork, workers come back fast, and must not share what the parent has opened.
    loaded = run_client("--kills", str(kills), preload=True)
    tell(loaded, request)
    assert len(loaded.report["killed"]) == kills
    assert loaded.report["dropped"] >= kills
    compare(loaded)


@pytest.mark.contract("rest 13 group 16")
@pytest.mark.timeout(300)
def test_under_load_no_write_is_lost_or_done_twice(run_client, request):
    load(run_client, request, 5)


@pytest.mark.contract("rest-F47, R33")
@pytest.mark.timeout(300)
def test_a_worker_that_is_killed_leaves_no_half_write(run_client, request):
    kill(run_client, request, 3)


@pytest.mark.stress
@pytest.mark.contract("rest 13 group 16")
@pytest.mark.timeout(600)
def test_a_minute_of_load_loses_nothing_and_leaks_nothing(run_client, request):
    loaded = load(run_client, request, 60)
    before = {worker["pid"]: worker["memory"] for worker in loaded.report["before"]}
    grown = {worker["pid"]: worker["memory"] - before[worker["pid"]] for worker in loaded.report["after"]}
    assert max(grown.values()) < GROWTH_KILOBYTES


@pytest.mark.stress
@pytest.mark.contract("rest-F47, R33")
@pytest.mark.timeout(900)
def test_fifty_killed_workers_leave_no_half_write(run_client, request):
    kill(run_client, request, 50)
