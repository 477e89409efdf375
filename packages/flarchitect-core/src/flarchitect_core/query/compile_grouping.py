"""A `Grouping` to SQL: one select for the groups and one for their number, built once per query shape.

The rows are an inner select with plain columns, over which an outer one groups. So an expression with parameters of its
own, or a subquery, is written once, and what is grouped by is always a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.query.compile import Filters, Scope, Statements, key_conditions
from flarchitect_core.query.counting import capped, estimated
from flarchitect_core.query.expressions import CollectionQuery
from flarchitect_core.query.grouping import AGGREGATES, Aggregate, Grouping
from flarchitect_core.query.joins import Joins, follow
from flarchitect_core.query.search import search_clause

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["grouped_statements"]


def grouped_statements(
    resource: Resource, query: CollectionQuery, grouping: Grouping, scope: Scope | None = None
) -> Statements:
    """Give the statements of a query, from those kept when its shape was asked before."""
    shape = (
        grouping.shape,
        tuple(part.shape for part in query.where),
        len(query.words),
        query.view.include_deleted,
        query.count,
        scope.relation.source.model if scope else None,
        scope.relation.name if scope else None,
    )
    statements: Statements = resource.groupings.get(shape, lambda: _build(resource, query, grouping, scope))
    return statements


def _build(resource: Resource, query: CollectionQuery, grouping: Grouping, scope: Scope | None) -> Statements:
    source = _Source(resource, grouping)
    inner, mentioned = source.select(query, scope)
    resources = tuple(dict.fromkeys((resource, *grouping.resources(), *mentioned)))
    rows = inner.subquery("source")
    columns = [rows.c[source.label(member.path, member.field.attribute)] for member in grouping.columns]
    results = [*columns, *(_result(each, grouping, source, rows) for each in grouping.aggregates)]
    limit, offset = (sa.bindparam(name, type_=sa.BigInteger()) for name in ("row_limit", "row_offset"))
    groups = sa.select(*results).group_by(*columns).order_by(*_order(grouping, results)).limit(limit).offset(offset)
    count: sa.Select[Any] = sa.select(sa.func.count())
    if columns:
        each_group: sa.Select[Any] = sa.select(sa.literal_column("1").label("one")).select_from(rows).group_by(*columns)
        count = count.select_from(each_group.subquery("groups"))
    hidden = hide_deleted(resources, query.view.deleted_asked_by)
    groups, count = (statement.options(*hidden) for statement in (groups, count))
    bounded = capped(count) if query.count == "capped" else estimated(count) if query.count == "estimated" else None
    return Statements(groups, count, resources, bounded)


class _Source:
    """The rows that are grouped, with each column that the groups need once."""

    def __init__(self, resource: Resource, grouping: Grouping) -> None:
        self._resource = resource
        self._joins = Joins(resource.model)
        if grouping.spread is not None:
            self._joins.spread(grouping.spread, is_outer=grouping.is_outer)
        self._labels: dict[tuple[Any, str], str] = {}
        self._columns: list[Any] = []
        for member in grouping.members:
            self.label(member.path, member.field.attribute)
        if grouping.spread is not None:
            for key in resource.key:
                self.label((), key.attribute)

    def label(self, path: Any, attribute: str) -> str:
        """Give the label of a column, adding it when it is not there."""
        if (path, attribute) not in self._labels:
            self._labels[path, attribute] = name = f"value_{len(self._columns)}"
            self._columns.append(self._joins.column(path, attribute).label(name))
        return self._labels[path, attribute]

    def key_label(self) -> str:
        """Give the label of the key, which has one column."""
        return self.label((), self._resource.key[0].attribute)

    def select(self, query: CollectionQuery, scope: Scope | None) -> tuple[sa.Select[Any], list[Resource]]:
        """Give the select of the rows, and what its conditions mention besides their resource."""
        resource = self._resource
        filters = Filters(self._joins)
        conditions = filters.clauses(query.where, resource.model)
        mentioned = filters.resources
        if query.words and resource.search is not None:
            conditions.append(search_clause(resource.search, len(query.words), resource.model))
            mentioned = [*mentioned, *resource.search.resources()]
        statement = sa.select(*self._columns)
        if scope is None:
            statement = statement.select_from(resource.model)
        else:
            parent: Any = aliased(scope.relation.source.model)
            conditions += key_conditions(scope.relation.source, parent)
            statement = follow(statement, parent, scope.relation)
            mentioned = [*mentioned, scope.relation.source, *scope.relation.mentions]
        return self._joins.apply(statement).where(*conditions), mentioned


def _result(aggregate: Aggregate, grouping: Grouping, source: _Source, rows: Any) -> Any:
    column = rows.c[source.label(aggregate.path, aggregate.field.attribute)]
    if grouping.spread is not None and aggregate.function == "count" and aggregate.path[:1] != (grouping.spread,):
        # Each row once, however many joined rows it has.
        key = rows.c[source.key_label()]
        return sa.func.count(sa.case((column.is_not(None), key)).distinct())
    return AGGREGATES[aggregate.function].sql(column, aggregate.field)


def _order(grouping: Grouping, results: list[Any]) -> list[Any]:
    """Give the sort keys, and after them all columns, so that the order of groups is always the same."""
    order: list[Any] = []
    for key in grouping.order:
        result = results[key.position]
        if key.nulls is not None:
            # Not every database knows NULLS FIRST.
            is_null = sa.case((result.is_(None), 1), else_=0)
            order.append(is_null.desc() if key.nulls == "first" else is_null)
        order.append(result.desc() if key.descending else result)
    named = {key.position for key in grouping.order}
    return [*order, *(results[position] for position in range(len(grouping.columns)) if position not in named)]
