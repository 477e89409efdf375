"""Helpers for the statements that an application writes itself."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import current_app, has_app_context
from sqlalchemy.ext.hybrid import hybrid_property

from flarchitect_core.model.inspect import inspect_model
from flarchitect_core.query.names import no_column
from flarchitect_core.state import STATE_KEY

__all__ = [
    "AGGREGATE_FUNCS",
    "OPERATORS",
    "apply_sorting_to_query",
    "get_all_columns_and_hybrids",
    "get_model_columns",
    "get_model_relationships",
    "get_primary_key_filters",
    "get_primary_keys",
    "is_hybrid_property",
    "paginate_query",
]

Statement = TypeVar("Statement", bound=Any)

OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "in": lambda column, values: column.in_(values),
    "nin": lambda column, values: column.not_in(values),
    "like": lambda column, pattern: column.like(pattern),
    "ilike": lambda column, pattern: column.ilike(pattern),
}
AGGREGATE_FUNCS: Mapping[str, Callable[[Any], Any]] = {
    "sum": sa.func.sum,
    "count": sa.func.count,
    "avg": sa.func.avg,
    "min": sa.func.min,
    "max": sa.func.max,
}


def get_model_columns(model: type) -> list[str]:
    """List the mapped attributes of a model that are columns."""
    return [fact.name for fact in inspect_model(model).columns]


def get_model_relationships(model: type) -> list[str]:
    """List the relationships of a model."""
    return [fact.name for fact in inspect_model(model).relations]


def get_all_columns_and_hybrids(model: type) -> dict[str, Any]:
    """Give the attributes of a model that SQL knows, columns and hybrid properties, by name."""
    facts = inspect_model(model)
    found = {fact.name: fact.attribute for fact in facts.columns}
    return found | {fact.name: fact.attribute for fact in facts.hybrids if fact.attribute is not None}


def is_hybrid_property(attribute: object) -> bool:
    """Say whether an attribute, looked up in the class's `__dict__` or in its mapper, is a hybrid property."""
    return isinstance(attribute, hybrid_property)


def get_primary_keys(model: type) -> list[Any]:
    """List the key attributes of a model, in the mapper's order."""
    return [getattr(model, fact.name) for fact in inspect_model(model).key]


def get_primary_key_filters(model: type, value: Any) -> dict[str, Any]:
    """Give what `filter_by` takes to find one row.

    Args:
        value: Key; a tuple of a composite one.

    Raises:
        ValueError: The key has another number of columns.
    """
    names = [fact.name for fact in inspect_model(model).key]
    values = value if isinstance(value, tuple) else (value,)
    if len(names) != len(values):
        raise ValueError(f"The key of {model.__name__} is ({', '.join(names)}); {len(values)} values were given.")
    return dict(zip(names, values, strict=True))


def paginate_query(query: Statement, page: int = 1, limit: int = 20) -> Statement:
    """Limit a select, or a `Query`, to one page.

    Raises:
        ValueError: The page or the limit is below 1.
    """
    if page < 1 or limit < 1:
        raise ValueError("page and limit begin at 1.")
    paged: Statement = query.limit(limit).offset((page - 1) * limit)
    return paged


def apply_sorting_to_query(parameters: Mapping[str, Any], query: Statement, model: type) -> Statement:
    """Sort a select, or a `Query`, by `order_by` of the parameters: names of columns, `-` before descending ones.

    Of a model that the current application publishes, these are the names that clients may sort by.

    Raises:
        QueryError: The model has no such column; a 400 below the API.
    """
    given: Any = parameters.get("order_by") or ""
    names: Sequence[str] = given.split(",") if isinstance(given, str) else given
    known = _sortable(model)
    for name in (part.strip() for part in names):
        if not name:
            continue
        attribute = known.get(name.removeprefix("-"))
        if attribute is None:
            raise no_column(name.removeprefix("-"), known)
        query = query.order_by(attribute.desc() if name.startswith("-") else attribute.asc())
    return query


def _sortable(model: type) -> dict[str, Any]:
    state = current_app.extensions.get(STATE_KEY) if has_app_context() else None
    resource = None if state is None else state.registry.get(model)
    if resource is None:
        return get_all_columns_and_hybrids(model)
    return {name: resource.fields[name].fact.attribute for name in resource.queryable_names()}
