"""Rates such as `100 per minute`, and the services that can count them for several processes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from flarchitect_core.resolution import get_config_or_model_meta
from flarchitect_core.settings import Expectation

__all__ = [
    "Rate",
    "check_driver",
    "check_rate_services",
    "check_storage",
    "is_rate_text",
    "parse_rates",
    "rate_limit",
    "rates_in",
    "storage_scheme",
]

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(
    r"\s*(?P<count>[0-9]{1,9})\s*(?:per|/)\s*(?P<multiple>[0-9]{1,4})?\s*(?P<unit>second|minute|hour|day)s?\s*",
    re.IGNORECASE,
)

# Scheme of a URI, to the module that speaks with the service. In memory there is none.
_DRIVERS: dict[str, str | None] = {
    "memory": None,
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "redis+unix": "redis",
    "redis+sentinel": "redis",
    "redis+cluster": "redis",
    "valkey": "valkey",
    "valkeys": "valkey",
    "valkey+unix": "valkey",
    "valkey+sentinel": "valkey",
    "valkey+cluster": "valkey",
    "memcached": "pymemcache",
    "mongodb": "pymongo",
    "mongodb+srv": "pymongo",
}
_WITHOUT_HOST = {"memory", "unix", "redis+unix", "valkey+unix"}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` requests in each window of `seconds`; written as `2 per 1 minute`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(name for name in reversed(_SECONDS) if self.seconds % _SECONDS[name] == 0)
        return f"{self.count} per {self.seconds // _SECONDS[unit]} {unit}"


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Read `N per [M] second|minute|hour|day`, `N/minute`, or several of them between `;`, shortest window first.

    Raises:
        ValueError: The text is something else, or has a zero in it.
    """
    rates = []
    for part in text.split(";"):
        match = _RATE.fullmatch(part)
        rate = match and Rate(int(match["count"]), int(match["multiple"] or 1) * _SECONDS[match["unit"].lower()])
        if not rate or not rate.count or not rate.seconds:
            raise ValueError(
                f"{part.strip()!r} is not a rate. Write '100 per minute', '100 per 15 minutes' or '100/minute', "
                f"and ';' between several."
            )
        rates.append(rate)
    return tuple(sorted(rates, key=lambda rate: rate.seconds))


def rates_in(limit: str | bool | None) -> tuple[Rate, ...]:
    """Read the value of an option that `rate_limit` describes; nothing limits where it is false or not set."""
    return parse_rates(limit) if isinstance(limit, str) else ()


def is_rate_text(text: str) -> bool:
    """Say whether `parse_rates` takes a text."""
    try:
        return bool(parse_rates(text))
    except ValueError:
        return False


rate_limit = Expectation(
    "rates such as '100 per minute', '100/minute' or '5 per second; 1000 per day', or False for no limit",
    lambda value: value is False or (isinstance(value, str) and is_rate_text(value)),
)


def storage_scheme(uri: str) -> str:
    """Give the scheme of a storage URI.

    Raises:
        ValueError: The scheme is missing or unknown, or the host is missing. The message never repeats the URI, which
            may hold a password.
    """
    scheme, separator, rest = uri.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DRIVERS:
        raise ValueError(f"the scheme must be one of {', '.join(_DRIVERS)}, as in redis://127.0.0.1:6379/0")
    try:
        place = urlsplit(f"any://{rest}")
        is_complete = scheme == "memory" or bool(place.path if scheme in _WITHOUT_HOST else place.netloc)
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ValueError(f"what follows {scheme}:// must name the host, or the path of a socket")
    return scheme


def check_driver(service: str) -> None:
    """Check that the client library of a service is installed.

    Args:
        service: Scheme or name of the service, such as `redis` or `Memcached`.

    Raises:
        ValueError: No such service can count.
        ImportError: The library is not installed; the message has the command that installs it.
    """
    if service.lower() not in _DRIVERS:
        raise ValueError(f"{service!r} is none of {', '.join(_DRIVERS)}.")
    module = _DRIVERS[service.lower()]
    missing = [name for name in (module, "limits") if module and name and find_spec(name) is None]
    if missing:
        raise ImportError(f"{service} needs {' and '.join(missing)}. Run `pip install {' '.join(missing)}`.")


def check_storage(uri: str) -> str:
    """Check a storage URI and its driver, and give its scheme.

    Raises:
        ValueError: As `storage_scheme`.
        ImportError: As `check_driver`.
    """
    scheme = storage_scheme(uri)
    check_driver(scheme)
    return scheme


def check_rate_services() -> str | None:
    """Give the storage URI of rate limits of the current application, `None` when each process counts by itself.

    Local ports are never probed.

    Raises:
        ValueError: As `storage_scheme`.
        ImportError: As `check_driver`.
    """
    uri: str | None = get_config_or_model_meta("API_RATE_LIMIT_STORAGE_URI")
    if uri:
        check_storage(uri)
    return uri or None
