"""The JSON bytes of a value."""

from __future__ import annotations

import json

import orjson

from flarchitect_core.model.jsonable import to_jsonable

__all__ = ["encode_json"]

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
