"""Bodies that are made while they are sent."""

from __future__ import annotations

from collections.abc import Iterator

from flask.globals import app_ctx, request_ctx

__all__ = ["within_request"]


def within_request(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Make a body that keeps the request open until it is sent or the client is gone.

    Flask's own `stream_with_context` ends the request first and then opens its context again: by then, the sessions and
    connections of the request are closed.
    """
    application, current = app_ctx._get_current_object(), request_ctx._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def body() -> Iterator[bytes]:
        with application, current:
            yield b""
            yield from chunks

    started = body()
    # To its first stop, so that the contexts are held from now on, and let go even when nobody reads a chunk.
    next(started)
    return started
