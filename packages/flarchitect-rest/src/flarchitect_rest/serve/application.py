"""The application that serves an existing database."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from flarchitect_core._discovery import installed_parts
from flarchitect_core.architect import Architect
from flarchitect_core.database import open_engine
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.model.reflect import Reflection, reflect_models
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import state_of
from flarchitect_rest.serve.database_failures import sentence_for
from flarchitect_rest.serve.database_url import DatabaseURL, read_url
from flarchitect_rest.serve.errors import ServeError, WrongArgumentError
from flarchitect_rest.serve.index import add_index
from flarchitect_rest.serve.permissions import unreadable_tables, unwritable_tables
from flarchitect_rest.serve.trusted_hosts import refuse_other_hosts

__all__ = ["create_app"]

logger = logging.getLogger("flarchitect.startup")


def create_app(
    url: str,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    schema: str | None = None,
    write: bool = False,
    prefix: str = "/api",
    trusted_hosts: Sequence[str] = (),
    debug: bool = False,
) -> Flask:
    """Make the application that serves every table with a primary key.

    Args:
        url: SQLAlchemy URL of a database that exists.
        include: Names of tables, or patterns such as `sales_*`; all when empty.
        exclude: Names and patterns to leave out, also when included.
        schema: Schema to serve instead of the default one.
        write: Whether clients may change rows. Without it there are no writing routes, and on SQLite, PostgreSQL,
            MySQL and MariaDB the connections cannot write either.
        prefix: URL prefix of the API; `/` for none.
        trusted_hosts: Names under which the application may be asked for; any when empty.
        debug: Whether answers show the text of unexpected exceptions.

    Raises:
        ServeError: What is wrong, in one sentence with the fix. `WrongArgumentError` when an argument is.
        ConfigurationError: The tables cannot be served together.
    """
    database = read_url(url, write=write)
    reflection = _reflect(database, include, exclude, schema, write=write)
    app = Flask(__name__, static_folder=None)
    app.config.update(
        API_TITLE=database.label,
        API_BASE_MODEL=reflection.base,
        API_DATABASE_URI=database.text,
        API_DATABASE_ENGINE_OPTIONS=database.engine_options,
        API_PREFIX=prefix,
        API_READ_ONLY=not write,
        # Two foreign keys of a reflected table often lead to the same table.
        API_RELATION_ROUTE_NAMING="auto",
        API_DUMP_VERSION=False,
        API_EXPOSE_EXCEPTIONS=debug,
        **_open_to_all(),
    )
    # Not `Architect(app)`, which waits for the reloader where a server has one.
    Architect().init_app(app)
    for notice in reflection.notices:
        logger.warning(notice)
    state = state_of(app)
    state.report.notices[:0] = reflection.notices
    add_index(state)
    if trusted_hosts:
        refuse_other_hosts(app, trusted_hosts)
    return app


def _open_to_all() -> dict[str, bool]:
    """Open what tells about the API to everybody, as the API is; the part that has it may not be installed."""
    known = {option.key for part in installed_parts(StartupReport()) for option in part.options}
    return dict.fromkeys(known & {"API_SCHEMA_DISCOVERY_AUTH", "API_DOCS_BUNDLE_AUTH"}, False)


def _reflect(
    database: DatabaseURL, include: Sequence[str], exclude: Sequence[str], schema: str | None, *, write: bool
) -> Reflection:
    try:
        _knock(database)
        engine = open_engine(database.text, database.engine_options)
        try:
            _check_schema(engine, schema)
            reflection = reflect_models(engine, include=include, exclude=exclude, schema=schema)
            reflection.notices.extend(unreadable_tables(engine, reflection, schema))
            if write:
                reflection.notices.extend(unwritable_tables(engine, reflection, schema))
        finally:
            engine.dispose()
    except ConfigurationError as error:
        raise WrongArgumentError(" ".join(error.problems)) from error
    # Drivers meet a parameter or an address that they do not know with errors of every kind.
    except (SQLAlchemyError, OSError, TypeError, ValueError, AttributeError) as error:
        raise ServeError(sentence_for(error, database)) from error
    if not reflection.models:
        raise _nothing_to_serve(reflection, is_chosen=bool(include or exclude))
    return reflection


def _knock(database: DatabaseURL) -> None:
    """Find out whether a database server answers at all."""
    options = database.first_contact_options
    if options is not None:
        engine = open_engine(database.text, options)
        try:
            engine.connect().close()
        finally:
            engine.dispose()


def _check_schema(engine: sa.Engine, schema: str | None) -> None:
    if schema is not None:
        names = sa.inspect(engine).get_schema_names()
        if schema not in names:
            raise WrongArgumentError(f"The database has no schema `{schema}`. Its schemas are {', '.join(names)}.")


def _nothing_to_serve(reflection: Reflection, *, is_chosen: bool) -> ServeError:
    why = " ".join(reflection.notices)
    if is_chosen:
        return WrongArgumentError(
            f"Nothing is left to serve after --include and --exclude. {why or 'Choose other tables.'}"
        )
    if why:
        return ServeError(f"No table can be served. {why}")
    return ServeError("The database has no tables. Name another one, or another schema of it with --schema.")
