"""Facts about one mapped class, read once: its key, columns, hybrid properties and relationships."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, NoneType, UnionType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import HybridExtensionType, hybrid_property
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.types import TypeEngine

__all__ = ["ColumnFact", "HybridFact", "ModelFacts", "RelationFact", "Sources", "inspect_model", "relations_read_by"]


@dataclass(frozen=True, slots=True)
class Sources:
    """The columns that a hybrid property or an expression is made from, in the result or in a condition.

    Attributes:
        own: Those of the model itself.
        foreign: Those of other tables.
        tables: The other tables, also those of which no column is named.
    """

    own: tuple[ColumnFact, ...] = ()
    foreign: tuple[sa.Column[Any], ...] = ()
    tables: tuple[sa.Table, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """One mapped column or column expression.

    Attributes:
        name: Mapped attribute; it may differ from the column's name.
        column: The table column; `None` for a `column_property` over an expression.
        generated: The database or the mapper gives the value, so that clients need not and may not.
        has_default: A row can be made without the value.
        factory: Makes the value that a dataclass model gives itself; the table knows nothing of it.
        sources: What an expression is made from; empty for a column.
    """

    name: str
    attribute: Any
    type: TypeEngine[Any]
    column: sa.Column[Any] | None
    nullable: bool
    primary_key: bool
    generated: bool
    has_default: bool
    info: Mapping[Any, Any]
    factory: Callable[[], Any] | None = None
    sources: Sources = Sources()


@dataclass(frozen=True, slots=True)
class HybridFact:
    """One hybrid property.

    Attributes:
        attribute: SQL expression on the class; `None` when the property works on instances only.
        sql_type: Type of the SQL expression, if there is one.
        python_type: Return annotation without `Optional`, `None` when there is none.
        settable: Whether it has a setter.
        relations: Paths of relationships that the getter reads, so that they can be loaded with the row.
        sources: What the SQL expression is made from, or what the getter names when there is none.
    """

    name: str
    attribute: Any | None
    sql_type: TypeEngine[Any] | None
    python_type: type | None
    settable: bool
    relations: tuple[tuple[str, ...], ...]
    sources: Sources
    info: Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class RelationFact:
    """One relationship.

    Attributes:
        local_names: Attributes of this model whose values lead to the target, when `is_direct`.
        remote_names: Attributes of the target that hold these values, in the same order.
        is_direct: The join is nothing but equality of `local_names` and `remote_names`.
        inverse_name: The relationship on the target that leads back, if declared.
        order_by: How related rows are sorted, a secondary table by the name of `secondary`.
        secondary: The secondary table under another name, so that expressions which read that table stay apart.
    """

    name: str
    target: type
    uselist: bool
    direction: RelationshipDirection
    viewonly: bool
    is_direct: bool
    local_names: tuple[str, ...]
    remote_names: tuple[str, ...]
    inverse_name: str | None
    order_by: tuple[ColumnElement[Any], ...]
    info: Mapping[Any, Any]
    secondary: sa.FromClause | None = None

    @property
    def is_reference(self) -> bool:
        """Whether the row itself holds what its one target is found by, as with a foreign key."""
        return self.is_direct and self.direction is RelationshipDirection.MANYTOONE


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a mapped class is. Columns, hybrids and relations are in the mapper's order."""

    model: type
    mapper: Mapper[Any]
    columns: tuple[ColumnFact, ...]
    hybrids: tuple[HybridFact, ...]
    relations: tuple[RelationFact, ...]
    key: tuple[ColumnFact, ...]

    def names(self) -> list[str]:
        """List every attribute: columns, hybrids, relations."""
        return [
            *(fact.name for fact in self.columns),
            *(fact.name for fact in self.hybrids),
            *(fact.name for fact in self.relations),
        ]


def inspect_model(model: type) -> ModelFacts:
    """Read a mapped class; its registry must be configured."""
    mapper: Mapper[Any] = sa.inspect(model)
    # What only tells subclasses apart, such as an expression of `polymorphic_on`, is no attribute of the class.
    columns = tuple(_column(mapper, each) for each in mapper.column_attrs if each.key in mapper.all_orm_descriptors)
    by_column = {id(fact.column): fact for fact in columns if fact.column is not None}
    key = tuple(_key_fact(mapper, by_column, column) for column in mapper.primary_key)
    stored = {fact.name: fact for fact in columns if fact.column is not None}
    columns = tuple(fact if fact.name in stored else _expression(mapper, stored, fact) for fact in columns)
    hybrids = tuple(
        _hybrid(mapper, stored, name, descriptor)
        for name, descriptor in mapper.all_orm_descriptors.items()
        if _is_hybrid(descriptor)
    )
    relations = tuple(_relation(mapper, relationship) for relationship in mapper.relationships)
    return ModelFacts(model, mapper, columns, hybrids, relations, key)


def _key_fact(mapper: Mapper[Any], by_column: Mapping[int, ColumnFact], column: Any) -> ColumnFact:
    if id(column) in by_column:
        return by_column[id(column)]
    # With joined inheritance the attribute's first column is the child's, the mapper's key the parent's.
    name = mapper.get_property_by_column(column).key
    return next(fact for fact in by_column.values() if fact.name == name)


def _column(mapper: Mapper[Any], attribute: Any) -> ColumnFact:
    expression = attribute.expression
    column = attribute.columns[0] if isinstance(attribute.columns[0], sa.Column) else None
    if column is None:
        shown, info = getattr(mapper.class_, attribute.key), attribute.info
        return ColumnFact(attribute.key, shown, expression.type, None, True, False, True, True, info)
    primary_key = any(part in mapper.primary_key for part in attribute.columns)
    generated = _is_generated(mapper, attribute.columns, column, primary_key)
    factory = _dataclass_factory(mapper, attribute.key)
    defaults = (column.default, column.server_default, factory)
    return ColumnFact(
        name=attribute.key,
        attribute=getattr(mapper.class_, attribute.key),
        type=column.type,
        column=column,
        nullable=bool(column.nullable),
        primary_key=primary_key,
        generated=generated,
        has_default=generated or any(default is not None for default in defaults),
        info=column.info,
        factory=factory,
    )


def _dataclass_factory(mapper: Mapper[Any], name: str) -> Callable[[], Any] | None:
    declared = getattr(mapper.class_, "__dataclass_fields__", {}).get(name)
    factory: Any = getattr(declared, "default_factory", dataclasses.MISSING)
    return None if factory is dataclasses.MISSING else factory


def _is_generated(mapper: Mapper[Any], columns: Any, column: sa.Column[Any], primary_key: bool) -> bool:
    if column.computed is not None or (column.identity is not None and column.identity.always):
        return True
    if any(part is mapper.version_id_col or part is mapper.polymorphic_on for part in columns):
        return True
    if not primary_key:
        # With joined inheritance the key of the child's table follows its parent's, whatever it is called.
        return column.primary_key and mapper.inherits is not None
    given = column.default is not None or column.server_default is not None or column.identity is not None
    # A model may be mapped to a subquery, which knows nothing of automatic keys.
    automatic = getattr(column.table, "autoincrement_column", None) is column and not column.foreign_keys
    inherited = len(columns) > 1
    return given or automatic or inherited


def _expression(mapper: Mapper[Any], stored: Mapping[str, ColumnFact], fact: ColumnFact) -> ColumnFact:
    expression: Any = mapper.column_attrs[fact.name].expression
    return dataclasses.replace(fact, sources=_sources(mapper, stored, [expression]))


def _hybrid(mapper: Mapper[Any], stored: Mapping[str, ColumnFact], name: str, descriptor: Any) -> HybridFact:
    prop: hybrid_property[Any] = descriptor
    attribute, elements = _hybrid_expression(mapper.class_, name)
    return HybridFact(
        name=name,
        attribute=attribute,
        sql_type=elements[0].type if len(elements) == 1 else None,
        python_type=_return_type(prop.fget),
        settable=prop.fset is not None,
        relations=relations_read_by(prop.fget, mapper),
        sources=_sources(mapper, stored, elements or _read_by(mapper, name)),
        # Asked for in any other way, SQLAlchemy would make one, and the property could not be copied any more.
        info=vars(prop).get("info", {}),
    )


def relations_read_by(function: Any, mapper: Mapper[Any]) -> tuple[tuple[str, ...], ...]:
    """List the paths of relationships that a function over instances may follow, judged by the names in its code."""
    code = getattr(function, "__code__", None)
    return () if code is None else tuple(_paths(mapper, _names_in(code)))


def _sources(mapper: Mapper[Any], stored: Mapping[str, ColumnFact], elements: Iterable[ColumnElement[Any]]) -> Sources:
    own: dict[str, ColumnFact] = {}
    foreign: dict[sa.Column[Any], None] = {}
    tables: dict[sa.Table, None] = {}
    for element in elements:
        for part in visitors.iterate(element):
            if isinstance(part, sa.Table):
                tables[part] = None
            for column in part.base_columns if isinstance(part, sa.Column) else ():
                if not isinstance(column, sa.Column):
                    continue
                fact = _stored_fact(mapper, stored, column)
                if fact is None:
                    foreign[column] = None
                    if isinstance(column.table, sa.Table):
                        tables[column.table] = None
                else:
                    own[fact.name] = fact
    others = (table for table in tables if table not in mapper.tables)
    return Sources(tuple(own.values()), tuple(foreign), tuple(others))


def _stored_fact(mapper: Mapper[Any], stored: Mapping[str, ColumnFact], column: sa.Column[Any]) -> ColumnFact | None:
    try:
        return stored.get(mapper.get_property_by_column(column).key)
    except sa.orm.exc.UnmappedColumnError:
        return None


def _read_by(mapper: Mapper[Any], name: str, above: frozenset[str] = frozenset()) -> Iterator[ColumnElement[Any]]:
    """Give the columns that a getter names, also by way of other hybrid properties."""
    prop: Any = mapper.all_orm_descriptors[name]
    code = getattr(prop.fget, "__code__", None)
    for read in sorted(() if code is None else _names_in(code).difference(above, {name})):
        if read in mapper.column_attrs:
            expression: Any = mapper.column_attrs[read].expression
            yield expression
        elif _is_hybrid(mapper.all_orm_descriptors.get(read)):
            yield from _read_by(mapper, read, above | {name})


def _is_hybrid(descriptor: Any) -> bool:
    return descriptor is not None and descriptor.extension_type is HybridExtensionType.HYBRID_PROPERTY


def _names_in(code: CodeType) -> set[str]:
    """Give the names that a function uses, also within its comprehensions."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


def _paths(mapper: Mapper[Any], names: set[str], above: tuple[Mapper[Any], ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give every way over relationships of these names that visits no model twice."""
    for relation in mapper.relationships:
        if relation.key in names and relation.mapper not in above:
            yield (relation.key,)
            for rest in _paths(relation.mapper, names, (*above, mapper)):
                yield (relation.key, *rest)


def _hybrid_expression(model: type, name: str) -> tuple[Any | None, list[ColumnElement[Any]]]:
    """Give the hybrid as SQL and its result columns: getters may do anything, so any failure means there is none."""
    try:
        attribute = getattr(model, name)
        statement = sa.select(attribute)
        statement.compile()
    except Exception:  # noqa: BLE001 - the getter is the application's code, written for instances
        return None, []
    return attribute, list(statement.selected_columns)


def _return_type(getter: Any) -> type | None:
    try:
        annotation = typing.get_type_hints(getter).get("return")
    except Exception:  # noqa: BLE001 - annotations may name what is only imported for type checking
        return None
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        members = [member for member in typing.get_args(annotation) if member is not NoneType]
        annotation = members[0] if len(members) == 1 else None
    return annotation if isinstance(annotation, type) else None


def _relation(mapper: Mapper[Any], relationship: RelationshipProperty[Any]) -> RelationFact:
    local, remote = _direct_pairs(mapper, relationship)
    secondary = None if relationship.secondary is None else relationship.secondary.alias()
    order: Iterable[Any] = relationship.order_by or ()
    return RelationFact(
        name=relationship.key,
        target=relationship.mapper.class_,
        uselist=bool(relationship.uselist),
        direction=relationship.direction,
        viewonly=relationship.viewonly,
        is_direct=bool(local),
        local_names=local,
        remote_names=remote,
        inverse_name=_inverse(relationship),
        order_by=tuple(order if secondary is None else map(ClauseAdapter(secondary).traverse, order)),
        info=relationship.info,
        secondary=secondary,
    )


def _direct_pairs(
    mapper: Mapper[Any], relationship: RelationshipProperty[Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the attribute names on both sides of a plain equality join, or two empty tuples for any other join."""
    pairs = relationship.local_remote_pairs or []
    condition = relationship.primaryjoin
    equalities: list[Any] = list(condition.clauses) if isinstance(condition, BooleanClauseList) else [condition]
    plain = (
        relationship.secondary is None
        and len(equalities) == len(pairs)
        and all(_is_equality_of_columns(part) for part in equalities)
        and not (isinstance(condition, BooleanClauseList) and condition.operator is not operators.and_)
    )
    if not plain:
        return (), ()
    try:
        local = tuple(mapper.get_property_by_column(ours).key for ours, _ in pairs)
        remote = tuple(relationship.mapper.get_property_by_column(theirs).key for _, theirs in pairs)
    except sa.orm.exc.UnmappedColumnError:
        return (), ()
    return local, remote


def _is_equality_of_columns(part: Any) -> bool:
    """Say whether a condition compares two columns as they are, without a function or a cast around one of them."""
    if not isinstance(part, BinaryExpression) or part.operator is not operators.eq:
        return False
    return isinstance(part.left, sa.Column) and isinstance(part.right, sa.Column)


def _inverse(relationship: RelationshipProperty[Any]) -> str | None:
    names = sorted(other.key for other in relationship._reverse_property)  # noqa: SLF001 - no public accessor
    return names[0] if names else relationship.back_populates
