"""Exporting: all rows of a query, one chunk after the other, in the memory that one chunk needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from flarchitect_core.errors import QueryError
from flarchitect_core.model.dumping import Record
from flarchitect_core.operations.read import require_parent
from flarchitect_core.query.compile import Scope, Statements, parameters_of, statements_of
from flarchitect_core.query.expressions import CollectionQuery
from flarchitect_core.query.include import Executor, LoadPlan, dump_rows, fetch_rows
from flarchitect_core.query.plans import plan_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["Export", "StreamingExecutor", "export_rows"]

CHUNK_ROWS = 500


class StreamingExecutor(Executor, Protocol):
    """Runs statements for the models of one request, and gives rows before all of them are there."""

    def begin_snapshot(self, resource: Resource, *, instances: bool = False) -> bool:
        """Let all that is read from now on be of one moment; say whether selects can run beside `stream`."""
        ...

    def stream(
        self,
        resources: Sequence[Resource],
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        size: int,
        instances: bool = False,
    ) -> Iterator[Sequence[Any]]:
        """Run a select and give its rows in chunks."""
        ...


@dataclass(frozen=True, slots=True)
class Export:
    """The rows of an export.

    Attributes:
        names: Keys of a record, in their order.
        chunks: Lists of records, read when they are asked for, within the request.
    """

    names: tuple[str, ...]
    chunks: Iterator[list[Record]]


def export_rows(
    resource: Resource,
    query: CollectionQuery,
    executor: StreamingExecutor,
    scope: Scope | None = None,
    *,
    limit: int | None,
    most: int,
) -> Export:
    """Read all rows of a query, whatever its page is. The first chunk is read at once, so that it may still fail.

    Args:
        limit: How many rows the client wants at most.
        most: How many rows there may be at most.

    Raises:
        NotFoundError: The parent of the scope does not exist.
        QueryError: There are more rows than `most`.
    """
    plan = plan_of(resource, query.view)
    statements = statements_of(plan, query, scope)
    parameters = parameters_of(query, scope)
    can_interleave = executor.begin_snapshot(resource, instances=_makes_instances(plan))
    if limit is None:
        found: int = executor.execute(statements.resources, statements.count, parameters)[0][0]
        if found > most:
            raise QueryError(
                f"The export would have {found} rows, more than {most}. Send filters for fewer, or `limit`.",
                reason="too_many_rows",
                details={"maximum": most},
            )
    read = _streamed if can_interleave or not (plan.includes or plan.complete) else _paged
    rows = read(plan, executor, statements, parameters, limit or most)
    first = next(rows, ())
    if not first and scope is not None:
        require_parent(scope.relation, scope.parent_key, query.view, executor)
    chunks = chain([_dump(plan, first, executor)], (_dump(plan, chunk, executor) for chunk in rows))
    return Export(plan.names, chunks)


def _makes_instances(plan: LoadPlan) -> bool:
    """Say whether the rows, or those inlined in them, are instances: a session then reads all of it."""
    return plan.complete is not None or any(_makes_instances(include.plan) for include in plan.includes)


def _streamed(
    plan: LoadPlan, executor: StreamingExecutor, statements: Statements, parameters: Mapping[str, Any], most: int
) -> Iterator[Sequence[Any]]:
    """Read from one open result."""
    complete, instances = plan.complete, plan.complete is not None
    window = {**parameters, "row_limit": most, "row_offset": 0}
    resources, statement = statements.resources, statements.rows
    for rows in executor.stream(resources, statement, window, size=CHUNK_ROWS, instances=instances):
        yield rows if complete is None else complete(rows)


def _paged(
    plan: LoadPlan, executor: StreamingExecutor, statements: Statements, parameters: Mapping[str, Any], most: int
) -> Iterator[Sequence[Any]]:
    """Read page after page, for a connection that must be free for the relations of each chunk."""
    for offset in range(0, most, CHUNK_ROWS):
        size = min(CHUNK_ROWS, most - offset)
        window = {**parameters, "row_limit": size, "row_offset": offset}
        rows = fetch_rows(plan, executor, statements.rows, window, statements.resources)
        if rows:
            yield rows
        if len(rows) < size:
            return


def _dump(plan: LoadPlan, rows: Sequence[Any], executor: Executor) -> list[Record]:
    """Dump a chunk; in halves when its related rows are more than one answer may carry."""
    try:
        return dump_rows(plan, rows, executor)
    except QueryError as error:
        if error.reason != "too_many_related_rows" or len(rows) < 2:
            raise
    middle = len(rows) // 2
    return _dump(plan, rows[:middle], executor) + _dump(plan, rows[middle:], executor)
