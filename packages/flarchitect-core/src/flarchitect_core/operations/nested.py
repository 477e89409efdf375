"""Writing a row together with rows that relations lead to, as bodies with nested objects ask for it (rest 5.7).

The rows of a body form a tree. First everything is looked up, level by level: one statement for the rows that are named
by key, one for those that a relation leads to now, for any number of rows. Then what is left out is unlinked, and then
the tree is made; the session finds the order of the statements, and fills foreign keys in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import CircularDependencyError, SQLAlchemyError
from sqlalchemy.orm import Session, aliased, lazyload, undefer
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.collections import collection_adapter

from flarchitect_core import options
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import ApiError, ConflictError, ValidationError
from flarchitect_core.events import Change
from flarchitect_core.operations.cascade import CascadeRules, hold_for_delete
from flarchitect_core.operations.failures import row_is_referred_to, write_failure
from flarchitect_core.operations.instances import InstanceMaker
from flarchitect_core.operations.link_rows import LinkRows
from flarchitect_core.operations.nested_bodies import NestedBodies, NestedReader, too_many_nested_rows
from flarchitect_core.operations.nested_relations import NestedRelation, nested_relation
from flarchitect_core.operations.operation import Operation
from flarchitect_core.operations.references import References
from flarchitect_core.operations.write import BLANKED_KEY, locked, names_of, refusing
from flarchitect_core.query.criteria import hide_deleted
from flarchitect_core.query.include import follow
from flarchitect_core.query.many_keys import is_one_of, parts_of

if TYPE_CHECKING:
    from flarchitect_core.access.rules import RowAction
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.model.schemas import BodyReader
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.state import ApplicationState

__all__ = ["NestedWrites", "nested_writes"]

Key = tuple[Any, ...]
Path = tuple[str, ...]


def nested_writes(state: ApplicationState) -> NestedWrites | None:
    """Prepare nested writes; `None` when no model allows them."""
    links = {
        relation: nested_relation(relation, state.settings)
        for resource in state.registry
        for relation in resource.relations.values()
    }
    return NestedWrites(state, links) if any(link.allowed for link in links.values()) else None


class NestedWrites:
    """The nested writes of one application.

    Attributes:
        links: What is known of each relationship.
    """

    def __init__(self, state: ApplicationState, links: Mapping[Relation, NestedRelation]) -> None:
        self.links = links
        self._hooks = state.hooks
        self._registry = state.registry
        self._settings = state.settings
        self._tenants = state.tenants
        self._rows_max = state.settings.get(options.NESTED_ROWS_MAX)
        self._bodies = NestedBodies(list(state.registry), links, state.settings)
        self._references = {resource.model: References(resource, state.registry) for resource in state.registry}
        self._link_rows = {
            relation: LinkRows(nested, relation.association, state)
            for relation, nested in links.items()
            if relation.association is not None
        }
        self._makers = {resource.model: InstanceMaker(resource.facts) for resource in state.registry}

    def reader(self, resource: Resource, method: str) -> NestedReader | None:
        """Give the reader of bodies with nested objects, `None` when the method takes none."""
        if not any(method in self.links[relation].allowed for relation in resource.relations.values()):
            return None
        return NestedReader(resource, method, self._bodies, self.links)

    def accepted(self, resource: Resource, rules: str) -> Collection[str]:
        """Give the keys that objects may have, relationships aside that no schema of the application reads."""
        return self._bodies.reader(resource, rules).accepted

    def concerns(self, resource: Resource, values: Mapping[str, Any]) -> bool:
        """Say whether attribute values have rows, or their absence, for a relation."""
        return any(_is_nested(values, relation) for relation in resource.relations.values())

    def filled(self, resource: Resource, values: Mapping[str, Any]) -> set[str]:
        """List the attributes that get their values from nested rows."""
        links = [self.links[relation] for relation in resource.relations.values() if _is_nested(values, relation)]
        return {name for link in links if link.kind == "reference" for name in link.filled}

    def write(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        resource: Resource,
        values: Mapping[str, Any],
        instance: Any | None = None,
    ) -> Key:
        """Write a row and those nested in its values, and give its key.

        Args:
            instance: The row, when it is there already.

        Raises:
            ValidationError: A nested row is unknown, or may not be written so; by path.
            BadRequestError: A list would replace more rows than may be.
            ApiError: What the database refused.
        """
        root = self._tree(resource, values, ())
        root.instance, root.is_root = instance, True
        work = _Work(session, operation, executor)
        with session.no_autoflush:
            self._look_up(work, root)
            self._judge(work, root)
            self._set_up(work, root)
            removed = self._remove(work, root)
            self._make(work, root)
            session.add_all([row.instance for row in _all(root)])
            self._flush(session, root)
            linked = self._link(work, root)
        changed = [row.change() for row in _all(root) if row.is_changed and not row.is_root]
        operation.changes += [*removed, *changed, *linked]
        return resource.key_of(root.instance)

    # --- the tree -----------------------------------------------------------------------------------------------------

    def _tree(self, resource: Resource, values: Mapping[str, Any], path: Path) -> _Row:
        row = _Row(resource, dict(values), path)
        for relation in resource.relations.values():
            if not _is_nested(values, relation):
                continue
            value = row.values.pop(relation.fact.name)
            here = (*path, relation.name)
            entries = value if isinstance(value, list) else [] if value is None else [value]
            paths = [(*here, str(position)) if isinstance(value, list) else here for position in range(len(entries))]
            rows = [self._tree(relation.target, entry, where) for entry, where in zip(entries, paths, strict=True)]
            row.links.append(_Link(self.links[relation], row, rows, here, self._link_rows.get(relation)))
        return row

    # --- looking up ---------------------------------------------------------------------------------------------------

    def _look_up(self, work: _Work, root: _Row) -> None:
        """Find the rows that are there, and check that they may be written as asked; nothing is changed yet."""
        errors = _Errors()
        level = [root]
        while level:
            groups: dict[NestedRelation, list[_Link]] = {}
            for row in level:
                for link in row.links:
                    groups.setdefault(link.nested, []).append(link)
            for nested, links in groups.items():
                self._find_rows(work, nested, links, errors)
                self._find_members(work, nested, self._link_rows.get(nested.relation), links)
            level = [row for links in groups.values() for link in links for row in link.rows]
        for link in _links(root):
            # A child that is left out here and given elsewhere has moved.
            among = [each for each in _links(root) if each.nested is link.nested]
            given = among if link.nested.kind == "children" else [link]
            link.kept = {id(row.instance) for each in given for row in each.rows}
            self._check(link, errors)
        errors.raise_if_any()
        self._references[root.resource.model].check_filled(
            work.session, work.operation, work.executor, root.values, _filled_by_links(root)
        )
        for link in _links(root):
            for row in link.rows:
                self._check_references(work, link, row)

    def _find_rows(self, work: _Work, nested: NestedRelation, links: Sequence[_Link], errors: _Errors) -> None:
        for link in links:
            for row in link.rows:
                row.key = _key_of(link, row)
        target = nested.target
        keys = dict.fromkeys(row.key for link in links for row in link.rows if row.key is not None)
        if not keys:
            return
        columns = [getattr(target.model, item.attribute) for item in target.key]
        statement: sa.Select[Any] = (
            sa.select(target.model).where(is_one_of(columns)).order_by(*columns).options(lazyload("*"))
        )
        statement = locked(statement.options(undefer("*")), target).execution_options(populate_existing=True)
        found = {}
        for instance, *_ in work.run((target,), statement, list(keys)):
            found[target.key_of(instance)] = instance
        # A child has one parent; a row that is linked by others may be so from several places.
        seen: set[Key] = set()
        for link in links:
            if nested.kind != "children":
                seen = set()
            for row in link.rows:
                if row.key is None:
                    continue
                row.instance = found.get(row.key)
                if row.key in seen:
                    errors.add(row.path, ["This row is given twice."])
                elif row.instance is None and not _may_choose_key(nested):
                    names = ", ".join(item.name for item in target.key)
                    errors.add(row.path, [f"There is no {target.name} with this {names}."])
                seen.add(row.key)

    def _find_members(
        self, work: _Work, nested: NestedRelation, link_rows: LinkRows | None, links: Sequence[_Link]
    ) -> None:
        """Load the rows that relations lead to now, as far as the request may see them."""
        source = nested.relation.source
        parents = {source.key_of(link.row.instance): link for link in links if link.row.instance is not None}
        if nested.kind == "reference" or not parents:
            return
        origin: Any = aliased(source.model)
        keys = [getattr(origin, item.attribute) for item in source.key]
        if link_rows is None:
            statement = follow(sa.select(nested.target.model, *keys), origin, nested.relation)
        else:
            statement = link_rows.select(origin, keys)
        statement = statement.where(is_one_of(keys)).options(lazyload("*")).limit(self._rows_max + 1)
        found = 0
        for instance, *others in work.run(nested.relation.mentions, statement, list(parents)):
            linking, key = others[: -len(keys)], others[-len(keys) :]
            parents[tuple(key)].add_member(instance, linking)
            found += 1
        if found > self._rows_max:
            raise too_many_nested_rows(
                f"{nested.relation.name} leads to more than {self._rows_max} rows, which cannot be replaced at once.",
                self._rows_max,
            )

    def _check(self, link: _Link, errors: _Errors) -> None:
        """Check the rights that a relation and its target give (rest 5.7), and that nothing is missing in new rows."""
        nested, target = link.nested, link.nested.target
        if nested.kind == "reference":
            self._check_reference(link, errors)
        for row in link.rows:
            if row.instance is None:
                if not nested.makes_rows:
                    errors.add(row.path, [f"A new {target.name} cannot be made here."])
                else:
                    self._check_complete(link, row, errors)
                continue
            row.changes = _changes(row)
            if row.changes and not nested.lets("PATCH"):
                errors.add(row.path, [f"A {target.name} cannot be changed."])
            is_new_member = nested.kind == "children" and row.instance not in link.members
            if is_new_member and (not nested.lets("PATCH") or nested.is_locked("PATCH")):
                errors.add(row.path, [f"This {target.name} cannot be moved here."])
        if not link.removed():
            return
        if nested.deletes_orphans:
            if not nested.lets("DELETE"):
                errors.add(link.path, [f"No {target.name} can be left out, as it cannot be deleted."])
        elif nested.kind == "children":
            names = ", ".join(nested.filled_names)
            if not nested.can_unlink:
                errors.add(link.path, [f"No {target.name} can be left out, as its {names} may not be null."])
            elif not nested.lets("PATCH") or nested.is_locked("PATCH"):
                errors.add(link.path, [f"No {target.name} can be left out, as its {names} cannot be changed."])

    def _check_references(self, work: _Work, link: _Link, row: _Row) -> None:
        """Check the foreign keys of a nested row, but those that its place in the body fills in as a whole."""
        method = "POST" if row.instance is None else "PATCH"
        operation = replace(work.operation, resource=row.resource, method=method, key=row.key)
        given = row.values if row.instance is None else row.changes
        filled = _filled(link, row)
        if row.instance is None and self._tenants is not None:
            with_tenant = self._tenants.filled(row.resource, row.values, get_current_user())
            filled = {**{name: value for name, value in with_tenant.items() if name not in row.values}, **filled}
        values = {name: value for name, value in given.items() if name not in filled}
        references = self._references[row.resource.model]
        references.check(work.session, operation, work.executor, values, filled)
        references.check_filled(work.session, operation, work.executor, values, filled)

    @staticmethod
    def _check_reference(link: _Link, errors: _Errors) -> None:
        """Check that a reference which is part of a key stays as it is, and in a new row is as the URL says."""
        nested, row = link.nested, link.row
        key = {item.attribute for item in nested.relation.source.key}
        if not key.intersection(nested.filled):
            return
        referred = link.rows[0] if link.rows else None
        if row.instance is None:
            named = {ours: theirs for ours, theirs in nested.filled.items() if ours in key and ours in row.values}
            if any(referred is None or row.values[ours] != referred.known(theirs) for ours, theirs in named.items()):
                errors.add(link.path, ["The key in the body differs from the key in the URL."])
        elif referred is None or any(
            getattr(row.instance, ours) != getattr(referred.instance, theirs, None)
            for ours, theirs in nested.filled.items()
        ):
            errors.add(link.path, ["Belongs to the key, which cannot be changed."])

    def _check_complete(self, link: _Link, row: _Row, errors: _Errors) -> None:
        reader: BodyReader = self._bodies.reader(row.resource, "POST")
        try:
            reader.require_all({**dict.fromkeys(_filled(link, row)), **row.values})
        except ValidationError as error:
            errors.add(row.path, error.fields)

    @staticmethod
    def _judge(work: _Work, root: _Row) -> None:
        """Check, by the policies of their models, the rows that will be changed or deleted, as they are now."""
        judge = work.executor.judge
        wanted: dict[tuple[Resource, RowAction], list[Any]] = {}
        for row in _all(root):
            if row.instance is None:
                judge.require_possible(row.resource, "create")
            elif not row.is_root and row.changes:
                wanted.setdefault((row.resource, "update"), []).append((row.instance, row.changes))
        for link, link_rows in _linking(root):
            if link.added():
                judge.require_possible(link_rows.resource, "create")
            unlinked = wanted.setdefault((link_rows.resource, "delete"), [])
            unlinked.extend((row, {}) for row in link.removed_link_rows())
        for link in _links(root):
            target, nested = link.nested.target, link.nested
            if nested.kind == "children":
                given = [row.instance for row in link.rows if row.instance is not None]
                moved = [instance for instance in given if instance not in link.members]
                wanted.setdefault((target, "update"), []).extend((instance, {}) for instance in moved)
            elif not nested.deletes_orphans:
                continue
            action: RowAction = "delete" if nested.deletes_orphans else "update"
            wanted.setdefault((target, action), []).extend((member, {}) for member in link.removed())
        for (resource, action), rows in wanted.items():
            keys = list(dict.fromkeys(resource.key_of(instance) for instance, _ in rows))
            judge.require(work.session, resource, keys, action)
            if action == "update":
                for instance, changes in rows:
                    judge.may_write(resource, action, instance, changes)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _set_up(self, work: _Work, root: _Row) -> None:
        """Call what runs before a row is written by itself, for each nested row that will be."""
        asked = work.operation
        for row in _all(root):
            if row.instance is None and not row.is_root and self._tenants is not None:
                row.values = self._tenants.filled(row.resource, row.values, get_current_user())
            method = "POST" if row.instance is None else "PATCH"
            hooks = self._hooks[row.resource.model]
            if row.is_root or not (row.instance is None or row.changes) or not hooks.wants_setup(method):
                continue
            operation = Operation(row.resource, method, key=row.key, parameters=asked.parameters, root=asked.root)
            if row.instance is None:
                row.values = hooks.set_up(operation, row.values)["deserialized_data"]
            else:
                row.changes = hooks.set_up(operation, row.changes)["deserialized_data"]

    def _remove(self, work: _Work, root: _Row) -> list[Change]:
        """Unlink or delete what lists leave out, before anything new could be in its way."""
        changes = self._unlink(work, root)
        for link in _links(root):
            nested, target = link.nested, link.nested.target
            if link.row.instance is not None and not nested.is_direct and link.link_rows is None:
                _hold(link)
            if nested.deletes_orphans and work.executor.judge.has_policies:
                # What hangs on them goes with them.
                rules = CascadeRules(work.session, self._registry, work.executor)
                hold_for_delete(work.session, link.removed(), self._settings, rules)
            for member in link.removed():
                hooks = self._hooks[target.model]
                if nested.deletes_orphans:
                    work.executor.judge.may_write(target, "delete", member)
                    changes.append(Change(target, "deleted", target.key_of(member)))
                    removed = hooks.removing(member)
                    # A row of a subclass is marked as the subclass says.
                    mark = (self._registry.get(type(removed)) or target).soft_delete
                    if mark is not None:
                        setattr(removed, mark.fact.name, mark.mark())
                    else:
                        work.session.delete(removed)
                elif nested.is_direct:
                    for name in nested.filled:
                        setattr(member, name, None)
                    work.session.add(hooks.updating(member))
                    changes.append(Change(target, "updated", target.key_of(member)))
                elif link.link_rows is None:
                    _take_out(link, member)
        if any(link.removed() for link in _links(root)):
            self._flush(work.session, root)
            self._check_all_left(root)
        return changes

    def _unlink(self, work: _Work, root: _Row) -> list[Change]:
        """Remove the links that are rows of a model, before what they link may be deleted."""
        changes: list[Change] = []
        linking = list(_linking(root))
        for link, link_rows in linking:
            changes += link_rows.remove(work.session, work.executor, link.removed_link_rows())
        if linking:
            self._flush(work.session, root)
        return changes

    @staticmethod
    def _check_all_left(root: _Row) -> None:
        """Check that no row of the body was deleted as part of one that the body leaves out."""
        errors = _Errors()
        for row in _all(root):
            if row.instance is not None and sa.inspect(row.instance).deleted:
                errors.add(row.path, ["Is deleted together with a row that is left out. Move it first."])
        errors.raise_if_any()

    def _make(self, work: _Work, row: _Row) -> None:
        """Make or change a row, those below it first."""
        for link in row.links:
            for child in link.rows:
                self._make(work, child)
        hooks, judge = self._hooks[row.resource.model], work.executor.judge
        if row.instance is None:
            row.is_created = row.is_changed = True
            mark = row.resource.soft_delete
            values = row.values if mark is None else {mark.fact.name: mark.active, **row.values}
            maker = self._makers[row.resource.model]
            with row.refusing(partial(_refused_names, row.resource, maker, values)):
                row.instance = maker.make(values)
        else:
            for attribute, value in (row.values if row.is_root else row.changes).items():
                with row.refusing(partial(names_of, row.resource, [attribute])):
                    setattr(row.instance, attribute, value)
        for link in row.links:
            with row.refusing(partial(list, [link.nested.relation.name])):
                row.is_changed |= _put_in(link)
        if row.is_created:
            row.instance = hooks.adding(row.instance)
            judge.may_write(row.resource, "create", row.instance, row.values)
        else:
            row.is_changed |= bool(row.changes) or row.is_root
            if row.is_changed:
                row.instance = hooks.updating(row.instance)
                judge.may_write(row.resource, "update", row.instance, row.values if row.is_root else row.changes)

    def _link(self, work: _Work, root: _Row) -> list[Change]:
        """Add the links that are rows of a model, now that the keys of what they link are known."""
        made: list[tuple[LinkRows, list[Any]]] = []
        for link, link_rows in _linking(root):
            source = link.row.instance
            rows = [link_rows.make(work.operation, work.executor, source, each.instance) for each in link.added()]
            made.append((link_rows, rows))
            work.session.add_all(rows)
        if made:
            self._flush(work.session, root)
        return [change for link_rows, rows in made for change in link_rows.changes("created", rows)]

    def _flush(self, session: Session, root: _Row) -> None:
        try:
            session.flush()
        except CircularDependencyError as error:
            raise ConflictError(
                "The nested rows refer to each other in a circle. Write them one after the other.",
                reason="circular_rows",
            ) from error
        except AssertionError as error:
            if not str(error).startswith(BLANKED_KEY):
                raise
            raise row_is_referred_to(root.resource) from error
        except (SQLAlchemyError, OverflowError) as error:
            resource = _written(error, root)
            failure = write_failure(error, resource)
            if isinstance(failure, ApiError) and resource is not root.resource:
                # Which of the nested rows it was, the database does not say.
                failure.fields = None
            raise failure from error


@dataclass(eq=False, slots=True)
class _Row:
    """One object of a body.

    Attributes:
        values: Attribute values, without relations.
        key: The key it names, `None` for a row that is to be made.
        instance: The row that is there, later also the one that was made.
        changes: Which of the values differ from those of the row.
    """

    resource: Resource
    values: dict[str, Any]
    path: Path
    links: list[_Link] = field(default_factory=list)
    key: Key | None = None
    instance: Any = None
    changes: dict[str, Any] = field(default_factory=dict)
    is_root: bool = False
    is_created: bool = False
    is_changed: bool = False

    def known(self, attribute: str) -> Any:
        """Give the value of an attribute; of a new row what its body says, `None` where that says nothing."""
        return self.values.get(attribute) if self.instance is None else getattr(self.instance, attribute)

    def change(self) -> Change:
        """Give what listeners are told."""
        return Change(self.resource, "created" if self.is_created else "updated", self.resource.key_of(self.instance))

    @contextmanager
    def refusing(self, names: Callable[[], Iterable[str]]) -> Iterator[None]:
        """Tell under the path that the model refused a value."""
        try:
            with refusing(names):
                yield
        except ValidationError as error:
            errors = _Errors()
            errors.add(self.path, error.fields)
            raise ValidationError(errors.fields) from error


@dataclass(eq=False, slots=True)
class _Link:
    """What a body says of one relation of one row.

    Attributes:
        link_rows: What its links are rows of, where a model with rules is mapped to the secondary table.
        members: The rows that it leads to now, as far as the request may see them.
        linking: Member, by its identity in memory, to the rows of `link_rows` that lead to it.
        kept: The rows of the body for this relation, below whichever row.
    """

    nested: NestedRelation
    row: _Row
    rows: list[_Row]
    path: Path
    link_rows: LinkRows | None = None
    members: list[Any] = field(default_factory=list)
    linking: dict[int, list[Any]] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)

    def add_member(self, member: Any, linking: Sequence[Any]) -> None:
        """Add a row that the relation leads to now, and what links it."""
        if self.link_rows is None or id(member) not in self.linking:
            self.members.append(member)
        self.linking.setdefault(id(member), []).extend(linking)

    def added(self) -> list[_Row]:
        """List the rows of the body that the relation does not lead to yet."""
        keys = {self.nested.target.key_of(member) for member in self.members}
        return [row for row in self.rows if row.is_created or row.key not in keys]

    def removed_link_rows(self) -> list[Any]:
        """List what links the rows that are left out."""
        return [row for member in self.removed() for row in self.linking[id(member)]]

    def removed(self) -> list[Any]:
        """List the rows that are left out."""
        return [member for member in self.members if id(member) not in self.kept]


@dataclass(frozen=True, slots=True)
class _Work:
    session: Session
    operation: Operation
    executor: SessionExecutor

    def run(self, resources: Sequence[Resource], statement: sa.Select[Any], keys: Sequence[Key]) -> Iterator[Any]:
        """Run a select for these keys, over the rows of these resources that the request may see."""
        asked_by = self.operation.method if self.operation.include_deleted else None
        statement = statement.options(*hide_deleted(resources, asked_by))
        restricted = self.executor.restricted(resources, statement)
        for some in parts_of(keys):
            yield from self.session.execute(restricted, some)


class _Errors:
    """Messages by path."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def add(self, path: Path, messages: Any) -> None:
        """Put messages under a path; what is known of it already is kept."""
        here = self.fields
        for step in path[:-1]:
            inner = here.setdefault(step, {})
            if not isinstance(inner, dict):
                return
            here = inner
        if path:
            here.setdefault(path[-1], messages)
        else:
            here.update(messages)

    def raise_if_any(self) -> None:
        """Refuse the body."""
        if self.fields:
            raise ValidationError(self.fields)


def _is_nested(values: Mapping[str, Any], relation: Relation) -> bool:
    if relation.fact.name not in values:
        return False
    value = values[relation.fact.name]
    if isinstance(value, list):
        return all(isinstance(entry, Mapping) for entry in value)
    return value is None or isinstance(value, Mapping)


def _all(row: _Row) -> Iterator[_Row]:
    yield row
    for link in row.links:
        for child in link.rows:
            yield from _all(child)


def _links(row: _Row) -> Iterator[_Link]:
    for each in _all(row):
        yield from each.links


def _linking(row: _Row) -> Iterator[tuple[_Link, LinkRows]]:
    """Give the links that are rows of a model, and what makes those."""
    for link in _links(row):
        if link.link_rows is not None:
            yield link, link.link_rows


def _filled(link: _Link, row: _Row) -> dict[str, Any]:
    """Give the attributes of a nested row that links fill in, with their values as far as they are known."""
    filled = _filled_by_links(row)
    if link.nested.kind == "children":
        filled.update((ours, link.row.known(theirs)) for ours, theirs in link.nested.filled.items())
    return filled


def _filled_by_links(row: _Row) -> dict[str, Any]:
    """Give the attributes of a row that the rows it refers to fill in, as `_filled` does."""
    return {
        ours: link.rows[0].known(theirs) if link.rows else None
        for link in row.links
        if link.nested.kind == "reference"
        for ours, theirs in link.nested.filled.items()
    }


def _key_of(link: _Link, row: _Row) -> Key | None:
    """Give the key of the row that an object stands for, `None` when it is a new one."""
    filled = link.nested.filled if link.nested.kind == "children" else {}
    key = []
    for item in row.resource.key:
        if item.attribute in filled:
            value = None if link.row.instance is None else getattr(link.row.instance, filled[item.attribute])
        else:
            value = row.values.get(item.attribute)
        if value is None:
            return None
        key.append(value)
    return tuple(key)


def _may_choose_key(nested: NestedRelation) -> bool:
    items = [item for item in nested.target.key if item.attribute in nested.own_key]
    return all("POST" not in item.locked_in for item in items)


def _changes(row: _Row) -> dict[str, Any]:
    key = {item.attribute for item in row.resource.key}
    return {
        name: value for name, value in row.values.items() if name not in key and getattr(row.instance, name) != value
    }


def _hold(link: _Link) -> None:
    """Let an instance hold the members that were loaded, so that it does not load all of them itself."""
    if link.nested.is_held:
        members: Any = link.members if link.nested.many else next(iter(link.members), None)
        set_committed_value(link.row.instance, link.nested.attribute, members)


def _take_out(link: _Link, member: Any) -> None:
    instance, nested = link.row.instance, link.nested
    if not nested.many:
        setattr(instance, nested.attribute, None)
    elif nested.is_held:
        collection_adapter(getattr(instance, nested.attribute)).remove_with_event(member)
    else:
        getattr(instance, nested.attribute).remove(member)


def _put_in(link: _Link) -> bool:
    """Link the rows of a relation, and say whether the row itself is another one by that.

    Where the key that one row takes from the other is known, it is set as it is: the order of the statements is free
    then, and a row may go below one that was below it.
    """
    nested, row = link.nested, link.row
    related = [each.instance for each in link.rows]
    if nested.kind == "reference":
        return _refer(link)
    if link.link_rows is not None:
        # Instances show the links that SQLAlchemy is not to write.
        if nested.is_held:
            held: Any = related if nested.many else next(iter(related), None)
            set_committed_value(row.instance, nested.attribute, held)
        return False
    if nested.kind == "children":
        for each in link.rows:
            each.is_changed |= each.instance not in link.members
        if nested.is_direct and not row.is_created:
            for instance in related:
                for ours, theirs in nested.filled.items():
                    setattr(instance, ours, getattr(row.instance, theirs))
            return False
    if not nested.many:
        setattr(row.instance, nested.attribute, related[0] if related else None)
        return False
    members = {id(member) for member in link.members}
    collection = getattr(row.instance, nested.attribute)
    for instance in related:
        if id(instance) in members:
            continue
        if nested.is_held:
            collection_adapter(collection).append_with_event(instance)
        else:
            collection.add(instance)
    return False


def _refer(link: _Link) -> bool:
    nested, row = link.nested, link.row
    referred = link.rows[0] if link.rows else None
    if not nested.is_direct or row.is_created or (referred is not None and referred.is_created):
        setattr(row.instance, nested.attribute, None if referred is None else referred.instance)
        return True
    is_changed = False
    for ours, theirs in nested.filled.items():
        value = None if referred is None else getattr(referred.instance, theirs)
        is_changed |= getattr(row.instance, ours) != value
        setattr(row.instance, ours, value)
    return is_changed


def _written(error: Exception, root: _Row) -> Resource:
    """Find the resource whose row the database refused."""
    match = re.match(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+([\w."`\[\]]+)', getattr(error, "statement", None) or "")
    name = re.sub(r'["`\[\]]', "", match[1]).rpartition(".")[2] if match else ""
    linking = (link_rows.resource for _, link_rows in _linking(root) if link_rows.is_published)
    for resource in (*(row.resource for row in _all(root)), *linking):
        tables: Any = resource.facts.mapper.tables
        if any(getattr(table, "name", None) == name for table in tables):
            return resource
    return root.resource


def _refused_names(resource: Resource, maker: InstanceMaker, values: Mapping[str, Any]) -> list[str]:
    return names_of(resource, maker.refused(values) or values)
