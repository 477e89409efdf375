"""Formatters for the handlers of an application, the id of the current request, and a logger with verbosity levels."""

from __future__ import annotations

from flarchitect_core.http.logs import JsonFormatter, TextFormatter
from flarchitect_core.http.request_id import current_request_id
from flarchitect_core.levelled_log import CustomLogger, get_logger, logger
from flarchitect_core.markup import color_text_with_multiple_patterns

__all__ = [
    "CustomLogger",
    "JsonFormatter",
    "TextFormatter",
    "color_text_with_multiple_patterns",
    "current_request_id",
    "get_logger",
    "logger",
]
