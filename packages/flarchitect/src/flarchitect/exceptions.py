"""Errors: what an application raises to refuse a request, and what the extension raises."""

from __future__ import annotations

from flarchitect_core.errors import ApiError, ConfigurationError, FlarchitectError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.hooks import handle_exception as _handle_exception
from flarchitect_core.http.hooks import handle_http_exception
from flarchitect_core.http.hooks import print_exception as _print_exception

__all__ = [
    "ApiError",
    "ConfigurationError",
    "CustomHTTPException",
    "FlarchitectError",
    "_handle_exception",
    "_print_exception",
    "handle_http_exception",
]
