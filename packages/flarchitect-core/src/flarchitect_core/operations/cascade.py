"""Deleting a row together with everything that hangs on it (rest 6.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import (
    Load,
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    Session,
    aliased,
    lazyload,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.util import ClauseAdapter

from flarchitect_core import options
from flarchitect_core.errors import ConflictError
from flarchitect_core.query.many_keys import is_one_of, parts_of

if TYPE_CHECKING:
    from flarchitect_core.access.rules import RowAction
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.settings import Settings

__all__ = ["CascadeRules", "dependents_of", "hold_for_delete"]

_KEYS_PER_STATEMENT = 500
# Collections that are never held in memory; the ORM asks for them itself.
_UNHELD = frozenset({"dynamic", "write_only"})

Relationship = RelationshipProperty[Any]


def dependents_of(
    session: Session,
    instances: Sequence[Any],
    settings: Settings,
    rules: CascadeRules | None = None,
) -> list[Any]:
    """Find the rows that a cascade removes with rows of one model: their children, and theirs, each once.

    Children are what one-to-many and one-to-one relationships lead to, rows that are marked as deleted included. Of
    many-to-many relationships only the association rows go, which the ORM removes with the row itself. Statements: one
    for each relationship and generation, for any number of rows below a few hundred; the ORM then needs none to learn
    what hangs on what.

    Args:
        rules: What the rows that were found are checked by, before any of them is changed.

    Raises:
        ConflictError: A model forbids it, or there are more rows than `API_CASCADE_ROWS_MAX`.
    """
    if not instances:
        return []
    search = _Search(session, settings, settings.get(options.CASCADE_ROWS_MAX, model=type(instances[0])), rules)
    found = search.dependents_of(instances)
    if rules is not None:
        rules.require_deletable(found)
        rules.require_policy(search.links(), "delete")
    search.untie()
    return found


def hold_for_delete(
    session: Session,
    instances: Sequence[Any],
    settings: Settings,
    rules: CascadeRules | None = None,
) -> None:
    """Load at once what the ORM would load row by row to delete rows of one model.

    Args:
        rules: What the rows that the ORM deletes with them are checked by, and those in which it clears what refers to
            them.

    Raises:
        ConflictError: One relationship leads to more rows than `API_CASCADE_ROWS_MAX`.
    """
    if not instances:
        return
    search = _Search(session, settings, settings.get(options.CASCADE_ROWS_MAX, model=type(instances[0])), rules)
    deleted, cleared = search.hold(instances)
    if rules is not None:
        rules.require_policy([*deleted, *search.links()], "delete")
        rules.require_policy(cleared, "update")


@dataclass(frozen=True, slots=True)
class CascadeRules:
    """What a request may do with rows that it did not name, because others are deleted."""

    session: Session
    registry: Registry
    executor: SessionExecutor

    def require_policy(self, instances: Sequence[Any], action: RowAction) -> None:
        """Check, by the policies of their models, rows that the ORM writes because another one is deleted.

        Raises:
            ConflictError: The request may not write one of them.
        """
        judge = self.executor.judge
        for mapper, rows in _by_mapper(instances):
            resource = self.registry.known(mapper.class_)
            if resource is None:
                continue
            keys = [resource.key_of(row) for row in rows]
            for row in rows:
                judge.may_write(resource, action, row)
            if not judge.permits_unseen(self.session, resource, keys, action):
                raise _not_permitted("rows that this request may not change or delete")

    def require_deletable(self, instances: Sequence[Any]) -> None:
        """Check that a request may delete rows that it did not name.

        It may not where it would have to see them first and cannot, or where their model is published without DELETE.
        Rows of models that are not published have no rules, but may be of another tenant.

        Raises:
            ConflictError: It may not.
        """
        for mapper, rows in _by_mapper(instances):
            resource = self.registry.known(mapper.class_)
            if resource is None:
                continue
            if self.registry.get(mapper.class_) is not None and "DELETE" not in resource.methods:
                raise _not_permitted(f"{resource.name} rows, which cannot be deleted here,")
            key = [item.fact.attribute for item in resource.key]
            every: sa.Select[Any] = sa.select(sa.func.count()).select_from(resource.model).where(is_one_of(key))
            seen = self.executor.restricted((resource,), every)
            keys = [resource.key_of(row) for row in rows]
            for row in rows:
                self.executor.judge.may_write(resource, "delete", row)
            if not self.executor.judge.permits(self.session, resource, keys, "delete"):
                raise _not_permitted("rows that this request may not delete")
            if seen is every:
                continue
            if sum(self.session.execute(seen, some).scalar_one() for some in parts_of(keys)) != len(rows):
                raise _not_permitted("rows that this request may not delete")


@dataclass(frozen=True, slots=True)
class _Edge:
    """One row that hangs on another."""

    relationship: Relationship
    parent: Any
    child: Any


class _Search:
    def __init__(self, session: Session, settings: Settings, most: int, rules: CascadeRules | None) -> None:
        self._session = session
        self._settings = settings
        self._most = most
        self._rules = rules
        self._found: dict[Any, Any] = {}
        self._links: dict[Any, Any] = {}
        self._roots = 0
        self._edges: list[_Edge] = []

    def links(self) -> list[Any]:
        """List the rows of secondary tables that the ORM removes with what was found, as far as they have rules."""
        return [row for key, row in self._links.items() if key not in self._found]

    def dependents_of(self, instances: Sequence[Any]) -> list[Any]:
        self._found = {_identity(instance): instance for instance in instances}
        self._roots = len(self._found)
        generation = list(self._found.values())
        while generation:
            known = len(self._found)
            for mapper, parents in _by_mapper(generation):
                self._follow(mapper, parents)
            generation = list(self._found.values())[known:]
        return list(self._found.values())[self._roots :]

    def hold(self, instances: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Load what the ORM would, and give the rows that it deletes and those that it changes."""
        self._found = {_identity(instance): instance for instance in instances}
        cleared: dict[Any, Any] = {}
        generation = list(self._found.values())
        while generation:
            known = len(self._found)
            for mapper, parents in _by_mapper(generation):
                for relationship in _loaded_with_a_delete(mapper, self._session):
                    edges = self._load(relationship, parents, lazyload("*"))
                    self._load_links(relationship, parents)
                    children = {_identity(edge.child): edge.child for edge in edges}
                    if relationship.cascade.delete:
                        self._found.update(children)
                    elif relationship.direction is RelationshipDirection.ONETOMANY:
                        cleared.update(children)
            generation = list(self._found.values())[known:]
        deleted = list(self._found.values())[len(instances) :]
        return deleted, [row for key, row in cleared.items() if key not in self._found]

    def _follow(self, mapper: Mapper[Any], parents: Sequence[Any]) -> None:
        to_children = [each for each in _held_by(mapper) if each.direction is RelationshipDirection.ONETOMANY]
        tables = {table for relationship in to_children for table in relationship.mapper.tables}
        for relationship in to_children:
            for edge in self._load(relationship, parents, lazyload("*")):
                self._add(mapper, edge)
        for relationship in _held_by(mapper):
            if relationship.direction is not RelationshipDirection.MANYTOMANY:
                continue
            if relationship.secondary in tables:
                # Its association rows are rows of a model, and were found as children.
                _hold(relationship, parents, [])
                continue
            target = relationship.mapper
            key = [getattr(target.class_, name) for name in _key_names(target)]
            edges = self._load(relationship, parents, Load(target.class_).load_only(*key), lazyload("*"))
            self._load_links(relationship, parents)
            if edges and not self._settings.get(options.ALLOW_DELETE_DEPENDENTS, model=mapper.class_):
                raise _forbidden(mapper, relationship, "API_ALLOW_DELETE_DEPENDENTS")

    def _add(self, mapper: Mapper[Any], edge: _Edge) -> None:
        self._edges.append(edge)
        if _identity(edge.child) in self._found:
            return
        if not self._settings.get(options.ALLOW_DELETE_RELATED, model=mapper.class_):
            raise _forbidden(mapper, edge.relationship, "API_ALLOW_DELETE_RELATED")
        self._found[_identity(edge.child)] = edge.child
        if len(self._found) - self._roots > self._most:
            raise self._too_large()

    def _load(self, relationship: Relationship, parents: Sequence[Any], *load: Any) -> list[_Edge]:
        """Load what a relationship leads to, and let the parents hold it."""
        source: Any = aliased(relationship.parent.class_)
        names = _key_names(relationship.parent)
        key = [getattr(source, name) for name in names]
        by_key = {tuple(getattr(parent, name) for name in names): parent for parent in parents}
        statement = (
            sa.select(relationship.mapper.class_, *key)
            .select_from(source)
            .join(getattr(source, relationship.key))
            .options(*load)
            # Among them may be the rows themselves, which do not count; one more shows that there are too many.
            .limit(self._most + self._roots + 1)
        )
        edges: list[_Edge] = []
        for keys in _some(list(by_key)):
            is_parent = sa.tuple_(*key).in_(keys) if len(key) > 1 else key[0].in_([value for (value,) in keys])
            rows = self._session.execute(statement.where(is_parent)).all()
            edges += [_Edge(relationship, by_key[tuple(row[1:])], row[0]) for row in rows]
            if len(edges) > self._most + self._roots:
                raise self._too_large()
        _hold(relationship, parents, edges)
        return edges

    def _load_links(self, relationship: Relationship, parents: Sequence[Any]) -> None:
        """Load the rows of a secondary table that lead from the parents to others, where they are rows with rules."""
        association = None if self._rules is None else self._rules.registry.association(relationship.secondary)
        if association is None:
            return
        source: Any = aliased(relationship.parent.class_)
        names = _key_names(relationship.parent)
        key = [getattr(source, name) for name in names]
        statement: sa.Select[Any] = (
            sa.select(association.model)
            .join(source, ClauseAdapter(sa.inspect(source).selectable).traverse(relationship.primaryjoin))
            .where(is_one_of(key))
            .options(lazyload("*"))
            .limit(self._most + 1)
        )
        known = len(self._links)
        for some in parts_of([tuple(getattr(parent, name) for name in names) for parent in parents]):
            rows = self._session.execute(statement, some).scalars()
            self._links.update((_identity(row), row) for row in rows)
            if len(self._links) - known > self._most:
                raise self._too_large()

    def untie(self) -> None:
        """Take apart the rows that hang on each other in a circle, which cannot be removed one after the other."""
        circular = _circular(self._edges)
        if not circular:
            return
        tied = set(map(id, circular))
        for edge in circular:
            columns = [remote for _, remote in edge.relationship.local_remote_pairs or () if remote.nullable]
            for column in columns:
                setattr(edge.child, sa.inspect(edge.child).mapper.get_property_by_column(column).key, None)
        for relationship in dict.fromkeys(edge.relationship for edge in circular):
            kept = [edge for edge in self._edges if edge.relationship is relationship and id(edge) not in tied]
            parents = {id(edge.parent): edge.parent for edge in circular if edge.relationship is relationship}
            _hold(relationship, list(parents.values()), kept)
        self._session.flush()

    def _too_large(self) -> ConflictError:
        return ConflictError(
            f"The cascade would remove more than {self._most} rows. Delete some of them first.",
            reason="cascade_too_large",
            details={"maximum": self._most},
        )


def _hold(relationship: Relationship, parents: Sequence[Any], edges: Iterable[_Edge]) -> None:
    """Let instances hold what a relationship leads to, as if the ORM had loaded it for each of them."""
    if relationship.lazy in _UNHELD:
        return
    children: dict[int, list[Any]] = {id(parent): [] for parent in parents}
    for edge in edges:
        if id(edge.parent) in children:
            children[id(edge.parent)].append(edge.child)
    for parent in parents:
        held = children[id(parent)]
        set_committed_value(parent, relationship.key, held if relationship.uselist else next(iter(held), None))


def _circular(edges: Sequence[_Edge]) -> list[_Edge]:
    """Give the edges that lie on circles, or between two of them."""
    remaining = list(edges)
    while remaining:
        parents = {id(edge.parent) for edge in remaining}
        children = {id(edge.child) for edge in remaining}
        kept = [edge for edge in remaining if id(edge.child) in parents and id(edge.parent) in children]
        if len(kept) == len(remaining):
            return kept
        remaining = kept
    return []


def _identity(instance: Any) -> Any:
    return sa.inspect(instance).identity_key


def _by_mapper(instances: Iterable[Any]) -> Iterator[tuple[Mapper[Any], list[Any]]]:
    groups: dict[Mapper[Any], list[Any]] = {}
    for instance in instances:
        groups.setdefault(sa.inspect(instance).mapper, []).append(instance)
    yield from groups.items()


def _held_by(mapper: Mapper[Any]) -> list[Relationship]:
    return [relationship for relationship in mapper.relationships if not relationship.viewonly]


def _loaded_with_a_delete(mapper: Mapper[Any], session: Session) -> Iterator[Relationship]:
    """Give the relationships that the ORM follows to delete rows, or to clear what refers to them."""
    bind = session.get_bind(mapper)
    for relationship in _held_by(mapper):
        is_followed = relationship.direction is not RelationshipDirection.MANYTOONE or relationship.cascade.delete
        # What lies in another database cannot be joined.
        if is_followed and not relationship.passive_deletes and session.get_bind(relationship.mapper) is bind:
            yield relationship


def _key_names(mapper: Mapper[Any]) -> list[str]:
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def _some(keys: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        yield keys[start : start + _KEYS_PER_STATEMENT]


def _not_permitted(what: str) -> ConflictError:
    return ConflictError(
        f"Error deleting object: the cascade would reach {what}, so nothing was deleted.",
        reason="cascade_not_permitted",
    )


def _forbidden(mapper: Mapper[Any], relationship: Relationship, option: str) -> ConflictError:
    name = mapper.class_.__name__
    return ConflictError(
        f"Error deleting object: this {name} still has {relationship.key}, and removing them with it is not allowed "
        f"({option}).",
        reason="cascade_forbidden",
        details={"relation": relationship.key},
    )
