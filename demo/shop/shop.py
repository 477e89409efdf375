"""A shop with generated data as an API.

`make_app` is all it takes to serve models; the rest makes a database to look at, and starts a server.
"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread
from types import FrameType

from examples import examples, try_reading
from flask import Flask
from models import Base
from sample_data import fill
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from waitress.server import BaseWSGIServer, create_server

from flarchitect import Architect

HOST = "127.0.0.1"


def make_app(database_uri: str) -> Flask:
    """Make the application: some configuration, and `Architect(app)`."""
    app = Flask(__name__)
    app.config.update(
        API_TITLE="Shop",
        API_VERSION="1.0",
        API_BASE_MODEL=Base,
        API_DATABASE_URI=database_uri,
    )
    Architect(app)
    return app


@contextmanager
def data_folder(kept: Path | None) -> Iterator[Path]:
    """Give the folder of the database: one to keep, or a temporary one."""
    if kept is not None:
        yield kept
        return
    try:
        temporary = TemporaryDirectory(prefix="flarchitect-shop-")
    except OSError:
        sys.exit("shop: no folder for temporary files can be written to. Give a folder with --data.")
    with temporary as name:
        yield Path(name)


def make_database(folder: Path) -> str:
    """Make the database in a folder, unless it is there already, and give its URL."""
    path = folder.absolute() / "shop.db"
    database_uri = f"sqlite:///{path}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
        engine = create_engine(database_uri)
        Base.metadata.create_all(engine)
        fill(engine)
        engine.dispose()
    except OSError as error:
        sys.exit(f"shop: cannot write to {folder}: {error.strerror}. Give another folder with --data.")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        sys.exit(f"shop: cannot use {path}: {reason}. Remove the file, or give another folder with --data.")
    return database_uri


def make_server(app: Flask, port: int) -> BaseWSGIServer:
    """Make the server, which listens from now on."""
    try:
        return create_server(app, host=HOST, port=port)
    except OSError as error:
        sys.exit(
            f"shop: cannot listen on port {port}: {error.strerror}. "
            f"Stop what uses it, or choose another port with --port."
        )


def serve(folder: Path, port: int) -> None:
    """Print what to try, and serve until Ctrl-C."""
    server = make_server(make_app(make_database(folder)), port)
    host = f"http://{HOST}:{server.effective_port}"
    root = f"{host}/api"
    print(f"The shop is open at {root}, and described at {host}/docs\n")
    for title, line in examples(root).items():
        print(f"{title}:\n  {line}\n")
    print("Ctrl-C ends it.", flush=True)
    server.run()


def check(folder: Path) -> None:
    """Start on a free port, ask for the examples, and end."""
    server = make_server(make_app(make_database(folder)), 0)
    Thread(target=server.run, daemon=True).start()
    try_reading(f"http://{HOST}:{server.effective_port}/api")


def port_number(text: str) -> int:
    """Read a port from the command line."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise ArgumentTypeError(f"{text} is not a port; choose one from 0 to 65535.")
    return int(text)


def read_arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(prog="shop", description="Serve a shop with generated data.")
    parser.add_argument(
        "--port", type=port_number, default=5000, help="port to listen on, 0 for a free one (default: 5000)"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keep the database here (default: a temporary one)")
    parser.add_argument("--check", action="store_true", help="start on a free port, try the examples that read, end")
    return parser.parse_args()


def end(number: int, frame: FrameType | None) -> None:
    """End at once and in order."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the demo."""
    arguments = read_arguments()
    if sys.version_info >= (3, 14):
        print("shop: this Python is newer than 3.13, the newest one the demo was tested with.", file=sys.stderr)
    # Ctrl-C as well: a shell that starts a program in the background makes it deaf to it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with suppress(KeyboardInterrupt), data_folder(arguments.data) as folder:
        if arguments.check:
            check(folder)
        else:
            serve(folder, arguments.port)
    if not arguments.check:
        print("The shop is closed.")
