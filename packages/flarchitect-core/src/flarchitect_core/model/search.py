"""What `Meta.search` names, read once at start-up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core import options
from flarchitect_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.query.expressions import Path
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["Search", "SearchColumn", "add_search"]

_LANGUAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


@dataclass(frozen=True, slots=True)
class SearchColumn:
    """A text column to search, of the row itself or of a row that it refers to."""

    path: Path
    field: Field


@dataclass(frozen=True, slots=True)
class Search:
    """How a resource is searched.

    Attributes:
        language: Text search configuration of PostgreSQL.
        has_fulltext: Whether the table declares a FULLTEXT index on these columns.
    """

    columns: tuple[SearchColumn, ...]
    language: str
    has_fulltext: bool

    def resources(self) -> list[Resource]:
        """List the resources of related columns, and what the columns read."""
        related = [each for column in self.columns for relation in column.path for each in relation.mentions]
        return related + [each for column in self.columns for each in column.field.reads]


def add_search(resources: Iterable[Resource], settings: Settings, report: StartupReport) -> None:
    """Read `Meta.search` of every resource; what cannot be searched is a problem of the report."""
    for resource in resources:
        given = settings.get(options.SEARCH, model=resource.model)
        names = [given] if isinstance(given, str) else list(given or ())
        columns = [_search_column(resource, name, report) for name in names]
        language = settings.get(options.SEARCH_LANGUAGE, model=resource.model)
        if not _LANGUAGE.match(language):
            report.problem(
                f"API_SEARCH_LANGUAGE must name a text search configuration of PostgreSQL; it is {language!r}."
            )
        elif found := tuple(column for column in columns if column is not None):
            resource.search = Search(found, language, _has_fulltext(resource, found))


def _search_column(resource: Resource, name: str, report: StartupReport) -> SearchColumn | None:
    owner, path, where = resource, [], f"{resource.name}.Meta.search names {name!r}"
    *steps, last = name.split(".")
    for step in steps:
        relation = owner.relation(step)
        if relation is not None and relation.is_closed:
            return None
        if relation is None or relation.many or "GET" not in relation.target.methods:
            hint = did_you_mean(step, [each.fact.name for each in owner.relations.values() if not each.many])
            report.problem(f"{where}, but {step!r} is no relationship of {owner.name} to one published row.{hint}")
            return None
        path.append(relation)
        owner = relation.target
    field = owner.field(last)
    if field is None or not field.is_queryable or not field.codec.is_text:
        hint = did_you_mean(last, [each.attribute for each in owner.fields.values() if _is_searchable(each)])
        report.problem(f"{where}, but {last!r} is no readable text column of {owner.name}.{hint}")
        return None
    return SearchColumn(tuple(path), field)


def _is_searchable(field: Field) -> bool:
    return field.is_queryable and field.codec.is_text


def _has_fulltext(resource: Resource, columns: Sequence[SearchColumn]) -> bool:
    """Say whether MATCH can be used, which wants an index on exactly these columns."""
    table: Any = resource.facts.mapper.local_table
    if any(column.path for column in columns) or not isinstance(table, sa.Table):
        return False
    wanted = {column.field.attribute for column in columns}
    names = {fact.column.key: fact.name for fact in resource.facts.columns if fact.column is not None}
    return any(
        str(index.dialect_options[dialect].get("prefix")).upper() == "FULLTEXT"
        and {names.get(column.key) for column in index.columns} == wanted
        for index in table.indexes
        for dialect in ("mysql", "mariadb")
    )
