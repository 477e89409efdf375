"""In which order a relation gives its rows: by what its reader may see of them.

The order of rows tells that of whatever they are sorted by, so a term that is made from a hidden column is left out. It
is done when resources are built, for each set of rights once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core.model.inspect import ColumnFact, HybridFact

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.model.visibility import Visibility

__all__ = ["RelatedOrder"]

VisibilityOf = Callable[["Resource"], "Visibility"]


class RelatedOrder:
    """Judges what relations are sorted by.

    Args:
        resources: All published models.
        visibility_of: Gives the rules of one of them.
    """

    def __init__(self, resources: Iterable[Resource], visibility_of: VisibilityOf) -> None:
        self._resources = resources
        self._visibility_of = visibility_of

    def visible(self, relation: Relation) -> tuple[sa.ColumnElement[Any], ...]:
        """Give the terms of a relation's order that tell nothing hidden."""
        return tuple(term for term in relation.fact.order_by if not self._tells(term, relation.target))

    def _tells(self, part: Any, target: Resource) -> bool:
        """Say whether a part of a term is, or is made from, what is hidden."""
        named = self._named(part, target)
        if named is not None:
            # Of an expression, its author may have said that it is no secret, whatever it is made from.
            return self._hides(*named)
        if isinstance(part, sa.Column):
            return any(self._hides_column(column, target) for column in part.base_columns)
        return any(self._tells(child, target) for child in part.get_children())

    def _named(self, part: Any, target: Resource) -> tuple[Resource, ColumnFact | HybridFact] | None:
        """Find the expression or hybrid property of a model that a part was written as."""
        said = part._annotations  # noqa: SLF001 - only there does SQLAlchemy say which attribute it was
        owner = said.get("parententity")
        resource = target if owner is None or target.facts.mapper.isa(owner) else self._resource_of(owner)
        if resource is None:
            return None
        derived: list[ColumnFact | HybridFact] = [fact for fact in resource.facts.columns if fact.column is None]
        derived += resource.facts.hybrids
        return next(((resource, fact) for fact in derived if fact.name == said.get("proxy_key")), None)

    def _resource_of(self, entity: Any) -> Resource | None:
        return next((each for each in self._resources if each.facts.mapper is entity), None)

    def _hides(self, resource: Resource, fact: ColumnFact | HybridFact) -> bool:
        field = resource.field_of_attribute(fact.name)
        return "GET" in (self._visibility_of(resource).hidden_in(fact) if field is None else field.hidden_in)

    def _hides_column(self, column: Any, target: Resource) -> bool:
        """Judge a column as the model of the rows says, else as any model does that has it."""
        found = self._mapped_to(column, [target]) or self._mapped_to(column, self._resources)
        if not found:
            return self._visibility_of(target).hides_foreign(column)
        return any(self._hides(resource, fact) for resource, fact in found)

    @staticmethod
    def _mapped_to(column: Any, resources: Iterable[Resource]) -> list[tuple[Resource, ColumnFact]]:
        return [
            (resource, fact)
            for resource in resources
            for fact in resource.facts.columns
            if any(each is column for each in resource.facts.mapper.column_attrs[fact.name].columns)
        ]
