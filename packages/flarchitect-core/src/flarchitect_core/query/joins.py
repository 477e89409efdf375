"""The ways by which a statement reaches related rows.

A relation whose rows are found by a foreign key of the row itself is joined: that never multiplies rows. Any other one
is a subquery, unless the client wants one row for each related row. All of them name aliases of mapped classes, so that
two relations to one model stay apart, and criteria reach each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlalchemy.sql.util import ClauseAdapter

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.query.expressions import Path

__all__ = ["JoinedColumn", "Joins", "follow", "leads_over", "leads_to", "scalar", "visible"]


@dataclass(frozen=True, slots=True)
class JoinedColumn:
    """A column of a joined relation that an answer shows among those of the row.

    Attributes:
        name: Key of the record.
        is_outer: Whether rows without a related row are kept.
    """

    name: str
    relation: Relation
    field: Field
    is_outer: bool


class Joins:
    """The joins of one statement, by the path that leads from its rows to the joined ones."""

    def __init__(self, model: Any) -> None:
        self._entities: dict[Path, Any] = {(): model}
        self._steps: list[tuple[Any, bool]] = []
        self._spread: set[Path] = {()}

    def copy(self) -> Joins:
        """Give the same joins, to add others to."""
        result = Joins(self._entities[()])
        result._entities = {**self._entities}
        result._steps = [*self._steps]
        result._spread = {*self._spread}
        return result

    def spread(self, relation: Relation, *, is_outer: bool) -> Any:
        """Join a relation even if it leads to many rows, each of which becomes a row of the statement.

        Args:
            is_outer: Whether rows without a related row are kept.
        """
        path = (relation,)
        if path not in self._spread:
            self._spread.add(path)
            self._join(path, self._entities[()], is_outer=is_outer)
        return self._entities[path]

    def spread_entity(self, path: Path) -> Any | None:
        """Give the alias of a relation that was joined by `spread`."""
        return self._entities[path] if path in self._spread else None

    def spread_paths(self) -> list[Path]:
        """List what was joined by `spread`, in that order."""
        return [path for path in self._entities if path and path in self._spread]

    def column(self, path: Path, attribute: str, *, descending: bool = False) -> Any:
        """Give the SQL of an attribute at the end of a path, NULL where the path leads to no row.

        Args:
            descending: Whether, of many related rows, the one with the greatest value counts and not the least.
        """
        entity = self._entity(path)
        if entity is not None:
            field = path[-1].target.field_of_attribute(attribute) if path else None
            return getattr(entity, attribute) if field is None else self.value(entity, path[-1].target, field)
        split = next(length for length in range(len(path) - 1, -1, -1) if self._entity(path[:length]) is not None)
        return scalar(self._entity(path[:split]), path[split:], attribute, descending=descending)

    def value(self, entity: Any, resource: Resource, field: Field) -> Any:
        """Give the SQL of a field of an entity.

        What an expression selects from other tables would be taken for tables of this statement that have the same
        name. So where it belongs to joined rows, it stands in a subquery in which there is nothing but its own row.
        """
        is_joined = entity is not self._entities[()] and any(entity is each for each in self._entities.values())
        if not (is_joined and field.fact.sources.tables):
            return getattr(entity, field.attribute)
        row: Any = aliased(resource.model)
        is_same = [getattr(row, item.attribute) == getattr(entity, item.attribute) for item in resource.key]
        return sa.select(getattr(row, field.attribute)).where(*is_same).correlate(entity).scalar_subquery()

    def apply(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """Add the joins to a statement that selects from the rows already."""
        for target, is_outer in self._steps:
            statement = statement.join(target, isouter=is_outer)
        return statement

    def _entity(self, path: Path) -> Any | None:
        """Give the alias at the end of a path, joining what can be joined without multiplying rows."""
        if path in self._entities:
            return self._entities[path]
        if not path[-1].fact.is_reference or (parent := self._entity(path[:-1])) is None:
            return None
        return self._join(path, parent, is_outer=True)

    def _join(self, path: Path, parent: Any, *, is_outer: bool) -> Any:
        relation = path[-1]
        entity: Any = aliased(relation.target.model)
        self._entities[path] = entity
        self._steps.append((leads_to(parent, relation, entity), is_outer))
        return entity


def leads_to(source: Any, relation: Relation, target: Any) -> Any:
    """Give the condition that a relation leads from one entity to another, a secondary table included."""
    return visible(relation.association, getattr(source, relation.fact.name).of_type(target))


def visible(association: Resource | None, step: Any) -> Any:
    """Let a step along a relationship lead over those rows of its secondary table that the request may see."""
    if association is None:
        return step
    # SQLAlchemy puts its own name of the secondary table in place of the table.
    return step.and_(leads_over(association, association.facts.mapper.local_table))


def leads_over(association: Resource, secondary: sa.FromClause) -> sa.ColumnElement[bool]:
    """Give the condition that a row of a secondary table is one of the association that the request may see.

    Criteria reach mapped classes only, and a secondary table is none.
    """
    row: Any = aliased(association.model)
    mapper = association.facts.mapper
    key: Sequence[Any] = mapper.primary_key
    is_same = [
        getattr(row, mapper.get_property_by_column(column).key) == secondary.corresponding_column(column)
        for column in key
    ]
    return sa.select(sa.literal(1)).select_from(row).where(*is_same).correlate_except(row).exists()


def scalar(source: Any, path: Path, attribute: str, *, descending: bool = False) -> Any:
    """Give one value at the end of a path as a subquery of the row that the path starts from.

    Args:
        descending: Whether, of many related rows, the one with the greatest value counts and not the least.
    """
    first, *others = path
    entity: Any = aliased(first.target.model)
    statement = sa.select(sa.literal(1)).select_from(entity).where(leads_to(source, first, entity))
    for relation in others:
        target: Any = aliased(relation.target.model)
        statement, entity = statement.join(leads_to(entity, relation, target)), target
    column = getattr(entity, attribute)
    order = [getattr(entity, item.attribute) for item in path[-1].target.key]
    if any(relation.many for relation in path):
        order.insert(0, column.desc() if descending else column)
    return statement.with_only_columns(column).order_by(*order).limit(1).scalar_subquery()


def follow(statement: sa.Select[Any], source: Any, relation: Relation) -> sa.Select[Any]:
    """Join an alias of a relation's source, and from there the rows that the relation leads to.

    SQLAlchemy would give a secondary table a name that nobody knows, and the order of a relationship may be by its
    columns.
    """
    secondary = relation.fact.secondary
    if secondary is None:
        return statement.select_from(source).join(getattr(source, relation.fact.name))
    relationship = relation.source.facts.mapper.relationships[relation.fact.name]
    to_secondary = ClauseAdapter(secondary)
    from_source = ClauseAdapter(sa.inspect(source).selectable).traverse(relationship.primaryjoin)
    association = relation.association
    return (
        statement.select_from(source)
        .join(secondary, to_secondary.traverse(from_source))
        .join(relation.target.model, to_secondary.traverse(relationship.secondaryjoin))
        .where(*([] if association is None else [leads_over(association, secondary)]))
    )
