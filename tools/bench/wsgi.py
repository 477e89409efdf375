"""Own the client: it calls a WSGI application in this process, with as little of its own cost as can be."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from operations import Answer, Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class Client:
    """Send requests to one application; one at a time."""

    def __init__(self, application: WSGIApplication) -> None:
        """Keep the application; nothing is sent."""
        self._application = application
        self._status = ""
        self._headers: list[tuple[str, str]] = []

    def send(self, request: Request) -> Answer:
        """Send one request and read the whole answer."""
        body = self._call(environ_of(request))
        content_type = next((value for name, value in self._headers if name.lower() == "content-type"), "")
        return Answer(status=int(self._status[:3]), content_type=content_type, body=body)

    def time(self, requests: list[Request], status: int) -> int:
        """Send requests one after the other and take the time.

        The environments are made before the clock starts, as a server would have done.

        Args:
            requests: What to send, in order.
            status: HTTP status every answer must have.

        Returns:
            Nanoseconds for all of them together.

        Raises:
            RuntimeError: An answer had another status.
        """
        environments = [environ_of(request) for request in requests]
        statuses = []
        call = self._call
        start = time.perf_counter_ns()
        for environment in environments:
            call(environment)
            statuses.append(self._status)
        elapsed = time.perf_counter_ns() - start
        wrong = {found for found in statuses if not found.startswith(str(status))}
        if wrong:
            raise RuntimeError(f"answered {', '.join(sorted(wrong))} instead of {status} while it was timed")
        return elapsed

    def _call(self, environ: WSGIEnvironment) -> bytes:
        chunks = self._application(environ, self._start_response)
        try:
            return b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        self._status, self._headers = status, headers
        return _no_write


def environ_of(request: Request) -> dict[str, Any]:
    """Build the WSGI environment a server would hand over for the request."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "application/json",
        "HTTP_USER_AGENT": "bench",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if request.body:
        environ["CONTENT_TYPE"] = "application/json"
        environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ


def _no_write(data: bytes) -> None:
    raise RuntimeError("the write callable of WSGI is not supported here")
