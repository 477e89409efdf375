"""What a client names in filters, sort keys and selections: fields of the rows, and of rows that relations lead to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flarchitect_core.errors import QueryError
from flarchitect_core.model.join_tokens import normalise_join_token
from flarchitect_core.query.values import hint
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.query.expressions import Path

__all__ = ["Names", "joinable", "no_column", "readable_relations", "require_no_judge"]


class Names:
    """Finds the fields that names mean in one request.

    Only published relations to models that may be read count, and fields that may be queried; all others are as if
    they were not there.

    Attributes:
        joined: Relations named in `join`, in their order.
        depth: Most relations that a path may lead over.
    """

    def __init__(self, resource: Resource, joined: Sequence[Relation], depth: int) -> None:
        self.resource = resource
        self.joined = joined
        self.depth = depth

    def find(self, target: str) -> tuple[Path, Field]:
        """Find a field by `name`, `table.name` or `relation.relation.name`.

        A plain name means the field of the row itself, else that of the first joined relation that has one.

        Raises:
            QueryError: There is no such field.
        """
        *steps, name = target.split(".")
        path = self.path(steps)
        require_no_judge(relation.target for relation in path)
        owner = path[-1].target if path else self.resource
        field = _queryable(owner, name)
        if field is not None:
            return path, field
        if steps:
            raise no_column(name, owner.queryable_names())
        for relation in self.joined:
            field = _queryable(relation.target, name)
            if field is not None:
                require_no_judge([relation.target])
                return (relation,), field
        joined = [each for relation in self.joined for each in relation.target.queryable_names()]
        raise no_column(name, [*owner.queryable_names(), *joined])

    def is_known(self, target: str) -> bool:
        """Say whether `find` finds a field."""
        try:
            self.find(target)
        except QueryError:
            return False
        return True

    def path(self, steps: Sequence[str]) -> Path:
        """Find the relations that the words before the last dot mean.

        Raises:
            QueryError: A word means none, or there are too many.
        """
        if not steps:
            return ()
        first, *others = steps
        joined = self.joined_as(first)
        if joined is not None:
            path = [joined]
        elif first in self.resource.table_names:
            path = []
        else:
            path = [self._step(self.resource, first)]
        most = self.depth if joined is None else max(self.depth, 1)
        for step in others:
            if len(path) > most:
                # The rest of a long path is not even looked at.
                break
            path.append(self._step(path[-1].target if path else self.resource, step))
        if len(path) > most:
            raise QueryError(
                f"The path {'.'.join(steps)[:200]} leads over more than {most} relations.",
                reason="relation_path_too_deep",
                details={"maximum": most},
            )
        return tuple(path)

    def joined_as(self, word: str) -> Relation | None:
        """Find the joined relation that a word before a dot means: its own name first, then any other spelling."""
        normal = normalise_join_token(word)
        for relation in self.joined:
            if normal in (relation.name, relation.fact.name) or word == relation.name:
                return relation
        for relation in self.joined:
            if normal in relation.tokens or word in relation.target.table_names:
                return relation
        return None

    def _step(self, resource: Resource, word: str) -> Relation:
        relation = joinable(resource, word)
        if relation is not None and relation.is_shown:
            return relation
        shown = [each.name for each in readable_relations(resource) if each.is_shown]
        near = nearest(word, [*shown, *sorted(resource.table_names)])
        raise QueryError(f"Invalid table name: {word[:100]}.{hint(near)}", reason="invalid_table", suggestions=near)


def joinable(resource: Resource, token: str) -> Relation | None:
    """Find the relation that a client means: its own name first, then any other spelling."""
    normal = normalise_join_token(token)
    readable = readable_relations(resource)
    for relation in readable:
        if normal in (relation.name, relation.fact.name) or token.strip() == relation.name:
            return relation
    return next((relation for relation in readable if normal in relation.tokens), None)


def readable_relations(resource: Resource) -> list[Relation]:
    """List the relations to rows that may be read."""
    return [each for each in resource.relations.values() if each.is_readable]


def no_column(name: str, candidates: Iterable[str]) -> QueryError:
    """Say that there is no such column, with the nearest one."""
    near = nearest(name, candidates)
    return QueryError(f"Invalid column name: {name[:100]}.{hint(near)}", reason="invalid_column", suggestions=near)


def require_no_judge(resources: Iterable[Resource]) -> None:
    """Refuse to look into rows that a policy judges one by one: what a filter finds would tell of those it refuses.

    Raises:
        QueryError: One of the resources has such rows.
    """
    for resource in resources:
        if resource.judges_reads:
            raise QueryError(
                f"Rows of {resource.name} are judged one by one; nothing is filtered, sorted or grouped by them.",
                reason="policy_judges_rows",
            )


def _queryable(resource: Resource, name: str) -> Field | None:
    field = resource.field(name)
    return field if field is not None and field.is_queryable else None
