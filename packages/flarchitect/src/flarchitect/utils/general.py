"""Plurals and constants."""

from __future__ import annotations

from flarchitect_core.constants import (
    DATE_FORMAT,
    DATETIME_FORMAT,
    HTTP_BAD_REQUEST,
    HTTP_FORBIDDEN,
    HTTP_INTERNAL_SERVER_ERROR,
    HTTP_METHODS,
    HTTP_OK,
    HTTP_UNAUTHORIZED,
    HTTP_UNPROCESSABLE_ENTITY,
)
from flarchitect_core.model.naming import pluralise_last_word as pluralize_last_word

__all__ = [
    "DATETIME_FORMAT",
    "DATE_FORMAT",
    "HTTP_BAD_REQUEST",
    "HTTP_FORBIDDEN",
    "HTTP_INTERNAL_SERVER_ERROR",
    "HTTP_METHODS",
    "HTTP_OK",
    "HTTP_UNAUTHORIZED",
    "HTTP_UNPROCESSABLE_ENTITY",
    "pluralize_last_word",
]
