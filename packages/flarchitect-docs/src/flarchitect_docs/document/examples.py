"""Examples: a value that fits a schema, the same after every start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flarchitect_core.model.fields import ColumnField

__all__ = ["DEFAULTS", "class_name_of", "example_of", "fits"]

DEFAULTS: Mapping[str, Any] = {"Integer": 1, "Float": 1.23, "Decimal": 9.99, "Boolean": True}
"""Examples by the name of a marshmallow field class (docs 1)."""

_OF_FORMATS: Mapping[str, Any] = {
    "date": "2024-05-06",
    "date-time": "2024-05-06T07:08:09+00:00",
    "date-time-local": "2024-05-06T07:08:09",
    "time": "07:08:09Z",
    "time-local": "07:08:09",
    "uuid": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "email": "mira@example.org",
    "uri": "https://example.org/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.org",
    "uri-reference": "/url/to/resource",
    "duration": "PT8H",
    "binary": "",
}
_DEPTH_MAX = 4


def class_name_of(field: object) -> str:
    """Name the marshmallow class that a field is like: `IntegerField` of ours is an `Integer`."""
    name = type(field).__name__
    return name.removesuffix("Field") if isinstance(field, ColumnField) else name


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Say whether a simple value fits the type and the bounds of a schema; lengths and patterns are not judged."""
    if "anyOf" in schema:
        return any(fits(value, part) for part in schema["anyOf"])
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    kind = {bool: "boolean", int: "integer", float: "number", str: "string"}.get(type(value))
    if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, (int, float)):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return not isinstance(value, str) or len(value) <= schema.get("maxLength", len(value))


def example_of(schema: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]], depth: int = 0) -> Any:
    """Make a value that fits a schema.

    Args:
        components: The schemas that references lead to, by name.
        depth: How many references were followed.
    """
    if "example" in schema:
        return schema["example"]
    if isinstance(schema.get("examples"), list):
        return schema["examples"][0]
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {} if depth > _DEPTH_MAX else example_of(components[name], components, depth + 1)
    if "allOf" in schema:
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            made = example_of(part, components, depth)
            merged.update(made if isinstance(made, dict) else {})
        return merged
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return example_of(schema[word][0], components, depth)
    if "enum" in schema:
        return schema["enum"][0]
    return _of_kind(schema, components, depth)


def _of_kind(schema: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]], depth: int) -> Any:
    kinds = schema.get("type")
    kind = kinds if isinstance(kinds, str) or kinds is None else kinds[0]
    if kind == "object":
        members = schema.get("properties", {})
        return {name: example_of(member, components, depth) for name, member in members.items()}
    if kind == "array":
        if "prefixItems" in schema:
            return [example_of(each, components, depth + 1) for each in schema["prefixItems"]]
        least = schema.get("minItems", 1)
        return [example_of(schema.get("items", {}), components, depth + 1)] * least if depth <= _DEPTH_MAX else []
    if kind == "integer":
        least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
        return max(1, least) if "maximum" not in schema else min(max(1, least), schema["maximum"])
    if kind == "number":
        return max(1.23, schema.get("minimum", 1.23))
    if kind == "boolean":
        return True
    if kind == "null" or kind is None:
        return None
    return _text(schema)


def _text(schema: Mapping[str, Any]) -> str:
    known = _OF_FORMATS.get(schema.get("format", ""))
    if known is not None:
        return str(known)
    if schema.get("contentEncoding") == "base64":
        return "AQID"
    if "pattern" in schema and "[0-9]" in schema["pattern"]:
        return "9"
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 4))
    return "text"[:most].ljust(least, "x")
