"""The envelope of every answer, and its JSON bytes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response

from flarchitect_core import options
from flarchitect_core.errors import ApiError, phrase_of
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.model.fields import to_jsonable
from flarchitect_core.model.naming import field_name
from flarchitect_core.settings import Settings

__all__ = ["Envelope", "encode_json"]

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
_ORJSON_OPTIONS = orjson.OPT_NON_STR_KEYS


def encode_json(value: object) -> bytes:
    """Write a value as JSON.

    Text that is not valid Unicode and integers beyond 64 bits, which a JSON column may hold, are written by the
    standard library, which takes what orjson refuses.
    """
    try:
        return orjson.dumps(value, default=to_jsonable, option=_ORJSON_OPTIONS)
    except TypeError:
        return json.dumps(value, default=to_jsonable, separators=(",", ":")).encode("ascii")


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
        total_count: int = 1,
        next_url: str | None = None,
        previous_url: str | None = None,
    ) -> dict[str, Any]:
        """Build the envelope as a mapping, in the documented order of its members."""
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
            body[name["response_ms"]] = round(scope.elapsed_ms()) if scope else "n/a"
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
        body = self.body(value, status=status, **members)
        return Response(encode_json(body), status=status, headers=headers, mimetype="application/json")

    def error_response(self, error: ApiError, *, as_problem: bool = False, instance: str | None = None) -> Response:
        """Answer with an error, in the envelope or as problem details (RFC 9457)."""
        errors = error.to_dict()
        scope = current_request()
        if scope is not None:
            errors["request_id"] = scope.identity.request_id
        if as_problem:
            return self._problem(error, errors, instance)
        named = {field_name(member, self._case): value for member, value in errors.items()}
        return self.response(None, status=error.status, headers=error.headers, errors=named, total_count=0)

    @staticmethod
    def _problem(error: ApiError, errors: Mapping[str, Any], instance: str | None) -> Response:
        body = {
            "type": f"urn:flarchitect:error:{error.reason}",
            "title": phrase_of(error.status),
            "status": error.status,
            "detail": error.message,
            **({"instance": instance} if instance else {}),
            **{key: value for key, value in errors.items() if key != "message"},
        }
        return Response(
            encode_json(body), status=error.status, headers=error.headers, mimetype="application/problem+json"
        )
