"""The body of a request to a hand-written view, checked by a marshmallow schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import marshmallow as ma
from flask import Request

from flarchitect_core import options
from flarchitect_core.errors import ValidationError
from flarchitect_core.http.body import read_object
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.operations.hooks import changed_body
from flarchitect_core.settings import Settings
from flarchitect_core.state import state_of
from flarchitect_core.suggestions import nearest

__all__ = ["WITHOUT_BODY", "SchemaReader", "deserialise_data", "schema_instance"]

WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods whose requests are not read, whatever schema a view has."""

_UNKNOWN_FIELD = "Unknown field."
_WRAPPED = "deserialized_data"


def schema_instance(schema: ma.Schema | type[ma.Schema]) -> ma.Schema:
    """Give the schema itself, or an instance of a schema class."""
    return schema() if isinstance(schema, type) else schema


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

    def read(self, request: Request) -> Any:
        """Read the body of a request; none at all counts as an empty object.

        Raises:
            ApiError: It cannot be read, or the schema refuses it.
        """
        return self.load(_body(request, self._settings), partial=True if request.method == "PATCH" else None)

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


def _is_nested(field: ma.fields.Field[Any]) -> bool:
    inner = field.inner if isinstance(field, ma.fields.List) else field
    return isinstance(inner, ma.fields.Nested) and not isinstance(inner, ma.fields.Pluck)


def _body(request: Request, settings: Settings) -> Mapping[str, Any]:
    is_empty = not request.content_length and not request.mimetype and not request.headers.get("Transfer-Encoding")
    body: Mapping[str, Any] = {} if is_empty else read_object(request, settings)
    return changed_body(body, settings)


def deserialise_data(input_schema: ma.Schema | type[ma.Schema], request: Request) -> Any:
    """Check the body of a request by a schema.

    A body with the key `deserialized_data` is what stands below that key; nothing else unwraps bodies so.

    Returns:
        What the schema makes of the body, or `(errors, 400)`, which a view can return as it is.

    Raises:
        ApiError: The body cannot be read at all.
    """
    settings = state_of().settings
    body = _body(request, settings)
    inner = body.get(_WRAPPED)
    if isinstance(inner, Mapping):
        body = inner
    try:
        reader = SchemaReader(schema_instance(input_schema), settings)
        return reader.load(body, partial=request.method == "PATCH")
    except ValidationError as error:
        return error.fields, error.status
