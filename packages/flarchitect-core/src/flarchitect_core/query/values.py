"""Texts of a URL to values of columns and switches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import marshmallow as ma

from flarchitect_core.errors import QueryError
from flarchitect_core.model.fields import BooleanField, text_to_value

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field

__all__ = ["SWITCH_WORDS", "TEXT_MAX", "field_value", "hint", "parse_boolean", "positive", "split_list"]

_TRUE = frozenset({"1", "true", "yes", "y", "on", ""})
_FALSE = frozenset({"0", "false", "no", "n", "off"})
TEXT_MAX = 10_000
"""Longest text of one value. SQLite takes a LIKE pattern of at most 50,000 bytes, and escaping or UTF-8 makes up to
four of a character."""


SWITCH_WORDS = tuple(sorted((_TRUE | _FALSE) - {""}))
"""What `parse_boolean` reads, in small letters; nothing at all is true."""


def parse_boolean(text: str) -> bool:
    """Read a switch in the URL; a bare name without value is true (rest 3.1).

    Raises:
        QueryError: Any other word.
    """
    lower = text.strip().lower()
    if lower in _TRUE or lower in _FALSE:
        return lower in _TRUE
    raise QueryError(f"Invalid boolean value: {_shown(text)}. Use true or false.", reason="invalid_boolean")


def positive(text: str, message: str, *, reason: str) -> int:
    """Read a whole number from 1.

    Raises:
        QueryError: With the message, when it is none.
    """
    if not re.fullmatch(r"[0-9]{1,30}", text) or int(text) < 1:
        raise QueryError(f"{message} It must be 1 or more.", reason=reason)
    return int(text)


def field_value(field: Field, text: str) -> Any:
    """Convert the text of a filter value to the type of the column.

    Raises:
        QueryError: It is no value of that type.
    """
    if len(text) > TEXT_MAX:
        why = f"It must not be longer than {TEXT_MAX} characters."
    elif "\0" not in text:
        try:
            return text_to_value(field.codec, text)
        except ma.ValidationError as error:
            why = "; ".join(str(message) for message in error.messages)
    else:
        why = "It must not contain the NUL character."
    if isinstance(field.codec, BooleanField):
        raise QueryError(f"Invalid boolean value: {_shown(text)}. Use true or false.", reason="invalid_boolean")
    raise QueryError(f"Invalid value for {field.name}: {_shown(text)}. {why}", reason="invalid_value")


def split_list(text: str) -> list[str]:
    """Split a list of values at its commas; the parentheses around it may be left out."""
    inner = text.strip()
    if inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1]
    return [part.strip() for part in inner.split(",")] if inner.strip() else []


def hint(near: Sequence[str]) -> str:
    """Name the nearest valid name, if there is one, as the end of a message."""
    return f" Did you mean {near[0]}?" if near else ""


def _shown(text: str) -> str:
    return (text if len(text) <= 100 else f"{text[:100]}…").replace("\0", "\\0")
