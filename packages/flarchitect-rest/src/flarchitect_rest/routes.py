"""The URL rules of every published model (rest 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, cast

from flask import Blueprint, Flask, Response, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter, Rule

from flarchitect_core.access.asked import Asked, Guard, guards_of
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.errors import NotFoundError
from flarchitect_core.http.body import body_types
from flarchitect_core.http.hooks import guard_blueprint
from flarchitect_core.model.keys import CONVERTER_NAME, escape_key, unescape_key
from flarchitect_core.model.registry import Registry
from flarchitect_core.model.resource import Relation, Resource
from flarchitect_core.settings import Settings
from flarchitect_core.state import ApplicationState
from flarchitect_core.views.deprecation import deprecation_headers_of
from flarchitect_rest.bulk import BulkViews, allows_bulk
from flarchitect_rest.catalogue import endpoint_of
from flarchitect_rest.export import ExportViews
from flarchitect_rest.formats import in_collection_formats, in_record_formats
from flarchitect_rest.services import Services
from flarchitect_rest.views import RelationViews, ResourceViews

__all__ = ["check_routes", "register_routes"]

BLUEPRINT = "api"
FACE_VIEWS_MAX = 256

_COLLECTION_METHODS = frozenset({"GET", "POST"})
_TELLING_METHODS = frozenset({"OPTIONS", "GET", "HEAD"})
_BULK_METHODS = frozenset({"PATCH", "DELETE"})
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


def routes_of(resource: Resource, settings: Settings) -> Iterator[Route]:
    """Give every route of one resource: its collection and items on each of its paths, then its relations."""
    for path in resource.paths:
        for kind, rule, methods in (
            ("collection", path, _COLLECTION_METHODS),
            ("item", f"{path}/{resource.item_rule()}", _ITEM_METHODS),
        ):
            existing = resource.methods & methods
            if kind == "collection":
                existing |= {method for method in _BULK_METHODS if allows_bulk(resource, method, settings)}
            if existing:
                yield Route(rule, _endpoint(kind, path), existing)
    for relation in resource.relations.values():
        if relation.segment:
            rule = f"{resource.canonical_path}/{resource.item_rule()}/{relation.segment}"
            endpoint = _endpoint("relation", f"{resource.canonical_path}/{relation.fact.name}")
            yield Route(rule, endpoint, frozenset({"GET"}), relation)


def _views_of(resource: Resource, state: ApplicationState) -> Callable[[Route], View]:
    """Make the views of one resource, and the function that finds the view of each of its routes."""
    views, settings = ResourceViews(resource, state), state.settings
    exports = ExportViews(resource, state)
    listed = in_collection_formats(views.list, exports.rows, resource, settings)
    bulk = BulkViews(views, resource, settings)
    create = bulk.create if allows_bulk(resource, "POST", settings) else views.create
    many: Handlers = {"POST": create, "PATCH": bulk.update, "DELETE": bulk.delete}
    written: Handlers = {method: in_record_formats(view, settings) for method, view in many.items()}
    on_collection: Handlers = {"GET": listed, **written}
    item: Handlers = {"GET": views.get, "PUT": views.replace, "PATCH": views.update, "DELETE": views.delete}
    on_item: Handlers = {method: in_record_formats(view, settings) for method, view in item.items()}

    def view_of(route: Route) -> View:
        if route.relation is not None:
            return _noticed({"GET": _related_view(route.relation, state)}, route.relation.target, settings)["GET"]
        handlers = on_collection if route.rule in resource.paths else on_item
        return _by_method(_noticed(handlers, resource, settings))

    return view_of


def _views_by_face(resource: Resource, state: ApplicationState) -> Callable[[Route], View]:
    """Make the views of one resource, for each caller by the fields that it may see."""
    view_of, faces = _views_of(resource, state), state.faces
    if faces is None or not faces.vary:
        return view_of
    made: BoundedCache[tuple[Registry, str], View] = BoundedCache(FACE_VIEWS_MAX)

    def by_face(route: Route) -> View:
        plain = view_of(route)

        def view(**variables: Any) -> ResponseReturnValue:
            face = faces.current()
            if face is state:
                return plain(**variables)
            return made.get((face.registry, route.endpoint), lambda: _view_in(face, resource, route))(**variables)

        return view

    return by_face


def _view_in(face: ApplicationState, resource: Resource, route: Route) -> View:
    """Make the view of a route for the callers of one face."""
    same = face.registry.get(resource.model)
    if same is None:
        raise RuntimeError(f"{resource.name} is not published any more.")
    relation = None if route.relation is None else same.relation(route.relation.fact.name)
    if route.relation is not None and relation is None:
        return _hidden_relation
    return _views_of(same, face)(replace(route, relation=relation))


def _hidden_relation(**variables: Any) -> ResponseReturnValue:
    """Answer for a relation that would tell the caller a column which is hidden from it."""
    raise NotFoundError(f"Nothing is at {request.path}.", reason="unknown_path")


def _related_view(relation: Relation, state: ApplicationState) -> View:
    views, target = RelationViews(relation, state), relation.target
    if not relation.many:
        return in_record_formats(views.get, state.settings)
    export = partial(ExportViews(target, state).related, relation)
    return in_collection_formats(views.list, export, target, state.settings)


def _noticed(handlers: Handlers, resource: Resource, settings: Settings) -> Handlers:
    """Let the answers of deprecated methods tell so."""
    headers = {method: deprecation_headers_of(settings, resource.model, method) for method in handlers}
    return {
        method: _with_headers(view, headers[method]) if headers[method] else view for method, view in handlers.items()
    }


def _with_headers(view: View, headers: Mapping[str, str]) -> View:
    def answer(**variables: Any) -> ResponseReturnValue:
        response = make_response(view(**variables))
        response.headers.update(headers)
        return response

    return answer


def _by_method(handlers: Handlers) -> View:
    def view(**variables: Any) -> ResponseReturnValue:
        # HEAD is GET; the server leaves the body out.
        method = request.method
        return handlers["GET" if method == "HEAD" else method](**variables)

    return view


def _tell_patches(settings: Settings) -> Callable[[Response], Response]:
    """Make the function that tells, where a row can be patched, with which media types (RFC 5789, 3.1)."""

    def tell(response: Response) -> Response:
        rule = request.url_rule
        if request.method in _TELLING_METHODS and rule is not None and "PATCH" in (rule.methods or ()):
            response.headers["Accept-Patch"] = ", ".join(body_types(settings))
        return response

    return tell


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
        for route in routes_of(resource, state.settings):
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


def register_routes(state: ApplicationState, services: Services) -> None:
    """Register all routes in one blueprint below the prefix."""
    prefix = state.registry.prefix
    state.app.url_map.converters.setdefault(CONVERTER_NAME, KeyConverter)
    blueprint = Blueprint(BLUEPRINT, "flarchitect_rest", url_prefix=prefix or None)
    guard_blueprint(blueprint, state)
    for resource in state.registry:
        view_of = _views_by_face(resource, state)
        for route in routes_of(resource, state.settings):
            serves = resource if route.relation is None else route.relation.target
            asked = _asked_of(route, serves)
            view = services.around(view_of(route), route.rule, route.methods, serves)
            view = guarded(view, _guards_of(asked, state))
            state.endpoints += (
                endpoint_of(state, route.rule, f"{BLUEPRINT}.{route.endpoint}", method, each, serves, route.relation)
                for method, each in asked.items()
            )
            blueprint.add_url_rule(route.rule[len(prefix) :], route.endpoint, view, methods=sorted(route.methods))
    blueprint.after_request(_tell_patches(state.settings))
    with _late_builders(state.app):
        state.app.register_blueprint(blueprint)
    state.owned_paths.append(prefix)


def _asked_of(route: Route, serves: Resource) -> dict[str, Asked]:
    """Give what each method of a route asks for, as rules of access see it."""
    is_list = route.relation.many if route.relation is not None else route.rule in serves.paths
    name = None if route.relation is None else route.relation.fact.name
    return {method: Asked(method, serves.model, many=is_list, relation_name=name) for method in sorted(route.methods)}


def _guards_of(asked: Mapping[str, Asked], state: ApplicationState) -> dict[str, tuple[Guard, ...]]:
    """Give what decides, for each method of a route, whether a caller may ask; empty when nothing does."""
    guards = {method: guards_of(state, each) for method, each in asked.items()}
    return {method: found for method, found in guards.items() if found}


def guarded(view: View, guards: Mapping[str, tuple[Guard, ...]]) -> View:
    """Wrap the view of a route, so that callers are judged before anything else is looked at."""
    if not guards:
        return view

    def guarded_view(**variables: Any) -> ResponseReturnValue:
        method = "GET" if request.method == "HEAD" else request.method
        for guard in guards.get(method, ()):
            guard()
        return view(**variables)

    guarded_view.is_guarded_by_flarchitect = True  # type: ignore[attr-defined]
    return guarded_view


@contextmanager
def _late_builders(app: Flask) -> Iterator[None]:
    """Let rules that are added meanwhile be those of the application, with late builders."""
    chosen = app.url_rule_class
    app.url_rule_class = cast("type[Rule]", type(chosen.__name__, (_LateBuilder, chosen), {}))
    try:
        yield
    finally:
        app.url_rule_class = chosen
