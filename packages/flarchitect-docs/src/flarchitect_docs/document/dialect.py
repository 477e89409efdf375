"""OpenAPI 3.0 out of 3.1: the same document in the older words."""

from __future__ import annotations

from typing import Any

__all__ = ["in_3_0"]

# Members whose values are data of the application and no schemas.
_DATA = frozenset({"const", "default", "enum", "example", "examples", "parameters"})
# Nothing but null. `nullable` adds to the type beside it (3.0.3, 4.7.24), so that there must be one.
_NULL = {"type": "string", "enum": [None], "nullable": True}
# What 3.0 has no words for: without it, a schema says less, and nothing that is wrong.
_UNKNOWN = frozenset({"$anchor", "$comment", "$defs", "$id", "$schema", "contentMediaType", "contentSchema"})
_UNKNOWN |= {"contains", "minContains", "maxContains", "prefixItems", "unevaluatedItems"}
_UNKNOWN |= {"patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties"}
_UNKNOWN |= {"if", "then", "else"}


def in_3_0(document: dict[str, Any]) -> dict[str, Any]:
    """Rewrite what 3.0 has other words for: null, constants, several types, exclusive bounds, encodings, references.

    Args:
        document: A document in the words of 3.1, which is left as it is.
    """
    components = document.get("components", {})
    schemas = {name: _schema(schema) for name, schema in components.get("schemas", {}).items()}
    rewritten = _walk({**document, "components": {**components, "schemas": {}}})
    if schemas:
        rewritten["components"]["schemas"] = schemas
    else:
        rewritten["components"].pop("schemas")
    return rewritten  # type: ignore[no-any-return]


def _walk(node: Any) -> Any:
    """Rewrite the schemas below a node that is none."""
    if isinstance(node, dict):
        return {
            name: _schema(value)
            if name == "schema" and isinstance(value, dict)
            else value
            if name in ("example", "examples") and not isinstance(value, list)
            else _walk(value)
            for name, value in node.items()
        }
    return [_walk(item) for item in node] if isinstance(node, list) else node


def _schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _reference(schema)
    result = {name: _member(name, value) for name, value in schema.items() if name not in _UNKNOWN}
    if "const" in result:
        only = result.pop("const")
        result.update(_NULL if only is None else {"enum": [only]})
    examples = result.pop("examples", None)
    if isinstance(examples, list) and examples:
        result.setdefault("example", examples[0])
    if "prefixItems" in schema:
        # There are no places of their own: any of the items may stand anywhere.
        result["items"] = {"anyOf": [_schema(item) for item in schema["prefixItems"]]}
    if result.get("type") == "array":
        result.setdefault("items", {})
    for word in ("exclusiveMinimum", "exclusiveMaximum"):
        if word in result and not isinstance(result[word], bool):
            result[word.replace("exclusiveM", "m")] = result[word]
            result[word] = True
    if result.pop("contentEncoding", None) == "base64":
        result["format"] = "byte"
    return _with_one_type(_without_null(result))


def _reference(schema: dict[str, Any]) -> dict[str, Any]:
    rest = {name: _member(name, value) for name, value in schema.items() if name != "$ref"}
    return {**rest, "allOf": [{"$ref": schema["$ref"]}]} if rest else dict(schema)


def _member(name: str, value: Any) -> Any:
    if name == "properties":
        return {each: {} if member is True else _schema(member) for each, member in value.items()}
    if name in _DATA:
        return value
    if value is True and name in ("items", "not"):
        return {}
    if isinstance(value, list):
        return [_schema(item) for item in value]
    return _schema(value)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Say by `nullable` what 3.1 says by the type null."""
    kinds = schema.get("type")
    if kinds == "null":
        return {**schema, **_NULL}
    if isinstance(kinds, list) and "null" in kinds:
        left = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": left[0] if len(left) == 1 else left, "nullable": True}
    for word in ("anyOf", "oneOf"):
        parts = schema.get(word, [])
        others = [part for part in parts if part != _NULL]
        first = next((part for part in others if isinstance(part.get("type"), str) and "enum" not in part), None)
        if len(others) < len(parts) and first is not None:
            taken = [{**part, "nullable": True} if part is first else part for part in others]
            return {**{name: value for name, value in schema.items() if name != word}, word: taken}
    return schema


def _with_one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """Write several types as alternatives, each with the members that mean something for it."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return schema
    common = ("description", "title", "example", "default", "readOnly", "writeOnly", "deprecated")
    shared = {name: value for name, value in schema.items() if name in common}
    rest = {name: value for name, value in schema.items() if name not in common and name not in ("type", "nullable")}
    alternatives = [_alternative(kind, rest, nullable="nullable" in schema) for kind in kinds]
    return {**shared, "anyOf": [each for each in alternatives if each.get("enum", True)]}


_MEANT = {
    "string": ("pattern", "minLength", "maxLength", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("items", "minItems", "maxItems"),
    "object": ("properties", "required", "additionalProperties"),
}
_PYTHON = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def _alternative(kind: str, members: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"type": kind, **({"nullable": True} if nullable else {})}
    made.update({name: members[name] for name in _MEANT.get(kind, ()) if name in members})
    if "enum" in members:
        made["enum"] = [
            value
            for value in members["enum"]
            if (value is None and nullable)
            or (isinstance(value, _PYTHON.get(kind, ())) and isinstance(value, bool) is (kind == "boolean"))
        ]
    return made
