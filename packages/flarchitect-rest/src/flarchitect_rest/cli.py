"""The `flarchitect` command."""

from __future__ import annotations

import io
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

__all__ = ["main"]

_version = click.version_option(
    package_name="flarchitect-rest", prog_name="flarchitect", message="%(prog)s %(version)s"
)


@click.group()
@_version
def main() -> None:
    """Turn a database into an HTTP API."""
    for stream in (sys.stdout, sys.stderr):
        # Names of tables may hold any character; a terminal that lacks one must not end the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command()
@click.argument("url")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for a free one.",
)
@click.option("--prefix", default="/api", show_default=True, help="Path below which everything is served.")
@click.option("--include", multiple=True, metavar="TABLE", help="Serve this table, or a pattern such as sales_*.")
@click.option("--exclude", multiple=True, metavar="TABLE", help="Leave this table or pattern out.")
@click.option("--schema", help="Serve the tables of this schema instead of the default one.")
@click.option("--write", is_flag=True, help="Let clients create, change and delete rows.")
@click.option("--dev", is_flag=True, help="Use the development server, which shows unexpected errors.")
@_version
def serve(url: str, **options: Any) -> None:
    """Serve the tables of an existing database, read-only unless --write is given.

    URL is a SQLAlchemy URL, for example sqlite:///chinook.sqlite or postgresql+psycopg://user:password@host/database

    There is no login: everybody who reaches the address may read the data. By default that is this machine only.
    --include and --exclude may be given several times.
    """
    code = 0
    with _ending_by_signal(), _without_startup_log():
        # Here and not above, so that --help and mistakes in options are answered at once.
        from flarchitect_rest.serve.command import ServeCommand

        code = ServeCommand(url, **options).run()
    sys.exit(code)


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block, each without an error."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Ctrl-C too: a shell that starts a program in the background makes it deaf to it.
    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _without_startup_log() -> Iterator[None]:
    """Keep the notices out of the log, because the command prints them itself."""
    logger = logging.getLogger("flarchitect.startup")
    logger.addFilter(_nothing)
    try:
        yield
    finally:
        logger.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False


if __name__ == "__main__":
    main()
