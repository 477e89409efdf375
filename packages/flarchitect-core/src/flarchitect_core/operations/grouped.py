"""Reading groups of rows: the one way by which every transport aggregates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flarchitect_core.operations.failures import refusing_comparisons, refusing_overflow
from flarchitect_core.operations.read import Page, read_by_number, require_parent
from flarchitect_core.query.compile import Scope, parameters_of
from flarchitect_core.query.compile_grouping import grouped_statements

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.query.expressions import CollectionQuery
    from flarchitect_core.query.grouping import Grouping
    from flarchitect_core.query.include import Executor

__all__ = ["fetch_groups"]


def fetch_groups(
    resource: Resource, query: CollectionQuery, grouping: Grouping, executor: Executor, scope: Scope | None = None
) -> Page:
    """Read one page of the groups of a resource, or of the rows that one parent leads to.

    Statements: one for the groups, and one for their number unless the page itself shows where they end; for a
    relation one more where the groups do not tell that the parent is there.

    Raises:
        NotFoundError: The parent of the scope does not exist.
        QueryError: The database cannot compute what was asked.
    """
    statements, parameters = grouped_statements(resource, query, grouping, scope), parameters_of(query, scope)
    fetch = partial(executor.execute, statements.resources, statements.rows)
    with refusing_comparisons(query), refusing_overflow():
        rows, extent = read_by_number(query, executor, statements, parameters, fetch)
    if scope is not None and (not rows or not grouping.columns):
        require_parent(scope.relation, scope.parent_key, query.view, executor)
    return Page([_record(grouping, row) for row in rows], extent)


def _record(grouping: Grouping, row: Sequence[Any]) -> Mapping[str, Any]:
    return {
        member.name: None if value is None else member.codec.to_json(value)
        for member, value in zip(grouping.members, row, strict=True)
    }
