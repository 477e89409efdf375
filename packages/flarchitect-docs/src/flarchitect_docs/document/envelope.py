"""The envelope of answers and the shape of errors, as the application has switched them (core 3, decisions 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flarchitect_core import options as core
from flarchitect_core.errors import ApiError, error_code, phrase_of
from flarchitect_core.model.json_types import JsonSchema
from flarchitect_core.model.naming import field_name

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["EnvelopeSchemas", "phrase"]

_REQUEST_ID = "4f7a1f0d2c5b4e0f9f6d3b8a7c6e5d4f"
_MOMENT = "2024-05-06T07:08:09+00:00"
_SENTENCES = {
    400: "The request is wrong in a way the caller can mend.",
    401: "Nobody knows who calls.",
    403: "The caller may not do this.",
    404: "There is no such row, or none that the caller may see.",
    405: "The path does not have this method.",
    406: "No format suits `Accept`.",
    409: "The write clashes with other rows.",
    412: "The row is in another state than the condition names.",
    413: "The body is too large.",
    415: "The body has another content type than those listed.",
    422: "The database does not take a value, or the request cannot be repeated.",
    428: "`If-Match` is required.",
    429: "Too many requests.",
    500: "A mistake on the server.",
    503: "The database, or another service, does not answer.",
}
_REASONS = {
    400: "validation_failed",
    401: "credentials_missing",
    403: "missing_roles",
    404: "row_not_found",
    406: "not_acceptable",
    409: "unique_conflict",
    412: "precondition_failed",
    413: "body_too_large",
    415: "unsupported_content_type",
    428: "precondition_required",
    429: "rate_limit_exceeded",
    500: "unexpected_error",
    503: "database_unavailable",
}


def phrase(status: int) -> str:
    """Name a status for people, in words that no version of Python changes."""
    code = error_code(status)
    return phrase_of(status) if code in ("client_error", "server_error") else code.replace("_", " ").title()


class EnvelopeSchemas:
    """The schemas and examples of one application."""

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self._case = state.settings.get(core.FIELD_CASE)

    def name(self, member: str) -> str:
        """Name a member as answers do."""
        return field_name(member, self._case)

    def envelope(self) -> JsonSchema:
        """Describe the members that stand around every value."""
        get = self._state.settings.get
        link = {"type": ["string", "null"], "format": "uri-reference"}
        members: list[tuple[str, bool, JsonSchema]] = [
            ("api_version", get(core.DUMP_VERSION), {"type": ["string", "null"]}),
            ("datetime", get(core.DUMP_DATETIME), {"type": "string", "format": "date-time"}),
            ("value", True, {}),
            ("status_code", get(core.DUMP_STATUS_CODE), {"type": "integer"}),
            ("errors", get(core.DUMP_NULL_ERRORS), {}),
            ("response_ms", get(core.DUMP_RESPONSE_MS), {"type": ["number", "string"]}),
            ("total_count", get(core.DUMP_TOTAL_COUNT), {"type": ["integer", "null"]}),
            ("next_url", True, link),
            ("previous_url", True, link),
            ("request_id", get(core.DUMP_REQUEST_ID), {"type": "string"}),
        ]
        optional = {"next_url", "previous_url"}
        shown = [(self.name(name), name not in optional, schema) for name, is_shown, schema in members if is_shown]
        schema: JsonSchema = {"type": "object", "properties": {name: each for name, _, each in shown}}
        if get(core.FINAL_CALLBACK) is None:
            # What a callback of the application makes of an envelope is its own affair.
            schema["required"] = [name for name, is_always, _ in shown if is_always]
        return schema

    def errors(self) -> JsonSchema:
        """Describe the object that tells of an error."""
        texts = {self.name(name): {"type": "string"} for name in ("error", "message", "reason", "request_id")}
        return {
            "type": "object",
            "properties": {
                **texts,
                self.name("fields"): {"type": "object", "description": "Name to messages, of a body."},
                self.name("suggestions"): {"type": "array", "items": {"type": "string"}},
            },
            "required": [self.name(name) for name in ("error", "message", "reason")],
        }

    def problem(self) -> JsonSchema:
        """Describe problem details (RFC 9457)."""
        return {
            "type": "object",
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "instance": {"type": "string"},
                "error": {"type": "string"},
                "reason": {"type": "string"},
                "request_id": {"type": "string"},
                "fields": {"type": "object"},
                "suggestions": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["type", "title", "status", "detail", "error", "reason"],
        }

    # --- examples -----------------------------------------------------------------------------------------------------

    def example(self, value: Any, *, status: int = 200) -> dict[str, Any]:
        """Make the envelope around a value, as it was at one moment."""
        return self._at_one_moment(self._state.envelope.body(value, status=status, total_count=1, response_ms=12))

    def error_example(self, status: int) -> dict[str, Any]:
        """Make the answer of an error."""
        error = self._error(status)
        named = {self.name(name): value for name, value in error.to_dict().items()}
        body = self._state.envelope.body(None, status=status, errors=named, total_count=0, response_ms=12)
        return self._at_one_moment(body)

    def problem_example(self, status: int) -> dict[str, Any]:
        """Make the problem details of an error."""
        error = self._error(status)
        return {
            "type": f"urn:flarchitect:error:{error.reason}",
            "title": phrase(status),
            "status": status,
            "detail": error.message,
            "error": error.error,
            "reason": error.reason,
        }

    def _at_one_moment(self, body: dict[str, Any]) -> dict[str, Any]:
        moment = self.name("datetime")
        shown = {**body, **({moment: _MOMENT} if moment in body else {})}
        if self._state.settings.get(core.DUMP_REQUEST_ID):
            shown[self.name("request_id")] = _REQUEST_ID
        return shown

    @staticmethod
    def _error(status: int) -> ApiError:
        message = _SENTENCES.get(status, f"{phrase(status)}.")
        return ApiError(message, status=status, reason=_REASONS.get(status, error_code(status)))
