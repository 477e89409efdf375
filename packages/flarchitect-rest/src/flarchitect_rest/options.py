"""The options that the REST part reads besides those of core."""

from __future__ import annotations

from typing import Any

from flarchitect_core.rates import rate_limit
from flarchitect_core.settings import Expectation, Option, boolean, choice, function, integer, mapping, names, text

__all__ = ["REST_OPTIONS"]

_OWNER = "flarchitect-rest"

_never = Expectation(
    "False: ports are never probed, so name the service in API_RATE_LIMIT_STORAGE_URI", lambda value: value is False
)

RATE_LIMIT: Option[Any] = Option(
    "RATE_LIMIT",
    None,
    rate_limit,
    "How often one client may call each route.",
    meta=True,
    method=True,
    owner=_OWNER,
    topic="Rate limits",
)
RATE_LIMIT_ON_FAILURE = Option(
    "RATE_LIMIT_ON_FAILURE",
    "local",
    choice("local", "open", "closed"),
    "While that service is away: count in each process, let requests pass, or refuse them with 503.",
    owner=_OWNER,
    topic="Rate limits",
)
RATE_LIMIT_KEY_FUNC: Option[Any] = Option(
    "RATE_LIMIT_KEY_FUNC",
    None,
    function,
    "Callable without arguments that gives the identity of the client; its address by default.",
    owner=_OWNER,
    topic="Rate limits",
)
RATE_LIMIT_KEY_PREFIX: Option[str | None] = Option(
    "RATE_LIMIT_KEY_PREFIX",
    None,
    text,
    "Beginning of the keys of counts; `flarchitect:` and the name of the application by default.",
    owner=_OWNER,
    topic="Rate limits",
)
RATE_LIMIT_HEADERS = Option(
    "RATE_LIMIT_HEADERS",
    True,
    boolean,
    "Tell limits and what remains of them in headers.",
    aliases=("RATELIMIT_HEADERS_ENABLED",),
    owner=_OWNER,
    topic="Rate limits",
)
RATE_LIMIT_AUTODETECT = Option(
    "RATE_LIMIT_AUTODETECT",
    False,
    _never,
    "Kept for old configurations; local ports are never probed.",
    owner=_OWNER,
    topic="Rate limits",
)

CACHE_TYPE: Option[str | None] = Option(
    "CACHE_TYPE",
    None,
    text,
    "Backend of the response cache: `SimpleCache`, `RedisCache`, or another one of Flask-Caching.",
    owner=_OWNER,
    topic="Response cache",
)
CACHE_TIMEOUT = Option(
    "CACHE_TIMEOUT",
    300,
    integer(0),
    "Seconds for which an answer is kept; 0 keeps none.",
    meta=True,
    owner=_OWNER,
    topic="Response cache",
)
CACHE_INVALIDATE = Option(
    "CACHE_INVALIDATE",
    True,
    boolean,
    "Drop the answers of a model, and of models related to it, when one of its rows is written.",
    owner=_OWNER,
    topic="Response cache",
)
CACHE_VARY: Option[Any] = Option(
    "CACHE_VARY",
    (),
    names,
    "Further request headers on which answers depend, such as `X-Tenant`.",
    owner=_OWNER,
    topic="Response cache",
)

ENABLE_CORS = Option(
    "ENABLE_CORS",
    False,
    boolean,
    "Let pages of other origins call what `CORS_RESOURCES` names.",
    owner=_OWNER,
    topic="Other origins",
)
CORS_RESOURCES: Option[Any] = Option(
    "CORS_RESOURCES",
    {},
    mapping,
    "Path pattern to the options of Flask-Cors for it; `origins` is required.",
    aliases=("CORS_RESOURCES",),
    owner=_OWNER,
    topic="Other origins",
)

REST_OPTIONS: tuple[Option[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Option))
