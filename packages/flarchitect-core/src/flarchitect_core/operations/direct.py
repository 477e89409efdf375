"""Writing a row as one plain statement, while nobody would notice (`operations.listeners`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from flarchitect_core.operations.listeners import is_idle, is_plain, someone_listens_to_writes
from flarchitect_core.query.compile import key_conditions, key_parameters
from flarchitect_core.query.many_keys import is_one_of, parts_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["DirectWriter"]


class DirectWriter:
    """The statements of one resource, prepared once."""

    def __init__(self, resource: Resource) -> None:
        self._mapper = resource.facts.mapper
        self._columns: dict[str, str] = {
            fact.name: fact.column.key for fact in resource.facts.columns if fact.column is not None
        }
        self._is_plain = is_plain(resource)
        if self._is_plain:
            table: Any = self._mapper.local_table
            self._insert = sa.insert(table)
            self._update = sa.update(table).where(*key_conditions(resource, resource.model))
            key = [item.fact.attribute for item in resource.key]
            self._update_all = sa.update(table).where(is_one_of(key))
            self._insert_all = sa.insert(table).returning(*table.primary_key, sort_by_parameter_order=True)

    def serves(self, session: Session, values: Mapping[str, Any]) -> bool:
        """Say whether these attribute values may be written without an instance."""
        return (
            self._is_plain
            and bool(values)
            and values.keys() <= self._columns.keys()
            and is_idle(session, self._mapper)
            and not someone_listens_to_writes(session, self._mapper, self._columns)
        )

    def insert(self, session: Session, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Insert a row and give its key, empty when the database made no row."""
        result = self._connection(session).execute(self._insert, self._by_column(values))
        return tuple(result.inserted_primary_key or ())

    def update(self, session: Session, key: tuple[Any, ...], values: Mapping[str, Any]) -> bool:
        """Update a row and say whether there was one."""
        parameters = {**self._by_column(values), **key_parameters(key)}
        return self._connection(session).execute(self._update, parameters).rowcount > 0

    def insert_all(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]] | None:
        """Insert rows, and give their keys in the same order; `None` where the database does not tell them."""
        connection = self._connection(session)
        if not connection.dialect.insert_executemany_returning_sort_by_parameter_order:
            return None
        # Rows of one statement set the same columns, so that what a row leaves out takes its default.
        groups: dict[frozenset[str], list[int]] = {}
        for position, values in enumerate(rows):
            groups.setdefault(frozenset(values), []).append(position)
        keys: dict[int, tuple[Any, ...]] = {}
        for positions in groups.values():
            parameters = [self._by_column(rows[position]) for position in positions]
            inserted = connection.execute(self._insert_all, parameters).all()
            keys.update(zip(positions, map(tuple, inserted), strict=True))
        return [keys[position] for position in range(len(rows))]

    def update_all(self, session: Session, keys: Sequence[tuple[Any, ...]], values: Mapping[str, Any]) -> None:
        """Set the same values in many rows."""
        connection = self._connection(session)
        for some in parts_of(keys):
            connection.execute(self._update_all, {**self._by_column(values), **some})

    def _connection(self, session: Session) -> sa.Connection:
        return session.connection(bind_arguments={"mapper": self._mapper})

    def _by_column(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self._columns[attribute]: value for attribute, value in values.items()}
