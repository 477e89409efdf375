"""Let schemathesis compare what applications do with what their documents say (docs D-5).

    python tools/contract                                     the shop on SQLite, open and with tokens
    python tools/contract --access basic,api_key              who may call, one run each
    python tools/contract --application chinook --database postgresql --examples 200
    python tools/contract --phases fuzzing,stateful           as in `st run`

Needs schemathesis (`nox -s contract` installs it), and for Chinook its folder in `FLARCHITECT_CHINOOK`. Every request
goes over HTTP to a server of its own process and database. Exits with the first status of schemathesis that is not 0.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from applications import ACCESSES, APPLICATIONS, credentials, make_application
from waitress.server import create_server

from flarchitect_core.state import state_of

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
# Coverage cases fill all parameters at once, and each may be thousands of characters long.
HEADER_MAX_BYTES = 2**26


class Counted:
    """An application whose answers are counted: a run in which all are refusals says little."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._statuses: Counter[str] = Counter()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""

        def start(status: str, *arguments: Any) -> Any:
            self._statuses[status[:3]] += 1
            return start_response(status, *arguments)

        answer: Iterable[bytes] = self._app(environ, start)
        return answer

    def __str__(self) -> str:
        return ", ".join(f"{status}: {count}" for status, count in sorted(self._statuses.items()))


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on a free port, and give its URL."""
    server = create_server(app, host=HOST, port=0, threads=4, max_request_header_size=HEADER_MAX_BYTES)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.effective_port}"
    finally:
        server.close()
        thread.join(timeout=10)


def run(name: str, database: str, access: str, more: Sequence[str]) -> int:
    """Run schemathesis against one application and give its exit status."""
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="flarchitect-contract-"))
        app = opened.enter_context(make_application(name, database, Path(folder), access))
        document = Path(folder, "openapi.json")
        document.write_bytes(state_of(app).documents.current().json)
        counted = Counted(app)
        url = opened.enter_context(served(counted))
        command = [
            sys.executable,
            "-c",
            "from schemathesis.cli import schemathesis; schemathesis()",
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", str(document), "--url", url),
            *more,
        ]
        if access != "open":
            command += ["--header", f"Authorization: {credentials(app, access)}"]
        print(f"contract: {name} on {database}, access: {access}", flush=True)
        hooks = {
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        }
        status = subprocess.run(command, check=False, cwd=folder, env={**os.environ, **hooks}).returncode
        print(f"contract: {name} on {database}, access: {access}, answers by status: {counted}", flush=True)
        return status


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="contract", description="Compare applications with their documents.")
    parser.add_argument("--application", choices=sorted(APPLICATIONS), default="shop")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--access", default="open,jwt", help=f"comma list of {', '.join(ACCESSES)} (default: open,jwt)")
    parser.add_argument("--examples", type=int, default=200, help="test cases of each operation in each phase")
    given, more = parser.parse_known_args()
    # How long it takes to make up a request says nothing about the application.
    arguments = ["-n", str(given.examples), "--continue-on-failure", "--suppress-health-check", "too_slow", *more]
    accesses = given.access.split(",")
    if not set(accesses) <= set(ACCESSES):
        parser.error(f"--access: choose from {', '.join(ACCESSES)}")
    logging.disable(logging.INFO)
    for access in accesses:
        status = run(given.application, given.database, access, arguments)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
