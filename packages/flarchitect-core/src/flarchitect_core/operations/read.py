"""Reading rows: the one way by which every transport lists, counts and fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core.errors import NotFoundError
from flarchitect_core.model.dumping import Record
from flarchitect_core.operations.failures import refusing_comparisons, row_not_kept
from flarchitect_core.query.compile import Scope, item_statement, key_parameters, parameters_of, statements_of
from flarchitect_core.query.expressions import CollectionQuery
from flarchitect_core.query.include import Executor, View, dump_rows, fetch_rows, plan_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource

__all__ = ["Page", "list_rows", "read_related_row", "read_row", "read_written_row"]

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records.

    Attributes:
        records: At most `limit` of the query; empty past the end.
        total: Rows before paging.
    """

    records: list[Record]
    total: int


def list_rows(resource: Resource, query: CollectionQuery, executor: Executor, scope: Scope | None = None) -> Page:
    """Read one page of a resource, or of the rows that one parent leads to.

    Statements: one for the rows, one for each inlined relation, and one for the count unless the page itself shows
    where the rows end; for an empty relation one more, to tell an empty list from a missing parent.

    Raises:
        NotFoundError: The parent of the scope does not exist.
    """
    plan = plan_of(resource, query.view)
    statements = statements_of(plan, query, scope)
    parameters = parameters_of(query, scope)
    window = {"row_limit": query.limit, "row_offset": query.offset}
    with refusing_comparisons(query):
        rows = fetch_rows(plan, executor, statements.rows, {**parameters, **window})
    if not rows and scope is not None:
        _require_parent(scope.relation, scope.parent_key, executor)
    total = _total(resource, query, len(rows), executor, statements.count, parameters)
    return Page(dump_rows(plan, rows, executor), total)


def _total(
    resource: Resource,
    query: CollectionQuery,
    found: int,
    executor: Executor,
    statement: sa.Select[Any],
    parameters: dict[str, Any],
) -> int:
    if found < query.limit and (found or query.page == 1):
        return query.offset + found
    count: int = executor.execute(resource.model, statement, parameters)[0][0]
    return count


def read_row(resource: Resource, key: Key | None, view: View, executor: Executor) -> Record:
    """Read one row by key.

    Args:
        key: Column values, or `None` when the text in the URL cannot be a key; both read the same to the caller.

    Raises:
        NotFoundError: There is no such row.
    """
    if key is None:
        raise _row_not_found(resource)
    plan = plan_of(resource, view)
    rows = fetch_rows(plan, executor, item_statement(plan), key_parameters(key))
    if not rows:
        raise _row_not_found(resource)
    return dump_rows(plan, rows, executor)[0]


def read_written_row(resource: Resource, key: Key, view: View, executor: Executor) -> Record:
    """Read a row in the transaction that wrote it.

    Raises:
        ConflictError: The database kept it under another key, or not at all.
    """
    try:
        return read_row(resource, key, view, executor)
    except NotFoundError as error:
        raise row_not_kept(resource) from error


def read_related_row(relation: Relation, parent_key: Key | None, view: View, executor: Executor) -> Record:
    """Read the row that a to-one relation leads to.

    Raises:
        NotFoundError: The parent does not exist, or it leads to no row.
    """
    if parent_key is None:
        raise parent_not_found(relation)
    plan = plan_of(relation.target, view)
    query = CollectionQuery(view)
    scope = Scope(relation, parent_key)
    window = {"row_limit": 1, "row_offset": 0}
    statement = statements_of(plan, query, scope).rows
    rows = fetch_rows(plan, executor, statement, {**parameters_of(query, scope), **window})
    if not rows:
        _require_parent(relation, parent_key, executor)
        raise _row_not_found(relation.target)
    return dump_rows(plan, rows, executor)[0]


def _require_parent(relation: Relation, key: Key, executor: Executor) -> None:
    view = View(fields=tuple(item.name for item in relation.source.key), relations=False)
    plan = plan_of(relation.source, view)
    if not fetch_rows(plan, executor, item_statement(plan), key_parameters(key)):
        raise parent_not_found(relation)


def parent_not_found(relation: Relation) -> NotFoundError:
    """Say that the row whose relation was asked for does not exist."""
    return NotFoundError(f"{relation.source.name} not found.", reason="parent_not_found")


def _row_not_found(resource: Resource) -> NotFoundError:
    return NotFoundError("Resource not found.", reason="row_not_found", details={"resource": resource.name})
