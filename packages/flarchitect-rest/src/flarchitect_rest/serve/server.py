"""The servers behind the command: waitress, and the development server."""

from __future__ import annotations

import socket
from contextlib import suppress
from importlib.util import find_spec
from typing import Protocol

from flask import Flask

from flarchitect_rest.serve.errors import ServeError

__all__ = ["Server", "make_server", "require_waitress"]

_THREADS = 8
# Far above what a body may have (`API_BODY_SIZE_MAX_BYTES`), so that the API itself refuses it.
_BODY_SIZE_MAX_BYTES = 16 * 2**20


class Server(Protocol):
    """A server whose socket listens, so that clients wait from then on."""

    def run(self) -> None:
        """Serve until `KeyboardInterrupt`."""


def require_waitress() -> None:
    """Look for waitress.

    Raises:
        ServeError: It is not installed.
    """
    if find_spec("waitress") is None:
        raise ServeError(
            'The server waitress is not installed. Run `pip install "flarchitect-rest[serve]"`, '
            "or use the development server with --dev."
        )


def make_server(app: Flask, listener: socket.socket, *, dev: bool) -> Server:
    """Make the server of an application and let it listen on a bound socket."""
    return _DevelopmentServer(app, listener) if dev else _waitress(app, listener)


def _waitress(app: Flask, listener: socket.socket) -> Server:
    from waitress.server import create_server  # type: ignore[import-untyped]  # waitress has no types

    server: Server = create_server(
        app, sockets=[listener], threads=_THREADS, max_request_body_size=_BODY_SIZE_MAX_BYTES, ident=None
    )
    return server


class _DevelopmentServer:
    def __init__(self, app: Flask, listener: socket.socket) -> None:
        from werkzeug.serving import make_server as make_development_server

        host, port = listener.getsockname()[:2]
        listener.listen()
        self._server = make_development_server(host, port, app, threaded=True, fd=listener.fileno())

    def run(self) -> None:
        with self._server, suppress(KeyboardInterrupt):
            self._server.serve_forever()
