"""Column types in the words of JSON Schema (2020-12): what bodies may hold, what answers show, what URLs take.

A body and a URL are read more generously than an answer is written (rest 5.2): a whole number may be sent as its text.
So each field has a schema for each of these uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from marshmallow import validate

from flarchitect_core.model.fields import (
    ArrayField,
    BinaryField,
    BooleanField,
    ChoiceField,
    ColumnField,
    DateField,
    DateTimeField,
    DecimalField,
    EnumField,
    FloatField,
    HstoreField,
    IntegerField,
    IntervalField,
    JSONField,
    RegisteredField,
    StringField,
    TextFormField,
    TimeField,
    UUIDField,
)
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.model.validators import EXAMPLES, Validator

__all__ = ["NOTHING", "JsonSchema", "Use", "any_of", "json_type", "nullable", "switch"]

JsonSchema = dict[str, Any]
# What is always null: of a type that has no other value, some client generators make a class that they never write.
NOTHING: Mapping[str, Any] = {"const": None}
Use = Literal["body", "answer", "url"]

# Checks by name that mean what a format of JSON Schema, or of the registry of OpenAPI, means.
_FORMATS: Mapping[str, str] = {
    "email": "email",
    "url": "uri",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "hostname": "hostname",
    "uuid": "uuid",
    "date": "date",
    "datetime": "date-time-local",
    "time": "time-local",
}
_WORDS = ("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0")
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_NUMBER_TEXT = r"^[+-]?[0-9]{1,15}(\.[0-9]{1,15})?$"


def json_type(field: ColumnField, use: Use) -> JsonSchema:
    """Describe the values of a field, NULL aside.

    Returns:
        A new schema, empty where any value is possible.
    """
    if use == "answer" and field.to_json is to_jsonable:
        # Each value is given by what it is (`fields._judging_values`).
        return {}
    describe = _TABLE.get(type(field)) or next(
        (_TABLE[kind] for kind in type(field).__mro__ if kind in _TABLE), _anything
    )
    schema = describe(field, use)
    if isinstance(field, StringField) and use != "url":
        for check in field.validators:
            if isinstance(check, Validator):
                schema.update(_checked(check, use))
    return schema


def _checked(check: Validator, use: Use) -> JsonSchema:
    example = {"example": EXAMPLES[check.name]} if check.name in EXAMPLES else {}
    # Rows may be older than the check of their column.
    if check.pattern is not None and use == "body":
        return {"pattern": check.pattern, **example}
    return {"format": _FORMATS[check.name], **example} if check.name in _FORMATS else example


def any_of(*schemas: JsonSchema) -> JsonSchema:
    """Describe the values of several schemas, or of the only one."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def switch(words: Iterable[str]) -> JsonSchema:
    """Describe a boolean that may also be sent as a number or a word."""
    return any_of({"type": "boolean"}, {"type": "integer", "enum": [1, 0]}, {"type": "string", "enum": list(words)})


def nullable(schema: JsonSchema) -> JsonSchema:
    """Let a schema take null too."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema and None not in schema["enum"]:
        schema = {**schema, "enum": [*schema["enum"], None]}
    kinds = schema.get("type")
    if kinds is None:
        return schema if not schema or "enum" in schema else {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _anything(field: Any, use: Use) -> JsonSchema:
    return {}


def _integer(field: IntegerField, use: Use) -> JsonSchema:
    if use == "answer":
        return {"type": "integer"}
    if use == "url":
        return {"type": "integer", "minimum": field.asked.min, "maximum": field.asked.max}
    least, most = field.minimum, field.maximum
    # A text may be as long as every number of that length is within the bounds.
    digits = len(str(most)) - 1
    sign = "[+-]?" if least < 0 else r"\+?"
    bounds = {"minimum": least, "maximum": most, "pattern": f"^{sign}[0-9]{{1,{digits}}}$"}
    return {"type": ["integer", "string"], **bounds}


def _float(field: Any, use: Use) -> JsonSchema:
    if use == "body":
        return {"type": ["number", "string"], "pattern": _NUMBER_TEXT}
    return {"type": "number"}


def _decimal(field: DecimalField, use: Use) -> JsonSchema:
    if use == "answer" and field.as_number:
        return {"type": "number"}
    pattern = _decimal_pattern(field)
    if use == "body":
        return {"type": ["string", "number"], "pattern": pattern, **_decimal_bounds(field)}
    return {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$" if use == "answer" else pattern}


def _decimal_pattern(field: DecimalField) -> str:
    whole = 15 if field.precision is None else field.precision - (field.scale or 0)
    places = 15 if field.scale is None else field.scale
    fraction = rf"(\.[0-9]{{1,{places}}})?" if places > 0 else ""
    return f"^[+-]?{f'[0-9]{{1,{whole}}}' if whole > 0 else '0'}{fraction}$"


def _decimal_bounds(field: DecimalField) -> JsonSchema:
    bounds: JsonSchema = {}
    if field.precision is not None:
        most = 10 ** max(field.precision - (field.scale or 0), 0)
        bounds = {"exclusiveMinimum": -most, "exclusiveMaximum": most}
    if field.scale is not None:
        bounds["multipleOf"] = 1 if field.scale <= 0 else float(f"1e-{field.scale}")
    return bounds


def _boolean(field: Any, use: Use) -> JsonSchema:
    if use == "answer":
        return {"type": "boolean"}
    return switch(_WORDS)


def _string(field: Any, use: Use) -> JsonSchema:
    # A filter with a longer text matches no row, and the length of what is stored is the database's affair.
    most = _length(field) if use == "body" else None
    return {"type": "string", **({} if most is None else {"maxLength": most})}


def _length(field: ColumnField) -> int | None:
    lengths = [check.max for check in field.validators if isinstance(check, validate.Length) and check.max is not None]
    return min(lengths, default=None)


def _formatted(name: str) -> Callable[[Any, Use], JsonSchema]:
    return lambda field, use: {"type": "string", "format": name}


def _zoned(aware: str, naive: str) -> Callable[[Any, Use], JsonSchema]:
    """Name the format of times: those of RFC 3339 have an offset, and their local twins have none."""
    return lambda field, use: {"type": "string", "format": aware if field.timezone else naive}


def _interval(field: Any, use: Use) -> JsonSchema:
    # What `timedelta` holds.
    bounds = {} if use == "answer" else {"minimum": -86_399_999_913_600, "maximum": 86_399_999_999_999}
    return {"type": "number", **bounds}


def _enum(field: EnumField, use: Use) -> JsonSchema:
    names = list(field.enum_class.__members__)
    if use == "answer":
        return {"type": "string", "enum": names, "x-enum-varnames": names}
    others = [member.value for member in field.enum_class if isinstance(member.value, (str, int))]
    texts = [value for value in dict.fromkeys(others) if isinstance(value, str) and value not in names]
    numbers = [value for value in dict.fromkeys(others) if not isinstance(value, str)]
    # Each in a list of its own: names and values often differ by case only, of which no program can make one type.
    return any_of(
        {"type": "string", "enum": names},
        *([{"type": "string", "enum": texts}] if texts else ()),
        *([{"type": "integer", "enum": numbers}] if numbers else ()),
    )


def _choice(field: ChoiceField, use: Use) -> JsonSchema:
    return {"type": "string", "enum": list(field.choices)}


def _hstore(field: Any, use: Use) -> JsonSchema:
    return {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


def _binary(field: Any, use: Use) -> JsonSchema:
    most = _length(field) if use == "body" else None
    length = {} if most is None else {"maxLength": 4 * -(-most // 3)}
    return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64, **length}


def _array(field: ArrayField, use: Use) -> JsonSchema:
    return {"type": "array", "items": nullable(json_type(field.inner, use))}


def _text_form(field: Any, use: Use) -> JsonSchema:
    return {"type": "string"} if use != "answer" else {}


_TABLE: Mapping[type, Callable[[Any, Use], JsonSchema]] = {
    IntegerField: _integer,
    FloatField: _float,
    DecimalField: _decimal,
    BooleanField: _boolean,
    StringField: _string,
    DateField: _formatted("date"),
    DateTimeField: _zoned("date-time", "date-time-local"),
    TimeField: _zoned("time", "time-local"),
    IntervalField: _interval,
    EnumField: _enum,
    ChoiceField: _choice,
    UUIDField: _formatted("uuid"),
    JSONField: _anything,
    RegisteredField: _anything,
    HstoreField: _hstore,
    BinaryField: _binary,
    ArrayField: _array,
    TextFormField: _text_form,
}
