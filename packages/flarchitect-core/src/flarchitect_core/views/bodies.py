"""The body of a request to a hand-written view, checked by its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import marshmallow as ma
from flask import Request

from flarchitect_core import options
from flarchitect_core.errors import ValidationError
from flarchitect_core.http.body import parse_json, read_form, read_object
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.operations.hooks import changed_body
from flarchitect_core.settings import Settings
from flarchitect_core.state import state_of
from flarchitect_core.suggestions import nearest
from flarchitect_core.views.dataclass_schemas import dataclass_schema, is_plain_dataclass
from flarchitect_core.views.files import FileField
from flarchitect_core.views.pydantic_schemas import is_pydantic_model, pydantic_schema

__all__ = ["WITHOUT_BODY", "SchemaReader", "ViewSchema", "deserialise_data", "part_types", "schema_class"]
__all__ += ["schema_instance", "takes_files"]

WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods whose requests are not read, whatever schema a view has."""

_UNKNOWN_FIELD = "Unknown field."
_WRAPPED = "deserialized_data"

ViewSchema = ma.Schema | type[object]
"""A marshmallow schema or its class, a dataclass, or a model class of pydantic."""


def schema_class(kind: type[object]) -> type[ma.Schema]:
    """Give the schema class itself, or that of a dataclass or of a pydantic model.

    Raises:
        TypeError: It is none of these, or nothing that a body could be.
    """
    if issubclass(kind, ma.Schema):
        return kind
    if is_pydantic_model(kind):
        return pydantic_schema(kind)
    if is_plain_dataclass(kind):
        return dataclass_schema(kind)
    raise TypeError(f"{kind.__name__} is no marshmallow schema, no dataclass and no pydantic model.")


def schema_instance(schema: ViewSchema) -> ma.Schema:
    """Give the schema itself, or an instance of a schema class; as `schema_class` otherwise."""
    return schema_class(schema)() if isinstance(schema, type) else schema


def takes_files(schema: ma.Schema) -> bool:
    """Say whether bodies have files, so that they are forms."""
    return any(isinstance(_inner(field), FileField) for field in schema.load_fields.values())


def part_types(schema: ma.Schema) -> dict[str, tuple[str, ...]]:
    """Give the media types of those files that may have certain ones only, by name."""
    fields = {_key(name, field): _inner(field) for name, field in schema.load_fields.items()}
    return {
        name: field.upload.content_types
        for name, field in fields.items()
        if isinstance(field, FileField) and field.upload.content_types
    }


class SchemaReader:
    """Reads bodies by one schema.

    Keys that only answers have are dropped, and so are links in place of nested objects, so that an answer can be sent
    back as it is. Any other unknown key is a mistake, unless the schema has its own `unknown`, or
    `API_UNKNOWN_FIELDS` is `ignore`.

    Args:
        model: Model whose `Meta` may set options.
    """

    def __init__(self, schema: ma.Schema, settings: Settings, model: type | None = None) -> None:
        self._schema = schema
        self._settings = settings
        self._model = model
        self._taken = {_key(name, field): field for name, field in schema.load_fields.items()}
        shown = {_key(name, field) for name, field in schema.fields.items()}
        self._output_only = frozenset(shown - self._taken.keys())
        self._nested = frozenset(name for name, field in self._taken.items() if _is_nested(field))
        self._takes_files = takes_files(schema)

    def read(self, request: Request) -> Any:
        """Read the body of a request; none at all counts as an empty object.

        Raises:
            ApiError: It cannot be read, or the schema refuses it.
        """
        return self.load(self.body(request), partial=True if request.method == "PATCH" else None)

    def body(self, request: Request) -> Mapping[str, Any]:
        """Give the body of a request, as the hook of the application leaves it; unchecked.

        Raises:
            ApiError: It cannot be read.
        """
        if _is_empty(request):
            body: Mapping[str, Any] = {}
        else:
            body = self._form(request) if self._takes_files else read_object(request, self._settings)
        return changed_body(body, self._settings)

    def _form(self, request: Request) -> Mapping[str, Any]:
        """Read a form as an object: several parts of one name are a list, and objects are JSON."""
        texts, files = read_form(request, self._settings)
        body: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name in (*texts, *files):
            parts: list[Any] = [*texts.get(name, ()), *files.get(name, ())]
            field = self._taken.get(name)
            if isinstance(field, ma.fields.List):
                body[name] = [self._part(field.inner, part) for part in parts]
            elif len(parts) == 1:
                body[name] = self._part(field, parts[0])
            else:
                errors[name] = ["Must be sent once."]
        if errors:
            raise ValidationError(errors)
        return body

    def _part(self, field: ma.fields.Field[Any] | None, part: Any) -> Any:
        if isinstance(part, str) and isinstance(field, (ma.fields.Dict, ma.fields.Nested)):
            return parse_json(part.encode(), self._settings.get(options.BODY_DEPTH_MAX))
        return part

    def load(self, body: Mapping[str, Any], *, partial: bool | None = None) -> Any:
        """Give what the schema makes of a body.

        Args:
            partial: Whether required fields may be missing; `None` for what the schema itself says.

        Raises:
            ValidationError: The schema refuses it; `fields` says where.
        """
        known = {key: value for key, value in body.items() if not self._is_dropped(key, value)}
        try:
            return self._schema.load(known, partial=partial, unknown=self._unknown())
        except ma.ValidationError as error:
            messages = error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}
            suggestions = self._suggest(messages)
            failure = ValidationError({str(name): told for name, told in messages.items()})
            failure.suggestions = tuple(suggestions)
            raise failure from error

    def _unknown(self) -> Literal["exclude", "include", "raise"]:
        own = self._schema.unknown
        # What every generated schema inherits is no decision of the application.
        is_decided = own != ma.RAISE and not (own == ma.EXCLUDE and isinstance(self._schema, AutoSchema))
        if is_decided:
            return own
        is_ignored = self._settings.get(options.UNKNOWN_FIELDS, model=self._model) == "ignore"
        return ma.EXCLUDE if is_ignored else ma.RAISE

    def _is_dropped(self, key: str, value: Any) -> bool:
        if key in self._output_only:
            return True
        entries = value if isinstance(value, list) else [value]
        return key in self._nested and bool(entries) and all(isinstance(entry, str) for entry in entries)

    def _suggest(self, messages: dict[Any, Any]) -> list[str]:
        """Add the nearest name to what is said about unknown keys, and list these names."""
        suggestions: list[str] = []
        for name, told in messages.items():
            if told == [_UNKNOWN_FIELD] and name not in self._taken:
                near = nearest(str(name), self._taken, limit=1)
                messages[name] = [f"{_UNKNOWN_FIELD} Did you mean {near[0]!r}?"] if near else told
                suggestions += near
        return suggestions


def _key(name: str, field: ma.fields.Field[Any]) -> str:
    return name if field.data_key is None else field.data_key


def _inner(field: ma.fields.Field[Any]) -> ma.fields.Field[Any]:
    return field.inner if isinstance(field, ma.fields.List) else field


def _is_nested(field: ma.fields.Field[Any]) -> bool:
    inner = _inner(field)
    return isinstance(inner, ma.fields.Nested) and not isinstance(inner, ma.fields.Pluck)


def _is_empty(request: Request) -> bool:
    return not request.content_length and not request.mimetype and not request.headers.get("Transfer-Encoding")


def deserialise_data(input_schema: ViewSchema, request: Request) -> Any:
    """Check the body of a request by a schema.

    A body with the key `deserialized_data` is what stands below that key; nothing else unwraps bodies so.

    Returns:
        What the schema makes of the body, or `(errors, 400)`, which a view can return as it is.

    Raises:
        ApiError: The body cannot be read at all.
    """
    reader = SchemaReader(schema_instance(input_schema), state_of().settings)
    try:
        body = reader.body(request)
        inner = body.get(_WRAPPED)
        return reader.load(inner if isinstance(inner, Mapping) else body, partial=request.method == "PATCH")
    except ValidationError as error:
        return error.fields, error.status
