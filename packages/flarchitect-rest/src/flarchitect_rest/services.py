"""What stands around the views of the generated routes: rate limits, the response cache, calls of other origins."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask.typing import ResponseReturnValue

from flarchitect_core.model.resource import Resource
from flarchitect_core.state import ApplicationState
from flarchitect_rest.caching import ResponseCache, check_cache, make_cache
from flarchitect_rest.cors import check_cors, register_cors
from flarchitect_rest.limits import RateLimits, check_limits, is_limited, rates_of

__all__ = ["Services", "check_services"]

View = Callable[..., ResponseReturnValue]


def check_services(state: ApplicationState) -> None:
    """Report every service that is configured and cannot be had."""
    check_limits(state)
    check_cache(state)
    check_cors(state)


class Services:
    """The services of one application. A route that none of them concerns keeps its view as it is."""

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self._cache: ResponseCache | None = make_cache(state)
        # A hand-written view may have brought it already.
        self._limits: RateLimits | None = state.limiter or (RateLimits(state) if is_limited(state) else None)
        state.cache, state.limiter = self._cache, self._limits
        register_cors(state)

    def around(self, view: View, rule: str, methods: Iterable[str], resource: Resource) -> View:
        """Wrap the view of a route: a request is counted first, also one that the cache answers.

        Args:
            view: View for all methods.
            rule: URL rule with the prefix.
            methods: Methods that exist on it.
            resource: What it reads or writes; for a relation the rows it leads to.
        """
        if self._cache is not None:
            view = self._cache.cached(view, resource)
        if self._limits is not None:
            rates = rates_of(self._state.settings, resource.model)
            mine = {method: rates[method] for method in methods if method in rates}
            view = self._limits.limited(view, rule, mine) if mine else view
        return view
