"""Fields of marshmallow in JSON Schema, by apispec, which leaves the schemas that they nest to us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import make_schema_key, resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow.exceptions import RegistryError

__all__ = ["Plugin", "SchemaConverter"]


class SchemaConverter(OpenAPIConverter):
    """Names a nested schema as the document names every other one.

    Attributes:
        describe: Gives the reference to a schema.
    """

    describe: Callable[[ma.Schema], dict[str, Any]]

    def resolve_nested_schema(self, schema: Any) -> Any:
        """Give the reference to a schema, the one by which the application has put it into the document if it has."""
        try:
            instance = resolve_schema_instance(schema)
        except RegistryError:
            return schema
        if make_schema_key(instance) in self.refs:
            return super().resolve_nested_schema(schema)  # type: ignore[no-untyped-call]
        return self.describe(instance)


class Plugin(MarshmallowPlugin):
    """The plugin of apispec with that converter."""

    Converter = SchemaConverter
