"""Locks on rows that a request is going to write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["WriteLock", "in_order", "locked"]

Key = tuple[Any, ...]


def locked(by_key: sa.Select[Any], resource: Resource) -> sa.Select[Any]:
    """Let the select of rows wait for whoever changes them, and see what was committed last.

    The ORM writes only what differs from what was read, which the transaction of MariaDB and MySQL takes from the
    time of its first statement. A version column finds out by itself. `key_share` lets others refer to the row.
    """
    mapper = resource.facts.mapper
    base: Any = mapper.base_mapper.local_table
    if mapper.version_id_col is not None or not isinstance(base, sa.Table):
        return by_key
    # Subclasses that are loaded with their parent stand in outer joins, which PostgreSQL does not lock.
    return by_key.with_for_update(key_share=True, of=base if mapper.with_polymorphic_mappers else None)


class WriteLock:
    """Lets a transaction of SQLite be one that writes from its beginning; on other databases it does nothing.

    SQLite knows no row locks, and its driver begins a transaction with the first statement that writes: what is read
    before could be another row by then, and a savepoint before would be a transaction of its own.
    """

    def __init__(self, resource: Resource) -> None:
        self._mapper = resource.facts.mapper
        table: Any = self._mapper.base_mapper.local_table
        self._deletes_nothing = sa.delete(table).where(sa.false()) if isinstance(table, sa.Table) else None

    def take(self, session: Session) -> None:
        """Begin to write, where nothing else would keep others from writing the rows that are read next."""
        connection = session.connection(bind_arguments={"mapper": self._mapper})
        if connection.dialect.name == "sqlite" and self._deletes_nothing is not None:
            connection.execute(self._deletes_nothing)


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Sort keys as databases do, so that statements for a few hundred each lock them in one order."""
    known = list(keys)
    try:
        return sorted(known)
    except TypeError:
        # Keys of a type without an order.
        return known
