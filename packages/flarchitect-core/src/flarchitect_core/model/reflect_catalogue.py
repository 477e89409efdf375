"""What the catalogue of a database says of its tables, read once and with as few statements as the database allows."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedForeignKeyConstraint
from sqlalchemy.exc import SAWarning

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.suggestions import nearest

__all__ = ["Catalogue", "read_catalogue"]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The selected tables as the inspector gives them; mappings are by the table's name."""

    dialect: str
    schema: str | None
    selected: Sequence[str]
    left_out: frozenset[str]
    columns: Mapping[str, Sequence[ReflectedColumn]]
    keys: Mapping[str, Sequence[str]]
    references: Mapping[str, Sequence[ReflectedForeignKeyConstraint]]
    declared: Mapping[tuple[str, str], str]
    notices: list[str]


def read_catalogue(
    connection: Connection, include: Sequence[str], exclude: Sequence[str], schema: str | None
) -> Catalogue:
    inspector = sa.inspect(connection)
    dialect = connection.dialect.name
    views = _views(inspector, schema)
    virtual, hidden = _sqlite_special_tables(connection, schema) if dialect == "sqlite" else (set(), set())
    plain = set(inspector.get_table_names(schema)) - virtual - hidden
    names = sorted(plain, key=lambda name: (name.casefold(), name))
    chosen = _choose([*names, *views, *virtual], include, exclude)
    notices = [f"View `{name}` has no primary key and is not served." for name in views if name in chosen]
    notices += [f"Virtual table `{name}` has no primary key and is not served." for name in sorted(virtual & chosen)]
    selected = [name for name in names if name in chosen]
    with warnings.catch_warnings():
        # About types and clauses that SQLAlchemy does not know: what matters of it is told in our notices.
        warnings.simplefilter("ignore", SAWarning)
        columns = inspector.get_multi_columns(schema, filter_names=selected)
        keys = inspector.get_multi_pk_constraint(schema, filter_names=selected)
        references = inspector.get_multi_foreign_keys(schema, filter_names=selected)
    return Catalogue(
        dialect=dialect,
        schema=schema,
        selected=selected,
        left_out=frozenset(names) - chosen,
        columns={name: columns.get((schema, name), []) for name in selected},
        keys={name: key["constrained_columns"] if (key := keys.get((schema, name))) else [] for name in selected},
        references={name: references.get((schema, name), []) for name in selected},
        declared=_sqlite_declared_types(connection, schema) if dialect == "sqlite" else {},
        notices=notices,
    )


def _views(inspector: sa.Inspector, schema: str | None) -> list[str]:
    names = set(inspector.get_view_names(schema))
    with suppress(NotImplementedError):
        names.update(inspector.get_materialized_view_names(schema))
    return sorted(names)


def _choose(names: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> frozenset[str]:
    unknown = [pattern for pattern in (*include, *exclude) if not _matching(names, [pattern])]
    if unknown:
        raise ConfigurationError([_unknown_pattern(pattern, names) for pattern in unknown])
    return frozenset(_matching(names, include) if include else names) - _matching(names, exclude)


def _unknown_pattern(pattern: str, names: Sequence[str]) -> str:
    near = nearest(pattern, names, limit=1)
    hint = f"Did you mean `{near[0]}`?" if near else "Names are those of the database; `*` stands for any text."
    return f"`{pattern}` fits no table or view of the database. {hint}"


def _matching(names: Iterable[str], patterns: Iterable[str]) -> frozenset[str]:
    folded = [pattern.casefold() for pattern in patterns]
    return frozenset(
        name
        for name in names
        if any(name.casefold() == pattern or fnmatch.fnmatchcase(name.casefold(), pattern) for pattern in folded)
    )


def _sqlite_special_tables(connection: Connection, schema: str | None) -> tuple[set[str], set[str]]:
    """List the virtual tables, which have no key, and the hidden tables in which they keep their data."""
    rows = connection.exec_driver_sql("PRAGMA table_list").mappings()
    kinds = {row["name"]: row["type"] for row in rows if row["schema"] == (schema or "main")}
    virtual, hidden = ({name for name in kinds if kinds[name] == kind} for kind in ("virtual", "shadow"))
    return virtual, hidden


def _sqlite_declared_types(connection: Connection, schema: str | None) -> dict[tuple[str, str], str]:
    """Map table and column to the type as it is written in the table's definition."""
    master = sa.table("sqlite_master", sa.column("name"), sa.column("type"), sa.column("sql"), schema=schema)
    info = sa.func.pragma_table_xinfo(master.c.name, schema or "main").table_valued("name", "type")
    is_table = sa.and_(master.c.type == "table", master.c.sql.not_ilike("create virtual%"))
    statement = sa.select(master.c.name, info.c.name, info.c.type).select_from(master.join(info, sa.true()))
    return {(table, column): declared for table, column, declared in connection.execute(statement.where(is_table))}
