"""Whether the process lives, and whether its databases answer (core C-11)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

import sqlalchemy as sa
from flask import Response, jsonify
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from flarchitect_core import options
from flarchitect_core.http.logs import AppLog
from flarchitect_core.http.operational_routes import OperationalRoute
from flarchitect_core.state import ApplicationState

__all__ = ["HEALTH_ENDPOINTS", "Readiness", "health_routes"]

# What orchestrators ask, who have no credentials; the answers tell nothing that is not for everybody.
HEALTH_ENDPOINTS = ("flarchitect_health", "flarchitect_ready")

_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
_READINESS = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ready", "unavailable"]},
        "checks": {"type": "object", "additionalProperties": _STATUS},
    },
    "required": ["status", "checks"],
}


def health_routes(state: ApplicationState, log: AppLog) -> list[OperationalRoute]:
    """Give the routes of the health checks; none unless `API_EXPOSE_HEALTH` is on."""
    get = state.settings.get
    if not get(options.EXPOSE_HEALTH):
        return []
    readiness = Readiness(state, log)
    return [
        OperationalRoute(
            options.HEALTH_PATH,
            HEALTH_ENDPOINTS[0],
            _live,
            "Whether the process lives",
            schema=_STATUS,
            is_for_everybody=True,
        ),
        OperationalRoute(
            options.READY_PATH,
            HEALTH_ENDPOINTS[1],
            readiness.answer,
            "Whether the databases answer",
            answers=((200, "Every database answers."), (503, "A database does not answer.")),
            schema=_READINESS,
            is_for_everybody=True,
        ),
    ]


def _live() -> Response:
    return _uncached(jsonify(status="ok"), 200)


def _uncached(response: Response, status: int) -> Response:
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(slots=True)
class _Question:
    """One question to one database, asked in a thread of its own: a driver may wait for minutes."""

    engine: Engine
    failure: str | None = None
    is_answered: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        try:
            _select_one(self.engine)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the database does not answer
            self.failure = type(error).__name__
        finally:
            self.is_answered.set()


def _select_one(engine: Engine) -> None:
    try:
        _run(engine)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        # A pooled connection from before the database was restarted; the pool has dropped its kind by now.
        _run(engine)


def _run(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.select(1))


class Readiness:
    """Asks each database of an application, for a bounded time.

    A database that does not answer has one unanswered question at most, however often the check is called.
    """

    def __init__(self, state: ApplicationState, log: AppLog) -> None:
        self._state = state
        self._log = log
        self._seconds = state.settings.get(options.READY_TIMEOUT_MS) / 1000
        self._open: dict[Engine, _Question] = {}
        self._lock = threading.Lock()

    def answer(self) -> Response:
        """Answer 200 when every database answered in time, else 503, each with its state by name."""
        failures = self.failures()
        checks = {name: {"status": "ok" if failure is None else "failed"} for name, failure in failures.items()}
        for name, failure in failures.items():
            if failure is not None:
                self._log.logger.warning("The readiness check failed for %s: %s", name, failure)
        is_ready = all(failure is None for failure in failures.values())
        body = jsonify(status="ready" if is_ready else "unavailable", checks=checks)
        return _uncached(body, 200 if is_ready else 503)

    def failures(self) -> Mapping[str, str | None]:
        """Ask all databases at once; give what failed of each, `None` for those that answered."""
        engines, failed = self._state.database.engines(resource.model for resource in self._state.registry)
        questions = {name: self._question(engine) for name, engine in engines.items()}
        deadline = monotonic() + self._seconds
        for question in questions.values():
            question.is_answered.wait(max(0.0, deadline - monotonic()))
        return {**failed, **{name: self._result(question) for name, question in questions.items()}}

    def _question(self, engine: Engine) -> _Question:
        with self._lock:
            question = self._open.get(engine)
            if question is None or question.is_answered.is_set():
                question = self._open[engine] = _Question(engine)
                threading.Thread(target=question.ask, name="flarchitect-readiness", daemon=True).start()
        return question

    def _result(self, question: _Question) -> str | None:
        if not question.is_answered.is_set():
            return f"no answer within {round(self._seconds * 1000)} ms"
        return question.failure
