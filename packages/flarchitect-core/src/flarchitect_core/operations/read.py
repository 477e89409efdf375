"""Reading rows: the one way by which every transport lists, counts and fetches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flarchitect_core.access.identity import known_user
from flarchitect_core.errors import NotFoundError
from flarchitect_core.model.dumping import Record
from flarchitect_core.operations.failures import refusing_comparisons
from flarchitect_core.query.compile import (
    Scope,
    Statements,
    item_statement,
    key_parameters,
    parameters_of,
    statements_of,
)
from flarchitect_core.query.counting import CountKind, estimate_of, without_estimate
from flarchitect_core.query.cursor import Cursors, Position
from flarchitect_core.query.expressions import CollectionQuery
from flarchitect_core.query.fingerprint import fingerprint_of
from flarchitect_core.query.include import Executor, LoadPlan, dump_rows, fetch_rows
from flarchitect_core.query.keyset import position_parameters
from flarchitect_core.query.paging import Extent
from flarchitect_core.query.plans import plan_of
from flarchitect_core.query.view import View
from flarchitect_core.users import user_key

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource

__all__ = ["Fetched", "Page", "fetch_page", "fetch_related_row", "fetch_row", "parent_not_found", "read_by_number"]
__all__ += ["require_parent"]

Key = tuple[Any, ...]
_ALONE = Extent()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records.

    Attributes:
        records: At most `limit` of the query; empty past the end.
        extent: What is known of the rows around it.
    """

    records: Sequence[Any]
    extent: Extent = _ALONE


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows that were read and not yet dumped.

    Attributes:
        extent: What is known of the rows around them.
    """

    plan: LoadPlan
    rows: Sequence[Any]
    extent: Extent = _ALONE

    def dump(self, executor: Executor) -> list[Record]:
        """Give the records, loading what is inlined in them."""
        return dump_rows(self.plan, self.rows, executor)

    def instances(self) -> list[Any]:
        """Give the instances at the ends of the rows, of a view that asked for them."""
        return [row[-1] for row in self.rows]

    def holding(self, instances: Sequence[Any]) -> Fetched:
        """Give the rows of other instances, or of the same ones changed; what only SQL knew of them is kept.

        An instance that stands in several rows, as joined columns have it, takes them in their order.
        """
        known: dict[int, list[Any]] = {}
        for row in reversed(self.rows):
            known.setdefault(id(row[-1]), []).append(row)
        width = len(self.rows[0]) if self.rows else 0
        width = max(width, 1 + max(self.plan.positions.values(), default=0) + 1)
        rows = []
        for instance in instances:
            left = known.get(id(instance), [[None] * width])
            values = [*(left.pop() if len(left) > 1 else left[0])]
            for attribute, position in self.plan.positions.items():
                values[position] = getattr(instance, attribute)
            values[-1] = instance
            rows.append(tuple(values))
        return Fetched(self.plan, rows, self.extent)


def fetch_page(
    resource: Resource, query: CollectionQuery, executor: Executor, cursors: Cursors, scope: Scope | None = None
) -> Fetched:
    """Read one page of a resource, or of the rows that one parent leads to.

    Statements: one for the rows, one for each inlined relation, and one for the count unless the page itself shows
    where the rows end; for an empty relation one more, to tell an empty list from a missing parent.

    Raises:
        NotFoundError: The parent of the scope does not exist.
        QueryError: The cursor is not one of this query.
    """
    plan = plan_of(resource, query.view)
    read = _read_by_number if query.cursor is None else partial(_read_by_cursor, cursors)
    with refusing_comparisons(query):
        rows, extent = read(plan, query, executor, scope)
    if not rows and scope is not None:
        require_parent(scope.relation, scope.parent_key, query.view, executor)
    return Fetched(plan, rows, extent)


def _read_by_number(
    plan: LoadPlan, query: CollectionQuery, executor: Executor, scope: Scope | None
) -> tuple[Sequence[Any], Extent]:
    statements, parameters = statements_of(plan, query, scope), parameters_of(query, scope)

    def fetch(window: Mapping[str, Any]) -> Sequence[Any]:
        return fetch_rows(plan, executor, statements.rows, window, statements.resources)

    return read_by_number(query, executor, statements, parameters, fetch)


def read_by_number(
    query: CollectionQuery,
    executor: Executor,
    statements: Statements,
    parameters: dict[str, Any],
    fetch: Callable[[Mapping[str, Any]], Sequence[Any]],
) -> tuple[Sequence[Any], Extent]:
    """Read the page of a number, and count as exactly as was asked for.

    Args:
        parameters: Those that both selects take.
        fetch: Runs the select of the rows.
    """
    # Without an exact count, one row more tells whether others follow.
    further = query.count != "exact"
    window = {"row_limit": query.limit + further, "row_offset": query.offset}
    rows = fetch({**parameters, **window})
    has_next, rows = len(rows) > query.limit, rows[: query.limit]
    if len(rows) < query.limit and (rows or query.page == 1) and query.count != "none":
        return rows, Extent(query.offset + len(rows))
    total, kind = _total(query, executor, statements, parameters)
    return rows, Extent(total, kind, has_next, is_empty=not rows)


def _read_by_cursor(
    cursors: Cursors, plan: LoadPlan, query: CollectionQuery, executor: Executor, scope: Scope | None
) -> tuple[Sequence[Any], Extent]:
    # A cursor tells where its reader is among rows that others may not see.
    fingerprint = fingerprint_of(plan.resource, query, scope, reader=user_key(known_user()))
    position = cursors.read(query.cursor, fingerprint) if query.cursor else None
    backward = position is not None and position.backward
    statements, parameters = statements_of(plan, query, scope, position), parameters_of(query, scope)
    window = {"row_limit": query.limit + 1, **position_parameters(() if position is None else position.values)}
    has_instances = plan.complete is not None
    found = executor.execute(statements.resources, statements.rows, {**parameters, **window}, instances=has_instances)
    goes_on, found = len(found) > query.limit, found[: query.limit]
    if backward:
        found = found[::-1]
    width = statements.position_width

    def cursor_at(row: Any, *, backward: bool) -> str:
        return cursors.write(Position(tuple(row[-width:]), backward), fingerprint)

    has_next, has_previous = (bool(found), goes_on) if backward else (goes_on, bool(found) and position is not None)
    total, kind = _total(query, executor, statements, parameters)
    extent = Extent(
        total,
        kind,
        has_next,
        is_empty=not found,
        next_cursor=cursor_at(found[-1], backward=False) if has_next else None,
        previous_cursor=cursor_at(found[0], backward=True) if has_previous else None,
    )
    rows = [tuple(row)[:-width] for row in found]
    return (rows if plan.complete is None else plan.complete(rows)), extent


def _total(
    query: CollectionQuery, executor: Executor, statements: Statements, parameters: dict[str, Any]
) -> tuple[int | None, CountKind]:
    """Count the rows before paging, as exactly as was asked for."""
    if query.count == "none":
        return None, "none"
    if statements.bounded is None:
        count: int = executor.execute(statements.resources, statements.count, parameters)[0][0]
        return count, "exact"
    cap = query.count_limit
    parameters = {**parameters, "count_limit": cap + 1}
    bounded = statements.bounded
    if query.count == "estimated" and executor.hides_rows(statements.resources):
        # What the planner expects of a filter comes from all rows, those that the caller may not see among them.
        bounded = without_estimate(bounded)
    found, is_estimate = estimate_of(executor.execute(statements.resources, bounded, parameters)[0][0])
    if is_estimate:
        return found, "estimated"
    return (found, "exact") if found <= cap else (cap, "capped")


def fetch_row(resource: Resource, key: Key | None, view: View, executor: Executor) -> Fetched:
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
    return Fetched(plan, rows)


def fetch_related_row(relation: Relation, parent_key: Key | None, view: View, executor: Executor) -> Fetched:
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
    statements = statements_of(plan, query, scope)
    parameters = {**parameters_of(query, scope), **window}
    rows = fetch_rows(plan, executor, statements.rows, parameters, statements.resources)
    if not rows:
        require_parent(relation, parent_key, view, executor)
        raise _row_not_found(relation.target)
    return Fetched(plan, rows)


def require_parent(relation: Relation, key: Key, view: View, executor: Executor) -> None:
    """Check that the row whose relation was asked for exists.

    Args:
        view: What the request sees; of it, whether deleted rows count.

    Raises:
        ForbiddenError: It does, and its policy refuses to show it.
        NotFoundError: It does not.
    """
    names = tuple(item.name for item in relation.source.key)
    plan = plan_of(relation.source, View(fields=names, relations=False, include_deleted=view.include_deleted))
    rows = fetch_rows(plan, executor, item_statement(plan), key_parameters(key))
    if not rows:
        raise parent_not_found(relation)
    executor.shown(relation.source, rows)


def parent_not_found(relation: Relation) -> NotFoundError:
    """Say that the row whose relation was asked for does not exist."""
    return NotFoundError(f"{relation.source.name} not found.", reason="parent_not_found")


def _row_not_found(resource: Resource) -> NotFoundError:
    return NotFoundError("Resource not found.", reason="row_not_found", details={"resource": resource.name})
