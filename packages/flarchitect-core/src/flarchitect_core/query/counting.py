"""Counting the rows of a query: exactly, up to a limit, or as the database estimates."""

from __future__ import annotations

import json
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable, ExecutableOption
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

__all__ = ["COUNT_KINDS", "CountKind", "capped", "estimate_of", "estimated", "without_estimate"]

CountKind = Literal["exact", "capped", "estimated", "none"]
COUNT_KINDS: tuple[CountKind, ...] = ("exact", "capped", "estimated", "none")


def capped(count: sa.Select[Any]) -> sa.Select[Any]:
    """Give the select that counts no further than the parameter `count_limit`.

    Args:
        count: Select of the exact count.
    """
    rows = _rows(count).limit(sa.bindparam("count_limit", type_=sa.BigInteger())).subquery()
    return sa.select(sa.func.count()).select_from(rows)


def estimated(count: sa.Select[Any]) -> sa.Select[Any]:
    """Give what estimates the rows of an exact count; it is executed as a select is, and read by `estimate_of`."""
    return cast("sa.Select[Any]", _RowEstimate(_rows(count), capped(count)))


def without_estimate(bounded: sa.Select[Any]) -> sa.Select[Any]:
    """Give the select that counts up to the limit in place of one that would estimate."""
    return bounded.count if isinstance(bounded, _RowEstimate) else bounded


class _RowEstimate(Executable, ClauseElement):
    """Asks the planner of PostgreSQL how many rows a select has; any other database counts up to the limit."""

    # It is compiled anew each time, as what SQLAlchemy keeps of it could not be told from the select itself.
    inherit_cache = False

    def __init__(self, rows: sa.Select[Any], count: sa.Select[Any]) -> None:
        self.rows = rows
        self.count = count

    def options(self, *options: ExecutableOption) -> _RowEstimate:
        """Put options into the selects."""
        return _RowEstimate(self.rows.options(*options), self.count.options(*options))

    def get_children(self, **arguments: Any) -> Any:
        """Give the select, in which sessions look for the database to ask."""
        return (self.rows,)


@compiles(_RowEstimate)
def _count_up_to_limit(element: _RowEstimate, compiler: SQLCompiler, **arguments: Any) -> str:
    return compiler.process(element.count, **arguments)


@compiles(_RowEstimate, "postgresql")
def _explain(element: _RowEstimate, compiler: SQLCompiler, **arguments: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.rows, **arguments)}"


def estimate_of(answer: Any) -> tuple[int, bool]:
    """Read what `estimated` gave: the number, and whether the database only estimated it."""
    if isinstance(answer, int):
        return answer, False
    plan = json.loads(answer) if isinstance(answer, str) else answer
    return int(plan[0]["Plan"]["Plan Rows"]), True


def _rows(count: sa.Select[Any]) -> sa.Select[Any]:
    return count.with_only_columns(sa.literal_column("1", sa.Integer()).label("one"), maintain_column_froms=True)
