"""The application's own schemas: which of them stands for a model in bodies, and which in answers (rest 5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from marshmallow.decorators import POST_DUMP, PRE_DUMP

from flarchitect_core import options
from flarchitect_core.model.schemas import AutoSchema, RelationField, output_schema_of, schema_of
from flarchitect_core.settings import HTTP_METHODS

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["choose_schemas", "schema_for", "schemas_below"]


def choose_schemas(resource: Resource, settings: Settings, report: StartupReport) -> None:
    """Give a resource its own schemas, or the base of the generated ones; mistakes are added to the report."""
    base: Any = settings.get(options.BASE_SCHEMA, model=resource.model) or AutoSchema
    if not (isinstance(base, type) and issubclass(base, AutoSchema)):
        report.problem(
            f"The base schema {getattr(base, '__name__', base)!r} of {resource.name} (API_BASE_SCHEMA) is not derived "
            f"from AutoSchema. Let it be a subclass of flarchitect.schemas.AutoSchema."
        )
        return
    below = [schema for schema in schemas_below(base) if schema.opts.model is resource.model]
    chosen_input = schema_for(below, dump=False) or base
    chosen_output = schema_for(below, dump=True) or base
    resource.input_schema = None if chosen_input is AutoSchema else chosen_input
    # What leaves answers as they are is no reason to load instances.
    resource.output_schema = chosen_output if chosen_output is not base or _changes_answers(base) else None
    for schema, method in ((resource.input_schema, "POST"), (resource.output_schema, "GET")):
        if schema is None:
            continue
        try:
            schema_of(resource, method)
        except (TypeError, ValueError) as error:
            report.problem(f"The schema {schema.__name__} of {resource.name} cannot be used: {error}")
            return
    if resource.output_schema is not None:
        _hide_left_out(resource)
        resource.output_names.update((method, _names_in_answers(resource, method)) for method in HTTP_METHODS)


def _names_in_answers(resource: Resource, method: str) -> dict[str, str]:
    """Give what an own schema puts into answers besides relations: external name to name in the schema."""
    shown = output_schema_of(resource, method).dump_fields
    return {field.data_key or name: name for name, field in shown.items() if not isinstance(field, RelationField)}


def _hide_left_out(resource: Resource) -> None:
    """Let what an own schema leaves out of answers be no way to ask for it in filters (rest 5.6)."""
    shown = schema_of(resource, "GET").dump_fields.values()
    attributes = {field.attribute or field.name for field in shown} | {item.attribute for item in resource.key}
    for item in list(resource.fields.values()):
        if item.attribute not in attributes:
            resource.hide(item.attribute)


def schemas_below(base: type[AutoSchema]) -> list[type[AutoSchema]]:
    """List the schemas that an application derived from a base, at any depth, in the order of their definition."""
    return sorted(dict.fromkeys(_descendants(base)), key=lambda schema: schema.definition)


def schema_for(schemas: list[type[AutoSchema]], *, dump: bool) -> type[AutoSchema] | None:
    """Choose among the schemas of one model: one of the direction before one of both, of equals the last."""
    for direction in (dump, None):
        matching = [schema for schema in schemas if schema.direction is direction]
        if matching:
            return matching[-1]
    return None


def _descendants(base: type[AutoSchema]) -> Iterator[type[AutoSchema]]:
    children: list[type[AutoSchema]] = base.__subclasses__()
    for child in children:
        if not child.is_bound():
            yield child
            yield from _descendants(child)


def _changes_answers(base: type[AutoSchema]) -> bool:
    if base is AutoSchema:
        return False
    hooks = base._hooks  # noqa: SLF001 - marshmallow has no public list of them
    declares = bool(base._declared_fields or base.opts.fields or base.opts.exclude)  # noqa: SLF001
    return declares or base.dump is not AutoSchema.dump or bool(hooks.get(PRE_DUMP) or hooks.get(POST_DUMP))
