"""Rate limits of the generated routes (rest 9.1).

Each client is counted for each route, that is method and URL rule: the collection and the items count apart, all items
together. The counts are our own; a `Limiter` of the application is not touched and does not touch them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from flask import Response, after_this_request, request
from flask.typing import ResponseReturnValue

from flarchitect_core.errors import ApiError, UnavailableError
from flarchitect_core.rate_counters import CounterUnavailableError, Window
from flarchitect_core.rate_storage import check_storage_options, counter_of
from flarchitect_core.rates import Rate, rates_in
from flarchitect_core.settings import HTTP_METHODS, Settings
from flarchitect_core.state import ApplicationState
from flarchitect_rest import options

__all__ = ["RateLimits", "check_limits", "is_limited", "rates_of"]

View = Callable[..., ResponseReturnValue]
Rates = Mapping[str, tuple[Rate, ...]]

_RETRY_SECONDS = 1


def check_limits(state: ApplicationState) -> None:
    """Report a storage that cannot count, when a route needs one."""
    if is_limited(state):
        check_storage_options(state.settings, state.report)


def rates_of(settings: Settings, model: type | None = None) -> dict[str, tuple[Rate, ...]]:
    """Resolve the rates of a model, for each method that has one."""
    texts = {method: settings.get(options.RATE_LIMIT, model=model, method=method) for method in HTTP_METHODS}
    return {method: rates_in(text) for method, text in texts.items() if text}


def is_limited(state: ApplicationState) -> bool:
    """Say whether any route has a rate limit."""
    return any(rates_of(state.settings, resource.model) for resource in state.registry)


class RateLimits:
    """Counts the requests to views; made once for an application."""

    def __init__(self, state: ApplicationState) -> None:
        settings = state.settings
        self._counter = counter_of(settings, settings.get(options.RATE_LIMIT_ON_FAILURE))  # type: ignore[arg-type]
        self._client: Callable[[], Any] | None = settings.get(options.RATE_LIMIT_KEY_FUNC)
        self._prefix = settings.get(options.RATE_LIMIT_KEY_PREFIX) or f"flarchitect:{state.app.name}"
        self._tells = settings.get(options.RATE_LIMIT_HEADERS)

    def limited(self, view: View, rule: str, rates: Rates) -> View:
        """Wrap the view of a URL rule, so that each request is counted before it runs."""

        def limited_view(**variables: Any) -> ResponseReturnValue:
            method = "GET" if request.method == "HEAD" else request.method
            if method in rates:
                self.count(f"{method} {rule}", rates[method])
            return view(**variables)

        return limited_view

    def count(self, route: str, rates: tuple[Rate, ...]) -> None:
        """Count the current request, and set the headers of its answer.

        Args:
            route: What is counted apart from all else.
            rates: Shortest window first. After the first one that is exceeded, no other one counts the request.

        Raises:
            ApiError: A rate is exceeded (429), or nothing could be counted and nothing may pass uncounted (503).
        """
        client = str(self._client() or request.remote_addr) if self._client else request.remote_addr
        digest = blake2b(f"{route}\n{client}".encode(), digest_size=16).hexdigest()
        counted: list[tuple[Rate, Window]] = []
        for rate in rates:
            try:
                window = self._counter.hit(f"{self._prefix}:{digest}:{rate.count}:{rate.seconds}", rate.seconds)
            except CounterUnavailableError as error:
                raise UnavailableError(
                    "Requests cannot be counted at the moment, so none is let through. Try again soon.",
                    reason="rate_limit_unavailable",
                    retry_after_seconds=_RETRY_SECONDS,
                ) from error
            if window is None:
                return
            counted.append((rate, window))
            if window.count > rate.count:
                break
        self._answer(counted)

    def _answer(self, counted: list[tuple[Rate, Window]]) -> None:
        rate, window = min(counted, key=lambda pair: pair[0].count - pair[1].count)
        seconds = max(1, math.ceil(window.reset - time.time()))
        if self._tells:
            headers = _headers(rate, window, seconds, [each for each, _ in counted])

            def tell(response: Response) -> Response:
                response.headers.update(headers)
                return response

            after_this_request(tell)
        if window.count > rate.count:
            raise ApiError(
                f"Too many requests: {rate} are allowed here. Try again in {seconds} seconds.",
                status=429,
                reason="rate_limit_exceeded",
                details={"limit": str(rate), "retry_after": seconds},
                headers={"Retry-After": str(seconds)},
            )


def _headers(rate: Rate, window: Window, seconds: int, rates: list[Rate]) -> dict[str, str]:
    """Write the headers: the customary ones, those of the first IETF drafts, and those of the current one."""
    remaining = str(max(0, rate.count - window.count))
    return {
        "X-RateLimit-Limit": str(rate.count),
        "X-RateLimit-Remaining": remaining,
        "X-RateLimit-Reset": str(math.ceil(window.reset)),
        "RateLimit-Limit": str(rate.count),
        "RateLimit-Remaining": remaining,
        "RateLimit-Reset": str(seconds),
        "RateLimit-Policy": ", ".join(f'"{each}";q={each.count};w={each.seconds}' for each in rates),
        "RateLimit": f'"{rate}";r={remaining};t={seconds}',
    }
