"""Deleting rows that were found, or marking them, with what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import CircularDependencyError
from sqlalchemy.orm import Session

from flarchitect_core import options
from flarchitect_core.events import Change
from flarchitect_core.operations.cascade import CascadeRules, dependents_of, hold_for_delete
from flarchitect_core.operations.dependents import DependentRows
from flarchitect_core.operations.failures import refusing_blanked_keys, row_is_referred_to, row_not_found
from flarchitect_core.operations.kept_rows import refusing_to_keep
from flarchitect_core.operations.self_references import untie

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.model.soft_delete import SoftDelete
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.state import ApplicationState

__all__ = ["RowRemoval", "delete_or_mark"]

Key = tuple[Any, ...]


class RowRemoval:
    """Removes rows of one resource; made once at start-up."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._settings = state.settings
        self._database = state.database
        self._registry = state.registry
        self._hooks = state.hooks
        self._dependents = DependentRows(resource, state.settings.get(options.CASCADE_ROWS_MAX, model=resource.model))

    def remove(
        self, session: Session, executor: SessionExecutor, rows: Mapping[Key, Any], *, cascade: bool
    ) -> list[Change]:
        """Delete rows, or mark them where their model does so, and give everything that is gone, they themselves last.

        Args:
            cascade: Whether what hangs on the rows is deleted, too; then the rows are not marked.

        Raises:
            ConflictError: A cascade is forbidden, or rows that belong to these cannot do without them, or are more than
                `API_CASCADE_ROWS_MAX`.
        """
        executor.judge.require(session, self._resource, list(rows), "delete")
        for row in rows.values():
            executor.judge.may_write(self._resource, "delete", row)
        # A row of a subclass is marked as the subclass says.
        kinds = {key: self._registry.get(type(row)) or self._resource for key, row in rows.items()}
        deleted = {key: row for key, row in rows.items() if cascade or kinds[key].soft_delete is None}
        changes = self._remove_dependents(session, executor, deleted, cascade=cascade)
        untie(session, self._resource, rows.values())
        for key, row in rows.items():
            gone = self._hooks[self._resource.model].removing(row)
            delete_or_mark(session, gone, None if cascade else kinds[key].soft_delete)
        try:
            with refusing_blanked_keys(self._resource), self._noticing_kept_rows(session):
                session.flush()
        except CircularDependencyError as error:
            raise row_is_referred_to(self._resource) from error
        return [*changes, *(Change(self._resource, "deleted", key) for key in rows)]

    def _remove_dependents(
        self, session: Session, executor: SessionExecutor, rows: Mapping[Key, Any], *, cascade: bool
    ) -> list[Change]:
        """Delete what hangs on rows, or look at what the ORM would load of it when they are deleted."""
        instances = list(rows.values())
        if cascade:
            rules = CascadeRules(session, self._registry, executor)
            dependents = dependents_of(session, instances, self._settings, rules)
            return [change for dependent in reversed(dependents) for change in self._remove(session, dependent)]
        if executor.judge.has_policies:
            hold_for_delete(session, instances, self._settings, CascadeRules(session, self._registry, executor))
        elif len(rows) == 1:
            self._dependents.check(session, *rows)
        else:
            hold_for_delete(session, instances, self._settings)
        return []

    def _remove(self, session: Session, dependent: Any) -> list[Change]:
        resource = self._registry.get(type(dependent))
        if resource is None:
            session.delete(dependent)
            return []
        change = Change(resource, "deleted", resource.key_of(dependent))
        session.delete(self._hooks[resource.model].removing(dependent))
        return [change]

    def _noticing_kept_rows(self, session: Session) -> AbstractContextManager[None]:
        """Answer a row that policies of the database hide from a DELETE as one that they hide from a change."""
        if not self._database.has_claims:
            return nullcontext()
        connection = session.connection(bind_arguments={"mapper": self._resource.facts.mapper})
        table = self._resource.facts.mapper.base_mapper.local_table
        return refusing_to_keep(connection, table, row_not_found(self._resource))


def delete_or_mark(session: Session, row: Any, mark: SoftDelete | None) -> None:
    """Delete a row, or let it be one that is marked as deleted."""
    if mark is None:
        session.delete(row)
    else:
        setattr(row, mark.fact.name, mark.mark())
