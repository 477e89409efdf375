"""Errors: what an application raises to refuse a request, and what the extension raises."""

from __future__ import annotations

from flarchitect_core.errors import ApiError, ConfigurationError, FlarchitectError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.hooks import handle_http_exception

__all__ = ["ApiError", "ConfigurationError", "CustomHTTPException", "FlarchitectError", "handle_http_exception"]
