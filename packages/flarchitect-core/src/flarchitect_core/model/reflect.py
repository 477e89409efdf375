"""An existing database as mapped classes: every table with a primary key becomes a published model.

Tables, classes and relationships are built here from what SQLAlchemy's inspector reads, because `MetaData.reflect` and
automap fail as a whole where one table is odd: a foreign key to a table that is missing, left out or written in another
case, names that are no identifiers, values that do not fit the declared type.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedForeignKeyConstraint
from sqlalchemy.orm import DeclarativeBase, foreign, relationship, remote
from sqlalchemy.types import NullType, TypeEngine

from flarchitect_core.model.naming import field_name
from flarchitect_core.model.reflect_catalogue import Catalogue, read_catalogue
from flarchitect_core.model.reflect_names import (
    NamePool,
    attribute_name,
    attribute_pool,
    class_name,
    class_pool,
    collection_names,
    is_renamed,
    many_to_many_names,
    reference_names,
)
from flarchitect_core.model.reflect_types import served_type

__all__ = ["Reflection", "reflect_models"]

T = TypeVar("T")
Column = sa.Column[Any]


@dataclass(frozen=True, slots=True)
class Reflection:
    """What a database holds.

    Attributes:
        base: Declarative base of the classes, for `API_BASE_MODEL`.
        models: Mapped classes with an inner `Meta`, by name of their table.
        notices: What is not served, or not under its own name, and why: whole sentences.
    """

    base: type[DeclarativeBase]
    models: list[type[DeclarativeBase]]
    notices: list[str]


def reflect_models(
    engine: Engine, *, include: Sequence[str] = (), exclude: Sequence[str] = (), schema: str | None = None
) -> Reflection:
    """Reflect the tables of a database into mapped classes with relationships in both directions.

    A foreign key gives a to-one relationship, and a to-many one on the class it leads to, which leaves children alone
    when the parent is deleted: the database decides. A table of nothing but two foreign keys that are its key also
    gives a many-to-many relationship on both sides.

    Args:
        engine: Engine of the database; one connection is used and given back.
        include: Names of tables, or patterns such as `sales_*`, in any case; all when empty.
        exclude: Names and patterns to leave out, also when included.
        schema: Schema to read, the default one when absent.

    Raises:
        ConfigurationError: A name or pattern fits no table, so that nothing is published or hidden by a typo.
        sqlalchemy.exc.SQLAlchemyError: The database cannot be read.
    """
    with engine.connect() as connection:
        catalogue = read_catalogue(connection, include, exclude, schema)
    builder = _Builder(catalogue)
    builder.build_classes()
    builder.build_relationships()
    builder.base.registry.configure()
    return Reflection(builder.base, [served.model for served in builder.served.values()], builder.notices)


@dataclass(frozen=True, slots=True)
class _Served:
    """One served table, its class, and the names that the class has given away."""

    table: sa.Table
    model: type[DeclarativeBase]
    columns: Mapping[str, Column]
    is_whole: bool
    names: NamePool
    targets: list[_Served] = field(default_factory=list)

    def relate(self, name: str, target: _Served, **arguments: Any) -> None:
        """Add a relationship to the class."""
        setattr(self.model, name, relationship(target.model, **arguments))
        self.targets.append(target)


@dataclass(slots=True)
class _Reference:
    """One foreign key between served tables, and the names of its relationship and of the way back."""

    child: _Served
    columns: tuple[Column, ...]
    parent: _Served
    targets: tuple[Column, ...]
    name: str = ""
    back: str = ""


class _Builder:
    """Builds the classes of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        class Base(DeclarativeBase):
            """Base of the classes reflected from one database."""

        self.base: type[DeclarativeBase] = Base
        self.served: dict[str, _Served] = {}
        self.notices = list(catalogue.notices)
        self._catalogue = catalogue
        self._classes = class_pool()
        self._reserved = frozenset({*dir(Base), "Meta", "self"})

    # --- classes ------------------------------------------------------------------------------------------------------

    def build_classes(self) -> None:
        """Build the class of every table that has a key."""
        tables: list[str] = []
        for table in self._catalogue.selected:
            if not self._catalogue.keys[table]:
                self.notices.append(f"Table `{table}` has no primary key and is not served.")
            elif not table:
                self.notices.append("A table has an empty name and is not served.")
            else:
                tables.append(table)
        names = {table: self._classes.take([class_name(table)]) for table in sorted(tables, key=is_renamed)}
        for table in tables:
            self._build_class(table, names[table])

    def _build_class(self, name: str, class_: str) -> None:
        names = attribute_pool()
        infos = self._catalogue.columns[name]
        types = {info["name"]: type_ for info in infos if (type_ := self._type(name, info)) is not None}
        attributes = self._attributes(types, names)
        columns = {
            info["name"]: self._column(name, info, types[info["name"]], attributes[info["name"]])
            for info in infos
            if info["name"] in types
        }
        if missing := [key for key in self._catalogue.keys[name] if key not in columns]:
            self.notices.append(f"Table `{name}` is not served, because its key `{missing[0]}` is left out.")
            return
        table = sa.Table(name, self.base.metadata, *columns.values(), schema=self._catalogue.schema)
        wanted = class_name(name)
        if class_ != wanted:
            self.notices.append(
                f"Table `{name}` is served as `{class_}`, because another table has the name `{wanted}`."
            )
        namespace = {
            "__table__": table,
            "__module__": __name__,
            "__doc__": f"Table `{name}`.",
            "Meta": type("Meta", (), {"tag": class_}),
        }
        model = type(class_, (self.base,), namespace)
        self.served[name] = _Served(table, model, columns, len(columns) == len(infos), names)

    def _attributes(self, columns: Iterable[str], names: NamePool) -> dict[str, str]:
        """Name the attributes of columns; where clients would see two alike, the column that is called so wins."""
        wanted = {column: attribute_name(column, self._reserved) for column in columns}

        def is_renamed_column(column: str) -> bool:
            return field_name(wanted[column], "snake") != column

        return {column: names.take([wanted[column]]) for column in sorted(wanted, key=is_renamed_column)}

    def _column(self, table: str, info: ReflectedColumn, type_: TypeEngine[Any], attribute: str) -> Column:
        name = info["name"]
        if field_name(attribute, "snake") != field_name(name, "snake"):
            self.notices.append(f"Column `{name}` of `{table}` is served as `{attribute}`.")
        is_key = name in self._catalogue.keys[table]
        return sa.Column(
            name,
            type_,
            *_generators(info),
            key=attribute,
            primary_key=is_key,
            nullable=info["nullable"] and not is_key,
            autoincrement=self._autoincrement(table, info),
            server_default=sa.FetchedValue() if _has_plain_default(info) else None,
            comment=info.get("comment"),
            info={"reflected": True},
        )

    def _type(self, table: str, info: ReflectedColumn) -> TypeEngine[Any] | None:
        name = info["name"]
        if not name:
            self.notices.append(f"A column of `{table}` has an empty name and is left out.")
            return None
        declared = self._catalogue.declared.get((table, name), "")
        type_ = served_type(info["type"], dialect=self._catalogue.dialect, declared=declared)
        if type_ is None:
            needed = not info["nullable"] and info.get("default") is None
            consequence = "; rows cannot be created without it" if needed else ""
            self.notices.append(f"Column `{name}` of `{table}` has an unknown type and is left out{consequence}.")
        elif isinstance(info["type"], NullType):
            self.notices.append(f"Column `{name}` of `{table}` has no known type and is served as text.")
        return type_

    def _autoincrement(self, table: str, info: ReflectedColumn) -> Any:
        if self._catalogue.dialect == "sqlite":
            # Only a key declared with exactly this word stands for the row id, which SQLite counts up.
            return "auto" if self._catalogue.declared.get((table, info["name"]), "").upper() == "INTEGER" else False
        return info.get("autoincrement", "auto")

    # --- relationships ------------------------------------------------------------------------------------------------

    def build_relationships(self) -> None:
        """Build the relationships of every foreign key and of every association table."""
        references = self._references()
        _name_references(references)
        by_child: dict[str, list[_Reference]] = defaultdict(list)
        for reference in references:
            by_child[reference.child.table.name].append(reference)
        for related in by_child.values():
            self._relate(related)
        for served in self.served.values():
            targets = [id(target) for target in served.targets]
            if len(set(targets)) < len(targets):
                # Named by their targets, as is the default, the relation routes would collide.
                served.model.Meta.relation_route_naming = "relationship"  # type: ignore[attr-defined]

    def _relate(self, references: Sequence[_Reference]) -> None:
        """Build the relationships that write to the columns of one table."""
        association = references if _is_association(references) else []
        through = [_through(one, other) for one, other in zip(association, reversed(association), strict=True)]
        names = {name for reference in references for name in (reference.name, reference.back)}
        # All of them may write the same columns; SQLAlchemy wants to hear that this is meant.
        overlaps = ",".join(sorted(names.union(through)))
        for reference in references:
            pairs = list(zip(reference.columns, reference.targets, strict=True))
            reference.child.relate(
                reference.name,
                reference.parent,
                primaryjoin=sa.and_(*(remote(target) == foreign(column) for column, target in pairs)),
                back_populates=reference.back,
                overlaps=overlaps,
            )
            reference.parent.relate(
                reference.back,
                reference.child,
                primaryjoin=sa.and_(*(target == remote(foreign(column)) for column, target in pairs)),
                back_populates=reference.name,
                passive_deletes="all",
                overlaps=overlaps,
            )
        for index, (one, other) in enumerate(zip(association, reversed(association), strict=True)):
            one.parent.relate(
                through[index],
                other.parent,
                secondary=one.child.table,
                primaryjoin=_equal(one),
                secondaryjoin=_equal(other),
                back_populates=through[1 - index],
                passive_deletes=True,
                overlaps=overlaps,
            )

    def _references(self) -> list[_Reference]:
        found: dict[tuple[Any, ...], _Reference] = {}
        for name, served in self.served.items():
            for info in self._catalogue.references[name]:
                reference = self._reference(served, info)
                if reference is None:
                    continue
                # SQLite takes the same key declared twice.
                identity = (name, reference.parent.table.name, *map(str, reference.columns + reference.targets))
                if identity not in found:
                    constraint = sa.ForeignKeyConstraint(
                        reference.columns, reference.targets, name=info["name"], **info.get("options", {})
                    )
                    served.table.append_constraint(constraint)
                    found[identity] = reference
        # In the order of the columns, because each database lists its keys in another order.
        return sorted(found.values(), key=_position)

    def _reference(self, child: _Served, info: ReflectedForeignKeyConstraint) -> _Reference | None:
        where = f"`{child.table.name}` ({', '.join(info['constrained_columns'])})"
        is_here = info["referred_schema"] in (None, self._catalogue.schema)
        parent = _find(self.served, info["referred_table"]) if is_here else None
        if parent is None:
            left_out = is_here and info["referred_table"].casefold() in map(str.casefold, self._catalogue.left_out)
            if not left_out:
                target = info["referred_table"]
                self.notices.append(f"The foreign key {where} leads to `{target}`, which is not served.")
            return None
        columns = _find_all(child.columns, info["constrained_columns"])
        targets = _find_all(parent.columns, info["referred_columns"])
        if not columns or len(columns) != len(targets):
            self.notices.append(f"The foreign key {where} names columns that do not exist or are left out.")
            return None
        return _Reference(child, columns, parent, targets)


def _position(reference: _Reference) -> tuple[str, list[int]]:
    columns = list(reference.child.columns.values())
    return reference.child.table.name.casefold(), [columns.index(column) for column in reference.columns]


def _name_references(references: Sequence[_Reference]) -> None:
    """Name all relationships of foreign keys before all ways back: what a table itself declares chooses first."""
    keys = Counter((id(reference.child), id(reference.parent)) for reference in references)

    def is_only(reference: _Reference) -> bool:
        return keys[id(reference.child), id(reference.parent)] == 1

    for reference in references:
        candidates = reference_names(
            [column.key for column in reference.columns],
            reference.parent.model.__name__,
            is_only=is_only(reference),
            is_self=reference.child is reference.parent,
        )
        reference.name = reference.child.names.take(candidates)
    for reference in references:
        child = reference.child.model.__name__
        candidates = collection_names(child, reference.name, is_only=is_only(reference))
        reference.back = reference.parent.names.take(candidates)


def _through(one: _Reference, other: _Reference) -> str:
    """Name the relationship that leads from the parent of one reference through the table to the other's parent."""
    candidates = many_to_many_names(
        other.parent.model.__name__, one.child.model.__name__, other.name, is_self=one.parent is other.parent
    )
    return one.parent.names.take(candidates)


def _is_association(references: Sequence[_Reference]) -> bool:
    """Tell whether the table is nothing but two foreign keys which together are its key."""
    child = references[0].child
    columns = [column for reference in references for column in reference.columns]
    return (
        len(references) == 2
        and child.is_whole
        and len(columns) == len(child.columns)
        and set(columns) == set(child.table.primary_key.columns)
    )


def _equal(reference: _Reference) -> sa.ColumnElement[bool]:
    pairs = zip(reference.columns, reference.targets, strict=True)
    return sa.and_(*(target == column for column, target in pairs))


def _generators(info: ReflectedColumn) -> list[sa.Computed | sa.Identity]:
    if "computed" in info:
        return [sa.Computed(**info["computed"])]
    return [sa.Identity(**info["identity"])] if "identity" in info else []


def _has_plain_default(info: ReflectedColumn) -> bool:
    return info.get("default") is not None and not _generators(info)


def _find(named: Mapping[str, T], name: str) -> T | None:
    """Find by name; in another case too, because SQLite and MariaDB keep foreign keys as they were typed."""
    if name in named:
        return named[name]
    alike = [value for key, value in named.items() if key.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def _find_all(named: Mapping[str, T], names: Sequence[str]) -> tuple[T, ...]:
    """Find all by name, or nothing when one is missing."""
    found = [value for name in names if (value := _find(named, name)) is not None]
    return tuple(found) if len(found) == len(names) else ()
