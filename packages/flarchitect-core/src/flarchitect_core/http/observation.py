"""What is told of each request when it ends: its log line, its metrics, its timing, and reads that repeat."""

from __future__ import annotations

from functools import cached_property

from flask import Response, request

from flarchitect_core import options
from flarchitect_core.http.health import health_routes
from flarchitect_core.http.logs import AppLog
from flarchitect_core.http.metrics import metrics_of
from flarchitect_core.http.operational_routes import OperationalRoute
from flarchitect_core.http.request_scope import RequestScope
from flarchitect_core.http.timing import StatementCount, listen_to_statements, server_timing
from flarchitect_core.state import ApplicationState
from flarchitect_core.users import key_of

__all__ = ["Observer"]


class Observer:
    """Follows the requests of one application; what nobody asked for is not measured."""

    def __init__(self, state: ApplicationState, log: AppLog) -> None:
        get = state.settings.get
        self._state = state
        self._log = log
        self._metrics = metrics_of(state)
        self._repeats_max = get(options.STATEMENT_REPEATS_MAX)
        self._timing = get(options.SERVER_TIMING)
        self._is_counting = bool(self._timing or self._metrics or get(options.LOG_STATEMENTS))
        if self._is_counting:
            listen_to_statements()

    # The first request asks for both, and nobody before, because `app.run(debug=True)` comes after `Architect(app)`.

    @cached_property
    def _is_debug(self) -> bool:
        if self._state.app.debug:
            listen_to_statements()
        return self._state.app.debug

    @cached_property
    def _sends_timing(self) -> bool:
        return self._is_debug if self._timing is None else self._timing

    def routes(self) -> list[OperationalRoute]:
        """Give the routes of the health checks and of the metrics, as far as they are switched on."""
        return [*health_routes(self._state, self._log), *([self._metrics.route()] if self._metrics else [])]

    def begin(self, scope: RequestScope) -> None:
        """Begin to measure a request."""
        if self._is_counting or self._is_debug:
            scope.statements = StatementCount(compares_texts=self._is_debug)
        if self._metrics is not None:
            self._metrics.begin(scope)

    def finish(self, scope: RequestScope, response: Response) -> None:
        """Tell of a request that is answered."""
        count = scope.statements
        if count is not None and self._sends_timing:
            response.headers.add("Server-Timing", server_timing(count, scope.elapsed_ms()))
        if self._metrics is not None:
            self._metrics.finish(scope, response.status_code)
        if count is not None and self._is_debug:
            self._warn_of_repetitions(count)
        self._log.log_request(
            method=request.method,
            path=request.path,
            status=response.status_code,
            duration_ms=scope.elapsed_ms(),
            route=_route(),
            identity=scope.identity,
            remote_addr=request.remote_addr,
            user_agent=request.headers.get("User-Agent"),
            query=request.query_string,
            sql_count=None if count is None else count.number,
            sql_ms=None if count is None else count.milliseconds,
            user_pk=key_of(scope.user),
        )

    def _warn_of_repetitions(self, count: StatementCount) -> None:
        for repetition in count.repetitions(self._repeats_max):
            self._log.logger.warning(
                "%s read %s %d times, once for each row. Load it with the rows, for example by selectinload().",
                _route() or "A request without a route",
                repetition.what,
                repetition.times,
            )


def _route() -> str | None:
    return request.url_rule.rule if request.url_rule is not None else None
