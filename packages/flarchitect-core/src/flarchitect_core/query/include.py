"""What to load for an answer: the columns of the rows, and one statement for each inlined relation.

A plan depends on the models and on what the client asked to see, never on rows, so it is built once and kept. The
number of statements of a request is the number of includes in its plan plus one (decisions 11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from flarchitect_core.bounded import BoundedCache
from flarchitect_core.errors import QueryError
from flarchitect_core.model.dumping import (
    DumpFunction,
    Record,
)
from flarchitect_core.query.joins import Joins

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource

__all__ = ["KEYS", "MOST", "Executor", "Include", "LoadPlan", "dump_rows", "fetch_rows"]

SHAPES_PER_PLAN = 64

# Bind parameters of the statement of an include: the keys of its parents, and how many rows are asked for.
KEYS = "keys"
MOST = "most"

# Bind parameters that every database takes in one statement, and pairs that PostgreSQL compares within its stack.
_KEYS_MAX = 30_000
_COMPOSITE_KEYS_MAX = 1_000


class Executor(Protocol):
    """Runs statements for the models of one request."""

    @property
    def root(self) -> str:
        """URL root of the request, without trailing slash, empty for most applications."""
        ...

    def inline_rows_max(self, model: type) -> int:
        """Give `API_INLINE_ROWS_MAX` of a model."""
        ...

    def execute(
        self,
        resources: Sequence[Resource],
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        instances: bool = False,
    ) -> Sequence[Any]:
        """Run a select and give all rows.

        Args:
            resources: Every resource that the statement mentions; it runs on the database of the first one.
            instances: Whether it gives instances.
        """
        ...

    def dumped(self, resource: Resource, records: list[Record]) -> list[Record]:
        """Give the records of a resource as the callbacks of the application leave them."""
        ...

    def hides_rows(self, resources: Sequence[Resource]) -> bool:
        """Say whether conditions of the application hide rows of any of these resources."""
        ...

    def shown(self, resource: Resource, rows: Sequence[Any]) -> None:
        """Let the policy of a resource see the rows that are about to be shown."""
        ...


@dataclass(eq=False, slots=True)
class LoadPlan:
    """How to read and dump the rows of one resource for one view.

    Attributes:
        statement: Select of the columns, without condition, order or limit.
        complete: Adds what only instances know to the rows; `None` when columns are enough.
        positions: Mapped attribute to its position in the row.
        resources: Every resource that the statement mentions, its own first.
        names: Keys of a record, in their order.
        joins: What a statement built on this one must join for its columns.
        statements: Statements built on this plan, one for each query shape.
    """

    resource: Resource
    statement: sa.Select[Any]
    dump: DumpFunction
    includes: tuple[Include, ...]
    complete: Callable[[Sequence[Any]], Sequence[Any]] | None
    positions: Mapping[str, int]
    names: tuple[str, ...]
    resources: tuple[Resource, ...]
    joins: Joins
    statements: BoundedCache[Any, Any] = field(default_factory=lambda: BoundedCache(SHAPES_PER_PLAN))


@dataclass(eq=False, slots=True)
class Include:
    """One relation to load with the rows of a plan.

    Attributes:
        parent: Positions in the parent's row that lead to the related rows.
        child: Positions in the related row that hold the same values.
        statement: Select of the related rows with the parameter `keys`, and `most` when there may be many of a parent.
        resources: Every resource that the statement mentions, that of the related rows first.
    """

    relation: Relation
    plan: LoadPlan
    parent: tuple[int, ...]
    child: tuple[int, ...]
    statement: sa.Select[Any]
    resources: tuple[Resource, ...]

    def load(self, rows: Sequence[Any], executor: Executor) -> Mapping[Any, Any]:
        """Load the related rows of all rows at once.

        Returns:
            Parent's values (a tuple when there are several) to the related record, or to the list of them.

        Raises:
            QueryError: More rows than one answer may carry.
        """
        parent_key, child_key = itemgetter(*self.parent), itemgetter(*self.child)
        keys = dict.fromkeys(key for key in map(parent_key, rows) if not _has_null(key))
        if not keys:
            return {}
        if len(keys) > (_KEYS_MAX if len(self.parent) == 1 else _COMPOSITE_KEYS_MAX):
            raise self._too_many_parents(len(keys))
        model = self.relation.target.model
        parameters: dict[str, Any] = {KEYS: list(keys)}
        most = None if self.relation.fact.is_reference else executor.inline_rows_max(model)
        if most is not None:
            parameters[MOST] = most + 1
        related = fetch_rows(self.plan, executor, self.statement, parameters, self.resources)
        if most is not None and len(related) > most:
            raise self._too_many(most)
        records = dump_rows(self.plan, related, executor)
        if not self.relation.many:
            # Of several candidates the first one counts, so it is put in last.
            return dict(zip(map(child_key, reversed(related)), reversed(records), strict=True))
        groups: dict[Any, list[Record]] = {}
        for key, record in zip(map(child_key, related), records, strict=True):
            groups.setdefault(key, []).append(record)
        return groups

    def _too_many_parents(self, found: int) -> QueryError:
        return QueryError(
            f"The relation {self.relation.name!r} cannot be inlined in {found} rows at once. Ask for fewer rows with "
            f"`limit`, or for links with `dump=url`.",
            reason="too_many_related_rows",
            details={"relation": self.relation.name},
        )

    def _too_many(self, most: int) -> QueryError:
        relation = self.relation
        return QueryError(
            f"The relation {relation.name!r} would add more than {most} rows to this answer. Ask for fewer rows with "
            f"`limit`, or follow the link of each row: it is paged.",
            reason="too_many_related_rows",
            details={"relation": relation.name, "maximum": most},
        )


def _has_null(key: Any) -> bool:
    return key is None or (isinstance(key, tuple) and None in key)


def fetch_rows(
    plan: LoadPlan,
    executor: Executor,
    statement: sa.Select[Any],
    parameters: Mapping[str, Any],
    resources: Sequence[Resource] = (),
) -> Sequence[Any]:
    """Run a statement built on a plan and give its complete rows.

    Args:
        resources: What the statement mentions, when it is more than the plan does.
    """
    mentioned = resources or plan.resources
    if plan.complete is None:
        return executor.execute(mentioned, statement, parameters)
    return plan.complete(executor.execute(mentioned, statement, parameters, instances=True))


def dump_rows(plan: LoadPlan, rows: Sequence[Any], executor: Executor) -> list[Record]:
    """Dump rows of a plan, loading what is inlined in them."""
    executor.shown(plan.resource, rows)
    inlined = [include.load(rows, executor) for include in plan.includes]
    return executor.dumped(plan.resource, plan.dump(rows, executor.root, inlined))
