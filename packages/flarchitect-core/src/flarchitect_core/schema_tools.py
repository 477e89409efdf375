"""Schemas for code of the application's own: those of a model, and reading and dumping by them (rest 8.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import marshmallow as ma

from flarchitect_core import options
from flarchitect_core.model.schema_discovery import schema_for, schemas_below
from flarchitect_core.model.schemas import AutoSchema, schema_of
from flarchitect_core.state import current_face, state_of

__all__ = ["DeleteSchema", "create_dynamic_schema", "dump_schema_if_exists", "filter_keys"]
__all__ += ["get_input_output_from_model_or_make", "get_schema_subclass", "list_schema_fields"]

AnySchema = ma.Schema | type[ma.Schema]


class DeleteSchema(ma.Schema):
    """What the answer to a deletion holds: nothing."""


def get_schema_subclass(model: type, dump: bool | None = False) -> type[AutoSchema] | None:
    """Find the application's own schema of a model, `None` when there is none.

    Args:
        dump: Whether the one for answers is wanted, rather than the one for bodies.
    """
    base: Any = state_of().settings.get(options.BASE_SCHEMA, model=model) or AutoSchema
    own = [schema for schema in schemas_below(base) if schema.opts.model is model]
    return schema_for(own, dump=bool(dump))


def create_dynamic_schema(base_class: type[AutoSchema], model_class: type) -> type[AutoSchema]:
    """Derive a schema class of a model from a base.

    Like one that is written down, it stands for its model when it is made before the routes are.
    """
    meta = type("Meta", (base_class.Meta,), {"model": model_class, "register": False})
    made: type[AutoSchema] = type(f"{model_class.__name__}Schema", (base_class,), {"Meta": meta})
    return made


def get_input_output_from_model_or_make(model: type, **arguments: Any) -> tuple[AutoSchema, AutoSchema]:
    """Give the schemas of a model's bodies and answers: the application's own where there are such.

    Args:
        arguments: Arguments of both, such as `many=True`.

    Raises:
        LookupError: The current application does not publish the model.
    """
    resource = current_face(state_of()).registry.get(model)
    if resource is None:
        raise LookupError(
            f"{model.__name__} is not published. Give it an inner class Meta, and import it early enough."
        )
    return schema_of(resource, "POST", **arguments), schema_of(resource, "GET", **arguments)


def dump_schema_if_exists(schema: AnySchema | None, data: Any, is_list: bool = False) -> Any:
    """Dump an object, or a list of them, by a schema; without one the data is given as it is, null as null."""
    if schema is None or data is None:
        return data
    return _instance(schema).dump(data, many=is_list)


def filter_keys(
    model: type, schema: AnySchema, data: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> dict[str, Any] | list[dict[str, Any]]:
    """Keep the keys that a model or a schema has, in a dictionary or in each of a list of them."""
    known = {*list_schema_fields(schema), *_attributes_of(model)}
    if isinstance(data, Mapping):
        return {key: value for key, value in data.items() if key in known}
    return [{key: value for key, value in entry.items() if key in known} for entry in data]


def list_schema_fields(schema: AnySchema) -> list[str]:
    """List the names of a schema's fields, as they are called in JSON."""
    return [field.data_key or name for name, field in _instance(schema).fields.items()]


def _instance(schema: AnySchema) -> ma.Schema:
    return schema() if isinstance(schema, type) else schema


def _attributes_of(model: type) -> Iterable[str]:
    resource = state_of().registry.get(model)
    return () if resource is None else resource.facts.names()
