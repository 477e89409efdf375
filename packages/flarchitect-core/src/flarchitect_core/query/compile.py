"""The expression tree to SQL: one select for the rows and one for their number, built once per query shape.

Values are bind parameters in the column's own type, so that the statements, and SQLAlchemy's compiled cache with
them, serve every request of the same shape, and the database can use its indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeDecorator, TypeEngine

from flarchitect_core.errors import QueryError
from flarchitect_core.model.fields import IntegerField, is_plain_integer
from flarchitect_core.model.inspect import ColumnFact, HybridFact
from flarchitect_core.query.expressions import AnyOf, CollectionQuery, Condition, OrderKey
from flarchitect_core.query.include import follow

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.query.include import LoadPlan

__all__ = [
    "OPERATORS",
    "Scope",
    "Statements",
    "is_sent_by_client",
    "item_statement",
    "key_conditions",
    "key_parameters",
    "parameters_of",
    "statements_of",
]

_ESCAPE = "/"

Operator = Callable[[Any, Any], Any]

OPERATORS: Mapping[str, Operator] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "neq": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "in": lambda column, value: column.in_(value),
    "nin": lambda column, value: column.not_in(value),
    "like": lambda column, value: column.like(value, escape=_ESCAPE),
    "ilike": lambda column, value: column.ilike(value, escape=_ESCAPE),
}
"""Operator name to the SQL of a column and a bind parameter."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Restricts a collection to the rows that one parent leads to."""

    relation: Relation
    parent_key: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statements:
    """The two selects of a collection. `rows` takes `row_limit` and `row_offset` besides the filter values."""

    rows: sa.Select[Any]
    count: sa.Select[Any]


def statements_of(plan: LoadPlan, query: CollectionQuery, scope: Scope | None = None) -> Statements:
    """Give the statements of a query, from those kept when its shape was asked before."""
    shape = (
        tuple(part.shape for part in query.where),
        tuple(key.shape for key in query.order),
        scope.relation.source.model if scope else None,
        scope.relation.name if scope else None,
    )
    statements: Statements = plan.statements.get(shape, lambda: _build(plan, query, scope))
    return statements


def parameters_of(query: CollectionQuery, scope: Scope | None = None) -> dict[str, Any]:
    """Give the values of the bind parameters that filters and scope use."""
    parameters: dict[str, Any] = {}
    position = 0
    for part in query.where:
        for condition in part.conditions if isinstance(part, AnyOf) else (part,):
            if condition.value is not None:
                parameters[f"flarchitect_value_{position}"] = _bound(condition)
            position += 1
    if scope is not None:
        parameters.update(key_parameters(scope.parent_key))
    return parameters


def item_statement(plan: LoadPlan) -> sa.Select[Any]:
    """Give the select of one row by key, with the parameters of `key_parameters`."""
    resource = plan.resource
    statement: sa.Select[Any] = plan.statements.get(
        "item", lambda: plan.statement.where(*key_conditions(resource, resource.model))
    )
    return statement


def key_parameters(key: tuple[Any, ...]) -> dict[str, Any]:
    """Give the values of a key as bind parameters."""
    return {f"flarchitect_key_{position}": value for position, value in enumerate(key)}


def is_sent_by_client(parameter: str) -> bool:
    """Say whether a bind parameter holds a value of a filter or a key, and no number of ours."""
    return parameter.startswith(("flarchitect_value_", "flarchitect_key_"))


def _bound(condition: Condition) -> Any:
    if condition.operator in ("like", "ilike"):
        text = condition.value
        for character in (_ESCAPE, "%", "_"):
            text = text.replace(character, _ESCAPE + character)
        return f"%{text}%"
    return condition.value


def _build(plan: LoadPlan, query: CollectionQuery, scope: Scope | None) -> Statements:
    resource = plan.resource
    rows = plan.statement
    count: sa.Select[Any] = sa.select(sa.func.count()).select_from(resource.model)
    if scope is not None:
        rows, count = _scoped(plan, scope.relation)
    conditions = _conditions(query)
    order: list[Any] = [_direction(key) for key in query.order]
    if scope is not None and not order:
        order = list(scope.relation.fact.order_by)
    named = {key.field.attribute for key in query.order}
    order += [item.fact.attribute for item in resource.key if item.attribute not in named]
    limit, offset = (sa.bindparam(name, type_=sa.BigInteger()) for name in ("row_limit", "row_offset"))
    return Statements(
        rows=rows.where(*conditions).order_by(*order).limit(limit).offset(offset), count=count.where(*conditions)
    )


def _direction(key: OrderKey) -> Any:
    column: Any = key.field.fact.attribute
    return column.desc() if key.descending else column


def _scoped(plan: LoadPlan, relation: Relation) -> tuple[sa.Select[Any], sa.Select[Any]]:
    parent: Any = aliased(relation.source.model)
    is_parent = key_conditions(relation.source, parent)
    rows, count = (follow(part, parent, relation) for part in (plan.statement, sa.select(sa.func.count())))
    return rows.where(*is_parent), count.where(*is_parent)


def key_conditions(resource: Resource, entity: Any) -> list[Any]:
    """Compare the key of a mapped class, or of an alias of it, with the parameters of `key_parameters`."""
    return [
        getattr(entity, item.attribute)
        == sa.bindparam(f"flarchitect_key_{position}", type_=_wide(_declared(item.fact)))
        for position, item in enumerate(resource.key)
    ]


def _wide(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    # Compared as 64 bits, a value that the column cannot hold is one that no row has, on every database.
    return sa.BigInteger() if is_plain_integer(type_) else type_


def _conditions(query: CollectionQuery) -> list[Any]:
    clauses: list[Any] = []
    position = 0
    for part in query.where:
        members = part.conditions if isinstance(part, AnyOf) else (part,)
        built = [_clause(condition, position + offset) for offset, condition in enumerate(members)]
        position += len(members)
        clauses.append(sa.or_(*built) if isinstance(part, AnyOf) else built[0])
    return clauses


def _clause(condition: Condition, position: int) -> Any:
    column: Any = condition.field.fact.attribute
    if condition.value is None:
        return column.is_(None) if condition.operator == "eq" else column.is_not(None)
    is_list = condition.operator in ("in", "nin")
    # LIKE takes text whatever the column's own type is, an enum's for example.
    type_ = sa.String() if condition.operator in ("like", "ilike") else _filter_type(condition.field)
    value = sa.bindparam(f"flarchitect_value_{position}", type_=type_, expanding=is_list)
    return OPERATORS[condition.operator](column, value)


def _declared(fact: ColumnFact | HybridFact) -> TypeEngine[Any]:
    declared = fact.type if isinstance(fact, ColumnFact) else fact.sql_type
    return sa.types.NullType() if declared is None else declared


def _filter_type(field: Field) -> TypeEngine[Any]:
    codec = field.codec
    if isinstance(codec, IntegerField) and codec.asked is not codec.stored:
        return _Compared(field.name, codec.minimum, codec.maximum)
    return _wide(_declared(field.fact))


class _Compared(TypeDecorator[int]):
    """A whole number to compare a column with; one that the column cannot hold is refused, except by SQLite.

    All integers of SQLite have 64 bits, so a column may hold more than its declaration says.
    """

    impl = sa.Integer
    cache_ok = True

    def __init__(self, name: str, minimum: int, maximum: int) -> None:
        super().__init__()
        self.name, self.minimum, self.maximum = name, minimum, maximum

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Check a value for the database that gets it."""
        if value is None or dialect.name == "sqlite" or self.minimum <= value <= self.maximum:
            return value
        raise QueryError(
            f"Invalid value for {self.name}: {value}. Must be greater than or equal to {self.minimum} and less than or "
            f"equal to {self.maximum}.",
            reason="invalid_value",
        )
