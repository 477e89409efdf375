"""The models of an application compared with its databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper

from flarchitect_core.findings import Finding
from flarchitect_core.state import ApplicationState

__all__ = ["check_database"]

# They give every foreign key an index of its own.
_INDEXING_BACKENDS = frozenset({"mysql", "mariadb"})
_PASSED_BY = sa.text(
    "SELECT n.nspname, c.relname, current_user "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relrowsecurity AND NOT row_security_active(c.oid)"
)


def check_database(state: ApplicationState) -> Iterator[Finding]:
    """Find tables and columns that are missing, and foreign keys without an index; ask every database once."""
    models = [resource.model for resource in state.registry]
    engines, failed = state.database.engines(models)
    for name, reason in failed.items():
        yield Finding("error", "session", f"The {name} getter raised {reason}, so its database was not looked at.")
    for name, engine in engines.items():
        tables = _tables_of(state, engine, models)
        try:
            yield from _compare(name, engine, tables)
            if state.database.has_claims and engine.dialect.name == "postgresql":
                yield from _passing_by_policies(engine, tables)
        except (SQLAlchemyError, OSError) as error:
            yield Finding(
                "error",
                "database",
                f"The database {name!r} ({engine.dialect.name}) cannot be read: {type(error).__name__}. "
                f"Look at its address, its rights, and whether it runs.",
            )


def _tables_of(state: ApplicationState, engine: Engine, models: Iterable[type]) -> list[sa.Table]:
    """List the tables of the models that live in a database, with those between two of them and that of their keys."""
    found: dict[sa.Table, None] = {}
    for model in models:
        if engine not in state.database.engines([model])[0].values():
            continue
        mapper: Mapper[Any] = sa.inspect(model)
        for selectable in (*mapper.tables, *(relation.secondary for relation in mapper.relationships)):
            if isinstance(selectable, sa.Table):
                found[selectable] = None
        service = state.services.get(model)
        if service is not None and service.idempotency is not None:
            found[service.idempotency.table] = None
    return list(found)


def _compare(name: str, engine: Engine, tables: Iterable[sa.Table]) -> Iterator[Finding]:
    inspector = sa.inspect(engine)
    for table in tables:
        if not inspector.has_table(table.name, schema=table.schema):
            yield Finding(
                "error",
                "missing-table",
                f"The table {table.fullname} is not in the database {name!r}. Create it, or run your migrations.",
            )
            continue
        present = {column["name"].lower() for column in inspector.get_columns(table.name, schema=table.schema)}
        missing = [column.name for column in table.columns if column.name.lower() not in present]
        if missing:
            yield Finding(
                "error",
                "missing-column",
                f"The table {table.fullname} of the database {name!r} lacks {', '.join(missing)}. Run your migrations.",
            )
        if engine.dialect.name not in _INDEXING_BACKENDS:
            yield from _without_index(inspector, table)


def _passing_by_policies(engine: Engine, tables: Iterable[sa.Table]) -> Iterator[Finding]:
    """Find tables whose policies do not hold for the user by which the application connects."""
    with engine.connect() as connection:
        passed = {(schema, name): role for schema, name, role in connection.execute(_PASSED_BY)}
        default = sa.inspect(connection).default_schema_name
    for table in tables:
        role = passed.get((table.schema or default, table.name))
        if role is not None:
            yield Finding(
                "error",
                "policies-passed-by",
                f"The policies of {table.fullname} do not hold for {role}, by which the application "
                f"connects: connect as a role that is no superuser, has no BYPASSRLS and does not own the table, or "
                f"give the table FORCE ROW LEVEL SECURITY.",
            )


def _without_index(inspector: sa.Inspector, table: sa.Table) -> Iterator[Finding]:
    """Find foreign keys whose columns begin no index: to find the rows that refer to one reads the whole table."""
    schema, name = table.schema, table.name
    leading: list[Sequence[str | None]] = [
        inspector.get_pk_constraint(name, schema=schema)["constrained_columns"],
        *(index["column_names"] for index in inspector.get_indexes(name, schema=schema)),
        *(unique["column_names"] for unique in inspector.get_unique_constraints(name, schema=schema)),
    ]
    for key in inspector.get_foreign_keys(name, schema=schema):
        columns = key["constrained_columns"]
        if not any(set(index[: len(columns)]) == set(columns) for index in leading):
            yield Finding(
                "warning",
                "foreign-key-index",
                f"{table.fullname}.{', '.join(columns)} refers to {key['referred_table']} and begins no index, so "
                f"following the relation back, and deleting there, reads the whole table. Add index=True.",
            )
