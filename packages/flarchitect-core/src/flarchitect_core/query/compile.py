"""The expression tree to SQL: one select for the rows and one for their number, built once per query shape.

Values are bind parameters in the column's own type, so that the statements, and SQLAlchemy's compiled cache with
them, serve every request of the same shape, and the database can use its indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeDecorator, TypeEngine

from flarchitect_core.errors import QueryError
from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.model.fields import IntegerField
from flarchitect_core.model.inspect import ColumnFact, HybridFact
from flarchitect_core.model.type_table import is_plain_integer
from flarchitect_core.query.counting import capped, estimated
from flarchitect_core.query.expressions import (
    CollectionQuery,
    Condition,
    Filter,
    OrderKey,
    Path,
    Related,
    conditions_of,
)
from flarchitect_core.query.joins import Joins, follow, leads_to
from flarchitect_core.query.keyset import Keyset
from flarchitect_core.query.ordering import SortTerm, term_of
from flarchitect_core.query.patterns import ESCAPE, containing, ending_with, starting_with
from flarchitect_core.query.search import search_clause, search_parameters

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.query.cursor import Position
    from flarchitect_core.query.include import LoadPlan

__all__ = [
    "OPERATORS",
    "Filters",
    "Scope",
    "Statements",
    "is_sent_by_client",
    "item_statement",
    "key_conditions",
    "key_parameters",
    "parameters_of",
    "statements_of",
]

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
    **dict.fromkeys(("like", "contains", "startswith", "endswith"), lambda column, value: column.like(value, ESCAPE)),
    **dict.fromkeys(
        ("ilike", "icontains", "istartswith", "iendswith"), lambda column, value: column.ilike(value, ESCAPE)
    ),
}
"""Operator name to the SQL of a column and a bind parameter; `between` has two of them."""

_PATTERNS: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(("like", "contains", "ilike", "icontains"), containing),
    **dict.fromkeys(("startswith", "istartswith"), starting_with),
    **dict.fromkeys(("endswith", "iendswith"), ending_with),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Restricts a collection to the rows that one parent leads to."""

    relation: Relation
    parent_key: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statements:
    """The two selects of a collection.

    Attributes:
        rows: Takes `row_limit` and, unless rows are given by cursor, `row_offset` besides the filter values.
        resources: Every resource that they mention, that of the rows first.
        bounded: Count that needs not be exact, with `count_limit`, for queries that want such a one.
        position_width: Columns at the end of a row that hold its position, of rows that are given by cursor.
    """

    rows: sa.Select[Any]
    count: sa.Select[Any]
    resources: tuple[Resource, ...]
    bounded: sa.Select[Any] | None = None
    position_width: int = 0


def statements_of(
    plan: LoadPlan, query: CollectionQuery, scope: Scope | None = None, position: Position | None = None
) -> Statements:
    """Give the statements of a query, from those kept when its shape was asked before.

    Args:
        position: Where the rows begin, of a query whose rows are given by cursor; `None` for its first page.

    Raises:
        QueryError: The position does not fit the order.
    """
    shape = (
        tuple(part.shape for part in query.where),
        tuple(key.shape for key in query.order),
        len(query.words),
        scope.relation.source.model if scope else None,
        scope.relation.name if scope else None,
        query.count,
        query.cursor is not None,
        position.shape if position is not None else None,
    )
    statements: Statements = plan.statements.get(shape, lambda: _build(plan, query, scope, position))
    return statements


def parameters_of(query: CollectionQuery, scope: Scope | None = None) -> dict[str, Any]:
    """Give the values of the bind parameters that filters, search and scope use."""
    parameters: dict[str, Any] = {}
    for position, condition in enumerate(conditions_of(query.where)):
        name, value = f"flarchitect_value_{position}", condition.value
        if condition.operator == "between":
            parameters[name], parameters[f"{name}_high"] = value
        elif value is not None:
            pattern = _PATTERNS.get(condition.operator)
            parameters[name] = value if pattern is None else pattern(value)
    if query.words:
        parameters.update(search_parameters(query.words))
    if scope is not None:
        parameters.update(key_parameters(scope.parent_key))
    return parameters


def item_statement(plan: LoadPlan) -> sa.Select[Any]:
    """Give the select of one row by key, with the parameters of `key_parameters`."""
    statement: sa.Select[Any] = plan.statements.get("item", lambda: _build_item(plan))
    return statement


def _build_item(plan: LoadPlan) -> sa.Select[Any]:
    model = plan.resource.model
    return plan.joins.apply(plan.statement.select_from(model)).where(*key_conditions(plan.resource, model))


def key_parameters(key: tuple[Any, ...]) -> dict[str, Any]:
    """Give the values of a key as bind parameters."""
    return {f"flarchitect_key_{position}": value for position, value in enumerate(key)}


def is_sent_by_client(parameter: str) -> bool:
    """Say whether a bind parameter holds a value of a filter or a key, and no number of ours."""
    return parameter.startswith(("flarchitect_value_", "flarchitect_key_"))


def _build(plan: LoadPlan, query: CollectionQuery, scope: Scope | None, position: Position | None) -> Statements:
    resource, joins = plan.resource, plan.joins.copy()
    if scope is None:
        rows = plan.statement.select_from(resource.model)
        count: sa.Select[Any] = sa.select(sa.func.count()).select_from(resource.model)
    else:
        rows, count = _scoped(plan, scope.relation)
    filters = Filters(joins)
    conditions = filters.clauses(query.where, resource.model)
    if query.words and resource.search is not None:
        conditions.append(search_clause(resource.search, len(query.words), resource.model))
    terms = _terms(query.order, resource, joins)
    if scope is not None and not query.order:
        terms = [*map(term_of, scope.relation.order_by), *terms]
    limit, offset = (sa.bindparam(name, type_=sa.BigInteger()) for name in ("row_limit", "row_offset"))
    touched = [each for key in query.order for relation in key.path for each in relation.mentions] + filters.resources
    touched += [each for key in query.order for each in key.field.reads]
    touched += resource.search.resources() if query.words and resource.search is not None else []
    touched += [scope.relation.source, *scope.relation.mentions] if scope is not None else []
    resources = tuple(dict.fromkeys((*plan.resources, *touched)))
    # The statement of the plan hides those of its own resources already.
    rows = rows.options(*hide_deleted(resources[len(plan.resources) :], query.view.deleted_asked_by))
    count = count.options(*hide_deleted(resources, query.view.deleted_asked_by))
    rows = joins.apply(rows).where(*conditions)
    # Joins that are only for columns and sorting never change how many rows there are.
    count = plan.joins.apply(count).where(*conditions) if plan.joins.spread_paths() else count.where(*conditions)
    bounded = capped(count) if query.count == "capped" else estimated(count) if query.count == "estimated" else None
    if query.cursor is None:
        rows = rows.order_by(*(term.clause() for term in terms)).limit(limit).offset(offset)
        return Statements(rows, count, resources, bounded)
    _refuse_hidden(resource)
    keyset = Keyset(terms, backward=position is not None and position.backward)
    if position is not None:
        if len(position.values) != len(keyset):
            raise QueryError(
                "The cursor is of an older order. Begin anew with an empty `cursor`.", reason="invalid_cursor"
            )
        rows = rows.where(keyset.after([value is None for value in position.values]))
    rows = rows.add_columns(*keyset.values()).order_by(*keyset.order()).limit(limit)
    return Statements(rows, count, resources, bounded, len(keyset))


def _terms(keys: Sequence[OrderKey], resource: Resource, joins: Joins) -> list[SortTerm]:
    """Give the sort keys, and after them the primary key, so that the order of rows is always the same."""
    terms = [
        SortTerm(
            joins.column(key.path, key.field.attribute, descending=key.descending),
            key.descending,
            key.nulls,
            bool(key.path) or key.field.nullable,
        )
        for key in keys
    ]
    named = {key.field.attribute for key in keys if not key.path}
    terms += [SortTerm(item.fact.attribute, nullable=False) for item in resource.key if item.attribute not in named]
    for path in joins.spread_paths():
        terms += [SortTerm(getattr(joins.spread_entity(path), item.attribute)) for item in path[-1].target.key]
    return terms


def _refuse_hidden(resource: Resource) -> None:
    """Refuse an order by a key that clients may not see: the values of a row's position can be read in its cursor."""
    if any("GET" in item.hidden_in for item in resource.key):
        raise QueryError(
            f"{resource.name} rows cannot be given by cursor, because their key is not shown. Use `page`.",
            reason="not_sortable",
        )


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


class Filters:
    """Builds the clauses of filters. Bind parameters are numbered from left to right, as by `conditions_of`.

    Attributes:
        resources: Those that the clauses mention besides the resource of the rows.
    """

    def __init__(self, joins: Joins) -> None:
        self._joins = joins
        self._position = 0
        self.resources: list[Resource] = []

    def clauses(self, filters: Sequence[Filter], entity: Any, path: Path = ()) -> list[Any]:
        """Build the clause of each filter on an entity that a path has led to."""
        return [self._clause(each, entity, path) for each in filters]

    def _clause(self, part: Filter, entity: Any, path: Path) -> Any:
        if isinstance(part, Condition):
            return self._comparison(part, self._column(part, entity, path))
        if isinstance(part, Related):
            return self._related(part, entity, (*path, part.relation))
        clauses = self.clauses(part.members, entity, path)
        if part.kind == "or":
            return sa.or_(*clauses)
        return sa.and_(*clauses) if part.kind == "and" else sa.not_(sa.and_(*clauses))

    def _related(self, part: Related, entity: Any, path: Path) -> Any:
        joined = self._joins.spread_entity(path)
        if joined is not None:
            # An outer join has rows without a related one, of which nothing is said.
            is_there = getattr(joined, part.relation.target.key[0].attribute).is_not(None)
            return sa.and_(is_there, *self.clauses(part.members, joined, path))
        target: Any = aliased(part.relation.target.model)
        self.resources += part.relation.mentions
        members = self.clauses(part.members, target, path)
        return (
            sa.select(sa.literal(1))
            .select_from(target)
            .where(leads_to(entity, part.relation, target), *members)
            .exists()
        )

    def _column(self, condition: Condition, entity: Any, path: Path) -> Any:
        field = condition.field
        return self._joins.value(entity, path[-1].target, field) if path else getattr(entity, field.attribute)

    def _comparison(self, condition: Condition, column: Any) -> Any:
        self.resources += condition.field.reads
        name, operator = f"flarchitect_value_{self._position}", condition.operator
        self._position += 1
        if condition.value is None:
            return column.is_(None) if operator == "eq" else column.is_not(None)
        # LIKE takes text whatever the column's own type is, an enum's for example.
        type_ = sa.String() if operator in _PATTERNS else _filter_type(condition.field)
        value = sa.bindparam(name, type_=type_, expanding=operator in ("in", "nin"))
        if operator == "between":
            return column.between(value, sa.bindparam(f"{name}_high", type_=type_))
        return OPERATORS[operator](column, value)


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
