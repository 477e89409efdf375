"""Hiding secrets in what people read: log lines, and the values of options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, quote

import sqlalchemy as sa

__all__ = ["MASK", "is_secret_name", "redact_query", "redact_text", "redact_value"]

MASK = "***"

_SECRET_NAME = re.compile(
    r"(^|[_-])(key|keys|secret|secrets|password|passwd|pwd|token|tokens|credentials|sslpassword|passphrase)$",
    re.IGNORECASE,
)
# To the last `@`, because a password that is not quoted may hold one.
_USER_INFO = re.compile(r"(://[^:/?#\s@]*):\S*@")
_QUERY_PAIR = re.compile(r"([?&;](?:password|passwd|pwd|sslpassword|token|secret|odbc_connect|api_key)=)[^&;\s]*", re.I)


def is_secret_name(name: str) -> bool:
    """Say whether a name ends in a word for secrets, such as `password`, `secret_key` or `API_TOKEN`."""
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Hide the passwords of all URLs in a text."""
    return _QUERY_PAIR.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1:{MASK}@", text))


def redact_value(value: Any) -> Any:
    """Write a value of the configuration for people and JSON, without what looks like a secret.

    Returns:
        `None`, a number, a boolean or a text; lists and dictionaries of these. Functions and classes are given by
        their dotted name, other objects by their text.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, sa.URL):
        return redact_text(value.render_as_string(hide_password=True))
    if isinstance(value, Mapping):
        return {str(name): MASK if is_secret_name(str(name)) else redact_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [redact_value(item) for item in value]
        return sorted(items, key=str) if isinstance(value, (set, frozenset)) else items
    if isinstance(value, type) or callable(value):
        # The text of an object may hold anything, such as a partial its arguments; that of a class is its name.
        named = value if hasattr(value, "__qualname__") else type(value)
        return f"{named.__module__}.{named.__qualname__}"
    return redact_text(str(value))


def redact_query(query: str, patterns: Iterable[str]) -> str:
    """Hide the values of the parameters of a query whose names fit one of the patterns; letter case does not matter.

    Args:
        query: What follows the `?`, as it was sent.
        patterns: Names, with `*` for any text.
    """
    wanted = [pattern.lower() for pattern in patterns]
    pairs = parse_qsl(query, keep_blank_values=True, errors="backslashreplace")
    return "&".join(
        f"{quote(name)}={MASK if _fits(name, wanted) else quote(value, safe='/:,')}" for name, value in pairs
    )


def _fits(name: str, patterns: list[str]) -> bool:
    # The condition of a filter follows the name of its column: `password__like`, `or[user.password__eq]`.
    words = {name.lower(), *re.split(r"__|[\[\].,]", name.lower())}
    return any(fnmatchcase(word, pattern) for word in words for pattern in patterns)
