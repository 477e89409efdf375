"""Which rows of each model a request may see, put into every statement that touches the model.

Criteria are loader criteria of SQLAlchemy, which reach a model wherever an ORM select mentions it: as the base, joined,
aliased, in a subquery and in a count. So no route, relation, filter or sort can be built around them, as long as
statements name mapped classes and never bare tables. That goes for the application's own SQL, too: a hybrid property or
expression that selects from a `Table` instead of the mapped class reads all of its rows.

A row of a subclass is a row of its parent classes, too, and what the subclass says of its rows holds for it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.util import ClauseAdapter

from flarchitect_core.model.row_criteria import RowCriteria

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ExecutableOption

    from flarchitect_core.model.resource import Resource

__all__ = ["condition_of", "hide_deleted", "marks_on", "of_subclass", "reaches", "restricted_to"]

Clause = sa.ColumnElement[bool]

_IS_SQLALCHEMY_2_0 = sa.__version__.startswith("2.0.")


def restricted_to(model: type, clause: Clause) -> ExecutableOption:
    """Make the option that restricts a model to the rows of a condition."""
    return RowCriteria(model, clause, include_aliases=True)


def reaches(model: type, expression: Any) -> bool:
    """Say whether a restriction of a model gets into an expression that reads the model's table."""
    probe = "flarchitect_probe"
    statement = sa.select(expression).options(restricted_to(model, sa.literal_column(probe) == 1))
    return probe in str(statement)


def hide_deleted(resources: Iterable[Resource], asked_by: str | None = None) -> list[ExecutableOption]:
    """Make the options that hide rows which are marked as deleted (rest 6.1).

    Args:
        asked_by: Method of a request that asks to see them; models that forbid it hide theirs all the same.
    """
    return [restricted_to(resource.model, clause) for resource in resources for clause in marks_on(resource, asked_by)]


def marks_on(resource: Resource, asked_by: str | None = None) -> list[Clause]:
    """Give the conditions that hide the rows of a resource which are marked as deleted, those of subclasses too.

    Args:
        asked_by: As for `hide_deleted`.
    """
    mark = resource.soft_delete
    own = mark if mark is not None and mark.hides_from(asked_by) else None
    clauses = [] if own is None else [own.is_active()]
    for subclass in resource.subclasses:
        mark = subclass.soft_delete
        if mark is not None and mark.hides_from(asked_by) and not (own is not None and mark.is_same_as(own)):
            clauses.append(of_subclass(subclass, resource, mark.is_active()))
    return clauses


def of_subclass(subclass: Resource, parent: Resource, clause: Clause) -> Clause:
    """Give the condition that a row of a parent class is none of the subclass, or one that the clause is true of."""
    mapper, above = subclass.facts.mapper, parent.facts.mapper
    key = [item.fact.attribute for item in parent.key]
    # SQLAlchemy 2.0 does not adapt the columns of a subclass to an alias of its parent.
    if _IS_SQLALCHEMY_2_0 or not set(mapper.tables) <= set(above.tables):
        clause = _is_among(key, sa.select(subclass.model).where(clause), mapper)
    fact = next((each for each in parent.facts.columns if each.column is above.polymorphic_on), None)
    if fact is None or fact.column is None:
        return sa.or_(sa.not_(_is_among(key, sa.select(subclass.model), mapper)), clause)
    kinds = [each.polymorphic_identity for each in mapper.self_and_descendants]
    return sa.or_(fact.attribute.is_(None), fact.attribute.not_in(kinds), clause)


def condition_of(selected: Any, model: Any) -> Clause | None:
    """Give the condition that a select over a model puts on its rows, `None` when it puts none.

    A select that does more than to filter, such as one with joins, becomes a subquery over the key.

    Raises:
        TypeError: It is no select.
    """
    if not isinstance(selected, sa.Select):
        raise TypeError(f"Expected the select that was given, with conditions; got {selected!r}.")
    clause: Clause | None = selected.whereclause
    plain = sa.select(model)
    if selected.compare(plain if clause is None else plain.where(clause)):
        return clause
    mapper: Mapper[Any] = sa.inspect(model)
    return _is_among([getattr(model, name) for name in _key_names(mapper)], selected, mapper)


def _is_among(key: Sequence[Any], selected: sa.Select[Any], mapper: Mapper[Any]) -> Clause:
    """Give the condition that a key is one of the rows that a select over a model finds."""
    columns = [getattr(mapper.class_, name) for name in _key_names(mapper)]
    # Without the ORM, or the criteria of the model would apply within themselves.
    compiled: Any = selected.with_only_columns(*columns).order_by(None).compile()
    inner: Any = compiled.compile_state.statement
    for table in mapper.tables:
        # Under other names, or an alias of the model in the statement outside would be put in place of them here too.
        inner = ClauseAdapter(sa.alias(table)).traverse(inner)
    inner = inner.correlate(None)
    clause: Clause = sa.tuple_(*key).in_(inner) if len(key) > 1 else key[0].in_(inner)
    return clause


def _key_names(mapper: Mapper[Any]) -> list[str]:
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]
