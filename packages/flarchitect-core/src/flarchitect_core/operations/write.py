"""Writing rows: every create, replace, update and delete of one resource, within the transaction of the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, lazyload

from flarchitect_core.events import Change
from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.model.row_tags import RowTags
from flarchitect_core.operations.direct import DirectWriter
from flarchitect_core.operations.failures import UNREADABLE, row_not_found, row_not_kept, unreadable_value
from flarchitect_core.operations.instances import InstanceMaker
from flarchitect_core.operations.locks import WriteLock, in_order, locked
from flarchitect_core.operations.references import References
from flarchitect_core.operations.refusals import names_of, refusing
from flarchitect_core.operations.removal import RowRemoval
from flarchitect_core.operations.row_values import RowValues
from flarchitect_core.query.compile import key_conditions, key_parameters
from flarchitect_core.query.many_keys import is_one_of, parts_of

if TYPE_CHECKING:
    from flask import Flask

    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.state import ApplicationState

__all__ = ["Held", "Writer", "Written"]

Key = tuple[Any, ...]


class Held(dict[Key, Any]):
    """Rows that were loaded together, to be written together, by key.

    Attributes:
        is_permitted: Whether their policy lets all of them be changed, so that it need not be asked about each.
    """

    is_permitted = True


@dataclass(frozen=True, slots=True)
class Written:
    """A row that was written but not yet committed."""

    key: Key
    created: bool


class Writer:
    """Writes rows of one resource; made once at start-up."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._hooks = state.hooks[resource.model]
        self._has_policy = any(each.model in state.policies for each in (resource, *resource.subclasses))
        self._judges_writes = self._has_policy and any(
            policy.judges_writes
            for each in (resource, *resource.subclasses)
            if (policy := state.policies.get(each.model)) is not None
        )
        self._nested = state.nested
        self.values = RowValues(resource, state)
        self._direct = DirectWriter(resource)
        # Relations are left alone, and what the session still holds of the row is read anew.
        self._by_key: sa.Select[Any] = (
            sa.select(resource.model)
            .where(*key_conditions(resource, resource.model))
            .options(lazyload("*"))
            .execution_options(populate_existing=True)
        )
        self._to_change = locked(self._by_key, resource)
        key: list[Any] = [item.fact.attribute for item in resource.key]
        # Whoever locks several rows does so in one order, so that nobody waits for somebody who waits for him.
        by_keys: sa.Select[Any] = (
            sa.select(resource.model)
            .where(is_one_of(key))
            .order_by(*key)
            .options(lazyload("*"))
            .execution_options(populate_existing=True)
        )
        self._all_to_change = locked(by_keys, resource)
        self._hidden = hide_deleted([resource])
        # A cascade removes what is marked, too, but nothing that no request may ask for.
        self._hidden_from_cascades = hide_deleted([resource], "DELETE")
        self._maker = InstanceMaker(resource)
        self._references = References(resource, state.registry)
        self.tags = RowTags(resource, _secret_of(state.app), is_changed=state.hooks[resource.model].changes_records())
        self.write_lock = WriteLock(resource)
        self._removal = RowRemoval(resource, state)

    def create(
        self, session: Session, operation: Operation, executor: SessionExecutor, values: Mapping[str, Any]
    ) -> Written:
        """Add a row."""
        executor.judge.require_possible(self._resource, "create")
        if self._is_direct(session, values):
            key = self._direct.insert(session, values)
            if len(key) < len(self._resource.key):
                raise row_not_kept(self._resource)
            return Written(key, created=True)
        if self._nested is not None and self._nested.concerns(self._resource, values):
            return Written(self._nested.write(session, operation, executor, self._resource, values), created=True)
        with refusing(partial(self._maker.refused_names, values)):
            instance = self._maker.make(values)
        instance = self._hooks.adding(instance)
        executor.judge.may_write(self._resource, "create", instance, values)
        session.add(instance)
        session.flush()
        return Written(self._resource.key_of(instance), created=True)

    def check_references(
        self, session: Session, operation: Operation, executor: SessionExecutor, values: Mapping[str, Any]
    ) -> None:
        """Check what a request makes a row refer to, before callbacks of the application set further values.

        Raises:
            ConflictError: It is not there, as far as the request may see.
        """
        # What nested rows fill in, the body cannot set beside them.
        filled = set() if self._nested is None else self._nested.filled(self._resource, values)
        given = {name: value for name, value in values.items() if name not in filled}
        if operation.method == "PUT" and self._resource.takes_client_keys:
            # The row may be a new one, which refers by its key, too.
            given.update(self._resource.named_key(operation.require_key()))
        self._references.check(session, operation, executor, given, filled)

    def create_all(
        self, session: Session, operation: Operation, executor: SessionExecutor, rows: Sequence[Mapping[str, Any]]
    ) -> list[Written] | None:
        """Add many rows by one statement; `None` where they must be added one by one."""
        if not all(self._is_direct(session, values) for values in rows):
            return None
        executor.judge.require_possible(self._resource, "create")
        if not self._references.all_seen(session, operation, executor, rows):
            return None
        keys = self._direct.insert_all(session, rows)
        return None if keys is None else [Written(key, created=True) for key in keys]

    def update_all(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        keys: Sequence[Key],
        values: Mapping[str, Any],
    ) -> bool:
        """Change many rows that are there by one statement, and say whether that could be done."""
        if self._resource.is_restricted or not self._is_direct(session, values):
            return False
        if not self._references.all_seen(session, operation, executor, [values]):
            return False
        self._direct.update_all(session, keys, values)
        return True

    def replace(
        self, session: Session, operation: Operation, executor: SessionExecutor, values: Mapping[str, Any]
    ) -> Written:
        """Replace a row as a whole, or create it when the client may choose its key.

        Raises:
            NotFoundError: There is no such row, and the client may not choose keys.
            ValidationError: Something is missing for a new row.
        """
        key = operation.require_key()
        named = self._resource.named_key(key)
        instance = self._find(session, self._to_change, operation, executor)
        if instance is None:
            if not self._resource.takes_client_keys:
                raise row_not_found(self._resource)
            self._check_state(operation, None)
            return self.create(session, operation, executor, self.values.of_new_row({**values, **named}))
        self._check_state(operation, instance)
        executor.judge.require(session, self._resource, [key], "update")
        defaults = self.values.defaults({**values, **named})
        written = self._assign(session, operation, executor, instance, {**defaults, **values})
        session.flush()
        return written

    def hold(self, session: Session, operation: Operation, executor: SessionExecutor, keys: Sequence[Key]) -> Held:
        """Load and lock rows, those that the caller may see, a few hundred by one statement."""
        statement = self._all_to_change
        if not operation.include_deleted:
            statement = statement.options(*self._hidden)
        restricted = executor.restricted((self._resource,), statement)
        held = Held()
        for some in parts_of(in_order(set(keys))):
            found = session.execute(restricted, some).scalars()
            try:
                held.update((self._resource.key_of(instance), instance) for instance in found)
            except UNREADABLE as error:
                raise unreadable_value(error, self._resource.name) from error
        return held

    def update(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        values: Mapping[str, Any],
        held: Held | None = None,
    ) -> Written:
        """Change the columns of a row.

        Args:
            held: Rows to look among; the caller flushes when all of them are changed.

        Raises:
            NotFoundError: There is no such row.
        """
        key = operation.require_key()
        is_blind = operation.precondition is None and not operation.merges
        hides = self._resource.marks_rows or self._hooks.filters(operation.method) or self._has_policy
        if held is None and is_blind and not hides and self._is_direct(session, values):
            if not self._direct.update(session, key, values):
                raise row_not_found(self._resource)
            return Written(key, created=False)
        instance = None if held is None else held.get(key)
        if instance is None:
            # Of held rows, one whose key the database compares in its own way, or a callback has changed.
            instance = self._find(session, self._to_change, operation, executor)
        if instance is None:
            raise row_not_found(self._resource)
        self._check_state(operation, instance)
        if held is None or key not in held or not held.is_permitted:
            executor.judge.require(session, self._resource, [key], "update")
        if operation.merges:
            values = self.values.merged(instance, values)
        written = self._assign(session, operation, executor, instance, values)
        if held is None:
            session.flush()
        return written

    def delete(
        self, session: Session, operation: Operation, executor: SessionExecutor, *, cascade: bool
    ) -> list[Change]:
        """Delete a row, or mark it, and give everything that is gone, the row itself last.

        Raises:
            NotFoundError: There is no such row.
            ConflictError: A cascade is forbidden, or rows that belong to the row cannot do without it, or are more than
                `API_CASCADE_ROWS_MAX`.
        """
        key = operation.require_key()
        marks_rows = self._resource.marks_rows
        # Without a lock: what belongs to the row is changed before it, the order in which everybody else locks them.
        is_locked = operation.precondition is not None or (marks_rows and not cascade)
        statement = self._to_change if is_locked else self._by_key
        if marks_rows:
            self.write_lock.take(session)
        instance = self._find(session, statement, operation, executor, cascade=cascade)
        if instance is None:
            raise row_not_found(self._resource)
        self._check_state(operation, instance)
        return self._removal.remove(session, executor, {key: instance}, cascade=cascade)

    def delete_all(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        keys: Sequence[Key],
        *,
        cascade: bool,
    ) -> list[Change]:
        """Delete rows, or mark them, as `delete` does with one; a marked row is not there.

        Raises:
            NotFoundError: One of them is not there.
            ConflictError: As `delete`.
        """
        held = self.hold(session, operation, executor, keys)
        if not held.keys() >= set(keys):
            raise row_not_found(self._resource)
        return self._removal.remove(session, executor, {key: held[key] for key in keys}, cascade=cascade)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _is_direct(self, session: Session, values: Mapping[str, Any]) -> bool:
        is_watched = self._hooks.watches_instances() or self._judges_writes
        return not is_watched and self._direct.serves(session, values)

    def _assign(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        instance: object,
        values: Mapping[str, Any],
    ) -> Written:
        key = operation.require_key()
        judge = executor.judge
        judge.may_write(self._resource, "update", instance, values)
        if self._nested is not None and self._nested.concerns(self._resource, values):
            self._nested.write(session, operation, executor, self._resource, values, instance)
            return Written(key, created=False)
        for attribute, value in values.items():
            with refusing(partial(names_of, self._resource, [attribute])):
                setattr(instance, attribute, value)
        changed = self._hooks.updating(instance)
        # Judged once more as it is to be: what is given away must not be out of one's hands (auth S-19).
        judge.may_write(self._resource, "update", changed, values)
        session.add(changed)
        return Written(key, created=False)

    def _find(
        self,
        session: Session,
        statement: sa.Select[Any],
        operation: Operation,
        executor: SessionExecutor,
        *,
        cascade: bool = False,
    ) -> Any | None:
        """Load the row of an operation, as long as the caller may see it."""
        if not operation.include_deleted:
            statement = statement.options(*(self._hidden_from_cascades if cascade else self._hidden))
        if operation.precondition is not None or operation.merges:
            self.write_lock.take(session)
        restricted = executor.restricted((self._resource,), statement)
        key = operation.require_key()
        found = session.execute(restricted, key_parameters(key)).scalars()
        try:
            return found.first()
        except UNREADABLE as error:
            raise unreadable_value(error, self._resource.name) from error

    def _check_state(self, operation: Operation, instance: Any | None) -> None:
        if operation.precondition is not None:
            operation.precondition.check(None if instance is None else self.tags.of_instance(instance))


def _secret_of(app: Flask) -> bytes:
    secret = app.secret_key
    return secret.encode() if isinstance(secret, str) else secret or b""
