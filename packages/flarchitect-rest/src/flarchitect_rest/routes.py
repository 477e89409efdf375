"""The URL rules of every published model (rest 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

from flarchitect_core.model.keys import CONVERTER_NAME, escape_key, unescape_key
from flarchitect_core.model.resource import Resource
from flarchitect_core.state import ApplicationState
from flarchitect_rest.views import RelationViews, ResourceViews

__all__ = ["check_routes", "register_routes"]

BLUEPRINT = "api"

View = Callable[..., ResponseReturnValue]


class KeyConverter(BaseConverter):
    """A key that is written as text: any text in one path segment (`flarchitect_core.model.keys`)."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        """Read the segment."""
        return unescape_key(value)

    def to_url(self, value: Any) -> str:
        """Write the segment."""
        return super().to_url(escape_key(str(value)))


@dataclass(frozen=True, slots=True)
class Route:
    """One URL rule with one method.

    Attributes:
        rule: URL rule with the prefix.
        endpoint: Name within the blueprint, the same after every start.
    """

    rule: str
    method: str
    endpoint: str
    view: View


def routes_of(resource: Resource, state: ApplicationState) -> Iterator[Route]:
    """Give every route of one resource: its collection and items on each of its paths, then its relations."""
    views = ResourceViews(resource, state)
    collection = {"GET": views.list, "POST": views.create}
    item = {"GET": views.get, "PUT": views.replace, "PATCH": views.update, "DELETE": views.delete}
    for path in resource.paths:
        for kind, rule, handlers in (
            ("collection", path, collection),
            ("item", f"{path}/{resource.item_rule()}", item),
        ):
            for method, view in handlers.items():
                if method in resource.methods:
                    yield Route(rule, method, _endpoint(method, kind, path), view)
    for relation in resource.relations.values():
        if relation.segment:
            path = f"{resource.canonical_path}/{resource.item_rule()}/{relation.segment}"
            related = RelationViews(relation, state)
            view = related.list if relation.many else related.get
            name = _endpoint("GET", "relation", f"{resource.canonical_path}/{relation.fact.name}")
            yield Route(path, "GET", name, view)


def _endpoint(method: str, kind: str, path: str) -> str:
    return f"{method.lower()}_{kind}_{re.sub(r'[./]+', '_', path.strip('/'))}"


def check_routes(state: ApplicationState) -> None:
    """Report every route that the application has already, and a taken blueprint name."""
    if BLUEPRINT in state.app.blueprints:
        state.report.problem(
            f"The application has a blueprint named {BLUEPRINT!r}, the name of the generated routes. Rename yours."
        )
    taken = {
        (_shape(rule.rule), method): rule.endpoint
        for rule in state.app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    for resource in state.registry:
        for route in routes_of(resource, state):
            endpoint = taken.get((_shape(route.rule), route.method))
            if endpoint is not None:
                state.report.problem(
                    f"{route.method} {route.rule} of {resource.name} is already the route of {endpoint!r}. Change one "
                    f"of them, or set {resource.name}.Meta.register_canonical_routes = False to keep your own."
                )


def _shape(rule: str) -> str:
    """Reduce a rule to what decides which URLs it matches, whatever its variables are called."""
    return re.sub(r"<[^>]*>", "<>", rule)


def register_routes(state: ApplicationState) -> None:
    """Register all routes in one blueprint below the prefix."""
    prefix = state.registry.prefix
    state.app.url_map.converters.setdefault(CONVERTER_NAME, KeyConverter)
    blueprint = Blueprint(BLUEPRINT, "flarchitect_rest", url_prefix=prefix or None)
    for resource in state.registry:
        for route in routes_of(resource, state):
            blueprint.add_url_rule(
                route.rule[len(prefix) :], endpoint=route.endpoint, view_func=route.view, methods=[route.method]
            )
    state.app.register_blueprint(blueprint)
    state.owned_paths.append(prefix)
