"""Writing a row as one plain statement, while nobody would notice (`operations.listeners`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from flarchitect_core.operations.listeners import is_idle, is_plain, someone_listens_to_writes
from flarchitect_core.query.compile import key_conditions, key_parameters

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

    def serves(self, session: Session, values: Mapping[str, Any]) -> bool:
        """Say whether these attribute values may be written without an instance."""
        return (
            self._is_plain
            and bool(values)
            and values.keys() <= self._columns.keys()
            and is_idle(session)
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

    def _connection(self, session: Session) -> sa.Connection:
        return session.connection(bind_arguments={"mapper": self._mapper})

    def _by_column(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self._columns[attribute]: value for attribute, value in values.items()}
