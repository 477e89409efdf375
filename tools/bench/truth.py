"""Own what a database really holds, read past every peer, in the form an answer must show it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from models import Author, Book
from sqlalchemy import ColumnElement, Select, create_engine, func, select

JsonRow = dict[str, Any]
BOOKS = Book.__table__
AUTHORS = Author.__table__


class Truth:
    """Read-only view of one peer's database.

    Every call opens and ends its own transaction, so that it sees what the peer has committed and holds no lock.
    """

    def __init__(self, url: str) -> None:
        """Open an engine of its own on the peer's database."""
        self._engine = create_engine(url)

    def rows(self, statement: Select[Any]) -> list[JsonRow]:
        """Run a select over columns; one mapping of column name to JSON value per row, in order."""
        with self._engine.connect() as connection:
            found = connection.execute(statement).mappings()
            return [{name: _json(value) for name, value in row.items()} for row in found]

    def count(self, *criteria: ColumnElement[bool]) -> int:
        """Count the books that meet all criteria; without criteria all books."""
        with self._engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(BOOKS).where(*criteria)) or 0)

    def book(self, key: int) -> JsonRow | None:
        """Read one book by key; `None` when there is no such row."""
        return next(iter(self.rows(select(BOOKS).where(BOOKS.c.id == key))), None)

    def close(self) -> None:
        """Close all connections, so that the database can be dropped."""
        self._engine.dispose()


def _json(value: object) -> object:
    """Give the JSON form all peers agree on: decimals as strings, dates in ISO form."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
