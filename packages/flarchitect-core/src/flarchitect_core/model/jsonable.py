"""Values of any type as JSON has them."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import enum

__all__ = ["to_jsonable"]


def to_jsonable(value: object) -> object:
    """Give the JSON form of a value of any type, judged by the value itself; text form for the unknown."""
    if value is None or isinstance(value, (str, int, float, bool, dict, list)):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (set, frozenset, tuple)):
        return [to_jsonable(item) for item in value]
    return str(value)
