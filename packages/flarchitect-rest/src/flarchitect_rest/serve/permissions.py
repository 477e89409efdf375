"""Which of the served tables the user of the database may not read or change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from flarchitect_core.model.reflect import Reflection

__all__ = ["unreadable_tables", "unwritable_tables"]

# MariaDB and MySQL do not list such a table at all, and SQLite knows no users.
_UNREADABLE = sa.text(
    """
    SELECT DISTINCT class.relname FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
    WHERE namespace.nspname = coalesce(:schema, current_schema()) AND class.relkind IN ('r', 'p', 'f')
    AND attribute.attnum > 0 AND NOT attribute.attisdropped
    AND NOT has_column_privilege(class.oid, attribute.attnum, 'SELECT')
    ORDER BY class.relname
    """
).bindparams(sa.bindparam("schema", type_=sa.String()))

_UNWRITABLE = sa.text(
    """
    SELECT class.relname FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = coalesce(:schema, current_schema()) AND class.relkind IN ('r', 'p', 'f')
    AND NOT (has_any_column_privilege(class.oid, 'INSERT') OR has_any_column_privilege(class.oid, 'UPDATE')
             OR has_table_privilege(class.oid, 'DELETE'))
    ORDER BY class.relname
    """
).bindparams(sa.bindparam("schema", type_=sa.String()))


def unwritable_tables(engine: sa.Engine, reflection: Reflection, schema: str | None) -> Iterator[str]:
    """Give a notice for each table that cannot be changed in any way, found with one statement."""
    for name in _among_served(engine, reflection, schema, _UNWRITABLE):
        yield (
            f"Table `{name}` may not be changed by this user of the database, whatever --write says. "
            f"Grant the right, or leave --write out."
        )


def unreadable_tables(engine: sa.Engine, reflection: Reflection, schema: str | None) -> Iterator[str]:
    """Give a notice for each table that cannot be read, or not with all of its columns, found with one statement."""
    for name in _among_served(engine, reflection, schema, _UNREADABLE):
        yield (
            f"Table `{name}` may not be read by this user of the database. "
            f"Grant the right, or leave the table out with --exclude."
        )


def _among_served(
    engine: sa.Engine, reflection: Reflection, schema: str | None, statement: sa.TextClause
) -> Iterator[str]:
    """Give the served tables that a statement lists; only PostgreSQL is asked."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        found = set(connection.scalars(statement, {"schema": schema}))
    for model in reflection.models:
        table: Any = sa.inspect(model).local_table
        if table.name in found:
            yield table.name
