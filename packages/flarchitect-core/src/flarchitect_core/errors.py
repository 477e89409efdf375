"""The error tree of every flarchitect distribution, and what each error tells its reader.

```text
FlarchitectError
├── ConfigurationError (ValueError)          start-up; carries every problem found
│   └── AlreadyInitialisedError (RuntimeError)
└── ApiError                                 one request; has status, reason, message
    ├── BadRequestError      400
    │   ├── QueryError       400, a query parameter
    │   └── ValidationError  400, the body, with `fields`
    ├── ForbiddenError       403
    ├── NotFoundError        404 (LookupError)
    ├── ConflictError        409, 422
    └── UnavailableError     503
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

__all__ = [
    "AlreadyInitialisedError",
    "ApiError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "FlarchitectError",
    "ForbiddenError",
    "NotFoundError",
    "QueryError",
    "UnavailableError",
    "ValidationError",
    "error_code",
    "phrase_of",
]

# Our own table, because `HTTPStatus` renamed 413 and 422 in Python 3.13 and these codes must never change.
_ERROR_CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    412: "precondition_failed",
    413: "content_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "unprocessable_content",
    428: "precondition_required",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal_server_error",
    501: "not_implemented",
    503: "service_unavailable",
}

_MESSAGE_MAX = 1000

Fields = Mapping[str, Any]
"""Field name to its list of messages; nested objects and list positions nest further mappings."""


def error_code(status: int) -> str:
    """Name a status with the stable snake_case code of the `error` member."""
    if status in _ERROR_CODES:
        return _ERROR_CODES[status]
    return "client_error" if status < 500 else "server_error"


def phrase_of(status: int) -> str:
    """Name a status for people, `Unknown Error` for codes that no registry knows."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Error"


class FlarchitectError(Exception):
    """Everything the extension raises on purpose."""


class ConfigurationError(FlarchitectError, ValueError):
    """The application cannot start; `problems` lists every mistake found, each a whole sentence with its fix."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        listed = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1))
        return f"{len(self.problems)} problems in the configuration of flarchitect:\n{listed}"


class AlreadyInitialisedError(ConfigurationError, RuntimeError):
    """`init_app` was called a second time for one application."""


class ApiError(FlarchitectError):
    """A request that cannot be answered as asked.

    Attributes:
        status: HTTP status, 400 to 599.
        reason: Stable specific reason in snake_case, for programs.
        message: One sentence for people: what, where, why, and what to do.
        fields: Field name to list of messages, for bodies.
        suggestions: Nearest valid names, best first.
        details: Further members of the `errors` object.
        headers: Response headers, such as `Allow` or `Retry-After`.
    """

    status = 500

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        status: int | None = None,
        fields: Fields | None = None,
        suggestions: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # Messages repeat what the client sent, which may be a whole header's worth of it.
        self.message = message if len(message) <= _MESSAGE_MAX else f"{message[:_MESSAGE_MAX]}…"
        super().__init__(self.message)
        self.reason = reason
        self.status = status if status is not None else type(self).status
        self.fields = fields
        self.suggestions = tuple(suggestions)
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    @property
    def error(self) -> str:
        """The stable code of the status, such as `not_found`."""
        return error_code(self.status)

    def to_dict(self) -> dict[str, Any]:
        """Describe the error as the `errors` object, without `request_id` (decisions 8)."""
        body: dict[str, Any] = {"error": self.error, "message": self.message, "reason": self.reason}
        if self.fields is not None:
            body["fields"] = self.fields
        if self.suggestions:
            body["suggestions"] = list(self.suggestions)
        return {**body, **{name: value for name, value in self.details.items() if name not in body}}


class BadRequestError(ApiError):
    """The request is wrong in a way the caller can mend."""

    status = 400


class QueryError(BadRequestError):
    """A query parameter has a wrong name or value."""


class ValidationError(BadRequestError):
    """The body does not fit the model; `fields` says where."""

    def __init__(self, fields: Fields, message: str | None = None) -> None:
        names = ", ".join(str(name) for name in fields)
        super().__init__(
            message or f"The body is not valid. See `fields` for: {names}.", reason="validation_failed", fields=fields
        )


class ForbiddenError(ApiError):
    """The caller may see what it asks for, and may not do this with it."""

    status = 403


class NotFoundError(ApiError, LookupError):
    """No row, or no row the caller may see: both read the same."""

    status = 404


class ConflictError(ApiError):
    """The database refused a write: 409 for a clash with other rows, 422 for a value it does not take."""

    status = 409


class UnavailableError(ApiError):
    """The database did not answer; the same request may succeed later (`Retry-After` is set)."""

    status = 503

    def __init__(self, message: str, *, reason: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message, reason=reason, headers={"Retry-After": str(retry_after_seconds)})
