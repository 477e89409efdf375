"""URL rules of Flask in the words of OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["openapi_path", "path_parameters"]

_VARIABLE = re.compile(r"<(?:(?P<converter>[a-zA-Z_][a-zA-Z0-9_]*)(?:\((?P<arguments>.*?)\))?:)?(?P<name>[^>]+)>")
_SEGMENT = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
_LENGTHS = {"minlength": ("minLength",), "maxlength": ("maxLength",), "length": ("minLength", "maxLength")}
_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "path": {"type": "string", "minLength": 1},
}
_SIGNED = re.compile(r"signed\s*=\s*True")
_CHOICES = re.compile(r"""['"]([^'"]*)['"]|([^\s,'"]+)""")


def openapi_path(rule: str) -> str:
    """Write a rule as a path template: `/films/<int:id>` is `/films/{id}`."""
    return _VARIABLE.sub(lambda match: f"{{{match['name']}}}", rule)


def path_parameters(rule: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give name and JSON Schema of each variable of a rule."""
    for match in _VARIABLE.finditer(rule):
        yield match["name"], _schema(match["converter"] or "string", match["arguments"] or "")


def _schema(converter: str, arguments: str) -> dict[str, Any]:
    if converter == "any":
        return {"type": "string", "enum": [quoted or plain for quoted, plain in _CHOICES.findall(arguments)]}
    schema = dict(_SCHEMAS.get(converter, _SEGMENT))
    if converter in ("int", "float") and not _SIGNED.search(arguments):
        schema["minimum"] = 0
    for word, bounds in _LENGTHS.items():
        found = re.search(rf"\b{word}\s*=\s*([0-9]+)", arguments)
        if found and converter in ("string", "default"):
            schema.update(dict.fromkeys(bounds, int(found[1])))
    for word in ("min", "max"):
        found = re.search(rf"\b{word}\s*=\s*(-?[0-9.]+)", arguments)
        if found and converter in ("int", "float"):
            schema[f"{word}imum"] = int(found[1]) if converter == "int" else float(found[1])
    return schema
