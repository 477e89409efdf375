"""Writing a row together with rows that relations lead to, as bodies with nested objects ask for it (rest 5.7).

The rows of a body form a tree. First everything is looked up, level by level: one statement for the rows that are named
by key, one for those that a relation leads to now, for any number of rows. Then what is left out is unlinked, and then
the tree is made; the session finds the order of the statements, and fills foreign keys in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from flarchitect_core import options
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.events import Change
from flarchitect_core.operations.instances import InstanceMaker
from flarchitect_core.operations.link_rows import LinkRows
from flarchitect_core.operations.nested.bodies import NestedBodies, NestedReader
from flarchitect_core.operations.nested.checks import NestedChecks
from flarchitect_core.operations.nested.links import put_in
from flarchitect_core.operations.nested.lookup import NestedLookup
from flarchitect_core.operations.nested.path_errors import Path, PathErrors
from flarchitect_core.operations.nested.relations import NestedRelation, nested_relation
from flarchitect_core.operations.nested.removal import NestedRemoval
from flarchitect_core.operations.nested.rows import Key, NestedLink, NestedRow
from flarchitect_core.operations.nested.work import NestedWork
from flarchitect_core.operations.operation import Operation
from flarchitect_core.operations.refusals import names_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.state import ApplicationState

__all__ = ["NestedWrites", "nested_writes"]


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
        self._tenants = state.tenants
        self._bodies = NestedBodies(list(state.registry), links, state.settings)
        self._lookup = NestedLookup(state.settings.get(options.NESTED_ROWS_MAX))
        self._checks = NestedChecks(state, self._bodies, links)
        self._removal = NestedRemoval(state)
        self._link_rows = {
            relation: LinkRows(nested, relation.association, state)
            for relation, nested in links.items()
            if relation.association is not None
        }
        self._makers = {resource.model: InstanceMaker(resource) for resource in state.registry}

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
        work = NestedWork(session, operation, executor)
        with session.no_autoflush:
            self._look_up(work, root)
            self._set_up(work, root)
            removed = self._removal.remove(work, root)
            self._make(work, root)
            session.add_all([row.instance for row in root.all_rows()])
            work.flush(root)
            linked = self._link(work, root)
        changed = [row.change() for row in root.all_rows() if row.is_changed and not row.is_root]
        operation.changes += [*removed, *changed, *linked]
        return resource.key_of(root.instance)

    # --- the tree -----------------------------------------------------------------------------------------------------

    def _tree(self, resource: Resource, values: Mapping[str, Any], path: Path) -> NestedRow:
        row = NestedRow(resource, dict(values), path)
        for relation in resource.relations.values():
            if not _is_nested(values, relation):
                continue
            value = row.values.pop(relation.fact.name)
            here = (*path, relation.name)
            entries = value if isinstance(value, list) else [] if value is None else [value]
            paths = [(*here, str(position)) if isinstance(value, list) else here for position in range(len(entries))]
            rows = [self._tree(relation.target, entry, where) for entry, where in zip(entries, paths, strict=True)]
            row.links.append(NestedLink(self.links[relation], row, rows, here, self._link_rows.get(relation)))
        return row

    def _look_up(self, work: NestedWork, root: NestedRow) -> None:
        """Find the rows that are there, and check that they may be written as asked; nothing is changed yet."""
        errors = PathErrors()
        self._lookup.find(work, root, errors)
        self._checks.check_rights(root, errors)
        errors.raise_if_any()
        self._checks.check_references(work, root)
        self._checks.judge(work, root)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _set_up(self, work: NestedWork, root: NestedRow) -> None:
        """Call what runs before a row is written by itself, for each nested row that will be."""
        asked = work.operation
        for row in root.all_rows():
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

    def _make(self, work: NestedWork, row: NestedRow) -> None:
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
            with row.refusing(partial(maker.refused_names, values)):
                row.instance = maker.make(values)
        else:
            for attribute, value in (row.values if row.is_root else row.changes).items():
                with row.refusing(partial(names_of, row.resource, [attribute])):
                    setattr(row.instance, attribute, value)
        for link in row.links:
            with row.refusing(partial(list, [link.nested.relation.name])):
                row.is_changed |= put_in(link)
        if row.is_created:
            row.instance = hooks.adding(row.instance)
            judge.may_write(row.resource, "create", row.instance, row.values)
        else:
            row.is_changed |= bool(row.changes) or row.is_root
            if row.is_changed:
                row.instance = hooks.updating(row.instance)
                judge.may_write(row.resource, "update", row.instance, row.values if row.is_root else row.changes)

    def _link(self, work: NestedWork, root: NestedRow) -> list[Change]:
        """Add the links that are rows of a model, now that the keys of what they link are known."""
        made: list[tuple[LinkRows, list[Any]]] = []
        for link, link_rows in root.all_linking():
            source = link.row.instance
            rows = [link_rows.make(work.operation, work.executor, source, each.instance) for each in link.added()]
            made.append((link_rows, rows))
            work.session.add_all(rows)
        if made:
            work.flush(root)
        return [change for link_rows, rows in made for change in link_rows.changes("created", rows)]


def _is_nested(values: Mapping[str, Any], relation: Relation) -> bool:
    if relation.fact.name not in values:
        return False
    value = values[relation.fact.name]
    if isinstance(value, list):
        return all(isinstance(entry, Mapping) for entry in value)
    return value is None or isinstance(value, Mapping)
