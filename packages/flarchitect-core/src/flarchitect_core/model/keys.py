"""Primary keys in URLs: their text, and the way back to values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import marshmallow as ma

from flarchitect_core.model.fields import ColumnField, IntegerField, UUIDField, text_to_value
from flarchitect_core.model.jsonable import to_jsonable

__all__ = ["CONVERTER_NAME", "escape_key", "key_text", "key_value", "unescape_key", "url_converter"]


CONVERTER_NAME = "row_key"


def url_converter(field: ColumnField) -> str:
    """Name the URL converter of a key: `int`, `uuid`, or our own for everything that is written as text."""
    if isinstance(field, IntegerField):
        return "int(signed=True)"
    return "uuid" if isinstance(field, UUIDField) else CONVERTER_NAME


def escape_key(text: str) -> str:
    """Write any text as one URL path segment.

    Servers decode `%2F` before routing and clients resolve dot segments, so percent-encoding cannot carry every key.
    `~` is written `~0` and `/` is written `~1` as in RFC 6901; an empty text and one of dots only get a `~` before.
    """
    escaped = text.replace("~", "~0").replace("/", "~1")
    return f"~{escaped}" if not escaped.strip(".") else escaped


def unescape_key(segment: str) -> str:
    """Read what `escape_key` wrote."""
    if segment.startswith("~") and not segment[1:].strip("."):
        return segment[1:]
    return segment.replace("~1", "/").replace("~0", "~")


def key_text(value: object) -> str:
    """Write the value of a text-like key as a percent-encoded path segment."""
    return quote(escape_key(str(to_jsonable(value))), safe="~")


def key_value(fields: Sequence[ColumnField], raw: Sequence[Any]) -> tuple[Any, ...] | None:
    """Convert the path variables of a key to column values, `None` when no row can have such a key."""
    values: list[Any] = []
    for field, part in zip(fields, raw, strict=True):
        text = str(part)
        if "\0" in text:
            return None
        try:
            values.append(text_to_value(field, text))
        except ma.ValidationError:
            return None
    return tuple(values)
