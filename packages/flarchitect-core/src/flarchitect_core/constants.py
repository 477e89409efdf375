"""Constants under the names that the documentation of the import paths gives them (core 10)."""

from __future__ import annotations

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
]

# The documented list, which has no PUT; `settings.HTTP_METHODS` are the methods of generated routes.
HTTP_METHODS = ["GET", "POST", "PATCH", "DELETE"]

DATE_FORMAT = "%Y-%m-%d"
DATETIME_FORMAT = "%Y-%m-%d %H:%M:%S"

HTTP_OK = 200
HTTP_BAD_REQUEST = 400
HTTP_UNAUTHORIZED = 401
HTTP_FORBIDDEN = 403
HTTP_UNPROCESSABLE_ENTITY = 422
HTTP_INTERNAL_SERVER_ERROR = 500
