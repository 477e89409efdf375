"""The URL rules of every published model (rest 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter, Rule

from flarchitect_core.http.hooks import guard_blueprint
from flarchitect_core.model.keys import CONVERTER_NAME, escape_key, unescape_key
from flarchitect_core.model.resource import Relation, Resource
from flarchitect_core.state import ApplicationState
from flarchitect_rest.views import RelationViews, ResourceViews

__all__ = ["check_routes", "register_routes"]

BLUEPRINT = "api"

_COLLECTION_METHODS = frozenset({"GET", "POST"})
_ITEM_METHODS = frozenset({"GET", "PUT", "PATCH", "DELETE"})

View = Callable[..., ResponseReturnValue]
Handlers = Mapping[str, View]


class KeyConverter(BaseConverter):
    """A key that is written as text: any text in one path segment (`flarchitect_core.model.keys`)."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        """Read the segment."""
        return unescape_key(value)

    def to_url(self, value: Any) -> str:
        """Write the segment."""
        return super().to_url(escape_key(str(value)))


class _LateBuilder(Rule):
    """A rule whose function for `url_for` is compiled at first use: that is most of what a rule costs."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = cache(super()._compile_builder)

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return compiled(append_unknown)(rule, **values)

        return build


@dataclass(frozen=True, slots=True)
class Route:
    """One URL rule.

    Attributes:
        rule: URL rule with the prefix.
        endpoint: Name within the blueprint, the same after every start.
        methods: HTTP methods that exist on it.
        relation: The relation it follows; `None` for collections and items.
    """

    rule: str
    endpoint: str
    methods: frozenset[str]
    relation: Relation | None = None


def routes_of(resource: Resource) -> Iterator[Route]:
    """Give every route of one resource: its collection and items on each of its paths, then its relations."""
    for path in resource.paths:
        for kind, rule, methods in (
            ("collection", path, _COLLECTION_METHODS),
            ("item", f"{path}/{resource.item_rule()}", _ITEM_METHODS),
        ):
            existing = resource.methods & methods
            if existing:
                yield Route(rule, _endpoint(kind, path), existing)
    for relation in resource.relations.values():
        if relation.segment:
            rule = f"{resource.canonical_path}/{resource.item_rule()}/{relation.segment}"
            endpoint = _endpoint("relation", f"{resource.canonical_path}/{relation.fact.name}")
            yield Route(rule, endpoint, frozenset({"GET"}), relation)


def _views_of(resource: Resource, state: ApplicationState) -> Callable[[Route], View]:
    """Make the views of one resource, and the function that finds the view of each of its routes."""
    views = ResourceViews(resource, state)
    on_collection: Handlers = {"GET": views.list, "POST": views.create}
    on_item: Handlers = {"GET": views.get, "PUT": views.replace, "PATCH": views.update, "DELETE": views.delete}

    def view_of(route: Route) -> View:
        if route.relation is not None:
            related = RelationViews(route.relation, state)
            return related.list if route.relation.many else related.get
        return _by_method(on_collection if route.rule in resource.paths else on_item)

    return view_of


def _by_method(handlers: Handlers) -> View:
    def view(**variables: Any) -> ResponseReturnValue:
        # HEAD is GET; the server leaves the body out.
        method = request.method
        return handlers["GET" if method == "HEAD" else method](**variables)

    return view


def _endpoint(kind: str, path: str) -> str:
    # Flask refuses dots, which separate blueprints; the rest of the path stays, so that no two names are equal.
    return f"{kind}{path.replace('.', '%2E')}"


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
        for route in routes_of(resource):
            for method in sorted(route.methods):
                endpoint = taken.get((_shape(route.rule), method))
                if endpoint is not None:
                    state.report.problem(
                        f"{method} {route.rule} of {resource.name} is already the route of {endpoint!r}. Change one "
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
    guard_blueprint(blueprint, state)
    for resource in state.registry:
        view_of = _views_of(resource, state)
        for route in routes_of(resource):
            blueprint.add_url_rule(
                route.rule[len(prefix) :], route.endpoint, view_of(route), methods=sorted(route.methods)
            )
    with _late_builders(state.app):
        state.app.register_blueprint(blueprint)
    state.owned_paths.append(prefix)


@contextmanager
def _late_builders(app: Flask) -> Iterator[None]:
    """Let rules that are added meanwhile be those of the application, with late builders."""
    chosen = app.url_rule_class
    app.url_rule_class = cast("type[Rule]", type(chosen.__name__, (_LateBuilder, chosen), {}))
    try:
        yield
    finally:
        app.url_rule_class = chosen
