"""How many SQL statements a request sends, and how long they take (core 5.2).

The listeners stand on SQLAlchemy's `Engine` class, because the sessions of an application may come from anywhere and
are opened late. They act only within a request whose scope has a count, so an application that counts nothing is left
alone. A process in which no application counts has none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from flarchitect_core.http.request_scope import current_request

__all__ = ["Repetition", "StatementCount", "listen_to_statements", "server_timing"]

_STARTED = "flarchitect_statement_started"


@dataclass(frozen=True, slots=True)
class Repetition:
    """A SELECT that one request ran too often.

    Attributes:
        what: The relation that was loaded row by row, such as `Film.studio`, else the tables that were read.
        times: How often it ran.
    """

    what: str
    times: int


@dataclass(slots=True)
class _Text:
    what: str
    times: int = 0


@dataclass(slots=True)
class StatementCount:
    """The SQL statements of one request.

    Attributes:
        number: How many were sent.
        seconds: Time spent in them, without the reading of rows that follows.
        compares_texts: Whether repetitions are looked for.
    """

    number: int = 0
    seconds: float = 0.0
    compares_texts: bool = False
    _texts: dict[str, _Text] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """`seconds` as logs and headers give it."""
        return round(self.seconds * 1000, 3)

    def add(self, statement: str, context: Any) -> None:
        """Count a statement that is sent now."""
        self.number += 1
        # Writes of many rows repeat by nature; reads that do are the ones that grow with the rows.
        if self.compares_texts and statement[:6].upper() == "SELECT":
            known = self._texts.get(statement)
            if known is None:
                known = self._texts[statement] = _Text(_subject(context))
            known.times += 1

    def repetitions(self, most: int) -> Iterator[Repetition]:
        """Give the SELECTs that ran more than `most` times."""
        for text in self._texts.values():
            if text.times > most:
                yield Repetition(text.what, text.times)


def listen_to_statements() -> None:
    """Count the statements of every request whose scope has a count, from now on."""
    if not sa.event.contains(Engine, "before_cursor_execute", _before):
        sa.event.listen(Engine, "before_cursor_execute", _before)
        sa.event.listen(Engine, "after_cursor_execute", _after)
        sa.event.listen(Engine, "handle_error", _failed)


def server_timing(count: StatementCount, total_ms: float) -> str:
    """Write the value of the `Server-Timing` header.

    Source: W3C Server Timing, 3.
    """
    plural = "" if count.number == 1 else "s"
    return f'db;dur={count.milliseconds};desc="{count.number} statement{plural}", total;dur={round(total_ms, 3)}'


def _count() -> StatementCount | None:
    scope = current_request()
    return None if scope is None else scope.statements


def _before(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    count = _count()
    if count is not None:
        count.add(statement, context)
        connection.info[_STARTED] = time.perf_counter()


def _after(connection: Connection, *_: Any) -> None:
    _stop(connection)


def _failed(failure: ExceptionContext) -> None:
    if failure.connection is not None and not failure.connection.invalidated:
        _stop(failure.connection)


def _stop(connection: Connection) -> None:
    count = _count()
    if count is not None:
        started = connection.info.pop(_STARTED, None)
        if started is not None:
            count.seconds += time.perf_counter() - started


def _subject(context: Any) -> str:
    """Name what a statement reads: a relation when a lazy load sent it, else its tables."""
    statement = getattr(getattr(context, "compiled", None), "statement", None)
    if not isinstance(statement, sa.Select):
        return "a statement of text"
    tables = {table.name for source in statement.get_final_froms() for table in _tables(source)}
    # SQLAlchemy tells it to session events only, and such an event would change how rows are read.
    loading = context.execution_options.get("_sa_orm_load_options")
    parent = getattr(loading, "_lazy_loaded_from", None)
    if parent is not None:
        mapper = parent.mapper
        names = [relation.key for relation in mapper.relationships if relation.target.name in tables]
        if names:
            return " or ".join(f"{mapper.class_.__name__}.{name}" for name in names)
    return f"the table {', '.join(sorted(tables))}" if tables else "no table"


def _tables(source: Any) -> list[sa.Table]:
    return [item for item in sa.sql.visitors.iterate(source) if isinstance(item, sa.Table)]
