"""Unlinking or deleting what a nested body leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from flarchitect_core.events import Change
from flarchitect_core.operations.cascade import CascadeRules, hold_for_delete
from flarchitect_core.operations.nested.links import hold, take_out
from flarchitect_core.operations.nested.path_errors import PathErrors
from flarchitect_core.operations.removal import delete_or_mark

if TYPE_CHECKING:
    from flarchitect_core.operations.nested.rows import NestedRow
    from flarchitect_core.operations.nested.work import NestedWork
    from flarchitect_core.state import ApplicationState

__all__ = ["NestedRemoval"]


class NestedRemoval:
    """The removals of the nested writes of one application."""

    def __init__(self, state: ApplicationState) -> None:
        self._hooks = state.hooks
        self._registry = state.registry
        self._settings = state.settings

    def remove(self, work: NestedWork, root: NestedRow) -> list[Change]:
        """Unlink or delete what lists leave out, before anything new could be in its way.

        Returns:
            What listeners are told.

        Raises:
            ValidationError: A row of the body goes with one that is left out.
            ApiError: A policy or the database refuses.
        """
        changes = self._unlink(work, root)
        for link in root.all_links():
            if link.row.instance is not None and not link.nested.is_direct and link.link_rows is None:
                hold(link)
        for link in root.all_links():
            nested, target = link.nested, link.nested.target
            if nested.deletes_orphans and work.executor.judge.has_policies:
                # What hangs on them goes with them.
                rules = CascadeRules(work.session, self._registry, work.executor)
                hold_for_delete(work.session, link.removed(), self._settings, rules)
            if not (nested.deletes_orphans or nested.is_direct or link.link_rows is not None):
                take_out(link)
                continue
            for member in link.removed():
                hooks = self._hooks[target.model]
                if nested.deletes_orphans:
                    work.executor.judge.may_write(target, "delete", member)
                    changes.append(Change(target, "deleted", target.key_of(member)))
                    orphan = hooks.removing(member)
                    # A row of a subclass is marked as the subclass says.
                    delete_or_mark(work.session, orphan, (self._registry.get(type(orphan)) or target).soft_delete)
                elif nested.is_direct:
                    for name in nested.filled:
                        setattr(member, name, None)
                    work.session.add(hooks.updating(member))
                    changes.append(Change(target, "updated", target.key_of(member)))
        if any(link.removed() for link in root.all_links()):
            work.flush(root)
            self._check_all_left(root)
        return changes

    def _unlink(self, work: NestedWork, root: NestedRow) -> list[Change]:
        """Remove the links that are rows of a model, before what they link may be deleted."""
        changes: list[Change] = []
        linking = list(root.all_linking())
        for link, link_rows in linking:
            changes += link_rows.remove(work.session, work.executor, link.removed_link_rows())
        if linking:
            work.flush(root)
        return changes

    @staticmethod
    def _check_all_left(root: NestedRow) -> None:
        """Check that no row of the body was deleted as part of one that the body leaves out."""
        errors = PathErrors()
        for row in root.all_rows():
            if row.instance is not None and sa.inspect(row.instance).deleted:
                errors.add(row.path, ["Is deleted together with a row that is left out. Move it first."])
        errors.raise_if_any()
