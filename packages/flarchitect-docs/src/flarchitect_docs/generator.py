"""The document for code that writes parts of it by itself (docs 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from apispec.ext.marshmallow import MarshmallowPlugin

from flarchitect_core.state import state_of
from flarchitect_core.views.bodies import schema_instance
from flarchitect_core.views.pydantic_schemas import PydanticSchema
from flarchitect_docs.document.models import ModelSchemas
from flarchitect_docs.document.names import SchemaNames, plain_name
from flarchitect_docs.document.paths import openapi_path
from flarchitect_docs.spec import CustomSpec

if TYPE_CHECKING:
    from flarchitect_core.architect import Architect
    from flarchitect_core.views.managed import SchemaOrClass

__all__ = ["CustomSpec", "generate_swagger_spec", "register_routes_with_spec", "register_schemas"]


def register_schemas(
    spec: CustomSpec,
    input_schema: SchemaOrClass | None,
    output_schema: SchemaOrClass | None = None,
    force_update: bool = False,
) -> None:
    """Put schemas into the components of a document, by their names without `Schema`.

    Args:
        force_update: Whether a component of that name is replaced; otherwise it stays.
    """
    names = SchemaNames(state_of())
    for schema, is_body in ((input_schema, True), (output_schema, False)):
        if schema is None:
            continue
        used = schema_instance(schema)
        name = names.cased(plain_name(type(used)))
        if name in spec.components.schemas and not force_update:
            continue
        if isinstance(used, PydanticSchema):
            models: dict[str, Any] = {}
            ModelSchemas(models, names).of(type(used), is_body=is_body, is_partial=False)
            spec.components.schemas.update(models)
        elif name not in spec.components.schemas:
            spec.components.schema(name, schema=used)
        else:
            # The name stays the same for whoever refers to it.
            made = CustomSpec("", "", str(spec.openapi_version), plugins=[MarshmallowPlugin()])
            made.components.schema(name, schema=used)
            spec.components.schemas[name] = made.components.schemas[name]


def register_routes_with_spec(architect: Architect, route_spec: Iterable[Mapping[str, Any]]) -> None:
    """Add descriptions of hand-written routes; the next document has them.

    Args:
        route_spec: For each route `function`, the view, and what is to be said about it, by the names of
            `schema_constructor`.
    """
    known = [info["function"] for info in architect.route_spec]
    for info in route_spec:
        if info.get("function") not in known:
            architect.set_route(info)


def generate_swagger_spec(http_method: str, f: Callable[..., Any]) -> dict[str, Any]:
    """Give the operation of a view in the document of the current application.

    Args:
        http_method: Method, in any letter case.
        f: The view as it is registered.

    Raises:
        LookupError: No route of this method leads to it.
    """
    state = state_of()
    content = state.documents.current().content
    paths: Mapping[str, Any] = content["paths"]
    for rule in state.app.url_map.iter_rules():
        operation = paths.get(openapi_path(rule.rule), {}).get(http_method.lower())
        if operation is not None and state.app.view_functions.get(rule.endpoint) is f:
            return dict(operation)
    raise LookupError(f"No route for {http_method.upper()} leads to {getattr(f, '__qualname__', f)}.")
