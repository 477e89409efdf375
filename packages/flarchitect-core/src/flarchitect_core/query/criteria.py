"""Which rows of each model a request may see, put into every statement that touches the model.

Criteria are loader criteria of SQLAlchemy, which reach a model wherever an ORM select mentions it: as the base, joined,
aliased, in a subquery and in a count. So no route, relation, filter or sort can be built around them, as long as
statements name mapped classes and never bare tables. That goes for the application's own SQL, too: a hybrid property or
expression that selects from a `Table` instead of the mapped class reads all of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql.util import ClauseAdapter

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ExecutableOption

    from flarchitect_core.model.resource import Resource

__all__ = ["condition_of", "hide_deleted", "restricted_to"]

Clause = sa.ColumnElement[bool]


def restricted_to(model: type, clause: Clause) -> ExecutableOption:
    """Make the option that restricts a model to the rows of a condition."""
    option: ExecutableOption = with_loader_criteria(model, clause, include_aliases=True)
    return option


def hide_deleted(resources: Iterable[Resource], asked_by: str | None = None) -> list[ExecutableOption]:
    """Make the options that hide rows which are marked as deleted (rest 6.1).

    Args:
        asked_by: Method of a request that asks to see them; models that forbid it hide theirs all the same.
    """
    marks = {resource.model: resource.soft_delete for resource in resources}
    return [
        restricted_to(model, mark.is_active())
        for model, mark in marks.items()
        if mark is not None and mark.hides_from(asked_by)
    ]


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
    mapper = sa.inspect(model)
    key = [mapper.get_property_by_column(column).class_attribute for column in mapper.primary_key]
    # Without the ORM, or the criteria of the model would apply within themselves.
    compiled: Any = selected.with_only_columns(*key).order_by(None).compile()
    inner = compiled.compile_state.statement
    for table in mapper.tables:
        # Under other names, or an alias of the model in the statement outside would be put in place of them here too.
        inner = ClauseAdapter(sa.alias(table)).traverse(inner)
    inner = inner.correlate(None)
    return sa.tuple_(*key).in_(inner) if len(key) > 1 else key[0].in_(inner)
