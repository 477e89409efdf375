"""Structured logs on standard logging: one record is one line, as JSON or as text (core 5.2).

Every application has a logger of its own, `flarchitect.<import name>.<number>`, with its own handler, so that two
applications of one process can log in opposite ways. The number counts the applications of the process: no such logger
is the parent of another. Their common parent `flarchitect` holds the level, `INFO` unless the host set one, and is
where a host application configures all of them; the root logger is never touched.

* With `API_JSON_LOGS` the application's handler writes JSON to the error stream of the server, and records go no
  further, so that a handler of the host does not print each line again in another form. A host that wants its own
  handlers (files, Sentry, OpenTelemetry) leaves the option off and gives them `JsonFormatter`.
* Otherwise records go where the host's handlers are, at whichever time these were added. Only while there is none does
  our handler write text, because a record that nobody prints helps nobody.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import logging
import os
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO, cast

from flask import has_request_context, request
from flask.logging import wsgi_errors_stream

from flarchitect_core.http.request_id import RequestIdentity, current_identity
from flarchitect_core.markup import color_text_with_multiple_patterns, without_marks
from flarchitect_core.redaction import redact_query

__all__ = ["AppLog", "JsonFormatter", "TextFormatter", "configure", "is_terminal", "one_line"]

_NAMESPACE = "flarchitect"
_MAX_VALUE_CHARACTERS = 2048

# Context of a record, in the order of the JSON object.
_FIELDS = (
    "method",
    "path",
    "query",
    "route",
    "status",
    "request_id",
    "trace_id",
    "span_id",
    "duration_ms",
    "latency_ms",
    "sql_count",
    "sql_ms",
    "user_pk",
    "remote_addr",
    "user_agent",
    "slow",
)

_numbers = itertools.count(1)


def one_line(text: str) -> str:
    r"""Escape everything in a text that could start a new line or steer a terminal, as `\n`, `\x1b`, `\u2028`.

    Texts that come from a request are cut at 2,048 characters by those who log them; this keeps the length.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line of ASCII.

    Members, in this order: `event` (`log`, `debug` or `error`), `lvl` (verbosity, 1 unless given), `message`, then what
    is known of `method`, `path`, `query`, `route`, `status`, `request_id`, `trace_id`, `span_id`, `duration_ms`,
    `latency_ms`, `sql_count`, `sql_ms`, `user_pk`, `remote_addr`, `user_agent` (a hash) and `slow`, then `timestamp`
    (UTC), `level`, `logger`, and `exception` (the traceback).
    """

    # The standard encoder rather than orjson: only pure ASCII is one line to every reader, and orjson refuses the lone
    # surrogates that an undecodable path contains.
    _encode = staticmethod(json.JSONEncoder(separators=(",", ":"), default=str).encode)

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        line: dict[str, Any] = {
            "event": _event(record.levelno),
            "lvl": getattr(record, "lvl", 1),
            "message": record.getMessage(),
            **_context(record),
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
        }
        traceback = _traceback(self, record)
        if traceback:
            line["exception"] = traceback
        return self._encode(line)


class TextFormatter(logging.Formatter):
    """Writes a record as one line for people; the lines of a traceback follow, each marked with a bar.

    The bar keeps a text within an exception from passing for a record of its own.

    Args:
        is_coloured: Whether the marks of `flarchitect.logging.logger` become colours.
    """

    def __init__(self, *, is_coloured: bool = False) -> None:
        super().__init__()
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        context = _context(record)
        parts = [_timestamp(record), f"{record.levelname:<7}", self._message(record)]
        if "duration_ms" in context:
            parts.append(f"in {context['duration_ms']} ms")
        if "request_id" in context:
            parts.append(f"[{one_line(str(context['request_id']))}]")
        traceback = _traceback(self, record)
        return "\n".join([" ".join(parts), *(f"  | {one_line(line)}" for line in traceback.split("\n") if line)])

    def _message(self, record: logging.LogRecord) -> str:
        marked: str | None = getattr(record, "markup", None)
        if marked is None:
            return one_line(record.getMessage())
        # Escaped first, so that the only colours are ours.
        return (color_text_with_multiple_patterns if self._is_coloured else without_marks)(one_line(marked))


@dataclass(frozen=True, slots=True)
class AppLog:
    """The log of one application, as its settings ask.

    Attributes:
        logger: Logger of this application, for records of any kind.
        requests: Whether requests get a line (`API_LOG_REQUESTS`).
        exclude: Paths without a line, each with everything below it (`API_LOG_EXCLUDE`).
        slow_ms: From how many milliseconds a line is a warning (`API_LOG_SLOW_MS`).
        sample_rate: Share of the requests that get a line, 0 to 1 (`API_LOG_SAMPLE_RATE`).
        redact: Name patterns of query parameters whose values are hidden (`API_LOG_REDACT`); `None` logs no query.
    """

    logger: logging.Logger
    requests: bool = True
    exclude: tuple[str, ...] = ()
    slow_ms: float | None = None
    sample_rate: float = 1.0
    redact: tuple[str, ...] | None = None

    @property
    def has_lines(self) -> bool:
        """Whether any request may get a line."""
        return self.requests or self.slow_ms is not None

    def log_request(
        self,
        *,
        method: str,
        path: str,
        status: int,
        duration_ms: float,
        route: str | None = None,
        identity: RequestIdentity | None = None,
        remote_addr: str | None = None,
        user_agent: str | None = None,
        query: bytes = b"",
        user_pk: object = None,
        sql_count: int | None = None,
        sql_ms: float | None = None,
    ) -> None:
        """Write the line of one finished request, at INFO; a slow one at WARNING, also when lines are off.

        What is `None` is left out of the line. Of several requests those are written that the sample takes, and every
        slow one and every answer of 500 and above.

        Args:
            method: HTTP method.
            path: Raw path. Leave the query away: it may hold secrets.
            status: HTTP status.
            duration_ms: Milliseconds from the first to the last of our work.
            route: Rule that matched, such as `/api/books/<int:id>`.
            identity: Id and trace of the request; the current one when absent.
            remote_addr: Address of the client.
            user_pk: Key of the authenticated user.
            sql_count: SQL statements that were sent.
            sql_ms: Milliseconds spent in them.
        """
        slow = self.slow_ms is not None and duration_ms >= self.slow_ms
        level = logging.WARNING if slow else logging.INFO
        if not (self.requests or slow) or self._is_excluded(path) or not self.logger.isEnabledFor(level):
            return
        # By chance and not by the request id, which a client may choose.
        if self.sample_rate < 1 and not slow and status < 500 and random.random() >= self.sample_rate:  # noqa: S311
            return
        identity = identity or current_identity()
        # Escaped here and not in our formatters only, because formatters of the host see these values too.
        shown = one_line(path[:_MAX_VALUE_CHARACTERS])
        method = one_line(method[:_MAX_VALUE_CHARACTERS])
        context: dict[str, Any] = {
            "method": method,
            "path": shown,
            "query": self._redacted(query),
            "route": route,
            "status": status,
            "duration_ms": round(duration_ms, 3),
            "latency_ms": round(duration_ms),
            "sql_count": sql_count,
            "sql_ms": sql_ms,
            "user_pk": user_pk,
            "remote_addr": one_line(remote_addr) if remote_addr is not None else None,
            "user_agent": None if user_agent is None else _fingerprint(user_agent),
            "slow": slow or None,
        }
        if identity is not None:
            context.update(request_id=identity.request_id, trace_id=identity.trace_id, span_id=identity.span_id)
        # As `Logger.log` does, less the walk up the stack for the place of the call, which says nothing here.
        message = "Completed %s %s -> %s"
        record = self.logger.makeRecord(
            self.logger.name, level, __file__, 0, message, (method, shown, status), None, "log_request", context
        )
        self.logger.handle(record)

    def _redacted(self, query: bytes) -> str | None:
        if self.redact is None or not query:
            return None
        return one_line(redact_query(query.decode("latin-1"), self.redact)[:_MAX_VALUE_CHARACTERS])

    def _is_excluded(self, path: str) -> bool:
        return any(path == entry or path.startswith(f"{entry}/") for entry in self.exclude)


def configure(
    app_name: str,
    *,
    json_logs: bool = False,
    requests: bool = True,
    exclude: Iterable[str] = (),
    slow_ms: float | None = None,
    sample_rate: float = 1.0,
    redact: Iterable[str] | None = None,
    stream: TextIO | None = None,
) -> AppLog:
    """Make the log of one application; called once for each.

    Args:
        app_name: Import name of the application.
        json_logs: Write JSON with a handler of our own (`API_JSON_LOGS`).
        requests: Write a line for each request (`API_LOG_REQUESTS`).
        exclude: Paths without a line, such as `/healthz`; what lies below them has none either (`API_LOG_EXCLUDE`).
        slow_ms: From how many milliseconds a line is a warning, `None` for never (`API_LOG_SLOW_MS`).
        sample_rate: Share of the requests that get a line (`API_LOG_SAMPLE_RATE`).
        redact: Name patterns of query parameters whose values are hidden (`API_LOG_REDACT`); `None` logs no query.
        stream: Where our handler writes; the error stream of the server when absent.
    """
    namespace = logging.getLogger(_NAMESPACE)
    if namespace.level == logging.NOTSET:
        namespace.setLevel(logging.INFO)
    logger = logging.getLogger(f"{_NAMESPACE}.{app_name}.{next(_numbers)}")
    # The proxy finds the error stream of the server that runs the current request.
    handler = logging.StreamHandler(stream if stream is not None else cast(TextIO, wsgi_errors_stream))
    if json_logs:
        handler.setFormatter(JsonFormatter())
        logger.propagate = False
    else:
        handler.setFormatter(TextFormatter(is_coloured=is_terminal(stream if stream is not None else sys.stderr)))
        handler.addFilter(lambda record: not _has_other_handler(logger, handler))
    logger.addHandler(handler)
    paths = tuple(entry.rstrip("/") or "/" for entry in exclude)
    hidden = None if redact is None else tuple(redact)
    return AppLog(logger, requests=requests, exclude=paths, slow_ms=slow_ms, sample_rate=sample_rate, redact=hidden)


def is_terminal(stream: TextIO) -> bool:
    """Say whether colours are wanted on a stream: it is a terminal, and `NO_COLOR` is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _has_other_handler(logger: logging.Logger, ours: logging.Handler) -> bool:
    """Tell whether any handler but ours gets the records of a logger."""
    ancestor: logging.Logger | None = logger
    while ancestor is not None:
        if any(handler is not ours for handler in ancestor.handlers):
            return True
        ancestor = ancestor.parent if ancestor.propagate else None
    return False


def _fingerprint(text: str) -> str:
    """Shorten a text to 12 hexadecimal digits: equal for equal clients, and no text of theirs in the log."""
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


def _event(level: int) -> str:
    if level >= logging.ERROR:
        return "error"
    return "debug" if level <= logging.DEBUG else "log"


def _context(record: logging.LogRecord) -> dict[str, Any]:
    """Give what is known of the request a record belongs to, from the record itself before its surroundings."""
    known = record.__dict__
    if "request_id" not in known:
        known = {**_surroundings(), **known}
    return {name: known[name] for name in _FIELDS if known.get(name) is not None}


def _surroundings() -> dict[str, Any]:
    found: dict[str, Any] = {}
    if has_request_context():
        found.update(method=request.method, path=request.path[:_MAX_VALUE_CHARACTERS])
    identity = current_identity()
    if identity is not None:
        found.update(request_id=identity.request_id, trace_id=identity.trace_id, span_id=identity.span_id)
    return found


def _timestamp(record: logging.LogRecord) -> str:
    moment = dt.datetime.fromtimestamp(record.created, dt.timezone.utc)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    # Formatters of the host share this cache of the record (`logging.Formatter.format`).
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    stack = formatter.formatStack(record.stack_info) if record.stack_info else ""
    return "\n".join(part for part in (record.exc_text, stack) if part)
