"""Writing rows: the unit of work behind every create, replace, update and delete.

One request is one transaction. The caller renders its answer inside `unit_of_work`, so that nothing can fail after
the commit (decisions 21).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import marshmallow as ma
import sqlalchemy as sa
from sqlalchemy.exc import CircularDependencyError, SQLAlchemyError
from sqlalchemy.orm import Session, lazyload

from flarchitect_core import options
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import NotFoundError, ValidationError
from flarchitect_core.events import Change
from flarchitect_core.model.body_reader import BodyReader
from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.model.default_values import default_value
from flarchitect_core.model.fields import text_to_value
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.model.merge_patch import merge_patch
from flarchitect_core.model.row_tags import RowTags
from flarchitect_core.operations.cascade import CascadeRules, dependents_of, hold_for_delete
from flarchitect_core.operations.dependents import DependentRows
from flarchitect_core.operations.direct import DirectWriter
from flarchitect_core.operations.failures import (
    UNREADABLE,
    row_is_referred_to,
    row_not_kept,
    unreadable_value,
    write_failure,
)
from flarchitect_core.operations.instances import REFUSALS, InstanceMaker
from flarchitect_core.operations.kept_rows import refusing_to_keep
from flarchitect_core.operations.references import References
from flarchitect_core.operations.self_references import untie
from flarchitect_core.query.compile import key_conditions, key_parameters
from flarchitect_core.query.many_keys import is_one_of, parts_of
from flarchitect_core.releasing import roll_back

if TYPE_CHECKING:
    from flask import Flask

    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.operations.nested.bodies import NestedReader
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.state import ApplicationState

__all__ = ["BLANKED_KEY", "Held", "Writer", "Written", "locked", "names_of", "refusing", "unit_of_work"]

Key = tuple[Any, ...]

# How SQLAlchemy says that rows whose key refers to a deleted row would have to lose their key.
BLANKED_KEY = "Dependency rule on column"


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


@contextmanager
def unit_of_work(state: ApplicationState, resource: Resource, *, deleting: bool = False) -> Iterator[Session]:
    """Run a block as one transaction: commit at its end, or roll everything back on any failure.

    Raises:
        ApiError: What a failure of the database means for the caller.
    """
    try:
        session = state.database.session(resource.model)
    except SQLAlchemyError as error:
        raise write_failure(error, resource) from error
    try:
        yield session
        session.commit()
    except (SQLAlchemyError, OverflowError) as error:
        roll_back(session)
        raise write_failure(error, resource, deleting=deleting) from error
    except BaseException:
        roll_back(session)
        raise


@contextmanager
def refusing(names: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Turn the error by which a model refuses a value, in `@validates` for example, into a 400.

    Args:
        names: Gives what clients call the values that it may have been; called only when the model refused.
    """
    try:
        yield
    except REFUSALS as error:
        raise ValidationError({name: ["Not accepted by the model."] for name in names()}) from error


def names_of(resource: Resource, attributes: Iterable[str]) -> list[str]:
    """Give what clients call these attributes."""
    found = (resource.field_of_attribute(attribute) for attribute in attributes)
    return [item.name for item in found if item is not None]


class Writer:
    """Writes rows of one resource; made once at start-up."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._settings = state.settings
        self._database = state.database
        self._registry = state.registry
        self._all_hooks = state.hooks
        self._hooks = state.hooks[resource.model]
        self._tenants = state.tenants
        self._has_policy = any(each.model in state.policies for each in (resource, *resource.subclasses))
        self._judges_writes = self._has_policy and any(
            policy.judges_writes
            for each in (resource, *resource.subclasses)
            if (policy := state.policies.get(each.model)) is not None
        )
        self._nested = nested = state.nested
        self._readers: dict[str, BodyReader | NestedReader] = {
            method: (nested and nested.reader(resource, method)) or BodyReader(resource, method, state.settings)
            for method in ("POST", "PUT", "PATCH")
            if method in resource.methods
        }
        mark = resource.soft_delete
        if mark is not None and "PATCH" in resource.methods:
            # A deleted row is restored by a PATCH of its mark (rest 6.1), the only body that may carry it.
            self._restoring = BodyReader(resource, "PATCH", state.settings, unlocked=frozenset({mark.fact.name}))
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
        self._maker = InstanceMaker(resource.facts)
        self._references = References(resource, state.registry)
        self.tags = RowTags(resource, _secret_of(state.app), is_changed=state.hooks[resource.model].changes_records())
        self._lock_nothing = _locking_nothing(resource)
        self._dependents = DependentRows(resource, state.settings.get(options.CASCADE_ROWS_MAX, model=resource.model))

    def read(self, method: str, operation: Operation, body: Mapping[str, Any]) -> dict[str, Any]:
        """Check a body and give the attribute values it sets.

        Raises:
            NotFoundError: The text in the URL cannot be a key.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        if method == "POST":
            return self._with_tenant(self._with_mark(self._readers["POST"].read(body)))
        key = self._require_key(operation.key)
        if method == "PUT":
            return self._with_tenant(self._read(self._readers["PUT"], self._keyed(body, key), key))
        mark = self._resource.soft_delete
        if mark is None or not operation.include_deleted:
            return self._read(self._readers["PATCH"], body, key)
        values = self._read(self._restoring, body, key)
        if values.get(mark.fact.name, mark.active) != mark.active:
            name = next(item.name for item in self._resource.fields.values() if item.attribute == mark.fact.name)
            raise ValidationError({name: ["Only the value of a row that is not deleted; delete rows with DELETE."]})
        return values

    def create(
        self, session: Session, operation: Operation, executor: SessionExecutor, values: Mapping[str, Any]
    ) -> Written:
        """Add a row."""
        return self._insert(session, operation, executor, values)

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
            given.update(self._resource.named_key(self._require_key(operation.key)))
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
        key = self._require_key(operation.key)
        named = self._resource.named_key(key)
        instance = self._find(session, self._to_change, operation, executor)
        if instance is None:
            if not self._resource.takes_client_keys:
                raise self._not_found()
            self._check_state(operation, None)
            self._readers["PUT"].require_all({**values, **named})
            # The key of the URL may name another tenant.
            complete = self._with_tenant({**values, **named})
            return self._insert(session, operation, executor, self._with_mark(complete))
        self._check_state(operation, instance)
        executor.judge.require(session, self._resource, [key], "update")
        defaults = self._defaults({**values, **named})
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
        for some in parts_of(_in_order(set(keys))):
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
        key = self._require_key(operation.key)
        is_blind = operation.precondition is None and not operation.merges
        hides = self._resource.marks_rows or self._hooks.filters(operation.method) or self._has_policy
        if held is None and is_blind and not hides and self._is_direct(session, values):
            if not self._direct.update(session, key, values):
                raise self._not_found()
            return Written(key, created=False)
        instance = None if held is None else held.get(key)
        if instance is None:
            # Of held rows, one whose key the database compares in its own way, or a callback has changed.
            instance = self._find(session, self._to_change, operation, executor)
        if instance is None:
            raise self._not_found()
        self._check_state(operation, instance)
        if held is None or key not in held or not held.is_permitted:
            executor.judge.require(session, self._resource, [key], "update")
        if operation.merges:
            values = self._merged(instance, values)
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
        key = self._require_key(operation.key)
        marks_rows = self._resource.marks_rows
        # Without a lock: what belongs to the row is changed before it, the order in which everybody else locks them.
        is_locked = operation.precondition is not None or (marks_rows and not cascade)
        statement = self._to_change if is_locked else self._by_key
        if marks_rows:
            self.lock(session)
        instance = self._find(session, statement, operation, executor, cascade=cascade)
        if instance is None:
            raise self._not_found()
        self._check_state(operation, instance)
        return self._delete(session, executor, {key: instance}, cascade=cascade)

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
            raise self._not_found()
        return self._delete(session, executor, {key: held[key] for key in keys}, cascade=cascade)

    def _delete(
        self, session: Session, executor: SessionExecutor, rows: Mapping[Key, Any], *, cascade: bool
    ) -> list[Change]:
        executor.judge.require(session, self._resource, list(rows), "delete")
        for row in rows.values():
            executor.judge.may_write(self._resource, "delete", row)
        # A row of a subclass is marked as the subclass says.
        kinds = {key: self._registry.get(type(row)) or self._resource for key, row in rows.items()}
        marked = {key for key, kind in kinds.items() if kind.soft_delete is not None and not cascade}
        removed = {key: row for key, row in rows.items() if key not in marked}
        changes: list[Change] = []
        if cascade:
            dependents = self._dependents_of(session, executor, list(removed.values()))
            changes = [change for dependent in reversed(dependents) for change in self._remove(session, dependent)]
        elif executor.judge.has_policies:
            rules = CascadeRules(session, self._registry, executor)
            hold_for_delete(session, list(removed.values()), self._settings, rules)
        elif len(removed) == 1:
            self._dependents.check(session, *removed)
        else:
            hold_for_delete(session, list(removed.values()), self._settings)
        untie(session, self._resource, removed.values())
        for key, row in rows.items():
            gone, mark = self._hooks.removing(row), kinds[key].soft_delete
            if key in marked and mark is not None:
                setattr(gone, mark.fact.name, mark.mark())
            else:
                session.delete(gone)
        try:
            with self._noticing_kept_rows(session):
                session.flush()
        except CircularDependencyError as error:
            raise row_is_referred_to(self._resource) from error
        except AssertionError as error:
            if not str(error).startswith(BLANKED_KEY):
                raise
            raise row_is_referred_to(self._resource) from error
        return [*changes, *(Change(self._resource, "deleted", key) for key in rows)]

    def _noticing_kept_rows(self, session: Session) -> AbstractContextManager[None]:
        """Answer a row that policies of the database hide from a DELETE as one that they hide from a change."""
        if not self._database.has_claims:
            return nullcontext()
        connection = session.connection(bind_arguments={"mapper": self._resource.facts.mapper})
        table = self._resource.facts.mapper.base_mapper.local_table
        return refusing_to_keep(connection, table, self._not_found())

    def _dependents_of(self, session: Session, executor: SessionExecutor, instances: Sequence[Any]) -> list[Any]:
        return dependents_of(session, instances, self._settings, CascadeRules(session, self._registry, executor))

    def _remove(self, session: Session, dependent: Any) -> list[Change]:
        resource = self._registry.get(type(dependent))
        if resource is None:
            session.delete(dependent)
            return []
        change = Change(resource, "deleted", resource.key_of(dependent))
        session.delete(self._all_hooks[resource.model].removing(dependent))
        return [change]

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _is_direct(self, session: Session, values: Mapping[str, Any]) -> bool:
        is_watched = self._hooks.watches_instances() or self._judges_writes
        return not is_watched and self._direct.serves(session, values)

    def _insert(
        self, session: Session, operation: Operation, executor: SessionExecutor, values: Mapping[str, Any]
    ) -> Written:
        executor.judge.require_possible(self._resource, "create")
        if self._is_direct(session, values):
            key = self._direct.insert(session, values)
            if len(key) < len(self._resource.key):
                raise row_not_kept(self._resource)
            return Written(key, created=True)
        if self._nested is not None and self._nested.concerns(self._resource, values):
            return Written(self._nested.write(session, operation, executor, self._resource, values), created=True)
        # Which value it was, the model does not say.
        with refusing(lambda: names_of(self._resource, self._maker.refused(values) or values)):
            instance = self._maker.make(values)
        instance = self._hooks.adding(instance)
        executor.judge.may_write(self._resource, "create", instance, values)
        session.add(instance)
        session.flush()
        return Written(self._resource.key_of(instance), created=True)

    def _assign(
        self,
        session: Session,
        operation: Operation,
        executor: SessionExecutor,
        instance: object,
        values: Mapping[str, Any],
    ) -> Written:
        key = self._require_key(operation.key)
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
            self.lock(session)
        restricted = executor.restricted((self._resource,), statement)
        key = self._require_key(operation.key)
        found = session.execute(restricted, key_parameters(key)).scalars()
        try:
            return found.first()
        except UNREADABLE as error:
            raise unreadable_value(error, self._resource.name) from error

    def lock(self, session: Session) -> None:
        """Let a transaction of SQLite be one that writes from its beginning.

        It knows no row locks, and its driver begins a transaction with the first statement that writes: what is read
        before could be another row by then, and a savepoint before would be a transaction of its own.
        """
        connection = session.connection(bind_arguments={"mapper": self._resource.facts.mapper})
        if connection.dialect.name == "sqlite" and self._lock_nothing is not None:
            connection.execute(self._lock_nothing)

    def _check_state(self, operation: Operation, instance: Any | None) -> None:
        if operation.precondition is not None:
            operation.precondition.check(None if instance is None else self.tags.of_instance(instance))

    def _merged(self, instance: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Merge JSON values into those of the row (RFC 7396)."""
        merged = dict(values)
        for fact in self._resource.facts.columns:
            patch = values.get(fact.name)
            if isinstance(fact.type, sa.JSON) and isinstance(patch, dict):
                merged[fact.name] = merge_patch(getattr(instance, fact.name), patch)
        return merged

    def _with_mark(self, values: dict[str, Any]) -> dict[str, Any]:
        """Let a new row be one that is not deleted."""
        mark = self._resource.soft_delete
        return values if mark is None else {mark.fact.name: mark.active, **values}

    def _with_tenant(self, values: dict[str, Any]) -> dict[str, Any]:
        """Let a row be one of the caller's tenant."""
        return values if self._tenants is None else self._tenants.filled(self._resource, values, get_current_user())

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _require_key(self, key: Key | None) -> Key:
        if key is None:
            raise self._not_found()
        return key

    def _not_found(self) -> NotFoundError:
        return NotFoundError(f"{self._resource.name} not found.", reason="row_not_found")

    def _keyed(self, body: Mapping[str, Any], key: Key) -> Mapping[str, Any]:
        """Put the key of the URL into a body that leaves it out, so that it is no missing field."""
        missing = {
            item.name: to_jsonable(value)
            for item, value in zip(self._resource.key, key, strict=True)
            if item.name not in body and "PUT" not in item.locked_in
        }
        return {**body, **missing}

    def _read(self, reader: BodyReader | NestedReader, body: Mapping[str, Any], key: Key) -> dict[str, Any]:
        """Read a body for the row of the URL: its key may stand in the body only as it is in the URL (rest 5.3)."""
        errors: dict[str, Any] = {}
        for item, value in zip(self._resource.key, key, strict=True):
            if item.name in body and not _means(item, body[item.name], value):
                errors[item.name] = ["The key in the body differs from the key in the URL."]
        if errors:
            raise ValidationError(errors)
        values = reader.read(body)
        for item in self._resource.key:
            values.pop(item.attribute, None)
        return values

    def _defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give what a replacement sets for columns that its body leaves out.

        Columns that clients cannot see are kept: whoever sends an answer back must not clear a password with it.

        Args:
            given: Attribute values of the body and of the key.
        """
        values: dict[str, Any] = {}
        filled = set() if self._nested is None else self._nested.filled(self._resource, given)
        items = [item for item in self._resource.fields.values() if isinstance(item.fact, ColumnFact)]
        items = [item for item in items if item.attribute not in filled]
        parameters = {_column_key(item): given[item.attribute] for item in items if item.attribute in given}
        for item in items:
            if item.attribute in given or "PUT" in item.locked_in or "GET" in item.hidden_in:
                continue
            is_known, default = default_value(item, parameters)
            if is_known:
                values[item.attribute] = parameters[_column_key(item)] = default
        return values


def _in_order(keys: Iterable[Key]) -> list[Key]:
    """Sort keys as databases do, so that statements for a few hundred each lock them in one order."""
    known = list(keys)
    try:
        return sorted(known)
    except TypeError:
        # Keys of a type without an order.
        return known


def locked(by_key: sa.Select[Any], resource: Resource) -> sa.Select[Any]:
    """Let the select of rows wait for whoever changes them, and see what was committed last.

    The ORM writes only what differs from what was read, which the transaction of MariaDB and MySQL takes from the
    time of its first statement. A version column finds out by itself. `key_share` lets others refer to the row.
    """
    mapper = resource.facts.mapper
    base: Any = mapper.base_mapper.local_table
    if mapper.version_id_col is not None or not isinstance(base, sa.Table):
        return by_key
    # Subclasses that are loaded with their parent stand in outer joins, which PostgreSQL does not lock.
    return by_key.with_for_update(key_share=True, of=base if mapper.with_polymorphic_mappers else None)


def _locking_nothing(resource: Resource) -> sa.Delete | None:
    table: Any = resource.facts.mapper.base_mapper.local_table
    return sa.delete(table).where(sa.false()) if isinstance(table, sa.Table) else None


def _secret_of(app: Flask) -> bytes:
    secret = app.secret_key
    return secret.encode() if isinstance(secret, str) else secret or b""


def _column_key(item: Field) -> str:
    return str(getattr(getattr(item.fact, "column", None), "key", item.attribute))


def _means(item: Field, given: Any, value: Any) -> bool:
    try:
        return bool(text_to_value(item.codec, given) == value)
    except ma.ValidationError:
        return False
