"""The envelope of every answer, in the format that the client asked for."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any

from flask import Response, has_request_context, request

from flarchitect_core import options
from flarchitect_core.errors import ApiError, phrase_of
from flarchitect_core.http.encoding import encode_json
from flarchitect_core.http.negotiation import JSON, PROBLEM, XML, Format, best_format, error_format, record_formats
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.http.xml import encode_xml
from flarchitect_core.model.naming import field_name
from flarchitect_core.settings import Settings

__all__ = ["Answer", "Envelope", "encode_json"]

logger = logging.getLogger("flarchitect.hooks")

_MEMBERS = (
    "api_version",
    "datetime",
    "value",
    "status_code",
    "errors",
    "response_ms",
    "total_count",
    "next_url",
    "previous_url",
    "request_id",
)


class Answer(Response):
    """An answer in the envelope.

    Attributes:
        said: The value and the members it was made of, so that it can be given again with a fresh envelope.
    """

    said: tuple[Any, Mapping[str, Any]] | None = None


class Envelope:
    """Wraps values and errors of one application (core 3); its member names are in `API_FIELD_CASE`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        case = settings.get(options.FIELD_CASE)
        self._case = case
        self._names = {member: field_name(member, case) for member in _MEMBERS}

    def body(
        self,
        value: Any,
        *,
        status: int = 200,
        errors: Any = None,
        total_count: int | None = 1,
        next_url: str | None = None,
        previous_url: str | None = None,
        response_ms: float | None = None,
    ) -> dict[str, Any]:
        """Build the envelope as a mapping, in the documented order of its members; time is measured unless given."""
        get, name = self._settings.get, self._names
        scope = current_request()
        body: dict[str, Any] = {}
        if get(options.DUMP_VERSION):
            body[name["api_version"]] = get(options.VERSION)
        if get(options.DUMP_DATETIME):
            body[name["datetime"]] = dt.datetime.now(dt.timezone.utc).isoformat()
        body[name["value"]] = value
        if get(options.DUMP_STATUS_CODE):
            body[name["status_code"]] = status
        if errors or get(options.DUMP_NULL_ERRORS):
            body[name["errors"]] = errors or None
        if get(options.DUMP_RESPONSE_MS):
            measured = round(scope.elapsed_ms()) if scope else "n/a"
            body[name["response_ms"]] = measured if response_ms is None else response_ms
        if get(options.DUMP_TOTAL_COUNT):
            body[name["total_count"]] = total_count
        if next_url is not None or get(options.DUMP_NULL_NEXT_URL):
            body[name["next_url"]] = next_url
        if previous_url is not None or get(options.DUMP_NULL_PREVIOUS_URL):
            body[name["previous_url"]] = previous_url
        if scope is not None and get(options.DUMP_REQUEST_ID):
            body[name["request_id"]] = scope.identity.request_id
        return body

    def response(
        self, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, **members: Any
    ) -> Response:
        """Answer with a value; `members` are the keyword arguments of `body`."""
        body = self._finished(self.body(value, status=status, **members))
        answer = self._answer(body, self._format(), status, headers)
        answer.said = value, members
        return answer

    def error_response(self, error: ApiError, *, instance: str | None = None) -> Response:
        """Answer with an error, in the envelope or as problem details (RFC 9457)."""
        format_ = error_format(_accept(), self._settings)
        errors = error.to_dict()
        scope = current_request()
        if scope is not None:
            errors["request_id"] = scope.identity.request_id
        if format_ is PROBLEM:
            return self._answer(_problem(error, errors, instance), format_, error.status, error.headers)
        named = {field_name(member, self._case): value for member, value in errors.items()}
        body = self.body(None, status=error.status, errors=named, total_count=0)
        try:
            return self._answer(self._finished({**body}), format_, error.status, error.headers)
        except Exception:
            # It may have failed on the answer before, and an error must always be answered.
            logger.exception("The callback of API_FINAL_CALLBACK failed on an error.")
        return self._answer(body, format_, error.status, error.headers)

    def _finished(self, body: dict[str, Any]) -> dict[str, Any]:
        callback = self._settings.get(options.FINAL_CALLBACK)
        if callback is None:
            return body
        finished: dict[str, Any] | None = callback(body)
        return body if finished is None else finished

    def _format(self) -> Format:
        # A view refuses what suits nobody before it does anything; what is answered nevertheless is JSON.
        return best_format(_accept(), record_formats(self._settings)) or JSON

    def _answer(
        self, body: Mapping[str, Any], format_: Format, status: int, headers: Mapping[str, str] | None
    ) -> Answer:
        if format_ is XML:
            mimetype = "text/xml" if self._settings.get(options.XML_AS_TEXT) else XML.mimetype
            response = Answer(encode_xml(body), status=status, headers=headers, mimetype=mimetype)
        else:
            response = Answer(encode_json(body), status=status, headers=headers, mimetype=format_.mimetype)
        # Set after those that were given, so that none of them is lost.
        response.headers.add("Vary", "Accept")
        return response


def _accept() -> str | None:
    accept: str | None = request.environ.get("HTTP_ACCEPT") if has_request_context() else None
    return accept


def _problem(error: ApiError, errors: Mapping[str, Any], instance: str | None) -> dict[str, Any]:
    return {
        "type": f"urn:flarchitect:error:{error.reason}",
        "title": phrase_of(error.status),
        "status": error.status,
        "detail": error.message,
        **({"instance": instance} if instance else {}),
        **{key: value for key, value in errors.items() if key != "message"},
    }
