"""What a nested body may ask for: the rights of relations, complete new rows, visible references, and policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import ValidationError
from flarchitect_core.operations.references import References
from flarchitect_core.operations.refusals import names_of

if TYPE_CHECKING:
    from flarchitect_core.access.rules import RowAction
    from flarchitect_core.model.body_reader import BodyReader
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.operations.nested.bodies import NestedBodies
    from flarchitect_core.operations.nested.path_errors import Path, PathErrors
    from flarchitect_core.operations.nested.relations import NestedRelation
    from flarchitect_core.operations.nested.rows import NestedLink, NestedRow
    from flarchitect_core.operations.nested.work import NestedWork
    from flarchitect_core.state import ApplicationState

__all__ = ["NestedChecks"]


class NestedChecks:
    """The checks of the nested writes of one application; nothing is changed by them."""

    def __init__(self, state: ApplicationState, bodies: NestedBodies, links: Mapping[Relation, NestedRelation]) -> None:
        self._bodies = bodies
        self._links = links
        self._tenants = state.tenants
        self._references = {resource.model: References(resource, state.registry) for resource in state.registry}

    def check_rights(self, root: NestedRow, errors: PathErrors) -> None:
        """Note what relations and their targets do not allow (rest 5.7), and what is missing in new rows."""
        for link in root.all_links():
            self._check(link, errors)

    def check_references(self, work: NestedWork, root: NestedRow) -> None:
        """Check that all the rows refer to rows that the request may see.

        Raises:
            ConflictError: One does not.
        """
        self._references[root.resource.model].check_filled(
            work.session, work.operation, work.executor, root.values, root.filled_by_links()
        )
        for link in root.all_links():
            for row in link.rows:
                self._check_references(work, link, row)

    def _check(self, link: NestedLink, errors: PathErrors) -> None:
        nested, target = link.nested, link.nested.target
        if nested.kind == "reference":
            self._check_reference(link, errors)
            for row in link.rows:
                self._check_shared(link.row, nested, row, link.path, errors)
        for row in link.rows:
            if nested.kind == "children":
                self._check_shared(row, nested, link.row, row.path, errors)
            if row.instance is None:
                if not nested.makes_rows:
                    errors.add(row.path, [f"A new {target.name} cannot be made here."])
                else:
                    self._check_complete(link, row, errors)
                continue
            row.changes = row.differing()
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

    def _check_references(self, work: NestedWork, link: NestedLink, row: NestedRow) -> None:
        """Check the foreign keys of a nested row, but those that its place in the body fills in as a whole."""
        method = "POST" if row.instance is None else "PATCH"
        operation = replace(work.operation, resource=row.resource, method=method, key=row.key)
        given = row.values if row.instance is None else row.changes
        filled = link.filled(row)
        if row.instance is None and self._tenants is not None:
            with_tenant = self._tenants.filled(row.resource, row.values, get_current_user())
            filled = {**{name: value for name, value in with_tenant.items() if name not in row.values}, **filled}
        values = {name: value for name, value in given.items() if name not in filled}
        references = self._references[row.resource.model]
        references.check(work.session, operation, work.executor, values, filled)
        references.check_filled(work.session, operation, work.executor, values, filled)

    @staticmethod
    def _check_reference(link: NestedLink, errors: PathErrors) -> None:
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

    def _check_shared(
        self, row: NestedRow, nested: NestedRelation, referred: NestedRow, path: Path, errors: PathErrors
    ) -> None:
        """Check that what makes a row refer to another one moves no other reference that shares columns with it.

        Args:
            nested: The relation that does it, of either of the two.
        """
        for relation in row.resource.relations.values():
            other = self._links[relation]
            shared = other.filled.keys() & nested.filled.keys()
            # One that has no column besides the shared ones goes along.
            if other.kind != "reference" or relation.fact.viewonly or shared == other.filled.keys():
                continue
            values = row.reference(other)
            taken = {ours: referred.known(nested.filled[ours]) for ours in other.filled if ours in shared}
            moved = [ours for ours, value in taken.items() if value is not None and values.get(ours, value) != value]
            if moved:
                errors.add(path, [f"Its {', '.join(names_of(row.resource, moved))} must be that of {relation.name}."])

    def _check_complete(self, link: NestedLink, row: NestedRow, errors: PathErrors) -> None:
        reader: BodyReader = self._bodies.reader(row.resource, "POST")
        try:
            reader.require_all({**dict.fromkeys(link.filled(row)), **row.values})
        except ValidationError as error:
            errors.add(row.path, error.fields)

    @staticmethod
    def judge(work: NestedWork, root: NestedRow) -> None:
        """Check, by the policies of their models, the rows that will be changed or deleted, as they are now.

        Raises:
            ApiError: A policy refuses one.
        """
        judge = work.executor.judge
        wanted: dict[tuple[Resource, RowAction], list[Any]] = {}
        for row in root.all_rows():
            if row.instance is None:
                judge.require_possible(row.resource, "create")
            elif not row.is_root and row.changes:
                wanted.setdefault((row.resource, "update"), []).append((row.instance, row.changes))
        for link, link_rows in root.all_linking():
            if link.added():
                judge.require_possible(link_rows.resource, "create")
            unlinked = wanted.setdefault((link_rows.resource, "delete"), [])
            unlinked.extend((row, {}) for row in link.removed_link_rows())
        for link in root.all_links():
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
