"""Telling clients to leave something: the headers `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from werkzeug.http import http_date

from flarchitect_core import options

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings

__all__ = ["deprecation_headers", "deprecation_headers_of"]


def deprecation_headers(deprecated: bool | dt.date, sunset: dt.date | None) -> dict[str, str]:
    """Give the headers of what is deprecated.

    Args:
        deprecated: Since when; `True` where that is not said.
        sunset: When it will be gone.
    """
    headers: dict[str, str] = {}
    if deprecated:
        # The header has to have a date, and the first of all is before any.
        since = 0 if isinstance(deprecated, bool) else int(_midnight(deprecated).timestamp())
        headers["Deprecation"] = f"@{since}"
    if sunset is not None:
        headers["Sunset"] = http_date(_midnight(sunset))
    return headers


def deprecation_headers_of(settings: Settings, model: type, method: str) -> dict[str, str]:
    """Give the headers of a method of a model."""
    deprecated = settings.get(options.DEPRECATED, model=model, method=method)
    return deprecation_headers(deprecated, settings.get(options.SUNSET, model=model, method=method))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.timezone.utc)
