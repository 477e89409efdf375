"""Sort terms: what a statement orders its rows by, with the place of rows that have no value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["Nulls", "SortTerm", "term_of"]

Nulls = Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class SortTerm:
    """One thing to sort by.

    Attributes:
        nulls: Where rows without a value stand; `None` leaves it to the database.
        nullable: Whether there can be such rows.
    """

    column: Any
    descending: bool = False
    nulls: Nulls | None = None
    nullable: bool = True

    def definite(self) -> SortTerm:
        """Give the same term with a place for NULL that is the same everywhere: NULL counts as the least value."""
        if not self.nullable:
            return replace(self, nulls=None)
        return self if self.nulls is not None else replace(self, nulls="last" if self.descending else "first")

    def reversed(self) -> SortTerm:
        """Give the term of the opposite order."""
        nulls: Nulls | None = None if self.nulls is None else "last" if self.nulls == "first" else "first"
        return replace(self, descending=not self.descending, nulls=nulls)

    def clause(self) -> Any:
        """Give what stands in ORDER BY."""
        directed = self.column.desc() if self.descending else self.column
        return directed if self.nulls is None else _placed(self.column, directed, self.nulls, self.descending)


def term_of(expression: Any) -> SortTerm:
    """Read what a relationship is ordered by back into a term."""
    descending, nulls = False, None
    while isinstance(expression, UnaryExpression) and expression.modifier in _MODIFIERS:
        if expression.modifier is operators.desc_op:
            descending = True
        elif expression.modifier in _NULLS:
            nulls = _NULLS[expression.modifier]
        expression = expression.element
    return SortTerm(expression, descending, nulls)


_NULLS: dict[Any, Nulls] = {operators.nulls_first_op: "first", operators.nulls_last_op: "last"}
_MODIFIERS = {operators.asc_op, operators.desc_op, *_NULLS}


class _Placed(FunctionElement[Any]):
    """The same order written for PostgreSQL, and after it, in one or two terms, for databases where NULL is least."""

    inherit_cache = True
    name = "placed"


@compiles(_Placed)
def _placed_anywhere(element: _Placed, compiler: SQLCompiler, **arguments: Any) -> str:
    return ", ".join(compiler.process(clause, **arguments) for clause in list(element.clauses)[1:])


@compiles(_Placed, "postgresql")
def _placed_on_postgresql(element: _Placed, compiler: SQLCompiler, **arguments: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **arguments)


def _placed(column: Any, directed: Any, nulls: Nulls, descending: bool) -> _Placed:
    on_postgresql = directed.nulls_first() if nulls == "first" else directed.nulls_last()
    if (nulls == "last") is descending:
        return _Placed(on_postgresql, directed)
    # Not every database knows NULLS FIRST.
    is_null = sa.case((column.is_(None), 1), else_=0)
    return _Placed(on_postgresql, is_null.desc() if nulls == "first" else is_null, directed)
