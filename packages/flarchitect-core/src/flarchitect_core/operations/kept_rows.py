"""Rows that the database keeps although it was told to delete them: a policy of its own hides them from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult

__all__ = ["refusing_to_keep"]


@contextmanager
def refusing_to_keep(connection: Connection, table: Any, refusal: Exception) -> Iterator[None]:
    """Raise where a DELETE of rows of a table finds fewer of them than it names.

    PostgreSQL says nothing of a row that a policy for DELETE leaves out, and the ORM takes it for one that is gone.
    """

    def count(
        connection: Connection,
        statement: sa.Executable,
        many: Sequence[Mapping[str, Any]],
        one: Mapping[str, Any],
        options: Mapping[str, Any],
        result: CursorResult[Any],
    ) -> None:
        named = len(many) or 1
        is_counted = named == 1 or connection.dialect.supports_sane_multi_rowcount
        if isinstance(statement, sa.Delete) and statement.table is table and is_counted and result.rowcount < named:
            raise refusal

    sa.event.listen(connection, "after_execute", count)
    try:
        yield
    finally:
        sa.event.remove(connection, "after_execute", count)
