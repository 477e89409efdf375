"""`to_url()` and its siblings on published models (rest 2.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import current_app, has_app_context

if TYPE_CHECKING:
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.startup import StartupReport

__all__ = ["attach_links"]

_OURS = "_flarchitect_link"


def attach_links(registry: Registry, report: StartupReport) -> None:
    """Give every published model `to_url()`, and `<segment>_to_url()` for each of its relation routes.

    An attribute that the model already has is kept, and told. A model that several applications publish answers for
    the current one.
    """
    for resource in registry:
        _attach(resource.model, "to_url", _item_link(registry, resource), report)
        for relation in resource.relations.values():
            if relation.segment:
                name = f"{relation.segment.replace('-', '_')}_to_url"
                _attach(resource.model, name, _relation_link(registry, relation), report)


def _attach(model: type, name: str, link: Callable[[Any], str], report: StartupReport) -> None:
    existing = getattr(model, name, None)
    if existing is not None and not hasattr(existing, _OURS):
        report.notice(f"{model.__name__} has its own attribute {name!r}; the link helper of that name is left out.")
        return
    setattr(link, _OURS, True)
    link.__name__ = name
    setattr(model, name, link)


def _current(registry: Registry) -> Registry:
    from flarchitect_core.state import STATE_KEY

    state = current_app.extensions.get(STATE_KEY) if has_app_context() else None
    return registry if state is None else state.registry


def _item_link(registry: Registry, resource: Resource) -> Callable[[Any], str]:
    def link(self: Any) -> str:
        """Give the path of this row, prefix included, without host."""
        ours = _current(registry).get(resource.model) or resource
        return f"{ours.link_path}/{ours.key_path(ours.key_of(self))}"

    return link


def _relation_link(registry: Registry, relation: Relation) -> Callable[[Any], str]:
    def link(self: Any) -> str:
        """Give the path of this relation of this row, prefix included, without host."""
        ours = _current(registry).get(relation.source.model) or relation.source
        known = ours.relation(relation.fact.name) or relation
        return f"{ours.relations_link_path}/{ours.key_path(ours.key_of(self))}/{known.link_segment}"

    return link
