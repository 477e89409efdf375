"""Statements of one nested write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import CircularDependencyError, SQLAlchemyError

from flarchitect_core.errors import ApiError, ConflictError
from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.operations.failures import refusing_blanked_keys, write_failure
from flarchitect_core.query.many_keys import parts_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.operations.nested.rows import Key, NestedRow
    from flarchitect_core.operations.operation import Operation

__all__ = ["NestedWork"]


@dataclass(frozen=True, slots=True)
class NestedWork:
    """Where and for whom a tree of rows is written."""

    session: Session
    operation: Operation
    executor: SessionExecutor

    def run(self, resources: Sequence[Resource], statement: sa.Select[Any], keys: Sequence[Key]) -> Iterator[Any]:
        """Run a select for these keys, over the rows of these resources that the request may see."""
        asked_by = self.operation.method if self.operation.include_deleted else None
        statement = statement.options(*hide_deleted(resources, asked_by))
        restricted = self.executor.restricted(resources, statement)
        for some in parts_of(keys):
            yield from self.session.execute(restricted, some)

    def flush(self, root: NestedRow) -> None:
        """Send what the session holds.

        Raises:
            ApiError: What the database refused, told of the row that it refused where this is known.
        """
        try:
            with refusing_blanked_keys(root.resource):
                self.session.flush()
        except CircularDependencyError as error:
            raise ConflictError(
                "The nested rows refer to each other in a circle. Write them one after the other.",
                reason="circular_rows",
            ) from error
        except (SQLAlchemyError, OverflowError) as error:
            resource = _written(error, root)
            failure = write_failure(error, resource)
            if isinstance(failure, ApiError) and resource is not root.resource:
                # Which of the nested rows it was, the database does not say.
                failure.fields = None
            raise failure from error


def _written(error: Exception, root: NestedRow) -> Resource:
    """Find the resource whose row the database refused."""
    match = re.match(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+([\w."`\[\]]+)', getattr(error, "statement", None) or "")
    name = re.sub(r'["`\[\]]', "", match[1]).rpartition(".")[2] if match else ""
    linking = (link_rows.resource for _, link_rows in root.all_linking() if link_rows.is_published)
    for resource in (*(row.resource for row in root.all_rows()), *linking):
        tables: Any = resource.facts.mapper.tables
        if any(getattr(table, "name", None) == name for table in tables):
            return resource
    return root.resource
