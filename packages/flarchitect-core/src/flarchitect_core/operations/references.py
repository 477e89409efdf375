"""Foreign keys in bodies and URLs: a row may be made to refer only to rows that the request may see.

Otherwise a client could hang its rows on those of another tenant, and find out by trying which hidden rows there are. A
row that is not seen is answered like one that is not there, which a foreign key of the database refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.exc import UnmappedColumnError

from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.operations.failures import no_such_reference
from flarchitect_core.query.compile import key_conditions, key_parameters
from flarchitect_core.query.many_keys import is_one_of, parts_of

if TYPE_CHECKING:
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.operations.operation import Operation

__all__ = ["References"]

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Reference:
    """Attributes of a row that hold what one row of the target is found by.

    Attributes:
        ours: Attributes of the row.
        theirs: Attributes of the target, in the same order.
    """

    target: Resource
    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    def columns(self) -> list[Any]:
        """List the columns of the target that are compared."""
        return [getattr(self.target.model, name) for name in self.theirs]


class References:
    """What rows of one resource may refer to; only models whose rows may be hidden are looked up.

    Made once at start-up.
    """

    def __init__(self, resource: Resource, registry: Registry) -> None:
        self._resource = resource
        found = (*_of_relations(resource), *_of_foreign_keys(resource, registry))
        self._references = [each for each in dict.fromkeys(found) if each.target.is_restricted]

    def check(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        values: Values,
        filled: Collection[str] = (),
    ) -> None:
        """Check the foreign keys among the attribute values that a body sets.

        What the row of the operation refers to already may stay: it may have been hidden since.

        Args:
            filled: Attributes whose values come from elsewhere. Foreign keys that they are part of are left to
                `check_filled`.

        Raises:
            ConflictError: A row that is referred to is not there, as far as the request may see.
        """
        for reference in self._references:
            if any(name in values for name in reference.ours) and not any(name in filled for name in reference.ours):
                self._check(session, operation, executor, reference, values)

    def check_filled(
        self, session: Session, operation: Operation, executor: SessionExecutor, values: Values, filled: Values
    ) -> None:
        """Check, as `check` does, the foreign keys of which the body sets one part and other rows fill in the rest.

        Args:
            values: What the body sets.
            filled: What comes from elsewhere.

        Raises:
            ConflictError: A row that is referred to is not there, as far as the request may see.
        """
        for reference in self._references:
            if any(name in values for name in reference.ours) and any(name in filled for name in reference.ours):
                self._check(session, operation, executor, reference, {**values, **filled})

    def _check(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        reference: _Reference,
        values: Values,
    ) -> None:
        complete = {**self._current(session, operation, executor, reference, values), **values}
        key = _key_in(reference, complete)
        if key is None or self._refers_to_itself(reference, complete) or (reference, key) in operation.seen:
            return
        if self._count(session, operation, executor, reference, [key]):
            operation.seen.add((reference, key))
        elif not self._is_as_before(session, operation, executor, reference, complete):
            raise no_such_reference(self._resource, reference.ours)

    def all_seen(
        self, session: Session, operation: Operation, executor: SessionExecutor, rows: Sequence[Values]
    ) -> bool:
        """Say whether all that new rows refer to is seen, by one statement for each foreign key."""
        for reference in self._references:
            keys = dict.fromkeys(key for values in rows if (key := _key_in(reference, values)) is not None)
            if keys and self._count(session, operation, executor, reference, list(keys)) != len(keys):
                return False
        return True

    def _count(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        reference: _Reference,
        keys: Sequence[tuple[Any, ...]],
    ) -> int:
        columns, target = reference.columns(), reference.target
        statement: Any = sa.select(*columns).where(is_one_of(columns)).distinct()
        seen = self._seen(operation, executor, target, statement)
        return sum(len(session.execute(seen, some).all()) for some in parts_of(keys))

    def _current(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        reference: _Reference,
        values: Values,
    ) -> Values:
        """Give the part of a composite foreign key that the URL says, or that a PATCH leaves as it is."""
        if operation.key is None:
            return {}
        key = self._resource.named_key(operation.key)
        missing = [name for name in reference.ours if name not in values and name not in key]
        if not missing or operation.method != "PATCH":
            return key
        model = self._resource.model
        columns = [getattr(model, name) for name in missing]
        statement: Any = sa.select(*columns).where(*key_conditions(self._resource, model))
        seen = self._seen(operation, executor, self._resource, statement)
        row = session.execute(seen, key_parameters(operation.key)).first()
        return key if row is None else {**key, **dict(zip(missing, row, strict=True))}

    def _is_as_before(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        reference: _Reference,
        values: Values,
    ) -> bool:
        if operation.key is None or operation.method == "POST":
            return False
        model = self._resource.model
        same = (getattr(model, name) == values[name] for name in reference.ours)
        statement: Any = sa.select(sa.literal(1)).select_from(model)
        statement = statement.where(*key_conditions(self._resource, model), *same)
        # Whoever may not see the row must not find out either what it refers to.
        seen = self._seen(operation, executor, self._resource, statement)
        return session.execute(seen, key_parameters(operation.key)).first() is not None

    def _refers_to_itself(self, reference: _Reference, values: Values) -> bool:
        """Say whether a new row refers to itself, by a key that its client chose."""
        return reference.target is self._resource and all(
            values[ours] == values.get(theirs) for ours, theirs in zip(reference.ours, reference.theirs, strict=True)
        )

    @staticmethod
    def _seen(
        operation: Operation, executor: SessionExecutor, resource: Resource, statement: sa.Select[Any]
    ) -> sa.Select[Any]:
        asked_by = operation.method if operation.include_deleted else None
        return executor.restricted((resource,), statement.options(*hide_deleted([resource], asked_by)))


def _key_in(reference: _Reference, values: Values) -> tuple[Any, ...] | None:
    """Give what a foreign key holds; `None` when it refers to nothing, as with a NULL in any of its columns."""
    key = tuple(values.get(name) for name in reference.ours)
    return None if any(value is None for value in key) else key


def _of_relations(resource: Resource) -> Iterator[_Reference]:
    for relation in resource.relations.values():
        if relation.fact.is_reference:
            yield _reference(relation.target, zip(relation.fact.local_names, relation.fact.remote_names, strict=True))


def _of_foreign_keys(resource: Resource, registry: Registry) -> Iterator[_Reference]:
    """Give the references of the tables, with or without a relationship."""
    known = (*registry, *registry.unpublished)
    by_table = {each.facts.mapper.local_table: each for each in known if not each.facts.mapper.single}
    mapper = resource.facts.mapper
    tables: Iterable[Any] = mapper.tables
    for table in tables:
        for constraint in getattr(table, "foreign_key_constraints", ()):
            target = by_table.get(constraint.referred_table)
            if target is None:
                continue
            pairs = [
                (_attribute(mapper, element.parent), _attribute(target.facts.mapper, element.column))
                for element in constraint.elements
            ]
            names = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
            # With joined inheritance a row has one key in several tables, which refers to no other row.
            is_inherited = constraint.referred_table in mapper.tables and all(ours == theirs for ours, theirs in names)
            if len(names) == len(pairs) and not is_inherited:
                yield _reference(target, names)


def _reference(target: Resource, names: Iterable[tuple[str, str]]) -> _Reference:
    # In one order, so that a relationship and its foreign key are one reference.
    ours, theirs = zip(*sorted(names), strict=True)
    return _Reference(target, ours, theirs)


def _attribute(mapper: Mapper[Any], column: Any) -> str | None:
    try:
        return mapper.get_property_by_column(column).key
    except UnmappedColumnError:
        return None
