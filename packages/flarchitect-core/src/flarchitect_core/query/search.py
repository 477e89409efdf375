"""`search`: words that must all be found in the columns that `Meta.search` names.

How they are found is decided by the database that compiles the statement: full text on PostgreSQL, a FULLTEXT index on
MariaDB and MySQL where the model declares one, and LIKE elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from flarchitect_core.query.joins import scalar
from flarchitect_core.query.patterns import ESCAPE, containing

if TYPE_CHECKING:
    from flarchitect_core.model.search import Search

__all__ = ["search_clause", "search_parameters"]


class _Found(FunctionElement[Any]):
    """Whether the words are in the columns: clauses for PostgreSQL, for MySQL with FULLTEXT, and for any database."""

    inherit_cache = True
    # A boolean would be compared with 1 where the database has no such type, and MATCH gives a degree of relevance.
    type = sa.types.NullType()
    name = "found"


@compiles(_Found)
def _found(element: _Found, compiler: SQLCompiler, **arguments: Any) -> str:
    return _one(element, compiler, -1, arguments)


@compiles(_Found, "postgresql")
def _found_on_postgresql(element: _Found, compiler: SQLCompiler, **arguments: Any) -> str:
    return _one(element, compiler, 0, arguments)


@compiles(_Found, "mysql", "mariadb")
def _found_on_mysql(element: _Found, compiler: SQLCompiler, **arguments: Any) -> str:
    return _one(element, compiler, 1, arguments)


def _one(element: _Found, compiler: SQLCompiler, position: int, arguments: dict[str, Any]) -> str:
    return f"({compiler.process(list(element.clauses)[position], **arguments)})"


def search_clause(search: Search, words: int, model: Any) -> Any:
    """Give the condition that so many words, the parameters of `search_parameters`, are in the searched columns."""
    columns = [
        scalar(model, column.path, column.field.attribute) if column.path else getattr(model, column.field.attribute)
        for column in search.columns
    ]
    patterns = [sa.bindparam(f"flarchitect_word_{position}", type_=sa.String()) for position in range(words)]
    everywhere = sa.and_(
        *(sa.or_(*(column.ilike(pattern, escape=ESCAPE) for column in columns)) for pattern in patterns)
    )
    match = _match(columns) if search.has_fulltext else everywhere
    return _Found(_full_text(columns, search.language), match, everywhere)


def search_parameters(words: Sequence[str]) -> dict[str, str]:
    """Give the values of the bind parameters for the words that a client searches."""
    patterns = {f"flarchitect_word_{position}": containing(word) for position, word in enumerate(words)}
    required = " ".join(f'+"{quoted}"' for word in words if (quoted := word.replace('"', " ").strip()))
    return {**patterns, "flarchitect_search": " ".join(words), "flarchitect_match": required}


def _full_text(columns: Sequence[Any], language: str) -> Any:
    # Nothing of the document is a parameter, so that an index on the same expression is used.
    config: sa.ColumnElement[Any] = sa.literal_column(f"'{language}'")
    empty, blank = (sa.literal_column(text, sa.String()) for text in ("''", "' '"))
    document: Any = sa.func.coalesce(columns[0], empty)
    for column in columns[1:]:
        document = document + blank + sa.func.coalesce(column, empty)
    query = sa.func.websearch_to_tsquery(config, sa.bindparam("flarchitect_search", type_=sa.String()))
    return sa.func.to_tsvector(config, document).op("@@", is_comparison=True)(query)


def _match(columns: Sequence[Any]) -> Any:
    wanted = sa.bindparam("flarchitect_match", type_=sa.String())
    return mysql.match(*columns, against=wanted).in_boolean_mode()
