"""The docs bundle: every route of the application, generated or hand-written, and where two meet (docs 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flarchitect_core.catalogue.shapes import Answer, Content, JsonShape
from flarchitect_core.state import state_of
from flarchitect_core.views.endpoints import endpoints_of
from flarchitect_core.views.managed import managed_view_of
from flarchitect_docs import options
from flarchitect_docs.closed_views import ClosedRoute, add_closed_route
from flarchitect_docs.document.paths import openapi_path

if TYPE_CHECKING:
    from flarchitect_core.architect import Architect
    from flarchitect_core.state import ApplicationState
    from flarchitect_core.views.bodies import ViewSchema
    from flarchitect_core.views.managed import ManagedView

__all__ = ["build_docs_bundle", "register_bundle"]

_IMPLIED = frozenset({"HEAD", "OPTIONS"})


def register_bundle(state: ApplicationState) -> None:
    """Add the route, unless its option switches it off or the application has one of its own there."""
    get = state.settings.get
    objects = {"type": "array", "items": {"type": "object"}}
    payload = {"type": "object", "properties": {"routes": objects, "conflicts": objects}}
    add_closed_route(
        state,
        ClosedRoute(
            path=get(options.DOCS_BUNDLE_ROUTE),
            name="docs_bundle",
            tag="Documentation",
            summary="Every route as data",
            view=lambda: _bundle(state),
            is_closed=get(options.DOCS_BUNDLE_AUTH),
            roles=get(options.DOCS_BUNDLE_ROLES),
            any_of=get(options.DOCS_BUNDLE_ROLES_ANY_OF),
            answers=(Answer(200, "OK", [Content((), JsonShape(payload))]),),
        ),
    )


def build_docs_bundle(architect: Architect | None = None) -> dict[str, Any]:
    """List every route of an application.

    Args:
        architect: The extension, bound to one application; the current application by default.

    Returns:
        `routes`, sorted by URL and method, and `conflicts`: each URL and method that several routes share, of which
        Flask asks the first.
    """
    return _bundle(state_of(None if architect is None else architect.app))


def _bundle(state: ApplicationState) -> dict[str, Any]:
    app = state.app
    routes = []
    generated = {(each.rule, each.method): each for each in endpoints_of(state) if each.resource is not None}
    found = set()
    for rule in app.url_map.iter_rules():
        view = managed_view_of(app.view_functions.get(rule.endpoint))
        for method in (rule.methods or set()) - _IMPLIED:
            found.add((rule.rule, method))
            endpoint = generated.get((rule.rule, method))
            is_generated = endpoint is not None and endpoint.name == rule.endpoint and endpoint.kind != "view"
            model = endpoint.resource.name if endpoint is not None and endpoint.resource is not None else None
            routes.append(
                _route(rule.rule, method, rule.endpoint, view, model=model, is_generated=is_generated, exists=True)
            )
    for (rule_text, method), endpoint in generated.items():
        if (rule_text, method) not in found and endpoint.resource is not None:
            routes.append(
                _route(
                    rule_text,
                    method,
                    endpoint.name,
                    None,
                    model=endpoint.resource.name,
                    is_generated=True,
                    exists=False,
                )
            )
    routes.sort(key=lambda route: (route["url"], route["method"], route["endpoint"]))
    return {"routes": routes, "conflicts": _conflicts(routes)}


def _route(
    rule: str, method: str, name: str, view: ManagedView | None, *, model: str | None, is_generated: bool, exists: bool
) -> dict[str, Any]:
    blueprint, _, _ = name.rpartition(".")
    info = None if view is None else view.info
    said = None if info is None or info.model is None else info.model.__name__
    return {
        "url": openapi_path(rule),
        "method": method,
        "endpoint": name,
        "blueprint": blueprint or None,
        "managed": view is not None,
        "auto_generated": is_generated,
        "model": model or said,
        "input_schema": None if info is None else _schema_name(info.input_schema),
        "output_schema": None if info is None else _schema_name(info.output_schema),
        "exists": exists,
    }


def _schema_name(schema: ViewSchema | None) -> str | None:
    if schema is None:
        return None
    return schema.__name__ if isinstance(schema, type) else type(schema).__name__


def _conflicts(routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_place: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for route in routes:
        by_place.setdefault((route["method"], route["url"]), []).append(route)
    return [
        {"method": method, "url": url, "routes": sharing}
        for (method, url), sharing in by_place.items()
        if len(sharing) > 1
    ]
