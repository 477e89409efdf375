"""`CustomHTTPException`: how code of an application refuses a request (core 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from flarchitect_core.errors import ApiError, Fields, FlarchitectError, error_code, phrase_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.sansio.response import Response

__all__ = ["CustomHTTPException"]


class CustomHTTPException(FlarchitectError, HTTPException):
    """An HTTP error with a reason: raised in a view below the API, it is answered in the one error shape.

    It is no `ApiError`, because its documented `error`, `reason` and `to_dict()` mean other things there;
    `as_api_error` gives the same failure as one.

    Attributes:
        status_code: HTTP status, 400 to 599; `code` is the same.
        reason: What went wrong, or field name to list of messages; the phrase of the status when nothing was given.
            `description` is the same.

    Raises:
        ValueError: The status is no error.
    """

    def __init__(
        self,
        status_code: int,
        reason: str | Fields | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        code_name: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the exception.

        Args:
            status_code: HTTP status.
            reason: Text for people, or field name to list of messages.
            headers: Response headers, such as `Retry-After`.
            code_name: Stable specific reason for programs, in snake_case; the code of the status when not given.
            details: Further members of the `errors` object.
        """
        if not 400 <= status_code <= 599:
            raise ValueError(f"{status_code} is not the status of an error; give one from 400 to 599.")
        super().__init__()
        self.code = self.status_code = status_code
        self.reason: str | Fields = reason or phrase_of(status_code)
        self.description = self.reason  # type: ignore[assignment]  # documented to be the same, a mapping too
        self.code_name = code_name or error_code(status_code)
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    @property
    def name(self) -> str:
        """The phrase of the status, such as `Not Found`."""
        return phrase_of(self.status_code)

    @property
    def error(self) -> str:
        """The phrase of the status, such as `Not Found`."""
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Describe the exception as `status_code`, `status_text` and `reason`."""
        return {"status_code": self.status_code, "status_text": self.name, "reason": self.reason}

    def as_api_error(self) -> ApiError:
        """Give the failure as every transport renders it (decisions 8)."""
        if isinstance(self.reason, str):
            message, fields = self.reason, None
        else:
            message, fields = f"{self.name}. See `fields` for: {', '.join(self.reason)}.", self.reason
        return ApiError(
            message,
            reason=self.code_name,
            status=self.status_code,
            fields=fields,
            details=self.details,
            headers=self.headers,
        )

    def get_headers(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None, *args: Response | None
    ) -> list[tuple[str, str]]:
        """Give the headers of the page that Flask makes of the exception elsewhere."""
        return [*super().get_headers(environ, scope), *self.headers.items()]
