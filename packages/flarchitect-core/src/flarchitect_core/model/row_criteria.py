"""Loader criteria that are about the row that is read, wherever a statement reads it.

Statements read rows under other names than that of their table, and SQLAlchemy puts these names into the criteria. It
leaves out some columns, which then are those of another row of the statement, or of any row at all:

- in a join, those that are named by a parent class of the class that is joined;
- in a join along a relationship between rows of one class, those that a relationship of the criteria starts from;
- everywhere, those within the criterion of `has` and `any`.

It also puts the name of the row that is joined from into what a relationship of the criteria leads to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import LoaderCriteriaOption, Mapper
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from flarchitect_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RowCriteria"]

Clause = sa.ColumnElement[bool]

# What SQLAlchemy says of elements: that they must stay as they are, and that a relationship starts from them.
_FIXED, _LOCAL = "no_replacement_traverse", "local"


class RowCriteria(LoaderCriteriaOption):
    """Criteria whose columns are all those of the row that is read."""

    # A statement is compiled once for the same criteria, as with those of SQLAlchemy itself.
    _traverse_internals = LoaderCriteriaOption._traverse_internals  # noqa: SLF001

    def _resolve_where_criteria(self, ext_info: Any) -> Clause:
        mapper: Mapper[Any] = ext_info.mapper

        def as_own(element: Any, **_: Any) -> Any:
            said = _said_of(element)
            if not _is_own(element, mapper):
                named: Any = said.get("parentmapper")
                # Columns of a subclass are in the same table, and are the row's.
                is_other = isinstance(element, (sa.Table, sa.Alias)) if named is None else not named.isa(mapper)
                is_kept = is_other and not any(element is table for table in mapper.tables)
                return element._annotate({_FIXED: True}) if is_kept else None  # noqa: SLF001
            if said["parentmapper"] is mapper and _LOCAL not in said:
                return None
            return _without(element, _LOCAL)._annotate({"parentmapper": mapper})  # noqa: SLF001

        clause = _opened(super()._resolve_where_criteria(ext_info), mapper)
        found: Clause = replacement_traverse(clause, {}, as_own)
        return found


def _opened(clause: Clause, mapper: Mapper[Any]) -> Clause:
    """Let the columns of the row be found within the criterion of `has` and `any`; all else there stays fixed."""
    if not any(_FIXED in _said_of(each) for each in iterate(clause)):
        return clause
    copies: dict[int, Any] = {}

    def kept(element: Any, **_: Any) -> Any:
        is_other = isinstance(element, sa.ColumnElement) and "parentmapper" in _said_of(element)
        if isinstance(element, sa.Exists):
            _refuse_row_within(element, mapper)
        if isinstance(element, (sa.SelectBase, sa.ScalarSelect, sa.Exists)) or is_other:
            return None if _is_own(element, mapper) else element._annotate({_FIXED: True})  # noqa: SLF001
        return None

    def copied(element: Any, **_: Any) -> Any:
        if id(element) not in copies:
            if _FIXED in _said_of(element):
                copies[id(element)] = replacement_traverse(_without(element, _FIXED), {}, kept)
            else:
                copies[id(element)] = copy = element._clone()  # noqa: SLF001
                copy._copy_internals(clone=copied)  # noqa: SLF001
        return copies[id(element)]

    opened: Clause = copied(clause)
    return opened


def _refuse_row_within(inner: sa.Exists, mapper: Mapper[Any]) -> None:
    """Refuse a `has` or `any` within another one that compares with the row: it would be with any row of the table.

    Raises:
        ConfigurationError: It does.
    """
    tables = set(mapper.tables)
    selects = [each for each in iterate(inner) if isinstance(each, sa.Select)]
    selected = {table for each in selects for start in each._from_obj for table in iterate(start)}  # noqa: SLF001
    columns: list[Any] = [each for each in iterate(inner) if _is_own(each, mapper)]
    for column in columns:
        if getattr(column, "table", None) in tables - selected:
            name = f"{mapper.class_.__name__}.{column.key}"
            raise ConfigurationError(
                f"A condition on rows of {mapper.class_.__name__} names {name} in a has() or any() within another one, "
                f"where SQLAlchemy does not take it from the row that is read. Write the inner one as a subquery, "
                f"such as sa.select(...).where(... == {name}).exists()."
            )


def _is_own(element: Any, mapper: Mapper[Any]) -> bool:
    """Say whether an element is a column of rows of a class, also one that is named by a parent class."""
    if not isinstance(element, sa.ColumnElement):
        return False
    named: Any = _said_of(element).get("parentmapper")
    return named is not None and mapper.isa(named)


def _without(element: Any, said: str) -> Any:
    return element._deannotate(values=(said,), clone=True)  # noqa: SLF001


def _said_of(element: Any) -> Mapping[str, Any]:
    said: Mapping[str, Any] = element._annotations  # noqa: SLF001 - only there does SQLAlchemy say it
    return said
