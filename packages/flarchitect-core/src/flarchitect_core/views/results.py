"""What a hand-written view may return, and the answer that it becomes (rest 8.1, core 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app
from werkzeug.wrappers import Response as WerkzeugResponse

from flarchitect_core import options
from flarchitect_core.errors import ApiError, ValidationError, error_code, phrase_of
from flarchitect_core.http.hooks import render_error
from flarchitect_core.state import ApplicationState, state_of

__all__ = ["CustomResponse", "Result", "answer_of", "create_response", "failure_of", "get_count", "handle_result"]
__all__ += ["filter_response_data", "result_of"]

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

_PAGE = frozenset({"query", "limit", "page", "total_count", "next_url", "previous_url", "current_page", "total_pages"})
_WITHOUT_BODY = frozenset({204, 205, 304})
_SWITCHES = {
    "api_version": options.DUMP_VERSION,
    "datetime": options.DUMP_DATETIME,
    "status_code": options.DUMP_STATUS_CODE,
    "response_ms": options.DUMP_RESPONSE_MS,
    "total_count": options.DUMP_TOTAL_COUNT,
    "request_id": options.DUMP_REQUEST_ID,
}
_SWITCHES_OF_NULL = {
    "errors": options.DUMP_NULL_ERRORS,
    "next_url": options.DUMP_NULL_NEXT_URL,
    "previous_url": options.DUMP_NULL_PREVIOUS_URL,
}
_REASON = re.compile(r"[a-z][a-z0-9_]*")


@dataclass
class CustomResponse:
    """A value with what the envelope says about it; views may return it.

    Attributes:
        count: `total_count`; without it the number of entries of a list, else 1.
    """

    value: Any
    next_url: str | None = None
    previous_url: str | None = None
    count: int | None = None


@dataclass(slots=True)
class Result:
    """What a view returned, taken apart."""

    value: Any
    status: int = 200
    headers: Headers = ()
    total_count: int | None = None
    next_url: str | None = None
    previous_url: str | None = None


def result_of(returned: Any) -> Result | WerkzeugResponse:
    """Take apart what a view returned; a response, also one with a status, is given as it is to be sent."""
    status, headers = 200, ()
    body = returned
    if isinstance(returned, tuple) and returned and isinstance(returned[0], WerkzeugResponse):
        return current_app.make_response(returned)
    if isinstance(returned, WerkzeugResponse):
        return returned
    if isinstance(returned, tuple) and len(returned) in (2, 3) and _is_status(returned[1]):
        body, status, *rest = returned
        headers = rest[0] if rest else ()
    if isinstance(body, CustomResponse):
        return Result(body.value, status, headers, body.count, body.next_url, body.previous_url)
    if _is_page(body):
        return Result(
            body["query"], status, headers, body.get("total_count"), body.get("next_url"), body.get("previous_url")
        )
    return Result(body, status, headers)


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _is_page(value: object) -> bool:
    # A search may well answer with a key `query`: only together with what else a page has is it one.
    return isinstance(value, Mapping) and "query" in value and len(value) > 1 and value.keys() <= _PAGE


def answer_of(state: ApplicationState, result: Result) -> Response:
    """Put a result that is no failure into the envelope."""
    if result.status in _WITHOUT_BODY:
        response = current_app.response_class(status=result.status)
    else:
        count = result.total_count
        if count is None:
            count = len(result.value) if isinstance(result.value, (list, tuple)) else 1
        response = state.envelope.response(
            result.value,
            status=result.status,
            total_count=count,
            next_url=result.next_url,
            previous_url=result.previous_url,
        )
    pairs = result.headers.items() if isinstance(result.headers, Mapping) else result.headers
    for name, value in pairs:
        response.headers.add(name, value)
    return response


def failure_of(told: Any, status: int, headers: Headers = ()) -> ApiError:
    """Make the error of what a view says about a failure.

    Args:
        told: A sentence; or field name to messages, as marshmallow gives them; or a mapping with `message`, `reason`
            and whatever else the client is to know.
        status: 400 to 599.
    """
    given = dict(headers)
    if isinstance(told, Mapping) and told:
        if all(isinstance(messages, (list, Mapping)) for messages in told.values()):
            # Said as every other error of a body.
            said = ValidationError({str(name): messages for name, messages in told.items()})
            reason = said.reason if status == said.status else error_code(status)
            return ApiError(said.message, status=status, reason=reason, fields=said.fields, headers=given)
        return _described(dict(told), status, given)
    if isinstance(told, (list, tuple)) and told:
        message = "; ".join(map(str, told))
        return ApiError(message, status=status, reason=error_code(status), details={"all": list(told)}, headers=given)
    return ApiError(str(told or phrase_of(status)), status=status, reason=error_code(status), headers=given)


def _described(members: dict[str, Any], status: int, headers: dict[str, str]) -> ApiError:
    words = [members.get(name) for name in ("message", "reason", "error")]
    message = next((word for word in words if isinstance(word, str)), phrase_of(status))
    reason = members.get("reason")
    if not (isinstance(reason, str) and _REASON.fullmatch(reason)):
        reason = error_code(status)
    details = {name: value for name, value in members.items() if name not in ("message", "reason", "error", "status")}
    return ApiError(message, status=status, reason=reason, details=details, headers=headers)


def create_response(
    value: Any = None,
    status: int = 200,
    errors: Any = None,
    count: int = 1,
    next_url: str | None = None,
    previous_url: str | None = None,
    response_ms: float | None = None,
    result: Any = None,
) -> Response:
    """Answer in the envelope, from any view of an application that is bound.

    Args:
        value: What to answer with, or `(value, status)`.
        status: HTTP status; from 400 on the answer is an error, and says `errors`, or else the value.
        errors: What went wrong: a sentence, field name to messages, or a mapping with `message` and `reason`.
        count: `total_count`.
        next_url: URL of the next page.
        previous_url: URL of the previous page.
        response_ms: Milliseconds to tell in place of those that were measured.
        result: Anything that a view may return; it stands for all arguments before it.
    """
    state = state_of()
    found = result_of(value if result is None else result)
    if isinstance(found, WerkzeugResponse):
        return current_app.make_response(found)
    if result is None:
        found.status = found.status if found.status != 200 else int(status)
        found.total_count = count if found.total_count is None else found.total_count
        found.next_url = found.next_url or next_url
        found.previous_url = found.previous_url or previous_url
    if found.status >= 400:
        told = found.value if result is not None or not errors else errors
        return render_error(state, failure_of(told, found.status, found.headers))
    if errors or response_ms is not None:
        return _with_members(state, found, errors, response_ms)
    return answer_of(state, found)


def handle_result(result: Any) -> tuple[int, Any, int, str | None, str | None]:
    """Take apart what a view returned: status, value, count, URL of the next page, URL of the previous page."""
    found = result_of(result)
    if isinstance(found, WerkzeugResponse):
        return found.status_code, found, 1, None, None
    return found.status, found.value, get_count(result, found.value), found.next_url, found.previous_url


def get_count(result: Any, value: Any) -> int:
    """Give `total_count`: what a page says, else the number of entries of a list, else 1."""
    found = result_of(result)
    if isinstance(found, Result) and found.total_count is not None:
        return found.total_count
    return len(value) if isinstance(value, (list, tuple)) else 1


def filter_response_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of an envelope the members that the application has switched off (`API_DUMP_*`)."""
    get = state_of().settings.get
    off = {name for name, option in _SWITCHES.items() if not get(option)}
    off |= {name for name, option in _SWITCHES_OF_NULL.items() if data.get(name) is None and not get(option)}
    return {name: value for name, value in data.items() if name not in off}


def _with_members(state: ApplicationState, found: Result, errors: Any, response_ms: float | None) -> Response:
    return state.envelope.response(
        found.value,
        status=found.status,
        headers=dict(found.headers),
        errors=errors,
        total_count=found.total_count,
        next_url=found.next_url,
        previous_url=found.previous_url,
        response_ms=response_ms,
    )
