"""Examples: a value that fits a schema, the same after every start."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flarchitect_core.model.fields import ColumnField
from flarchitect_core.model.naming import split_words

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


def example_of(
    schema: Mapping[str, Any],
    components: Mapping[str, Mapping[str, Any]],
    depth: int = 0,
    *,
    name: str = "",
    left_out: Collection[str] = (),
) -> Any:
    """Make a value that fits a schema.

    Args:
        components: The schemas that references lead to, by name.
        depth: How many references were followed.
        name: What the value is called; a text without another example says it.
        left_out: Members of the object that it does not get unless they are required.
    """
    if "example" in schema:
        return schema["example"]
    if isinstance(schema.get("examples"), list):
        return schema["examples"][0]
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if "$ref" in schema:
        referred = components[schema["$ref"].rpartition("/")[2]]
        return {} if depth > _DEPTH_MAX else example_of(referred, components, depth + 1, name=name, left_out=left_out)
    if "properties" in schema:
        required = schema.get("required", ())
        return {
            member: example_of(described, components, depth, name=member)
            for member, described in schema["properties"].items()
            if member in required or member not in left_out
        }
    if "allOf" in schema:
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            made = example_of(part, components, depth)
            merged.update(made if isinstance(made, dict) else {})
        return merged
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return example_of(schema[word][0], components, depth, name=name)
    if "enum" in schema:
        return schema["enum"][0]
    return _of_kind(schema, components, depth, name)


def _of_kind(schema: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]], depth: int, name: str) -> Any:
    kinds = schema.get("type")
    kind = kinds if isinstance(kinds, str) or kinds is None else kinds[0]
    if kind == "object":
        return {}
    if kind == "array":
        if "prefixItems" in schema:
            return [example_of(each, components, depth + 1, name=name) for each in schema["prefixItems"]]
        least = schema.get("minItems", 1)
        item = schema.get("items", {})
        return [example_of(item, components, depth + 1, name=name)] * least if depth <= _DEPTH_MAX else []
    if kind == "integer":
        least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
        return max(1, least) if "maximum" not in schema else min(max(1, least), schema["maximum"])
    if kind == "number":
        return max(1.23, schema.get("minimum", 1.23))
    if kind == "boolean":
        return True
    if kind == "null" or kind is None:
        return None
    return _text(schema, name)


def _text(schema: Mapping[str, Any], name: str) -> str:
    known = _OF_FORMATS.get(schema.get("format", ""))
    if known is not None:
        return str(known)
    if schema.get("contentEncoding") == "base64":
        return "AQID"
    if "pattern" in schema and "[0-9]" in schema["pattern"]:
        return "9"
    least = int(schema.get("minLength", 0))
    text = " ".join(split_words(name)).capitalize() or "Text"
    return text[: schema.get("maxLength")].ljust(least, "x")
