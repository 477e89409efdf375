"""What stands before hand-written views: their rate limit (rest 8.1)."""

from __future__ import annotations

from typing import Any

from flask import request

from flarchitect_core.access.asked import Guard
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.rate_storage import check_storage_options
from flarchitect_core.rates import Rate, parse_rates
from flarchitect_core.settings import HTTP_METHODS, is_set
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import ApplicationState
from flarchitect_core.views.bodies import ViewSchema
from flarchitect_core.views.managed import ManagedView
from flarchitect_rest import options
from flarchitect_rest.limits import RateLimits

__all__ = ["limit_guard", "view_rates"]


def limit_guard(state: ApplicationState, view: ManagedView) -> Guard | None:
    """Give what counts the requests to a view, `None` when it has no rate limit.

    Raises:
        ConfigurationError: A rate cannot be read, or the service that is to count cannot be had.
    """
    rates = {method: rates for method in HTTP_METHODS if (rates := view_rates(state, view, method))}
    if not rates:
        return None
    if state.limiter is None:
        report = StartupReport()
        check_storage_options(state.settings, report)
        report.raise_if_any()
        state.limiter = RateLimits(state)
    limits: RateLimits = state.limiter

    def guard() -> None:
        method = "GET" if request.method == "HEAD" else request.method
        if method in rates:
            limits.count(f"{method} {request.url_rule or request.path}", rates[method])

    return guard


def view_rates(state: ApplicationState, view: ManagedView, method: str) -> tuple[Rate, ...]:
    """Resolve the rates of a view: of its model, then its schemas, then the application (core 1)."""
    info = view.info
    value, origin = state.settings.resolve(options.RATE_LIMIT, model=info.model, method=method)
    if origin != "model":
        of_schemas = (_meta_rate(schema, method) for schema in (info.output_schema, info.input_schema))
        value = next((each for each in of_schemas if is_set(each)), value)
    try:
        return parse_rates(value) if value else ()
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"The rate limit of {view.name} is {value!r}: {error}") from error


def _meta_rate(schema: ViewSchema | None, method: str) -> Any:
    meta = getattr(schema, "Meta", None)
    names = options.RATE_LIMIT.meta_names(method)
    return next((value for name in names if is_set(value := getattr(meta, name, None))), None)
