"""Formatters for the handlers of an application, and the id of the current request."""

from __future__ import annotations

from flarchitect_core.http.logs import JsonFormatter, TextFormatter
from flarchitect_core.http.request_id import current_request_id

__all__ = ["JsonFormatter", "TextFormatter", "current_request_id"]
