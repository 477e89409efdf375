"""The URL segments of relations (rest 2.4)."""

from __future__ import annotations

from flarchitect_core import options
from flarchitect_core.model.mapped_classes import full_name
from flarchitect_core.model.resource import Relation, Resource
from flarchitect_core.settings import Settings
from flarchitect_core.startup import StartupReport
from flarchitect_core.suggestions import did_you_mean

__all__ = ["name_relation_routes"]


def name_relation_routes(resource: Resource, settings: Settings, report: StartupReport) -> None:
    """Give each relation of a resource that has a route its segment; two that would be alike are reported."""
    _check_route_map(resource, settings, report)
    explicit = settings.resolve(options.ADD_RELATIONS, model=resource.model)[1] == "model"
    routed = [relation for relation in resource.relations.values() if explicit or "GET" in relation.target.methods]
    mode = _naming_mode(resource.model, settings)
    wanted = [relation.target.segment for relation in routed]
    taken: set[str] = set()
    for relation, segment in zip(routed, wanted, strict=True):
        by_relationship = mode == "relationship" or (mode == "auto" and wanted.count(segment) > 1)
        if by_relationship:
            segment = _relationship_segment(relation, settings)
        elif segment in taken:
            fallback = _relationship_segment(relation, settings)
            report.notice(
                f"Two relationships of {full_name(resource.model)} lead to {relation.target.name}; the relation route "
                f"of {relation.fact.name!r} is {resource.canonical_path}/…/{fallback}. "
                f"Set relation_route_naming = 'auto' or 'relationship' to name them alike."
            )
            segment = fallback
        if segment in taken:
            report.problem(
                f"Two relationships of {full_name(resource.model)} both want the URL segment {segment!r}. "
                f"Give one of them another in Meta.relation_route_map."
            )
        taken.add(segment)
        relation.segment = segment


def _check_route_map(resource: Resource, settings: Settings, report: StartupReport) -> None:
    known = [fact.name for fact in resource.facts.relations]
    for name in settings.get(options.RELATION_ROUTE_MAP, model=resource.model):
        if name not in known:
            hint = did_you_mean(name, known)
            # A `Meta` that several models share may name a relationship of one of them.
            tell = report.problem if hint else report.notice
            tell(f"{resource.name}.Meta.relation_route_map names {name!r}, which is no relationship.{hint}")


def _naming_mode(model: type, settings: Settings) -> str:
    mode, origin = settings.resolve(options.RELATION_ROUTE_NAMING, model=model)
    older = settings.get(options.RELATION_URL_STYLE)
    if origin == "default" and older is not None:
        return "relationship" if older == "relation-key" else "model"
    return mode


def _relationship_segment(relation: Relation, settings: Settings) -> str:
    name = relation.fact.name
    return settings.get(options.RELATION_ROUTE_MAP, model=relation.source.model).get(name, name)
