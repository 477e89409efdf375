"""Schema discovery: models, fields, joins and endpoints as data, for programs that build queries (docs 5.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import request

from flarchitect_core import options as core
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.catalogue.access import access_of
from flarchitect_core.catalogue.shapes import Answer, Content, JsonShape, Parameter
from flarchitect_core.errors import QueryError
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.query.grouping import AGGREGATES
from flarchitect_core.query.names import readable_relations
from flarchitect_core.query.parse_filters import FILTER_OPERATORS
from flarchitect_core.state import current_face, state_of
from flarchitect_core.views.endpoints import endpoints_of
from flarchitect_docs import options
from flarchitect_docs.closed_views import ClosedRoute, add_closed_route
from flarchitect_docs.document.paths import openapi_path

if TYPE_CHECKING:
    from flarchitect_core.architect import Architect
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.settings import Option
    from flarchitect_core.state import ApplicationState

__all__ = ["build_schema_discovery_payload", "register_discovery"]

_DIGITS_MAX = 4


def register_discovery(state: ApplicationState) -> None:
    """Add the route, unless its option switches it off or the application has one of its own there."""
    get = state.settings.get
    limit = get(options.SCHEMA_DISCOVERY_MAX_DEPTH_LIMIT)
    depth = {"type": "integer", "minimum": 1, "default": min(get(options.SCHEMA_DISCOVERY_MAX_DEPTH), limit)}
    texts = {"type": "array", "items": {"type": "string"}}
    objects = {"type": "array", "items": {"type": "object"}}
    payload = {"operators": texts, "aggregates": texts, "models": objects}
    add_closed_route(
        state,
        ClosedRoute(
            path=get(options.SCHEMA_DISCOVERY_ROUTE),
            name="schema_discovery",
            tag="Schema Discovery",
            summary="Models, fields and joins as data",
            view=lambda: _payload_of_request(state),
            is_closed=get(options.SCHEMA_DISCOVERY_AUTH),
            roles=get(options.SCHEMA_DISCOVERY_ROLES),
            any_of=get(options.SCHEMA_DISCOVERY_ROLES_ANY_OF),
            parameters=(
                Parameter(
                    "model",
                    "query",
                    {"type": "string"},
                    "Names of models, tables or URL segments, with commas; all models by default.",
                    resource="discovery",
                ),
                Parameter(
                    "depth",
                    "query",
                    {**depth, "maximum": 10**_DIGITS_MAX - 1},
                    f"How many relations long join paths are told; {limit} at most.",
                    resource="discovery",
                ),
            ),
            answers=(Answer(200, "OK", [Content((), JsonShape({"type": "object", "properties": payload}))]),),
            errors=(400,),
        ),
    )


def _payload_of_request(state: ApplicationState) -> dict[str, Any]:
    named = request.args.get("model", "")
    return _payload(state, named.split(","), _depth(request.args.get("depth")))


def _depth(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) > 0):
        raise QueryError("depth must be a whole number of at least 1.", reason="invalid_depth")
    return int(text)


def build_schema_discovery_payload(
    architect: Architect | None = None, *, models: Iterable[str] = (), depth: int | None = None
) -> dict[str, Any]:
    """Describe the published models as the current caller sees them.

    Args:
        architect: The extension, bound to one application; the current application by default.
        models: Names of classes, tables, URLs or their segments, in any letter case; all when there are none.
        depth: How many relations long join paths are; the configured one by default, and never more than
            `API_SCHEMA_DISCOVERY_MAX_DEPTH_LIMIT`.

    Returns:
        `operators`, `aggregates` and `models`, each sorted.
    """
    return _payload(state_of(None if architect is None else architect.app), models, depth)


def _payload(state: ApplicationState, models: Iterable[str], depth: int | None) -> dict[str, Any]:
    get = state.settings.get
    wanted = {name.strip().lower() for name in models if name.strip()}
    longest = min(depth or get(options.SCHEMA_DISCOVERY_MAX_DEPTH), get(options.SCHEMA_DISCOVERY_MAX_DEPTH_LIMIT))
    registry: Registry = current_face(state).registry
    told = {each.model for each in registry if _may_read(state, each)}
    shown = [each for each in registry if each.model in told and (not wanted or wanted & _names_of(each))]
    endpoints = _endpoints(state)
    return {
        "operators": sorted(FILTER_OPERATORS),
        "aggregates": sorted(AGGREGATES),
        "models": [
            _model(state, each, endpoints.get(each.model, []), longest, told)
            for each in sorted(shown, key=lambda each: each.name)
        ],
    }


def _may_read(state: ApplicationState, resource: Resource) -> bool:
    """Say whether the roles of the current caller let it read rows of a resource, several or one.

    That a caller must be known is asked of the route of the discovery itself.
    """
    if "GET" not in resource.methods:
        return False
    ways = (access_of(state, Asked("GET", resource.model, many=many), "GET") for many in (True, False))
    return any(all(roles.is_met_by(get_current_user()) for roles in way.roles) for way in ways)


def _names_of(resource: Resource) -> set[str]:
    names = {resource.name, *resource.table_names}
    for path in (*resource.paths, resource.canonical_path):
        names |= {path, *path.strip("/").split("/")[-1:]}
    return {name.lower() for name in names}


def _model(
    state: ApplicationState,
    resource: Resource,
    endpoints: Sequence[Mapping[str, str]],
    depth: int,
    told: Collection[type],
) -> dict[str, Any]:
    def allows(option: Option[bool]) -> bool:
        return state.settings.get(option, model=resource.model, method="GET")

    filters = allows(core.ALLOW_FILTERS)
    return {
        "name": resource.name,
        "table": getattr(resource.facts.mapper.local_table, "name", None),
        "primary_key": [item.name for item in resource.key],
        "field_case": resource.case,
        "filters_enabled": filters,
        "ordering_enabled": allows(core.ALLOW_ORDER_BY),
        "grouping_enabled": allows(core.ALLOW_GROUPBY),
        "aggregation_enabled": allows(core.ALLOW_AGGREGATION),
        "fields": [
            _field(resource, item, filters=filters)
            for _, item in sorted(resource.fields.items())
            if "GET" not in item.hidden_in
        ],
        "relationships": [
            _relationship(relation) for relation in sorted(_relations(resource, told), key=lambda each: each.name)
        ],
        "join_paths": sorted(_paths(resource, depth, told), key=lambda path: (path["depth"], path["path"])),
        "endpoints": list(endpoints),
    }


def _field(resource: Resource, item: Field, *, filters: bool) -> dict[str, Any]:
    operators = sorted(item.codec.operators) if filters and item.is_queryable else []
    fact = item.fact
    return {
        "name": item.name,
        "type": type(fact.type).__name__ if isinstance(fact, ColumnFact) else "hybrid_property",
        "nullable": item.nullable,
        "primary_key": item in resource.key,
        "filterable": bool(operators),
        "operators": operators,
        "source": "column" if isinstance(fact, ColumnFact) else "hybrid",
    }


def _relations(resource: Resource, told: Collection[type]) -> list[Relation]:
    found = readable_relations(resource)
    return [relation for relation in found if relation.is_shown and relation.target.model in told]


def _relationship(relation: Relation) -> dict[str, Any]:
    fact = relation.fact
    return {
        "name": relation.name,
        "join_token": relation.name,
        "target": relation.target.name,
        "direction": fact.direction.name.lower(),
        "uselist": relation.many,
        "back_populates": fact.inverse_name,
    }


def _paths(
    resource: Resource,
    depth: int,
    told: Collection[type],
    before: tuple[str, ...] = (),
    seen: tuple[type, ...] = (),
) -> Iterator[dict[str, Any]]:
    """Give the ways over relations; no model that lies on a way is told of again beyond it."""
    seen = (*seen, resource.model)
    for relation in _relations(resource, told):
        segments = (*before, relation.name)
        yield {
            "path": ".".join(segments),
            "segments": list(segments),
            "target": relation.target.name,
            "depth": len(segments),
        }
        if len(segments) < depth and relation.target.model not in seen:
            yield from _paths(relation.target, depth, told, segments, seen)


def _endpoints(state: ApplicationState) -> dict[type, list[Mapping[str, str]]]:
    found: dict[type, list[Mapping[str, str]]] = {}
    for endpoint in endpoints_of(state):
        resource = endpoint.resource if endpoint.relation is None else endpoint.relation.source
        if resource is not None and endpoint.kind != "view":
            described = {"method": endpoint.method, "url": openapi_path(endpoint.rule)}
            found.setdefault(resource.model, []).append(described)
    return {model: sorted(each, key=lambda one: (one["url"], one["method"])) for model, each in found.items()}
