"""Reading a JSON or XML body, or a form: bounded, strict, without a reading that two parsers could disagree about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isinf
from typing import Any

from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from flarchitect_core import options
from flarchitect_core.errors import ApiError, BadRequestError
from flarchitect_core.http.negotiation import JSON, XML
from flarchitect_core.http.xml import parse_xml
from flarchitect_core.settings import Settings

__all__ = ["FORM", "MERGE_PATCH", "body_types", "parse_json", "read_body", "read_form", "read_object"]

FORM = "multipart/form-data"
MERGE_PATCH = "application/merge-patch+json"
JSON_TYPES = frozenset({"application/json", MERGE_PATCH})


class _ExactFloat(float):
    """A float that remembers how it was written, so that a decimal column loses no digit."""

    text: str

    def __str__(self) -> str:
        return self.text


def read_object(request: Request, settings: Settings) -> dict[str, Any]:
    """Read the body of a request as an object: from JSON, or from XML where that is allowed.

    Raises:
        ApiError: 413 when it is too large, 415 when it is sent as something else, 400 when it is no object.
    """
    value = _read(request, settings)
    if not isinstance(value, dict):
        raise BadRequestError(
            f'The body must be a JSON object, such as {{"name": "value"}}; it is {_kind(value)}.',
            reason="not_an_object",
        )
    return value


def read_body(request: Request, settings: Settings) -> dict[str, Any] | list[Any]:
    """Read the body of a request as an object, or as a list of what should be objects.

    Raises:
        ApiError: As `read_object`.
    """
    value = _read(request, settings)
    if not isinstance(value, (dict, list)):
        raise BadRequestError(
            f"The body must be a JSON object, or a list of objects; it is {_kind(value)}.", reason="not_an_object"
        )
    return value


def read_form(request: Request, settings: Settings) -> tuple[dict[str, list[str]], dict[str, list[FileStorage]]]:
    """Read the body of a request as a form: the texts and the files of each name.

    Raises:
        ApiError: 413 when it is too large, 415 when it is sent as something else, 400 for text that cannot be stored.
    """
    _require_type(request, [FORM])
    with _bounded(request, settings) as most:
        # The body as a whole has its limit: texts in it need none of their own.
        request.max_form_memory_size = most
        texts, files = request.form.to_dict(flat=False), request.files.to_dict(flat=False)
    _refuse_unstorable(texts, "body")
    # A field that was left empty is sent as a file without a name.
    return texts, {name: sent for name, given in files.items() if (sent := [each for each in given if each.filename])}


def _read(request: Request, settings: Settings) -> Any:
    depth_max = settings.get(options.BODY_DEPTH_MAX)
    raw = _raw(request, settings)
    if request.mimetype in XML.mimetypes:
        return parse_xml(raw, depth_max)
    return parse_json(raw, depth_max)


def body_types(settings: Settings) -> list[str]:
    """List the media types that a PATCH takes."""
    return ["application/json", MERGE_PATCH, *([XML.mimetype] if settings.get(options.ALLOW_XML) else [])]


def _raw(request: Request, settings: Settings) -> bytes:
    takes_xml = settings.get(options.ALLOW_XML)
    if not (request.mimetype in JSON_TYPES or (takes_xml and request.mimetype in XML.mimetypes)):
        _require_type(request, [JSON.mimetype, XML.mimetype] if takes_xml else [JSON.mimetype])
    with _bounded(request, settings) as most:
        raw = request.get_data()
        if len(raw) > most:
            raise RequestEntityTooLarge
    return raw


@contextmanager
def _bounded(request: Request, settings: Settings) -> Iterator[int]:
    """Read a body up to the limit, which is given."""
    most = request.max_content_length
    if most is None:
        most = settings.get(options.BODY_SIZE_MAX_BYTES)
    # Werkzeug cuts a body of unknown length at the limit and says nothing: the byte after it tells.
    request.max_content_length = most if request.content_length is not None else most + 1
    try:
        yield most
    except ClientDisconnected as error:
        raise BadRequestError("The body ended before its announced length.", reason="incomplete_body") from error
    except RequestEntityTooLarge as error:
        raise ApiError(f"The body is larger than {most} bytes.", status=413, reason="body_too_large") from error


def _require_type(request: Request, taken: Sequence[str]) -> None:
    sent = request.mimetype
    if sent in taken:
        return
    raise ApiError(
        f"The body must have the content type {' or '.join(taken)}; {f'it is {sent}' if sent else 'none was sent'}.",
        status=415,
        reason="unsupported_content_type",
        headers={"Accept": ", ".join(taken)},
    )


def parse_json(raw: bytes, depth_max: int) -> Any:
    """Parse JSON strictly.

    Refused besides bad syntax: repeated keys, NaN and Infinity, nesting deeper than `depth_max`, and text that a
    database cannot store (NUL, half of a surrogate pair).

    Raises:
        BadRequestError: What is wrong, and where.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequestError(f"The body is not UTF-8 (byte {error.start}).", reason="malformed_json") from error
    if text.count("[") + text.count("{") > depth_max and _depth(text) > depth_max:
        raise BadRequestError(f"The body is nested deeper than {depth_max} levels.", reason="nested_too_deep")
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise BadRequestError(
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).", reason="malformed_json"
        ) from error
    if "\\u" in text:
        _refuse_unstorable(value, "body")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadRequestError(f"The key {repeated!r} stands twice in one object.", reason="duplicate_key")
    return result


def _refuse_constant(name: str) -> Any:
    raise BadRequestError(f"{name} is not a JSON value.", reason="malformed_json")


def _float(text: str) -> float:
    # 15 significant digits survive in a float; a longer number keeps its text for exact columns.
    if len(text) <= 16 and "e" not in text.lower():
        return float(text)
    number = _ExactFloat(text)
    if isinf(number):
        raise BadRequestError(f"The number {text[:20]} is too large.", reason="number_too_large")
    # An exponent this long is a zero, whatever stands before it, and more than `Decimal` reads.
    exponent = text.lower().partition("e")[2]
    number.text = text if len(exponent) <= 6 else "0"
    return number


def _integer(text: str) -> int:
    # Python refuses to parse more than 4300 digits, and no column can hold more than a few dozen.
    if len(text) > 100:
        raise BadRequestError(f"The number {text[:20]}… has too many digits.", reason="number_too_long")
    return int(text)


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_float, parse_int=_integer
)


def _depth(text: str) -> int:
    """Measure the nesting of brackets outside of strings, without recursion."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _refuse_unstorable(value: Any, where: str) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise BadRequestError(f"The text at {where} contains the NUL character.", reason="invalid_text")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadRequestError(
                f"The text at {where} contains half of a surrogate pair.", reason="invalid_text"
            ) from error
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_unstorable(key, where)
            _refuse_unstorable(item, f"{where}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_unstorable(item, f"{where}[{position}]")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return "a string" if isinstance(value, str) else "an array"
