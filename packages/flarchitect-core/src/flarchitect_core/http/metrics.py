"""Metrics for Prometheus, by route template: no path, key or user is ever a label (core 5.2)."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from flask import Response, request

from flarchitect_core import options
from flarchitect_core.http.operational_routes import OperationalRoute
from flarchitect_core.http.request_scope import RequestScope
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import ApplicationState

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["Metrics", "check_metrics", "metrics_of"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LABELS = ("method", "route", "status")
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# prometheus-client reads it when it is imported: each process then writes its numbers to files in this folder.
_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def check_metrics(state: ApplicationState) -> None:
    """Report what keeps `API_EXPOSE_METRICS` from working."""
    if state.settings.get(options.EXPOSE_METRICS):
        _check_library(state.report)
        _check_folder(state.report)


def _check_library(report: StartupReport) -> None:
    if find_spec("prometheus_client") is None:
        report.problem(
            "API_EXPOSE_METRICS is on, and prometheus-client is not installed. "
            "Run `pip install 'flarchitect-core[metrics]'`."
        )


def _check_folder(report: StartupReport) -> None:
    folder = os.environ.get(_SHARED_FOLDER)
    if folder is not None and not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        report.problem(
            f"The environment variable {_SHARED_FOLDER} is {folder!r}, which is no folder that this process may write "
            f"to. Create it, empty, before the server starts."
        )


def metrics_of(state: ApplicationState) -> Metrics | None:
    """Make the metrics of an application; `None` unless `API_EXPOSE_METRICS` is on."""
    return Metrics() if state.settings.get(options.EXPOSE_METRICS) else None


class Metrics:
    """The metrics of one application, in a registry of its own.

    With `PROMETHEUS_MULTIPROC_DIR` they are those of all processes that share the folder.
    """

    def __init__(self) -> None:
        # Here and not above: it is an extra, and it decides by the environment when it is imported.
        import prometheus_client as client

        self._client = client
        self.registry: CollectorRegistry = client.CollectorRegistry()
        self._requests = client.Counter(
            "flarchitect_requests", "Requests that were answered.", _LABELS, registry=self.registry
        )
        self._seconds = client.Histogram(
            "flarchitect_request_duration_seconds",
            "Time from the arrival of a request to its answer.",
            _LABELS,
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._in_flight = client.Gauge(
            "flarchitect_requests_in_flight",
            "Requests that are being answered now.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._statements = client.Counter(
            "flarchitect_statements", "SQL statements that were sent.", ("method", "route"), registry=self.registry
        )
        self._statement_seconds = client.Counter(
            "flarchitect_statement_seconds",
            "Time spent in SQL statements.",
            ("method", "route"),
            registry=self.registry,
        )

    def begin(self, scope: RequestScope) -> None:
        """Count a request that arrives; it counts as in flight until its scope is closed."""
        self._in_flight.inc()
        scope.closers.append(self._in_flight.dec)

    def finish(self, scope: RequestScope, status: int) -> None:
        """Count the answer of the current request."""
        # Any text may be sent as a method, and each would be a series for ever.
        method = request.method if request.method in _METHODS else "other"
        route = request.url_rule.rule if request.url_rule is not None else "none"
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route, status).observe(scope.elapsed_ms() / 1000)
        count = scope.statements
        if count is not None and count.number:
            self._statements.labels(method, route).inc(count.number)
            self._statement_seconds.labels(method, route).inc(count.seconds)

    def route(self) -> OperationalRoute:
        """Give the route of the metrics."""
        return OperationalRoute(
            options.METRICS_PATH,
            "flarchitect_metrics",
            self.answer,
            "Metrics for Prometheus",
            media_type="text/plain",
            schema={"type": "string"},
        )

    def answer(self) -> Response:
        """Answer with all metrics in the form that the client asks for: that of Prometheus, or OpenMetrics."""
        encode, content_type = self._client.exposition.choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(self._collected()), content_type=content_type, headers={"Cache-Control": "no-store"})

    def _collected(self) -> CollectorRegistry:
        if _SHARED_FOLDER not in os.environ:
            return self.registry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._client.CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
