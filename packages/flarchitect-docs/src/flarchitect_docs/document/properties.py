"""Fields of marshmallow schemas as properties: ours by their JSON types, all others by apispec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import marshmallow as ma
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from flarchitect_core.model.fields import ColumnField, RegisteredField
from flarchitect_core.model.json_types import JsonSchema, Use, json_type, nullable
from flarchitect_core.model.schemas import RelationField
from flarchitect_core.views.files import FileField
from flarchitect_docs import options
from flarchitect_docs.document.examples import DEFAULTS, class_name_of, fits

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.settings import Settings

__all__ = ["Properties"]

_TEXTS = ("description", "title")


class Properties:
    """Describes the fields of schemas.

    Args:
        reference: Gives the reference to what answers show of a resource.
    """

    def __init__(
        self, converter: OpenAPIConverter, settings: Settings, reference: Callable[[Resource], JsonSchema]
    ) -> None:
        self._converter = converter
        converter.add_attribute_function(_told_otherwise)  # type: ignore[no-untyped-call]
        self._reference = reference
        given = settings.get(options.OPENAPI_FIELD_EXAMPLE_DEFAULTS) or {}
        self._defaults: Mapping[str, Any] = {**DEFAULTS, **given}

    def of_field(self, field: ma.fields.Field[Any], use: Use, item: Field | None = None) -> JsonSchema:
        """Describe a field.

        Args:
            item: The column that it stands for.
        """
        if isinstance(field, RelationField):
            return self.of_relation(field.relation)
        if not isinstance(field, ColumnField):
            plain: JsonSchema = self._converter.field2property(field)
            return plain
        if isinstance(field, RegisteredField):
            schema = dict(self._converter.field2property(field.inner))
        else:
            schema = json_type(field, use)
        can_be_null = field.allow_none if use == "body" else item is None or item.nullable
        info = item.fact.info if item is not None else {}
        example = self._example(field, schema, info)
        schema = nullable(schema) if can_be_null and not isinstance(field, RegisteredField) else schema
        described = {name: info[name] for name in _TEXTS if isinstance(info.get(name), str)}
        return {**schema, **described, **example}

    def example_of_plain(self, field: ma.fields.Field[Any], schema: JsonSchema) -> JsonSchema:
        """Give the example of a field that is none of ours, for its property."""
        return {} if "$ref" in schema else self._example(field, schema, {})

    def _example(self, field: ma.fields.Field[Any], schema: JsonSchema, info: Mapping[Any, Any]) -> JsonSchema:
        # That of its check, which a column may be too short for.
        checked = schema.pop("example", None)
        for value in (info.get("example"), checked, self._defaults.get(class_name_of(field))):
            if value is None:
                continue
            # A decimal is written as text.
            forms = (str(value), value) if class_name_of(field) == "Decimal" else (value,)
            for form in forms:
                if fits(form, schema):
                    return {"example": form}
        return {}

    def of_relation(self, relation: Relation) -> JsonSchema:
        """Describe a relation: a link, or what it leads to, as `dump` says."""
        link = {"type": "string", "format": "uri-reference"}
        target = self._reference(relation.target) if "GET" in relation.target.methods else {"type": "object"}
        records = {"type": "array", "items": target} if relation.many else target
        kinds = [link, records, *([] if relation.many else [{"type": "null"}])]
        return {"anyOf": kinds, "readOnly": True, "example": "/url/to/resource"}


def _told_otherwise(converter: OpenAPIConverter, field: ma.fields.Field[Any], **arguments: Any) -> JsonSchema:
    """Describe what apispec has no word for, or another one."""
    if isinstance(field, FileField):
        return field.upload.json_schema
    if isinstance(field, ma.fields.Decimal) and field.as_string:
        kinds = ["string", "number", *(["null"] if field.allow_none else [])]
        return {"type": kinds, "pattern": r"^[+-]?[0-9]+(\.[0-9]+)?$"}
    return {}
