"""Pages by position: the condition that rows stand after one row, or before it, in the order of a statement.

Values are compared as the database keeps them. What Python makes of a value may be rounded, and a row that is compared
with a rounded value of itself would be given twice or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator

from flarchitect_core.query.ordering import SortTerm

__all__ = ["Keyset", "position_parameters"]

# Their drivers give and take all values as they are kept; PostgreSQL's take them by the type of the column.
_RAW_DATABASES = ("sqlite", "mysql", "mariadb")


def position_parameters(values: Sequence[Any]) -> dict[str, Any]:
    """Give the values of the row that a page begins at as bind parameters."""
    return {_name(index): value for index, value in enumerate(values) if value is not None}


class Keyset:
    """The sort terms of a statement as a position in its order.

    Args:
        terms: Sort terms that no two rows share.
        backward: Whether rows are read against the order.
    """

    def __init__(self, terms: Sequence[SortTerm], *, backward: bool = False) -> None:
        definite = [_comparable(term.definite()) for term in terms]
        self._terms = [term.reversed() for term in definite] if backward else definite

    def __len__(self) -> int:
        return len(self._terms)

    def order(self) -> list[Any]:
        """Give what stands in ORDER BY."""
        return [term.clause() for term in self._terms]

    def values(self) -> list[Any]:
        """Give the columns that hold the position of a row."""
        # Under names of their own, or they would be taken for the columns of an instance in the same row.
        return [_exact(term.column).label(f"flarchitect_position_{i}") for i, term in enumerate(self._terms)]

    def after(self, nulls: Sequence[bool]) -> Any:
        """Give the condition that a row stands after the one whose values are `position_parameters`.

        Args:
            nulls: Which of these values are NULL.
        """
        parameters = [_parameter(index, term.column) for index, term in enumerate(self._terms)]
        condition = _after(list(zip(self._terms, parameters, nulls, strict=True)))
        if len(self._terms) > 1 and len({(term.descending, term.nullable) for term in self._terms}) == 1:
            first = self._terms[0]
            if not first.nullable:
                row, position = sa.tuple_(*(term.column for term in self._terms)), sa.tuple_(*parameters)
                return _After(row < position if first.descending else row > position, condition)
        return condition


def _after(compared: Sequence[tuple[SortTerm, Any, bool]]) -> Any:
    """Compare from left to right. The bound on the first column is what an index is searched by."""
    (term, value, is_null), *others = compared
    column = term.column
    rest = _after(others) if others else sa.false()
    if is_null:
        beyond = column.is_not(None) if term.nulls == "first" else sa.false()
        return sa.or_(beyond, sa.and_(column.is_(None), rest))
    greater, reached = (column < value, column <= value) if term.descending else (column > value, column >= value)
    if term.nulls == "last":
        greater, reached = sa.or_(greater, column.is_(None)), sa.or_(reached, column.is_(None))
    return sa.and_(reached, sa.or_(greater, sa.and_(column == value, rest))) if others else greater


class _After(FunctionElement[bool]):
    """A comparison of rows, and the same column by column for databases that use no index for the first."""

    inherit_cache = True
    type = sa.Boolean()
    name = "after"


@compiles(_After)
def _by_row(element: _After, compiler: SQLCompiler, **arguments: Any) -> str:
    return f"({compiler.process(next(iter(element.clauses)), **arguments)})"


@compiles(_After, "mysql", "mariadb", "mssql", "oracle")
def _by_column(element: _After, compiler: SQLCompiler, **arguments: Any) -> str:
    return f"({compiler.process(list(element.clauses)[1], **arguments)})"


def _name(index: int) -> str:
    return f"flarchitect_after_{index}"


def _parameter(index: int, column: Any) -> Any:
    return sa.bindparam(_name(index), type_=_exact(column).type)


def _comparable(term: SortTerm) -> SortTerm:
    """Sort enums by their text: MariaDB sorts them by number and compares them by text."""
    if not isinstance(_kept_type(term.column), sa.Enum):
        return term
    return replace(term, column=sa.cast(term.column, sa.String()))


def _exact(column: Any) -> Any:
    """Give a column as the database keeps it."""
    if isinstance(_kept_type(column), sa.Float):
        # MariaDB shows six digits of a FLOAT, and PostgreSQL compares REAL with a longer number.
        return sa.cast(column, sa.Double())
    return sa.type_coerce(column, column.type.with_variant(NullType(), *_RAW_DATABASES))


def _kept_type(column: Any) -> Any:
    type_ = column.type
    return type_.impl_instance if isinstance(type_, TypeDecorator) else type_
